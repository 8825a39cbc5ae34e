"""One sheet of an Excel workbook → batches of text cells. The sheet is read whole, within limits."""

import io
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from etl_platform.adapters.archives import unpacking
from etl_platform.adapters.sheet_xml import SheetFacts, WorkbookFacts, scan_workbook, show_facts, workbook_too_large
from etl_platform.adapters.xls_records import scan_xls
from etl_platform.core.contracts import Contract, fold
from etl_platform.core.errors import UnreadableFileError
from etl_platform.core.formats import EXCEL_ORIGIN
from etl_platform.core.headers import FoundHeader, find_header, unique_names
from etl_platform.core.margins import Dropped, is_footer
from etl_platform.core.parsing import Grid, ReadNotes, rows_frame, without_repeats
from etl_platform.core.pins import Pins, not_as_pinned
from etl_platform.core.rules import RESERVED
from etl_platform.core.signatures import what_ole_file

MAX_WORKBOOK_BYTES = 1 << 30
_BATCH_ROWS = 100_000
_ORIGIN_1904 = date(1904, 1, 1)
Rows = list[list[str]]


@dataclass(frozen=True)
class _Sheet:
    name: str
    visible: bool
    rows: Rows
    found: FoundHeader

    @property
    def rank(self) -> tuple[int, bool, float, bool]:
        return self.found.hits, self.visible, self.found.certainty, len(self.rows) >= self.found.after


class WorkbookTable:
    """One sheet of an Excel workbook: the pinned one, or the one whose header fits the contract best."""

    members = ()

    def __init__(self, source: Path | io.BytesIO, contract: Contract | None, packed: str | None = None) -> None:
        self._packed = packed
        self._mask = contract is not None and any(column.sensitive for column in contract.columns)
        self._named = contract is not None
        self._pins = contract.pins if contract else Pins()
        facts = _facts(source)
        self.serial_origin = _ORIGIN_1904 if facts.since_1904 else EXCEL_ORIGIN
        self._sheet, self._others, self._sheet_confidence = self._choose(_read(source, facts), contract)
        self._found = self._sheet.found
        _refuse_uncalculated(self._sheet, facts.sheets.get(self._sheet.name, SheetFacts()))
        self.header = tuple(self._found.cells)
        self.names = unique_names(self.header, RESERVED)
        self.notes = ReadNotes()

    def _choose(
        self, sheets: Mapping[str, tuple[Rows, bool]], contract: Contract | None
    ) -> tuple[_Sheet, list[str], float]:
        pinned = self._pins.sheet
        wanted = {name: sheet for name, sheet in sheets.items() if pinned is None or fold(name) == fold(pinned)}
        if not sheets:
            raise UnreadableFileError("empty_file", "the workbook has no sheet of cells")
        if not wanted:
            raise not_as_pinned(f"the sheet {pinned!r}, and the workbook has {', '.join(sheets)}")
        found: list[_Sheet] = []
        for name, (rows, visible) in wanted.items():
            numbered = [(n, n + 1, row) for n, row in enumerate(rows, start=1) if any(cell.strip() for cell in row)]
            header = find_header(numbered, contract, len(rows[0]) if rows else 0, self._pins.header_line)
            if header is not None:
                found.append(_Sheet(name, visible, rows, header))
        if not found:
            if self._pins.header_line and any(rows for rows, _ in wanted.values()):
                raise not_as_pinned(f"the header to line {self._pins.header_line}; no sheet has it there")
            code = "no_header_match" if any(rows for rows, _ in wanted.values()) else "empty_file"
            raise UnreadableFileError(code, f"no sheet of {', '.join(wanted)} holds the expected header")
        best, *rest = sorted(found, key=lambda sheet: sheet.rank, reverse=True)
        if contract is not None and rest and rest[0].rank == best.rank:
            raise UnreadableFileError(
                "ambiguous_sheet",
                f"the sheets {best.name} and {rest[0].name} hold the header alike; send one, or pin it in the contract",
            )
        rival = rest[0].found.hits if rest else 0
        confidence = best.found.hits / (best.found.hits + rival) if best.found.hits else 1 / len(found)
        return best, [name for name in sheets if name != best.name], 1.0 if pinned else round(confidence, 3)

    def batches(self) -> Iterator[pl.DataFrame]:
        self.notes = ReadNotes()
        named = max((i for i, cell in enumerate(self.header, start=1) if cell.strip()), default=0)
        grid = Grid("\t", b"\n", len(self.header), len(self.header), named)
        rows = list(enumerate(self._sheet.rows[self._found.after - 1 :], start=self._found.after))
        while rows and self._ends(rows[-1][1]):
            line, cells = rows.pop()
            if any(cell.strip() for cell in cells):
                self.notes.dropped.append(Dropped(line, "footer", "\t".join(filter(None, cells))))
        filled = [(line, cells) for line, cells in rows if any(cell.strip() for cell in cells)]
        self.notes.blank_lines = len(rows) - len(filled)
        for start in range(0, len(filled), _BATCH_ROWS):
            batch = [(cells, line, None, None) for line, cells in filled[start : start + _BATCH_ROWS]]
            frame = rows_frame(batch, grid)
            yield without_repeats(frame, self.header, "\t", self.notes) if self._named else frame

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        return self.batches()

    @staticmethod
    def _ends(cells: list[str]) -> bool:
        """Whether a last row is blank or a footer."""
        texts = [cell for cell in cells if cell.strip()]
        return not texts or is_footer(texts, len(cells), short=False)

    def describe(self) -> dict[str, Any]:
        above = enumerate(self._sheet.rows[: self._found.first - 1], start=1)
        preamble = [Dropped(n, "preamble", "\t".join(filter(None, cells))) for n, cells in above if any(cells)]
        dropped = sorted((*preamble, *self.notes.dropped), key=lambda item: item.line)
        return {
            "format": "excel",
            "compression": self._packed,
            "encoding": "utf-8",
            "delimiter": None,
            "line_end": None,
            "sheet": self._sheet.name,
            "ignored_sheets": self._others,
            "header_line": self._found.first,
            "header_lines": self._found.rows,
            "preamble_lines": self._found.first - 1,
            "confidence": {
                "encoding": 1.0,
                "delimiter": 1.0,
                "header": round(self._found.certainty, 3),
                "sheet": self._sheet_confidence,
            },
            "pinned": [name for name in self._pins.names() if name in {"sheet", "header_line"}],
            "blank_lines": self.notes.blank_lines,
            "ragged_rows": 0,
            "repeated_headers": self.notes.repeated_headers,
            "dropped": [item.describe(mask=self._mask) for item in dropped],
        }


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
        except (ValueError, IndexError, struct.error) as error:
            raise _unreadable(source, str(error)) from None
    with unpacking(), zipfile.ZipFile(source) as archive:
        _refuse_size(sum(member.file_size for member in archive.infolist()))
        return scan_workbook(archive)


def _content(source: Path | io.BytesIO) -> bytes:
    return source.read_bytes() if isinstance(source, Path) else source.getvalue()


def _refuse_size(unpacked_bytes: int) -> None:
    if unpacked_bytes > MAX_WORKBOOK_BYTES:
        raise workbook_too_large(f"the workbook unpacks to {unpacked_bytes:,} bytes")


def _read(source: Path | io.BytesIO, facts: WorkbookFacts) -> dict[str, tuple[Rows, bool]]:
    """The cells of every sheet as text, and whether it is visible."""
    import python_calamine

    try:
        if isinstance(source, io.BytesIO):
            source.seek(0)
        workbook = python_calamine.CalamineWorkbook.from_object(source)
        sheets: dict[str, tuple[Rows, bool]] = {}
        for meta in workbook.sheets_metadata:
            if meta.typ != python_calamine.SheetTypeEnum.WorkSheet:
                continue
            cells = workbook.get_sheet_by_name(meta.name).to_python(skip_empty_area=False)
            rows = [[_cell_text(cell) for cell in row] for row in cells]
            show_facts(rows, facts.sheets.get(meta.name, SheetFacts()))
            sheets[meta.name] = rows, meta.visible == python_calamine.SheetVisibleEnum.Visible
    except (python_calamine.CalamineError, OSError, ValueError, OverflowError) as error:
        raise _unreadable(source, str(error)) from None
    except BaseException as error:
        # The reader's panic is no Exception by birth, and its class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise _unreadable(source, "it panicked") from None
    return sheets


def _unreadable(source: Path | io.BytesIO, said: str) -> UnreadableFileError:
    content = _content(source)
    what = None if content.startswith(b"PK") else what_ole_file(content)
    if what == "encrypted":
        return UnreadableFileError("encrypted", "the workbook is protected by a password; save it without")
    if what is not None:
        return UnreadableFileError("not_tabular", f"the file is {what}, not a table; send .xlsx or CSV")
    return UnreadableFileError("workbook_damaged", f"Excel's reader says: {said}")


def _refuse_uncalculated(sheet: _Sheet, facts: SheetFacts) -> None:
    for row, column in facts.uncalculated:
        if row + 1 >= sheet.found.first and column < len(sheet.found.cells):
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
        return f"{Decimal(repr(cell)):f}".removesuffix(".0")
    if isinstance(cell, datetime):
        # Excel counts in fractions of a day, so that a full second may come as 0.999999 of one.
        moment: datetime = (cell + timedelta(microseconds=500_000)).replace(microsecond=0)
        return (moment.date() if moment.time() == time(0) else moment).isoformat()
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)
