"""The records of Excel 2 to 4 in the layout of those of Excel 5. Their files hold one sheet each."""

import struct
from collections.abc import Iterator

from etl_platform.engine.reading.workbooks import biff_records as biff

SIGNATURES = (b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00")
"""First bytes of a file of Excel 2, 3 and 4."""
_BIFF2, _BIFF3, _BIFF4 = 0, 2, 4
_INTEGER_2, _NUMBER_2, _LABEL_2, _BOOL_ERROR_2, _FORMULA_2, _STRING_2 = range(0x02, 0x08)
_CELLS_2 = {_INTEGER_2, _NUMBER_2, _LABEL_2, _BOOL_ERROR_2, _FORMULA_2}
_FORMAT_2, _XF_3, _XF_4 = 0x1E, 0x243, 0x443
_FORMATS_2 = 64
_FIRST_DATE_2 = 12
"""Excel 2 and 3 number their formats without the two fractions that Excel 4 inserted there."""


def newer_records(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """The records of a file of one sheet, as Excel 5 writes them."""
    version = stream[1]
    formats = 0
    if version == _BIFF2:
        for number in range(_FORMATS_2):
            yield biff.XF, struct.pack("<HH", 0, number)
    if version != _BIFF4:
        yield from _dates_of_excel_2()
    for kind, body in biff.records(stream, 0, len(stream), must_end=True):
        if kind in {_FORMAT_2, biff.FORMAT}:
            code = body[1:] if kind == _FORMAT_2 else body[3:]
            yield biff.FORMAT, struct.pack("<HB", formats, min(len(code), 255)) + code
            formats += 1
        elif kind == biff.FONT:
            # Fonts of Excel 2 have no character set.
            continue
        elif kind in {_XF_3, _XF_4}:
            yield biff.XF, struct.pack("<HH", body[0], body[1])
        elif kind in {biff.FORMULA_3, biff.FORMULA_4}:
            yield biff.FORMULA, _formula(body[:6], body[6:14])
        elif version == _BIFF2 and kind in _CELLS_2:
            yield _cell_of_excel_2(kind, body)
        elif version == _BIFF2 and kind == _STRING_2:
            yield biff.STRING, struct.pack("<H", body[0]) + body[1:]
        else:
            yield kind, body


def _cell_of_excel_2(kind: int, body: bytes) -> tuple[int, bytes]:
    """A cell with three bytes of attributes, of which the second one names the number format."""
    place, value = body[:4] + struct.pack("<H", body[5] & 0x3F), body[7:]
    if kind == _INTEGER_2:
        return biff.NUMBER, place + struct.pack("<d", *struct.unpack_from("<H", value))
    if kind == _NUMBER_2:
        return biff.NUMBER, place + value
    if kind == _LABEL_2:
        return biff.LABEL, place + struct.pack("<H", value[0]) + value[1:]
    if kind == _BOOL_ERROR_2:
        return biff.BOOL_ERROR, place + value
    return biff.FORMULA, _formula(place, value[:8])


def _formula(place: bytes, result: bytes) -> bytes:
    """A formula that Excel has calculated: the number behind the flags is not 0."""
    return place + result + struct.pack("<HI", 0, 1)


def _dates_of_excel_2() -> Iterator[tuple[int, bytes]]:
    """The built-in formats for dates and times, where the file lists none; those it lists come later and win."""
    codes = ("d/m/yy", "d-mmm-yy", "d-mmm", "mmm-yy", "h:mm AM/PM", "h:mm:ss AM/PM", "h:mm", "h:mm:ss", "d/m/yy h:mm")
    for number, code in enumerate(codes, _FIRST_DATE_2):
        yield biff.FORMAT, struct.pack("<HB", number, len(code)) + code.encode()
