"""Contract → vectorised checks with reasons. Frames in, frames out; no files, no Dagster.

A batch holds the file's cells as text in columns named by position (``"0"``, ``"1"``, …). ``CompiledContract``
adds three families of columns: ``text:<column>`` (trimmed, null tokens and blanks as null), ``<column>``
(typed) and ``rule:<reason>`` (true where the row breaks the rule). A rule about a value's content passes on
null; a row rule sees typed values and passes where one of its inputs failed its own type.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache, partial
from typing import Any

import polars as pl

from etl_platform.engine.columns import BAD, DAMAGE, REASONS
from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.derived_columns import (
    Derivation,
    derive,
    file_value,
    lineage,
    lookup_broken,
    rule_inputs,
)
from etl_platform.engine.rules.hook_result import Transform, given_columns, spread
from etl_platform.engine.rules.row_sql import first_line, row_expression, used_columns
from etl_platform.engine.rules.rule_names import contract_rules, unique_reason
from etl_platform.engine.values.cell_values import cell_text, column_error, read_texts, typed_value
from etl_platform.engine.values.decimals import exact_bound
from etl_platform.engine.values.silver_types import dtype

KEY_SEED = 7
_FEW_VALUES = 8
"""Up to here a comparison with each is a third of the cost of Polars' search among them."""


@dataclass(frozen=True)
class CompiledContract:
    """Expressions for one contract over one file's header.

    Attributes:
        positions: where each contract column stands in the file.
        keys: the columns of each uniqueness rule, by reason.
        inputs: the columns that each rule looks at, by reason.
        reasons: every reason the rules can give, in report order.
        late_flags: rules that look at computed columns, which are there once the hook has run.
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
    derivation: Derivation
    late_flags: tuple[pl.Expr, ...]
    lineage: Mapping[str, tuple[str, ...]]

    def sources(self, column: str) -> tuple[str, ...]:
        """The contract's columns in the file that a column of silver comes from."""
        return self.lineage[column]

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
        used = {part for columns in self.keys.values() for name in columns for part in self.derivation.inputs[name]}
        plan = cells.lazy().select_seq(_only(self.texts, used)).with_columns_seq(_only(self.typed, used))
        for stage in self.derivation.stages:
            plan = plan.with_columns_seq(_only(stage, used))
        keys = self._collect(plan.select_seq(self._key_columns()), cells)
        return {reason: keys[f"key:{reason}"].drop_nulls() for reason in self.keys}

    def _key_columns(self) -> list[pl.Expr]:
        return [_key(self.contract, columns).alias(f"key:{reason}") for reason, columns in self.keys.items()]

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
            .with_columns_seq(self.texts)
            .with_columns_seq(self.typed)
            .pipe(self._derived)
            .with_columns_seq(*self.flags, *self._key_columns())
            .with_columns_seq(unique)
            .with_columns_seq(pl.any_horizontal(*flags, pl.col(DAMAGE).is_not_null()).alias(BAD))
        )
        return self._collect(plan, cells)

    def _collect(self, plan: pl.LazyFrame, cells: pl.DataFrame) -> pl.DataFrame:
        try:
            # Batch after batch the same plan over columns that are all needed: there is nothing to optimise.
            return plan.collect(engine="in-memory", optimizations=pl.QueryOptFlags.none())
        except pl.exceptions.PolarsError as error:
            # Polars' own message quotes values, which may be classified.
            name, line = self._failing(cells)
            message = f"{name} fails on a value of this file ({type(error).__name__}); let it give NULL for such values"
            raise ContractError(message, path=self.contract.path, line=line) from None

    def _failing(self, cells: pl.DataFrame) -> tuple[str, int | None]:
        """The first rule or derived column that cannot be evaluated, and its line."""
        lines = _lines(self.contract)
        for step in (self.texts, self.typed, *self.derivation.stages, self.flags, self.late_flags):
            for expression in step:
                name = expression.meta.output_name()
                try:
                    cells = cells.with_columns(expression)
                except pl.exceptions.ColumnNotFoundError:
                    continue
                except pl.exceptions.PolarsError:
                    name = name.removeprefix("rule:").removeprefix("text:")
                    return name, lines.get(name)
        return "a rule", None

    def _derived(self, plan: pl.LazyFrame) -> pl.LazyFrame:
        for stage in self.derivation.stages:
            plan = plan.with_columns_seq(stage)
        return plan

    def add_computed(self, batch: pl.DataFrame, transform: Transform) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Have a hook make the computed columns of the rows that are good so far, and hold these against their rules.

        Returns:
            The checked batch with the computed columns, null in its bad rows; and the computed columns alone.
        """
        good = ~batch[BAD]
        made = transform(batch.filter(good).select(given_columns(self.contract)))
        late = {flag.meta.output_name(): pl.lit(good) & flag for flag in self.late_flags}
        whole = batch.hstack(spread(made, good))
        plan = whole.lazy().with_columns(**late).with_columns(pl.any_horizontal(BAD, *late).alias(BAD))
        return self._collect(plan, whole), made

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
    return _compile(contract, tuple(positions.items()), serial_origin)


@lru_cache(maxsize=64)
def _compile(contract: Contract, places: tuple[tuple[str, int], ...], serial_origin: date | None) -> CompiledContract:
    """A run meets the same few headers in file after file, and compiling costs as much as checking a small one."""
    positions = dict(places)
    read = partial(read_texts, contract)
    plain = partial(typed_value, contract=contract, serial_origin=serial_origin)
    schema = pl.Schema({column.name: dtype(column) for column in contract.columns})
    derivation = derive(contract, schema, read)
    texts: list[pl.Expr] = []
    typed: list[pl.Expr] = []
    flags: list[pl.Expr] = []
    late: list[pl.Expr] = []
    for column in contract.columns:
        if column.in_file:
            texts.append(cell_text(column, positions.get(column.name)))
            value = file_value(column, read) if column.is_code else plain(column)
            typed.append(value.alias(column.name))
        (late if column.computed else flags).extend(_column_flags(column, contract, derivation))
    for index, rule in enumerate(contract.row_rules):
        flag = _row_flag(contract, index, derivation)
        (late if any(contract.column(name).computed for name in used_columns(rule.sql)) else flags).append(flag)
    keys: dict[str, tuple[str, ...]] = {f"{c.name}.unique": (c.name,) for c in contract.columns if c.unique}
    if len(contract.primary_key) > 1:
        keys[unique_reason(contract.primary_key)] = contract.primary_key
    compiled = CompiledContract(
        contract,
        positions,
        tuple(texts),
        tuple(typed),
        tuple(flag.fill_null(value=False) for flag in flags),
        keys,
        rule_inputs(contract) | keys,
        tuple(rule.reason for rule in contract_rules(contract)),
        schema,
        derivation,
        tuple(flag.fill_null(value=False) for flag in late),
        lineage(contract),
    )
    _dry_run(compiled)
    return compiled


def _only(expressions: Sequence[pl.Expr], names: set[str]) -> list[pl.Expr]:
    return [e for e in expressions if e.meta.output_name().removeprefix("text:") in names]


def _column_flags(column: Column, contract: Contract, derivation: Derivation) -> list[pl.Expr]:
    text, value = pl.col(f"text:{column.name}"), pl.col(column.name)
    flags: list[pl.Expr] = []

    def flag(kind: str, broken: pl.Expr) -> None:
        flags.append(broken.alias(f"rule:{column.name}.{kind}"))

    if column.required:
        unread = derivation.unread([column.name]) if column.derived or column.lookup else None
        flag("required", text.is_null() if unread is None else value.is_null() & ~unread)
    if column.lookup is not None:
        flag("lookup", lookup_broken(column, contract, partial(read_texts, contract)))
    elif column.type is not ColumnType.STRING:
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
    if isinstance(bound, int | float) and column.decimal:
        try:
            return exact_bound(bound, column.decimal[1])
        except ValueError as error:
            raise column_error(contract, column, str(error)) from None
    if isinstance(bound, int | float) and column.type is ColumnType.NUMBER:
        return float(bound)
    typed = pl.DataFrame({f"text:{column.name}": [str(bound)]}).select(typed_value(column, contract)).item()
    if typed is None:
        # Bounds are ISO dates, whatever formats the agencies write.
        iso = pl.Series([str(bound)]).str.to_date("%Y-%m-%d", strict=False).item()
        typed = iso if column.type in {ColumnType.DATE, ColumnType.TIMESTAMP} else None
    if typed is None:
        raise column_error(contract, column, f"{bound!r} is no {column.type}")
    return typed


def _is_allowed(column: Column, contract: Contract, text: pl.Expr, value: pl.Expr) -> pl.Expr:
    assert column.allowed is not None
    if column.type is ColumnType.STRING or (column.in_file and column.lookup is not None):
        if 0 < len(column.allowed) <= _FEW_VALUES:
            return pl.any_horizontal(text == item for item in column.allowed)
        return text.is_in(column.allowed)
    literals = [_literal(column, contract, item) for item in column.allowed]
    return value.is_in(pl.Series(literals, dtype=dtype(column)).implode())


def _row_flag(contract: Contract, index: int, derivation: Derivation) -> pl.Expr:
    rule = contract.row_rules[index]
    known = {column.name: dtype(column) for column in contract.columns}
    broken = ~row_expression(rule.sql, rule.name, known, path=contract.path, line=rule.line)
    unread = derivation.unread(used_columns(rule.sql))
    return (broken if unread is None else broken & ~unread).alias(f"rule:{rule.name}")


def _dry_run(compiled: CompiledContract) -> None:
    """Evaluate every flag on one row, so that a broken expression is blamed on its line before any file is read."""
    contract, lines = compiled.contract, _lines(compiled.contract)
    texts = [pl.lit("x").alias(f"text:{name}") for name in compiled.schema]
    values = [pl.Series(name, [1], pl.Int8).cast(dtype, strict=False) for name, dtype in compiled.schema.items()]
    frame = pl.select(texts).with_columns(compiled.typed).with_columns(values)
    for flag in (*compiled.flags, *compiled.late_flags):
        name = flag.meta.output_name().removeprefix("rule:")
        try:
            found = frame.select(flag).dtypes[0]
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            message = f"{name}: {first_line(error)}"
            raise ContractError(message, path=contract.path, line=lines.get(name)) from None
        if found != pl.Boolean:
            message = f"{name} gives {found}, not true or false"
            raise ContractError(message, path=contract.path, line=lines.get(name))


def _lines(contract: Contract) -> dict[str, int]:
    """Where the contract declares each column and rule."""
    lines = {column.name: column.line for column in contract.columns}
    lines |= {rule.reason: lines[rule.column] for rule in contract_rules(contract) if rule.column}
    return lines | {rule.name: rule.line for rule in contract.row_rules}


def _key(contract: Contract, columns: tuple[str, ...]) -> pl.Expr:
    """Of typed values: 1/5/2026 and 2026-01-05 are one day; of texts where silver holds another name for them.

    A value that is not of its type has its own reason.
    """
    made = [contract.column(name) for name in columns]
    values = [pl.col(f"text:{c.name}" if c.type is ColumnType.STRING or c.is_code else c.name) for c in made]
    whole = pl.all_horizontal([value.is_not_null() for value in values])
    hashed = values[0].hash(KEY_SEED) if len(values) == 1 else pl.struct(values).hash(KEY_SEED)
    return pl.when(whole).then(hashed)
