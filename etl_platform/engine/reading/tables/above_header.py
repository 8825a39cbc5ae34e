"""Lines above a header that are rows of its table: a header in the middle of a file. Texts only, no files."""

from collections.abc import Sequence

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.tables.below_header import NumberedRow
from etl_platform.engine.reading.tables.header_words import is_value
from etl_platform.engine.reading.tables.headers import FoundHeader

_ROWS_BELOW = 50
_LEAST_COMPARED = 3
_MOST, _FEW = 0.8, 0.2
"""Shares of a column's filled cells that are values: from the first on it is a column of values, up to the second of
texts."""


def refuse_rows_above(rows: Sequence[NumberedRow], header: FoundHeader) -> None:
    """Refuse a file whose header is below rows of its table, because they would be dropped as a preamble.

    Args:
        rows: those of the sample, above and below the header.

    Raises:
        UnreadableFileError: ``rows_above_header`` where a line above has values and texts in the columns in which the
            rows below have them.
    """
    below = [cells for line, _, cells in rows if line >= header.after][:_ROWS_BELOW]
    kinds = [_has_values([cells[place] for cells in below if place < len(cells)]) for place in range(len(header.cells))]
    alike = [line for line, _, cells in rows if line < header.first and _is_alike(cells, kinds)]
    if alike:
        raise UnreadableFileError(
            "rows_above_header",
            f"line {alike[0]} looks like a row of the table, but the header is on line {header.first}; "
            "put the line with the column names above all rows",
            alike[0],
        )


def _has_values(cells: Sequence[str]) -> bool | None:
    """Whether a column holds values or texts; None where it holds both, or nothing."""
    filled = [cell for cell in cells if cell.strip()]
    share = sum(map(is_value, filled)) / len(filled) if filled else 0.5
    return True if share >= _MOST else False if share <= _FEW else None


def _is_alike(cells: Sequence[str], kinds: Sequence[bool | None]) -> bool:
    if len(cells) != len(kinds):
        return False
    compared = [(is_value(cell), kind) for cell, kind in zip(cells, kinds, strict=True) if cell.strip()]
    known = [(found, kind) for found, kind in compared if kind is not None]
    return (
        len(known) >= _LEAST_COMPARED and any(kind for _, kind in known) and all(found == kind for found, kind in known)
    )
