"""The rows of one sheet below its header → frames in memory, and notes on what Excel shows differently."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from etl_platform.engine.columns import DAMAGE, LINE, OVERFLOW, RESERVED
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.file_dialect import DroppedLine
from etl_platform.engine.reading.characters.cell_characters import clean_cells
from etl_platform.engine.reading.read_notes import ReadNotes
from etl_platform.engine.reading.rows_frame import ParsedRow, rows_frame
from etl_platform.engine.reading.tables.headers import FoundHeader, read_columns, unique_names
from etl_platform.engine.reading.tables.preamble_and_footer import FOOTER_ROWS, is_footer
from etl_platform.engine.reading.tables.table_bounds import TableBounds
from etl_platform.engine.reading.workbooks.sheets import Sheet, SheetRow, column_letters

_BATCH_CELLS, _BATCH_CHARACTERS = 1_000_000, 12 << 20
"""Of a frame, about. A check has several copies of a frame in memory at once."""
_MAX_NAMED = 20


@dataclass
class SheetNotes(ReadNotes):
    """Notes about the rows of a sheet; ranges and names as the report shows them."""

    merged_cells: tuple[str, ...] = ()
    hidden_rows: tuple[str, ...] = ()
    hidden_columns: tuple[str, ...] = ()


class SheetLoader:
    """Reads the rows of a sheet once."""

    def __init__(self, sheet: Sheet, header: FoundHeader, contract: Contract | None) -> None:
        self._sheet, self._header, self._contract = sheet, header, contract
        self._named = [place for place, cell in enumerate(header.cells) if cell.strip()]
        self._width = len(header.cells)
        self.notes = SheetNotes()
        self._blank_lines = self._beside = 0
        self._hidden: list[tuple[int, int]] = []
        self._doubtful: tuple[int, int] | None = None
        self._calculated = False
        self._last = header.after - 1

    @property
    def header(self) -> tuple[str, ...]:
        """The cells of the header, and a blank one for each further column with text; complete after ``frames``."""
        return (*self._header.cells, *[""] * (self._width - len(self._header.cells)))

    def frames(self) -> list[pl.DataFrame]:
        """All rows, without footers and headers that come again.

        Raises:
            UnreadableFileError: ``workbook_uncalculated``, or what ``Sheet.rows`` raises.
        """
        frames: list[tuple[pl.DataFrame, int]] = []
        batch: list[ParsedRow] = []
        tail: deque[ParsedRow] = deque()
        cells = characters = 0
        for row in self._sheet.rows():
            if row.number < self._header.first or not self._belongs(row):
                continue
            tail.append(ParsedRow(row.cells, row.number))
            if len(tail) > FOOTER_ROWS:
                batch.append(tail.popleft())
                cells += len(batch[-1].cells)
                characters += sum(map(len, batch[-1].cells))
            if cells > _BATCH_CELLS or characters > _BATCH_CHARACTERS:
                frames.append((rows_frame(batch, self._width), self._blank_lines))
                batch, cells, characters = [], 0, 0
        self._refuse_doubtful()
        self._drop_footer(tail)
        batch += tail
        if batch:
            frames.append((rows_frame(batch, self._width), self._blank_lines))
        self._note_what_excel_shows()
        return self._finished(frames)

    def _finished(self, frames: Sequence[tuple[pl.DataFrame, int]]) -> list[pl.DataFrame]:
        """The frames with all columns and clean cells, without headers that come again."""
        header = self.header
        names, read = unique_names(header, RESERVED), read_columns(header, self._contract)
        bounds = TableBounds(header, self._contract, "\t", self.notes) if self._contract else None
        finished: list[pl.DataFrame] = []
        for frame, blank_lines in frames:
            self.notes.blank_lines = blank_lines
            cells = clean_cells(self._widened(frame), names, read, self.notes)
            finished.append(bounds.apply(cells) if bounds else cells)
        return finished

    def _belongs(self, row: SheetRow) -> bool:
        """Whether a row at or below the header is one of the table. Counts and notes those that are not."""
        self._refuse_uncalculated(row)
        if row.number < self._header.after or not row.cells:
            return False
        self._blank_lines += row.number - self._last - 1
        self._last = row.number
        if not any(row.cells[place] for place in self._named if place < len(row.cells)):
            self._beside += 1
            if self._beside <= _MAX_NAMED:
                text = "\t".join(filter(None, row.cells))
                self.notes.dropped.append(DroppedLine(row.number, "no text below a column name", text))
            return False
        self._width = max(self._width, len(row.cells))
        if row.hidden:
            self._note_hidden(row.number)
        return True

    def _refuse_uncalculated(self, row: SheetRow) -> None:
        width = len(self._header.cells)
        if row.uncalculated is not None and row.uncalculated < width:
            raise self._uncalculated(row.number, row.uncalculated)
        if row.doubtful is not None and row.doubtful < width and self._doubtful is None:
            self._doubtful = row.number, row.doubtful
        self._calculated |= row.calculated

    def _refuse_doubtful(self) -> None:
        """A program that gave no formula a result of its own calculated none of them."""
        if self._doubtful is not None and not self._calculated:
            raise self._uncalculated(*self._doubtful)

    def _uncalculated(self, row: int, column: int) -> UnreadableFileError:
        return UnreadableFileError(
            "workbook_uncalculated",
            f"sheet {self._sheet.name}, row {row}, column {column + 1} has a formula without its result; "
            "open the workbook in Excel and save it",
            row,
        )

    def _drop_footer(self, tail: deque[ParsedRow]) -> None:
        while tail and is_footer(
            [cell for cell in tail[-1].cells if cell.strip()], len(self._header.cells), short=False
        ):
            row = tail.pop()
            self.notes.dropped.append(DroppedLine(row.line, "footer", "\t".join(filter(None, row.cells))))

    def _widened(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with the columns that only later rows have."""
        places = [str(place) for place in range(self._width)]
        missing = [pl.lit(None, pl.String).alias(place) for place in places if place not in frame.columns]
        return frame.with_columns(missing).select(*places, LINE, DAMAGE, OVERFLOW) if missing else frame

    def _note_hidden(self, row: int) -> None:
        if self._hidden and self._hidden[-1][1] == row - 1:
            self._hidden[-1] = self._hidden[-1][0], row
        else:
            self._hidden.append((row, row))

    def _note_what_excel_shows(self) -> None:
        facts, below = self._sheet.facts, self._header.after
        merged = [str(part) for part in facts.merged if below <= part.last_row and part.first_row <= self._last]
        hidden = [place for first, last in facts.hidden_columns for place in range(first, min(last, self._width) + 1)]
        self.notes.merged_cells = _named(merged)
        self.notes.hidden_rows = _named([f"{a}-{b}" if b > a else str(a) for a, b in self._hidden])
        self.notes.hidden_columns = _named([self._column_name(place) for place in hidden])

    def _column_name(self, number: int) -> str:
        header = self._header.cells
        name = header[number - 1].strip() if number <= len(header) else ""
        return f"{column_letters(number)} ({name})" if name else column_letters(number)


def _named(items: Sequence[str]) -> tuple[str, ...]:
    """The first items, and how many more there are."""
    more = len(items) - _MAX_NAMED
    return (*items[:_MAX_NAMED], f"{more:,} more") if more > 0 else tuple(items)
