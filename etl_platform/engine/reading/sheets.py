"""The sheets of an Excel workbook as rows of texts. calamine loads whole sheets, so their size is checked first."""

import io
import struct
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.archives import unpacking
from etl_platform.engine.reading.number_formats import number_text
from etl_platform.engine.reading.xls_workbook import is_xls, read_xls
from etl_platform.engine.reading.xlsx_details import (
    SheetDetails,
    WorkbookDetails,
    details_by_row,
    scan_xlsx,
    workbook_too_large,
)

MAX_WORKBOOK_BYTES = 1 << 30


@dataclass(frozen=True)
class Sheet:
    """A sheet as calamine reads it, and the details that it does not expose."""

    name: str
    visible: bool
    cells: Any
    details: SheetDetails

    @property
    def width(self) -> int:
        return int(self.cells.total_width)

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


def read_sheets(source: Path | io.BytesIO) -> tuple[list[Sheet], bool]:
    """Every sheet with cells, in the order of the workbook, and whether dates count from 1904.

    Raises:
        UnreadableFileError: ``workbook_too_large``, ``workbook_damaged``, ``archive_damaged``, ``encrypted``, or
            ``not_tabular`` for another Office document.
    """
    if is_xls(_head(source)):
        return _read_xls(source)
    details = _details(source)
    return _with_calamine(source, details), details.since_1904


def _read_xls(source: Path | io.BytesIO) -> tuple[list[Sheet], bool]:
    _refuse_size(source.stat().st_size if isinstance(source, Path) else len(source.getbuffer()))
    content = _content(source)
    try:
        workbook = read_xls(content)
    except (ValueError, LookupError, struct.error) as error:
        raise _unreadable(str(error)) from None
    sheets = [
        Sheet(sheet.name, sheet.visible, sheet.cells, SheetDetails(uncalculated=sheet.cells.uncalculated))
        for sheet in workbook.sheets
    ]
    return sheets, workbook.since_1904


def _details(source: Path | io.BytesIO) -> WorkbookDetails:
    """The cell details that calamine does not expose."""
    with unpacking(), zipfile.ZipFile(source) as archive:
        _refuse_size(sum(member.file_size for member in archive.infolist()))
        return scan_xlsx(archive)


def _head(source: Path | io.BytesIO) -> bytes:
    if isinstance(source, io.BytesIO):
        return source.getvalue()[:8]
    with source.open("rb") as file:
        return file.read(8)


def _content(source: Path | io.BytesIO) -> bytes:
    return source.read_bytes() if isinstance(source, Path) else source.getvalue()


def _refuse_size(unpacked_bytes: int) -> None:
    if unpacked_bytes > MAX_WORKBOOK_BYTES:
        raise workbook_too_large(f"the workbook unpacks to {unpacked_bytes:,} bytes")


def _with_calamine(source: Path | io.BytesIO, details: WorkbookDetails) -> list[Sheet]:
    import python_calamine

    try:
        # Not by path: calamine trusts the suffix, and senders name .xlsx files .xls.
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
            file.seek(0)
            workbook = python_calamine.CalamineWorkbook.from_filelike(file)
        return [
            Sheet(
                meta.name,
                meta.visible == python_calamine.SheetVisibleEnum.Visible,
                workbook.get_sheet_by_name(meta.name),
                details.sheets.get(meta.name, SheetDetails()),
            )
            for meta in workbook.sheets_metadata
            if meta.typ == python_calamine.SheetTypeEnum.WorkSheet
        ]
    except (python_calamine.CalamineError, OSError, ValueError, OverflowError) as error:
        raise _unreadable(str(error)) from None
    except BaseException as error:
        # A panic of calamine is not a subclass of Exception, and its class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise _unreadable("calamine panicked") from None


def _unreadable(detail: str) -> UnreadableFileError:
    return UnreadableFileError(
        "workbook_damaged", f"the workbook cannot be read: {detail}; open it in Excel and save it again"
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
