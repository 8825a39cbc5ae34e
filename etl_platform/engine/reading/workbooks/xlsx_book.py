"""What the sheets of an .xlsx share: their names and parts, the number formats of styles, and the shared texts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from etl_platform.engine.reading.workbooks.number_formats import NumberFormat, number_format
from etl_platform.engine.reading.workbooks.office_package import Package
from etl_platform.engine.reading.workbooks.office_xml import MAX_DEPTH, elements, feed, too_deep, xml_parser
from etl_platform.engine.reading.workbooks.sheets import workbook_damaged, workbook_too_large

MAX_SHARED_TEXTS = 1 << 23
_MAX_SHARED_CHARACTERS = 1 << 28
_MAX_PIECES = 100_000
"""Of one text: runs, and pieces of up to 8 KiB as the parser cuts them."""
_MAX_SHEETS = 1_000
_ESCAPED = re.compile(r"(?:_x[0-9A-Fa-f]{4}_)+")
_TRUE = {"1", "true"}


@dataclass(frozen=True)
class ListedSheet:
    """A sheet of cells: its name, whether Excel shows it, and the name of its part."""

    name: str
    visible: bool
    part: str


@dataclass(frozen=True)
class XlsxBook:
    """The common parts of a workbook.

    Attributes:
        formats: by the number of a style.
        texts: by the number that cells name.
        calculated: whether a program that calculates wrote the stored results of formulas.
        recalculates: whether Excel calculates all formulas when it opens the file.
    """

    sheets: Sequence[ListedSheet]
    formats: Sequence[NumberFormat]
    texts: Sequence[str]
    since_1904: bool
    calculated: bool
    recalculates: bool


def read_book(package: Package, part: str) -> XlsxBook:
    """Read the part that lists the sheets, and the parts that it points to.

    Raises:
        UnreadableFileError: ``workbook_damaged`` or ``workbook_too_large``.
    """
    relations = package.relationships(part)
    by_kind = {relation.kind: relation.target for relation in relations.values()}
    sheets: list[ListedSheet] = []
    since_1904 = calculated = recalculates = False
    with package.open(part) as file:
        for parent, name, attributes in elements(file, part):
            if name == "sheet" and parent == "sheets":
                title = attributes.get("name", "")
                relation_id = _relation_id(attributes)
                if relation_id == "":
                    # Excel lists the old Visual Basic modules of a workbook so.
                    continue
                relation = relations.get(relation_id) if relation_id else None
                if relation is None:
                    raise workbook_damaged(f"the sheet {title!r} has no part")
                if relation.kind == "worksheet":
                    sheets.append(ListedSheet(title, attributes.get("state", "visible") == "visible", relation.target))
            elif parent != "workbook":
                # Extensions have tags of the same names: Excel adds an x15:workbookPr that is silent about 1904.
                continue
            elif name == "workbookPr":
                since_1904 = attributes.get("date1904", "0") in _TRUE
            elif name == "fileVersion":
                calculated = "appName" in attributes
            elif name == "calcPr":
                recalculates = attributes.get("fullCalcOnLoad", "0") in _TRUE
    if len(sheets) > _MAX_SHEETS:
        raise workbook_too_large(f"the workbook has {len(sheets):,} sheets, more than {_MAX_SHEETS:,}")
    formats = _formats(package, by_kind.get("styles"))
    texts = _shared_texts(package, by_kind.get("sharedStrings"))
    return XlsxBook(sheets, formats, texts, since_1904, calculated, recalculates)


def _relation_id(attributes: dict[str, str]) -> str | None:
    """The relationship of a sheet; each workbook chooses the prefix of the namespace."""
    return next((value for name, value in attributes.items() if name.endswith(":id")), None)


def _formats(package: Package, part: str | None) -> list[NumberFormat]:
    """The number format of each style."""
    if part is None or not package.has(part):
        return []
    codes: dict[int, str] = {}
    numbers: list[int] = []
    with package.open(part) as file:
        for parent, name, attributes in elements(file, part):
            if name == "numFmt" and parent == "numFmts":
                codes[_number(attributes)] = attributes.get("formatCode", "")
            elif name == "xf" and parent == "cellXfs":
                numbers.append(_number(attributes))
    known = {number: number_format(number, codes) for number in set(numbers)}
    return [known[number] for number in numbers]


def _number(attributes: Mapping[str, str]) -> int:
    """The number of a format; 0, the default, where it is missing."""
    number = attributes.get("numFmtId", "").strip()
    return int(number) if number.isdecimal() and len(number) < 10 else 0


def _shared_texts(package: Package, part: str | None) -> list[str]:
    if part is None or not package.has(part):
        return []
    with package.open(part) as file:
        return _read_texts(file, part)


def _read_texts(file: IO[bytes], part: str) -> list[str]:
    """Each ``si``: the texts of its runs, without their pronunciation (``rPh``)."""
    texts: list[str] = []
    pieces: list[str] = []
    characters: list[str] = []
    depth = spoken = size = 0

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal depth, spoken
        depth += 1
        if depth > MAX_DEPTH:
            raise too_deep(part)
        characters.clear()
        match name.rpartition(":")[2]:
            case "si":
                pieces.clear()
            case "rPh":
                spoken = depth

    def end(name: str) -> None:
        nonlocal depth, spoken
        match name.rpartition(":")[2]:
            case "t" if not spoken:
                pieces.extend(characters)
            case "si":
                texts.append(unescaped("".join(pieces)))
            case "rPh":
                spoken = 0
        depth -= 1
        characters.clear()

    parser = xml_parser()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = characters.append
    counted = 0
    for _ in feed(parser, file, part):
        size += sum(map(len, texts[counted:]))
        counted = len(texts)
        if counted > MAX_SHARED_TEXTS or size > _MAX_SHARED_CHARACTERS:
            raise workbook_too_large(f"{part} has {counted:,} texts with {size:,} characters")
        if len(pieces) + len(characters) > _MAX_PIECES:
            raise workbook_too_large(f"{part} has a text of many megabytes")
    return texts


def unescaped(text: str) -> str:
    """A text in which Excel's escapes, such as ``_x000D_`` for a carriage return, are characters again."""
    return _ESCAPED.sub(_characters, text) if "_x" in text else text


def _characters(match: re.Match[str]) -> str:
    units = b"".join(int(code, 16).to_bytes(2, "little") for code in re.findall("x([0-9A-Fa-f]{4})_", match[0]))
    try:
        return units.decode("utf-16-le")
    except UnicodeDecodeError:
        return match[0]
