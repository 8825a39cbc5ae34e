"""The slow, exact parser: rows one by one with Python's csv module, each with its damage. No files."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from etl_platform.engine.columns import BAD_QUOTE, DAMAGE, LINE, OVERFLOW, TOO_FEW, TOO_MANY
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.read_notes import ReadNotes

MAX_SLOW_ROWS = 250_000
"""Limit of one call, because rows take much memory as Python objects."""
_NO_FIELD_LIMIT = 2**31 - 1
"""For the csv module, whose limit is shared by all threads; the size of its input is bounded already."""


@dataclass(frozen=True)
class RowFormat:
    """What the parsers need to know about a file's rows.

    Attributes:
        line_end: bytes that end a row.
        width: cells that a row may have.
        declared: cells of the header; cells beyond them must be empty.
        named: cells that have a name; a row with fewer is short.
    """

    delimiter: str
    line_end: bytes
    width: int
    declared: int
    named: int


class ParsedRow(NamedTuple):
    """One row with the 1-based line on which it begins; ``damage`` is a reason of ``engine.columns``."""

    cells: list[str]
    line: int
    damage: str | None = None
    overflow: str | None = None


def parse_rows(chunk: bytes, first_line: int, row_format: RowFormat, notes: ReadNotes) -> tuple[pl.DataFrame, int, int]:
    """Read up to MAX_SLOW_ROWS rows.

    Returns:
        The frame of ``rows_frame``, and the bytes and lines of the rows that were complete.

    Raises:
        UnreadableFileError: ``unclosed_quote`` where text follows a quote that closed on a later line.
    """
    csv.field_size_limit(_NO_FIELD_LIMIT)
    source = _Lines(io.StringIO(chunk.decode("utf-8", "surrogateescape"), newline=""))
    rows: list[ParsedRow] = []
    used_lines = used_bytes = 0
    reader = csv.reader(source, delimiter=row_format.delimiter, strict=True)
    while len(rows) < MAX_SLOW_ROWS:
        damage = None
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error:
            if source.ended:
                break
            if source.count - used_lines > 1 or source.last.count('"') & 1:
                raise unclosed_quote(first_line + used_lines) from None
            cells, damage = _split_badly_quoted(source.last, row_format.delimiter), BAD_QUOTE
            reader = csv.reader(source, delimiter=row_format.delimiter, strict=True)
        line = first_line + used_lines
        used_lines, used_bytes = source.count, source.bytes
        if _is_blank(cells, row_format):
            notes.blank_lines += 1
            continue
        rows.append(_with_damage(cells, line, damage, row_format))
    crlf = chunk.count(b"\r\n")
    notes.add_line_ends(crlf=crlf > 0, lf=chunk.count(b"\n") > crlf, cr=chunk.count(b"\r") > crlf)
    notes.ragged_rows += sum(row.damage is not None for row in rows)
    return rows_frame(rows, row_format.width), used_bytes, used_lines


def unclosed_quote(line: int) -> UnreadableFileError:
    return UnreadableFileError(
        "unclosed_quote",
        f'the quote (") that opens on line {line} is never closed; close it, or double it if it belongs to the text',
        line,
    )


def _split_badly_quoted(line: str, delimiter: str) -> list[str]:
    """The cells of a line with a stray quote; a badly quoted cell keeps all its quotes."""
    end = re.escape(delimiter)
    quoted = '"((?:[^"]+|"")*+)"'
    cell = re.compile(rf"(?:{quoted}(?={end}|\Z)|((?:{quoted})?[^{end}]*))({end}|\Z)")
    cells: list[str] = []
    for match in cell.finditer(line.rstrip("\r\n")):
        cells.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        if not match[4]:
            break
    return cells


def _is_blank(cells: list[str], row_format: RowFormat) -> bool:
    """A row of empty cells, or a line of white space without the delimiters that it should have."""
    return not any(cells) or (len(cells) == 1 < row_format.width and not cells[0].strip())


def _with_damage(cells: list[str], line: int, damage: str | None, row_format: RowFormat) -> ParsedRow:
    overflow = None
    rest = cells[row_format.declared :]
    if any(cell.strip() for cell in rest):
        damage, overflow = damage or TOO_MANY, row_format.delimiter.join(rest)
    elif len(cells) < row_format.named:
        damage = damage or TOO_FEW
    return ParsedRow(cells, line, damage, overflow)


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


class _Lines:
    """Lines for csv.reader, with the count and bytes of those that were read, and whether more were requested."""

    def __init__(self, text: io.StringIO) -> None:
        self._text = text
        self.count = self.bytes = 0
        self.ended = False
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline()
        if not line:
            self.ended = True
            raise StopIteration
        self.count += 1
        self.bytes += len(line.encode("utf-8", "surrogateescape"))
        self.last = line
        return line
