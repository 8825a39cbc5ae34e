"""Delimited text, plain or decompressed on the fly → batches of text cells, in bounded memory. No contract rules."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing

import polars as pl

from etl_platform.engine.columns import DAMAGE, LINE, RESERVED
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract.reading_overrides import NONE
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.file_dialect import DroppedLine, FileDialect
from etl_platform.engine.reading.characters.cell_characters import clean_cells
from etl_platform.engine.reading.characters.encodings import utf8_blocks, without_inner_boms
from etl_platform.engine.reading.characters.unusual_characters import has_unusual
from etl_platform.engine.reading.delimited.blank_lines import BlankLines
from etl_platform.engine.reading.delimited.byte_blocks import read_up_to, readable, skip_bytes, whole_rows_size
from etl_platform.engine.reading.delimited.cut_rows import last_row, mark_cut_rows
from etl_platform.engine.reading.delimited.formula_texts import has_formula_texts, read_formula_texts
from etl_platform.engine.reading.delimited.parse_chunk import parse_chunk, parse_columns
from etl_platform.engine.reading.delimited.quote_scan import QuoteScan, cut_rows, scan
from etl_platform.engine.reading.delimited.row_format import RowFormat
from etl_platform.engine.reading.delimited.split_rows import MAX_ROW_BYTES
from etl_platform.engine.reading.delimited.text_dialect import SAMPLE_BYTES, TextDialect, detect_text_dialect
from etl_platform.engine.reading.packed.archives import ByteStream
from etl_platform.engine.reading.prefetch import prefetch
from etl_platform.engine.reading.read_notes import ReadNotes
from etl_platform.engine.reading.table import MAX_COLUMNS
from etl_platform.engine.reading.tables.headers import read_columns, unique_names
from etl_platform.engine.reading.tables.preamble_and_footer import FOOTER_ROWS, is_console_line, is_footer, shorten
from etl_platform.engine.reading.tables.table_bounds import TableBounds

CHUNK_BYTES = 12 << 20
"""Bytes of text that are read and parsed together, at most."""
_CHUNK_CELLS = 3 << 19
"""Approximate cells of a chunk: a cell of one letter takes as much memory as one of twelve."""
_MIN_CHUNK_BYTES = 256 << 10
"""Minimum even for short rows: each batch has a fixed cost, and blank lines at the top make rows look short."""
_ADDED_COLUMNS = 4
"""Columns of a batch besides the file's cells: line, damage, overflow and a key."""
_LOOK_BACK = 1 << 16


class TextTable:
    """A Table over delimited text; ``packed`` names the compression that ``open_file`` removes."""

    serial_origin = None
    members = ()

    def __init__(self, open_file: Callable[[], ByteStream], contract: Contract | None, packed: str | None) -> None:
        self._open, self._packed = open_file, packed
        self._mask = contract is not None and contract.has_masked_columns
        self._contract = contract
        self._overrides = [name for name in contract.reading_overrides.names() if name != "sheet"] if contract else []
        with readable(open_file, packed) as file:
            sample = read_up_to(file, SAMPLE_BYTES)
            whole = not file.read(1)
        if not sample:
            raise UnreadableFileError("empty_file", "the file has zero bytes; export it again")
        self.dialect: TextDialect = detect_text_dialect(sample, whole=whole, contract=contract)
        if len(self.dialect.header) > MAX_COLUMNS:
            raise UnreadableFileError(
                "too_many_columns",
                f"the header on line {self.dialect.header_line} has {len(self.dialect.header):,} cells; "
                f"send at most {MAX_COLUMNS:,} columns",
                self.dialect.header_line,
            )
        self.header, self.names = self.dialect.header, unique_names(self.dialect.header, RESERVED)
        self._read_columns = read_columns(self.header, contract)
        self._chunk_bytes = self._chunk_size(sample)
        self.is_small = whole and len(sample) <= self._chunk_bytes
        self.notes = ReadNotes()

    def batches(self) -> Iterator[pl.DataFrame]:
        self.notes = ReadNotes()
        delimiter = self.dialect.format.delimiter
        bounds = TableBounds(self.header, self._contract, delimiter, self.notes) if self._contract else None
        above: pl.DataFrame | None = None
        held: pl.DataFrame | None = None
        for frame, _ in self._frames(None):
            if not frame.height:
                continue
            below = bounds.apply(frame) if bounds else frame
            if held is not None:
                yield self._without_cut_rows(held, above, below)
            above, held = (None if held is None else last_row(held)), below
        if held is not None:
            yield self._without_cut_rows(self._without_footer(held), above, None)
        self._refuse_other_code_page()

    def _without_cut_rows(
        self, frame: pl.DataFrame, above: pl.DataFrame | None, below: pl.DataFrame | None
    ) -> pl.DataFrame:
        marked = mark_cut_rows(frame, above, below)
        self.notes.ragged_rows += frame[DAMAGE].null_count() - marked[DAMAGE].null_count()
        return marked

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        self.notes = ReadNotes()
        for frame, last in self._frames(positions):
            yield self._without_footer(frame) if last else frame

    def _frames(self, positions: Sequence[int] | None) -> Iterator[tuple[pl.DataFrame, bool]]:
        """Rows, a chunk at a time, and whether they are known to be the last.

        With ``positions`` only those columns are read, without the quote scan; the last rows have all columns.
        """
        row_format = self.dialect.format
        buffer, line = b"", self.dialect.data_line
        blank_lines = BlankLines(row_format)
        with (
            readable(self._open, self._packed) as file,
            closing(self._scanned_blocks(file, row_format, proven=positions is None)) as scanned_blocks,
            closing(scanned_blocks if self.is_small else prefetch(scanned_blocks)) as blocks,
        ):
            for block, scanned, final in blocks:
                # Cut at a line end before joining: whole chunks are then never copied again.
                cut = len(block) if final else block.rfind(row_format.line_end) + 1
                buffer = b"".join((buffer, memoryview(block)[:cut])) if buffer or cut < len(block) else block
                if final:
                    # DOS programs end a text with Ctrl-Z.
                    buffer = buffer.rstrip(b"\x1a")
                buffer = buffer if positions else without_inner_boms(buffer)
                while buffer and (final or 2 * len(buffer) >= len(block)):
                    buffer, skipped = blank_lines.skip(buffer, line)
                    line += skipped
                    self.notes.blank_lines += skipped
                    if not buffer:
                        break
                    known = scanned if buffer is block else None
                    taken = self._take_rows(buffer, line, row_format, positions, known, final=final)
                    if taken is None:
                        break
                    frame, lines, buffer = taken
                    del taken
                    line += lines
                    yield frame, final and not buffer
                buffer += block[cut:]
                # Free the block before waiting for the next one.
                del block

    def _take_rows(
        self,
        buffer: bytes,
        line: int,
        row_format: RowFormat,
        positions: Sequence[int] | None,
        scanned: QuoteScan | None,
        *,
        final: bool,
    ) -> tuple[pl.DataFrame, int, bytes] | None:
        """The rows at the start of a buffer, their lines, and the rest of it; None where more bytes are needed.

        Args:
            line: 1-based line of the file on which the buffer starts.
            scanned: the quote scan of exactly this buffer, if there is one.
            final: no bytes follow the buffer.
        """
        line_end = row_format.line_end
        if positions is not None and not final and row_format.is_simple:
            end, lines = cut_rows(buffer, row_format)
            frame = parse_columns(buffer[:end], row_format, positions) if end else None
            if frame is not None:
                return frame, lines, buffer[end:]
        proof = None
        end = len(buffer) if final else buffer.rfind(line_end) + 1
        if row_format.is_simple:
            proof = scanned or scan(buffer, row_format, final=final)
            if proof.end:
                end = proof.end
            elif len(buffer) <= MAX_ROW_BYTES:
                return None
            else:
                # No row ends outside quotes: a quote never closes, or a stray quote swapped inside and outside.
                proof = None
        chunk = buffer[:end]
        frame, lines, rest = parse_chunk(
            chunk, line, row_format, self.notes, proof, final=final, max_row_bytes=MAX_ROW_BYTES
        )
        if lines:
            plain = proof is not None and proof.is_plain
            if positions is None and not plain and has_unusual(chunk):
                frame = clean_cells(frame, self.names, self._read_columns, self.notes)
            if positions is None and has_formula_texts(chunk):
                frame = read_formula_texts(frame, self.names, self.notes)
            return frame, lines, rest + buffer[end:]
        if len(buffer) <= MAX_ROW_BYTES:
            return None
        raise _no_row_end(line, row_format, buffer)

    def _scanned_blocks(
        self, file: ByteStream, row_format: RowFormat, *, proven: bool
    ) -> Generator[tuple[bytes, QuoteScan | None, bool], None, None]:
        """Blocks of the data as UTF-8, each with its quote scan if ``proven``, and whether it is the last.

        The scan is usable only if the block begins with a row.
        """
        blocks = utf8_blocks(self._blocks(file), self.dialect.encoding)
        held = b""
        for block in filter(None, skip_bytes(blocks, self.dialect.data_offset)):
            if held:
                yield held, scan(held, row_format) if proven and row_format.is_simple else None, False
            held = block
            del block
        yield held, None, True

    def _blocks(self, file: ByteStream) -> Iterator[bytes]:
        """The bytes of the file after its byte order mark."""
        dialect, size = self.dialect, self._chunk_bytes
        file.read(dialect.encoding.bom_bytes)
        while block := file.read(size if self._packed else whole_rows_size(file, dialect.format.line_end, size)):
            size = self._chunk_size(block)
            yield block
            del block

    def _chunk_size(self, text: bytes) -> int:
        """Bytes to read at once, estimated from the length of the first rows of this text."""
        start = text[:_LOOK_BACK]
        rows = start.count(self.dialect.format.line_end) + 1
        wanted = _CHUNK_CELLS // (len(self.header) + _ADDED_COLUMNS) * len(start) // rows
        return min(CHUNK_BYTES, max(_MIN_CHUNK_BYTES, wanted))

    def _without_footer(self, frame: pl.DataFrame) -> pl.DataFrame:
        cells = [name for name in frame.columns if name.isdigit()]
        keep = frame.height
        for row in reversed(frame.tail(FOOTER_ROWS).select(*cells, LINE, DAMAGE).rows()):
            texts = [text for text in row[:-2] if text and text.strip()]
            # Where blanks are delimiters, such a line may have the width of a row.
            printed = self.dialect.format.delimiter.isspace() and is_console_line(" ".join(texts))
            if not printed and not is_footer(texts, len(cells), short=row[-1] is not None):
                break
            keep -= 1
            self.notes.ragged_rows -= row[-1] is not None
            self.notes.dropped.append(DroppedLine(row[-2], "footer", self.dialect.format.delimiter.join(texts)))
        return frame.head(keep)

    def _refuse_other_code_page(self) -> None:
        refusal = self.notes.code_pages.refusal(mask=self._mask)
        if refusal is not None:
            raise refusal

    def describe(self) -> FileDialect:
        notes, dialect, row_format = self.notes, self.dialect, self.dialect.format
        encoding, confidence = dialect.encoding.name, dict(dialect.confidence)
        if notes.cp1252_lines:
            encoding = "utf-8+cp1252" if notes.utf8_lines else "cp1252"
            confidence["encoding"] = round(0.95 * notes.code_pages.western_share, 3)
        seen = [name for name, found in (("CRLF", notes.crlf), ("LF", notes.lf), ("CR", notes.cr)) if found]
        dropped = sorted((*dialect.dropped, *notes.dropped), key=lambda item: item.line)
        return FileDialect(
            format="csv",
            compression=self._packed,
            encoding=encoding,
            delimiter=row_format.delimiter if len(self.header) > 1 or self._contract else None,
            quote=row_format.quote or NONE,
            escape=row_format.escape,
            blank_after_delimiter=row_format.blank_after_delimiter,
            header_remark=dialect.header_remark,
            line_end="mixed" if len(seen) > 1 else (*seen, "CR" if row_format.line_end == b"\r" else "LF")[0],
            header_line=dialect.header_line,
            header_lines=dialect.header_rows,
            preamble_lines=max(0, dialect.header_line - 1),
            confidence=confidence,
            pinned=tuple(self._overrides),
            blank_lines=notes.blank_lines,
            ragged_rows=notes.ragged_rows,
            spanning_rows=notes.spanning_rows,
            rows_in_cells=tuple(notes.inner_rows),
            repeated_headers=notes.repeated_headers,
            cleaned=tuple(notes.cleaned.values()),
            encoding_evidence=notes.code_pages.evidence(mask=self._mask),
            dropped=tuple(shorten(item, mask=self._mask) for item in dropped),
        )


def _no_row_end(line: int, row_format: RowFormat, buffer: bytes) -> UnreadableFileError:
    """The rejection of a file in which more than MAX_ROW_BYTES follow one another without an end of a row."""
    if row_format.quote and row_format.quote.encode() in buffer:
        message = f"the quote that opens on line {line} never closes; close it, or double it if it belongs to the text"
        return UnreadableFileError("unclosed_quote", message, line)
    message = f"line {line} has more than {MAX_ROW_BYTES:,} bytes; break it into rows"
    return UnreadableFileError("row_too_long", message, line)
