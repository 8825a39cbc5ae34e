"""UTF-8 bytes of whole rows → a frame of text cells with line numbers. No files.

Polars parses a chunk fast but tolerates errors: it pads short rows and drops a stray quote. So its result is used only
where the quote scan of the chunk proves it: every quote closes where it may, and the delimiters outside quotes are as
many as the rows need. All other chunks go to ``parse_rows``, which finds what is wrong with which row.
"""

import codecs
from collections.abc import Sequence

import polars as pl

from etl_platform.engine.columns import DAMAGE, LINE, OVERFLOW, TOO_MANY
from etl_platform.engine.reading.characters.mixed_encodings import decode_mixed
from etl_platform.engine.reading.delimited.parse_rows import BLANKS, parse_rows
from etl_platform.engine.reading.delimited.quote_scan import QuoteScan, scan
from etl_platform.engine.reading.delimited.row_format import RowFormat
from etl_platform.engine.reading.delimited.split_rows import MAX_ROW_BYTES
from etl_platform.engine.reading.read_notes import ReadNotes


def parse_chunk(
    chunk: bytes,
    first_line: int,
    row_format: RowFormat,
    notes: ReadNotes,
    scanned: QuoteScan | None = None,
    *,
    final: bool = True,
    max_row_bytes: int = MAX_ROW_BYTES,
) -> tuple[pl.DataFrame, int, bytes]:
    """Read rows.

    Args:
        chunk: whole rows, as far as ``scanned`` can show.
        first_line: 1-based line of the file on which they start.
        scanned: the quote scan of exactly this chunk, if there is one.
        final: nothing follows the chunk.
        max_row_bytes: a quoted cell that is open for longer never closes.

    Returns:
        Text columns by position, ``_line``, ``_damage`` and ``_overflow``; the lines that were read; and, as UTF-8,
        the rest of the chunk, if the last row continues beyond the chunk.

    Raises:
        UnreadableFileError: ``encoding_undecidable``.
    """
    if row_format.is_simple:
        scanned = scanned or scan(chunk, row_format, final=True)
    frame = _parse_fast(chunk, first_line, row_format, notes, scanned)
    if frame is not None:
        notes.add_utf8(chunk)
    else:
        repaired = decode_mixed(chunk, first_line, notes)
        if repaired is not None:
            chunk = repaired
            frame = _parse_fast(chunk, first_line, row_format, notes, scanned)
    if frame is not None and scanned is not None:
        return frame, scanned.line_ends + (not chunk.endswith(row_format.line_end)), b""
    frame, used, lines = parse_rows(chunk, first_line, row_format, notes, final=final, max_row_bytes=max_row_bytes)
    return frame, lines, chunk[used:]


def _parse_fast(
    chunk: bytes, first_line: int, row_format: RowFormat, notes: ReadNotes, scanned: QuoteScan | None
) -> pl.DataFrame | None:
    """The result of Polars if the quote scan proves it, else None."""
    if scanned is None or not _is_provable(chunk, row_format, scanned):
        return None
    frame = parse_columns(chunk, row_format, range(row_format.usual_width))
    if frame is None or frame.height != scanned.rows:
        return None
    if scanned.doubled:
        # A quoted empty cell is as empty as one without quotes.
        frame = frame.with_columns(pl.when(pl.all() != "").then(pl.all()))
    lines = scanned.line_ends + (not chunk.endswith(row_format.line_end))
    numbered = _numbered(frame, first_line, lines, row_format, notes)
    if numbered is not None:
        crlf, line_feed = scanned.returns > 0, row_format.line_end == b"\n"
        notes.add_line_ends(crlf=line_feed and crlf, lf=line_feed and not crlf, cr=not line_feed)
    return numbered


def _is_provable(chunk: bytes, row_format: RowFormat, scanned: QuoteScan) -> bool:
    """Whether Polars cannot misread the chunk: one kind of line end, well-placed quotes, the cells that rows need."""
    # Only the slow parser handles mixed line ends, such as a lone carriage return.
    if row_format.line_end == b"\r":
        uniform = b"\n" not in chunk
    else:
        uniform = not scanned.returns or scanned.crlf == scanned.returns == scanned.line_ends
    return (
        uniform
        and scanned.well_quoted
        and scanned.quotes % 2 == 0
        # Polars drops a byte order mark at the start of any chunk.
        and not chunk.startswith(codecs.BOM_UTF8)
        and scanned.delimiters == scanned.rows * (row_format.usual_width - 1)
    )


def _numbered(
    frame: pl.DataFrame, first_line: int, lines: int, row_format: RowFormat, notes: ReadNotes
) -> pl.DataFrame | None:
    """The frame with line numbers and damage, without blank rows; ``lines`` is how many its text has.

    None where a quoted cell may hide whole rows: then the exact parser decides.
    """
    cells = frame.columns
    line: pl.Expr = pl.int_range(first_line, first_line + frame.height, dtype=pl.UInt32)
    spanning = 0
    if lines != frame.height:
        line_end = row_format.line_end.decode()
        inner = frame.select(pl.sum_horizontal(pl.all().str.count_matches(line_end, literal=True).fill_null(0)))
        spans = inner.to_series() > 0
        spanning = int(spans.sum())
        if any(may_hide_rows(row, line_end, row_format) for row in frame.filter(spans).iter_rows()):
            return None
        line = (line + pl.lit(inner.to_series().cum_sum() - inner.to_series())).cast(pl.UInt32)
    missing = [pl.lit(None, pl.String).alias(str(place)) for place in range(len(cells), row_format.width)]
    damage = overflow = pl.lit(None, pl.String)
    if beyond := cells[row_format.declared :]:
        overflow = pl.concat_str(beyond, separator=row_format.delimiter, ignore_nulls=True)
        overflow = pl.when(overflow.str.contains(r"\S")).then(overflow)
        damage = pl.when(overflow.is_not_null()).then(pl.lit(TOO_MANY))
    numbered = frame.with_columns_seq(*missing, line.alias(LINE), damage.alias(DAMAGE), overflow.alias(OVERFLOW))
    notes.ragged_rows += numbered.height - numbered[DAMAGE].null_count()
    notes.spanning_rows += spanning
    filled = _without_blank_rows(numbered, cells, one_column=row_format.width == 1)
    notes.blank_lines += numbered.height - filled.height
    return filled


def _without_blank_rows(numbered: pl.DataFrame, cells: Sequence[str], *, one_column: bool) -> pl.DataFrame:
    """The frame without rows of cells that are empty or hold blanks only; with one column, without empty cells."""
    blank = pl.int_range(numbered.height, eager=True)
    for name in cells:
        texts = numbered[name] if len(blank) == numbered.height else numbered[name][blank]
        empty = texts.is_null()
        # Blanks sort before all that is visible, and the least text costs far less than a look at each.
        if not one_column and str(texts.min() or "") < "!":
            empty |= (texts.str.strip_chars(BLANKS) == "").fill_null(value=False)
        blank = blank.filter(empty)
        if not len(blank):
            return numbered
    return numbered.filter(~pl.int_range(numbered.height).is_in(blank.implode()))


def may_hide_rows(cells: Sequence[str | None], line_end: str, row_format: RowFormat) -> bool:
    """Whether a line within the quoted cells of a row, or each of its two lines, has the delimiters of a row."""
    needed = row_format.usual_width - 1
    if not needed:
        return False
    spanning = [cell if cell and line_end in cell else "" for cell in cells]
    counts = [line.count(row_format.delimiter) for line in row_format.delimiter.join(spanning).split(line_end)]
    return needed in counts[1:-1] or counts == [needed, needed]


def parse_columns(chunk: bytes, row_format: RowFormat, positions: Sequence[int]) -> pl.DataFrame | None:
    """Some columns of whole rows, by position, without any proof; None where Polars refuses the chunk."""
    # Polars refuses a row with more cells than the schema has columns.
    schema = {str(i): pl.String for i in range(row_format.usual_width)}
    try:
        frame = pl.read_csv(
            chunk,
            has_header=False,
            schema=schema,
            columns=sorted(positions),
            separator=row_format.delimiter,
            quote_char=row_format.quote,
            eol_char=row_format.line_end.decode(),
        )
    except pl.exceptions.PolarsError:
        return None
    # Polars returns one piece per thread; joining them costs less than filtering in pieces.
    return frame.rechunk()
