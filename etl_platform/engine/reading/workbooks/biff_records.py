"""The records of an .xls workbook: [MS-XLS] 2.3 and 2.4. Their kinds, and how a stream splits into them."""

import struct
from collections.abc import Iterator
from typing import Final

BIFF5: Final = 0x500
BIFF8: Final = 0x600

EOF: Final = 0x0A
DATE_MODE: Final = 0x22
FILE_PASS: Final = 0x2F
FONT: Final = 0x31
CONTINUE: Final = 0x3C
CODE_PAGE: Final = 0x42
BOUND_SHEET: Final = 0x85
XF: Final = 0xE0
SHARED_STRINGS: Final = 0xFC
FORMAT: Final = 0x41E
BOF: Final = 0x809
BEGINNINGS = frozenset({0x09, 0x209, 0x409, BOF})
"""Of a workbook or a sheet: Excel 2, 3, 4, and 5 or later."""

COLUMNS: Final = 0x7D
MERGED: Final = 0xE5
ROW: Final = 0x208

FORMULA: Final = 0x06
FORMULA_3: Final = 0x206
FORMULA_4: Final = 0x406
MUL_RK: Final = 0xBD
RICH_STRING: Final = 0xD6
LABEL_SHARED: Final = 0xFD
NUMBER: Final = 0x203
LABEL: Final = 0x204
BOOL_ERROR: Final = 0x205
STRING: Final = 0x207
RK: Final = 0x27E

ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}
UNKNOWN_ERROR = "#ERROR!"


def records(stream: bytes, place: int, end: int, *, must_end: bool = False) -> Iterator[tuple[int, bytes]]:
    """Kind and body of each record of the substream at ``place``; substreams within it, such as charts, are left out.

    It ends at ``end`` or before.

    Args:
        must_end: whether a substream without the record EOF at its end is cut off.

    Raises:
        ValueError: it is cut off.
    """
    filled = place + len(stream[place:end].rstrip(b"\0"))
    depth = 0
    header = struct.Struct("<HH").unpack_from
    while place < filled:
        kind, size = header(stream, place)
        if place + 4 + size > end:
            raise ValueError(f"its records are cut off at byte {place:,}")
        if kind == EOF:
            depth -= 1
            if depth <= 0:
                return
        elif kind in BEGINNINGS:
            depth += 1
            if depth == 1:
                yield kind, stream[place + 4 : place + 4 + size]
        elif depth == 1:
            yield kind, stream[place + 4 : place + 4 + size]
        place += 4 + size
    if must_end:
        raise ValueError("its records have no end; the file may be cut off")
