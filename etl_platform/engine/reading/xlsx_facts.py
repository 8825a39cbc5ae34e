"""What Excel's reader keeps to itself: error values, formulas never calculated, zeros that only a number format shows.

It reads such cells as empty, as bare numbers or rounded, which would be wrong in silence. Looks only at the XML.
"""

import re
import zipfile
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.number_formats import filled, shows_moment, zero_form

MAX_SHEET_CELLS = 8_000_000
"""All sheets together, blank cells included: Excel's reader takes 32 bytes for each, and 80 for one with a text."""
WORKBOOK_MEMBER = "xl/workbook.xml"
_BLOCK = 1 << 20
_LONGEST_ROW = 32 << 20
_PLACE = re.compile(rb"""<(?:\w+:)?c\s[^>]{0,64}?\br\s*=\s*["']([A-Za-z]{1,7})([0-9]{1,10})["']""")
_ROW = re.compile(rb"""<(?:\w+:)?row\s[^>]{0,64}?\br\s*=\s*["']([0-9]{1,10})["']""")
_CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_VALUE = re.compile(rb"<(?:\w+:)?v\b[^>]*>([^<]+)<")
_ATTRIBUTE = re.compile(r"""([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_HEAD = re.compile(rb"<(?:\w+:)?(row|c)(?=[\s/>])([^>]*)")
_UNPLACED = re.compile(rb"""<(?:\w+:)?(?:row|c)(?=[\s/>])(?!\sr=)(?![^>]*\sr\s*=)""")
_OWN_PLACE = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]{0,7})([0-9]{1,10})""")
_ODD_NUMBER = re.compile(rb">(?:-|[0-9]{16,}<)")
_LONG = re.compile(r"-?[0-9]{16,}")


@dataclass
class SheetFacts:
    """Places are 0-based (row, column).

    Attributes:
        texts: what cells show instead of errors, of whole numbers with more digits than a float, of days below 0.
        padded: whole numbers that are shown with leading zeros, with the form that they fill.
        uncalculated: formulas without a stored value.
    """

    texts: dict[tuple[int, int], str] = field(default_factory=dict)
    padded: dict[tuple[int, int], str] = field(default_factory=dict)
    uncalculated: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class WorkbookFacts:
    """Facts by sheet name, and whether dates count from 1904."""

    sheets: Mapping[str, SheetFacts]
    since_1904: bool


def workbook_too_large(message: str) -> UnreadableFileError:
    return UnreadableFileError("workbook_too_large", f"{message}; send it as CSV")


def scan_workbook(archive: zipfile.ZipFile) -> WorkbookFacts:
    """Walk through the XML of a workbook, block by block, so that its real size counts and not the one it claims.

    Raises:
        UnreadableFileError: ``workbook_too_large`` for cells so far out that Excel's reader would take all memory.
    """
    parts = {name: archive.getinfo(name) for name in archive.namelist() if re.search(r"\.(?:xml|rels)$", name)}
    styles = _formats(_text(archive, parts, "xl/styles.xml"))
    book = _text(archive, parts, WORKBOOK_MEMBER)
    targets = {
        entry.get("Id", ""): "xl/" + entry.get("Target", "").removeprefix("/xl/")
        for entry in _elements(_text(archive, parts, "xl/_rels/workbook.xml.rels"), "Relationship")
    }
    by_part: dict[str, SheetFacts] = {}
    laid_out = 0
    for name in parts:
        if name.startswith("xl/worksheets/") and name.endswith(".xml"):
            by_part[name], cells = _scan_sheet(archive, name, styles, MAX_SHEET_CELLS - laid_out)
            laid_out += cells
        elif name.startswith("xl/sharedStrings"):
            _read_through(archive, name)
    sheets = {
        unescape(entry.get("name", "")): by_part.get(targets.get(_relation(entry), ""), SheetFacts())
        for entry in _elements(book, "sheet")
    }
    since_1904 = any(entry.get("date1904", "0") in {"1", "true"} for entry in _elements(book, "workbookPr"))
    return WorkbookFacts(sheets, since_1904)


def _read_through(archive: zipfile.ZipFile, name: str) -> None:
    """Read through a part: what it claims to unpack to, and its checksum, are held against its bytes on the way."""
    with archive.open(name) as file:
        while file.read(_BLOCK):
            continue


def _text(archive: zipfile.ZipFile, parts: Mapping[str, zipfile.ZipInfo], name: str) -> str:
    return archive.read(parts[name]).decode("utf-8", "replace") if name in parts else ""


def _elements(xml: str, tag: str) -> Iterator[dict[str, str]]:
    for match in re.finditer(rf"<(?:\w+:)?{tag}\b([^>]*)>", xml):
        yield {name: double or single for name, double, single in _ATTRIBUTE.findall(match.group(1))}


def _relation(sheet: Mapping[str, str]) -> str:
    """Its id, whatever a workbook calls the namespace."""
    return next((value for name, value in sheet.items() if name.endswith(":id")), "")


def _formats(styles: str) -> list[str]:
    """The number format of each style; a built-in one as its number."""
    codes = {entry.get("numFmtId"): unescape(entry.get("formatCode", "")) for entry in _elements(styles, "numFmt")}
    listed = re.search(r"<(?:\w+:)?cellXfs\b.*?</(?:\w+:)?cellXfs>", styles, re.DOTALL)
    numbers = [entry.get("numFmtId", "0") for entry in _elements(listed.group() if listed else "", "xf")]
    return [codes.get(number, number) for number in numbers]


def _scan_sheet(archive: zipfile.ZipFile, name: str, styles: Sequence[str], room: int) -> tuple[SheetFacts, int]:
    """Its facts, and how many cells its grid has."""
    facts = SheetFacts()
    forms = {style: form for style, code in enumerate(styles) if (form := zero_form(code))}
    moments = {style for style, code in enumerate(styles) if shows_moment(code)}
    # An error, a formula, a cell of such a style; what stands in single quotes is looked at closely in any case.
    signs = (b'="e"', b"<f", b":f", b"='", *(f's="{style}"'.encode() for style in forms))
    rows = columns = 0
    for read in _whole_rows(archive, name):
        block = _with_places(read, rows) if _UNPLACED.search(read) else read
        for letters, digits in set(_PLACE.findall(block)):
            rows, columns = max(rows, int(digits)), max(columns, _column_number(letters.upper()))
        rows = max(rows, *map(int, _ROW.findall(block)), 0)
        if _ODD_NUMBER.search(block) or any(sign in block for sign in signs):
            _collect(block, forms, moments, facts)
    if rows * columns > room:
        raise workbook_too_large(f"{name} reaches to row {rows:,}, column {columns:,}: delete stray cells")
    return facts, rows * columns


def _with_places(block: bytes, row: int) -> bytes:
    """The block with a place in every row and cell, though not all are told: each then follows the one before it.

    ``row`` is the last one above the block.
    """
    column = 0

    def told(match: re.Match[bytes]) -> bytes:
        nonlocal row, column
        own = _OWN_PLACE.search(match[2])
        if match[1] == b"row":
            row, column = int(own[2]) if own else row + 1, 0
            place = str(row)
        else:
            column = _column_number(own[1].upper()) if own else column + 1
            place = f"{_column_letters(column)}{row}"
        return match[0] if own else match[0][: match.start(2) - match.start()] + f' r="{place}"'.encode() + match[2]

    return _HEAD.sub(told, block)


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


def _collect(block: bytes, forms: Mapping[int, str], moments: Container[int], facts: SheetFacts) -> None:
    for head, body in _CELL.findall(block):
        attributes = {name: double or single for name, double, single in _ATTRIBUTE.findall(head.decode())}
        place, kind = attributes.get("r", ""), attributes.get("t", "n")
        if not (parts := re.fullmatch(r"([A-Z]{1,3})([1-9][0-9]{0,6})", place.upper())):
            continue
        where = (int(parts[2]) - 1, _column_number(parts[1].encode()) - 1)
        found = _VALUE.search(body)
        value = unescape(found.group(1).decode()) if found else None
        if kind == "e":
            facts.texts[where] = value or "#ERROR!"
        elif kind == "n" and value is None and re.search(rb"<(?:\w+:)?f\b", body):
            facts.uncalculated.append(where)
        elif kind == "n" and value is not None:
            style = int(attributes.get("s", "0"))
            if _LONG.fullmatch(value) or (value.startswith("-") and style in moments):
                facts.texts[where] = value
            elif style in forms:
                facts.padded[where] = forms[style]


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


Fact = tuple[str, bool]
"""A cell's text, or the form that its digits fill, and which of the two."""


def facts_by_row(facts: SheetFacts) -> dict[int, dict[int, Fact]]:
    """What is known of cells by row and column."""
    by_row: dict[int, dict[int, Fact]] = {}
    for known, is_form in ((facts.texts, False), (facts.padded, True)):
        for (row, column), text in known.items():
            by_row.setdefault(row, {})[column] = (text, is_form)
    return by_row


def as_shown(text: str, fact: Fact) -> str:
    known, is_form = fact
    if not is_form:
        return known
    return filled(known, text) if text.isdigit() else text
