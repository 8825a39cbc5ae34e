"""What Excel's reader keeps to itself: error values, formulas never calculated, zeros that only a number format shows.

It reads such cells as empty or as bare numbers, which would be wrong in silence. Looks only at a workbook's XML.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape

from etl_platform.core.errors import UnreadableFileError

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
_PADDED = re.compile(r"0{2,}")


@dataclass
class SheetFacts:
    """Places are 0-based (row, column).

    Attributes:
        errors: cells that show an error, with its text.
        padded: whole numbers that are shown with leading zeros, with how many digits.
        uncalculated: formulas without a stored value.
    """

    errors: dict[tuple[int, int], str] = field(default_factory=dict)
    padded: dict[tuple[int, int], int] = field(default_factory=dict)
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
    widths = _zero_formats(_text(archive, parts, "xl/styles.xml"))
    book = _text(archive, parts, WORKBOOK_MEMBER)
    targets = {
        entry.get("Id", ""): "xl/" + entry.get("Target", "").removeprefix("/xl/")
        for entry in _elements(_text(archive, parts, "xl/_rels/workbook.xml.rels"), "Relationship")
    }
    by_part: dict[str, SheetFacts] = {}
    laid_out = 0
    for name in parts:
        if name.startswith("xl/worksheets/") and name.endswith(".xml"):
            by_part[name], cells = _scan_sheet(archive, name, widths, MAX_SHEET_CELLS - laid_out)
            laid_out += cells
        elif name.startswith("xl/sharedStrings"):
            _read_through(archive, name)
    sheets = {
        unescape(entry.get("name", "")): by_part.get(targets.get(entry.get("r:id", ""), ""), SheetFacts())
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


def _zero_formats(styles: str) -> dict[int, int]:
    """Style number → digits, for formats of nothing but zeros, such as 00000."""
    codes = {entry.get("numFmtId"): unescape(entry.get("formatCode", "")) for entry in _elements(styles, "numFmt")}
    listed = re.search(r"<(?:\w+:)?cellXfs\b.*?</(?:\w+:)?cellXfs>", styles, re.DOTALL)
    cells = _elements(listed.group() if listed else "", "xf")
    formats = [codes.get(entry.get("numFmtId"), "") for entry in cells]
    return {place: len(code) for place, code in enumerate(formats) if _PADDED.fullmatch(code)}


def _scan_sheet(archive: zipfile.ZipFile, name: str, widths: Mapping[int, int], room: int) -> tuple[SheetFacts, int]:
    """Its facts, and how many cells its grid has."""
    facts = SheetFacts()
    styles = tuple(f's="{style}"'.encode() for style in widths)
    rows = columns = 0
    for block in _whole_rows(archive, name):
        for letters, digits in set(_PLACE.findall(block)):
            rows, columns = max(rows, int(digits)), max(columns, _column_number(letters.upper()))
        rows = max(rows, *map(int, _ROW.findall(block)), 0)
        if b'="e"' in block or b"<f" in block or b":f" in block or any(style in block for style in styles):
            _collect(block, widths, facts)
    if rows * columns > room:
        raise workbook_too_large(f"{name} reaches to row {rows:,}, column {columns:,}: delete stray cells")
    return facts, rows * columns


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


def _collect(block: bytes, widths: Mapping[int, int], facts: SheetFacts) -> None:
    for head, body in _CELL.findall(block):
        attributes = {name: double or single for name, double, single in _ATTRIBUTE.findall(head.decode())}
        place, kind = attributes.get("r", ""), attributes.get("t", "n")
        value = _VALUE.search(body)
        if not (parts := re.fullmatch(r"([A-Z]{1,3})([1-9][0-9]{0,6})", place.upper())):
            continue
        where = (int(parts[2]) - 1, _column_number(parts[1].encode()) - 1)
        if kind == "e":
            facts.errors[where] = unescape(value.group(1).decode()) if value else "#ERROR!"
        elif kind == "n" and value is None and re.search(rb"<(?:\w+:)?f\b", body):
            facts.uncalculated.append(where)
        elif kind == "n" and value is not None and (digits := widths.get(int(attributes.get("s", "0")))):
            facts.padded[where] = digits


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def facts_by_row(facts: SheetFacts) -> dict[int, dict[int, str | int]]:
    """By row and column, an error's text or how many digits a number is shown with."""
    by_row: dict[int, dict[int, str | int]] = {}
    for (row, column), text in facts.errors.items():
        by_row.setdefault(row, {})[column] = text
    for (row, column), digits in facts.padded.items():
        by_row.setdefault(row, {})[column] = digits
    return by_row


def as_shown(text: str, fact: str | int) -> str:
    if isinstance(fact, str):
        return fact
    return text.zfill(fact) if text.isdigit() else text
