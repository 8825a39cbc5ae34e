"""The cells of one sheet of an .xls, from its records. Texts in an older code page stay bytes."""

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from etl_platform.engine.reading.workbooks import biff_records as biff
from etl_platform.engine.reading.workbooks.biff_strings import unicode_text, without_nul
from etl_platform.engine.reading.workbooks.cell_texts import number_text
from etl_platform.engine.reading.workbooks.number_formats import GENERAL, NumberFormat
from etl_platform.engine.reading.workbooks.sheets import CellRange, SheetFacts
from etl_platform.engine.reading.workbooks.xls_code_pages import text_in_font
from etl_platform.engine.values.excel_dates import EXCEL_ORIGIN, MAC_ORIGIN

MAX_COLUMNS = 256
_FORMULAS = frozenset({biff.FORMULA, biff.FORMULA_3, biff.FORMULA_4})
"""Some programs write formulas of Excel 97 in records of Excel 3 or 4."""
_LAYOUT = frozenset({biff.ROW, biff.COLUMNS, biff.MERGED})
_CELLS = _FORMULAS | frozenset(
    {biff.MUL_RK, biff.NUMBER, biff.BOOL_ERROR, biff.RK, biff.RICH_STRING, biff.LABEL_SHARED, biff.LABEL}
)
_ROW_COLUMN_STYLE, _SHARED_NUMBER, _DOUBLE = struct.Struct("<HHH"), struct.Struct("<I"), struct.Struct("<d")
_FLAGS = struct.Struct("<HI")
"""Flags of a formula, and a number by which Excel finds it again; other programs write 0."""
_ALWAYS, _TO_CALCULATE = 1, 2
"""Flags by which other programs request a calculation by Excel; they may have left the formula without a result."""
_PLACEHOLDER = b"\0\0\0\0\0\0\x10\x40"
"""The result that JExcelApi gives every formula."""
_ROW_IS_HIDDEN, _COLUMNS_ARE_HIDDEN = 0x20, 1
_TEXT_RESULT, _TRUTH_RESULT, _ERROR_RESULT, _EMPTY_RESULT, _NUMBER_RESULT = 0, 1, 2, 3, 4

Value = str | bytes


class CellStyle(NamedTuple):
    """How a style shows a number, and the encoding of its font."""

    form: NumberFormat = GENERAL
    encoding: str | None = None


_PLAIN = CellStyle()


class _Awaited(NamedTuple):
    """A formula whose text follows, in one record or several."""

    row: int
    column: int
    style: int
    parts: list[bytes]


@dataclass
class SheetCells:
    """Values by row and column, without blank cells at the end of a row.

    Attributes:
        hidden_rows: 0-based.
        uncalculated: formulas without a result.
        doubtful: formulas with a result of 0 or nothing that another program than Excel may not have calculated.
        has_results: whether a formula has a result that shows that the program calculates.
    """

    rows: list[list[Value]] = field(default_factory=list)
    facts: SheetFacts = field(default_factory=SheetFacts)
    hidden_rows: set[int] = field(default_factory=set)
    uncalculated: list[tuple[int, int]] = field(default_factory=list)
    doubtful: list[tuple[int, int]] = field(default_factory=list)
    has_results: bool = False

    def put(self, row: int, column: int, value: Value) -> None:
        while row >= len(self.rows):
            self.rows.append([])
        cells = self.rows[row]
        if column < len(cells):
            cells[column] = value
            return
        cells.extend([""] * (column - len(cells)))
        cells.append(value)

    @property
    def size(self) -> int:
        """Number of cells, with the blank ones before others."""
        return sum(map(len, self.rows))

    @property
    def characters(self) -> int:
        return sum(sum(map(len, row)) for row in self.rows)

    def coded_texts(self) -> dict[bytes, tuple[int, int]]:
        """Texts in a code page that is not known yet, with the row and column of the first cell of each."""
        found: dict[bytes, tuple[int, int]] = {}
        for row, cells in enumerate(self.rows):
            for column, value in enumerate(cells):
                if isinstance(value, bytes):
                    found.setdefault(value, (row, column))
        return found

    def decode(self, encoding: str) -> None:
        """Put texts in place of bytes."""
        for cells in self.rows:
            for place, value in enumerate(cells):
                if isinstance(value, bytes):
                    cells[place] = value.decode(encoding)


class SheetReader:
    """Reads the cells of sheets with the styles and shared texts of their workbook."""

    def __init__(self, version: int, styles: Sequence[CellStyle], texts: Sequence[str], *, since_1904: bool) -> None:
        self._old = version < biff.BIFF8
        self._styles, self._texts = styles, texts
        self._origin = MAC_ORIGIN if since_1904 else EXCEL_ORIGIN

    def read(self, records: Iterable[tuple[int, bytes]]) -> SheetCells:
        """The cells of the sheet with these records.

        Raises:
            ValueError, LookupError, struct.error: the sheet is damaged; the message names the cell.
        """
        found = SheetCells()
        awaited: _Awaited | None = None
        for kind, body in records:
            if kind in _CELLS:
                if awaited:
                    self._put_text(found, awaited)
                place = _ROW_COLUMN_STYLE.unpack_from(body)
                try:
                    awaited = self._put(found, place, kind, body)
                except (ValueError, LookupError, struct.error) as error:
                    raise ValueError(f"row {place[0] + 1:,}, column {place[1] + 1:,}: {error}") from None
            elif kind in _LAYOUT:
                _note_layout(found, kind, body)
            elif awaited and (kind == biff.STRING or (kind == biff.CONTINUE and awaited.parts)):
                awaited.parts.append(body)
        if awaited:
            self._put_text(found, awaited)
        return found

    def _put(self, found: SheetCells, place: tuple[int, int, int], kind: int, body: bytes) -> _Awaited | None:
        """Put the values of a record. Returns the cell of a formula whose text follows in a record of its own."""
        row, column, style = place
        if column >= MAX_COLUMNS:
            raise ValueError(f".xls has only {MAX_COLUMNS} columns")
        if kind in _FORMULAS:
            return self._put_formula(found, place, body)
        if kind == biff.MUL_RK:
            if column + len(body) // 6 > MAX_COLUMNS + 1:
                raise ValueError(f"its numbers go on beyond column {MAX_COLUMNS}")
            for number, value in enumerate(self._packed_numbers(body), column):
                found.put(row, number, value)
        else:
            found.put(row, column, self._value(kind, style, body))
        return None

    def _put_text(self, found: SheetCells, cell: _Awaited) -> None:
        """Put the text of a formula, which is not calculated if it has none."""
        if cell.parts:
            found.put(cell.row, cell.column, self._text(cell.style, *cell.parts))
            found.has_results = True
        else:
            found.uncalculated.append((cell.row, cell.column))

    def _value(self, kind: int, style: int, body: bytes) -> Value:
        if kind == biff.LABEL_SHARED:
            text = self._texts[_SHARED_NUMBER.unpack_from(body, 6)[0]]
            return without_nul(text) if "\0" in text else text
        if kind == biff.RK:
            return self._shown(_unpacked(_SHARED_NUMBER.unpack_from(body, 6)[0]), style)
        if kind == biff.NUMBER:
            return self._shown(_DOUBLE.unpack_from(body, 6)[0], style)
        if kind == biff.BOOL_ERROR:
            return biff.ERRORS.get(body[6], biff.UNKNOWN_ERROR) if body[7] else _truth(body[6])
        return self._text(style, body[6:])

    def _text(self, style: int, body: bytes, *more: bytes) -> str | bytes:
        size = struct.unpack_from("<H", body)[0]
        if self._old:
            text = (body[2:] + b"".join(more))[:size]
            if len(text) < size:
                raise ValueError("a text is cut off")
            if b"\0" in text:
                text = without_nul(text.decode("latin-1")).encode("latin-1")
            return text_in_font(text, self._style(style).encoding)
        found = unicode_text(size, [body[2:], *more])
        return without_nul(found) if "\0" in found else found

    def _style(self, number: int) -> CellStyle:
        return self._styles[number] if number < len(self._styles) else _PLAIN

    def _packed_numbers(self, body: bytes) -> Iterator[Value]:
        for place in range((len(body) - 6) // 6):
            style, packed = struct.unpack_from("<HI", body, 4 + 6 * place)
            yield self._shown(_unpacked(packed), style)

    def _shown(self, number: float, style: int) -> Value:
        """The number as its style shows it."""
        if not math.isfinite(number):
            return biff.ERRORS[36]
        return number_text(number, self._style(style).form, self._origin)

    def _put_formula(self, found: SheetCells, place: tuple[int, int, int], body: bytes) -> _Awaited | None:
        row, column, style = place
        result, (flags, cache) = body[6:14], _FLAGS.unpack_from(body, 14)
        kind = _NUMBER_RESULT if result[6:] != b"\xff\xff" else result[0]
        if kind == _TEXT_RESULT:
            return _Awaited(row, column, style, [])
        if flags & _TO_CALCULATE and result == _PLACEHOLDER:
            found.uncalculated.append((row, column))
        elif not cache:
            is_empty = kind == _EMPTY_RESULT or (flags & (_ALWAYS | _TO_CALCULATE) and not any(result))
            found.doubtful += [(row, column)] if is_empty else []
            found.has_results |= not is_empty
        if kind == _NUMBER_RESULT:
            found.put(row, column, self._shown(_DOUBLE.unpack(result)[0], style))
        elif kind == _TRUTH_RESULT:
            found.put(row, column, _truth(result[2]))
        elif kind == _ERROR_RESULT:
            found.put(row, column, biff.ERRORS.get(result[2], biff.UNKNOWN_ERROR))
        return None


def _note_layout(found: SheetCells, kind: int, body: bytes) -> None:
    """Note hidden rows and columns, and merged cells."""
    if kind == biff.ROW:
        row, flags = struct.unpack_from("<H10xH", body)
        if flags & _ROW_IS_HIDDEN:
            found.hidden_rows.add(row)
    elif kind == biff.COLUMNS:
        first, last, flags = struct.unpack_from("<HH4xH", body)
        if flags & _COLUMNS_ARE_HIDDEN:
            found.facts.hidden_columns.append((first + 1, min(last + 1, MAX_COLUMNS)))
    else:
        for top, bottom, left, right in struct.iter_unpack("<4H", body[2 : 2 + (len(body) - 2) // 8 * 8]):
            found.facts.merged.append(CellRange(top + 1, left + 1, bottom + 1, right + 1))


def _truth(value: int) -> str:
    return "true" if value else "false"


def _unpacked(packed: int) -> float:
    """A number in 30 bits: [MS-XLS] 2.5.217."""
    if packed & 2:
        whole = (packed >> 2) - (1 << 30 if packed & 1 << 31 else 0)
        return whole / 100 if packed & 1 else float(whole)
    number: float = struct.unpack("<d", struct.pack("<II", 0, packed & ~3))[0]
    return number / 100 if packed & 1 else number
