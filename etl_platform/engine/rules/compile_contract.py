"""A contract compiled to Polars expressions over one file's header, its flags made from the table of rule kinds.

Row rules read typed values. A row rule passes where an input has the wrong type, because that has its own reason.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from datetime import date
from functools import lru_cache, partial

import polars as pl

from etl_platform.engine.contract.model import DELIVERY_DAY, Column, Contract, RowRule
from etl_platform.engine.errors import ContractError, ErrorList
from etl_platform.engine.rules.compiled_column import CompiledColumn
from etl_platform.engine.rules.compiled_contract import CompiledContract, declared_lines
from etl_platform.engine.rules.contract_rules import contract_rules, unique_keys
from etl_platform.engine.rules.contradictions import refuse_contradictions
from etl_platform.engine.rules.derived_columns import Derivation, derive, file_value, lineage, rule_inputs
from etl_platform.engine.rules.dry_run import DryRun
from etl_platform.engine.rules.failing_rows import FAILURES
from etl_platform.engine.rules.kinds import COLUMN_KINDS
from etl_platform.engine.rules.row_sql import first_line, row_expression, used_columns
from etl_platform.engine.values.cell_values import cell_text, read_texts, typed_value
from etl_platform.engine.values.other_readings import other_readings
from etl_platform.engine.values.silver_types import dtype


def compile_contract(
    contract: Contract,
    positions: Mapping[str, int],
    *,
    delivery_day: date | None = None,
    serial_origin: date | None = None,
) -> CompiledContract:
    """Compile a contract to expressions.

    Args:
        positions: of each contract column in the file; a missing column reads as null.
        delivery_day: UTC; required if ``needs_delivery_day``.
        serial_origin: day 0 of a workbook; its dates may also be ISO, as date cells are rendered.

    Raises:
        ContractError: a pattern, format, bound or SQL expression that does not compile, or names an unknown column.
        ValueError: the delivery day is needed and not given.
        RuntimeError: a rule kind gives a reason without a flag, or a flag without a reason.
    """
    needed = needs_delivery_day(contract)
    if needed and delivery_day is None:
        raise ValueError(f"{contract.path} has rules about the day of delivery; pass it as delivery_day")
    return _compile(contract, tuple(positions.items()), delivery_day if needed else None, serial_origin)


def needs_delivery_day(contract: Contract) -> bool:
    """Whether a rule about rows, or a derived column, uses the day of delivery."""
    expressions = [column.expression or "" for column in contract.columns] + [rule.sql for rule in contract.row_rules]
    # A match in a string literal or a comment costs one compilation a day, nothing else.
    return any(column.not_future for column in contract.columns) or any(DELIVERY_DAY in sql for sql in expressions)


@lru_cache(maxsize=64)
def _compile(
    contract: Contract, places: tuple[tuple[str, int], ...], day: date | None, serial_origin: date | None
) -> CompiledContract:
    """Cached: many files have the same header, and compiling costs as much as checking a small file."""
    positions = dict(places)
    read = partial(read_texts, contract)
    schema = pl.Schema({column.name: dtype(column) for column in contract.columns})
    errors, texts, typed = ErrorList(), list[pl.Expr](), list[pl.Expr]()
    derivation = Derivation((), {column.name: frozenset({column.name}) for column in contract.columns}, {})
    with errors.collect():
        derivation = derive(contract, schema, read, day)
    unread = {column.name for column in contract.columns if errors and column.derived}
    for column in contract.file_columns:
        with errors.collect():
            texts.append(cell_text(column, positions.get(column.name), in_workbook=serial_origin is not None))
            value = (
                file_value(column, read)
                if column.is_code
                else typed_value(column, contract, serial_origin=serial_origin)
            )
            typed.append(value.alias(column.name))
    unread |= {column.name for column in contract.file_columns} - {value.meta.output_name() for value in typed}
    flags, late_flags = _flags(contract, derivation, day, errors, unread)
    errors.raise_any()
    keys = unique_keys(contract)
    reasons = tuple(rule.reason for rule in contract_rules(contract))
    checked = [flag.meta.output_name().removeprefix("rule:") for flag in (*flags, *late_flags)]
    _refuse_inconsistent_kinds(contract.path, reasons, [*checked, *keys])
    compiled = CompiledContract(
        contract=contract,
        positions=positions,
        texts=tuple(texts),
        typed=tuple(typed),
        flags=tuple(flag.fill_null(value=False) for flag in flags),
        late_flags=tuple(flag.fill_null(value=False) for flag in late_flags),
        keys=keys,
        inputs=rule_inputs(contract) | keys,
        reasons=reasons,
        schema=schema,
        derivation=derivation,
        lineage=lineage(contract),
        other_readings=tuple(r for r in other_readings(contract, serial_origin) if r.column in positions),
    )
    _dry_run(compiled)
    return compiled


def _flags(
    contract: Contract, derivation: Derivation, day: date | None, errors: ErrorList, unread: Set[str]
) -> tuple[list[pl.Expr], list[pl.Expr]]:
    """The flags of rules about columns and rows; those that need a computed column separately.

    Args:
        errors: collects those of rules that do not compile.
        unread: columns with an error, such as an unknown format, from which others would follow.
    """
    flags: list[pl.Expr] = []
    late: list[pl.Expr] = []
    for column in contract.columns:
        if column.name in unread:
            continue
        with errors.collect():
            (late if column.computed else flags).extend(_column_flags(column, contract, derivation, day))
    for rule in contract.row_rules:
        with errors.collect():
            flag = _row_flag(rule, contract, derivation, day)
            (late if any(contract.column(name).computed for name in used_columns(rule.sql)) else flags).append(flag)
    return flags, late


def _column_flags(column: Column, contract: Contract, derivation: Derivation, day: date | None) -> Iterable[pl.Expr]:
    values = CompiledColumn(column, contract, derivation, day)
    refuse_contradictions(values)
    for kind in COLUMN_KINDS:
        if kind.flag is not None and kind.applies(column):
            yield kind.flag(values).alias(f"rule:{kind.reason(column)}")


def _row_flag(rule: RowRule, contract: Contract, derivation: Derivation, day: date | None) -> pl.Expr:
    known = {column.name: dtype(column) for column in contract.columns}
    broken = ~row_expression(rule.sql, rule.name, known, path=contract.path, line=rule.line, delivery_day=day)
    failed = derivation.failed(used_columns(rule.sql))
    return (broken if failed is None else broken & ~failed).alias(f"rule:{rule.name}")


def _refuse_inconsistent_kinds(path: str, reasons: Iterable[str], checked: Iterable[str]) -> None:
    """Raise RuntimeError if a reason has no flag, so that nothing checks it, or a flag has no reason to report."""
    named, flagged = Counter(reasons), Counter(checked)
    if named != flagged:
        raise RuntimeError(
            f"{path}: the rule kinds in engine/rules/kinds.py are inconsistent. "
            f"Reasons without a flag: {', '.join(sorted(named - flagged)) or 'none'}. "
            f"Flags without a reason: {', '.join(sorted(flagged - named)) or 'none'}."
        )


def _dry_run(compiled: CompiledContract) -> None:
    """Evaluate every flag on sample rows, so that broken rules are reported with their lines before a file is read."""
    contract, errors = compiled.contract, ErrorList()
    schema = {f"text:{name}": pl.String() for name in compiled.schema} | dict(compiled.schema)
    samples, flags = DryRun(schema), (*compiled.flags, *compiled.late_flags)
    types = samples.types_of(flags)
    for place, flag in enumerate(flags):
        name = flag.meta.output_name().removeprefix("rule:")
        with errors.collect():
            try:
                found = types[place] if types is not None else samples.type_of(flag)
            except FAILURES as error:
                line = declared_lines(contract).get(name)
                raise ContractError(f"{name}: {first_line(error)}", path=contract.path, line=line) from None
            if found != pl.Boolean:
                line = declared_lines(contract).get(name)
                raise ContractError(f"{name} gives {found}, not true or false", path=contract.path, line=line)
    errors.raise_any()
