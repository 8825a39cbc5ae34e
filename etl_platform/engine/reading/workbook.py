"""One sheet of an Excel workbook → batches of text cells: which sheet, its header, and the rows below it."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path

import polars as pl

from etl_platform.engine.columns import RESERVED
from etl_platform.engine.contract.model import Contract, fold
from etl_platform.engine.contract.reading_overrides import ReadingOverrides, contradicts_override
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.file_dialect import DroppedLine, FileDialect
from etl_platform.engine.reading.cell_characters import clean_cells, read_columns
from etl_platform.engine.reading.headers import HEADER_ROWS, FoundHeader, find_header, unique_names
from etl_platform.engine.reading.parse_rows import ParsedRow, rows_frame
from etl_platform.engine.reading.preamble_and_footer import FOOTER_ROWS, is_footer, shorten
from etl_platform.engine.reading.read_notes import ReadNotes
from etl_platform.engine.reading.sheets import Sheet, read_sheets
from etl_platform.engine.reading.table import MAX_COLUMNS
from etl_platform.engine.reading.table_bounds import TableBounds
from etl_platform.engine.values.excel_dates import EXCEL_ORIGIN

_BATCH_ROWS = 100_000
_ORIGIN_1904 = date(1904, 1, 1)


@dataclass(frozen=True)
class _Candidate:
    """A sheet with its first rows and the header among them."""

    sheet: Sheet
    top: list[list[str]]
    header: FoundHeader

    @property
    def rank(self) -> tuple[int, bool, float, bool]:
        return self.header.hits, self.sheet.visible, self.header.certainty, len(self.top) >= self.header.after


class WorkbookTable:
    """A Table over one sheet of a workbook: the one that the contract sets, else the one whose header fits best."""

    members = ()

    def __init__(self, source: Path | io.BytesIO, contract: Contract | None, packed: str | None = None) -> None:
        self._packed = packed
        self._mask = contract is not None and any(column.sensitive for column in contract.columns)
        self._contract = contract
        self._overrides = contract.reading_overrides if contract else ReadingOverrides()
        sheets, since_1904 = read_sheets(source)
        self.serial_origin = _ORIGIN_1904 if since_1904 else EXCEL_ORIGIN
        best, self._sheet_confidence = _choose_sheet(sheets, contract, self._overrides)
        self._sheet, self._rows_above, self._found_header = best.sheet, best.top[: best.header.first - 1], best.header
        self._other_sheets = [sheet.name for sheet in sheets if sheet.name != best.sheet.name]
        _refuse_uncalculated(self._sheet, self._found_header)
        self.header = tuple(self._found_header.cells)
        self.names = unique_names(self.header, RESERVED)
        self._read_columns = read_columns(self.header, contract)
        self.notes = ReadNotes()

    def batches(self) -> Iterator[pl.DataFrame]:
        self.notes = ReadNotes()
        bounds = TableBounds(self.header, self._contract, "\t", self.notes) if self._contract else None
        held: list[ParsedRow] = []
        after = self._found_header.after
        for line, cells in enumerate(islice(self._sheet.rows(), after - 1, None), after):
            if cells.count("") == len(cells) or not any(cell.strip() for cell in cells):
                self.notes.blank_lines += 1
                continue
            if len(held) == _BATCH_ROWS + FOOTER_ROWS:
                yield self._frame(held[:_BATCH_ROWS], bounds)
                held = held[_BATCH_ROWS:]
            held.append(ParsedRow(cells, line))
        while held and is_footer([cell for cell in held[-1].cells if cell.strip()], len(self.header), short=False):
            row = held.pop()
            self.notes.dropped.append(DroppedLine(row.line, "footer", "\t".join(filter(None, row.cells))))
        for start in range(0, len(held), _BATCH_ROWS):
            yield self._frame(held[start : start + _BATCH_ROWS], bounds)

    def _frame(self, rows: Sequence[ParsedRow], bounds: TableBounds | None) -> pl.DataFrame:
        frame = rows_frame(rows, len(self.header))
        frame = clean_cells(frame, self.names, self._read_columns, self.notes)
        return bounds.apply(frame) if bounds else frame

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        return self.batches()

    def describe(self) -> FileDialect:
        above = enumerate(self._rows_above, start=1)
        preamble = [DroppedLine(n, "preamble", "\t".join(filter(None, cells))) for n, cells in above if any(cells)]
        below = [DroppedLine(r.line, r.why, "\t".join(filter(None, r.cells))) for r in self._found_header.below]
        dropped = sorted((*preamble, *below, *self.notes.dropped), key=lambda item: item.line)
        return FileDialect(
            format="excel",
            compression=self._packed,
            encoding="utf-8",
            delimiter=None,
            line_end=None,
            sheet=self._sheet.name,
            ignored_sheets=tuple(self._other_sheets),
            header_line=self._found_header.first,
            header_lines=self._found_header.rows,
            preamble_lines=self._found_header.first - 1,
            confidence={
                "encoding": 1.0,
                "delimiter": 1.0,
                "header": round(self._found_header.certainty, 3),
                "sheet": self._sheet_confidence,
            },
            pinned=tuple(name for name in self._overrides.names() if name in {"sheet", "header_line"}),
            blank_lines=self.notes.blank_lines,
            cleaned=tuple(self.notes.cleaned.values()),
            ragged_rows=0,
            repeated_headers=self.notes.repeated_headers,
            dropped=tuple(shorten(item, mask=self._mask) for item in dropped),
        )


def _choose_sheet(
    sheets: Sequence[Sheet], contract: Contract | None, overrides: ReadingOverrides
) -> tuple[_Candidate, float]:
    """The sheet that the contract sets, else the one whose header fits best; and the confidence of the choice."""
    for sheet in sheets:
        if sheet.width > MAX_COLUMNS:
            raise UnreadableFileError(
                "too_many_columns",
                f"sheet {sheet.name} reaches to column {sheet.width:,}; send at most {MAX_COLUMNS:,} columns",
            )
    if not sheets:
        raise UnreadableFileError("empty_file", "the workbook has no sheet with cells; export it again")
    wanted = [sheet for sheet in sheets if overrides.sheet is None or fold(sheet.name) == fold(overrides.sheet)]
    if not wanted:
        names = ", ".join(sheet.name for sheet in sheets)
        raise contradicts_override(f"the sheet {overrides.sheet!r}, but the workbook has {names}")
    candidates = _candidates(wanted, contract, overrides.header_line)
    best, *others = sorted(candidates, key=lambda candidate: candidate.rank, reverse=True)
    if contract is not None and others and others[0].rank == best.rank:
        raise UnreadableFileError(
            "ambiguous_sheet",
            f"the sheets {best.sheet.name} and {others[0].sheet.name} have the same header; send one of them, "
            "or have the sheet set in the contract",
        )
    runner_up_hits = others[0].header.hits if others else 0
    confidence = best.header.hits / (best.header.hits + runner_up_hits) if best.header.hits else 1 / len(candidates)
    return best, 1.0 if overrides.sheet else round(confidence, 3)


def _candidates(sheets: Sequence[Sheet], contract: Contract | None, header_line: int | None) -> list[_Candidate]:
    """The sheets that have a header; ``header_line`` is the contract's reading override.

    Raises:
        UnreadableFileError: no sheet has one.
    """
    tops = [(sheet, _top_rows(sheet, header_line)) for sheet in sheets]
    found: list[_Candidate] = []
    for sheet, top in tops:
        numbered = [(n, n + 1, row) for n, row in enumerate(top, start=1) if any(cell.strip() for cell in row)]
        header = find_header(numbered, contract, len(top[0]) if top else 0, header_line)
        if header is not None:
            found.append(_Candidate(sheet, top, header))
    if found:
        return found
    names = ", ".join(sheet.name for sheet in sheets)
    if not any(top for _, top in tops):
        raise UnreadableFileError("empty_file", f"the sheets have no rows (searched: {names}); export the file again")
    if header_line:
        raise contradicts_override(f"line {header_line} as the header, but no sheet has the header there")
    raise UnreadableFileError(
        "no_header_match",
        f"no sheet has a header row (searched: {names}); add a row with the column names",
    )


def _top_rows(sheet: Sheet, header_line: int | None) -> list[list[str]]:
    """The rows in which the header is searched, and one more."""
    top: list[list[str]] = []
    filled = 0
    for row in sheet.rows():
        top.append(row)
        filled += len(top) >= (header_line or 0) and any(cell.strip() for cell in row)
        if filled > HEADER_ROWS:
            break
    return top


def _refuse_uncalculated(sheet: Sheet, header: FoundHeader) -> None:
    for row, column in sheet.details.uncalculated:
        if row + 1 >= header.first and column < len(header.cells):
            raise UnreadableFileError(
                "workbook_uncalculated",
                f"sheet {sheet.name}, row {row + 1}, column {column + 1} has a formula without its result; "
                "open the workbook in Excel and save it",
                row + 1,
            )
