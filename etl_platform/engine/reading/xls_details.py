"""The same cell details as ``xlsx_details``, from the binary records of an .xls.

An OLE file holds a stream ``Workbook`` of records: [MS-CFB] 2.2 and 2.6, [MS-XLS] 2.4. Excel 95 calls the stream
``Book`` and writes one byte for each character.
"""

import struct
from collections.abc import Iterator, Sequence

from etl_platform.engine.reading.number_formats import is_date_format, number_text, zero_template
from etl_platform.engine.reading.xlsx_details import (
    MAX_SHEET_CELLS,
    SheetDetails,
    WorkbookDetails,
    workbook_too_large,
)

_ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}
_END_OF_CHAIN = 0xFFFFFFF8
_FORMULA, _EOF, _DATE_MODE, _BOUND_SHEET, _MUL_RK, _XF = 0x06, 0x0A, 0x22, 0x85, 0xBD, 0xE0
_NUMBER, _BOOL_ERROR, _RK, _FORMAT = 0x203, 0x205, 0x27E, 0x41E
_CELLS = {_FORMULA, _MUL_RK, _NUMBER, _BOOL_ERROR, _RK, 0xBE, 0xD6, 0xFD, 0x201, 0x204}
"""Records of a cell or of several cells in a row; each begins with row and column."""
_CODE_PAGE, _BIFF5, _BIFF8 = 0x42, 0x500, 0x600
_OTHER_CODE_PAGES = {367: "ascii", 10_000: "mac_roman", 32_768: "mac_roman", 32_769: "cp1252"}
_MAX_COLUMNS = 256


def scan_xls(content: bytes) -> WorkbookDetails:
    """Details of every sheet; empty if it is not a workbook of Excel 95 or later, which calamine then reports.

    Raises:
        ValueError, LookupError, struct.error: the file is cut off or damaged.
        UnreadableFileError: ``workbook_too_large``; calamine allocates a sheet from its first to its last cell.
    """
    stream = _workbook_stream(content)
    version = struct.unpack_from("<H", stream, 4)[0] if len(stream) >= 8 else 0
    if version not in {_BIFF5, _BIFF8}:
        return WorkbookDetails({}, since_1904=False)
    old, page = version == _BIFF5, "cp1252"
    offsets: dict[str, int] = {}
    codes: dict[int, str] = {}
    formats: list[int] = []
    since_1904 = False
    for kind, body in _records(stream, 0):
        if kind == _CODE_PAGE:
            number = struct.unpack_from("<H", body)[0]
            page = _OTHER_CODE_PAGES.get(number, f"cp{number}")
        elif kind == _BOUND_SHEET:
            name = body[7 : 7 + body[6]].decode(page) if old else _text(body[6], body[7], body[8:])
            offsets[name] = struct.unpack_from("<I", body)[0]
        elif kind == _DATE_MODE:
            since_1904 = body[0] == 1
        elif kind == _FORMAT:
            number, size, flags = struct.unpack_from("<HBB" if old else "<HHB", body)
            codes[number] = body[3 : 3 + size].decode(page) if old else _text(size, flags, body[5:])
        elif kind == _XF:
            formats.append(struct.unpack_from("<H", body, 2)[0])
    format_codes = [codes.get(number, str(number)) for number in formats]
    styles = [(zero_template(code), is_date_format(code)) for code in format_codes]
    sheets: dict[str, SheetDetails] = {}
    grid_cells = 0
    for name, start in offsets.items():
        sheets[name], rows, columns = _sheet_details(stream, start, styles)
        grid_cells += rows * columns
        if grid_cells > MAX_SHEET_CELLS:
            raise workbook_too_large(
                f"sheet {name} spans {rows:,} rows and {columns:,} columns; delete its stray cells"
            )
    return WorkbookDetails(sheets, since_1904)


def _sheet_details(
    stream: bytes, start: int, styles: Sequence[tuple[str | None, bool]]
) -> tuple[SheetDetails, int, int]:
    """Details of one sheet, and how many rows and columns its cells span.

    Args:
        start: offset of the sheet's records.
        styles: for each style its zero template, and whether it shows a date or time.
    """
    details = SheetDetails()
    rows: set[int] = set()
    columns: set[int] = set()
    for kind, body in _records(stream, start):
        if kind in _CELLS:
            row, column = struct.unpack_from("<HH", body)
            if column >= _MAX_COLUMNS:
                raise ValueError(
                    f"row {row + 1:,} has a cell in column {column + 1:,}, but .xls has {_MAX_COLUMNS} columns"
                )
            rows.add(row)
            columns.add(column)
        if kind == _BOOL_ERROR and body[7]:
            details.texts[struct.unpack_from("<HH", body)] = _ERRORS.get(body[6], "#ERROR!")
        elif kind == _FORMULA and body[12:14] == b"\xff\xff" and body[6] == 2:
            details.texts[struct.unpack_from("<HH", body)] = _ERRORS.get(body[8], "#ERROR!")
        for row, column, style, number in _numbers(kind, body):
            template, is_date = styles[style]
            if is_date and number < 0:
                details.texts[row, column] = number_text(number)
            elif template:
                details.templates[row, column] = template
    return details, _span(rows), _span(columns)


def _numbers(kind: int, body: bytes) -> Iterator[tuple[int, int, int, float]]:
    """Row, column, style and value of each number in a record."""
    if kind == _NUMBER or (kind == _FORMULA and body[12:14] != b"\xff\xff"):
        yield struct.unpack_from("<HHHd", body)
    elif kind in {_RK, _MUL_RK}:
        row, first = struct.unpack_from("<HH", body)
        for place in range((len(body) - 4) // 6):
            style, packed = struct.unpack_from("<Hi", body, 4 + 6 * place)
            whole = float(packed >> 2) if packed & 2 else struct.unpack("<d", struct.pack("<ii", 0, packed & ~3))[0]
            yield row, first + place, style, whole / 100 if packed & 1 else whole


def _span(places: set[int]) -> int:
    return max(places) - min(places) + 1 if places else 0


def _records(stream: bytes, place: int) -> Iterator[tuple[int, bytes]]:
    """Kind and body of each record up to the end of the substream that begins here."""
    while place + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, place)
        if kind == _EOF:
            return
        yield kind, stream[place + 4 : place + 4 + size]
        place += 4 + size


def _text(size: int, flags: int, body: bytes) -> str:
    return body[: 2 * size].decode("utf-16-le") if flags & 1 else body[:size].decode("latin-1")


def _workbook_stream(content: bytes) -> bytes:
    """The stream, by its name in the directory. Excel never writes one so small that it is in the mini stream."""
    shift = struct.unpack_from("<H", content, 30)[0]
    if shift not in {9, 12}:
        raise ValueError(f"its sectors have 2**{shift} bytes")
    sector_size = 1 << shift
    first_directory, listed = struct.unpack_from("<I", content, 48)[0], list(struct.unpack_from("<109I", content, 76))
    more, count = struct.unpack_from("<II", content, 68)

    def sector(number: int) -> bytes:
        return content[(number + 1) * sector_size : (number + 2) * sector_size]

    entries = sector_size // 4
    sectors = len(content) // sector_size
    for _ in range(min(count, sectors)):
        *numbers, more = struct.unpack(f"<{entries}I", sector(more))
        listed += numbers
    listed = [number for number in listed if number < _END_OF_CHAIN]
    if len(listed) > sectors:
        raise ValueError(f"it lists {len(listed):,} sectors of links and has {sectors:,} sectors")
    table = [link for number in listed for link in struct.unpack(f"<{entries}I", sector(number))]

    def chain(number: int) -> bytes:
        parts: list[bytes] = []
        while number < _END_OF_CHAIN and len(parts) <= sectors:
            parts.append(sector(number))
            number = table[number]
        return b"".join(parts)

    directory = chain(first_directory)
    for start in range(0, len(directory), 128):
        entry = directory[start : start + 128]
        name = entry[: max(0, struct.unpack_from("<H", entry, 64)[0] - 2)].decode("utf-16-le")
        if name in {"Workbook", "Book"}:
            first, size = struct.unpack_from("<II", entry, 116)
            if size < 4_096:
                raise ValueError(f"its stream has {size:,} bytes, fewer than Excel writes")
            return chain(first)[:size]
    return b""
