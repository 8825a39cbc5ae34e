"""How the rows of a delimited text are written: delimiter, quotes, escapes and widths. Values only, no parsing."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RowFormat:
    """How the rows of a file are written.

    Attributes:
        delimiter: one or more characters between cells.
        line_end: bytes that end a row.
        width: columns of the batches; 0 where no width is known yet, and rows of any width are then complete.
        declared: cells of the header; cells beyond them must be empty.
        named: cells up to the last one with a name.
        usual: cells of most rows; 0 means as many as the batches have columns.
        quote: the character around quoted cells; None if the file has none.
        escape: takes its meaning from the character after it.
        blank_after_delimiter: blanks before a cell, or before its opening quote, are not part of it.
        pads_short_rows: a row with fewer cells than usual is complete; its last cells are empty.
    """

    delimiter: str
    line_end: bytes
    width: int
    declared: int
    named: int
    usual: int = 0
    quote: str | None = '"'
    escape: str | None = None
    blank_after_delimiter: bool = False
    pads_short_rows: bool = False

    @classmethod
    def of_sample(
        cls,
        delimiter: str,
        *,
        quote: str | None = '"',
        escape: str | None = None,
        blank_after_delimiter: bool = False,
    ) -> "RowFormat":
        """The format of text whose width is not known yet."""
        return cls(delimiter, b"\n", 0, 0, 0, quote=quote, escape=escape, blank_after_delimiter=blank_after_delimiter)

    @property
    def usual_width(self) -> int:
        return self.usual or self.width

    @property
    def is_simple(self) -> bool:
        """Whether the fast parser reads this format: one byte each for delimiter and quote, and nothing else."""
        marks = (self.delimiter, self.quote or "")
        single = len(self.delimiter) == 1 and all(mark.isascii() and len(mark) <= 1 for mark in marks)
        return single and self.escape is None and not self.blank_after_delimiter

    def fits(self, cells: Sequence[str]) -> bool:
        """Whether a row with these cells has the width that rows of this file have.

        A row may end before the columns without a name, but not with an empty cell: a delimiter may be lost there.
        """
        count, usual = len(cells), self.usual or self.width
        if count == usual:
            return count <= self.declared or not any(cell.strip() for cell in cells[self.declared :])
        if not usual:
            return True
        if count < usual and self.pads_short_rows:
            return True
        return count < usual and count in {self.declared, self.named} and bool(cells[-1].strip())
