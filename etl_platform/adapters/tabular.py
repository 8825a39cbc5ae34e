"""A file on local disk, in any format that agencies send → batches of text cells. No contract rules.

The format is told by the file's first bytes, never by its name. Memory is bounded by the batch for text;
a workbook is read whole, within a limit.
"""

import codecs
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Protocol

import polars as pl

from etl_platform.core.contracts import Contract
from etl_platform.core.dialect import (
    SAMPLE_BYTES,
    Dialect,
    detect_dialect,
    find_header,
    unique_names,
)
from etl_platform.core.errors import UnreadableFileError
from etl_platform.core.parsing import (
    MAX_ROW_BYTES,
    Grid,
    ReadNotes,
    cut_rows,
    parse_chunk,
    parse_columns,
    rows_frame,
    whole_rows,
)
from etl_platform.core.rules import DAMAGE, LINE, RESERVED

CHUNK_BYTES = 16 << 20
_BLOCK = CHUNK_BYTES
MAX_UNPACKED_BYTES = 64 << 30
MAX_RATIO = 200
MAX_WORKBOOK_BYTES = 1 << 30
MAX_SHEET_CELLS = 50_000_000
_CELL = re.compile(rb'<(?:\w+:)?c\b[^>]{0,64}?\br="([A-Z]{1,3})([0-9]{1,7})"')
_FOOTER = re.compile(
    r"\s*(?:(?:grand |sub)?totals?\b|\(?[0-9,]+ (?:rows?|records?)\b|(?:rows?|records?) (?:count|total|affected)\b"
    r"|end of (?:report|file|data)\b|\*{3,})",
    re.IGNORECASE,
)
_FOOTER_ROWS = 8


ByteStream = IO[bytes] | io.BufferedIOBase


class Table(Protocol):
    """An opened file: its header, how it was read, and its rows.

    ``header`` holds the cells as they came, ``names`` the same made unique. ``batches`` may be read more than
    once; ``describe`` is complete after a full pass.
    """

    @property
    def header(self) -> Sequence[str]: ...

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def excel(self) -> bool: ...

    def batches(self) -> Iterator[pl.DataFrame]: ...

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        """The cells of a few columns, far cheaper; rows of damaged parts may differ from those of ``batches``."""
        ...

    def describe(self) -> dict[str, Any]: ...


def open_table(path: Path, contract: Contract | None) -> Table:
    """Open a file of any supported format.

    Raises:
        UnreadableFileError: naming why no right reading exists.
    """
    with path.open("rb") as file:
        magic = file.read(8)
    if magic.startswith(b"PK\x03\x04"):
        with _unpacking(), zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
            _refuse_bomb(sum(m.file_size for m in members), path.stat().st_size)
            if any(m.filename == "xl/workbook.xml" for m in members):
                _refuse_far_cells(archive, members)
                return WorkbookTable(path, contract, sum(m.file_size for m in members))
            if any(m.filename == "xl/workbook.bin" for m in members):
                raise UnreadableFileError("not_tabular", "binary workbooks (.xlsb) are not read; save as .xlsx or CSV")
        if len(members) != 1:
            raise UnreadableFileError(
                "zip_members", f"the archive holds {len(members)} files; send each by itself or zipped alone"
            )
        return TextTable(lambda: _zip_member(path, members[0].filename), contract, "zip")
    if magic.startswith(b"\xd0\xcf\x11\xe0"):
        return WorkbookTable(path, contract, path.stat().st_size)
    if magic.startswith(b"\x1f\x8b"):
        return TextTable(lambda: _Bounded(gzip.open(path, "rb"), path.stat().st_size), contract, "gzip")
    return TextTable(lambda: path.open("rb"), contract, None)


class TextTable:
    """Delimited text, plain or unpacked on the fly."""

    excel = False

    def __init__(self, open_file: Callable[[], ByteStream], contract: Contract | None, packed: str | None) -> None:
        self._open, self._packed = open_file, packed
        with _readable(open_file, packed) as file:
            sample = _read_up_to(file, SAMPLE_BYTES)
            whole = not file.read(1)
        if not sample:
            raise UnreadableFileError("empty_file", "the file has zero bytes")
        self.dialect: Dialect = detect_dialect(sample, whole=whole, contract=contract)
        self.header, self.names = self.dialect.header, unique_names(self.dialect.header, RESERVED)
        self.notes = ReadNotes()

    def batches(self) -> Iterator[pl.DataFrame]:
        """Text columns by position with ``_line``, ``_damage`` and ``_overflow``; footers and blanks left out."""
        self.notes = ReadNotes()
        held: pl.DataFrame | None = None
        for frame in self._frames():
            if held is not None:
                yield held
            held = frame
        if held is not None:
            yield self._without_footer(held)

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        self.notes = ReadNotes()
        grid = self._grid()
        for chunk, line, last in self._chunks(grid):
            frame = None if last else parse_columns(chunk, grid, positions)
            if frame is None:
                frame, _ = parse_chunk(chunk, line, grid, self.notes)
            yield self._without_footer(frame) if last else frame

    def _grid(self) -> Grid:
        return Grid(
            self.dialect.delimiter, self.dialect.line_end, len(self.header), self.dialect.declared, self.dialect.named
        )

    def _frames(self) -> Iterator[pl.DataFrame]:
        grid = self._grid()
        for chunk, line, _ in self._chunks(grid):
            frame, _ = parse_chunk(chunk, line, grid, self.notes)
            if frame.height:
                yield frame

    def _chunks(self, grid: Grid) -> Iterator[tuple[bytes, int, bool]]:
        """Whole rows, about CHUNK_BYTES at a time, their first line, and whether they are known to be the last."""
        buffer, line = b"", self.dialect.data_line
        skip = line - 1
        with _readable(self._open, self._packed) as file:
            for block in _utf8_blocks(file, self.dialect):
                buffer += block
                while skip and (end := buffer.find(grid.line_end) + 1):
                    buffer, skip = buffer[end:], skip - 1
                if skip or len(buffer) < CHUNK_BYTES:
                    continue
                end = cut_rows(buffer, grid.line_end)
                if not end and len(buffer) > MAX_ROW_BYTES:
                    # No row ends outside quotes: either a stray quote upset the count, or one never closes.
                    end = whole_rows(buffer, line, grid)
                if end:
                    yield buffer[:end], line, False
                    line += buffer.count(grid.line_end, 0, end)
                    buffer = buffer[end:]
        # DOS programs end a text with Ctrl-Z.
        buffer = buffer.rstrip(b"\x1a")
        if buffer and not skip:
            yield buffer, line, True

    def _without_footer(self, frame: pl.DataFrame) -> pl.DataFrame:
        cells = [name for name in frame.columns if name.isdigit()]
        keep = frame.height
        for row in reversed(frame.tail(_FOOTER_ROWS).select(*cells, LINE, DAMAGE).rows()):
            texts = [text for text in row[:-2] if text and text.strip()]
            if not _is_footer(texts, len(cells), short=row[-1] is not None):
                break
            keep -= 1
            self.notes.dropped.append(
                {"line": row[-2], "why": "footer", "text": self.dialect.delimiter.join(texts)[:80]}
            )
        return frame.head(keep)

    def describe(self) -> dict[str, Any]:
        notes, dialect = self.notes, self.dialect
        encoding = dialect.encoding
        if notes.cp1252_lines:
            encoding = "utf-8+cp1252" if notes.utf8_lines else "cp1252"
        line_end = "mixed" if notes.crlf and notes.lf else "CRLF" if notes.crlf else "LF"
        return {
            "format": "csv",
            "compression": self._packed,
            "encoding": encoding,
            "delimiter": dialect.delimiter,
            "line_end": "CR" if dialect.line_end == b"\r" else line_end,
            "header_line": dialect.header_line,
            "preamble_lines": dialect.header_line - 1,
            "confidence": dialect.confidence,
            "blank_lines": notes.blank_lines,
            "ragged_rows": notes.ragged_rows,
            "dropped": sorted(notes.dropped, key=lambda item: str(item["line"]).zfill(12)),
        }


class WorkbookTable:
    """One sheet of an Excel workbook: the one whose header fits the contract best."""

    excel = True

    def __init__(self, path: Path, contract: Contract | None, unpacked_bytes: int) -> None:
        import python_calamine  # noqa: PLC0415 - only workbooks need it

        if unpacked_bytes > MAX_WORKBOOK_BYTES:
            raise UnreadableFileError(
                "workbook_too_large", f"the workbook unpacks to {unpacked_bytes:,} bytes; send it as CSV"
            )
        try:
            workbook = python_calamine.CalamineWorkbook.from_path(str(path))
            sheets = {
                name: [
                    [_cell_text(cell) for cell in row]
                    for row in workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
                ]
                for name in workbook.sheet_names
            }
        except (python_calamine.CalamineError, OSError, ValueError) as error:
            raise UnreadableFileError("workbook_damaged", f"Excel's reader says: {error}") from None
        found = find_header(sheets, contract)
        if found is None:
            code = "no_header_match" if any(sheets.values()) else "empty_file"
            raise UnreadableFileError(code, f"no sheet of {', '.join(sheets)} holds the expected header")
        self.sheet, self._header_row, self.confidence = found
        self._rows = sheets[self.sheet]
        self.header = tuple(self._rows[self._header_row])
        self.names = unique_names(self.header, RESERVED)
        self.notes = ReadNotes()

    def batches(self) -> Iterator[pl.DataFrame]:
        self.notes = ReadNotes()
        named = max((i for i, cell in enumerate(self.header, start=1) if cell.strip()), default=0)
        grid = Grid("\t", b"\n", len(self.header), len(self.header), named)
        rows = list(enumerate(self._rows[self._header_row + 1 :], start=self._header_row + 2))
        while rows and self._ends(rows[-1][1]):
            line, cells = rows.pop()
            self.notes.dropped.append({"line": line, "why": "footer", "text": "\t".join(filter(None, cells))[:80]})
        filled = [(line, cells) for line, cells in rows if any(cell.strip() for cell in cells)]
        self.notes.blank_lines = len(rows) - len(filled)
        for start in range(0, len(filled), 100_000):
            yield rows_frame([(cells, line, None, None) for line, cells in filled[start : start + 100_000]], grid)

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        return self.batches()

    @staticmethod
    def _ends(cells: list[str]) -> bool:
        """Whether a last row is blank or a footer."""
        texts = [cell for cell in cells if cell.strip()]
        return not texts or _is_footer(texts, len(cells), short=False)

    def describe(self) -> dict[str, Any]:
        return {
            "format": "excel",
            "compression": None,
            "encoding": "utf-8",
            "delimiter": None,
            "line_end": None,
            "sheet": self.sheet,
            "header_line": self._header_row + 1,
            "preamble_lines": self._header_row,
            "confidence": {"encoding": 1.0, "delimiter": 1.0, "header": round(self.confidence, 3)},
            "blank_lines": self.notes.blank_lines,
            "ragged_rows": 0,
            "dropped": self.notes.dropped,
        }


def _is_footer(texts: Sequence[str], width: int, *, short: bool) -> bool:
    """Whether a last row sums up instead of saying something: it begins so, and most of it is empty.

    ``texts`` are its cells that say anything; ``short``: the row has fewer cells than the header.
    """
    if not texts or not _FOOTER.match(texts[0]):
        return False
    if width == 1:
        return any(character.isdigit() for character in texts[0])
    return short or len(texts) * 2 <= width


def _cell_text(cell: Any) -> str:
    """A cell as the text that a sender would have typed: whole floats without ``.0``, dates as ISO."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return f"{Decimal(repr(cell)):f}".removesuffix(".0")
    if isinstance(cell, datetime):
        midnight = cell.time() == time(0)
        return cell.date().isoformat() if midnight else cell.isoformat(timespec="seconds")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)


@contextmanager
def _readable(open_file: Callable[[], ByteStream], packed: str | None) -> Iterator[ByteStream]:
    """An open file; what goes wrong while it is unpacked is a named rejection, not an I/O error."""
    with _unpacking() if packed else nullcontext(), open_file() as file:
        yield file


@contextmanager
def _unpacking() -> Iterator[None]:
    import lzma  # noqa: PLC0415 - only archives need it

    try:
        yield
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise UnreadableFileError("archive_damaged", f"the file cannot be unpacked: {error}; send it again") from None


def _read_up_to(file: ByteStream, size: int) -> bytes:
    parts: list[bytes] = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _utf8_blocks(file: ByteStream, dialect: Dialect) -> Iterator[bytes]:
    """The file's text as UTF-8, without its BOM.

    Raises:
        UnreadableFileError: ``encoding_undecidable`` where a pinned or marked encoding does not fit.
    """
    file.read(dialect.bom_bytes)
    plain = dialect.encoding in {"utf-8", "utf-8-sig", "ascii"}
    decoder = None if plain else codecs.getincrementaldecoder(dialect.encoding)()
    while True:
        block = file.read(_BLOCK)
        if decoder is None:
            if not block:
                return
            yield block
            continue
        try:
            yield decoder.decode(block, final=not block).encode()
        except UnicodeError as error:
            raise UnreadableFileError(
                "encoding_undecidable",
                f"the file is not the {dialect.encoding} that it claims to be: {error}",
            ) from None
        if not block:
            return


class _Bounded(io.BufferedIOBase):
    """A decompressing stream that stops at a bomb's ratio or size."""

    def __init__(
        self, inner: io.BufferedIOBase | IO[bytes], packed_bytes: int, archive: zipfile.ZipFile | None = None
    ) -> None:
        self._inner, self._packed, self._archive, self._seen = inner, packed_bytes, archive, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._inner.read(-1 if size is None else size)
        self._seen += len(data)
        _refuse_bomb(self._seen, self._packed)
        return data

    def close(self) -> None:
        self._inner.close()
        if self._archive is not None:
            self._archive.close()
        super().close()


def _refuse_far_cells(archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo]) -> None:
    """Excel's reader lays a sheet out whole: one forgotten cell in the last corner would take all memory."""
    for member in members:
        if not re.fullmatch(r"xl/worksheets/[^/]+\.xml", member.filename):
            continue
        rows = columns = 0
        tail = b""
        with archive.open(member) as file:
            while block := file.read(_BLOCK):
                text = tail + block
                for letters, digits in set(_CELL.findall(text)):
                    rows = max(rows, int(digits))
                    columns = max(columns, _column_number(letters))
                tail = text[-32:]
        if rows * columns > MAX_SHEET_CELLS:
            raise UnreadableFileError(
                "workbook_too_large",
                f"{member.filename} reaches to row {rows:,}, column {columns:,}; delete stray cells or send CSV",
            )


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _refuse_bomb(unpacked: int, packed: int) -> None:
    if unpacked > MAX_UNPACKED_BYTES or (unpacked > 256 << 20 and unpacked > packed * MAX_RATIO):
        raise UnreadableFileError(
            "zip_bomb", f"{packed:,} bytes unpack to more than {unpacked:,}; send the file less compressed"
        )


def _zip_member(path: Path, name: str) -> ByteStream:
    archive = zipfile.ZipFile(path)
    try:
        return _Bounded(archive.open(name), path.stat().st_size, archive)
    except BaseException:
        archive.close()
        raise
