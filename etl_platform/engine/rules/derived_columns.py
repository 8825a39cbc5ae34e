"""Columns of silver that differ from the file's text: labels, lookups and SQL, with their source columns.

A derived column is added to the batch like one of the file: the typed ``<column>`` and, as text, ``text:<column>``.
Where an input is invalid, the derived value is null and passes its own rules, because the input has a reason already.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import or_

import polars as pl

from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform.engine.rules.dry_run import DryRun
from etl_platform.engine.rules.failing_rows import FAILURES
from etl_platform.engine.rules.kinds import DERIVE
from etl_platform.engine.rules.row_sql import first_line, row_expression, used_columns
from etl_platform.engine.values.silver_types import fits, settled

Read = Callable[[Column, Sequence[str | None]], pl.Series]
"""Converts texts to a column's type; null where a text is invalid."""


def lineage(contract: Contract) -> Mapping[str, tuple[str, ...]]:
    """Per column of silver, the contract's columns in the file that it comes from, in the contract's order.

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
    """The columns that each rule uses, by reason; for a lookup or SQL, those that the value comes from."""
    inputs: dict[str, tuple[str, ...]] = {r.reason: (r.column,) for r in contract_rules(contract) if r.column}
    for column in contract.columns:
        if column.lookup is not None and column.lookup.source is not None:
            inputs[f"{column.name}.lookup"] = (column.lookup.source,)
        if column.expression is not None:
            inputs[f"{column.name}.{DERIVE}"] = direct_inputs(column)
    return inputs | {rule.name: used_columns(rule.sql) for rule in contract.row_rules}


def file_value(column: Column, read: Read) -> pl.Expr:
    """The value of a column whose text in the file is a code: its label, or the cell of a reference table."""
    text = pl.col(f"text:{column.name}")
    if column.labels is not None and column.allowed is not None:
        return text.replace_strict(column.allowed, column.labels, default=None, return_dtype=pl.String)
    assert column.lookup is not None
    return _lookup_value(column, text, pl.Series(column.lookup.table.cells(column.lookup.key), dtype=pl.String), read)


def has_unknown_key(column: Column, contract: Contract, read: Read) -> pl.Expr:
    """True where the reference table has no row for the value."""
    value, keys = _lookup_keys(column, contract, read)
    return value.is_not_null() & ~value.is_in(keys.implode())


def _lookup_keys(column: Column, contract: Contract, read: Read) -> tuple[pl.Expr, pl.Series]:
    """The value that is looked up, and the table's keys as its type."""
    assert column.lookup is not None
    table, key = column.lookup.table, column.lookup.key
    texts = table.cells(key)
    if column.lookup.source is None:
        return pl.col(f"text:{column.name}"), pl.Series(texts, dtype=pl.String)
    source = contract.column(column.lookup.source)
    keys = read(source, texts)
    for place in (keys.is_null() | ~keys.is_first_distinct()).arg_true():
        message = (
            f"the key {key} {texts[place]!r} is repeated or not a valid {source.type_name}, the type of {source.name}; "
            "correct the table"
        )
        raise ContractError(message, path=table.path, line=table.lines[place])
    return pl.col(source.name), keys


def _lookup_value(column: Column, value: pl.Expr, keys: pl.Series, read: Read) -> pl.Expr:
    assert column.lookup is not None
    table, take = column.lookup.table, column.lookup.take
    texts = [text or None for text in table.cells(take)]
    taken = read(column, texts)
    for place in (taken.is_null() & pl.Series(texts, dtype=pl.String).is_not_null()).arg_true():
        message = (
            f"{take} {texts[place]!r} is not a valid {column.type_name}, the type of {column.name}; correct the table"
        )
        raise ContractError(message, path=table.path, line=table.lines[place])
    return value.replace_strict(keys, taken, default=None, return_dtype=taken.dtype)


@dataclass(frozen=True)
class Derivation:
    """The derived columns of a contract.

    Attributes:
        stages: their expressions; those of a stage use the columns of the file and of earlier stages.
        inputs: per column of the contract, itself and every column that it is derived from.
        failures: per column that can be invalid, an expression that is true where it is.
    """

    stages: tuple[tuple[pl.Expr, ...], ...]
    inputs: Mapping[str, frozenset[str]]
    failures: Mapping[str, pl.Expr]

    def failed(self, names: Iterable[str]) -> pl.Expr | None:
        """True where any of these columns, or one of their inputs, is invalid; None if that cannot happen."""
        used = {part for name in names for part in self.inputs[name]}
        found = [failure for name, failure in self.failures.items() if name in used]
        return reduce(or_, found) if found else None


def derive(contract: Contract, schema: pl.Schema, read: Read, delivery_day: date | None) -> Derivation:
    """Compile the derived columns.

    Args:
        contract: its derived columns may use columns of the file and derived ones above them.
        schema: the type of every column of silver.
        read: converts texts of a reference table to values.
        delivery_day: as in ``row_expression``.

    Raises:
        ContractError: an expression that does not compile, uses a column that is not above it, or has another type.
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
        if column.expression is not None:
            value = _sql_value(column, contract, schema, known, delivery_day)
        else:
            _refuse_unknown_source(column, contract, known)
            value = _lookup_value(column, *_lookup_keys(column, contract, read), read)
        used = direct_inputs(column)
        _refuse_other_sources(column, contract, used)
        failed = Derivation((), inputs, failures).failed(used)
        value = value if failed is None else pl.when(~failed).then(value)
        failures |= _failure(column, contract, read)
        inputs[column.name] |= frozenset().union(*(inputs[name] for name in used))
        depth[column.name] = 1 + max((depth.get(name, 0) for name in used), default=0)
        if depth[column.name] > len(stages):
            stages.append([])
        stages[depth[column.name] - 1] += settled(column, value, schema)
        known.append(column.name)
    return Derivation(tuple(map(tuple, stages)), inputs, failures)


def _failure(column: Column, contract: Contract, read: Read) -> dict[str, pl.Expr]:
    """By the column's name, where its value is invalid; empty if that cannot happen."""
    if column.lookup is not None:
        return {column.name: has_unknown_key(column, contract, read)}
    if column.type is ColumnType.STRING and column.labels is None:
        return {}
    return {column.name: pl.col(f"text:{column.name}").is_not_null() & pl.col(column.name).is_null()}


def _sql_value(
    column: Column, contract: Contract, schema: pl.Schema, known: Sequence[str], delivery_day: date | None
) -> pl.Expr:
    """The value of ``transformLogic``."""
    name, sql, path, line = column.name, column.expression or "", contract.path, column.line
    types = {column_name: schema[column_name] for column_name in known}
    value = row_expression(sql, name, types, path=path, line=line, delivery_day=delivery_day)
    try:
        found = DryRun(schema).type_of(value)
    except FAILURES as error:
        raise ContractError(f"{name}: {sql!r} fails: {first_line(error)}", path=path, line=line) from None
    if not fits(column, found):
        message = f"{name}: {sql!r} gives {found}, not {column.type_name}; write TRY_CAST"
        raise ContractError(message, path=path, line=line)
    return value


def _refuse_unknown_source(column: Column, contract: Contract, known: Sequence[str]) -> None:
    assert column.lookup is not None
    if column.lookup.source not in known:
        message = (
            f"{column.name}: from names the column {column.lookup.source!r}, which is not above it; "
            f"use one of {', '.join(known)}"
        )
        raise ContractError(message, path=contract.path, line=column.line)


def _refuse_other_sources(column: Column, contract: Contract, used: Sequence[str]) -> None:
    """``transformSourceObjects`` must agree with the columns that are used."""
    if column.declared_sources is not None and set(column.declared_sources) != set(used):
        declared = ", ".join(column.declared_sources)
        message = f"{column.name}: transformSourceObjects has {declared}, but the column uses {', '.join(used)}"
        raise ContractError(message, path=contract.path, line=column.line)
