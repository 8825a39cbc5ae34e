"""The cells of one sheet of an .xls, from its records. Texts in an older code page stay bytes."""

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from etl_platform.engine.reading import biff_records as biff
from etl_platform.engine.reading.biff_strings import unicode_text, without_nul
from etl_platform.engine.reading.cell_texts import number_text
from etl_platform.engine.reading.number_formats import GENERAL, NumberFormat
from etl_platform.engine.reading.sheets import CellRange, SheetFacts
from etl_platform.engine.reading.xls_code_pages import text_in_font
from etl_platform.engine.values.excel_dates import EXCEL_ORIGIN, MAC_ORIGIN

MAX_COLUMNS = 256
_FORMULAS = frozenset({biff.FORMULA, biff.FORMULA_3, biff.FORMULA_4})
"""Some programs write formulas of Excel 97 in records of Excel 3 or 4."""
_LAYOUT = frozenset({biff.ROW, biff.COLUMNS, biff.MERGED})
_CELLS = _FORMULAS | frozenset(
    {biff.MUL_RK, biff.NUMBER, biff.BOOL_ERROR, biff.RK, biff.RICH_STRING, biff.LABEL_SHARED, biff.LABEL}
)
_ROW_COLUMN_STYLE = struct.Struct("<HHH")
_FLAGS = struct.Struct("<HI")
"""Flags of a formula, and a number by which Excel finds it again; other programs write 0."""
_TO_CALCULATE = 2
"""A flag by which other programs ask Excel to calculate the formula; they may have left it without a result."""
_PLACEHOLDER = b"\0\0\0\0\0\0\x10\x40"
"""The result that JExcelApi gives every formula."""
_ROW_IS_HIDDEN, _COLUMNS_ARE_HIDDEN = 0x20, 1
_TEXT_RESULT, _TRUTH_RESULT, _ERROR_RESULT, _EMPTY_RESULT, _NUMBER_RESULT = 0, 1, 2, 3, 4

Value = str | bytes


class CellStyle(NamedTuple):
    """How a style shows a number, and the encoding that its font stands for."""

    form: NumberFormat = GENERAL
    encoding: str | None = None


_PLAIN = CellStyle()


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
        return sum(len(value) for row in self.rows for value in row)

    @property
    def coded_texts(self) -> set[bytes]:
        """Texts in a code page that is not known yet."""
        return {value for row in self.rows for value in row if isinstance(value, bytes)}

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
        awaited: tuple[int, int] | None = None
        style = 0
        for kind, body in with_continued_strings(records):
            if kind == biff.STRING and awaited:
                found.put(*awaited, self._text(style, *body))
                found.has_results, awaited = True, None
            if kind not in _CELLS:
                if kind in _LAYOUT:
                    _note_layout(found, kind, body)
                continue
            if awaited:
                found.uncalculated.append(awaited)
            row, column, style = _ROW_COLUMN_STYLE.unpack_from(body)
            if column >= MAX_COLUMNS:
                raise ValueError(
                    f"row {row + 1:,} has a cell in column {column + 1:,}, but .xls has {MAX_COLUMNS} columns"
                )
            try:
                awaited = self._put(found, row, column, kind, body)
            except (ValueError, LookupError, struct.error) as error:
                raise ValueError(f"row {row + 1:,}, column {column + 1:,}: {error}") from None
        if awaited:
            found.uncalculated.append(awaited)
        return found

    def _put(self, found: SheetCells, row: int, column: int, kind: int, body: bytes) -> tuple[int, int] | None:
        """Put the values of a record. Returns the cell of a formula whose text follows in a record of its own."""
        if kind in _FORMULAS:
            return self._put_formula(found, row, column, body)
        if kind == biff.MUL_RK:
            for place, value in enumerate(self._packed_numbers(body), column):
                found.put(row, place, value)
            if column + len(body) // 6 > MAX_COLUMNS + 1:
                raise ValueError(f"its numbers go on beyond column {MAX_COLUMNS}")
        else:
            found.put(row, column, self._value(kind, body))
        return None

    def _value(self, kind: int, body: bytes) -> Value:
        if kind == biff.LABEL_SHARED:
            text = self._texts[struct.unpack_from("<I", body, 6)[0]]
            return without_nul(text) if "\0" in text else text
        if kind == biff.RK:
            style, packed = struct.unpack_from("<HI", body, 4)
            return self._shown(_unpacked(packed), style)
        if kind == biff.NUMBER:
            style, number = struct.unpack_from("<Hd", body, 4)
            return self._shown(number, style)
        if kind == biff.BOOL_ERROR:
            return biff.ERRORS.get(body[6], biff.UNKNOWN_ERROR) if body[7] else _truth(body[6])
        return self._text(struct.unpack_from("<H", body, 4)[0], body[6:])

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

    def _put_formula(self, found: SheetCells, row: int, column: int, body: bytes) -> tuple[int, int] | None:
        result, (style, flags, cache) = body[6:14], (*struct.unpack_from("<H", body, 4), *_FLAGS.unpack_from(body, 14))
        kind = _NUMBER_RESULT if result[6:] != b"\xff\xff" else result[0]
        if kind == _TEXT_RESULT:
            return row, column
        if flags & _TO_CALCULATE and result == _PLACEHOLDER:
            found.uncalculated.append((row, column))
        elif not cache:
            is_empty = kind == _EMPTY_RESULT or (flags & _TO_CALCULATE and not any(result))
            found.doubtful += [(row, column)] if is_empty else []
            found.has_results |= not is_empty
        if kind == _NUMBER_RESULT:
            found.put(row, column, self._shown(struct.unpack("<d", result)[0], style))
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


def with_continued_strings(records: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, Any]]:
    """The records, with each text of a formula as the list of its parts."""
    parts: list[bytes] = []
    for kind, body in records:
        if kind == biff.CONTINUE and parts:
            parts.append(body)
            continue
        if parts:
            yield biff.STRING, parts
            parts = []
        if kind == biff.STRING:
            parts = [body]
        else:
            yield kind, body
    if parts:
        yield biff.STRING, parts


def _truth(value: int) -> str:
    return "true" if value else "false"


def _unpacked(packed: int) -> float:
    """A number in 30 bits: [MS-XLS] 2.5.217."""
    if packed & 2:
        whole = (packed >> 2) - (1 << 30 if packed & 1 << 31 else 0)
        return whole / 100 if packed & 1 else float(whole)
    number: float = struct.unpack("<d", struct.pack("<II", 0, packed & ~3))[0]
    return number / 100 if packed & 1 else number
