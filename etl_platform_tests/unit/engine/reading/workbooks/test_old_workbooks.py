"""Workbooks of Excel 97 to 2003 (.xls), written here record by record: [MS-CFB], [MS-XLS]."""

import random
import struct
from contextlib import suppress
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from etl_platform.engine.check import check_file
from etl_platform.engine.columns import LINE
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.workbooks import xls_workbook
from etl_platform.engine.split import SILVER
from etl_platform_tests.unit.engine.reading.workbooks.xls_writer import record
from etl_platform_tests.unit.making import cells_of, contract_of, custom, read_back, text, typed

CONTRACT = contract_of([text("ident"), text("label"), text("remark")])
ERRORS = {"#N/A": 42, "#REF!": 23}
PLAIN, PADDED, DAY = 0, 1, 2
Cell = str | float | bool | tuple[float, int] | None


def cell(row: int, column: int, value: Cell) -> bytes:
    place = struct.pack("<HH", row, column)
    match value:
        case None:
            return b""
        case bool():
            return record(0x205, place + struct.pack("<HBB", PLAIN, value, 0))
        case str() if value in ERRORS and column == 1:
            return record(0x205, place + struct.pack("<HBB", PLAIN, ERRORS[value], 1))
        case str() if value in ERRORS:
            formula = struct.pack("<HBBBBHHHIH", PLAIN, 2, 0, ERRORS[value], 0, 0, 0xFFFF, 0, 0, 3) + b"\x1e\1\0"
            return record(0x06, place + formula)
        case str():
            wide = value.encode("utf-16-le")
            return record(0x204, place + struct.pack("<HHB", PLAIN, len(value), 1) + wide)
        case (number, style) if number == int(number):
            rk = int(number) << 2 | 2
            return record(0xBD, place + struct.pack("<HiH", style, rk, column))
        case (number, style):
            return record(0x203, place + struct.pack("<Hd", style, number))
        case _:
            return record(0x203, place + struct.pack("<Hd", PLAIN, value))


def xls(rows: list[list[Cell]], *, since_1904: bool = False, sheet: str = "Día") -> bytes:
    start = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0))
    start += record(0x22, struct.pack("<H", since_1904))
    start += record(0x41E, struct.pack("<HHB", 164, 5, 0) + b"00000")
    for code in (0, 164, 14):
        start += record(0xE0, struct.pack("<HH", 0, code) + bytes(16))
    name = sheet.encode("utf-16-le")
    size = len(start) + 4 + 8 + len(name) + 4
    start += record(0x85, struct.pack("<IBBBB", size, 0, 0, len(sheet), 1) + name) + record(0x0A, b"")
    body = b"".join(cell(r, c, value) for r, row in enumerate(rows) for c, value in enumerate(row))
    stream = start + record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0)) + body + record(0x0A, b"")
    return ole(stream.ljust(max(4_096, -(-len(stream) // 512) * 512), b"\0"))


def of_excel_95(*cells: bytes) -> bytes:
    """A sheet of records in the older format: texts of one byte a character, in the code page that it names."""
    start = record(0x809, struct.pack("<HHHH", 0x500, 5, 0, 0)) + record(0x42, struct.pack("<H", 1_252))
    start += record(0x22, struct.pack("<H", 1)) + record(0x41E, struct.pack("<HB", 164, 4) + b"0000")
    for code in (0, 164, 14):
        start += record(0xE0, struct.pack("<HH", 0, code) + bytes(12))
    name = "Día".encode("cp1252")
    place = len(start) + 4 + 7 + len(name) + 4
    start += record(0x85, struct.pack("<IHB", place, 0, len(name)) + name) + record(0x0A, b"")
    stream = start + record(0x809, struct.pack("<HHHH", 0x500, 0x10, 0, 0)) + b"".join(cells) + record(0x0A, b"")
    return ole(stream.ljust(4_096, b"\0"), "Book")


def narrow(row: int, column: int, value: str) -> bytes:
    return record(0x204, struct.pack("<HHHH", row, column, PLAIN, len(value)) + value.encode("cp1252"))


def ole(stream: bytes, name: str = "Workbook") -> bytes:
    """A file of one stream: header, table of sectors, directory, then the stream."""
    count = len(stream) // 512
    assert count < 120
    links = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, count + 2), 0xFFFFFFFE]
    table = struct.pack("<128I", *links, *[0xFFFFFFFF] * (128 - len(links)))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(10)
    head += struct.pack("<IIIIIIII", 1, 1, 0, 4_096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    head += struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)

    def entry(name: str, kind: int, child: int, first: int, size: int) -> bytes:
        text = name.encode("utf-16-le").ljust(64, b"\0")
        links = struct.pack("<HBBIII", 2 * len(name) + 2, kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child)
        return text + links + bytes(36) + struct.pack("<IQ", first, size)

    directory = entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + entry(name, 2, 0xFFFFFFFF, 2, len(stream))
    return head + table + directory.ljust(512, b"\0") + stream


ROWS: list[list[Cell]] = [
    ["ident", "label", "remark"],
    [(123, PADDED), "#N/A", "Peña"],
    [(7.5, PADDED), "x", "#REF!"],
    ["0012", 123.0, (45_000, DAY)],
    ["y", None, True],
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "delivery.xls"


def test_an_old_workbook_reads_as_excel_shows_it(path: Path) -> None:
    path.write_bytes(xls(ROWS))
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [
        ("00123", "#N/A", "Peña"),
        ("7.5", "x", "#REF!"),
        ("0012", "123", "2023-03-15"),
        ("y", "", "true"),
    ]
    assert (table.describe().sheet, table.describe().format) == ("Día", "excel")


def test_dates_of_an_old_workbook_count_from_1900_or_1904(path: Path) -> None:
    serial = custom(formats=["excelSerial"])
    contract = contract_of([text("ident"), typed("label", "date", customProperties=serial), typed("remark", "date")])
    for since_1904, days in ((False, 45_000.0), (True, 43_538.0)):
        path.write_bytes(xls([["ident", "label", "remark"], ["a", days, None]], since_1904=since_1904))
        assert not check_file(path, contract, path.parent).errors
        assert pl.read_parquet(path.parent / SILVER)["label"].to_list() == [date(2023, 3, 15)]


def test_negative_dates_of_an_old_workbook_are_numbers_in_every_record_type(path: Path) -> None:
    rows: list[list[Cell]] = [["ident", "label", "remark"], [(-1, DAY), (-45_000.7, DAY), (-0.5, PADDED)]]
    content = xls(rows)
    packed = record(0xBD, struct.pack("<HHHiH", 1, 0, DAY, -1 << 2 | 2, 0))
    assert packed in content
    path.write_bytes(content)
    assert cells_of(read_back(path, CONTRACT)[1]) == [("-1", "-45000.7", "-0.5")]
    half = struct.unpack("<ii", struct.pack("<d", -0.5))[1]
    for rk, number in ((half, "-0.5"), (-150 << 2 | 3, "-1.5"), (half | 1, "-0.005")):
        path.write_bytes(content.replace(packed, record(0xBD, struct.pack("<HHHiH", 1, 0, DAY, rk, 0))))
        assert cells_of(read_back(path, CONTRACT)[1])[0][0] == number
        single = struct.pack("<HHHi", 1, 0, DAY, rk)
        path.write_bytes(
            of_excel_95(*(narrow(0, c, str(name)) for c, name in enumerate(rows[0])), record(0x27E, single))
        )
        assert cells_of(read_back(path, CONTRACT)[1])[0][0] == number


def test_the_text_result_of_a_formula_gets_no_leading_zeros(path: Path) -> None:
    head = [narrow(0, column, name) for column, name in enumerate(("ident", "label", "remark"))]
    number = struct.pack("<HHHdHIH", 1, 0, DAY, -2.0, 0, 0, 3) + b"\x1e\1\0"
    words = struct.pack("<HHHBBBBHHHIH", 1, 1, PADDED, 0, 0, 0, 0, 0, 0xFFFF, 0, 0, 3) + b"\x1e\1\0"
    told = record(0x207, struct.pack("<H", 1) + b"7")
    path.write_bytes(of_excel_95(*head, record(0x06, number), record(0x06, words), told, narrow(1, 2, "x")))
    assert cells_of(read_back(path, CONTRACT)[1]) == [("-2", "7", "x")]


def test_a_workbook_of_excel_95_reads_as_excel_shows_it(path: Path) -> None:
    head = [narrow(0, column, name) for column, name in enumerate(ROWS[0]) if isinstance(name, str)]
    first = [narrow(1, 0, "Peña"), cell(1, 1, "#N/A"), cell(1, 2, (42, PADDED))]
    second = [cell(2, 0, "#REF!"), narrow(2, 1, "x"), cell(2, 2, (45_000.0, DAY))]
    path.write_bytes(of_excel_95(*head, *first, *second))
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("Peña", "#N/A", "0042"), ("#REF!", "x", "2027-03-16")]
    assert table.serial_origin == date(1904, 1, 1)


def test_a_short_stream_outside_of_the_mini_stream_is_read(path: Path) -> None:
    content = xls(ROWS)
    size = struct.pack("<Q", 4_096)
    assert size in content
    path.write_bytes(content.replace(size, struct.pack("<Q", 4_000)))
    assert read_back(path, CONTRACT)[1].height == 4


def test_an_old_workbook_with_bytes_changed_or_cut_is_read_or_refused(path: Path) -> None:
    whole, dice = xls(ROWS), random.Random(5)
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            content[dice.randrange(len(content))] = dice.choice([0, 1, 255, dice.randrange(256)])
        path.write_bytes(bytes(content[: dice.choice([len(content), dice.randrange(9, len(content))])]))
        with suppress(UnreadableFileError):
            read_back(path, CONTRACT)


def test_a_stray_cell_far_below_does_not_hide_the_table(path: Path) -> None:
    stray: list[Cell] = [None] * 200 + ["x"]
    path.write_bytes(xls([["ident", "label", "remark"], ["1", "a", "b"], *[[]] * 60_000, stray]))
    table, frame = read_back(path, CONTRACT)
    assert (frame[LINE].to_list(), frame["0"].to_list()) == ([2], ["1"])
    assert [line.line for line in table.describe().dropped] == [60_003]


def test_an_old_workbook_with_too_many_cells_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xls_workbook, "MAX_CELLS", 14)
    path.write_bytes(xls(ROWS))
    with pytest.raises(UnreadableFileError, match=r"has 15 cells") as caught:
        read_back(path, CONTRACT)
    assert caught.value.code == "workbook_too_large"


def test_an_xls_cell_beyond_column_256_is_damage(path: Path) -> None:
    path.write_bytes(xls([["ident", "label", "remark"], ["1", "a", "b", *[None] * 253, "x"]]))
    with pytest.raises(UnreadableFileError, match=r"row 2, column 257: \.xls has only 256 columns") as caught:
        read_back(path, CONTRACT)
    assert caught.value.code == "workbook_damaged"


@pytest.mark.parametrize(("place", "value"), [(30, b"\xff\xff"), (30, b"\x1c\0"), (72, b"\xff\xff\xff\x7f")])
def test_a_damaged_head_is_refused_without_a_long_search(path: Path, place: int, value: bytes) -> None:
    """Sectors of impossible size, or more of them listed than the file has."""
    content = bytearray(xls([["ident", "label", "remark"], ["1", "a", "b"]]))
    content[place : place + len(value)] = value
    path.write_bytes(content)
    with suppress(UnreadableFileError):
        assert read_back(path, CONTRACT)[1].height == 1
