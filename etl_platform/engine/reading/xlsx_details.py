"""Cell details that calamine does not expose: error values, uncalculated formulas, digits and zeros that Excel shows.

calamine reads such cells as empty, rounded or without their zeros, and reports nothing. Reads only the XML.
"""

import re
import zipfile
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import NamedTuple

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.number_formats import fill_template, is_date_format, zero_template

MAX_SHEET_CELLS = 8_000_000
"""Of all sheets, blank cells included: calamine takes 32 bytes for each, and 80 for a cell with text."""
WORKBOOK_MEMBER = "xl/workbook.xml"
_BLOCK = 1 << 20
_LONGEST_ROW = 32 << 20
_CELL_REFERENCE = re.compile(rb"""<(?:\w+:)?c\s[^>]{0,64}?\br\s*=\s*["']([A-Za-z]{1,7})([0-9]{1,10})["']""")
_ROW_NUMBER = re.compile(rb"""<(?:\w+:)?row\s[^>]{0,64}?\br\s*=\s*["']([0-9]{1,10})["']""")
_CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_VALUE = re.compile(rb"<(?:\w+:)?v\b[^>]*>([^<]+)<")
_ATTRIBUTE = re.compile(r"""([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_ROW_OR_CELL = re.compile(rb"<(?:\w+:)?(row|c)(?=[\s/>])([^>]*)")
_WITHOUT_REFERENCE = re.compile(rb"""<(?:\w+:)?(?:row|c)(?=[\s/>])(?!\sr=)(?![^>]*\sr\s*=)""")
_REFERENCE = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]{0,7})([0-9]{1,10})""")
_NEGATIVE_OR_LONG_NUMBER = re.compile(rb">(?:-|[0-9]{16,}<)")
_LONG_NUMBER = re.compile(r"-?[0-9]{16,}")


@dataclass
class SheetDetails:
    """Details of one sheet by 0-based (row, column).

    Attributes:
        texts: the text of errors, of whole numbers with more digits than a float holds, and of negative dates.
        templates: the ``zero_template`` of whole numbers that Excel shows with leading zeros.
        uncalculated: formulas without a stored value.
    """

    texts: dict[tuple[int, int], str] = field(default_factory=dict)
    templates: dict[tuple[int, int], str] = field(default_factory=dict)
    uncalculated: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class WorkbookDetails:
    """Details by sheet name, and whether dates count from 1904."""

    sheets: Mapping[str, SheetDetails]
    since_1904: bool


def workbook_too_large(message: str) -> UnreadableFileError:
    return UnreadableFileError("workbook_too_large", f"{message}; send it as CSV")


def scan_xlsx(archive: zipfile.ZipFile) -> WorkbookDetails:
    """Read the XML of a workbook block by block: its real size counts, not the size that the archive declares.

    Raises:
        UnreadableFileError: ``workbook_too_large`` if calamine would need too much memory up to the last cell.
    """
    parts = {name: archive.getinfo(name) for name in archive.namelist() if re.search(r"\.(?:xml|rels)$", name)}
    formats = _formats(_text(archive, parts, "xl/styles.xml"))
    book = _text(archive, parts, WORKBOOK_MEMBER)
    targets = {
        entry.get("Id", ""): "xl/" + entry.get("Target", "").removeprefix("/xl/")
        for entry in _elements(_text(archive, parts, "xl/_rels/workbook.xml.rels"), "Relationship")
    }
    by_part: dict[str, SheetDetails] = {}
    grid_cells = 0
    for name in parts:
        if name.startswith("xl/worksheets/") and name.endswith(".xml"):
            by_part[name], cells = _scan_sheet(archive, name, formats, MAX_SHEET_CELLS - grid_cells)
            grid_cells += cells
        elif name.startswith("xl/sharedStrings"):
            _read_through(archive, name)
    sheets = {
        unescape(entry.get("name", "")): by_part.get(targets.get(_relation_id(entry), ""), SheetDetails())
        for entry in _elements(book, "sheet")
    }
    since_1904 = any(entry.get("date1904", "0") in {"1", "true"} for entry in _elements(book, "workbookPr"))
    return WorkbookDetails(sheets, since_1904)


def _read_through(archive: zipfile.ZipFile, name: str) -> None:
    """Read a part to its end: zipfile then compares its declared size and checksum with its bytes."""
    with archive.open(name) as file:
        while file.read(_BLOCK):
            continue


def _text(archive: zipfile.ZipFile, parts: Mapping[str, zipfile.ZipInfo], name: str) -> str:
    return archive.read(parts[name]).decode("utf-8", "replace") if name in parts else ""


def _elements(xml: str, tag: str) -> Iterator[dict[str, str]]:
    for match in re.finditer(rf"<(?:\w+:)?{tag}\b([^>]*)>", xml):
        yield {name: double or single for name, double, single in _ATTRIBUTE.findall(match.group(1))}


def _relation_id(sheet: Mapping[str, str]) -> str:
    """The relationship of a sheet; each workbook chooses the prefix of the namespace."""
    return next((value for name, value in sheet.items() if name.endswith(":id")), "")


def _formats(styles: str) -> list[str]:
    """The number format of each style: its code, or the number of a built-in format."""
    codes = {entry.get("numFmtId"): unescape(entry.get("formatCode", "")) for entry in _elements(styles, "numFmt")}
    listed = re.search(r"<(?:\w+:)?cellXfs\b.*?</(?:\w+:)?cellXfs>", styles, re.DOTALL)
    numbers = [entry.get("numFmtId", "0") for entry in _elements(listed.group() if listed else "", "xf")]
    return [codes.get(number, number) for number in numbers]


def _scan_sheet(
    archive: zipfile.ZipFile, name: str, formats: Sequence[str], max_cells: int
) -> tuple[SheetDetails, int]:
    """The details of one sheet, and the number of cells of its grid, at most ``max_cells``."""
    details = SheetDetails()
    templates = {style: template for style, code in enumerate(formats) if (template := zero_template(code))}
    date_styles = {style for style, code in enumerate(formats) if is_date_format(code)}
    # Marks of an error, a formula or a cell with such a template. Attributes in single quotes are always parsed.
    marks = (b'="e"', b"<f", b":f", b"='", *(f's="{style}"'.encode() for style in templates))
    rows = columns = 0
    for xml in _whole_rows(archive, name):
        block = _with_references(xml, rows) if _WITHOUT_REFERENCE.search(xml) else xml
        for letters, digits in set(_CELL_REFERENCE.findall(block)):
            rows, columns = max(rows, int(digits)), max(columns, _column_number(letters.upper()))
        rows = max(rows, *map(int, _ROW_NUMBER.findall(block)), 0)
        if _NEGATIVE_OR_LONG_NUMBER.search(block) or any(mark in block for mark in marks):
            _collect(block, templates, date_styles, details)
    if rows * columns > max_cells:
        raise workbook_too_large(f"{name} reaches to row {rows:,}, column {columns:,}; delete its stray cells")
    return details, rows * columns


def _with_references(block: bytes, row: int) -> bytes:
    """The block with a reference in every row and cell: one without a reference follows its predecessor.

    ``row`` is the last one above the block.
    """
    column = 0

    def with_reference(match: re.Match[bytes]) -> bytes:
        nonlocal row, column
        found = _REFERENCE.search(match[2])
        if match[1] == b"row":
            row, column = int(found[2]) if found else row + 1, 0
            reference = str(row)
        else:
            column = _column_number(found[1].upper()) if found else column + 1
            reference = f"{_column_letters(column)}{row}"
        if found:
            return match[0]
        return match[0][: match.start(2) - match.start()] + f' r="{reference}"'.encode() + match[2]

    return _ROW_OR_CELL.sub(with_reference, block)


def _whole_rows(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    tail = b""
    with archive.open(name) as file:
        while block := file.read(_BLOCK):
            text = tail + block
            end = text.rfind(b"row>") + 4
            if end < 4 and len(text) > _LONGEST_ROW:
                raise workbook_too_large(f"{name} has a row of more than {_LONGEST_ROW:,} bytes")
            tail = text[end:] if end >= 4 else text
            if end >= 4:
                yield text[:end]
    yield tail


def _collect(block: bytes, templates: Mapping[int, str], date_styles: Container[int], details: SheetDetails) -> None:
    """Add the details of a block's cells."""
    for head, body in _CELL.findall(block):
        attributes = {name: double or single for name, double, single in _ATTRIBUTE.findall(head.decode())}
        reference, kind = attributes.get("r", ""), attributes.get("t", "n")
        if not (parts := re.fullmatch(r"([A-Z]{1,3})([1-9][0-9]{0,6})", reference.upper())):
            continue
        where = (int(parts[2]) - 1, _column_number(parts[1].encode()) - 1)
        found = _VALUE.search(body)
        value = unescape(found.group(1).decode()) if found else None
        if kind == "e":
            details.texts[where] = value or "#ERROR!"
        elif kind == "n" and value is None and re.search(rb"<(?:\w+:)?f\b", body):
            details.uncalculated.append(where)
        elif kind == "n" and value is not None:
            style = int(attributes.get("s", "0"))
            if _LONG_NUMBER.fullmatch(value) or (value.startswith("-") and style in date_styles):
                details.texts[where] = value
            elif style in templates:
                details.templates[where] = templates[style]


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _column_letters(number: int) -> str:
    letters = ""
    while number:
        number, digit = divmod(number - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters


class CellDetail(NamedTuple):
    """A cell's text, or the template that its digits fill."""

    text: str
    is_template: bool

    def apply(self, read: str) -> str:
        """The text of a cell as Excel shows it, given what calamine reads."""
        if not self.is_template:
            return self.text
        return fill_template(self.text, read) if read.isdigit() else read


def details_by_row(details: SheetDetails) -> dict[int, dict[int, CellDetail]]:
    """Texts and templates by row and column."""
    by_row: dict[int, dict[int, CellDetail]] = {}
    for known, is_template in ((details.texts, False), (details.templates, True)):
        for (row, column), text in known.items():
            by_row.setdefault(row, {})[column] = CellDetail(text, is_template)
    return by_row
