"""One sheet of an Excel workbook → batches of text cells, within limits: Excel's reader lays sheets out whole."""

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
from etl_platform.engine.file_dialect import FileDialect
from etl_platform.engine.reading.archives import unpacking
from etl_platform.engine.reading.headers import HEADER_ROWS, FoundHeader, find_header, unique_names
from etl_platform.engine.reading.number_formats import as_typed
from etl_platform.engine.reading.parse_chunk import Grid, ReadNotes, rows_frame, without_repeats
from etl_platform.engine.reading.signatures import what_ole_file
from etl_platform.engine.reading.preamble_and_footer import Dropped, is_footer
from etl_platform.engine.reading.xls_details import scan_xls
from etl_platform.engine.reading.xlsx_details import (
    SheetFacts,
    WorkbookFacts,
    as_shown,
    facts_by_row,
    scan_workbook,
    workbook_too_large,
)
from etl_platform.engine.values.excel_dates import EXCEL_ORIGIN

MAX_WORKBOOK_BYTES = 1 << 30
MAX_COLUMNS = 16_384
"""As many as Excel has; only a damaged workbook has more."""
_BATCH_ROWS = 100_000
_ORIGIN_1904 = date(1904, 1, 1)
_FOOTER_ROWS = 8
Rows = list[list[str]]


@dataclass(frozen=True)
class _Sheet:
    """A sheet as Excel's reader has it, and what it shows beyond that."""

    name: str
    visible: bool
    cells: Any
    facts: SheetFacts

    def rows(self) -> Iterator[list[str]]:
        """Text from the first row and column on, a row at a time: as Python objects they take much room."""
        blanks = [""] * (self.cells.start[1] if self.cells.start else 0)
        facts = facts_by_row(self.facts)
        for number, row in enumerate(self.cells.iter_rows()):
            blank = row.count("") == len(row)
            texts = blanks + (row if blank else [cell if cell == "" else _cell_text(cell) for cell in row])
            for column, fact in facts.get(number, {}).items():
                if column < len(texts):
                    texts[column] = as_shown(texts[column], fact)
            yield texts

    def top(self, pinned_line: int | None) -> Rows:
        """The rows down to the last one in which a header is looked for, and one more."""
        top: Rows = []
        filled = 0
        for row in self.rows():
            top.append(row)
            filled += len(top) >= (pinned_line or 0) and any(cell.strip() for cell in row)
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
    """One sheet of an Excel workbook: the pinned one, or the one whose header fits the contract best."""

    members = ()

    def __init__(self, source: Path | io.BytesIO, contract: Contract | None, packed: str | None = None) -> None:
        self._packed = packed
        self._mask = contract is not None and any(column.sensitive for column in contract.columns)
        self._named = contract is not None
        self._pins = contract.reading_overrides if contract else ReadingOverrides()
        facts = _facts(source)
        self.serial_origin = _ORIGIN_1904 if facts.since_1904 else EXCEL_ORIGIN
        best, self._others, self._sheet_confidence = self._choose(_read(source, facts), contract)
        self._sheet, self._above, self._found = best.sheet, best.top[: best.header.first - 1], best.header
        _refuse_uncalculated(self._sheet, self._found)
        self.header = tuple(self._found.cells)
        self.names = unique_names(self.header, RESERVED)
        self.notes = ReadNotes()

    def _choose(self, sheets: Sequence[_Sheet], contract: Contract | None) -> tuple[_Found, list[str], float]:
        pinned, line = self._pins.sheet, self._pins.header_line
        names = [sheet.name for sheet in sheets]
        for sheet in sheets:
            if (width := sheet.cells.total_width) > MAX_COLUMNS:
                raise UnreadableFileError("too_many_columns", f"sheet {sheet.name} reaches to column {width:,}")
        if not sheets:
            raise UnreadableFileError("empty_file", "the workbook has no sheet of cells")
        wanted = [(sheet, sheet.top(line)) for sheet in sheets if pinned is None or fold(sheet.name) == fold(pinned)]
        if not wanted:
            raise contradicts_override(f"the sheet {pinned!r}, and the workbook has {', '.join(names)}")
        found: list[_Found] = []
        for sheet, top in wanted:
            numbered = [(n, n + 1, row) for n, row in enumerate(top, start=1) if any(cell.strip() for cell in row)]
            header = find_header(numbered, contract, len(top[0]) if top else 0, line)
            if header is not None:
                found.append(_Found(sheet, top, header))
        if not found:
            if line and any(top for _, top in wanted):
                raise contradicts_override(f"the header to line {line}; no sheet has it there")
            code = "no_header_match" if any(top for _, top in wanted) else "empty_file"
            looked = ", ".join(sheet.name for sheet, _ in wanted)
            raise UnreadableFileError(code, f"no sheet of {looked} holds the expected header")
        best, *rest = sorted(found, key=lambda one: one.rank, reverse=True)
        if contract is not None and rest and rest[0].rank == best.rank:
            raise UnreadableFileError(
                "ambiguous_sheet",
                f"the sheets {best.sheet.name} and {rest[0].sheet.name} hold the header alike; send one, "
                "or pin it in the contract",
            )
        rival = rest[0].header.hits if rest else 0
        confidence = best.header.hits / (best.header.hits + rival) if best.header.hits else 1 / len(found)
        return best, [name for name in names if name != best.sheet.name], 1.0 if pinned else round(confidence, 3)

    def batches(self) -> Iterator[pl.DataFrame]:
        self.notes = ReadNotes()
        named = max((i for i, cell in enumerate(self.header, start=1) if cell.strip()), default=0)
        grid = Grid("\t", b"\n", len(self.header), len(self.header), named)
        held: list[tuple[list[str], int, str | None, str | None]] = []
        after = self._found.after
        for line, cells in enumerate(islice(self._sheet.rows(), after - 1, None), after):
            if cells.count("") == len(cells) or not any(cell.strip() for cell in cells):
                self.notes.blank_lines += 1
                continue
            if len(held) == _BATCH_ROWS + _FOOTER_ROWS:
                yield self._frame(held[:_BATCH_ROWS], grid)
                held = held[_BATCH_ROWS:]
            held.append((cells, line, None, None))
        while held and is_footer([cell for cell in held[-1][0] if cell.strip()], len(self.header), short=False):
            cells, line, _, _ = held.pop()
            self.notes.dropped.append(Dropped(line, "footer", "\t".join(filter(None, cells))))
        for start in range(0, len(held), _BATCH_ROWS):
            yield self._frame(held[start : start + _BATCH_ROWS], grid)

    def _frame(self, rows: Sequence[tuple[list[str], int, str | None, str | None]], grid: Grid) -> pl.DataFrame:
        frame = rows_frame(rows, grid)
        return without_repeats(frame, self.header, "\t", self.notes) if self._named else frame

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        return self.batches()

    def describe(self) -> FileDialect:
        above = enumerate(self._above, start=1)
        preamble = [Dropped(n, "preamble", "\t".join(filter(None, cells))) for n, cells in above if any(cells)]
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
            pinned=tuple(name for name in self._pins.names() if name in {"sheet", "header_line"}),
            blank_lines=self.notes.blank_lines,
            ragged_rows=0,
            repeated_headers=self.notes.repeated_headers,
            dropped=tuple(item.describe(mask=self._mask) for item in dropped),
        )


def _facts(source: Path | io.BytesIO) -> WorkbookFacts:
    """What the file itself tells of its cells, beside what Excel's reader does.

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
        return scan_workbook(archive)


def _content(source: Path | io.BytesIO) -> bytes:
    return source.read_bytes() if isinstance(source, Path) else source.getvalue()


def _refuse_size(unpacked_bytes: int) -> None:
    if unpacked_bytes > MAX_WORKBOOK_BYTES:
        raise workbook_too_large(f"the workbook unpacks to {unpacked_bytes:,} bytes")


def _read(source: Path | io.BytesIO, facts: WorkbookFacts) -> list[_Sheet]:
    """Every sheet of cells, in the workbook's order."""
    import python_calamine

    try:
        # Not by path: its name may say .xls of what is .xlsx, and the reader would believe it.
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
            file.seek(0)
            workbook = python_calamine.CalamineWorkbook.from_filelike(file)
        return [
            _Sheet(
                meta.name,
                meta.visible == python_calamine.SheetVisibleEnum.Visible,
                workbook.get_sheet_by_name(meta.name),
                facts.sheets.get(meta.name, SheetFacts()),
            )
            for meta in workbook.sheets_metadata
            if meta.typ == python_calamine.SheetTypeEnum.WorkSheet
        ]
    except (python_calamine.CalamineError, OSError, ValueError, OverflowError) as error:
        raise _unreadable(source, str(error)) from None
    except BaseException as error:
        # The reader's panic is no Exception by birth, and its class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise _unreadable(source, "it panicked; open and save it again") from None


def _unreadable(source: Path | io.BytesIO, said: str) -> UnreadableFileError:
    content = _content(source)
    what = None if content.startswith(b"PK") else what_ole_file(content)
    if what == "encrypted":
        return UnreadableFileError("encrypted", "the workbook is protected by a password; save it without")
    if what is not None:
        return UnreadableFileError("not_tabular", f"the file is {what}, not a table; send .xlsx or CSV")
    return UnreadableFileError("workbook_damaged", f"Excel's reader says: {said}")


def _refuse_uncalculated(sheet: _Sheet, header: FoundHeader) -> None:
    for row, column in sheet.facts.uncalculated:
        if row + 1 >= header.first and column < len(header.cells):
            raise UnreadableFileError(
                "workbook_uncalculated",
                f"sheet {sheet.name}, row {row + 1}, column {column + 1} holds a formula without its result; "
                "open the workbook in Excel and save it",
                row + 1,
            )


def _cell_text(cell: Any) -> str:
    """A cell as the text that a sender would have typed: whole floats without ``.0``, dates as ISO."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return as_typed(cell)
    if isinstance(cell, datetime):
        # Excel counts in fractions of a day, so that a full second may come as 0.999999 of one; the last has no next.
        half = timedelta(microseconds=500_000 if cell.year < MAXYEAR else 0)
        moment: datetime = (cell + half).replace(microsecond=0)
        return (moment.date() if moment.time() == time(0) else moment).isoformat()
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)
