"""Rows between a header and its data that explain the columns: rulers, units, types, numbers of columns. No files."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from etl_platform.engine.reading.tables.header_words import are_names, is_value
from etl_platform.engine.reading.tables.preamble_and_footer import is_ruler

NumberedRow = tuple[int, int, list[str]]
"""First line, line after, cells. Lines are 1-based."""
_ROWS = 3
"""Rows below a header that may explain it."""
_DATA_ROWS = 50
_MIN_NUMBERS, _CERTAIN_NUMBERS = 3, 6
"""Columns from which on 1, 2, 3 … may be, and must be, the numbers of columns."""
_UNIT = re.compile(
    r"[$€£%#]|[A-Za-z]{0,2}\$|usd|eur|gbp|cad|mxn|dollars?|cents?|percent|pct|degrees?|deg|mph|km/?h|kmh"
    r"|kg|lbs?|pounds?|oz|cm|mm|km|ft|feet|foot|inch(?:es)?|miles?|yards?"
    r"|years?|yrs?|months?|weeks?|days?|hours?|hrs?|minutes?|sec(?:onds)?"
    r"|(?=.*(?:yy|mm|dd|hh))(?:y{2,4}|m{1,4}|d{1,2}|h{1,2}|s{1,2}|am/pm|a|utc|[-/.: t,])++",
    re.IGNORECASE,
)
_TYPE = re.compile(
    r"(?:text|string|str|varchar|char|nvarchar|integer|int|bigint|smallint|number|numeric|decimal|float|double|real"
    r"|date|datetime|timestamp|time|boolean|bool|bit)(?: ?\([0-9, ]+\))?",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|<([^<>]*)>|\{([^{}]*)\}")


@dataclass(frozen=True)
class RowBelow:
    """A row that is not data: its first line, the line after it, its cells, and the reason."""

    line: int
    after: int
    cells: list[str]
    why: str


def rows_below(rows: Sequence[NumberedRow], known: Collection[int]) -> list[RowBelow]:
    """The rows directly below a header, as far as they explain it.

    Args:
        rows: all rows below the header.
        known: positions of the columns that have a meaning; text in other columns alone is not a row.
    """
    found: list[RowBelow] = []
    for place, (line, after, cells) in enumerate(rows[:_ROWS]):
        why = _why(cells, [row for _, _, row in rows[place + 1 : place + 1 + _DATA_ROWS]], known)
        if why is None:
            break
        found.append(RowBelow(line, after, cells, why))
    return found


def _why(cells: Sequence[str], data: Sequence[Sequence[str]], known: Collection[int]) -> str | None:
    texts = [cell.strip() for cell in cells if cell.strip()]
    if is_ruler(cells):
        return "ruler"
    if _are_units(texts, starts_blank=not cells[0].strip()):
        return "units"
    if len(texts) > 1 and all(_TYPE.fullmatch(_without_brackets(text)) for text in texts):
        return "types"
    if _are_column_numbers(cells, data):
        return "column numbers"
    unknown = not any(cells[place].strip() for place in known if place < len(cells))
    return "second header row" if unknown and known and are_names(texts) else None


def _are_units(texts: Sequence[str], *, starts_blank: bool) -> bool:
    """Whether all texts are units or in brackets; a single one only where the first cell is blank."""
    units = sum(_UNIT.fullmatch(_without_brackets(text)) is not None for text in texts)
    bracketed = all(_UNIT.fullmatch(text) or _BRACKETED.fullmatch(text) for text in texts)
    return units > 0 and bracketed and (len(texts) > 1 or starts_blank)


def _without_brackets(text: str) -> str:
    found = _BRACKETED.fullmatch(text)
    return ("".join(filter(None, found.groups())) if found else text).strip()


def _are_column_numbers(cells: Sequence[str], data: Sequence[Sequence[str]]) -> bool:
    """Whether the cells count the columns, unlike the cells below them."""
    numbers = [cell.strip().strip("()[]") for cell in cells]
    letters = numbers == list(ascii_uppercase[: len(numbers)])
    if len(numbers) < _MIN_NUMBERS or not (letters or numbers == [str(n) for n in range(1, len(numbers) + 1)]):
        return False
    if letters:
        return not any(len(cell.strip()) == 1 for row in data for cell in row[:1])
    if len(numbers) >= _CERTAIN_NUMBERS:
        return True
    texts = [
        place
        for place in range(len(numbers))
        if data and not any(is_value(row[place]) for row in data if place < len(row))
    ]
    return len(texts) * 2 >= len(numbers)
