"""UTF-8 bytes of whole rows → a frame of text cells with line numbers. No files.

Polars parses a chunk fast but forgives: it pads short rows, refuses only long ones, and drops a stray quote. So
its answer is taken only where the chunk's structure proves it: quotes close where they may, and as many
delimiters stand outside quotes as the rows need. Elsewhere the chunk is read again row by row with Python's csv
module, which says what is wrong with which row.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from etl_platform.engine.columns import BAD_QUOTE, DAMAGE, LINE, OVERFLOW, TOO_FEW, TOO_MANY
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.encodings import foreign_signs, western_text
from etl_platform.engine.reading.quote_scan import QuoteScan, scan
from etl_platform.engine.reading.preamble_and_footer import Dropped, repeated_header

MAX_ROW_BYTES = 32 << 20
"""A row longer than this is taken for an unclosed quote."""
_NOTED_REPEATS = 20

MAX_SLOW_ROWS = 250_000
"""Rows read one by one in one go: as Python objects they take much room."""
NO_LIMIT = 2**31 - 1
"""For the csv module, whose limit is one for all threads; what it is given is bounded already."""


@dataclass(frozen=True)
class Grid:
    """What a parser must know.

    Attributes:
        line_end: bytes that end a row.
        width: cells that a row may have.
        declared: cells that the header has; what stands beyond them must be empty.
        named: cells that have a name; a row with fewer is short.
    """

    delimiter: str
    line_end: bytes
    width: int
    declared: int
    named: int


@dataclass
class ReadNotes:
    """What the reader did beyond reading, gathered over a whole file."""

    blank_lines: int = 0
    ragged_rows: int = 0
    repeated_headers: int = 0
    cp1252_lines: int = 0
    utf8_lines: int = 0
    western: int = 0
    foreign: int = 0
    first_foreign_line: int = 0
    crlf: bool = False
    lf: bool = False
    cr: bool = False
    dropped: list[Dropped] = field(default_factory=list)

    def see_line_ends(self, *, crlf: bool, lf: bool, cr: bool = False) -> None:
        self.crlf, self.lf, self.cr = self.crlf or crlf, self.lf or lf, self.cr or cr

    def see_cp1252(self, text: str, line: int) -> None:
        self.cp1252_lines += 1
        western, foreign = foreign_signs(text)
        self.western, self.foreign = self.western + western, self.foreign + foreign
        if foreign and not self.first_foreign_line:
            self.first_foreign_line = line


def parse_chunk(
    chunk: bytes, first_line: int, grid: Grid, notes: ReadNotes, structure: QuoteScan | None = None
) -> tuple[pl.DataFrame, int, bytes]:
    """Read rows.

    Args:
        chunk: bytes that start at a row's border and, as far as ``structure`` can tell, end at one.
        first_line: 1-based line of the file on which they start.
        structure: of just this chunk, if it is known.

    Returns:
        Text columns by position, ``_line``, ``_damage`` and ``_overflow``; the lines that were read; and, as UTF-8,
        the rest of the chunk, where a row turned out to go on beyond its end.

    Raises:
        UnreadableFileError: ``unclosed_quote``, ``encoding_undecidable``.
    """
    found = structure or scan(chunk, grid.delimiter, grid.line_end, final=True)
    frame = _parse_fast(chunk, first_line, grid, notes, found)
    if frame is None:
        repaired = decode_mixed(chunk, first_line, notes)
        if repaired is not None:
            chunk = repaired
            frame = _parse_fast(chunk, first_line, grid, notes, found)
    if frame is not None:
        return frame, found.line_ends + (not chunk.endswith(grid.line_end)), b""
    frame, used, lines = parse_rows(chunk, first_line, grid, notes)
    return frame, lines, chunk[used:]


def unclosed_quote(line: int) -> UnreadableFileError:
    return UnreadableFileError(
        "unclosed_quote", f'the quote (") that opens on line {line} never closes; close or double it', line
    )


def _parse_fast(
    chunk: bytes, first_line: int, grid: Grid, notes: ReadNotes, structure: QuoteScan
) -> pl.DataFrame | None:
    """Polars' reading, where the structure proves it; None elsewhere."""
    crlf = grid.line_end == b"\n" and structure.returns > 0
    # Mixed line ends are for the slow reader, which knows what a lone carriage return or line feed means.
    if grid.line_end == b"\r" and b"\n" in chunk:
        return None
    if crlf and not structure.crlf == structure.returns == structure.line_ends:
        return None
    # Polars drops a byte order mark at the start of any chunk.
    if not structure.well_quoted or structure.quotes % 2 or chunk.startswith(codecs.BOM_UTF8):
        return None
    if structure.delimiters != structure.rows * (grid.width - 1):
        return None
    frame = parse_columns(chunk, grid, range(grid.width))
    if frame is None or frame.height != structure.rows:
        return None
    if structure.doubled:
        # A quoted empty cell is as empty as one without quotes.
        frame = frame.with_columns(pl.when(pl.all() != "").then(pl.all()))
    notes.see_line_ends(crlf=crlf, lf=not crlf and grid.line_end == b"\n", cr=grid.line_end == b"\r")
    lines = structure.line_ends + (not chunk.endswith(grid.line_end))
    return _numbered(frame, first_line, lines, grid, notes)


def _numbered(frame: pl.DataFrame, first_line: int, taken: int, grid: Grid, notes: ReadNotes) -> pl.DataFrame:
    """The frame with line numbers and without blank rows."""
    cells = frame.columns
    line: pl.Expr = pl.int_range(first_line, first_line + frame.height, dtype=pl.UInt32)
    if taken != frame.height:
        inner = pl.sum_horizontal(pl.all().str.count_matches(grid.line_end.decode(), literal=True).fill_null(0))
        line = (line + (inner.cum_sum() - inner)).cast(pl.UInt32)
    damage = overflow = pl.lit(None, pl.String)
    if beyond := cells[grid.declared :]:
        overflow = pl.concat_str(beyond, separator=grid.delimiter, ignore_nulls=True)
        overflow = pl.when(overflow.str.contains(r"\S")).then(overflow)
        damage = pl.when(overflow.is_not_null()).then(pl.lit(TOO_MANY))
    numbered = frame.with_columns_seq(line.alias(LINE), damage.alias(DAMAGE), overflow.alias(OVERFLOW))
    notes.ragged_rows += numbered.height - numbered[DAMAGE].null_count()
    if min(frame.null_count().row(0)) == 0:
        return numbered
    filled = numbered.filter(~pl.all_horizontal(pl.col(cells).is_null()))
    notes.blank_lines += numbered.height - filled.height
    return filled


def parse_columns(chunk: bytes, grid: Grid, positions: Sequence[int]) -> pl.DataFrame | None:
    """Only some columns of whole rows, by position; None where Polars refuses. Its answer is not proven."""
    schema = {str(i): pl.String for i in range(grid.width)}
    try:
        frame = pl.read_csv(
            chunk,
            has_header=False,
            schema=schema,
            columns=sorted(positions),
            separator=grid.delimiter,
            eol_char=grid.line_end.decode(),
        )
    except pl.exceptions.PolarsError:
        return None
    # Polars' threads leave a piece each; whole columns cost less to filter than their pieces cost to join.
    return frame.rechunk()


def parse_rows(chunk: bytes, first_line: int, grid: Grid, notes: ReadNotes) -> tuple[pl.DataFrame, int, int]:
    """Read row by row, up to MAX_SLOW_ROWS; returns the frame, and the bytes and lines of the rows that were whole.

    Raises:
        UnreadableFileError: ``unclosed_quote`` where text follows a quote that closed on a later line.
    """
    csv.field_size_limit(NO_LIMIT)
    source = _Lines(io.StringIO(chunk.decode("utf-8", "surrogateescape"), newline=""))
    table: list[tuple[list[str], int, str | None, str | None]] = []
    used_lines = used_bytes = 0
    reader = csv.reader(source, delimiter=grid.delimiter, strict=True)
    while len(table) < MAX_SLOW_ROWS:
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
            cells, damage = _as_written(source.last, grid.delimiter), BAD_QUOTE
            reader = csv.reader(source, delimiter=grid.delimiter, strict=True)
        line = first_line + used_lines
        used_lines, used_bytes = source.count, source.bytes
        if _is_blank(cells, grid):
            notes.blank_lines += 1
            continue
        table.append(_fit(cells, line, damage, grid))
    crlf = chunk.count(b"\r\n")
    notes.see_line_ends(crlf=crlf > 0, lf=chunk.count(b"\n") > crlf, cr=chunk.count(b"\r") > crlf)
    notes.ragged_rows += sum(damage is not None for _, _, damage, _ in table)
    return rows_frame(table, grid), used_bytes, used_lines


def _as_written(line: str, delimiter: str) -> list[str]:
    """The cells of a line with a stray quote; those that are not quoted well with all their quotes."""
    end = re.escape(delimiter)
    quoted = '"((?:[^"]+|"")*+)"'
    cell = re.compile(rf"(?:{quoted}(?={end}|\Z)|((?:{quoted})?[^{end}]*))({end}|\Z)")
    cells: list[str] = []
    for match in cell.finditer(line.rstrip("\r\n")):
        cells.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        if not match[4]:
            break
    return cells


def without_repeats(frame: pl.DataFrame, header: Sequence[str], separator: str, notes: ReadNotes) -> pl.DataFrame:
    """The frame without rows that are the header once more; the first of them are noted by line."""
    repeats = repeated_header(frame, header)
    if repeats is None:
        return frame
    lines = frame.filter(repeats)[LINE]
    room = max(0, _NOTED_REPEATS - notes.repeated_headers)
    notes.dropped += [Dropped(line, "header again", separator.join(header)) for line in lines.head(room)]
    notes.repeated_headers += len(lines)
    return frame.filter(~repeats)


def _is_blank(cells: list[str], grid: Grid) -> bool:
    """A row of empty cells, or a line of white space that has no delimiter where one is due."""
    return not any(cells) or (len(cells) == 1 < grid.width and not cells[0].strip())


def _fit(cells: list[str], line: int, damage: str | None, grid: Grid) -> tuple[list[str], int, str | None, str | None]:
    overflow = None
    rest = cells[grid.declared :]
    if any(cell.strip() for cell in rest):
        damage, overflow = damage or TOO_MANY, grid.delimiter.join(rest)
    elif len(cells) < grid.named:
        damage = damage or TOO_FEW
    return cells, line, damage, overflow


def rows_frame(table: Sequence[tuple[list[str], int, str | None, str | None]], grid: Grid) -> pl.DataFrame:
    columns: dict[str, pl.Series] = {}
    for position in range(grid.width):
        texts = [(cells[position] or None) if position < len(cells) else None for cells, _, _, _ in table]
        columns[str(position)] = pl.Series(str(position), texts, pl.String)
    columns[LINE] = pl.Series(LINE, [line for _, line, _, _ in table], pl.UInt32)
    columns[DAMAGE] = pl.Series(DAMAGE, [damage for _, _, damage, _ in table], pl.String)
    columns[OVERFLOW] = pl.Series(OVERFLOW, [overflow for _, _, _, overflow in table], pl.String)
    return pl.DataFrame(columns)


class _Lines:
    """Lines for csv.reader that remembers how far it got and whether a row ran past the end."""

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


def decode_mixed(chunk: bytes, first_line: int, notes: ReadNotes) -> bytes | None:
    """A chunk that is not all UTF-8, line by line as UTF-8 or else cp1252; None if it was UTF-8.

    Raises:
        UnreadableFileError: ``encoding_undecidable`` at a byte that neither encoding has.
    """
    try:
        chunk.decode()
    except UnicodeDecodeError:
        pass
    else:
        return None
    lines: list[bytes] = []
    number, before = first_line, b""
    # At every CR and LF: a line that is not UTF-8 must not take one that is with it.
    for line in re.split(rb"(?<=[\r\n])", chunk):
        lines.append(line if line.isascii() else _decode_line(line, number, notes))
        number += line.endswith((b"\r", b"\n")) and not (line == b"\n" and before.endswith(b"\r"))
        before = line
    return b"".join(lines)


def _decode_line(line: bytes, number: int, notes: ReadNotes) -> bytes:
    try:
        line.decode()
    except UnicodeDecodeError:
        pass
    else:
        notes.utf8_lines += 1
        return line
    try:
        text, both = western_text(line)
    except UnicodeDecodeError as error:
        raise UnreadableFileError(
            "encoding_undecidable",
            f"line {number} has the byte 0x{error.object[error.start]:02X}, which is neither UTF-8 nor Windows-1252; "
            "save the file as UTF-8",
            number,
        ) from None
    notes.utf8_lines += both
    notes.see_cp1252(text, number)
    return text.encode()
