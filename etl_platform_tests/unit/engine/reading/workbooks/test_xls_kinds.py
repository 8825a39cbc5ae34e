"""Cells of .xls files that other readers get wrong: formulas, flags of texts, formats, several sheets."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.reading.workbooks.biff_strings import shared_strings
from etl_platform.engine.reading.workbooks.xls_sheets import open_xls
from etl_platform_tests.unit.engine.reading.workbooks.xls_reader import HEAD, book_of, read, refusal, rows_of
from etl_platform_tests.unit.engine.reading.workbooks.xls_writer import (
    EMPTY_RESULT,
    TEXT_RESULT,
    Book,
    Formula,
    Number,
    SheetOf,
    record,
    workbook,
)

ZERO = struct.pack("<d", 0)
TO_CALCULATE = 2


def uncalculated(*formulas: Formula) -> list[tuple[int, int]]:
    (sheet,) = read(workbook(book_of(*([f"A{place}", formula] for place, formula in enumerate(formulas)))))
    return [(row.number - 1, row.uncalculated) for row in sheet.rows() if row.uncalculated is not None]


def test_a_formula_whose_text_is_missing_is_uncalculated() -> None:
    assert uncalculated(Formula(TEXT_RESULT), Formula(TEXT_RESULT, "x")) == [(1, 1)]


def test_an_empty_or_zero_result_of_excel_is_a_result() -> None:
    assert uncalculated(Formula(EMPTY_RESULT), Formula(ZERO), Formula(TEXT_RESULT, "")) == []


def test_empty_results_of_a_program_that_calculates_nothing_are_uncalculated() -> None:
    assert uncalculated(Formula(EMPTY_RESULT, cache=0), Formula(EMPTY_RESULT, cache=0)) == [(1, 1), (2, 1)]


def test_empty_results_of_a_program_that_calculates_are_results() -> None:
    one = struct.pack("<d", 1)
    assert uncalculated(Formula(EMPTY_RESULT, cache=0), Formula(one, cache=0)) == []
    assert uncalculated(Formula(EMPTY_RESULT, cache=0), Formula(TEXT_RESULT, "x", cache=0)) == []


def test_zeros_that_excel_is_asked_to_calculate_are_uncalculated_unless_others_are_not_zero() -> None:
    zero = Formula(ZERO, flags=TO_CALCULATE, cache=0)
    other = Formula(struct.pack("<d", 7), flags=TO_CALCULATE, cache=0)
    assert uncalculated(zero, zero) == [(1, 1), (2, 1)]
    assert uncalculated(zero, other) == []


def test_the_placeholder_of_jexcelapi_is_uncalculated() -> None:
    four = struct.pack("<d", 4)
    assert uncalculated(Formula(four, flags=TO_CALCULATE, cache=0xFCE00000), Formula(four)) == [(1, 1)]


def test_a_text_with_a_false_flag_or_surplus_nul_reads_without_nul() -> None:
    place = struct.pack("<HHH", 1, 0, 0)
    for body in (
        struct.pack("<HB", 5, 0) + "Smith".encode("utf-16-le"),
        struct.pack("<HB", 10, 0) + "Smith".encode("utf-16-le"),
        struct.pack("<HB", 6, 0) + b"Smith\0",
        struct.pack("<HB", 10, 1) + "S\0m\0i\0t\0h\0".encode("utf-16-le"),
    ):
        book = Book([SheetOf([HEAD], after=record(0x204, place + body))])
        assert rows_of(workbook(book))[1][0] == "Smith"


def test_nul_among_letters_is_damage_where_the_text_is_used() -> None:
    assert rows_of(workbook(Book([SheetOf([HEAD, ["Smith\0", "x"]])])))[1] == ["Smith", "x"]
    error = refusal(workbook(book_of(["Sm\0ith", "x"])))
    assert (error.code, "row 2, column 1: a text has NUL" in error.message) == ("workbook_damaged", True)


def test_a_text_that_is_cut_off_names_its_cell() -> None:
    body = struct.pack("<HHHHB", 1, 0, 0, 40, 0) + b"Smith"
    error = refusal(workbook(Book([SheetOf([HEAD], after=record(0x204, body))])))
    assert (error.code, "row 2, column 1: a text is cut off" in error.message) == ("workbook_damaged", True)


def test_a_long_text_of_a_formula_goes_on_in_the_next_record() -> None:
    formula = struct.pack("<HHH", 1, 0, 0) + TEXT_RESULT + struct.pack("<HIH", 0, 1, 3) + b"\x1e\1\0"
    parts = record(0x207, struct.pack("<HB", 9, 0) + b"Sample") + record(0x3C, b"\1" + "Żeb".encode("utf-16-le"))
    book = Book([SheetOf([HEAD], after=record(0x06, formula) + parts)])
    assert rows_of(workbook(book))[1][0] == "SampleŻeb"


@given(
    text=st.text("aé€", min_size=3, max_size=30),
    blank=st.lists(st.sampled_from([b"", b"\0", b"\1"]), max_size=3),
)
def test_parts_of_flags_alone_or_of_nothing_do_not_end_a_text(text: str, blank: list[bytes]) -> None:
    beginning = struct.pack("<IIHB", 1, 1, len(text), 1) + text[:2].encode("utf-16-le")
    assert shared_strings([beginning, *blank, b"\1" + text[2:].encode("utf-16-le")]) == [text]


def test_charts_within_a_sheet_hold_no_cells() -> None:
    number = record(0x203, struct.pack("<HHHd", 1, 0, 0, 9))
    chart = record(0x809, struct.pack("<HHHHII", 0x600, 0x20, 0, 0, 0, 0)) + number + record(0x0A)
    rows = rows_of(workbook(Book([SheetOf([HEAD, ["A1", "x"]], before=chart, after=chart)])))
    assert rows == [["ident", "label"], ["A1", "x"]]


def test_chart_and_macro_sheets_are_no_sheets_and_hidden_ones_are_known() -> None:
    sheets = [
        SheetOf([], "Chart", kind=2),
        SheetOf([HEAD], "Macro", kind=1),
        SheetOf([HEAD], "Hidden", hidden=2),
        SheetOf([HEAD], "Shown"),
    ]
    for version in (5, 8):
        found = read(workbook(Book(sheets, version=version)))
        assert [(sheet.name, sheet.visible) for sheet in found] == [("Hidden", False), ("Shown", True)]


def test_false_dimensions_and_a_missing_end_lose_no_rows() -> None:
    dimensions = record(0x200, struct.pack("<IIHHH", 0, 1, 0, 1, 0))
    book = Book([SheetOf([HEAD, ["A1", "x"]], before=dimensions, end=b""), SheetOf([HEAD, ["B1", "y"]], "Two")])
    for small in (True, False):
        assert [[row.cells for row in sheet.rows()][1] for sheet in read(workbook(book, small=small))] == [
            ["A1", "x"],
            ["B1", "y"],
        ]


def test_hidden_rows_and_columns_and_merged_cells_are_known() -> None:
    row = record(0x208, struct.pack("<HHHHHHHH", 1, 0, 2, 255, 0, 0, 0x20, 15))
    column = record(0x7D, struct.pack("<HHHHHH", 1, 1, 0, 0, 1, 0))
    merged = record(0xE5, struct.pack("<H8H", 2, 1, 2, 0, 0, 3, 3, 0, 1))
    (sheet,) = read(workbook(Book([SheetOf([HEAD, ["A1", "x"], ["B1"]], before=row + column, after=merged)])))
    assert [line.hidden for line in sheet.rows()] == [False, True, False]
    assert sheet.facts.hidden_columns == [(2, 2)]
    assert list(map(str, sheet.facts.merged)) == ["A2:A3", "A4:B4"]


def test_formulas_in_the_records_of_excel_3_are_cells_of_a_newer_workbook() -> None:
    body = struct.pack("<HHH", 1, 0, 0) + struct.pack("<d", 7) + struct.pack("<HIH", 0, 1, 3) + b"\x1e\1\0"
    for kind in (0x06, 0x206, 0x406):
        assert rows_of(workbook(Book([SheetOf([HEAD], after=record(kind, body))])))[1] == ["7"]


@pytest.mark.parametrize(
    ("code", "number", "shown"),
    [
        ("00", 7, "07"),
        ("000", 7, "007"),
        ("0", 7, "7"),
        ("[Red]0.00", 26.5, "26.5"),
        ("[Magenta][>=100]0;0", 45_000, "45000"),
        ("[$-409]d-mmm-yy;@", 45_000, "2023-03-15"),
        ('0" hours"', 26, "26"),
        ("0\\ \\d", 26, "26"),
        ("_(* #,##0_);_(* \\(#,##0\\)", 45_000, "45000"),
        ("[h]:mm:ss", 1.5, "36:00:00"),
        ("Standard", 45_000, "45000"),
        (27, 45_000, "2023-03-15"),
        (46, 1.5, "36:00:00"),
        (58, 45_000, "2023-03-15"),
        (49, 45_000, "45000"),
    ],
)
@pytest.mark.parametrize("version", [5, 8])
def test_the_format_of_a_cell_decides_what_its_number_is(
    version: int, code: str | int, number: float, shown: str
) -> None:
    book = Book([SheetOf([HEAD, [Number(number, 1)]])], version=version, formats=(code,))
    assert rows_of(workbook(book))[1] == [shown]


def test_a_format_that_is_cut_off_or_endless_is_no_damage() -> None:
    for body in (struct.pack("<HHB", 164, 40, 0) + b"0.00", struct.pack("<HHB", 164, 8_000, 0) + b"[" * 8_000):
        book = Book([SheetOf([HEAD, [Number(7, 1)]])], formats=("0.0",), last=record(0x41E, body))
        assert rows_of(workbook(book))[1] == ["7"]


def test_dates_from_1904_in_both_versions() -> None:
    for version in (5, 8):
        book = Book([SheetOf([HEAD, ["A1", Number(43_538, 1)]])], version=version, since_1904=True, formats=(14,))
        assert rows_of(workbook(book))[1] == ["A1", "2023-03-15"]
        assert open_xls(io.BytesIO(workbook(book))).since_1904
