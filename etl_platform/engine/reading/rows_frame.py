"""Rows of a file, text or workbook, → a frame of text cells with line numbers and damage. No files."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from etl_platform.engine.columns import DAMAGE, LINE, OVERFLOW


class ParsedRow(NamedTuple):
    """One row with the 1-based line on which it begins; ``damage`` is a reason of ``engine.columns``."""

    cells: list[str]
    line: int
    damage: str | None = None
    overflow: str | None = None


def rows_frame(rows: Sequence[ParsedRow], width: int) -> pl.DataFrame:
    """Text columns by position, null for empty cells, then ``_line``, ``_damage`` and ``_overflow``."""
    columns: dict[str, pl.Series] = {}
    cells_of_rows = [row.cells for row in rows]
    for position in range(width):
        texts = [(cells[position] or None) if position < len(cells) else None for cells in cells_of_rows]
        columns[str(position)] = pl.Series(str(position), texts, pl.String)
    columns[LINE] = pl.Series(LINE, [row.line for row in rows], pl.UInt32)
    columns[DAMAGE] = pl.Series(DAMAGE, [row.damage for row in rows], pl.String)
    columns[OVERFLOW] = pl.Series(OVERFLOW, [row.overflow for row in rows], pl.String)
    return pl.DataFrame(columns)
