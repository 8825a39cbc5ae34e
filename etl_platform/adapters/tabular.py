"""A file on local disk, in any format that agencies send → batches of text cells. No contract rules.

The format is told by the file's first bytes, never by its name. Memory is bounded by the batch.
"""

import codecs
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from etl_platform.adapters.archives import ByteStream, open_gzip, open_zip_member, refuse_bomb, unpacking
from etl_platform.adapters.workbook import MAX_COLUMNS, WorkbookTable, refuse_far_cells
from etl_platform.core.contracts import Contract
from etl_platform.core.dialect import (
    SAMPLE_BYTES,
    Dialect,
    detect_dialect,
    is_footer,
)
from etl_platform.core.errors import UnreadableFileError
from etl_platform.core.headers import unique_names
from etl_platform.core.masking import shape
from etl_platform.core.parsing import (
    MAX_ROW_BYTES,
    Grid,
    ReadNotes,
    parse_chunk,
    parse_columns,
    unclosed_quote,
)
from etl_platform.core.rules import DAMAGE, LINE, RESERVED
from etl_platform.core.structure import cut_rows, scan

CHUNK_BYTES = 8 << 20
_BLOCK = CHUNK_BYTES
_FOOTER_ROWS = 8
_LINE_END = re.compile(rb"\r\n?|\n")


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
        with unpacking(), zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
            refuse_bomb(sum(m.file_size for m in members), path.stat().st_size)
            if any(m.filename == "xl/workbook.xml" for m in members):
                refuse_far_cells(archive, members)
                return WorkbookTable(path, contract, sum(m.file_size for m in members))
            if any(m.filename == "xl/workbook.bin" for m in members):
                raise UnreadableFileError("not_tabular", "binary workbooks (.xlsb) are not read; save as .xlsx or CSV")
        if len(members) != 1:
            raise UnreadableFileError(
                "zip_members", f"the archive holds {len(members)} files; send each by itself or zipped alone"
            )
        return TextTable(lambda: open_zip_member(path, members[0].filename), contract, "zip")
    if magic.startswith(b"\xd0\xcf\x11\xe0"):
        return WorkbookTable(path, contract, path.stat().st_size)
    if magic.startswith(b"\x1f\x8b"):
        return TextTable(lambda: open_gzip(path), contract, "gzip")
    return TextTable(lambda: path.open("rb"), contract, None)


class TextTable:
    """Delimited text, plain or unpacked on the fly."""

    excel = False

    def __init__(self, open_file: Callable[[], ByteStream], contract: Contract | None, packed: str | None) -> None:
        self._open, self._packed = open_file, packed
        self._mask = contract is not None and any(column.sensitive for column in contract.columns)
        with _readable(open_file, packed) as file:
            sample = _read_up_to(file, SAMPLE_BYTES)
            whole = not file.read(1)
        if not sample:
            raise UnreadableFileError("empty_file", "the file has zero bytes")
        self.dialect: Dialect = detect_dialect(sample, whole=whole, contract=contract)
        if len(self.dialect.header) > MAX_COLUMNS:
            raise UnreadableFileError(
                "too_many_columns",
                f"line {self.dialect.header_line}, taken for the header, has {len(self.dialect.header):,} cells; "
                f"a table has up to {MAX_COLUMNS:,} columns",
                self.dialect.header_line,
            )
        self.header, self.names = self.dialect.header, unique_names(self.dialect.header, RESERVED)
        self.notes = ReadNotes()

    def batches(self) -> Iterator[pl.DataFrame]:
        """Text columns by position with ``_line``, ``_damage`` and ``_overflow``; footers and blanks left out."""
        self.notes = ReadNotes()
        held: pl.DataFrame | None = None
        for frame, _ in self._frames(None):
            if not frame.height:
                continue
            if held is not None:
                yield held
            held = frame
        if held is not None:
            yield self._without_footer(held)

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        self.notes = ReadNotes()
        for frame, last in self._frames(positions):
            yield self._without_footer(frame) if last else frame

    def _frames(self, positions: Sequence[int] | None) -> Iterator[tuple[pl.DataFrame, bool]]:
        """Rows, about CHUNK_BYTES at a time, and whether they are known to be the last, which have all columns.

        With ``positions`` only those columns are read, unproven.
        """
        dialect = self.dialect
        grid = Grid(dialect.delimiter, dialect.line_end, len(self.header), dialect.declared, dialect.named)
        buffer, line = b"", dialect.data_line
        skip = line - 1
        with _readable(self._open, self._packed) as file:
            for block, final in _with_final(_utf8_blocks(file, dialect)):
                buffer += block
                if skip:
                    buffer, skip = _without_lines(buffer, skip, final=final)
                if final:
                    # DOS programs end a text with Ctrl-Z.
                    buffer = b"" if skip else buffer.rstrip(b"\x1a")
                while buffer and not skip and (final or len(buffer) >= CHUNK_BYTES):
                    if positions is not None and not final:
                        end, lines = cut_rows(buffer, grid.line_end)
                        frame = parse_columns(buffer[:end], grid, positions) if end else None
                        if frame is not None:
                            buffer, line = buffer[end:], line + lines
                            yield frame, False
                            continue
                    structure = scan(buffer, grid.delimiter, grid.line_end, final=final)
                    # Where no row ends outside quotes, one never closes, or a stray one upset the count.
                    lost = not structure.end
                    if lost and len(buffer) <= MAX_ROW_BYTES:
                        break
                    end = buffer.rfind(grid.line_end) + 1 if lost else structure.end
                    found = None if lost else structure
                    frame, lines, rest = parse_chunk(buffer[:end], line, grid, self.notes, found)
                    if not lines and b'"' not in buffer:
                        raise UnreadableFileError(
                            "row_too_long",
                            f"line {line} has more than {MAX_ROW_BYTES:,} bytes; break it into rows",
                            line,
                        )
                    if not lines:
                        raise unclosed_quote(line)
                    buffer, line = rest + buffer[end:], line + lines
                    yield frame, final and not buffer

    def _without_footer(self, frame: pl.DataFrame) -> pl.DataFrame:
        cells = [name for name in frame.columns if name.isdigit()]
        keep = frame.height
        for row in reversed(frame.tail(_FOOTER_ROWS).select(*cells, LINE, DAMAGE).rows()):
            texts = [text for text in row[:-2] if text and text.strip()]
            if not is_footer(texts, len(cells), short=row[-1] is not None):
                break
            keep -= 1
            text = self.dialect.delimiter.join(texts)[:80]
            self.notes.dropped.append({"line": row[-2], "why": "footer", "text": shape(text) if self._mask else text})
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


@contextmanager
def _readable(open_file: Callable[[], ByteStream], packed: str | None) -> Iterator[ByteStream]:
    """An open file; what goes wrong while it is unpacked is a named rejection, not an I/O error."""
    with unpacking() if packed else nullcontext(), open_file() as file:
        yield file


def _read_up_to(file: ByteStream, size: int) -> bytes:
    parts: list[bytes] = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _with_final(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each block, and after the last an empty one that says so."""
    for block in blocks:
        yield block, False
    yield b"", True


def _without_lines(buffer: bytes, lines: int, *, final: bool) -> tuple[bytes, int]:
    """The buffer without its first lines, and how many are still to come; CR, LF and CRLF each end one, as for csv."""
    end = 0
    for match in _LINE_END.finditer(buffer):
        half = match.group() == b"\r" and match.end() == len(buffer) and not final
        if not lines or half:
            break
        end, lines = match.end(), lines - 1
    return buffer[end:], lines


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
