"""The names of a contract's rules and of our own columns. Light on purpose: asset checks are declared from it at every
start.
"""

from dataclasses import dataclass

from etl_platform.engine.contract.model import Column, ColumnType, Contract

TWINS_DIFFER = "row.twin_columns_differ"


@dataclass(frozen=True)
class Rule:
    """``reason`` is what a quarantined row carries; ``column`` is None for a rule about whole rows."""

    reason: str
    column: str | None
    description: str


def unique_reason(columns: tuple[str, ...]) -> str:
    return f"{'+'.join(columns)}.unique"


def contract_rules(contract: Contract) -> list[Rule]:
    """Every rule of a contract in report order: column by column, then the key, then row rules."""
    rules = [rule for column in contract.columns for rule in _column_rules(column)]
    if len(contract.primary_key) > 1:
        names = ", ".join(contract.primary_key)
        rules.append(Rule(unique_reason(contract.primary_key), None, f"{names} together occur once in a file."))
    rules += [Rule(r.name, None, r.description or f"Must not be false: {r.sql}") for r in contract.row_rules]
    return rules


def _column_rules(column: Column) -> list[Rule]:
    said: list[tuple[str, str]] = []
    if column.required:
        said.append(("required", "must not be empty"))
    if column.lookup is not None:
        what = column.lookup.source or "it"
        said.append(("lookup", f"is looked up: {what} must be a {column.lookup.key} of {column.lookup.table.name}"))
    elif column.type is not ColumnType.STRING:
        said.append(
            (
                "type",
                f"must be a {column.type_name}" + (f" ({' or '.join(column.formats)})" if column.formats else ""),
            )
        )
    if column.pattern is not None:
        said.append(("pattern", f"must match {column.pattern}"))
    if column.min_length is not None or column.max_length is not None:
        said.append(
            (
                "length",
                f"must have {column.min_length or 0} to {column.max_length or 'any number of'} characters",
            )
        )
    if any(b is not None for b in (column.minimum, column.maximum, column.exclusive_minimum, column.exclusive_maximum)):
        said.append(("range", f"must lie in {_range_text(column)}"))
    if column.allowed is not None:
        said.append(
            (
                "allowed",
                f"must be one of {', '.join(column.allowed[:12])}{' …' if len(column.allowed) > 12 else ''}",
            )
        )
    if column.unique:
        said.append(("unique", "must occur once in a file"))
    return [Rule(f"{column.name}.{kind}", column.name, f"{column.name} {text}.") for kind, text in said]


def _range_text(column: Column) -> str:
    low = f"[{column.minimum}" if column.minimum is not None else f"({column.exclusive_minimum}"
    high = f"{column.maximum}]" if column.maximum is not None else f"{column.exclusive_maximum})"
    return f"{low}, {high}".replace("(None", "(-∞").replace("None)", "∞)")
