"""The first bytes of a text file → delimiter, line ends, header and what stands around it. No files.

Every guess says how sure it is. What cannot be decided is a named rejection, never a default.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract.reading_overrides import ReadingOverrides, contradicts_override
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.encodings import Encoding, decode_sample, detect_encoding, lines_bytes
from etl_platform.engine.reading.headers import HEADER_ROWS, FoundHeader, NumberedRow, find_header
from etl_platform.engine.reading.preamble_and_footer import Dropped, is_ruler

SAMPLE_BYTES = 256 << 10
DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 2_000
_EXCEL_SAYS = re.compile(r"\A\ufeff?\"?sep=([\t,;|:^~#])\"?[\r\n]", re.IGNORECASE)
"""A first line that only tells Excel the delimiter."""
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes:
        line_end: the bytes that end a row, LF also for CRLF.
        header_line: 1-based line on which the header begins.
        header_rows: 1, or 2 where its names are spread over two rows.
        data_line: 1-based line on which data begin.
        data_offset: bytes in front of it in the text as UTF-8, without the byte order mark.
        header: the header's cells as they came, padded with blanks to the width of the rows.
        declared: cells that the header itself has.
        named: cells up to the last one that has a name; a row with fewer is short.
        confidence: from 0 to 1 per guess; 1 for what is pinned.
        dropped: lines above the data that are no header.
    """

    encoding: Encoding
    delimiter: str
    line_end: bytes
    header_line: int
    header_rows: int
    data_line: int
    data_offset: int
    header: tuple[str, ...]
    declared: int
    named: int
    confidence: dict[str, float]
    dropped: tuple[Dropped, ...]


def detect_dialect(sample: bytes, *, whole: bool, contract: Contract | None) -> Dialect:
    """Decide how a file is written from its first bytes.

    Args:
        sample: up to SAMPLE_BYTES from the file's start.
        whole: whether that is all of it.
        contract: its column names find the header, and it may pin what would be guessed.

    Raises:
        UnreadableFileError: ``empty_file``, ``no_header_match``, ``not_as_pinned`` or one of ``detect_encoding``.
    """
    pins = contract.reading_overrides if contract else ReadingOverrides()
    encoding = detect_encoding(sample, pins.encoding)
    text = decode_sample(sample, encoding)
    if not text.strip("\ufeff\r\n\t ,;|\0\x1a"):
        raise UnreadableFileError("empty_file", "the file holds no text")
    told = [pins.delimiter] if pins.delimiter else _EXCEL_SAYS.findall(text)
    found = [_layout(text, d, whole=whole, contract=contract) for d in (told or DELIMITERS)]
    layouts = sorted((layout for layout in found if layout), key=lambda layout: -layout.score)
    if not layouts:
        raise _no_header(contract)
    layout, header = layouts[0], layouts[0].header
    line_end, uniform = _line_end(text)
    rival = max((other.score for other in layouts[1:] if other.width > 1), default=0.0)
    data_offset, held = lines_bytes(sample, text, encoding, layout.data_line - 1)
    if not held and not whole:
        message = f"the header is not over within the first {SAMPLE_BYTES:,} bytes; send the columns alone"
        raise UnreadableFileError("no_header_match", message, header.first)
    return Dialect(
        encoding=encoding,
        delimiter=layout.delimiter,
        line_end=line_end,
        header_line=header.first,
        header_rows=header.rows,
        data_line=layout.data_line,
        data_offset=data_offset,
        header=layout.cells,
        declared=len(header.cells),
        named=max(i for i, cell in enumerate(header.cells, start=1) if cell.strip()),
        confidence={
            "encoding": round(encoding.confidence, 3),
            "delimiter": 1.0 if told else round(layout.steady * layout.score / (layout.score + rival), 3),
            "header": round(header.certainty, 3),
            "line_end": uniform,
        },
        dropped=_dropped(text, header, layout),
    )


def _no_header(contract: Contract | None) -> UnreadableFileError:
    names = ", ".join(column.name for column in contract.file_columns) if contract else "column names"
    if contract and contract.reading_overrides.header_line:
        return contradicts_override(
            f"the header to line {contract.reading_overrides.header_line}, which does not name {names}"
        )
    if contract and contract.reading_overrides.delimiter:
        return contradicts_override(
            f"the delimiter {contract.reading_overrides.delimiter!r}, and with it no line names {names}"
        )
    return UnreadableFileError(
        "no_header_match", f"no line of the first {HEADER_ROWS} looks like the header; expected {names}"
    )


def _line_end(text: str) -> tuple[bytes, float]:
    """What ends rows, and the share of line ends outside quotes that are of the commonest kind."""
    kinds = Counter(_LINE_END.findall(re.sub('"[^"]*"', "", text)))
    line_end = b"\r" if kinds["\r"] and not kinds["\n"] + kinds["\r\n"] else b"\n"
    return line_end, round(max(kinds.values()) / kinds.total(), 3) if kinds else 1.0


def _dropped(text: str, header: FoundHeader, layout: "_Layout") -> tuple[Dropped, ...]:
    """Lines above the header that say anything, as many as a header is looked for in, and a ruler below it."""
    lines = [line.strip() for line in islice(io.StringIO(text, newline=""), layout.data_line - 1)]
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line]
    above = [Dropped(number, "preamble", line) for number, line in numbered if number < header.first]
    below = [Dropped(number, "ruler", line) for number, line in numbered if number >= header.after]
    return (*above[:HEADER_ROWS], *below)


@dataclass(frozen=True)
class _Layout:
    """The sample as one delimiter explains it: its header, the header's cells at the rows' width, and how well."""

    delimiter: str
    header: FoundHeader
    data_line: int
    cells: tuple[str, ...]
    width: int
    steady: float
    score: float


def _layout(text: str, delimiter: str, *, whole: bool, contract: Contract | None) -> _Layout | None:
    """Where the header stands if this were the delimiter, and how well that explains the sample."""
    pinned_line = contract.reading_overrides.header_line if contract else None
    rows = _rows(text, delimiter, whole=whole, first_line=pinned_line or 1)
    body_width, steady = _modal_width([cells for _, _, cells in rows])
    header = find_header(rows, contract, body_width, pinned_line)
    if header is None:
        return None
    data_line = header.after
    below = [row for row in rows if row[0] >= header.after]
    if below and is_ruler(below[0][2]):
        data_line = below.pop(0)[1]
    body = [cells for _, _, cells in below]
    usual, share = _modal_width(body)
    declared = len(header.cells)
    # Rows may all end in one delimiter too many; longer rows that say something there are damage.
    trailing = share > 0.5 and sum(not any(c[declared:]) for c in body) > 0.5 * len(body)
    width = max(declared, usual) if trailing else declared
    score = (header.certainty if contract else 0.0) * 10 + steady * min(body_width, 40) ** 0.5
    cells = (*header.cells, *[""] * (width - declared))
    return _Layout(delimiter, header, data_line, cells, body_width, steady, score)


def _rows(text: str, delimiter: str, *, whole: bool, first_line: int) -> list[NumberedRow]:
    """(first line, line after, cells) of the sample's rows that are not blank."""
    source = io.StringIO(text, newline="")
    for _ in range(first_line - 1):
        source.readline()
    reader = csv.reader(source, delimiter=delimiter)
    rows: list[NumberedRow] = []
    before = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((before + first_line, reader.line_num + first_line, cells))
            before = reader.line_num
            if len(rows) > _SAMPLE_ROWS:
                return rows
    except csv.Error:
        return rows
    return rows if whole or len(rows) < 2 else rows[:-1]


def _modal_width(rows: Sequence[Sequence[str]]) -> tuple[int, float]:
    counts = Counter(map(len, rows))
    if not counts:
        return 0, 0.0
    width, times = max(counts.items(), key=lambda pair: (pair[1], pair[0]))
    return width, times / len(rows)
