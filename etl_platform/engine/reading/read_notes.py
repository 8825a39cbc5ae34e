"""Notes about a file, gathered while its rows are read. The report shows them."""

from dataclasses import dataclass, field

from etl_platform.engine.file_dialect import DroppedLine
from etl_platform.engine.reading.encodings import count_non_ascii


@dataclass
class ReadNotes:
    """Counts over a whole file.

    Attributes:
        cp1252_lines: lines that are not UTF-8 and were read as cp1252.
        utf8_lines: lines with non-ASCII UTF-8 in chunks that also have cp1252 lines.
        western, foreign: non-ASCII characters in the cp1252 lines: plausible ones, and signs of another code page.
        crlf, lf, cr: whether such a line end was seen.
    """

    blank_lines: int = 0
    ragged_rows: int = 0
    repeated_headers: int = 0
    cp1252_lines: int = 0
    utf8_lines: int = 0
    western: int = 0
    foreign: int = 0
    first_foreign_line: int = 0
    crlf: bool = False
    lf: bool = False
    cr: bool = False
    dropped: list[DroppedLine] = field(default_factory=list)

    def add_line_ends(self, *, crlf: bool, lf: bool, cr: bool = False) -> None:
        self.crlf, self.lf, self.cr = self.crlf or crlf, self.lf or lf, self.cr or cr

    def add_cp1252_line(self, text: str, line: int) -> None:
        self.cp1252_lines += 1
        western, foreign = count_non_ascii(text)
        self.western, self.foreign = self.western + western, self.foreign + foreign
        if foreign and not self.first_foreign_line:
            self.first_foreign_line = line
