"""An .xls workbook of Excel 5 to 2003 → its sheets: [MS-XLS]. An OLE file holds its records, or a bare file does."""

import struct
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.other_formats import not_tabular
from etl_platform.engine.reading.signatures import ole_format
from etl_platform.engine.reading.workbooks import biff_records as biff
from etl_platform.engine.reading.workbooks import older_biff
from etl_platform.engine.reading.workbooks.biff_strings import shared_strings, unicode_text, without_nul
from etl_platform.engine.reading.workbooks.number_formats import number_format
from etl_platform.engine.reading.workbooks.ole_file import OLE_SIGNATURE, OleFile
from etl_platform.engine.reading.workbooks.sheets import workbook_too_large
from etl_platform.engine.reading.workbooks.xls_cells import CellStyle, SheetCells, SheetReader
from etl_platform.engine.reading.workbooks.xls_code_pages import font_encoding, text_encoding

MAX_CELLS = 8_000_000
"""Of all sheets, which are in memory as Python objects."""
MAX_CHARACTERS = 1 << 28
"""Of all cells: a text that many cells share counts for each."""
_WORKSHEET_TYPE = 0x10
_MISSING_FONT = 4
_LONGEST_CODE = 255
_STREAM_NAMES = ("Workbook", "Book")
"""A file for both Excel 97 and Excel 95 has both."""
_BARE = (b"\x09\x08\x08\x00", b"\x09\x08\x10\x00", b"\x09\x08\x06\x00")


@dataclass(frozen=True)
class FoundSheet:
    name: str
    visible: bool
    cells: SheetCells


@dataclass(frozen=True)
class XlsWorkbook:
    """The worksheets in their order, and whether dates count from 1904."""

    sheets: Sequence[FoundSheet]
    since_1904: bool


@dataclass
class _Globals:
    """What the sheets of a workbook share.

    Attributes:
        sheets: name, whether Excel shows it, and place. Names of Excel 95 are bytes of its code page.
        places: of all sheets, charts and macros too.
        codes: number formats by their number.
        styles: font and number format of each style.
        fonts: the encoding of each font of Excel 95.
        shared: the records with the shared texts of Excel 97.
    """

    version: int
    code_page: int | None = None
    since_1904: bool = False
    sheets: list[tuple[bytes | str, bool, int]] = field(default_factory=list)
    places: set[int] = field(default_factory=set)
    codes: dict[int, str] = field(default_factory=dict)
    styles: list[tuple[int, int]] = field(default_factory=list)
    fonts: list[str | None] = field(default_factory=list)
    shared: list[bytes] = field(default_factory=list)

    def cell_styles(self) -> list[CellStyle]:
        forms = {number: number_format(number, self.codes) for _, number in self.styles}
        return [CellStyle(forms[number], self._font_encoding(font)) for font, number in self.styles]

    def _font_encoding(self, font: int) -> str | None:
        # The fifth font has number 5.
        place = font - (font > _MISSING_FONT)
        return self.fonts[place] if place < len(self.fonts) else None

    def reader(self) -> SheetReader:
        texts = shared_strings(self.shared) if self.shared else []
        return SheetReader(self.version, self.cell_styles(), texts, since_1904=self.since_1904)


_RawSheet = tuple[bytes | str, bool, SheetCells]
"""Name, whether Excel shows the sheet, and its cells."""


def is_xls(head: bytes) -> bool:
    """Whether a file with these first bytes is an OLE file or has the records of a workbook."""
    return head.startswith((OLE_SIGNATURE, *_BARE, *older_biff.SIGNATURES))


def read_xls(content: bytes, *, mask: bool = False) -> XlsWorkbook:
    """Every worksheet.

    Args:
        mask: texts must not be shown in messages.

    Raises:
        ValueError, LookupError, struct.error: the file is cut off or damaged.
        UnreadableFileError: ``encrypted``, ``encoding_undecidable``, or ``not_tabular`` for another OLE file.
    """
    stream = _workbook_stream(content)
    kind, _, version, type_ = struct.unpack_from("<HHHH", stream)
    if kind not in biff.BEGINNINGS:
        raise ValueError("its first record is not the beginning of a workbook")
    if kind == biff.BOF and type_ != _WORKSHEET_TYPE:
        shared, found = _read_sheets(stream, biff.BIFF8 if version == biff.BIFF8 else biff.BIFF5)
    else:
        shared, found = _read_only_sheet(stream, type_)
    _settle_doubtful([cells for _, _, cells in found])
    return XlsWorkbook(_decoded(found, shared, mask=mask), shared.since_1904)


def _decoded(sheets: Sequence[_RawSheet], shared: _Globals, *, mask: bool) -> list[FoundSheet]:
    """The sheets with text in place of bytes."""
    if shared.version == biff.BIFF8:
        return [FoundSheet(str(name), visible, cells) for name, visible, cells in sheets]
    texts: dict[bytes, str] = {}
    for name, _, cells in sheets:
        shown = name if isinstance(name, str) else name.decode("ascii", "replace")
        for text, (row, column) in cells.coded_texts().items():
            texts.setdefault(text, f"sheet {shown}, row {row + 1:,}, column {column + 1:,}")
    encoding = text_encoding(shared.code_page, texts, mask=mask)
    found: list[FoundSheet] = []
    for name, visible, cells in sheets:
        cells.decode(encoding)
        found.append(FoundSheet(name if isinstance(name, str) else name.decode(encoding, "replace"), visible, cells))
    return found


def _read_sheets(stream: bytes, version: int) -> tuple[_Globals, list[_RawSheet]]:
    shared = _read_globals(biff.records(stream, 0, len(stream)), version)
    reader = shared.reader()
    places = sorted({*shared.places, len(stream)})
    found: list[_RawSheet] = []
    cells = characters = 0
    for name, visible, place in shared.sheets:
        if not _is_worksheet(stream, place):
            continue
        sheet = reader.read(biff.records(stream, place, places[bisect_right(places, place)]))
        found.append((name, visible, sheet))
        cells, characters = cells + sheet.size, characters + sheet.characters
        _refuse_size(cells, characters)
    return shared, found


def _read_only_sheet(stream: bytes, type_: int) -> tuple[_Globals, list[_RawSheet]]:
    """The sheet of a file without a workbook, as Excel 2 to 4 and some programs of today write it."""
    if type_ != _WORKSHEET_TYPE:
        raise not_tabular("a workbook, chart or macro of Excel 4 or older")
    is_older = stream.startswith(older_biff.SIGNATURES)
    newer = older_biff.newer_records(stream) if is_older else biff.records(stream, 0, len(stream), must_end=True)
    records = list(newer)
    version = struct.unpack_from("<H", stream, 4)[0]
    shared = _read_globals(records, biff.BIFF8 if version == biff.BIFF8 and not is_older else biff.BIFF5)
    sheet = shared.reader().read(records)
    _refuse_size(sheet.size, sheet.characters)
    return shared, [("Sheet1", True, sheet)]


def _refuse_size(cells: int, characters: int) -> None:
    if cells > MAX_CELLS:
        raise workbook_too_large(f"the workbook has {cells:,} cells, blank ones between others included")
    if characters > MAX_CHARACTERS:
        raise workbook_too_large(f"the texts of the workbook have {characters:,} characters")


def _settle_doubtful(sheets: Sequence[SheetCells]) -> None:
    """A program that calculated none of its formulas has not calculated those with a result of 0 or nothing."""
    if not any(cells.has_results for cells in sheets):
        for cells in sheets:
            cells.uncalculated += cells.doubtful


def _is_worksheet(stream: bytes, place: int) -> bool:
    kind, _, _, type_ = struct.unpack_from("<HHHH", stream, place)
    if kind != biff.BOF:
        raise ValueError(f"no sheet begins at byte {place:,} of its records")
    return bool(type_ == _WORKSHEET_TYPE)


def _workbook_stream(content: bytes) -> bytes:
    if not content.startswith(OLE_SIGNATURE):
        return content
    try:
        file = OleFile(content)
        stream = _first_stream(file, anywhere=False)
    except (ValueError, LookupError, struct.error):
        _refuse_other_format(content)
        raise
    if stream is None:
        _refuse_other_format(content)
        stream = _first_stream(file, anywhere=True)
    if stream is None:
        raise not_tabular("an OLE file without a workbook")
    return stream


def _first_stream(file: OleFile, *, anywhere: bool) -> bytes | None:
    streams = (file.stream(name, anywhere=anywhere) for name in _STREAM_NAMES)
    return next((stream for stream in streams if stream is not None), None)


def _refuse_other_format(content: bytes) -> None:
    format_ = ole_format(content)
    if format_ == "encrypted":
        raise encrypted()
    if format_:
        raise not_tabular(format_)


def encrypted() -> UnreadableFileError:
    return UnreadableFileError(
        "encrypted",
        "the workbook or its structure is protected by a password; remove the protection in Excel and save it again",
    )


def _read_globals(records: Iterable[tuple[int, bytes]], version: int) -> _Globals:
    found = _Globals(version)
    is_old = version < biff.BIFF8
    is_shared = False
    for kind, body in records:
        is_shared = kind == biff.SHARED_STRINGS or (is_shared and kind == biff.CONTINUE)
        if kind == biff.FILE_PASS:
            raise encrypted()
        if kind == biff.CODE_PAGE:
            found.code_page = struct.unpack_from("<H", body)[0]
        elif kind == biff.DATE_MODE:
            found.since_1904 = body[0] == 1
        elif kind == biff.BOUND_SHEET:
            _add_sheet(found, body, is_old=is_old)
        elif kind == biff.FORMAT:
            number, code = _format(body, is_old=is_old)
            found.codes[number] = code
        elif kind == biff.XF:
            found.styles.append(struct.unpack_from("<HH", body))
        elif kind == biff.FONT and is_old:
            found.fonts.append(font_encoding(body[12]))
        elif is_shared:
            found.shared.append(body)
    return found


def _add_sheet(found: _Globals, body: bytes, *, is_old: bool) -> None:
    place, hidden, type_, size = struct.unpack_from("<IBBB", body)
    if place in found.places:
        raise ValueError(f"two of its sheets begin at byte {place:,}")
    found.places.add(place)
    name = body[7 : 7 + size] if is_old else without_nul(unicode_text(size, [body[7:]]))
    if type_ == 0:
        found.sheets.append((name, not hidden & 3, place))


def _format(body: bytes, *, is_old: bool) -> tuple[int, str]:
    """Number and code of a format. The signs that decide about dates and zeros are ASCII in every code page."""
    number, size = struct.unpack_from("<HB" if is_old else "<HH", body)
    if is_old:
        return number, body[3 : 3 + size].decode("latin-1")
    try:
        return number, unicode_text(min(size, _LONGEST_CODE), [body[4:]])
    except (ValueError, LookupError):
        # Some programs cut long codes off.
        return number, body[5 : 5 + _LONGEST_CODE].decode("latin-1")
