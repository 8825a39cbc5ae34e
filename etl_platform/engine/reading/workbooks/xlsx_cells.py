"""The tags of one sheet of an .xlsx → its rows, of which it keeps those of one block of XML in memory."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from xml.parsers import expat

from etl_platform.engine.reading.table import MAX_COLUMNS
from etl_platform.engine.reading.workbooks.cell_texts import stored_moment, stored_number
from etl_platform.engine.reading.workbooks.number_formats import GENERAL, NumberFormat
from etl_platform.engine.reading.workbooks.office_xml import MAX_DEPTH, too_deep
from etl_platform.engine.reading.workbooks.sheets import (
    CellRange,
    SheetFacts,
    SheetRow,
    column_number,
    refuse_far_cell,
    workbook_damaged,
    workbook_too_large,
)
from etl_platform.engine.reading.workbooks.xlsx_book import XlsxBook, unescaped

_MAX_ROW_BLOCKS = 512
_MAX_RANGES = 100_000
_MAX_NAMES = 1_000
_MAX_NUMBERS = 50_000
_MAX_DIGITS = 18
"""Digits that are read of a row, style or shared text: more are out of bounds anyway, and take long to read."""
_MAX_LETTERS = 4
_TRUE = frozenset({"1", "true", "on"})
_DIGITS = "0123456789"
_OTHER, _ROW, _CELL, _VALUE, _TEXT, _FORMULA, _SPOKEN, _DATA, _MERGED, _COLUMN = range(10)
_WITH_TEXT = frozenset({_VALUE, _TEXT})
_KINDS = {
    "row": _ROW,
    "c": _CELL,
    "v": _VALUE,
    "t": _TEXT,
    "f": _FORMULA,
    "rPh": _SPOKEN,
    "sheetData": _DATA,
    "mergeCell": _MERGED,
    "col": _COLUMN,
}


class SheetParser:
    """Handlers for a parser of one sheet; ``taken`` gives the rows that have become complete."""

    def __init__(self, name: str, book: XlsxBook, origin: date, parser: expat.XMLParserType) -> None:
        self.facts = SheetFacts()
        self._name, self._book, self._origin = name, book, origin
        self._formats, self._texts = book.formats, book.texts
        self._trusted = book.calculated and not book.recalculates
        self._rows: list[SheetRow] = []
        self._characters: list[str] = []
        self._kinds = dict(_KINDS)
        self._numbers: dict[tuple[str | None, str], str] = {}
        self._columns: dict[str, int] = {}
        self._depth = self._spoken = self._blocks = self._widest = 0
        self._in_data = self._in_row = self._in_cell = False
        self._number, self._digits, self._hidden = 0, "0", False
        self._attributes: Mapping[str, str] = {}
        self._value: str | None = None
        self._text: str | None = None
        self._has_formula = False
        self._begin_cells()
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters.append

    def taken(self) -> list[SheetRow]:
        """The rows since the last call.

        Raises:
            UnreadableFileError: ``workbook_too_large`` for a very long row, ``workbook_damaged`` for a very deep one.
        """
        rows, self._rows = self._rows, []
        self._blocks = 0 if rows or not self._in_row else self._blocks + 1
        if self._depth > MAX_DEPTH:
            raise too_deep(f"sheet {self._name}")
        if self._blocks > _MAX_ROW_BLOCKS:
            raise workbook_too_large(f"sheet {self._name}, row {self._number:,} has more than 32 MiB")
        if not self._in_cell:
            self._characters.clear()
        return rows

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        try:
            kind = self._kinds[name]
        except KeyError:
            kind = self._learned(name)
        if kind == _CELL and self._in_row:
            self._attributes = attributes
            self._value = self._text = None
            self._has_formula = False
            self._in_cell = True
        elif kind in _WITH_TEXT:
            self._characters.clear()
        elif kind == _ROW and self._in_data:
            self._begin_row(attributes)
        elif kind == _FORMULA:
            self._has_formula = True
        elif kind == _SPOKEN:
            self._spoken = self._depth
        elif kind == _DATA:
            self._in_data = True
        elif kind == _MERGED:
            self._add_merged(attributes.get("ref", ""))
        elif kind == _COLUMN:
            self._add_columns(attributes)

    def _learned(self, name: str) -> int:
        """The kind of a new tag; each name may have a prefix of its own."""
        kind = self._kinds[name] = _KINDS.get(name.rpartition(":")[2], _OTHER)
        if len(self._kinds) > _MAX_NAMES:
            raise workbook_damaged(f"sheet {self._name} has too many kinds of tags")
        return kind

    def _end(self, name: str) -> None:
        self._depth -= 1
        kind = self._kinds[name]
        if kind == _VALUE:
            self._value = "".join(self._characters)
        elif kind == _CELL and self._in_cell:
            self._in_cell = False
            self._put_cell()
        elif kind == _TEXT and not self._spoken:
            self._text = (self._text or "") + "".join(self._characters)
        elif kind == _ROW and self._in_row:
            self._end_row()
        elif kind == _SPOKEN:
            self._spoken = 0
        elif kind == _DATA:
            self._in_data = False

    def _begin_cells(self) -> None:
        self._cells: list[str] = []
        self._next = 0
        self._uncalculated: int | None = None
        self._doubtful: int | None = None
        self._calculated = False

    def _begin_row(self, attributes: Mapping[str, str]) -> None:
        self._begin_cells()
        if self._in_row:
            raise workbook_damaged(f"sheet {self._name}, row {self._number:,} has a row in it")
        self._in_row = True
        digits = attributes.get("r", "").strip()
        number = int(digits[:_MAX_DIGITS]) if digits.isdecimal() else self._number + 1
        if number <= self._number:
            raise workbook_damaged(f"sheet {self._name} has row {number:,} below row {self._number:,}")
        self._number, self._digits = number, str(number)
        self._hidden = attributes.get("hidden") in _TRUE

    def _end_row(self) -> None:
        self._in_row = False
        if not self._cells and self._uncalculated is None and self._doubtful is None:
            return
        self._widest = max(self._widest, len(self._cells))
        refuse_far_cell(self._name, self._number, self._widest)
        self._rows.append(
            SheetRow(self._number, self._cells, self._hidden, self._uncalculated, self._doubtful, self._calculated)
        )

    def _put_cell(self) -> None:
        attributes = self._attributes
        reference = attributes.get("r")
        column = self._next if reference is None else self._columns.get(reference.removesuffix(self._digits))
        if column is None:
            column = self._column(reference or "")
        self._next = column + 1
        value, kind = self._value, attributes.get("t", "n")
        if value is None:
            text = "#ERROR!" if kind == "e" else unescaped(self._text or "")
        elif kind == "n":
            key = (attributes.get("s"), value)
            text = self._numbers.get(key) or self._number_text(key)
        else:
            text = self._shown(kind, value)
        if self._has_formula:
            self._note_formula(column, text)
        if not text or text.isspace():
            return
        cells = self._cells
        missing = column - len(cells)
        if missing >= 0:
            if column >= MAX_COLUMNS:
                raise workbook_too_large(f"sheet {self._name}, row {self._number:,} has text in column {column + 1:,}")
            if missing:
                cells.extend([""] * missing)
            cells.append(text)
        elif cells[column]:
            raise workbook_damaged(f"sheet {self._name} has the cell {reference or column + 1} twice")
        else:
            cells[column] = text

    def _column(self, reference: str) -> int:
        """The 0-based column of a reference such as ``AB12``."""
        letters = reference.rstrip(_DIGITS)
        column = self._columns.get(letters)
        if column is None:
            name = letters.strip().replace("$", "").upper()
            if not (name.isascii() and name.isalpha() and len(name) <= 7):
                raise workbook_damaged(f"sheet {self._name}, row {self._number:,} has a cell {reference[:20]!r}")
            column = min(column_number(name) - 1, MAX_COLUMNS)
            if len(letters) <= _MAX_LETTERS:
                self._columns[letters] = column
        digits = reference[len(letters) :]
        if digits != self._digits and (not digits or digits.lstrip("0") != self._digits):
            raise workbook_damaged(f"sheet {self._name} has the cell {reference[:20]!r} in row {self._number:,}")
        return column

    def _number_text(self, key: tuple[str | None, str]) -> str:
        """The text of a number by its style and value, which many cells of a sheet share."""
        style, value = key
        text = stored_number(value.strip(), self._form(style), self._origin)
        if len(self._numbers) < _MAX_NUMBERS:
            self._numbers[key] = text
        return text

    def _form(self, style: str | None) -> NumberFormat:
        index = int(style[:_MAX_DIGITS]) if style and style.isdecimal() else 0
        return self._formats[index] if index < len(self._formats) else GENERAL

    def _shown(self, kind: str, value: str) -> str:
        """The text of a cell of another kind than numbers as Excel shows it."""
        if kind == "s":
            return self._shared_text(value)
        if kind == "str":
            return unescaped(value)
        if kind == "inlineStr":
            return unescaped(value if self._text is None else self._text)
        if kind == "b":
            return {"1": "true", "0": "false"}.get(value.strip(), value)
        if kind == "e":
            return value.strip() or "#ERROR!"
        if kind == "d":
            return stored_moment(value.strip(), self._form(self._attributes.get("s")))
        raise workbook_damaged(f"sheet {self._name}, row {self._number:,} has a cell of the kind {kind[:20]!r}")

    def _shared_text(self, value: str) -> str:
        index = value.strip()
        if not index:
            return ""
        if not index.isdecimal() or int(index[:_MAX_DIGITS]) >= len(self._texts):
            raise workbook_damaged(f"sheet {self._name}, row {self._number:,} has a cell with the text {index[:20]}")
        return self._texts[int(index)]

    def _note_formula(self, column: int, text: str) -> None:
        """Note whether the formula has a result, or one that its program may not have calculated."""
        if not text and self._text is None and (self._value is None or self._attributes.get("t") != "str"):
            if self._uncalculated is None:
                self._uncalculated = column
        elif not text or (text == "0" and self._book.recalculates):
            if self._doubtful is None and not self._trusted:
                self._doubtful = column
        else:
            self._calculated = True

    def _add_merged(self, reference: str) -> None:
        first, _, last = reference.replace("$", "").upper().partition(":")
        corners = [(corner.rstrip(_DIGITS), corner.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")) for corner in (first, last)]
        if len(self.facts.merged) < _MAX_RANGES and all(
            a.isalpha() and a.isascii() and n.isdecimal() for a, n in corners
        ):
            (left, top), (right, bottom) = corners
            self.facts.merged.append(
                CellRange(int(top[:8]), column_number(left[:4]), int(bottom[:8]), column_number(right[:4]))
            )

    def _add_columns(self, attributes: Mapping[str, Any]) -> None:
        first, last = attributes.get("min", ""), attributes.get("max", "")
        hidden = attributes.get("hidden") in _TRUE and len(self.facts.hidden_columns) < _MAX_RANGES
        if hidden and first.isdecimal() and last.isdecimal():
            self.facts.hidden_columns.append((int(first[:8]), min(int(last[:8]), MAX_COLUMNS)))
