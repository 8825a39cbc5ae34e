"""Delimited text, plain or unpacked on the fly → batches of text cells. No contract rules.

Memory is bounded by the batch.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from datetime import date
from typing import Protocol

import polars as pl

from etl_platform.engine.columns import DAMAGE, LINE, RESERVED
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.file_dialect import FileDialect
from etl_platform.engine.reading.archives import ByteStream, unpacking
from etl_platform.engine.reading.dialect import SAMPLE_BYTES, Dialect, detect_dialect
from etl_platform.engine.reading.encodings import utf8_blocks, without_marks
from etl_platform.engine.reading.headers import unique_names
from etl_platform.engine.reading.parse_chunk import (
    MAX_ROW_BYTES,
    Grid,
    ReadNotes,
    parse_chunk,
    parse_columns,
    unclosed_quote,
    without_repeats,
)
from etl_platform.engine.reading.prefetch import prefetch
from etl_platform.engine.reading.quote_scan import QuoteScan, cut_rows, scan
from etl_platform.engine.reading.preamble_and_footer import Dropped, is_footer
from etl_platform.engine.reading.workbook import MAX_COLUMNS

CHUNK_BYTES = 12 << 20
"""Bytes of text that are read at once and parsed together, at most."""
_CHUNK_CELLS = 3 << 19
"""Cells in them, about: a cell of one letter takes as much memory as one of twelve."""
_LEAST_BYTES = 256 << 10
"""Read at once however short the rows seem: a batch has its price, and blank lines tell little of what follows."""
_OWN_COLUMNS = 4
"""What a row takes beside its cells: its line, damage and overflow, and a key."""
_LOOK_BACK = 1 << 16
_FOOTER_ROWS = 8


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
    def serial_origin(self) -> date | None:
        """The day from which a workbook counts its dates; None for text."""
        ...

    @property
    def members(self) -> Sequence[str]:
        """Files of an archive that are read one after another; batches then tell each row's ``_member``."""
        ...

    def batches(self) -> Iterator[pl.DataFrame]: ...

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        """The cells of a few columns, far cheaper; rows of damaged parts may differ from those of ``batches``."""
        ...

    def describe(self) -> FileDialect: ...


class TextTable:
    """Delimited text, plain or unpacked on the fly."""

    serial_origin = None
    members = ()

    def __init__(self, open_file: Callable[[], ByteStream], contract: Contract | None, packed: str | None) -> None:
        self._open, self._packed = open_file, packed
        self._mask = contract is not None and any(column.sensitive for column in contract.columns)
        self._named = contract is not None
        self._pinned = [name for name in contract.reading_overrides.names() if name != "sheet"] if contract else []
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
        self._chunk_bytes = self._sized(sample)
        self.notes = ReadNotes()

    def batches(self) -> Iterator[pl.DataFrame]:
        """Text columns by position with ``_line``, ``_damage`` and ``_overflow``; footers and blanks left out."""
        self.notes = ReadNotes()
        dialect = self.dialect
        held: pl.DataFrame | None = None
        for frame, _ in self._frames(None):
            if not frame.height:
                continue
            if held is not None:
                yield held
            held = without_repeats(frame, self.header, dialect.delimiter, self.notes) if self._named else frame
        if held is not None:
            yield self._without_footer(held)
        self._refuse_foreign_letters()

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        self.notes = ReadNotes()
        for frame, last in self._frames(positions):
            yield self._without_footer(frame) if last else frame

    def _frames(self, positions: Sequence[int] | None) -> Iterator[tuple[pl.DataFrame, bool]]:
        """Rows, a chunk at a time, and whether they are known to be the last, which have all columns.

        With ``positions`` only those columns are read, unproven.
        """
        dialect = self.dialect
        grid = Grid(dialect.delimiter, dialect.line_end, len(self.header), dialect.declared, dialect.named)
        buffer, line = b"", dialect.data_line
        with (
            _readable(self._open, self._packed) as file,
            closing(prefetch(self._scanned_blocks(file, grid, proven=positions is None))) as blocks,
        ):
            for block, scanned, final in blocks:
                # Cut where a row may end before it is joined: whole chunks are then never copied again.
                cut = len(block) if final else block.rfind(grid.line_end) + 1
                buffer = b"".join((buffer, memoryview(block)[:cut])) if buffer or cut < len(block) else block
                if final:
                    # DOS programs end a text with Ctrl-Z.
                    buffer = buffer.rstrip(b"\x1a")
                buffer = buffer if positions else without_marks(buffer)
                while buffer and (final or 2 * len(buffer) >= len(block)):
                    if positions is not None and not final:
                        end, lines = cut_rows(buffer, grid.line_end)
                        frame = parse_columns(buffer[:end], grid, positions) if end else None
                        if frame is not None:
                            buffer, line = buffer[end:], line + lines
                            yield frame, False
                            continue
                    known = scanned if buffer is block else None
                    structure = known or scan(buffer, grid.delimiter, grid.line_end, final=final)
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
                buffer += block[cut:]
                # Given back before the next is waited for.
                del block

    def _scanned_blocks(
        self, file: ByteStream, grid: Grid, *, proven: bool
    ) -> Iterator[tuple[bytes, QuoteScan | None, bool]]:
        """The rows' bytes as UTF-8, each block with its structure if a row begins there, and whether it is the last."""
        blocks = utf8_blocks(self._blocks(file), self.dialect.encoding)
        held = b""
        for block in filter(None, _after(blocks, self.dialect.data_offset)):
            if held:
                yield held, scan(held, grid.delimiter, grid.line_end) if proven else None, False
            held = block
            del block
        yield held, None, True

    def _blocks(self, file: ByteStream) -> Iterator[bytes]:
        """The file without its byte order mark."""
        dialect, size = self.dialect, self._chunk_bytes
        file.read(dialect.encoding.bom_bytes)
        while block := file.read(size if self._packed else _whole_rows(file, dialect.line_end, size)):
            size = self._sized(block)
            yield block
            del block

    def _sized(self, text: bytes) -> int:
        """How many bytes to read at once where rows are as long as at the start of this text."""
        start = text[:_LOOK_BACK]
        rows = start.count(self.dialect.line_end) + 1
        wanted = _CHUNK_CELLS // (len(self.header) + _OWN_COLUMNS) * len(start) // rows
        return min(CHUNK_BYTES, max(_LEAST_BYTES, wanted))

    def _without_footer(self, frame: pl.DataFrame) -> pl.DataFrame:
        cells = [name for name in frame.columns if name.isdigit()]
        keep = frame.height
        for row in reversed(frame.tail(_FOOTER_ROWS).select(*cells, LINE, DAMAGE).rows()):
            texts = [text for text in row[:-2] if text and text.strip()]
            if not is_footer(texts, len(cells), short=row[-1] is not None):
                break
            keep -= 1
            self.notes.ragged_rows -= row[-1] is not None
            self.notes.dropped.append(Dropped(row[-2], "footer", self.dialect.delimiter.join(texts)))
        return frame.head(keep)

    def _refuse_foreign_letters(self) -> None:
        notes = self.notes
        if notes.foreign > notes.western and not self.dialect.encoding.pinned:
            raise UnreadableFileError(
                "encoding_undecidable",
                f"line {notes.first_foreign_line} is not UTF-8, and as Windows-1252 its letters make no words; "
                "save the file as UTF-8",
                notes.first_foreign_line,
            )

    def describe(self) -> FileDialect:
        notes, dialect = self.notes, self.dialect
        encoding, confidence = dialect.encoding.name, dict(dialect.confidence)
        if notes.cp1252_lines:
            encoding = "utf-8+cp1252" if notes.utf8_lines else "cp1252"
            confidence["encoding"] = round(0.95 * notes.western / (notes.western + notes.foreign), 3)
        seen = [name for name, found in (("CRLF", notes.crlf), ("LF", notes.lf), ("CR", notes.cr)) if found]
        dropped = sorted((*dialect.dropped, *notes.dropped), key=lambda item: item.line)
        return FileDialect(
            format="csv",
            compression=self._packed,
            encoding=encoding,
            delimiter=dialect.delimiter,
            line_end="mixed" if len(seen) > 1 else (*seen, "CR" if dialect.line_end == b"\r" else "LF")[0],
            header_line=dialect.header_line,
            header_lines=dialect.header_rows,
            preamble_lines=dialect.header_line - 1,
            confidence=confidence,
            pinned=tuple(self._pinned),
            blank_lines=notes.blank_lines,
            ragged_rows=notes.ragged_rows,
            repeated_headers=notes.repeated_headers,
            dropped=tuple(item.describe(mask=self._mask) for item in dropped),
        )


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


def _after(blocks: Iterator[bytes], offset: int) -> Iterator[bytes]:
    """The blocks without their first bytes."""
    while offset and (block := next(blocks, b"")):
        yield block[offset:]
        offset = max(0, offset - len(block))
        del block
    yield from blocks


def _whole_rows(file: ByteStream, line_end: bytes, size: int) -> int:
    """The size of a block that ends where a row may: joining its rest to the next block would copy all of that."""
    start, look_back = file.tell(), min(_LOOK_BACK, size // 2)
    file.seek(start + size - look_back)
    found = file.read(look_back).rfind(line_end)
    file.seek(start)
    return size - look_back + found + 1 if found >= 0 else size
