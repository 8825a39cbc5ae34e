"""One sheet of an Excel workbook → batches of text cells. The sheet is read whole, within limits."""

import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from etl_platform.core.contracts import Contract
from etl_platform.core.dialect import is_footer
from etl_platform.core.errors import UnreadableFileError
from etl_platform.core.headers import HEADER_ROWS, find_header, unique_names
from etl_platform.core.masking import shape
from etl_platform.core.parsing import Grid, ReadNotes, rows_frame
from etl_platform.core.rules import RESERVED

MAX_WORKBOOK_BYTES = 1 << 30
MAX_SHEET_CELLS = 20_000_000
"""All sheets together, blank cells included: Excel's reader takes 32 bytes for each."""
MAX_COLUMNS = 16_384
"""As many as Excel has; only a damaged workbook has more."""
_BATCH_ROWS = 100_000
_FOOTER_ROWS = 8
_BLOCK = 1 << 20
_TAIL = 128
_CELL = re.compile(rb"""<(?:\w+:)?c\s[^>]{0,64}?\br\s*=\s*["']([A-Za-z]{1,7})([0-9]{1,10})["']""")
_ROW = re.compile(rb"""<(?:\w+:)?row\s[^>]{0,64}?\br\s*=\s*["']([0-9]{1,10})["']""")


class WorkbookTable:
    """One sheet of an Excel workbook: the one whose header fits the contract best."""

    excel = True

    def __init__(self, path: Path, contract: Contract | None, unpacked_bytes: int) -> None:
        import python_calamine

        self._mask = contract is not None and any(column.sensitive for column in contract.columns)
        if unpacked_bytes > MAX_WORKBOOK_BYTES:
            raise UnreadableFileError(
                "workbook_too_large", f"the workbook unpacks to {unpacked_bytes:,} bytes; send it as CSV"
            )
        try:
            # Not by path: its name may say .xls of what is .xlsx, and the reader would believe it.
            with path.open("rb") as file:
                workbook = python_calamine.CalamineWorkbook.from_filelike(file)
            sheets = {name: workbook.get_sheet_by_name(name) for name in workbook.sheet_names}
        except (python_calamine.CalamineError, OSError, ValueError) as error:
            raise UnreadableFileError("workbook_damaged", f"Excel's reader says: {error}") from None
        except BaseException as error:
            # Its panics are no Exception by birth, and their class cannot be imported.
            if type(error).__name__ != "PanicException":
                raise
            raise UnreadableFileError("workbook_damaged", "Excel's reader panicked; open and save it again") from None
        for name, sheet in sheets.items():
            if sheet.total_width > MAX_COLUMNS:
                raise UnreadableFileError("too_many_columns", f"sheet {name} reaches to column {sheet.total_width:,}")
        tops = {name: _top(sheet) for name, sheet in sheets.items()}
        found = find_header(tops, contract)
        if found is None:
            code = "no_header_match" if any(tops.values()) else "empty_file"
            raise UnreadableFileError(code, f"no sheet of {', '.join(tops)} holds the expected header")
        self.sheet, self._header_row, self.confidence = found
        self._sheet = sheets[self.sheet]
        self.header = tuple(tops[self.sheet][self._header_row])
        self.names = unique_names(self.header, RESERVED)
        self.notes = ReadNotes()

    def batches(self) -> Iterator[pl.DataFrame]:
        self.notes = ReadNotes()
        named = max((i for i, cell in enumerate(self.header, start=1) if cell.strip()), default=0)
        grid = Grid("\t", b"\n", len(self.header), len(self.header), named)
        held: list[tuple[list[str], int, str | None, str | None]] = []
        for line, cells in enumerate(islice(_rows(self._sheet), self._header_row + 1, None), self._header_row + 2):
            if cells.count("") == len(cells) or not any(cell.strip() for cell in cells):
                self.notes.blank_lines += 1
                continue
            if len(held) == _BATCH_ROWS + _FOOTER_ROWS:
                yield rows_frame(held[:_BATCH_ROWS], grid)
                held = held[_BATCH_ROWS:]
            held.append((cells, line, None, None))
        while held and is_footer([cell for cell in held[-1][0] if cell.strip()], len(self.header), short=False):
            cells, line, _, _ = held.pop()
            text = "\t".join(filter(None, cells))[:80]
            self.notes.dropped.append({"line": line, "why": "footer", "text": shape(text) if self._mask else text})
        for start in range(0, len(held), _BATCH_ROWS):
            yield rows_frame(held[start : start + _BATCH_ROWS], grid)

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        return self.batches()

    def describe(self) -> dict[str, Any]:
        return {
            "format": "excel",
            "compression": None,
            "encoding": "utf-8",
            "delimiter": None,
            "line_end": None,
            "sheet": self.sheet,
            "header_line": self._header_row + 1,
            "preamble_lines": self._header_row,
            "confidence": {"encoding": 1.0, "delimiter": 1.0, "header": round(self.confidence, 3)},
            "blank_lines": self.notes.blank_lines,
            "ragged_rows": 0,
            "dropped": self.notes.dropped,
        }


def _rows(sheet: Any) -> Iterator[list[str]]:
    """A sheet's rows as text from its first row and column on, one at a time: as Python objects they take much room."""
    blanks = [""] * (sheet.start[1] if sheet.start else 0)
    for row in sheet.iter_rows():
        yield blanks + (
            row if row.count("") == len(row) else [cell if cell == "" else _cell_text(cell) for cell in row]
        )


def _top(sheet: Any) -> list[list[str]]:
    """The rows down to the last one in which a header is looked for."""
    top: list[list[str]] = []
    filled = 0
    for row in _rows(sheet):
        top.append(row)
        filled += any(cell.strip() for cell in row)
        if filled == HEADER_ROWS:
            break
    return top


def refuse_far_cells(archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo]) -> None:
    """Excel's reader lays sheets out whole: one forgotten cell in the last corner would take all memory."""
    laid_out = 0
    for member in members:
        if not re.fullmatch(r"xl/worksheets/[^/]+\.xml", member.filename):
            continue
        rows = columns = 0
        tail = b""
        with archive.open(member) as file:
            while block := file.read(_BLOCK):
                text = tail + block
                for letters, digits in set(_CELL.findall(text)):
                    rows = max(rows, int(digits))
                    columns = max(columns, _column_number(letters.upper()))
                rows = max(rows, *map(int, _ROW.findall(text)), 0)
                tail = text[-_TAIL:]
        laid_out += rows * columns
        if laid_out > MAX_SHEET_CELLS:
            raise UnreadableFileError(
                "workbook_too_large",
                f"{member.filename} reaches to row {rows:,}, column {columns:,}; delete stray cells or send CSV",
            )


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _cell_text(cell: Any) -> str:
    """A cell as the text that a sender would have typed: whole floats without ``.0``, dates as ISO."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return f"{Decimal(repr(cell)):f}".removesuffix(".0")
    if isinstance(cell, datetime):
        midnight = cell.time() == time(0)
        return cell.date().isoformat() if midnight else cell.isoformat(timespec="seconds")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)
