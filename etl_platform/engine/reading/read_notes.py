"""Notes about a file, gathered while its rows are read. The report shows them."""

from dataclasses import dataclass, field

from etl_platform.engine.file_dialect import CleanedCells, DroppedLine
from etl_platform.engine.reading.code_pages import CodePageEvidence
from etl_platform.engine.reading.split_rows import SplitRow

_NOTED_LINES = 20


@dataclass
class ReadNotes:
    """Counts over a whole file.

    Attributes:
        spanning_rows: rows with a line break in a quoted cell.
        inner_rows: the first lines within quoted cells that look like rows of their own.
        cp1252_lines: lines that are not UTF-8 and were read as cp1252.
        utf8_lines: lines with non-ASCII UTF-8, about; at least one in each chunk that has such lines.
        other_lines: lines that are not UTF-8, also those in which only half letters are not.
        code_pages: the non-ASCII words of the cp1252 lines.
        crlf, lf, cr: whether such a line end was seen.
    """

    blank_lines: int = 0
    ragged_rows: int = 0
    repeated_headers: int = 0
    spanning_rows: int = 0
    inner_rows: list[int] = field(default_factory=list)
    cp1252_lines: int = 0
    utf8_lines: int = 0
    other_lines: int = 0
    crlf: bool = False
    lf: bool = False
    cr: bool = False
    dropped: list[DroppedLine] = field(default_factory=list)
    code_pages: CodePageEvidence = field(default_factory=CodePageEvidence)
    cleaned: dict[str, CleanedCells] = field(default_factory=dict)

    def add_line_ends(self, *, crlf: bool, lf: bool, cr: bool = False) -> None:
        self.crlf, self.lf, self.cr = self.crlf or crlf, self.lf or lf, self.cr or cr

    def add_utf8(self, chunk: bytes) -> None:
        """Count lines of a chunk that is valid UTF-8."""
        if not chunk.isascii():
            self.utf8_lines += max(1, chunk.count(b"\xc3"))

    def add_cleaned(self, what: str, column: str, cells: int, line: int) -> None:
        known = self.cleaned.get(what, CleanedCells(what, 0, (), line))
        columns = known.columns if column in known.columns else (*known.columns, column)
        self.cleaned[what] = CleanedCells(what, known.cells + cells, columns, min(known.line, line))

    def add_spanning_row(self, row: SplitRow) -> None:
        self.spanning_rows += 1
        if row.inner_row is not None and row.damage is None and len(self.inner_rows) < _NOTED_LINES:
            self.inner_rows.append(row.inner_row)
