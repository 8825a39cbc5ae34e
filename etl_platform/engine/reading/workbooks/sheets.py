"""The interface of a workbook's sheet, whatever its format, and the errors that all workbooks share. No files."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from etl_platform.engine.errors import UnreadableFileError

MAX_WORKBOOK_BYTES = 1 << 30
MAX_SHEET_CELLS = 1 << 24
"""Rows times columns up to the last cell with text: 16 columns of as many rows as Excel has."""


class SheetRow(NamedTuple):
    """A row of a sheet that has text in some cell.

    Attributes:
        number: 1-based.
        cells: texts from the first column to the last one with text.
        hidden: whether Excel hides it, by a filter or by hand.
        uncalculated: the 0-based column of its first formula without a stored result, or None.
        doubtful: the same, of its first formula whose stored result may be a stand-in.
        calculated: whether a formula of the row has a result of its own.
    """

    number: int
    cells: list[str]
    hidden: bool = False
    uncalculated: int | None = None
    doubtful: int | None = None
    calculated: bool = False


class CellRange(NamedTuple):
    """Merged cells; rows and columns are 1-based."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int

    def __str__(self) -> str:
        first, last = column_letters(self.first_column), column_letters(self.last_column)
        return f"{first}{self.first_row}:{last}{self.last_row}"


@dataclass
class SheetFacts:
    """What a sheet shows differently from what its cells hold; complete after all its rows are read.

    Attributes:
        merged: cells that Excel shows as one; only the first of them has text.
        hidden_columns: 1-based first and last column of each hidden group.
    """

    merged: list[CellRange] = field(default_factory=list)
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)


class Sheet(Protocol):
    """A sheet of a workbook. ``rows`` may be read more than once, and only in part."""

    @property
    def name(self) -> str: ...

    @property
    def visible(self) -> bool: ...

    @property
    def facts(self) -> SheetFacts: ...

    def rows(self) -> Iterator[SheetRow]:
        """Rows with text, from the top.

        Raises:
            UnreadableFileError: ``workbook_damaged``, ``workbook_too_large`` or ``archive_damaged``.
        """
        ...


@dataclass(frozen=True)
class Workbook:
    """The sheets of a workbook in its order, and whether its dates count from 1904."""

    sheets: list[Sheet]
    since_1904: bool


def workbook_too_large(message: str) -> UnreadableFileError:
    return UnreadableFileError("workbook_too_large", f"{message}; send it as CSV")


def workbook_damaged(detail: str, line: int | None = None) -> UnreadableFileError:
    return UnreadableFileError(
        "workbook_damaged", f"the workbook cannot be read: {detail}; open it in Excel and save it again", line
    )


def refuse_size(unpacked_bytes: int) -> None:
    if unpacked_bytes > MAX_WORKBOOK_BYTES:
        raise workbook_too_large(f"the workbook unpacks to {unpacked_bytes:,} bytes")


def refuse_far_cell(sheet: str, row: int, column: int) -> None:
    """Raise ``workbook_too_large`` if a sheet with text in this row and column has too many cells; both 1-based."""
    if row * column > MAX_SHEET_CELLS:
        raise workbook_too_large(
            f"sheet {sheet} has text down to row {row:,} and out to column {column_letters(column)}, "
            f"more than {MAX_SHEET_CELLS:,} cells; delete its stray cells"
        )


def column_letters(number: int) -> str:
    """The name of a 1-based column, such as ``AB``."""
    letters = ""
    while number:
        number, digit = divmod(number - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters


def column_number(letters: str) -> int:
    """The 1-based number of a column from its name in upper case."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number
