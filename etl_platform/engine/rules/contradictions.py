"""Refuses columns whose declaration contradicts itself: formats that read one text as two values, empty ranges."""

from typing import Any

from etl_platform.engine.contract.model import ColumnType
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.compiled_column import CompiledColumn
from etl_platform.engine.values.cell_values import column_error
from etl_platform.engine.values.format_conflicts import contradiction

_MOMENTS = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.TIME})


def refuse_contradictions(values: CompiledColumn) -> None:
    """Raise ContractError for the first contradiction in a column, with its line. Its formats are known to be valid."""
    column = values.column
    if column.type in _MOMENTS and (found := contradiction(column.formats)):
        one, other, text = found
        if one == other:
            raise _error(values, f"the format {one!r} reads {text!r} in two ways; put separators between its fields")
        raise _error(values, f"the formats {one!r} and {other!r} read {text!r} as different values; keep one of them")
    _refuse_empty_length(values)
    _refuse_empty_range(values)


def _refuse_empty_length(values: CompiledColumn) -> None:
    shortest, longest = values.column.min_length, values.column.max_length
    if shortest is not None and longest is not None and shortest > longest:
        raise _error(values, f"minLength {shortest} is above maxLength {longest}; no text has such a length")


def _refuse_empty_range(values: CompiledColumn) -> None:
    column = values.column
    lowest = _bounds(minimum=column.minimum, exclusiveMinimum=column.exclusive_minimum)
    highest = _bounds(maximum=column.maximum, exclusiveMaximum=column.exclusive_maximum)
    for low_name, low in lowest.items():
        for high_name, high in highest.items():
            closed = (low_name, high_name) == ("minimum", "maximum")
            start, end = values.typed(low), values.typed(high)
            if start > end or (start == end and not closed):
                raise _error(values, f"{low_name} {low} and {high_name} {high} leave no value between them")
    if column.allowed and column.type is not ColumnType.STRING:
        for name, bound in {**lowest, **highest}.items():
            if all(_is_beyond(values.typed(item), name, values.typed(bound)) for item in column.allowed):
                raise _error(values, f"{name} {bound} refuses every allowed value; remove one of them")


def _is_beyond(value: Any, name: str, limit: Any) -> bool:
    if value == limit:
        return name.startswith("exclusive")
    return bool(value < limit if name.lower().endswith("minimum") else value > limit)


def _bounds(**bounds: str | float | None) -> dict[str, str | float]:
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _error(values: CompiledColumn, message: str) -> ContractError:
    return column_error(values.contract, values.column, message)
