"""How columns are made that no file has as silver holds them: labels, lookups, SQL, and which columns they come from.

A derived column is made in the batch like one of the file: ``<column>`` as its type and ``text:<column>``, that
value as text. Where a column it uses could not be read, it is null and its own rules pass: that column reports.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

import polars as pl

from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.row_sql import first_line, row_expression, used_columns
from etl_platform.engine.rules.rule_names import contract_rules
from etl_platform.engine.values.silver_types import fits, settled

Read = Callable[[Column, Sequence[str | None]], pl.Series]
"""Texts as values of a column's own type; null where a text is none."""
_NOW = re.compile(r"\bcurrent_(?:date|time|timestamp)\b|\b(?:now|localtime|localtimestamp)\s*\(", re.IGNORECASE)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")


def lineage(contract: Contract) -> Mapping[str, tuple[str, ...]]:
    """Per column of silver, the contract's columns whose text in the file it comes from, in the contract's order.

    A computed column comes from every column that the hook is given.
    """
    order = [column.name for column in contract.file_columns]
    found: dict[str, tuple[str, ...]] = {name: (name,) for name in order}
    for column in contract.columns:
        if column.computed:
            found[column.name] = tuple(order)
        elif column.derived:
            used = {source for name in direct_inputs(column) for source in found.get(name, ())}
            found[column.name] = tuple(name for name in order if name in used)
    return {column.name: found[column.name] for column in contract.columns}


def direct_inputs(column: Column) -> tuple[str, ...]:
    """The columns that a derived column names."""
    if column.expression is not None:
        return used_columns(column.expression)
    return (column.lookup.source,) if column.lookup is not None and column.lookup.source is not None else ()


def rule_inputs(contract: Contract) -> dict[str, tuple[str, ...]]:
    """The columns that each rule looks at, by reason; a derived lookup's at the one that is looked up."""
    inputs: dict[str, tuple[str, ...]] = {r.reason: (r.column,) for r in contract_rules(contract) if r.column}
    for column in contract.columns:
        if column.lookup is not None and column.lookup.source is not None:
            inputs[f"{column.name}.lookup"] = (column.lookup.source,)
    return inputs | {rule.name: used_columns(rule.sql) for rule in contract.row_rules}


def file_value(column: Column, read: Read) -> pl.Expr:
    """The value of a column whose text in the file is a code: its label, or what a reference table has for it."""
    text = pl.col(f"text:{column.name}")
    if column.labels is not None and column.allowed is not None:
        return text.replace_strict(column.allowed, column.labels, default=None, return_dtype=pl.String)
    assert column.lookup is not None
    return _looked_up(column, text, pl.Series(column.lookup.table.cells(column.lookup.key), dtype=pl.String), read)


def lookup_broken(column: Column, contract: Contract, read: Read) -> pl.Expr:
    """True where the reference table does not have the value."""
    assert column.lookup is not None
    value, keys = _key_of(column, contract, read)
    return value.is_not_null() & ~value.is_in(keys.implode())


def _key_of(column: Column, contract: Contract, read: Read) -> tuple[pl.Expr, pl.Series]:
    """What is looked up, and the table's keys as its type."""
    assert column.lookup is not None
    table, texts = column.lookup.table, column.lookup.table.cells(column.lookup.key)
    if column.lookup.source is None:
        return pl.col(f"text:{column.name}"), pl.Series(texts, dtype=pl.String)
    source = contract.column(column.lookup.source)
    keys = read(source, texts)
    for place in (keys.is_null() | ~keys.is_first_distinct()).arg_true():
        message = f"the key {column.lookup.key} {texts[place]!r} is no {source.type_name}, or stands there twice"
        raise ContractError(f"{message} as {source.name}", path=table.path, line=table.lines[place])
    return pl.col(source.name), keys


def _looked_up(column: Column, value: pl.Expr, keys: pl.Series, read: Read) -> pl.Expr:
    assert column.lookup is not None
    table = column.lookup.table
    texts = [text or None for text in table.cells(column.lookup.take)]
    taken = read(column, texts)
    for place in (taken.is_null() & pl.Series(texts, dtype=pl.String).is_not_null()).arg_true():
        message = f"{column.lookup.take} {texts[place]!r} is no {column.type_name}, as {column.name} has it"
        raise ContractError(message, path=table.path, line=table.lines[place])
    return value.replace_strict(keys, taken, default=None, return_dtype=taken.dtype)


@dataclass(frozen=True)
class Derivation:
    """The derived columns of a contract.

    Attributes:
        stages: expressions by how many derived columns stand before them; a stage sees those before it.
        inputs: per column of the contract, itself and every column that it is made of.
        failures: per column that may fail to be read, where it does.
    """

    stages: tuple[tuple[pl.Expr, ...], ...]
    inputs: Mapping[str, frozenset[str]]
    failures: Mapping[str, pl.Expr]

    def unread(self, names: Iterable[str]) -> pl.Expr | None:
        """Where any of these columns, or one that they are made of, could not be read; None if that cannot be."""
        used = {part for name in names for part in self.inputs[name]}
        found = [failure for name, failure in self.failures.items() if name in used]
        return reduce(or_, found) if found else None


def derive(contract: Contract, schema: pl.Schema, read: Read) -> Derivation:
    """Compile the derived columns.

    Args:
        contract: whose columns; derived ones may use those of the file and derived ones above them.
        schema: the type of every column of silver.
        read: how texts of a reference table become values.

    Raises:
        ContractError: an expression that does not compile, uses what is not there yet, or gives another type.
    """
    known = [column.name for column in contract.file_columns]
    failures: dict[str, pl.Expr] = {}
    for column in contract.columns:
        if not column.derived:
            failures |= _failure(column, contract, read)
    inputs = {column.name: frozenset({column.name}) for column in contract.columns}
    depth: dict[str, int] = {}
    stages: list[list[pl.Expr]] = []
    for column in contract.columns:
        if not column.derived:
            continue
        value, used = _value(column, contract, schema, known, read)
        below = Derivation((), inputs, failures).unread(used)
        value = value if below is None else pl.when(~below).then(value)
        failures |= _failure(column, contract, read)
        inputs[column.name] |= frozenset().union(*(inputs[name] for name in used))
        depth[column.name] = 1 + max((depth.get(name, 0) for name in used), default=0)
        if depth[column.name] > len(stages):
            stages.append([])
        stages[depth[column.name] - 1] += settled(column, value, schema)
        known.append(column.name)
    _refuse_unmasked(contract)
    return Derivation(tuple(map(tuple, stages)), inputs, failures)


def _failure(column: Column, contract: Contract, read: Read) -> dict[str, pl.Expr]:
    """Where the column itself could not be read, by its name; nothing where that cannot be."""
    if column.lookup is not None:
        return {column.name: lookup_broken(column, contract, read)}
    if column.type is ColumnType.STRING and column.labels is None:
        return {}
    return {column.name: pl.col(f"text:{column.name}").is_not_null() & pl.col(column.name).is_null()}


def _value(
    column: Column, contract: Contract, schema: pl.Schema, known: Sequence[str], read: Read
) -> tuple[pl.Expr, tuple[str, ...]]:
    """A derived column's value, and the columns that it names."""
    name, path, line = column.name, contract.path, column.line
    if column.expression is not None:
        value = row_expression(column.expression, name, {one: schema[one] for one in known}, path=path, line=line)
        used = direct_inputs(column)
        if _NOW.search(_QUOTED.sub("", column.expression)):
            message = f"{name}: {column.expression!r} depends on the day of the run; the same file must give the same"
            raise ContractError(message, path=path, line=line)
        _check_type(column, value, contract, schema)
    else:
        used = direct_inputs(column)
        if used[0] not in known:
            message = f"{name}: from names the unknown column {used[0]!r}; above it there are {', '.join(known)}"
            raise ContractError(message, path=path, line=line)
        value = _looked_up(column, *_key_of(column, contract, read), read)
    if column.made_of is not None and set(column.made_of) != set(used):
        message = f"{name}: transformSourceObjects has {', '.join(column.made_of)}, but it is made of {', '.join(used)}"
        raise ContractError(message, path=path, line=line)
    return value, used


def _check_type(column: Column, value: pl.Expr, contract: Contract, schema: pl.Schema) -> None:
    """Try an expression on rows of ones, zeros and nulls."""
    numbers = pl.Series([1, 0, None], dtype=pl.Int8)
    frame = pl.DataFrame({name: numbers.cast(dtype, strict=False) for name, dtype in schema.items()})
    try:
        found = frame.with_columns(value.alias("made"))["made"].dtype
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        message = f"{column.name}: {column.expression!r} fails: {first_line(error)}"
        raise ContractError(message, path=contract.path, line=column.line) from None
    if not fits(column, found):
        message = f"{column.name}: {column.expression!r} gives {found}, not {column.type_name}; write TRY_CAST"
        raise ContractError(message, path=contract.path, line=column.line)


def _refuse_unmasked(contract: Contract) -> None:
    """A classified value must not be shown because it moved to another column."""
    sources = lineage(contract)
    for column in contract.columns:
        name = column.name
        secret = next((source for source in sources[name] if contract.column(source).sensitive), None)
        if secret is not None and column.classification is None:
            message = (
                f"{name} is made of {secret}, which is classified; say its classification (public, if it may show)"
            )
            raise ContractError(message, path=contract.path, line=column.line)
