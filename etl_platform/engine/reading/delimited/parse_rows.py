"""The slow, exact parser: rows one by one with their damage → a frame. No files."""

import csv
from collections.abc import Sequence

import polars as pl

from etl_platform.engine.reading.delimited.row_format import RowFormat
from etl_platform.engine.reading.delimited.split_rows import MAX_ROW_BYTES, SplitRow, split_rows
from etl_platform.engine.reading.read_notes import ReadNotes
from etl_platform.engine.reading.rows_frame import ParsedRow, rows_frame

BLANKS = " \t"
"""Cells of these hold nothing."""
_NO_FIELD_LIMIT = 2**31 - 1
MAX_SLOW_ROWS = 250_000
"""Limit of one call, because rows take much memory as Python objects."""
CALM_ROWS = 2_000
"""After a quote that never closes, so many rows without damage show that the fast parser can go on."""


def parse_rows(
    chunk: bytes,
    first_line: int,
    row_format: RowFormat,
    notes: ReadNotes,
    *,
    final: bool = True,
    max_row_bytes: int = MAX_ROW_BYTES,
) -> tuple[pl.DataFrame, int, int]:
    """Read up to MAX_SLOW_ROWS rows.

    Args:
        final: nothing follows the chunk. Otherwise a last row that may continue is left.
        max_row_bytes: a quoted cell that is open for longer never closes.

    Returns:
        The frame of ``rows_frame``, and the bytes and lines of the rows that were read.
    """
    # Its limit is shared by all threads; the size of a chunk is bounded already.
    csv.field_size_limit(_NO_FIELD_LIMIT)
    text = chunk.decode("utf-8", "surrogateescape")
    # Letters of several bytes make the text shorter than the chunk.
    max_row = max_row_bytes * len(text) // max(1, len(chunk))
    rows: list[ParsedRow] = []
    end, line, calm, opened = 0, first_line, 0, False
    for row in split_rows(text, row_format, first_line, final=final, max_row=max_row):
        end, line = row.end, row.after
        if _is_blank(row.cells, row_format):
            notes.blank_lines += row.after - row.line
            continue
        if row.after - row.line > 1:
            notes.add_spanning_row(row.inner_row if row.damage is None else None)
        rows.append(_with_overflow(row, row_format))
        opened = opened or row.opens
        calm = 0 if row.damage else calm + 1
        if len(rows) >= MAX_SLOW_ROWS or (opened and calm >= CALM_ROWS):
            break
    crlf = chunk.count(b"\r\n")
    notes.add_line_ends(crlf=crlf > 0, lf=chunk.count(b"\n") > crlf, cr=chunk.count(b"\r") > crlf)
    notes.ragged_rows += sum(row.damage is not None for row in rows)
    used = len(chunk) if end == len(text) else len(text[:end].encode("utf-8", "surrogateescape"))
    return rows_frame(rows, row_format.width), used, line - first_line


def _is_blank(cells: Sequence[str], row_format: RowFormat) -> bool:
    """A row of cells that are empty or hold blanks only; of a file with one column, an empty line."""
    return not any(cells) or (row_format.width > 1 and not any(cell.strip(BLANKS) for cell in cells))


def _with_overflow(row: SplitRow, row_format: RowFormat) -> ParsedRow:
    if len(row.cells) <= row_format.declared:
        return ParsedRow(row.cells, row.line, row.damage)
    rest = row.cells[row_format.declared :]
    overflow = row_format.delimiter.join(rest) if row.damage or any(cell.strip() for cell in rest) else None
    return ParsedRow(row.cells, row.line, row.damage, overflow or None)
