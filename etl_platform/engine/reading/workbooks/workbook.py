"""One sheet of an Excel workbook → batches of text cells: which sheet, its header, and the rows below it."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from etl_platform.engine.columns import RESERVED
from etl_platform.engine.contract.model import Contract, fold
from etl_platform.engine.contract.reading_overrides import ReadingOverrides
from etl_platform.engine.errors import ContradictedOverrideError, UnreadableFileError
from etl_platform.engine.file_dialect import DroppedLine, FileDialect
from etl_platform.engine.reading.tables.above_header import refuse_rows_above
from etl_platform.engine.reading.tables.headers import (
    HEADER_ROWS,
    NO_HEADER_MATCH,
    FoundHeader,
    find_header,
    unique_names,
)
from etl_platform.engine.reading.tables.preamble_and_footer import shorten
from etl_platform.engine.reading.workbooks.serial_columns import resolve_serials
from etl_platform.engine.reading.workbooks.sheet_rows import SheetLoader
from etl_platform.engine.reading.workbooks.sheets import Sheet, SheetRow, Workbook
from etl_platform.engine.reading.workbooks.xls_sheets import open_xls
from etl_platform.engine.reading.workbooks.xls_workbook import is_xls
from etl_platform.engine.reading.workbooks.xlsx_sheet import read_xlsx
from etl_platform.engine.values.excel_dates import EXCEL_ORIGIN, MAC_ORIGIN


@dataclass(frozen=True)
class _Candidate:
    """A sheet with its first rows and the header among them."""

    sheet: Sheet
    top: list[SheetRow]
    header: FoundHeader

    @property
    def rank(self) -> tuple[int, bool, float, bool, int]:
        has_rows = self.top[-1].number >= self.header.after
        # Without a contract the first rows of the table are longer or more than those of a sheet of notes.
        filled = 0 if self.header.hits else sum(bool(cell.strip()) for row in self.top for cell in row.cells)
        return self.header.hits, self.sheet.visible, self.header.certainty, has_rows, filled


def read_workbook(source: Path | io.BytesIO, *, mask: bool) -> Workbook:
    """The sheets of a workbook of either format.

    Args:
        mask: texts must not be shown in messages.

    Raises:
        UnreadableFileError: ``workbook_too_large``, ``workbook_damaged``, ``archive_damaged``, ``encrypted``, or
            ``not_tabular`` for another Office document.
    """
    return open_xls(source, mask=mask) if is_xls(_head(source)) else read_xlsx(source)


def _head(source: Path | io.BytesIO) -> bytes:
    if isinstance(source, io.BytesIO):
        return source.getvalue()[:8]
    with source.open("rb") as file:
        return file.read(8)


class WorkbookTable:
    """A Table over one sheet of a workbook: the one that the contract sets, else the one whose header fits best."""

    members = ()

    def __init__(self, source: Path | io.BytesIO, contract: Contract | None, packed: str | None = None) -> None:
        self._packed = packed
        self._mask = contract is not None and contract.has_masked_columns
        self._overrides = contract.reading_overrides if contract else ReadingOverrides()
        workbook = read_workbook(source, mask=self._mask)
        self.serial_origin = MAC_ORIGIN if workbook.since_1904 else EXCEL_ORIGIN
        best, self._sheet_confidence = _choose_sheet(workbook.sheets, contract, self._overrides)
        self._sheet, self._found_header = best.sheet, best.header
        self._rows_above = [row for row in best.top if row.number < best.header.first]
        self._other_sheets = [sheet.name for sheet in workbook.sheets if sheet is not best.sheet]
        loader = SheetLoader(best.sheet, best.header, contract)
        self._frames = loader.frames()
        self.notes = loader.notes
        self.header = loader.header
        self.names = unique_names(self.header, RESERVED)
        if contract is not None:
            self._frames = resolve_serials(self._frames, self.header, contract, self.serial_origin)
        self.is_small = len(self._frames) <= 1

    def batches(self) -> Iterator[pl.DataFrame]:
        return iter(self._frames)

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        return self.batches()

    def describe(self) -> FileDialect:
        header, notes = self._found_header, self.notes
        preamble = [DroppedLine(row.number, "preamble", "\t".join(filter(None, row.cells))) for row in self._rows_above]
        below = [DroppedLine(r.line, r.why, "\t".join(filter(None, r.cells))) for r in header.below]
        dropped = sorted((*preamble, *below, *notes.dropped), key=lambda item: item.line)
        return FileDialect(
            format="excel",
            compression=self._packed,
            encoding="utf-8",
            delimiter=None,
            line_end=None,
            sheet=self._sheet.name,
            sheet_is_hidden=None if self._sheet.visible else True,
            ignored_sheets=tuple(self._other_sheets),
            header_line=header.first if header.rows else 0,
            header_remark=header.remark,
            header_lines=header.rows,
            preamble_lines=header.first - 1,
            confidence={
                "encoding": 1.0,
                "delimiter": 1.0,
                "header": round(header.certainty, 3),
                "sheet": self._sheet_confidence,
            },
            pinned=tuple(name for name in self._overrides.names() if name in {"sheet", "header_line", "header"}),
            blank_lines=notes.blank_lines,
            cleaned=tuple(notes.cleaned.values()),
            ragged_rows=0,
            repeated_headers=notes.repeated_headers,
            dropped=tuple(shorten(item, mask=self._mask) for item in dropped),
            merged_cells=notes.merged_cells or None,
            hidden_rows=notes.hidden_rows or None,
            hidden_columns=notes.hidden_columns or None,
        )


def _choose_sheet(
    sheets: Sequence[Sheet], contract: Contract | None, overrides: ReadingOverrides
) -> tuple[_Candidate, float]:
    """The sheet that the contract sets, else the one whose header fits best; and the confidence of the choice."""
    if not sheets:
        raise UnreadableFileError("empty_file", "the workbook has no sheet with cells; export it again")
    wanted = [sheet for sheet in sheets if overrides.sheet is None or fold(sheet.name) == fold(overrides.sheet)]
    if not wanted:
        names = ", ".join(sheet.name for sheet in sheets)
        raise ContradictedOverrideError("sheet", f"the sheet {overrides.sheet!r}, but the workbook has {names}")
    candidates = _candidates(wanted, contract, overrides)
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


def _candidates(sheets: Sequence[Sheet], contract: Contract | None, overrides: ReadingOverrides) -> list[_Candidate]:
    """The sheets that have a header.

    Raises:
        UnreadableFileError: no sheet has one.
    """
    header_line = overrides.header_line
    tops = [(sheet, _top_rows(sheet, header_line)) for sheet in sheets]
    found: list[_Candidate] = []
    for sheet, top in tops:
        width = max((len(row.cells) for row in top), default=0)
        numbered = [(row.number, row.number + 1, row.cells + [""] * (width - len(row.cells))) for row in top]
        header = find_header(numbered, contract, width, overrides)
        if header is not None:
            if contract is not None and not header_line:
                refuse_rows_above(numbered, header)
            found.append(_Candidate(sheet, top, replace(header, cells=_without_blank_end(header.cells))))
    if found:
        return found
    names = ", ".join(sheet.name for sheet in sheets)
    if not any(top for _, top in tops):
        raise UnreadableFileError("empty_file", f"the sheets have no rows (searched: {names}); export the file again")
    if header_line:
        raise ContradictedOverrideError(
            "header_line", f"line {header_line} as the header, but no sheet has the header there"
        )
    raise UnreadableFileError(
        NO_HEADER_MATCH,
        f"no sheet has a header row (searched: {names}); add a row with the column names",
    )


def _without_blank_end(cells: Sequence[str]) -> list[str]:
    named = [place for place, cell in enumerate(cells, start=1) if cell.strip()]
    return list(cells[: named[-1] if named else 0])


def _top_rows(sheet: Sheet, header_line: int | None) -> list[SheetRow]:
    """The rows in which the header is searched, and one more."""
    top: list[SheetRow] = []
    below = 0
    for row in sheet.rows():
        if row.cells:
            top.append(row)
            below += row.number >= (header_line or 0)
        if below > HEADER_ROWS:
            break
    return top
