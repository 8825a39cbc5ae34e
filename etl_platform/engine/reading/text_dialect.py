"""The first bytes of a text file → its delimiter, line end, header and the lines above the data. No files.

Every guess has a confidence. A file that cannot be decided is rejected with a code; there is no default.
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
from etl_platform.engine.file_dialect import DroppedLine
from etl_platform.engine.reading.below_header import NumberedRow
from etl_platform.engine.reading.encodings import Encoding, decode_sample, detect_encoding, lines_bytes
from etl_platform.engine.reading.header_width import (
    most_frequent_width,
    named_width,
    refuse_short_header,
    usual_width,
)
from etl_platform.engine.reading.headers import HEADER_ROWS, FoundHeader, find_header

SAMPLE_BYTES = 256 << 10
DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 2_000
_SEP_LINE = re.compile(r"\A\ufeff?\"?sep=([\t,;|:^~#])\"?[\r\n]", re.IGNORECASE)
"""A first line such as ``sep=;``, which sets the delimiter for Excel."""
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class TextDialect:
    """How a text file is written.

    Attributes:
        line_end: the bytes that end a row, LF also for CRLF.
        header_line: 1-based line on which the header begins.
        header_rows: 1, or 2 where names span two rows.
        data_line: 1-based line on which data begin.
        data_offset: bytes before that line in the text as UTF-8, without the byte order mark.
        header: the header's cells as sent, padded with blanks to the width of the rows.
        declared: cells of the header itself.
        named: cells up to the last one with a name; a row with fewer is short.
        usual: cells of most rows.
        confidence: from 0 to 1 per guess; 1 for what the contract sets.
        dropped: lines above the data that are not the header.
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
    usual: int
    confidence: dict[str, float]
    dropped: tuple[DroppedLine, ...]


def detect_text_dialect(sample: bytes, *, whole: bool, contract: Contract | None) -> TextDialect:
    """Decide how a file is written from its first bytes.

    Args:
        sample: up to SAMPLE_BYTES from the file's start.
        whole: whether that is all of it.
        contract: its column names find the header, and its reading overrides replace guesses.

    Raises:
        UnreadableFileError: ``empty_file``, ``no_header_match``, ``not_as_pinned`` or one of ``detect_encoding``.
    """
    overrides = contract.reading_overrides if contract else ReadingOverrides()
    encoding = detect_encoding(sample, overrides.encoding)
    text = decode_sample(sample, encoding)
    if not text.strip("\ufeff\r\n\t ,;|\0\x1a"):
        raise UnreadableFileError("empty_file", "the file has no text; export it again")
    stated = [overrides.delimiter] if overrides.delimiter else _SEP_LINE.findall(text)
    layout, delimiter_confidence = _best_layout(text, stated, whole=whole, contract=contract)
    header = layout.header
    refuse_short_header(header, layout.body, contract)
    line_end, uniform = _line_end(text)
    data_offset, in_sample = lines_bytes(sample, text, encoding, header.after - 1)
    if not in_sample and not whole:
        message = f"the header does not end within the first {SAMPLE_BYTES:,} bytes; send fewer columns"
        raise UnreadableFileError("no_header_match", message, header.first)
    return TextDialect(
        encoding=encoding,
        delimiter=layout.delimiter,
        line_end=line_end,
        header_line=header.first,
        header_rows=header.rows,
        data_line=header.after,
        data_offset=data_offset,
        header=layout.cells,
        declared=len(header.cells),
        named=named_width(header.cells),
        usual=layout.usual,
        confidence={
            "encoding": round(encoding.confidence, 3),
            "delimiter": delimiter_confidence,
            "header": round(header.certainty, 3),
            "line_end": uniform,
        },
        dropped=_dropped(text, header, layout),
    )


def _no_header(contract: Contract | None) -> UnreadableFileError:
    message = f"none of the first {HEADER_ROWS} lines looks like the header; send a line with the column names"
    if contract is None:
        return UnreadableFileError("no_header_match", message)
    names, overrides = ", ".join(column.name for column in contract.file_columns), contract.reading_overrides
    if overrides.header_line:
        return contradicts_override(f"line {overrides.header_line} as the header, but that line does not name {names}")
    if overrides.delimiter:
        return contradicts_override(f"the delimiter {overrides.delimiter!r}, but with it no line names {names}")
    return UnreadableFileError("no_header_match", f"{message}: {names}")


def _line_end(text: str) -> tuple[bytes, float]:
    """The bytes that end rows, and the share of the most frequent kind among line ends outside quotes."""
    kinds = Counter(_LINE_END.findall(re.sub('"[^"]*"', "", text)))
    line_end = b"\r" if kinds["\r"] and not kinds["\n"] + kinds["\r\n"] else b"\n"
    return line_end, round(max(kinds.values()) / kinds.total(), 3) if kinds else 1.0


def _dropped(text: str, header: FoundHeader, layout: "_Layout") -> tuple[DroppedLine, ...]:
    """Lines above the header that are not blank, at most HEADER_ROWS, and a ruler below it."""
    lines = [line.strip() for line in islice(io.StringIO(text, newline=""), header.after - 1)]
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line]
    above = [DroppedLine(number, "preamble", line) for number, line in numbered if number < header.first]
    below = [DroppedLine(row.line, row.why, layout.delimiter.join(row.cells)) for row in header.below]
    return (*above[:HEADER_ROWS], *below)


@dataclass(frozen=True)
class _Layout:
    """The sample as one delimiter splits it.

    Attributes:
        cells: the header's cells, padded to the width of the rows.
        usual: cells that the rows below it have.
        body: the cells of those rows.
        width: the most frequent number of cells in a row.
        width_share: share of the rows that have it.
        score: how well the delimiter explains the sample, to compare with other delimiters.
    """

    delimiter: str
    header: FoundHeader
    cells: tuple[str, ...]
    usual: int
    body: list[list[str]]
    width: int
    width_share: float
    score: float


def _best_layout(text: str, stated: Sequence[str], *, whole: bool, contract: Contract | None) -> tuple[_Layout, float]:
    """The layout that explains the sample best, and the confidence in its delimiter.

    Args:
        stated: the delimiter that the contract or the file states, if any; without it all usual ones are tried.

    Raises:
        UnreadableFileError: no delimiter gives a header.
    """
    found = [_layout(text, delimiter, whole=whole, contract=contract) for delimiter in (stated or DELIMITERS)]
    layouts = sorted((layout for layout in found if layout), key=lambda layout: -layout.score)
    if not layouts:
        raise _no_header(contract)
    best, *others = layouts
    runner_up = max((other.score for other in others if other.width > 1), default=0.0)
    return best, 1.0 if stated else round(best.width_share * best.score / (best.score + runner_up), 3)


def _layout(text: str, delimiter: str, *, whole: bool, contract: Contract | None) -> _Layout | None:
    """The sample split by one delimiter; None where no header is found."""
    header_line = contract.reading_overrides.header_line if contract else None
    rows = _rows(text, delimiter, whole=whole, first_line=header_line or 1)
    row_width, width_share = most_frequent_width([cells for _, _, cells in rows])
    header = find_header(rows, contract, row_width, header_line)
    if header is None:
        return None
    body = [cells for line, _, cells in rows if line >= header.after]
    usual = usual_width(header.cells, body)
    score = (header.certainty if contract else 0.0) * 10 + width_share * min(row_width, 40) ** 0.5
    cells = (*header.cells, *[""] * (usual - len(header.cells)))
    return _Layout(delimiter, header, cells, usual, body, row_width, width_share, score)


def _rows(text: str, delimiter: str, *, whole: bool, first_line: int) -> list[NumberedRow]:
    """First line, line after and cells of each row in the sample that is not blank."""
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
