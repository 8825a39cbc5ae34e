"""Notes about a file, gathered while its rows are read. The report shows them."""

from dataclasses import dataclass, field

from etl_platform.engine.file_dialect import DroppedLine
from etl_platform.engine.reading.characters.character_notes import CharacterNotes

_NOTED_LINES = 20


@dataclass
class ReadNotes(CharacterNotes):
    """Counts over a whole file.

    Attributes:
        spanning_rows: rows with a line break in a quoted cell.
        inner_rows: the first lines within quoted cells that look like rows of their own.
        crlf, lf, cr: whether such a line end was seen.
    """

    blank_lines: int = 0
    ragged_rows: int = 0
    repeated_headers: int = 0
    spanning_rows: int = 0
    inner_rows: list[int] = field(default_factory=list)
    crlf: bool = False
    lf: bool = False
    cr: bool = False
    dropped: list[DroppedLine] = field(default_factory=list)

    def add_line_ends(self, *, crlf: bool, lf: bool, cr: bool = False) -> None:
        self.crlf, self.lf, self.cr = self.crlf or crlf, self.lf or lf, self.cr or cr

    def add_spanning_row(self, inner_row: int | None) -> None:
        """Count a row over several lines; ``inner_row`` is the line of an accepted one that looks like a row."""
        self.spanning_rows += 1
        if inner_row is not None and len(self.inner_rows) < _NOTED_LINES:
            self.inner_rows.append(inner_row)
