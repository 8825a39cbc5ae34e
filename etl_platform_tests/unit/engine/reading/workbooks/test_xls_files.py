"""Files around the sheets of an .xls: OLE files and damage to them, bare sheets, older versions, false names."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.open_table import open_table
from etl_platform_tests.unit.engine.reading.workbooks.ole_writer import ole
from etl_platform_tests.unit.engine.reading.workbooks.xls_reader import HEAD, book_of, refusal, rows_of
from etl_platform_tests.unit.engine.reading.workbooks.xls_writer import (
    TEXT_RESULT,
    Book,
    SheetOf,
    record,
    workbook,
)


def test_a_workbook_for_two_versions_of_excel_is_read_in_the_newer_one() -> None:
    old, new = book_of(["old", "x"], version=5).stream(), book_of(["new", "x"]).stream()
    assert rows_of(ole({"Book": old, "WORKBOOK": new}))[1] == ["new", "x"]


def test_a_workbook_within_a_word_document_is_not_read() -> None:
    content = bytearray(ole({"WordDocument": bytes(5_000), "Workbook": book_of(["A1", "x"]).stream()}))
    # The next entry of the directory is no longer beside the document's, but somewhere below it.
    beside = content.index("WordDocument".encode("utf-16-le")) + 72
    content[beside : beside + 4] = b"\xff\xff\xff\xff"
    error = refusal(bytes(content))
    assert (error.code, "Word document" in error.message) == ("not_tabular", True)


@pytest.mark.parametrize("version", [5, 8])
def test_a_workbook_with_a_password_is_refused(version: int) -> None:
    book = Book([SheetOf([HEAD])], version=version, first=record(0x2F, struct.pack("<HHH", 0, 1, 2)))
    assert refusal(workbook(book)).code == "encrypted"
    assert refusal(ole({"EncryptionInfo": bytes(100), "EncryptedPackage": bytes(9_000)})).code == "encrypted"


def test_a_chain_of_sectors_that_is_a_loop_or_leads_nowhere_is_damage() -> None:
    stream = book_of(*[[f"A{row}", "x"] for row in range(500)]).stream()

    def loop(links: list[int]) -> None:
        links[5] = 1

    def nowhere(links: list[int]) -> None:
        links[5] = 70_000

    assert "is a loop" in refusal(ole({"Workbook": stream}, change=loop)).message
    assert "leads to sector 70,000" in refusal(ole({"Workbook": stream}, change=nowhere)).message


def test_a_file_whose_table_of_sectors_goes_on_beyond_its_head_is_read() -> None:
    stream = book_of(*[[f"A{row}", "x"] for row in range(500)]).stream()
    content = ole({"Other": bytes(16 << 20), "Workbook": stream})
    assert struct.unpack_from("<I", content, 72)[0] == 2
    assert rows_of(content)[500] == ["A499", "x"]


@pytest.mark.parametrize("shift", [9, 12])
@pytest.mark.parametrize("rows", [1, 500])
def test_streams_beside_the_workbook_and_large_sectors_do_not_matter(shift: int, rows: int) -> None:
    stream = book_of(*[[f"A{row}", "x"] for row in range(rows)]).stream()
    assert (len(stream) < 4_096) == (rows == 1)
    streams = {"\5SummaryInformation": bytes(100), "Workbook": stream, "\1CompObj": bytes(70), "Large": bytes(9_000)}
    assert len(rows_of(ole(streams, shift=shift))) == rows + 1


def test_a_workbook_that_is_cut_off_is_damage() -> None:
    content = workbook(book_of(*[[f"A{row}", "x"] for row in range(500)]))
    for size in range(600, len(content) - 512, 512):
        assert refusal(content[:size]).code == "workbook_damaged"


def test_a_record_that_is_too_short_is_an_error_in_words() -> None:
    error = refusal(bare(record(0x809, struct.pack("<HHHH", 0, 0x10, 0, 0)), record(0x22)))
    assert (error.code, "its records are cut off or damaged" in error.message) == ("workbook_damaged", True)


def test_two_sheets_at_one_place_are_damage() -> None:
    stream = Book([SheetOf([HEAD], "One"), SheetOf([HEAD], "Two")]).stream()
    places = [struct.unpack_from("<I", stream, found)[0] for found in places_of(stream, record(0x85)[:2])]
    content = ole({"Workbook": stream.replace(struct.pack("<I", places[1]), struct.pack("<I", places[0]))})
    assert "two of its sheets begin at" in refusal(content).message


def places_of(stream: bytes, kind: bytes) -> list[int]:
    """Where the bodies of these records begin."""
    found, place = [], 0
    while place < len(stream):
        size = struct.unpack_from("<H", stream, place + 2)[0]
        if stream[place : place + 2] == kind:
            found.append(place + 4)
        place += 4 + size
    return found


def bare(beginning: bytes, *cells: bytes) -> bytes:
    return beginning + b"".join(cells) + record(0x0A)


def test_a_bare_sheet_of_excel_5_is_read() -> None:
    """Many web programs write one: two records around the cells, with version 0."""
    cells = [
        record(0x204, struct.pack("<HHHH", 0, 0, 0, 5) + b"ident"),
        record(0x204, struct.pack("<HHHH", 1, 0, 0, 3) + b"007"),
        record(0x203, struct.pack("<HHHd", 1, 1, 0, 7.5)),
    ]
    assert rows_of(bare(record(0x809, struct.pack("<HHHH", 0, 0x10, 0, 0)), *cells)) == [["ident"], ["007", "7.5"]]


def test_a_bare_sheet_without_its_end_is_damage() -> None:
    whole = bare(record(0x809, struct.pack("<HHHH", 0, 0x10, 0, 0)), record(0x204, bytes(6) + b"\1\0x"))
    assert "have no end" in refusal(whole[:-4]).message


def test_a_sheet_of_excel_2_is_read() -> None:
    attributes = {"plain": bytes(3), "day": b"\0\x0c\0"}
    cells = [
        record(0x04, struct.pack("<HH", 0, 0) + attributes["plain"] + b"\5ident"),
        record(0x02, struct.pack("<HH", 1, 0) + attributes["plain"] + struct.pack("<H", 42)),
        record(0x03, struct.pack("<HH", 1, 1) + attributes["day"] + struct.pack("<d", 45_000)),
        record(0x05, struct.pack("<HH", 2, 0) + attributes["plain"] + b"\x2a\1"),
        record(0x06, struct.pack("<HH", 2, 1) + attributes["plain"] + TEXT_RESULT + b"\0\3\x1e\1\0"),
        record(0x07, b"\1x"),
    ]
    content = bare(record(0x09, struct.pack("<HH", 2, 0x10)), *cells)
    assert rows_of(content) == [["ident"], ["42", "2023-03-15"], ["#N/A", "x"]]


@given(name=st.text("AMabz\u00ff", max_size=20))
def test_fonts_of_excel_2_say_nothing_about_letters(name: str) -> None:
    """Their records are short; where those of Excel 5 have a character set, they may have a letter."""
    font = record(0x31, struct.pack("<HHB", 200, 0, len(name)) + name.encode("latin-1"))
    label = record(0x04, bytes(7) + b"\5Pe\xf1as")
    code_page = record(0x42, struct.pack("<H", 0x8001))
    content = bare(record(0x09, struct.pack("<HH", 2, 0x10)), code_page, *[font] * 6, label)
    assert rows_of(content) == [["Pe\u00f1as"]]


@pytest.mark.parametrize("version", [3, 4])
def test_a_sheet_of_excel_3_or_4_is_read(version: int) -> None:
    beginning = record(0x209 if version == 3 else 0x409, struct.pack("<HHH", 0, 0x10, 0))
    code = b"\7General", b"\x05ddmmy"
    formats = [record(0x1E, part) if version == 3 else record(0x41E, b"\0\0" + part) for part in code]
    styles = [record(0x243 if version == 3 else 0x443, bytes([0, number]) + bytes(10)) for number in (0, 1)]
    cells = [
        record(0x204, struct.pack("<HHHH", 0, 0, 0, 5) + b"ident"),
        record(0x203, struct.pack("<HHHd", 1, 0, 1, 45_000)),
        record(0x206 if version == 3 else 0x406, struct.pack("<HHH", 1, 1, 0) + TEXT_RESULT + bytes(5)),
        record(0x207, struct.pack("<H", 3) + b"yes"),
    ]
    assert rows_of(bare(beginning, *formats, *styles, *cells)) == [["ident"], ["2023-03-15", "yes"]]


def test_a_workbook_of_several_sheets_of_excel_4_is_refused() -> None:
    error = refusal(bare(record(0x409, struct.pack("<HHH", 0, 0x100, 0))))
    assert (error.code, "Excel 4 or older" in error.message) == ("not_tabular", True)


@pytest.mark.parametrize(
    ("content", "format_"),
    [
        (b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook xmlns="urn:x"/>', "Excel 2003"),
        (b'ID;PWXL;N;E\r\nP;PGeneral\r\nC;Y1;X1;K"ident"\r\nE\r\n', "SYLK"),
        (b'TABLE\r\n0,1\r\n"EXCEL"\r\nVECTORS\r\n', "DIF"),
        (b"\0\0\x02\0\x06\x04\x06\0\x08\0" + bytes(20), "Lotus 1-2-3"),
    ],
)
def test_another_spreadsheet_named_xls_is_refused_by_its_name(tmp_path: Path, content: bytes, format_: str) -> None:
    path = tmp_path / "delivery.xls"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=format_) as caught:
        open_table(path, None)
    assert caught.value.code == "not_tabular"


@pytest.mark.parametrize("head", ["ID;PLACE\n1;a\n", "ID;P;Q\nA1;x;y\n", "TABLE\n0,1\n"])
def test_a_csv_whose_header_begins_like_another_spreadsheet_is_read(tmp_path: Path, head: str) -> None:
    path = tmp_path / "delivery.xls"
    path.write_bytes(head.encode())
    assert open_table(path, None).header[0] in {"ID", "TABLE"}
