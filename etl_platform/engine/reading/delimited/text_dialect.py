"""The first bytes of a text file → its dialect, its header and the lines above the data. No files.

Every guess has a confidence. A file that cannot be decided is rejected with a code; there is no default.
"""

import io
import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract.reading_overrides import ReadingOverrides
from etl_platform.engine.errors import ContradictedOverrideError, UnreadableFileError
from etl_platform.engine.file_dialect import DroppedLine
from etl_platform.engine.reading.characters.encodings import Encoding, decode_sample, detect_encoding, lines_bytes
from etl_platform.engine.reading.delimited.header_width import refuse_short_header
from etl_platform.engine.reading.delimited.row_format import RowFormat
from etl_platform.engine.reading.delimited.sample_layout import Layout, Sample, best_layout
from etl_platform.engine.reading.tables.above_header import refuse_rows_above
from etl_platform.engine.reading.tables.headers import HEADER_ROWS, NO_HEADER_MATCH

SAMPLE_BYTES = 256 << 10
_SEP_LINE = re.compile(r"\A\ufeff?\"?sep=([\t,;|:^~#])\"?[\r\n]", re.IGNORECASE)
"""A first line such as ``sep=;``, which sets the delimiter for Excel."""
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class TextDialect:
    """How a text file is written.

    Attributes:
        format: of its rows; LF is the line end also of CRLF.
        header_line: 1-based line on which the header begins; 0 if the contract has ``header: none``.
        header_rows: 1, or 2 or 3 where names span so many rows.
        header_remark: why the header may be missing, if the contract does not name the columns.
        data_line: 1-based line on which data begin.
        data_offset: bytes before that line in the text as UTF-8, without the byte order mark.
        header: the header's cells as sent, padded with blanks to the width of the rows.
        confidence: from 0 to 1 per guess; 1 for what the contract sets.
        dropped: lines above the data that are not the header.
    """

    encoding: Encoding
    format: RowFormat
    header_line: int
    header_rows: int
    header_remark: str | None
    data_line: int
    data_offset: int
    header: tuple[str, ...]
    confidence: dict[str, float]
    dropped: tuple[DroppedLine, ...]


def detect_text_dialect(sample: bytes, *, whole: bool, contract: Contract | None) -> TextDialect:
    """Decide how a file is written from its first bytes.

    Args:
        sample: up to SAMPLE_BYTES from the file's start.
        whole: whether that is all of it.
        contract: its column names find the header, and its reading overrides replace guesses.

    Raises:
        UnreadableFileError: ``empty_file``, ``no_header_match``, ``dialect_undecidable``, ``not_as_pinned``,
            ``rows_above_header`` or one of ``detect_encoding``.
    """
    overrides = contract.reading_overrides if contract else ReadingOverrides()
    encoding = detect_encoding(sample, overrides.encoding)
    text = decode_sample(sample, encoding)
    if not text.strip("\ufeff\r\n\t ,;|\0\x1a"):
        raise UnreadableFileError("empty_file", "the file has no text; export it again")
    stated = [overrides.delimiter] if overrides.delimiter else _SEP_LINE.findall(text)
    found = best_layout(Sample(text, whole, contract), stated)
    if found is None:
        raise _no_header(contract)
    layout, delimiter_confidence = found
    header = layout.header
    refuse_short_header(header, layout.body, contract)
    if contract is not None and not overrides.header_line:
        refuse_rows_above(layout.sample.rows, header)
    line_end, uniform = _line_end(text)
    data_offset, in_sample = lines_bytes(sample, text, encoding, header.after - 1)
    if not in_sample and not whole:
        message = f"the header does not end within the first {SAMPLE_BYTES:,} bytes; send fewer columns"
        raise UnreadableFileError(NO_HEADER_MATCH, message, header.first)
    return TextDialect(
        encoding=encoding,
        format=layout.row_format(line_end, pads_short_rows=contract is not None and contract.pads_short_rows),
        header_line=header.first if header.rows else 0,
        header_rows=header.rows,
        header_remark=header.remark,
        data_line=header.after,
        data_offset=data_offset,
        header=layout.cells,
        confidence={
            "encoding": round(encoding.confidence, 3),
            "delimiter": delimiter_confidence,
            "quote": 1.0 if overrides.quote else round(layout.sample.sound_share, 3),
            "header": round(header.certainty, 3),
            "line_end": uniform,
        },
        dropped=_dropped(text, layout),
    )


def _no_header(contract: Contract | None) -> UnreadableFileError:
    message = f"none of the first {HEADER_ROWS} lines looks like the header; send a line with the column names"
    if contract is None:
        return UnreadableFileError(NO_HEADER_MATCH, message)
    names, overrides = ", ".join(column.name for column in contract.file_columns), contract.reading_overrides
    if overrides.header_line:
        return ContradictedOverrideError(
            "header_line", f"line {overrides.header_line} as the header, but that line does not name {names}"
        )
    if overrides.quote or overrides.escape:
        return ContradictedOverrideError("quote", f"quote or escape, but with them no line names {names}")
    if overrides.delimiter:
        return ContradictedOverrideError(
            "delimiter", f"the delimiter {overrides.delimiter!r}, but with it no line names {names}"
        )
    return UnreadableFileError(NO_HEADER_MATCH, f"{message}: {names}")


def _line_end(text: str) -> tuple[bytes, float]:
    """The bytes that end rows, and the share of the most frequent kind among line ends outside quotes."""
    kinds = Counter(_LINE_END.findall(re.sub('"[^"]*"', "", text)))
    line_end = b"\r" if kinds["\r"] and not kinds["\n"] + kinds["\r\n"] else b"\n"
    return line_end, round(max(kinds.values()) / kinds.total(), 3) if kinds else 1.0


def _dropped(text: str, layout: Layout) -> tuple[DroppedLine, ...]:
    """Lines above the header that are not blank, at most HEADER_ROWS, and those below it that explain it."""
    header = layout.header
    lines = [line.strip() for line in islice(io.StringIO(text, newline=""), header.after - 1)]
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line]
    above = [DroppedLine(number, "preamble", line) for number, line in numbered if number < header.first]
    below = [DroppedLine(row.line, row.why, layout.sample.format.delimiter.join(row.cells)) for row in header.below]
    return (*above[:HEADER_ROWS], *below)
