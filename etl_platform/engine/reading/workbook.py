"""One sheet of an Excel workbook → batches of text cells. Limits apply, because calamine loads whole sheets."""

import io
import struct
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from etl_platform.engine.columns import RESERVED
from etl_platform.engine.contract.model import Contract, fold
from etl_platform.engine.contract.reading_overrides import ReadingOverrides, contradicts_override
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.file_dialect import DroppedLine, FileDialect
from etl_platform.engine.reading.archives import unpacking
from etl_platform.engine.reading.headers import HEADER_ROWS, FoundHeader, find_header, unique_names
from etl_platform.engine.reading.number_formats import number_text
from etl_platform.engine.reading.parse_chunk import drop_repeated_headers
from etl_platform.engine.reading.parse_rows import ParsedRow, rows_frame
from etl_platform.engine.reading.preamble_and_footer import is_footer, shorten
from etl_platform.engine.reading.read_notes import ReadNotes
from etl_platform.engine.reading.signatures import ole_format
from etl_platform.engine.reading.xls_details import scan_xls
from etl_platform.engine.reading.xlsx_details import (
    SheetDetails,
    WorkbookDetails,
    details_by_row,
    scan_xlsx,
    workbook_too_large,
)
from etl_platform.engine.values.excel_dates import EXCEL_ORIGIN

MAX_WORKBOOK_BYTES = 1 << 30
MAX_COLUMNS = 16_384
"""The limit of Excel itself; only a damaged workbook has more."""
_BATCH_ROWS = 100_000
_ORIGIN_1904 = date(1904, 1, 1)
_FOOTER_ROWS = 8
Rows = list[list[str]]


@dataclass(frozen=True)
class _Sheet:
    """A sheet as calamine reads it, and the details that it does not expose."""

    name: str
    visible: bool
    cells: Any
    details: SheetDetails

    def rows(self) -> Iterator[list[str]]:
        """Texts from the first row and column on; one row at a time, because Python objects take much memory."""
        blanks = [""] * (self.cells.start[1] if self.cells.start else 0)
        details = details_by_row(self.details)
        for number, row in enumerate(self.cells.iter_rows()):
            blank = row.count("") == len(row)
            texts = blanks + (row if blank else [cell if cell == "" else _cell_text(cell) for cell in row])
            for column, detail in details.get(number, {}).items():
                if column < len(texts):
                    texts[column] = detail.apply(texts[column])
            yield texts

    def top(self, header_line: int | None) -> Rows:
        """The rows in which the header is searched, and one more; ``header_line`` is the one that the contract sets."""
        top: Rows = []
        filled = 0
        for row in self.rows():
            top.append(row)
            filled += len(top) >= (header_line or 0) and any(cell.strip() for cell in row)
            if filled > HEADER_ROWS:
                break
        return top


@dataclass(frozen=True)
class _Found:
    """A sheet with its first rows and the header among them."""

    sheet: _Sheet
    top: Rows
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
        self._has_contract = contract is not None
        self._overrides = contract.reading_overrides if contract else ReadingOverrides()
        details = _details(source)
        self.serial_origin = _ORIGIN_1904 if details.since_1904 else EXCEL_ORIGIN
        best, self._others, self._sheet_confidence = self._choose(_read(source, details), contract)
        self._sheet, self._above, self._found = best.sheet, best.top[: best.header.first - 1], best.header
        _refuse_uncalculated(self._sheet, self._found)
        self.header = tuple(self._found.cells)
        self.names = unique_names(self.header, RESERVED)
        self.notes = ReadNotes()

    def _choose(self, sheets: Sequence[_Sheet], contract: Contract | None) -> tuple[_Found, list[str], float]:
        """The sheet to read, the names of the others, and the confidence of the choice."""
        wanted_name, line = self._overrides.sheet, self._overrides.header_line
        names = [sheet.name for sheet in sheets]
        for sheet in sheets:
            if (width := sheet.cells.total_width) > MAX_COLUMNS:
                raise UnreadableFileError(
                    "too_many_columns",
                    f"sheet {sheet.name} reaches to column {width:,}; send at most {MAX_COLUMNS:,} columns",
                )
        if not sheets:
            raise UnreadableFileError("empty_file", "the workbook has no sheet with cells; export it again")
        wanted = [
            (sheet, sheet.top(line)) for sheet in sheets if wanted_name is None or fold(sheet.name) == fold(wanted_name)
        ]
        if not wanted:
            raise contradicts_override(f"the sheet {wanted_name!r}, but the workbook has {', '.join(names)}")
        found: list[_Found] = []
        for sheet, top in wanted:
            numbered = [(n, n + 1, row) for n, row in enumerate(top, start=1) if any(cell.strip() for cell in row)]
            header = find_header(numbered, contract, len(top[0]) if top else 0, line)
            if header is not None:
                found.append(_Found(sheet, top, header))
        if not found:
            if line and any(top for _, top in wanted):
                raise contradicts_override(f"line {line} as the header, but no sheet has the header there")
            code = "no_header_match" if any(top for _, top in wanted) else "empty_file"
            searched = ", ".join(sheet.name for sheet, _ in wanted)
            raise UnreadableFileError(
                code,
                f"no sheet has the header that the contract expects (searched: {searched}); add a row with its names",
            )
        best, *rest = sorted(found, key=lambda one: one.rank, reverse=True)
        if contract is not None and rest and rest[0].rank == best.rank:
            raise UnreadableFileError(
                "ambiguous_sheet",
                f"the sheets {best.sheet.name} and {rest[0].sheet.name} have the same header; send one of them, "
                "or have the sheet set in the contract",
            )
        rival = rest[0].header.hits if rest else 0
        confidence = best.header.hits / (best.header.hits + rival) if best.header.hits else 1 / len(found)
        return best, [name for name in names if name != best.sheet.name], 1.0 if wanted_name else round(confidence, 3)

    def batches(self) -> Iterator[pl.DataFrame]:
        self.notes = ReadNotes()
        held: list[ParsedRow] = []
        after = self._found.after
        for line, cells in enumerate(islice(self._sheet.rows(), after - 1, None), after):
            if cells.count("") == len(cells) or not any(cell.strip() for cell in cells):
                self.notes.blank_lines += 1
                continue
            if len(held) == _BATCH_ROWS + _FOOTER_ROWS:
                yield self._frame(held[:_BATCH_ROWS])
                held = held[_BATCH_ROWS:]
            held.append(ParsedRow(cells, line))
        while held and is_footer([cell for cell in held[-1].cells if cell.strip()], len(self.header), short=False):
            row = held.pop()
            self.notes.dropped.append(DroppedLine(row.line, "footer", "\t".join(filter(None, row.cells))))
        for start in range(0, len(held), _BATCH_ROWS):
            yield self._frame(held[start : start + _BATCH_ROWS])

    def _frame(self, rows: Sequence[ParsedRow]) -> pl.DataFrame:
        frame = rows_frame(rows, len(self.header))
        return drop_repeated_headers(frame, self.header, "\t", self.notes) if self._has_contract else frame

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        return self.batches()

    def describe(self) -> FileDialect:
        above = enumerate(self._above, start=1)
        preamble = [DroppedLine(n, "preamble", "\t".join(filter(None, cells))) for n, cells in above if any(cells)]
        dropped = sorted((*preamble, *self.notes.dropped), key=lambda item: item.line)
        return FileDialect(
            format="excel",
            compression=self._packed,
            encoding="utf-8",
            delimiter=None,
            line_end=None,
            sheet=self._sheet.name,
            ignored_sheets=tuple(self._others),
            header_line=self._found.first,
            header_lines=self._found.rows,
            preamble_lines=self._found.first - 1,
            confidence={
                "encoding": 1.0,
                "delimiter": 1.0,
                "header": round(self._found.certainty, 3),
                "sheet": self._sheet_confidence,
            },
            pinned=tuple(name for name in self._overrides.names() if name in {"sheet", "header_line"}),
            blank_lines=self.notes.blank_lines,
            ragged_rows=0,
            repeated_headers=self.notes.repeated_headers,
            dropped=tuple(shorten(item, mask=self._mask) for item in dropped),
        )


def _details(source: Path | io.BytesIO) -> WorkbookDetails:
    """The cell details that calamine does not expose.

    Raises:
        UnreadableFileError: ``workbook_too_large``, ``archive_damaged``, ``workbook_damaged``.
    """
    packed = zipfile.is_zipfile(source)
    size = source.stat().st_size if isinstance(source, Path) else len(source.getbuffer())
    if not packed:
        _refuse_size(size)
        try:
            return scan_xls(_content(source))
        except (ValueError, LookupError, struct.error) as error:
            raise _unreadable(source, str(error)) from None
    with unpacking(), zipfile.ZipFile(source) as archive:
        _refuse_size(sum(member.file_size for member in archive.infolist()))
        return scan_xlsx(archive)


def _content(source: Path | io.BytesIO) -> bytes:
    return source.read_bytes() if isinstance(source, Path) else source.getvalue()


def _refuse_size(unpacked_bytes: int) -> None:
    if unpacked_bytes > MAX_WORKBOOK_BYTES:
        raise workbook_too_large(f"the workbook unpacks to {unpacked_bytes:,} bytes")


def _read(source: Path | io.BytesIO, details: WorkbookDetails) -> list[_Sheet]:
    """Every sheet with cells, in the order of the workbook."""
    import python_calamine

    try:
        # Not by path: calamine trusts the suffix, and senders name .xlsx files .xls.
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
            file.seek(0)
            workbook = python_calamine.CalamineWorkbook.from_filelike(file)
        return [
            _Sheet(
                meta.name,
                meta.visible == python_calamine.SheetVisibleEnum.Visible,
                workbook.get_sheet_by_name(meta.name),
                details.sheets.get(meta.name, SheetDetails()),
            )
            for meta in workbook.sheets_metadata
            if meta.typ == python_calamine.SheetTypeEnum.WorkSheet
        ]
    except (python_calamine.CalamineError, OSError, ValueError, OverflowError) as error:
        raise _unreadable(source, str(error)) from None
    except BaseException as error:
        # A panic of calamine is not a subclass of Exception, and its class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise _unreadable(source, "calamine panicked") from None


def _unreadable(source: Path | io.BytesIO, detail: str) -> UnreadableFileError:
    content = _content(source)
    format_ = None if content.startswith(b"PK") else ole_format(content)
    if format_ == "encrypted":
        return UnreadableFileError("encrypted", "the workbook is protected by a password; save it without a password")
    if format_ is not None:
        return UnreadableFileError("not_tabular", f"the file is {format_}, not a table; send .xlsx or CSV")
    return UnreadableFileError(
        "workbook_damaged", f"the workbook cannot be read: {detail}; open it in Excel and save it again"
    )


def _refuse_uncalculated(sheet: _Sheet, header: FoundHeader) -> None:
    for row, column in sheet.details.uncalculated:
        if row + 1 >= header.first and column < len(header.cells):
            raise UnreadableFileError(
                "workbook_uncalculated",
                f"sheet {sheet.name}, row {row + 1}, column {column + 1} has a formula without its result; "
                "open the workbook in Excel and save it",
                row + 1,
            )


def _cell_text(cell: Any) -> str:
    """A cell as text: whole floats without ``.0``, dates as ISO."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return number_text(cell)
    if isinstance(cell, datetime):
        # Excel stores fractions of a day, so a full second may be 0.999999 s; the last year has no next second.
        half = timedelta(microseconds=500_000 if cell.year < MAXYEAR else 0)
        moment: datetime = (cell + half).replace(microsecond=0)
        return (moment.date() if moment.time() == time(0) else moment).isoformat()
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)
