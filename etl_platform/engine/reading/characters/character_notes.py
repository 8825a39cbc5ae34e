"""Notes about the characters of a file, gathered while its rows are read. The report shows them."""

from dataclasses import dataclass, field

from etl_platform.engine.file_dialect import CleanedCells
from etl_platform.engine.reading.characters.code_pages import CodePageEvidence

_MOST_COUNTED = 10_000


@dataclass
class CharacterNotes:
    """Counts over a whole file.

    Attributes:
        cp1252_lines: lines that are not UTF-8 and were read as cp1252.
        utf8_lines: lines with non-ASCII UTF-8, about; at least one in each chunk that has such lines.
        other_lines: lines that are not UTF-8, also those in which only half letters are not.
        code_pages: the non-ASCII words of the cp1252 lines.
        cleaned: what was taken out of cells, by kind.
    """

    cp1252_lines: int = 0
    utf8_lines: int = 0
    other_lines: int = 0
    code_pages: CodePageEvidence = field(default_factory=CodePageEvidence)
    cleaned: dict[str, CleanedCells] = field(default_factory=dict)

    def add_utf8(self, chunk: bytes) -> None:
        """Count lines of a chunk that is valid UTF-8."""
        if not chunk.isascii():
            self.utf8_lines += max(1, _count_up_to(_MOST_COUNTED, chunk, b"\xc3"))

    def add_cleaned(self, what: str, column: str, cells: int, line: int) -> None:
        known = self.cleaned.get(what, CleanedCells(what, 0, (), line))
        columns = known.columns if column in known.columns else (*known.columns, column)
        self.cleaned[what] = CleanedCells(what, known.cells + cells, columns, min(known.line, line))


def _count_up_to(limit: int, chunk: bytes, byte: bytes) -> int:
    """How often a byte occurs, at most ``limit``. Searching for the next one is many times faster than ``count``."""
    found, place = 0, chunk.find(byte)
    while place >= 0 and found < limit:
        found, place = found + 1, chunk.find(byte, place + 1)
    return found
