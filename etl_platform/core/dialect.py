"""The first bytes of a text file → encoding, delimiter, line ends, header. No files.

Every guess says how sure it is. What cannot be decided is a named rejection, never a default.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from etl_platform.core.contracts import Contract
from etl_platform.core.errors import UnreadableFileError
from etl_platform.core.headers import HEADER_ROWS, NumberedRow, named_row, widest_row

SAMPLE_BYTES = 256 << 10
DELIMITERS = (",", ";", "\t", "|")
_FOOTER = re.compile(
    r"\s*(?:(?:grand |sub)?totals?\b|\(?[0-9,]+ (?:rows?|records?)\b|(?:rows?|records?) (?:count|total|affected)\b"
    r"|end of (?:report|file|data)\b|\*{3,})",
    re.IGNORECASE,
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SIGNATURES = {
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"{\\rtf": "an RTF text",
    b"PAR1": "Parquet",
}


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes:
        encoding: Python codec name; ``utf-8`` also stands for a file whose lines may turn out to be cp1252.
        bom_bytes: length of the byte order mark to skip.
        line_end: the bytes that end a row, LF also for CRLF.
        header_line: 1-based line on which the header begins.
        data_line: 1-based line on which data begin.
        header: the header's cells as they came, padded with blanks to the width of the rows.
        declared: cells that the header itself has.
        named: cells up to the last one that has a name; a row with fewer is short.
        confidence: from 0 to 1 per guess.
    """

    encoding: str
    bom_bytes: int
    delimiter: str
    line_end: bytes
    header_line: int
    data_line: int
    header: tuple[str, ...]
    declared: int
    named: int
    confidence: dict[str, float]


def detect_encoding(sample: bytes) -> tuple[str, int]:
    """Codec and BOM length of a sample.

    Raises:
        UnreadableFileError: ``not_tabular`` for a known binary format, ``encoding_undecidable`` for other bytes.
    """
    for signature, what in _SIGNATURES.items():
        if sample.startswith(signature):
            raise UnreadableFileError("not_tabular", f"the file is {what}, not a table; send CSV or Excel")
    for bom, name in _BOMS:
        if sample.startswith(bom):
            return name, len(bom)
    if len(sample) >= 4:
        zero_even, zero_odd = sample[0::2].count(0), sample[1::2].count(0)
        half = len(sample) // 2
        if zero_odd > 0.4 * half > zero_even * 8:
            return "utf-16-le", 0
        if zero_even > 0.4 * half > zero_odd * 8:
            return "utf-16-be", 0
    odd = sum(sample.count(bytes([code])) for code in range(32) if code not in b"\t\n\r\f\v\x1a")
    if odd > len(sample) * 0.1:
        raise UnreadableFileError("encoding_undecidable", "the file holds binary data; send CSV as UTF-8 or Excel")
    return "utf-8", 0


def detect_dialect(sample: bytes, *, whole: bool, contract: Contract | None) -> Dialect:
    """Decide how a file is written from its first bytes.

    Args:
        sample: up to SAMPLE_BYTES from the file's start.
        whole: whether that is all of it.
        contract: its column names find the header, and it may pin encoding and delimiter.

    Raises:
        UnreadableFileError: ``empty_file``, ``no_header_match`` or one of ``detect_encoding``.
    """
    guessed, bom = detect_encoding(sample)
    encoding = (contract.encoding if contract else None) or guessed
    text = decode_sample(sample[bom:], encoding)
    if not text.strip("\r\n\t ,;|\0\x1a"):
        raise UnreadableFileError("empty_file", "the file holds no text")
    unquoted = re.sub('"[^"]*"', "", text)
    line_end = b"\r" if "\r" in unquoted and "\n" not in unquoted else b"\n"
    pinned = contract.delimiter if contract else None
    best: tuple[float, _Layout] | None = None
    for delimiter in [pinned] if pinned else DELIMITERS:
        layout = _layout(text, delimiter, whole=whole, contract=contract)
        if layout is not None and (best is None or layout.score > best[0]):
            best = (layout.score, layout)
    if best is None:
        names = ", ".join(column.name for column in contract.file_columns) if contract else "column names"
        raise UnreadableFileError(
            "no_header_match", f"no line of the first {HEADER_ROWS} looks like the header; expected {names}"
        )
    layout = best[1]
    return Dialect(
        encoding=encoding,
        bom_bytes=bom,
        delimiter=layout.delimiter,
        line_end=line_end,
        header_line=layout.header_line,
        data_line=layout.data_line,
        header=layout.header,
        declared=layout.declared,
        named=layout.named,
        confidence={
            "encoding": 1.0 if bom or (contract and contract.encoding) else 0.9,
            "delimiter": 1.0 if pinned else round(layout.steady, 3),
            "header": round(layout.certainty, 3),
        },
    )


def decode_sample(sample: bytes, encoding: str) -> str:
    """Text of a sample whose last character may be cut in two."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
    except LookupError:
        raise UnreadableFileError(
            "encoding_undecidable", f"the contract pins the unknown encoding {encoding!r}"
        ) from None
    try:
        return decoder.decode(sample)
    except UnicodeDecodeError:
        return "".join(_utf8_or_cp1252(line) for line in re.split(rb"(?<=[\r\n])", sample))


def _utf8_or_cp1252(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


@dataclass(frozen=True)
class _Layout:
    delimiter: str
    header_line: int
    data_line: int
    header: tuple[str, ...]
    declared: int
    named: int
    steady: float
    certainty: float
    score: float


def _layout(text: str, delimiter: str, *, whole: bool, contract: Contract | None) -> _Layout | None:
    """Where the header stands if this were the delimiter, and how well that explains the sample."""
    rows = _rows(text, delimiter, whole=whole)
    body_width, steady = _modal_width([cells for _, _, cells in rows])
    if contract is None:
        found = widest_row(rows, body_width)
        certainty = 0.5
    else:
        found, certainty = named_row(rows, contract)
    if found is None:
        return None
    first, after, cells = rows[found]
    body = [c for _, _, c in rows[found + 1 :]]
    usual, share = _modal_width(body)
    # Rows may all end in one delimiter too many; longer rows that say something there are damage.
    trailing = share > 0.5 and sum(not any(c[len(cells) :]) for c in body) > 0.5 * len(body)
    width = max(len(cells), usual) if trailing else len(cells)
    header = tuple(cells) + ("",) * (width - len(cells))
    score = (certainty if contract else 0.0) * 10 + steady * min(body_width, 40) ** 0.5
    named = max(i for i, cell in enumerate(cells, start=1) if cell.strip())
    return _Layout(delimiter, first, after, header, len(cells), named, steady, certainty, score)


def _rows(text: str, delimiter: str, *, whole: bool) -> list[NumberedRow]:
    """(first line, line after, cells) of the sample's rows that are not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[NumberedRow] = []
    before = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((before + 1, reader.line_num + 1, cells))
            before = reader.line_num
            if len(rows) > 2_000:
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


def is_footer(texts: Sequence[str], width: int, *, short: bool) -> bool:
    """Whether a last row sums up instead of saying something: it begins so, and most of it is empty.

    ``texts`` are its cells that say anything; ``short``: the row has fewer cells than the header.
    """
    if not texts or not _FOOTER.match(texts[0]):
        return False
    if width == 1:
        return any(character.isdigit() for character in texts[0])
    return short or len(texts) * 2 <= width
