"""Which row is the header, and which columns it has: one row or two, below a preamble, with a ruler, repeated."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.columns import DAMAGE, LINE
from etl_platform.engine.file_dialect import DroppedLine
from etl_platform.engine.reading.delimited import text_table
from etl_platform.engine.reading.tables.headers import join_rows, named_header
from etl_platform.engine.split import SILVER
from etl_platform_tests.unit.engine.reading.packed.packed_files import workbook
from etl_platform_tests.unit.making import cells_of, contract_of, custom, read_back, refusal, text

COLUMNS = [text("officer_id", required=True), text("name"), text("hire_date"), text("leave_date")]
CONTRACT = contract_of(COLUMNS)
ROW = ("1", "a", "b", "c")


def pinned(**values: Any) -> Any:
    return contract_of(COLUMNS, customs=custom(**values))


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        pytest.param("Officer,,Hire,Leave", "ID,Name,Date,Date", id="groups above the names"),
        pytest.param("Officer,Name,Hire,Leave", "ID,,Date,Date", id="names split over two rows"),
        pytest.param("Officer,,Hire,Leave", "ID,Name,Date,date", id="a group over two columns"),
        pytest.param(",,Hire,Leave", "officer_id,NAME,Date,Date", id="some names in one row"),
    ],
)
@pytest.mark.parametrize("excel", [False, True], ids=["csv", "workbook"])
def test_a_header_of_two_rows_is_taken_where_one_row_names_fewer_columns(
    path: Path, upper: str, lower: str, excel: bool
) -> None:
    lines = ["Springfield PD", upper, lower, ",".join(ROW)]
    if excel:
        path.write_bytes(workbook({"S": [[cell or None for cell in line.split(",")] for line in lines]}))
    else:
        path.write_text("\n".join(lines) + "\n")
    table, frame = read_back(path, CONTRACT)
    described = table.describe()
    assert (described.header_line, described.header_lines) == (2, 2)
    assert [name.casefold().replace(" ", "_") for name in table.header] == [
        "officer_id",
        "name",
        "hire_date",
        "leave_date",
    ]
    assert (cells_of(frame), frame[LINE].to_list()) == ([ROW], [4])
    assert [item.line for item in described.dropped] == [1]


def test_a_group_row_above_a_complete_header_is_only_a_preamble(path: Path) -> None:
    path.write_text("Officer,,Employment,\nofficer_id,name,hire_date,leave_date\n1,a,b,c\n")
    table, _ = read_back(path, CONTRACT)
    described = table.describe()
    assert (described.header_line, described.header_lines) == (2, 1)
    assert described.dropped == (DroppedLine(1, "preamble", "Officer,,Employment,"),)


def test_without_a_contract_a_header_has_one_row(path: Path) -> None:
    path.write_text("Officer,Name,Hire,Leave\nID,x,Date,Date\n1,a,b,c\n")
    table, frame = read_back(path)
    assert (table.header[0], frame.height) == ("Officer", 2)


KNOWN = ["officer_id", "name", "hire_date", "leave_date"]


@given(
    first=st.lists(st.sampled_from(["1", "a", "", "Name", "x y", "date", "2020-01-05"]), min_size=4, max_size=4),
    second=st.lists(st.text("ab1 ", max_size=4), min_size=4, max_size=4),
)
def test_a_row_of_data_is_not_the_second_row_of_a_header(first: list[str], second: list[str]) -> None:
    found = named_header([(1, 2, KNOWN), (2, 3, first), (3, 4, second)], CONTRACT)
    assert found is not None
    assert (found.first, found.rows, found.cells) == (1, 1, KNOWN)


def test_a_value_that_is_the_name_of_a_missing_column_does_not_make_its_row_part_of_the_header(path: Path) -> None:
    path.write_text("officer_id,name,hire_date,place\nA1,x,soon,leave_date\nA2,y,late,leave_date\n")
    table, frame = read_back(path, CONTRACT)
    assert (table.describe().header_lines, table.header[3], frame.height) == (1, "place", 2)


def test_units_below_complete_names_are_part_of_a_header_with_names_of_two_rows(path: Path) -> None:
    path.write_text("officer_id,name,Hire,Leave\nno.,text,Date,Date\n1,a,b,c\n")
    table, frame = read_back(path, CONTRACT)
    assert (table.describe().header_lines, cells_of(frame)) == (2, [ROW])


def test_a_title_with_two_known_words_is_not_the_header(path: Path) -> None:
    path.write_text("name,hire_date\nofficer_id,name,hire_date,leave_date\n1,a,b,c\n")
    table, frame = read_back(path, CONTRACT)
    assert (table.describe().header_line, cells_of(frame)) == (2, [ROW])


def test_two_rows_join_where_they_differ_in_length() -> None:
    assert join_rows([["Officer", "", "Left"], ["ID"]], {"officerid"}) == ["Officer ID", "", "Left"]


def test_a_unit_below_a_known_name_does_not_hide_it() -> None:
    assert join_rows([["Salary", "Hire"], ["USD", "Date"]], {"salary", "hiredate"}) == ["Salary", "Hire Date"]


def test_a_line_that_underlines_the_header_is_not_a_row(path: Path) -> None:
    path.write_text("officer_id,name,hire_date,leave_date\n----------,----,---------,----------\n1,a,b,c\n-,-,-,-\n")
    table, frame = read_back(path, CONTRACT)
    assert (cells_of(frame), frame[LINE].to_list()) == ([ROW, ("-", "-", "-", "-")], [3, 4])
    assert [(item.line, item.why) for item in table.describe().dropped] == [(2, "ruler")]


@pytest.mark.parametrize("excel", [False, True], ids=["csv", "workbook"])
def test_a_repeated_header_is_left_out_and_reported_with_its_line(path: Path, excel: bool) -> None:
    lines = [KNOWN, [*ROW], KNOWN, ["2", "a", "b", "c"], ["officer_id", "x", "", ""]]
    if excel:
        path.write_bytes(workbook({"S": lines}))
    else:
        path.write_text("".join(",".join(line) + "\n" for line in lines))
    table, frame = read_back(path, CONTRACT)
    assert (cells_of(frame)[2][1], frame[LINE].to_list()) == ("x", [2, 4, 5])
    assert [(item.line, item.why) for item in table.describe().dropped] == [(3, "header again")]


@pytest.mark.parametrize(
    ("last", "kept"),
    [
        ("Total,2,,", 1),
        ("Grand total:,2,\"1,234.50\",$5", 1),
        ("Total,2,3,4\nEnd of report", 1),
        ("Total,b,c,d", 2),
        ("Totals of May,2,3,4", 2),
    ],
)  # fmt: skip
def test_a_last_row_of_amounts_is_a_total_and_one_of_texts_is_not(path: Path, last: str, kept: int) -> None:
    path.write_text(f"{','.join(KNOWN)}\n1,a,b,c\n{last}\n")
    table, frame = read_back(path, CONTRACT)
    assert frame.height == kept
    assert frame[DAMAGE].null_count() == kept
    assert table.describe().ragged_rows == 0


def test_lines_above_the_header_line_of_the_contract_are_left_out(path: Path) -> None:
    above = ["name,hire_date,leave_date", 'said "so', '"opens and never closes', *["filler"] * 60]
    path.write_text("\n".join([*above, ",".join(KNOWN), *[f"{i},a,b,c" for i in range(30)]]) + "\n")
    table, frame = read_back(path, pinned(headerLine=64))
    described = table.describe()
    assert (described.header_line, described.pinned, frame.height) == (64, ("header_line",), 30)
    assert frame[LINE].to_list() == list(range(65, 95))
    assert described.confidence["header"] == 1.0
    assert [item.line for item in described.dropped] == list(range(1, 41))


@pytest.mark.parametrize("line", [1, 3, 4, 900])
def test_a_header_line_of_the_contract_without_a_header_is_refused(path: Path, line: int) -> None:
    path.write_text("title\nofficer_id,name,hire_date,leave_date\n1,a,b,c\n")
    error = refusal(path, pinned(headerLine=line))
    assert error.code == "not_as_pinned"
    assert str(line) in error.message


def test_sheet_and_header_line_of_the_contract_are_used_or_the_workbook_refused(path: Path) -> None:
    path.write_bytes(workbook({"Old data": [KNOWN, ["9", "a", "b", "c"]], "New Data": [["x"], KNOWN, [*ROW]]}))
    assert refusal(path, CONTRACT).code == "ambiguous_sheet"
    table, frame = read_back(path, pinned(sheet="new_data"))
    assert (table.describe().ignored_sheets, cells_of(frame)) == (("Old data",), [ROW])
    assert read_back(path, pinned(headerLine=2))[0].describe().sheet == "New Data"
    error = refusal(path, pinned(sheet="Newest"))
    assert (error.code, "Old data, New Data" in error.message) == ("not_as_pinned", True)
    assert refusal(path, pinned(headerLine=7)).code == "not_as_pinned"


def test_a_duplicate_column_is_read_where_both_have_the_same_text(path: Path) -> None:
    path.write_text("officer_id,name,name,hire_date,name\n1,a,a,x,a\n2,b,,x,b\n3,,,x,\n4,c,c,x\n5,d,d,x,e\n")
    result = check_file(path, CONTRACT, path.parent)
    assert result.reasons == {"row.duplicate_columns_differ": 2, "row.too_few_fields": 1}
    assert [example.line for example in result.examples["row.duplicate_columns_differ"]] == [3, 6]
    assert result.columns.duplicates == {"name": ("name_2", "name_3")}
    assert pl.read_parquet(path.parent / SILVER)["name"].to_list() == ["a", None]


def test_two_different_names_for_one_column_are_ambiguous_even_with_equal_cells(path: Path) -> None:
    path.write_text("officer_id,name,Name\n1,a,a\n")
    assert [error.code for error in check_file(path, CONTRACT, path.parent).errors] == ["ambiguous_column"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_inside_concatenated_files_is_in_no_cell(
    path: Path, encoding: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", 64)
    upper, plain, quoted = (f"{row}{end}" for row in (",".join(KNOWN), "7,a,\ufeffb,c", '"8, ""x""",a,b,c'))
    path.write_bytes((upper + plain).encode(encoding) + plain.encode(encoding) * 9 + quoted.encode(encoding) * 9)
    result = check_file(path, CONTRACT, path.parent)
    assert not result.reasons
    silver = pl.read_parquet(path.parent / SILVER)
    assert silver["officer_id"].to_list() == ["7"] * 10 + ['8, "x"'] * 9
    assert silver["hire_date"].to_list() == ["b"] * 19
    assert result.dialect is not None
    assert [(item.what, item.cells, item.line) for item in result.dialect.cleaned] == [("invisible", 10, 2)]


def test_a_key_after_an_inner_byte_order_mark_is_the_same_key(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", 64)
    upper, lower = ("".join(f"{n},a,b,c\n" for n in numbers) for numbers in (range(40), (7, *range(40, 60))))
    path.write_bytes(f"{','.join(KNOWN)}\n{upper}".encode() + lower.encode("utf-8-sig"))
    contract = contract_of([text("officer_id", unique=True), *COLUMNS[1:]])
    result = check_file(path, contract, path.parent)
    assert [example.line for example in result.examples["officer_id.unique"]] == [9, 42]


@pytest.mark.parametrize("quote", ["", '"'], ids=["plain", "quoted"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_header_of_a_concatenated_file_is_not_a_row(path: Path, encoding: str, quote: str) -> None:
    almost = ["9", KNOWN[1], *ROW[2:]]
    rows = "".join(",".join(f"{quote}{cell}{quote}" for cell in row) + "\n" for row in (KNOWN, ROW, almost))
    path.write_bytes(rows.encode(encoding) * 3)
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [ROW, tuple(almost)] * 3
    assert [(item.line, item.why) for item in table.describe().dropped] == [
        (4, "header again"),
        (7, "header again"),
    ]


def test_the_first_repeated_headers_are_listed_and_all_are_counted(path: Path) -> None:
    path.write_text((",".join(KNOWN) + "\n1,a,b,c\n") * 90)
    table, frame = read_back(path, CONTRACT)
    described = table.describe()
    assert (frame.height, described.repeated_headers) == (90, 89)
    assert [item.line for item in described.dropped] == list(range(3, 43, 2))


def test_without_a_contract_a_repeated_header_is_a_row(path: Path) -> None:
    path.write_text("1,2\n3,4\n1,2\n")
    assert read_back(path)[1].height == 2


@pytest.mark.parametrize("delimiter", [";", "^", "\t"])
def test_the_delimiter_of_a_sep_line_has_full_confidence(path: Path, delimiter: str) -> None:
    path.write_text(f"sep={delimiter}\nident{delimiter}a,b\n1{delimiter}2,3\n")
    for contract in (contract_of([text("ident")]), None):
        table, frame = read_back(path, contract)
        described = table.describe()
        assert (described.delimiter, described.confidence["delimiter"]) == (delimiter, 1.0)
        assert (cells_of(frame), described.dropped[0].line) == ([("1", "2,3")], 1)


@pytest.mark.parametrize(
    ("rows", "excel"),
    [
        pytest.param(["Officer,,Hire,Leave", ",,,", "ID,Name,Date,Date"], False, id="a row of blanks between"),
        pytest.param(["Officer,,Hire,Leave", "ID,Name,,", ",,Date,Date"], False, id="three rows"),
        pytest.param(["Officer,,Hire,Leave", "ID,Name,,", ",,Date,Date"], True, id="three rows of a workbook"),
        pytest.param(["Off-,Na-,Hi-,Leave", "ic-,me,re,_", "er id,,date,date"], False, id="names cut into three parts"),
    ],
)
def test_a_header_of_several_rows_is_one_header(path: Path, rows: list[str], excel: bool) -> None:
    lines = [*rows, ",".join(ROW)]
    path.write_text("\n".join(lines) + "\n")
    if excel:
        path.write_bytes(workbook({"S": [[cell or None for cell in line.split(",")] for line in lines]}))
    table, frame = read_back(path, CONTRACT)
    assert (cells_of(frame), frame[LINE].to_list()) == ([ROW], [4])
    assert table.describe().dropped == ()


@pytest.mark.parametrize(
    ("below", "why"),
    [
        pytest.param(["----------,----,---------,----------"], ["ruler"], id="a ruler"),
        pytest.param([",,(yyyy-mm-dd),yyyy-mm-dd"], ["units"], id="units"),
        pytest.param(["(no.),[text],mm/dd/yyyy,(mm/dd/yyyy)"], ["units"], id="units in brackets"),
        pytest.param(["varchar(20),text,date,date"], ["types"], id="types"),
        pytest.param(["1,2,3,4"], ["column numbers"], id="numbers of columns"),
        pytest.param(["A,B,C,D"], ["column numbers"], id="letters of columns"),
        pytest.param(["(text),[text],,"], ["types"], id="types in brackets"),
        pytest.param(["(1),(2),(3),(4)", "-----,---,---,---"], ["column numbers", "ruler"], id="numbers and a ruler"),
    ],
)
@pytest.mark.parametrize("excel", [False, True], ids=["csv", "workbook"])
def test_rows_that_explain_the_header_are_no_data(path: Path, below: list[str], why: list[str], excel: bool) -> None:
    lines = [",".join(KNOWN), *below, "A1,Ana,b,c", "A2,Bo,b,c"]
    path.write_text("\n".join(lines) + "\n")
    if excel:
        path.write_bytes(workbook({"S": [[cell or None for cell in line.split(",")] for line in lines]}))
    for contract in (CONTRACT, None):
        table, frame = read_back(path, contract)
        assert cells_of(frame) == [("A1", "Ana", "b", "c"), ("A2", "Bo", "b", "c")]
        assert [(item.line, item.why) for item in table.describe().dropped] == list(enumerate(why, start=2))


def test_a_second_header_row_that_names_only_unknown_columns_is_no_data(path: Path) -> None:
    path.write_text("officer_id,name,address,\n,,Street,City\n1,a,x,y\n")
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "a", "x", "y")]
    assert [item.why for item in table.describe().dropped] == ["second header row"]


@pytest.mark.parametrize("row", ["1,2,3,4", "(a),b,c,d", "1,-,-,-", "days,b,c,d", ",(none),,", "text,,,"])
def test_a_row_below_the_header_that_may_be_data_is_data(path: Path, row: str) -> None:
    path.write_text(f"{','.join(KNOWN)}\n{row}\n5,6,7,8\n")
    assert cells_of(read_back(path, CONTRACT)[1])[0] == tuple(row.split(","))


@pytest.mark.parametrize(
    ("lines", "line", "remark"),
    [
        pytest.param(["101,Sampleb,SGT", "102,Sampled,OFC"], 1, "the value '101'", id="a number"),
        pytest.param(["Sampleb,OFC", "Sampled,OFC", "Samplef,SGT"], 1, "'OFC', which is also", id="a value"),
        pytest.param(["A1,Sampleb", "A2,Sampled", "A3,Samplef"], 1, "'A1', which looks like", id="a code"),
        pytest.param(["Springfield PD", "1,a,b", "2,c,d"], 2, "the value '1'", id="data below a title"),
        pytest.param(["badge,last_name,rank", "101,a,SGT,", "102,b,OFC,"], 1, None, id="rows that are wider"),
        pytest.param(["badge,last_name,rank", "101,a", "102,b,OFC,x"], 1, None, id="ragged rows"),
        pytest.param(["Springfield PD", "badge,last_name"], 2, None, id="a header without rows"),
        pytest.param(["ident,name,note", "A1,Doe, Ana,x", "A2,Roe, Bo,y"], 1, None, id="a comma too many in all rows"),
        pytest.param(["a,b,c", "1,b", "2", "3,b,c"], 1, None, id="short rows"),
        pytest.param(["name", "Sampleb, Ann", "Sampled, Bob"], 1, None, id="one column with commas"),
        pytest.param(["year,2019,2020", "x,a,b"], 1, "the value '2019'", id="years as names"),
    ],
)  # fmt: skip
def test_a_profile_says_where_the_header_may_be_missing(
    path: Path, lines: list[str], line: int, remark: str | None
) -> None:
    path.write_text("\n".join(lines) + "\n")
    dialect = read_back(path)[0].describe()
    assert dialect.header_line == line
    assert remark in (dialect.header_remark or "") if remark else dialect.header_remark is None


def test_a_profile_of_one_column_names_no_delimiter(path: Path) -> None:
    path.write_text("ident\nA1\nB2\n")
    assert read_back(path)[0].describe().delimiter is None
    assert read_back(path, contract_of([text("ident")]))[0].describe().delimiter == ","
