"""Cells as Excel shows them: errors, formulas, zeros, serial dates, hidden sheets."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from etl_platform.engine.check import check_file
from etl_platform.engine.columns import LINE
from etl_platform.engine.file_dialect import DroppedLine
from etl_platform.engine.reading.open_table import open_table
from etl_platform.engine.reading.workbooks import office_xml, sheet_rows, sheets
from etl_platform.engine.split import SILVER
from etl_platform_tests.unit.making import cells_of, contract_of, custom, read_back, refusal, text, typed

CONTRACT = contract_of([text("ident"), text("label"), text("remark")])
HEAD = ["ident", "label", "remark"]


def write(path: Path, *rows: list[Any], change: Callable[[Any], None] = lambda book: None) -> None:
    book = openpyxl.Workbook()
    for row in (HEAD, *rows):
        book.active.append(row)
    change(book)
    book.save(path)


def rewritten(path: Path, member: str, old: bytes, new: bytes) -> None:
    """The same workbook with a part of one member's text replaced."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts[member]
    parts[member] = parts[member].replace(old, new)
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    path.write_bytes(sink.getvalue())


def test_an_error_value_is_read_as_the_text_that_excel_shows(path: Path) -> None:
    write(path, ["1", "#N/A", "x"], ["2", "y", "#DIV/0!"])
    _, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "#N/A", "x"), ("2", "y", "#DIV/0!")]


def test_error_values_are_found_after_many_blocks_of_a_sheet(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office_xml, "_BLOCK", 300)
    write(path, *[[str(i), "#REF!" if i % 7 == 0 else "ok", "x"] for i in range(200)])
    _, frame = read_back(path, CONTRACT)
    assert [row[1] for row in cells_of(frame)] == ["#REF!" if i % 7 == 0 else "ok" for i in range(200)]


def test_a_formula_without_its_result_is_refused_with_its_cell(path: Path) -> None:
    write(path, ["1", "a", "b"], ["2", '=A3&"x"', "b"])
    error = refusal(path, CONTRACT)
    assert (error.code, error.line) == ("workbook_uncalculated", 3)
    assert "column 2" in error.message


def test_the_stored_result_of_a_formula_is_its_text_also_where_it_is_empty(path: Path) -> None:
    write(path, ["1", "=A2", "=B2"])
    sheet = "xl/worksheets/sheet1.xml"
    rewritten(path, sheet, b'<c r="B2"><f>A2</f><v />', b'<c r="B2" t="str"><f>A2</f><v>00a</v>')
    rewritten(path, sheet, b'<c r="C2"><f>B2</f><v />', b'<c r="C2" t="str"><f>B2</f><v></v>')
    assert cells_of(read_back(path, CONTRACT)[1]) == [("1", "00a", "")]


def test_a_formula_outside_the_table_does_not_matter(path: Path) -> None:
    def above(book: Any) -> None:
        book.active.insert_rows(1)
        book.active["A1"] = "=TODAY()"

    write(path, ["1", "a", "b"], change=above)
    assert cells_of(read_back(path, CONTRACT)[1]) == [("1", "a", "b")]


def test_leading_zeros_of_a_number_format_are_kept(path: Path) -> None:
    def pad(book: Any) -> None:
        for cell, code in (("A2", "00000"), ("A3", "00000"), ("B2", "0"), ("B3", "0.00"), ("A4", "00000")):
            book.active[cell].number_format = code

    write(path, [123, 7, "x"], [123456, 1.5, "y"], ["A-7", 8, "z"], change=pad)
    _, frame = read_back(path, CONTRACT)
    assert [row[:2] for row in cells_of(frame)] == [("00123", "7"), ("123456", "1.5"), ("A-7", "8")]


@pytest.mark.parametrize(
    ("code", "number", "shown"),
    [
        ("000\\-00\\-0000", 12_345_678, "012-34-5678"),
        ("00000-0000", 871_230_001, "87123-0001"),
        ('"B"0000', 42, "B0042"),
        ("[Red](00)_);-0", 1_234, "(1234)"),
        ("00:00", 930, "09:30"),
        ('0" lbs"', 7, "7"),
        ("[<100]000;0", 7, "007"),
        ("[<100]000;0", 100, "100"),
        ("#,##0", 12_345, "12345"),
        ("0.00", 7, "7"),
    ],
)
def test_only_padding_number_formats_add_zeros(path: Path, code: str, number: int, shown: str) -> None:
    def pad(book: Any) -> None:
        book.active["B2"].number_format = code

    write(path, ["1", number, "x"], change=pad)
    assert cells_of(read_back(path, CONTRACT)[1]) == [("1", shown, "x")]


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize("number", ["12345678901234567", "-9007199254740993", "0012345678901234567"])
def test_a_whole_number_with_more_digits_than_a_float_keeps_them(path: Path, number: str) -> None:
    write(path, ["1", 5, "x"])
    rewritten(path, SHEET, b"<v>5</v>", f"<v>{number}</v>".encode())
    assert cells_of(read_back(path, CONTRACT)[1]) == [("1", number, "x")]


def test_rows_and_cells_without_a_reference_follow_the_one_before(path: Path) -> None:
    def pad(book: Any) -> None:
        book.active["B4"].number_format = "0000"

    write(path, ["1", "#N/A", "x"], ["2", "a", "#REF!"], ["3", 42, "y"], change=pad)
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read(SHEET)
    bare = re.sub(rb' r="(?!B)[A-Z]*[0-9]+"', b"", sheet)
    for told in (bare, re.sub(rb' r="[A-Z]+[0-9]+"', b"", sheet), re.sub(rb'="([^"]*)"', rb"='\1'", bare)):
        with zipfile.ZipFile(path) as archive:
            now = archive.read(SHEET)
        rewritten(path, SHEET, now, told)
        assert cells_of(read_back(path, CONTRACT)[1]) == [("1", "#N/A", "x"), ("2", "a", "#REF!"), ("3", "0042", "y")]


def test_cells_far_out_are_refused_also_where_rows_have_no_number(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_SHEET_CELLS", 1_000)
    write(path, *([str(row), "a", "b"] for row in range(400)))
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read(SHEET)
    rewritten(path, SHEET, sheet, re.sub(rb' r="[A-Z]*[0-9]+"', b"", sheet))
    assert refusal(path, CONTRACT).code == "workbook_too_large"


def test_a_sheet_is_found_with_every_namespace_prefix_of_its_relation(path: Path) -> None:
    write(path, ["1", "#N/A", "x"])
    rewritten(path, "xl/workbook.xml", b"r:id=", b"relationships:id=")
    assert cells_of(read_back(path, CONTRACT)[1]) == [("1", "#N/A", "x")]


def test_numbers_outside_the_range_of_dates_are_numbers(path: Path) -> None:
    def show(book: Any) -> None:
        for cell, code in (("A2", "yyyy-mm-dd"), ("B2", "m/d/yy h:mm"), ("C2", "yyyy-mm-dd hh:mm:ss")):
            book.active[cell].number_format = code

    write(path, [-1, -45_000.7, 2_958_465.999_999_99], change=show)
    assert cells_of(read_back(path, CONTRACT)[1]) == [("-1", "-45000.7", "9999-12-31T23:59:59")]


def test_durations_and_rounded_seconds_read_as_excel_shows_them(path: Path) -> None:
    almost = datetime(2026, 1, 5, 17, 59, 59, 999_600)  # noqa: DTZ001 - a cell has no time zone
    write(path, ["1", timedelta(hours=36, minutes=5), almost], ["2", timedelta(seconds=59), date(2026, 1, 5)])
    _, frame = read_back(path, CONTRACT)
    assert [row[1:] for row in cells_of(frame)] == [("36:05:00", "2026-01-05T18:00:00"), ("0:00:59", "2026-01-05")]


SERIALS = contract_of([text("ident"), typed("label", "date", customProperties=custom(formats=["excelSerial"]))])
MOMENTS = contract_of(
    [
        text("ident"),
        typed("label", "date", customProperties=custom(formats=["M/d/yyyy", "yyyyMMdd"])),
        typed("remark", "timestamp"),
    ]
)


def silver_of(path: Path, contract: Any) -> list[tuple[Any, ...]]:
    result = check_file(path, contract, path.parent)
    assert not result.errors
    return pl.read_parquet(path.parent / SILVER).rows()


def test_dates_that_lost_their_format_are_days_and_typed_formats_come_first(path: Path) -> None:
    write(
        path,
        ["serials", 45_000, 45_000.75],
        ["texts", "3/15/2023", "2023-03-15 18:00:00"],
        ["cells", date(2023, 3, 15), datetime(2023, 3, 15)],  # noqa: DTZ001 - a cell has no time zone
        ["format", 20_230_315, None],
    )
    day, evening, midnight = (datetime(2023, 3, 15, hour) for hour in (0, 18, 0))  # noqa: DTZ001 - as above
    assert silver_of(path, MOMENTS) == [
        ("serials", day.date(), evening),
        ("texts", day.date(), evening),
        ("cells", day.date(), midnight),
        ("format", day.date(), None),
    ]


def test_days_of_a_workbook_from_an_old_mac_count_from_1904(path: Path) -> None:
    def since_1904(book: Any) -> None:
        book.epoch = CALENDAR_MAC_1904

    write(path, ["1", 45_000 - 1_462, None], change=since_1904)
    assert silver_of(path, SERIALS)[0][1] == date(2023, 3, 15)


@pytest.mark.parametrize("days", [60, 2_958_466, -3, 45_000.5, "45000x"])
def test_a_number_that_is_not_a_day_is_not_a_date(path: Path, days: Any) -> None:
    write(path, ["1", days, None], ["2", None, None])
    assert check_file(path, MOMENTS, path.parent).reasons == {"label.type": 1}


def test_serial_numbers_in_a_text_file_are_dates_only_where_the_contract_allows_them(path: Path) -> None:
    path.write_text("ident,day\n1,45000\n2,2023-03-15\n3,nan\n")
    formats = ["yyyy-MM-dd", "excelSerial"]
    told = contract_of([text("ident"), typed("day", "date", customProperties=custom(formats=formats))])
    assert check_file(path, contract_of([text("ident"), typed("day", "date")]), path.parent).reasons == {"day.type": 2}
    assert check_file(path, told, path.parent).reasons == {"day.type": 1}
    assert [row[1] for row in silver_of(path, told)] == [date(2023, 3, 15)] * 2


def test_a_visible_sheet_comes_before_a_hidden_one_and_the_report_names_the_other(path: Path) -> None:
    def hide(book: Any) -> None:
        book.active.title, book.active.sheet_state = "Hidden", "hidden"
        other = book.create_sheet("Shown")
        for row in (HEAD, ["new", "b", "c"]):
            other.append(row)

    write(path, ["old", "b", "c"], change=hide)
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("new", "b", "c")]
    described = table.describe()
    assert (described.sheet, described.ignored_sheets, described.confidence["sheet"]) == (
        "Shown",
        ("Hidden",),
        0.5,
    )


def test_two_sheets_that_fit_equally_are_refused_but_a_sheet_without_rows_does_not_count(path: Path) -> None:
    def second(*rows: list[Any]) -> Callable[[Any], None]:
        def add(book: Any) -> None:
            sheet = book.create_sheet("Second")
            for row in (HEAD, *rows):
                sheet.append(row)

        return add

    write(path, ["1", "b", "c"], change=second(["2", "b", "c"]))
    error = refusal(path, CONTRACT)
    assert (error.code, "Second" in error.message) == ("ambiguous_sheet", True)
    write(path, ["1", "b", "c"], change=second())
    assert cells_of(read_back(path, CONTRACT)[1]) == [("1", "b", "c")]
    assert read_back(path)[0].describe().sheet == "Sheet"


def test_cells_right_of_a_sheets_header_are_a_column_without_a_name(path: Path) -> None:
    write(path, ["1", "a", "b", None, "a note"], ["2", "c", "d"])
    result = check_file(path, CONTRACT, path.parent)
    assert (result.accepted_rows, result.columns.extra) == (2, ("column 5 (no name)",))


def test_merged_titles_charts_and_offsets_leave_rows_on_their_numbers(path: Path) -> None:
    def move(book: Any) -> None:
        book.create_chartsheet("Chart", 0)
        sheet = book.worksheets[0]
        sheet.insert_rows(1, 3)
        sheet.insert_cols(1, 2)
        sheet["A1"] = "Springfield"
        sheet.merge_cells("A1:E1")

    write(path, ["1", "b", "c"], change=move)
    table, frame = read_back(path, CONTRACT)
    assert (cells_of(frame), frame[LINE].to_list()) == ([("", "", "1", "b", "c")], [5])
    assert table.describe().dropped == (DroppedLine(1, "preamble", "Springfield"),)


@pytest.mark.parametrize(
    ("stream", "code"),
    [("EncryptedPackage", "encrypted"), ("WordDocument", "not_tabular"), ("Nothing", "workbook_damaged")],
)
def test_an_ole_file_that_is_not_a_workbook_is_refused_with_its_format(path: Path, stream: str, code: str) -> None:
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + stream.encode("utf-16-le") + bytes(600))
    assert refusal(path, CONTRACT).code == code


def test_a_part_that_unpacks_to_more_than_declared_is_refused(path: Path) -> None:
    write(path, *[[f"text {i}", "b", "c"] for i in range(3_000)])
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size.to_bytes(4, "little")
    path.write_bytes(content.replace(size, (500).to_bytes(4, "little")))
    assert refusal(path, CONTRACT).code == "archive_damaged"


def test_frames_of_a_sheet_with_long_texts_are_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_rows, "_BATCH_CHARACTERS", 10_000)
    path = tmp_path / "delivery"
    write(path, *([f"A{row}", "x" * 1_000] for row in range(100)))
    frames = list(open_table(path, CONTRACT).batches())
    assert [frame.height for frame in frames[:-1]] == [10] * (len(frames) - 1)
    assert pl.concat(frames)["0"].to_list() == [f"A{row}" for row in range(100)]
