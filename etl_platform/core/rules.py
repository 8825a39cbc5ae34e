"""Contract → vectorised checks with reasons. Frames in, frames out; no files, no Dagster.

A batch holds the file's cells as text in columns named by position (``"0"``, ``"1"``, …). ``CompiledContract``
adds three families of columns: ``text:<column>`` (trimmed, null tokens and blanks as null), ``<column>``
(typed) and ``rule:<reason>`` (true where the row breaks the rule). A rule about a value's content passes on
null; a row rule sees typed values and passes where one of its inputs failed its own type.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import polars as pl

from etl_platform.core.contracts import Column, ColumnType, Contract
from etl_platform.core.errors import ContractError
from etl_platform.core.fixed_dates import is_fixed, read_fixed
from etl_platform.core.formats import (
    DEFAULT_DATE,
    DEFAULT_TIMESTAMP,
    EXCEL_ORIGIN,
    SERIAL,
    serial_moment,
    text_format,
)
from etl_platform.core.rule_names import contract_rules, unique_reason

KEY_SEED = 7
LINE, DAMAGE, OVERFLOW, BAD, REASONS = "_line", "_damage", "_overflow", "_bad", "reasons"
MEMBER = "_member"
RESERVED = (LINE, OVERFLOW, REASONS, MEMBER)
"""Columns that a quarantine file has beside the sender's own."""
DTYPES: dict[ColumnType, pl.DataType] = {
    ColumnType.STRING: pl.String(),
    ColumnType.DATE: pl.Date(),
    ColumnType.TIMESTAMP: pl.Datetime("us"),
    ColumnType.INTEGER: pl.Int64(),
    ColumnType.NUMBER: pl.Float64(),
    ColumnType.BOOLEAN: pl.Boolean(),
}
_AMOUNT = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?"
_MONEY = rf"^(?:-?\s*\$?\s*{_AMOUNT}|\(\s*\$?\s*{_AMOUNT}\s*\))$"


@dataclass(frozen=True)
class CompiledContract:
    """Expressions for one contract over one file's header.

    Attributes:
        positions: where each contract column stands in the file.
        keys: the columns of each uniqueness rule, by reason.
        inputs: the columns that each rule looks at, by reason.
        reasons: every reason the rules can give, in report order.
    """

    contract: Contract
    positions: Mapping[str, int]
    texts: tuple[pl.Expr, ...]
    typed: tuple[pl.Expr, ...]
    flags: tuple[pl.Expr, ...]
    keys: Mapping[str, tuple[str, ...]]
    inputs: Mapping[str, tuple[str, ...]]
    reasons: tuple[str, ...]
    schema: pl.Schema

    @property
    def empty(self) -> dict[str, pl.Expr]:
        """How many cells of a column hold nothing, where null tokens make more nulls than those."""
        found: dict[str, pl.Expr] = {}
        for column in self.contract.columns:
            if column.null_tokens and column.name in self.positions:
                cell = pl.col(str(self.positions[column.name]))
                blank = column.trim or "" in map(str.strip, column.null_tokens)
                found[column.name] = (cell.is_null() | (cell.str.strip_chars() == "") & blank).sum()
        return found

    def key_hashes(self, cells: pl.DataFrame) -> dict[str, pl.Series]:
        """Per uniqueness rule, the 64-bit hash of each row's key; rows without a whole key are left out."""
        used = {name for columns in self.keys.values() for name in columns}
        texts = [text for text in self.texts if text.meta.output_name().removeprefix("text:") in used]
        typed = [value for value in self.typed if value.meta.output_name() in used]
        keys = cells.lazy().select(texts).with_columns(typed).select(self._key_columns()).collect()
        return {reason: keys[f"key:{reason}"].drop_nulls() for reason in self.keys}

    def _key_columns(self) -> list[pl.Expr]:
        return [_key(columns).alias(f"key:{reason}") for reason, columns in self.keys.items()]

    def check(self, cells: pl.DataFrame, repeated: Mapping[str, pl.Series]) -> pl.DataFrame:
        """Hold a batch against every rule.

        Args:
            cells: text columns by position, ``_line`` and ``_damage`` (null where the row is whole).
            repeated: per uniqueness rule, the key hashes that occur more than once in the file.

        Returns:
            The batch with all families of columns, ``key:<reason>`` hashes and ``_bad``.
        """
        unique = [
            pl.col(f"key:{reason}").is_in(repeated[reason].implode()).fill_null(value=False).alias(f"rule:{reason}")
            for reason in self.keys
        ]
        flags = [flag.meta.output_name() for flag in (*self.flags, *unique)]
        plan = (
            cells.lazy()
            .with_columns(self.texts)
            .with_columns(self.typed)
            .with_columns(*self.flags, *self._key_columns())
            .with_columns(unique)
            .with_columns(pl.any_horizontal(*flags, pl.col(DAMAGE).is_not_null()).alias(BAD))
        )
        try:
            return plan.collect()
        except pl.exceptions.PolarsError as error:
            # Polars' own message quotes values, which may be classified.
            message = f"a rule fails on this file's values ({type(error).__name__})"
            raise ContractError(message, path=self.contract.path) from None

    def explain(self, bad: pl.DataFrame) -> pl.DataFrame:
        """Bad rows with their ``reasons``: rule names joined by ``;`` in report order."""
        parts = [pl.when(f"rule:{reason}").then(pl.lit(reason)) for reason in self.reasons]
        return bad.with_columns(
            pl.concat_str([pl.col(DAMAGE), *parts], separator=";", ignore_nulls=True).alias(REASONS)
        )


def compile_contract(
    contract: Contract, positions: Mapping[str, int], *, serial_origin: date | None = None
) -> CompiledContract:
    """Turn a contract into expressions.

    Args:
        contract: what must hold.
        positions: where each contract column stands in the file; a column that is not there reads as null.
        serial_origin: of a workbook; dates may then also be ISO, as its date cells are rendered, or days since then.

    Raises:
        ContractError: a pattern, format, bound or row rule that does not parse, or names an unknown column.
    """
    texts = [_text(column, positions.get(column.name)) for column in contract.columns]
    typed: list[pl.Expr] = []
    flags: list[pl.Expr] = []
    for column in contract.columns:
        value = _typed(column, contract, serial_origin=serial_origin)
        typed.append(value.alias(column.name))
        flags += _column_flags(column, contract)
    flags += [_row_flag(contract, index) for index in range(len(contract.row_rules))]
    keys: dict[str, tuple[str, ...]] = {f"{c.name}.unique": (c.name,) for c in contract.columns if c.unique}
    if len(contract.primary_key) > 1:
        keys[unique_reason(contract.primary_key)] = contract.primary_key
    inputs: dict[str, tuple[str, ...]] = {r.reason: (r.column,) for r in contract_rules(contract) if r.column}
    for rule in contract.row_rules:
        inputs[rule.name] = tuple(dict.fromkeys(pl.sql_expr(rule.sql).meta.root_names()))
    inputs |= keys
    compiled = CompiledContract(
        contract,
        positions,
        tuple(texts),
        tuple(typed),
        tuple(flag.fill_null(value=False) for flag in flags),
        keys,
        inputs,
        tuple(rule.reason for rule in contract_rules(contract)),
        pl.Schema({column.name: DTYPES[column.type] for column in contract.columns}),
    )
    _dry_run(compiled)
    return compiled


def _text(column: Column, position: int | None) -> pl.Expr:
    name = f"text:{column.name}"
    if position is None:
        return pl.lit(None, pl.String).alias(name)
    text = pl.col(str(position))
    if column.trim:
        text = text.str.strip_chars()
        text = pl.when(text != "").then(text)
    if column.null_tokens:
        tokens = sorted({token.strip().upper() for token in column.null_tokens})
        text = pl.when(~text.str.strip_chars().str.to_uppercase().is_in(tokens)).then(text)
    return text.alias(name)


def _typed(column: Column, contract: Contract, *, serial_origin: date | None = None) -> pl.Expr:
    text = pl.col(f"text:{column.name}")
    match column.type:
        case ColumnType.STRING:
            return text
        case ColumnType.DATE | ColumnType.TIMESTAMP:
            return _moment(column, contract, text, serial_origin)
        case ColumnType.INTEGER:
            return text.cast(pl.Int64, strict=False)
        case ColumnType.NUMBER:
            plain = _number(text)
            return pl.coalesce(plain, _money(text)) if column.money else plain
        case ColumnType.BOOLEAN:
            folded = text.str.strip_chars().str.to_lowercase()
            yes = sorted({"true", *(v.lower() for v in column.true_values)})
            no = sorted({"false", *(v.lower() for v in column.false_values)})
            return pl.when(folded.is_in(yes)).then(True).when(folded.is_in(no)).then(False)


def _number(text: pl.Expr) -> pl.Expr:
    # Polars also reads 1e5, inf and nan; a plain number has digits, sign and point.
    number = text.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite() & ~text.str.contains("[eE]")).then(number)


def _money(text: pl.Expr) -> pl.Expr:
    """Dollars with sign, commas between thousands, or parentheses for a negative amount."""
    stripped = text.str.strip_chars()
    amount = stripped.str.replace_all(r"[$,()\s]", "").cast(pl.Float64, strict=False)
    signed = pl.when(stripped.str.starts_with("(")).then(-amount).otherwise(amount)
    return pl.when(stripped.str.contains(_MONEY)).then(signed)


def _moment(column: Column, contract: Contract, text: pl.Expr, serial_origin: date | None) -> pl.Expr:
    is_date = column.type is ColumnType.DATE
    readings: list[pl.Expr] = []
    patterns = column.formats or (DEFAULT_DATE if is_date else DEFAULT_TIMESTAMP)
    if serial_origin:
        patterns += DEFAULT_DATE if is_date else (*DEFAULT_TIMESTAMP, *DEFAULT_DATE)
    for pattern in dict.fromkeys(patterns):
        if pattern == SERIAL:
            continue
        try:
            form = text_format(pattern)
        except ValueError as error:
            raise _error(contract, column, str(error)) from None
        if column.type is ColumnType.DATE and is_fixed(pattern):
            read = partial(read_fixed, pattern=pattern)
            readings.append(text.map_batches(read, return_dtype=pl.Date, is_elementwise=True))
            continue
        dtype = pl.Date() if column.type is ColumnType.DATE else pl.Datetime("us")
        value = text.str.strptime(dtype, form.chrono, strict=False)
        # 0020-01-05 is a slip of the keyboard, not a date.
        readings.append(pl.when(text.str.contains(form.guard) & (value.dt.year() >= 1000)).then(value))
    if serial_origin or SERIAL in patterns:
        readings.append(serial_moment(text, serial_origin or EXCEL_ORIGIN, is_date=is_date))
    return pl.coalesce(readings) if len(readings) > 1 else readings[0]


def _column_flags(column: Column, contract: Contract) -> list[pl.Expr]:
    text, value = pl.col(f"text:{column.name}"), pl.col(column.name)
    flags: list[pl.Expr] = []

    def flag(kind: str, broken: pl.Expr) -> None:
        flags.append(broken.alias(f"rule:{column.name}.{kind}"))

    if column.required:
        flag("required", text.is_null())
    if column.type is not ColumnType.STRING:
        flag("type", text.is_not_null() & value.is_null())
    if column.pattern is not None:
        flag("pattern", ~text.str.contains(column.pattern))
    if column.min_length is not None or column.max_length is not None:
        length = text.str.len_chars()
        flag(
            "length",
            (length < (column.min_length or 0))
            | (length > pl.lit(column.max_length, pl.UInt32)).fill_null(value=False),
        )
    bounds = _bounds(column, contract)
    if bounds is not None:
        flag("range", ~bounds)
    if column.allowed is not None:
        flag("allowed", ~_is_allowed(column, contract, text, value))
    return flags


def _bounds(column: Column, contract: Contract) -> pl.Expr | None:
    value = pl.col(column.name)
    within: list[pl.Expr] = []
    for bound, compare in (
        (column.minimum, pl.Expr.ge),
        (column.maximum, pl.Expr.le),
        (column.exclusive_minimum, pl.Expr.gt),
        (column.exclusive_maximum, pl.Expr.lt),
    ):
        if bound is not None:
            within.append(compare(value, pl.lit(_literal(column, contract, bound))))
    return pl.all_horizontal(within) if within else None


def _literal(column: Column, contract: Contract, bound: str | float) -> Any:
    """A contract's bound or enumeration value as the column's own type."""
    if isinstance(bound, int | float) and column.type is ColumnType.NUMBER:
        return float(bound)
    typed = pl.DataFrame({f"text:{column.name}": [str(bound)]}).select(_typed(column, contract)).item()
    if typed is None:
        # Bounds are ISO dates, whatever formats the agencies write.
        iso = pl.Series([str(bound)]).str.to_date("%Y-%m-%d", strict=False).item()
        typed = iso if column.type in {ColumnType.DATE, ColumnType.TIMESTAMP} else None
    if typed is None:
        raise _error(contract, column, f"{bound!r} is no {column.type}")
    return typed


def _is_allowed(column: Column, contract: Contract, text: pl.Expr, value: pl.Expr) -> pl.Expr:
    assert column.allowed is not None
    if column.type is ColumnType.STRING:
        return text.is_in(column.allowed)
    return value.is_in([_literal(column, contract, item) for item in column.allowed])


def _row_flag(contract: Contract, index: int) -> pl.Expr:
    rule = contract.row_rules[index]
    try:
        expression = pl.sql_expr(rule.sql)
        used = expression.meta.root_names()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        message = f"{rule.name}: {rule.sql!r} is no SQL expression: {_first_line(error)}"
        raise ContractError(message, path=contract.path, line=rule.line) from None
    names = {column.name: column for column in contract.columns}
    unknown = [name for name in used if name not in names]
    if unknown:
        raise ContractError(
            f"{rule.name} names the unknown column {unknown[0]!r}; there are {', '.join(names)}",
            path=contract.path,
            line=rule.line,
        )
    tree = json.loads(expression.meta.serialize(format="json"))
    if _casts_strictly(tree):
        message = f"{rule.name}: CAST would fail the whole file at the first odd value; write TRY_CAST"
        raise ContractError(message, path=contract.path, line=rule.line)
    if _looks_beyond_its_row(tree):
        message = f"{rule.name}: {rule.sql!r} looks at more than one row; a row rule sees one at a time"
        raise ContractError(message, path=contract.path, line=rule.line)
    broken = ~expression
    for name in used:
        if names[name].type is not ColumnType.STRING:
            broken = broken & (pl.col(f"text:{name}").is_null() | pl.col(name).is_not_null())
    return broken.alias(f"rule:{rule.name}")


def _casts_strictly(node: Any) -> bool:
    """Whether a serialized expression holds a CAST; NOT brings one to Boolean of its own."""
    if isinstance(node, dict):
        cast = node.get("Cast")
        strict = isinstance(cast, dict) and cast["options"] == "Strict" and cast["dtype"] != {"Literal": "Boolean"}
        return strict or any(map(_casts_strictly, node.values()))
    return isinstance(node, list) and any(map(_casts_strictly, node))


_BEYOND = {"Agg", "Over", "Len", "Quantile", "Shift"}


def _looks_beyond_its_row(node: Any) -> bool:
    """Whether a serialized expression aggregates or looks at other rows: batches would change its answer."""
    if isinstance(node, dict):
        inner = [value for key, value in node.items() if key not in {"Column", "Literal"}]
        return not _BEYOND.isdisjoint(node) or any(map(_looks_beyond_its_row, inner))
    if isinstance(node, list):
        return any(map(_looks_beyond_its_row, node))
    return isinstance(node, str) and node in _BEYOND


def _dry_run(compiled: CompiledContract) -> None:
    """Evaluate every flag on one row, so that a broken expression is blamed on its line before any file is read."""
    contract = compiled.contract
    lines = {f"rule:{rule.name}": rule.line for rule in contract.row_rules}
    lines |= {
        f"rule:{rule.reason}": contract.column(rule.column).line for rule in contract_rules(contract) if rule.column
    }
    texts = [pl.lit("x").alias(expression.meta.output_name()) for expression in compiled.texts]
    values = [
        pl.Series(name, [1], pl.Int8).cast(pl.String if dtype == pl.String else dtype)
        for name, dtype in compiled.schema.items()
    ]
    frame = pl.select(texts).with_columns(compiled.typed).with_columns(values)
    for flag in compiled.flags:
        name = flag.meta.output_name()
        try:
            found = frame.select(flag).dtypes[0]
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            message = f"{name.removeprefix('rule:')}: {_first_line(error)}"
            raise ContractError(message, path=contract.path, line=lines.get(name)) from None
        if found != pl.Boolean:
            message = f"{name.removeprefix('rule:')} gives {found}, not true or false"
            raise ContractError(message, path=contract.path, line=lines.get(name))


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _key(columns: tuple[str, ...]) -> pl.Expr:
    """Of typed values: 1/5/2026 and 2026-01-05 are one day. A value that is not of its type has its own reason."""
    values = [pl.col(name) for name in columns]
    whole = pl.all_horizontal([value.is_not_null() for value in values])
    hashed = values[0].hash(KEY_SEED) if len(values) == 1 else pl.struct(values).hash(KEY_SEED)
    return pl.when(whole).then(hashed)


def _error(contract: Contract, column: Column, message: str) -> ContractError:
    return ContractError(f"{column.name}: {message}", path=contract.path, line=column.line)
