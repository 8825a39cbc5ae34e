"""Rows below the header that are no rows of the table: headers again, further tables, titles, rows of nothing."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.columns import DAMAGE, LINE, NO_KNOWN_CELL, OUTSIDE
from etl_platform.engine.reading.delimited import text_table
from etl_platform.engine.text_report import verdict
from etl_platform_tests.unit.engine.reading.packed.packed_files import workbook
from etl_platform_tests.unit.making import cells_of, contract_of, read_back, text, typed

CONTRACT = contract_of(
    [
        text("stop_id"),
        text("last_name"),
        text("first_name", synonyms=[{"synonym": "prénom"}]),
        text("reason"),
        text("notes"),
    ]
)
HEADER = "stop_id,last_name,prénom,reason,notes"
QUIET = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


CELLS = st.text(st.sampled_from("abcé 019'"), max_size=9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "delivery.csv"


def good_rows(path: Path, *lines: str) -> list[tuple[str, ...]]:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    _, frame = read_back(path, CONTRACT)
    return cells_of(frame.filter(frame[DAMAGE].is_null()))


def as_rows(lines: list[str]) -> list[tuple[str, ...]]:
    return [tuple(line.split(",")) for line in lines]


@pytest.mark.parametrize(
    "again",
    [
        pytest.param("STOP_ID,LAST_NAME,PRÉNOM,REASON,NOTES", id="upper case"),
        pytest.param("Stop Id,Last Name,Prénom,Reason,Notes", id="title case and blanks"),
        pytest.param(unicodedata.normalize("NFD", HEADER), id="another normal form"),
        pytest.param('"stop_id","last_name","prénom","reason","notes"', id="quoted"),
        pytest.param("\fstop_id, last_name,prénom ,reason,\u200bnotes", id="form feed and blanks"),
        pytest.param("Stop ID,Last_Name,Prénom,,Notes", id="a cell left out"),
        pytest.param(",last_name,prénom,reason,notes", id="the first cell left out"),
    ],
)
@pytest.mark.parametrize("excel", [False, True], ids=["csv", "workbook"])
def test_the_header_written_in_another_way_is_left_out_and_reported(path: Path, again: str, excel: bool) -> None:
    lines = [HEADER, "S1,Sampleb,Ann,speeding,n", again, "S2,Sampled,Bob,light,n", again, "S3,Samplef,Cy,light,"]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    if excel:
        path.write_bytes(workbook({"S": [[cell.strip('"\f') or None for cell in line.split(",")] for line in lines]}))
    table, frame = read_back(path, CONTRACT)
    described = table.describe()
    assert cells_of(frame) == as_rows([lines[1], lines[3], lines[5]])
    assert [(item.line, item.why) for item in described.dropped] == [(3, "header again"), (5, "header again")]
    assert described.repeated_headers == 2


@pytest.mark.parametrize(
    ("between", "header", "row"),
    [
        pytest.param(["", "Officers"], "badge,last_name,prénom,rank,unit", "11,Sampleb,Ann,SGT,K9", id="a title"),
        pytest.param([""], "badge,last_name,prénom,rank,unit", "11,Sampleb,Ann,SGT,K9", id="a blank line"),
        pytest.param([], "badge,last_name,prénom,rank,unit", "11,Sampleb,Ann,SGT,K9", id="no line between"),
        pytest.param([""], "badge,rank,unit,status,division", "11,SGT,K9,active,north", id="no name in common"),
        pytest.param([], "badge,rank,unit,status,division", "11,SGT,K9,active,north", id="no blank line, no name"),
        pytest.param(
            ["Officers"], "badge,rank,unit,status,zone", "11,SGT,K9,active,north", id="a title, no blank line"
        ),
        pytest.param([""], "alpha,beta,gamma,delta,eps", "11,x,y,z,w", id="a blank line and unknown words"),
        pytest.param([",,,,", "Officers,,,,"], "badge,rank,,,", "11,SGT,,,", id="padded to the same width"),
        pytest.param(["", "Roster,,,,"], "alpha,beta,gamma,,", "11,SGT,K9,,", id="unknown words below a title"),
        pytest.param([], "last_name,stop_id,reason", "Sampleb,S7,light", id="fewer columns in another order"),
        pytest.param([], f"{HEADER},col1", "S7,Sampleb,Ann,light,n,x", id="more columns"),
        pytest.param([], "reason,notes,stop_id,last_name,prénom", "light,n,S7,Sampleb,Ann", id="another order"),
    ],
)
@pytest.mark.parametrize("excel", [False, True], ids=["csv", "workbook"])
def test_no_row_of_a_second_table_is_good(path: Path, between: list[str], header: str, row: str, excel: bool) -> None:
    mine = [f"S{n},Sampled,Bob,light,n" for n in range(1, 4)]
    lines = [HEADER, *mine, *between, header, row, row]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    if excel:
        path.write_bytes(workbook({"S": [[cell or None for cell in line.split(",")] for line in lines]}))
    result = check_file(path, CONTRACT, path.parent)
    _, frame = read_back(path, CONTRACT)
    assert [row[:5] for row in cells_of(frame.filter(frame[DAMAGE].is_null()))] == as_rows(mine)
    assert result.accepted_rows == 3
    assert OUTSIDE in result.reasons


KEYED = contract_of(
    [
        text("stop_id", primaryKey=True),
        text("last_name", required=True),
        typed("day", "date"),
        text("reason", enum=[{"value": "light"}, {"value": "speed"}]),
    ]
)


@pytest.mark.parametrize("excel", [False, True], ids=["csv", "workbook"])
@given(rows=st.integers(1, 5), repeats=st.integers(0, 5), second=st.sampled_from(["stop_id,fine,paid,to whom"]))
@settings(QUIET, max_examples=15)
def test_rows_of_a_second_table_break_no_rule_of_the_first_and_repeat_no_key_of_it(
    path: Path, excel: bool, rows: int, repeats: int, second: str
) -> None:
    mine = [f"S{n},Sampled,2026-01-0{n},light" for n in range(1, rows + 1)]
    others = [f"S{n},,soon,x" for n in range(1, repeats + 1)]
    lines = ["stop_id,last_name,day,reason", *mine, "", "Fines,,,", second, *others]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    if excel:
        path.write_bytes(workbook({"S": [[cell or None for cell in line.split(",")] for line in lines]}))
    result = check_file(path, KEYED, path.parent)
    assert result.accepted_rows == rows
    assert set(result.reasons) == {OUTSIDE}
    assert result.quarantined_rows == result.reasons[OUTSIDE]


def test_the_text_report_shows_no_value_of_a_row_outside(path: Path) -> None:
    path.write_text(
        "stop_id,last_name,day,reason\nS1,a,2026-01-01,light\n\nFines,,,\nstop_id,fine,paid,to\nS1,b,c,d\n", "utf-8"
    )
    shown = verdict("x.csv", None, check_file(path, KEYED, path.parent))
    assert "3  line 4, line 5, line 6\n" in shown + "\n"
    assert "without the cells" not in shown


def test_the_rows_of_the_first_table_go_on_below_its_own_header(path: Path) -> None:
    lines = [HEADER, "S1,a,b,c,d", "badge,last_name,prénom,rank,unit", "11,x,y,SGT,K9", HEADER, "S2,a,b,c,d"]
    assert good_rows(path, *lines) == as_rows(["S1,a,b,c,d", "S2,a,b,c,d"])


def test_a_second_table_goes_on_in_the_next_chunk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", 64)
    mine = [f"S{n},Sampled,Bob,light,n" for n in range(30)]
    other = [f"{n},Sampled,Bob,light,n" for n in range(30)]
    for between in ([], [""], ["", "Officers"]):
        assert good_rows(path, HEADER, *mine, *between, "badge,last_name,prénom,rank,unit", *other) == as_rows(mine)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param("S7,Stop,Ann,reason,n", id="one name of a column"),
        pytest.param("N/A,Sampled,Bob,light,n", id="no digit where the others have one"),
        pytest.param("Unknown,Officer,Ann,Consent,n", id="words"),
        pytest.param("Pending,Sampled,Bob,light,n", id="one word"),
    ],
)
def test_a_row_of_data_below_a_blank_line_is_data(path: Path, row: str) -> None:
    lines = ["S1,Sampled,Bob,light,n", "S2,Sampled,Bob,light,n", "", row, "S3,Sampled,Bob,light,n"]
    assert good_rows(path, HEADER, *lines) == as_rows([line for line in lines if line])


@pytest.mark.parametrize("title", ["District 2", "North,,,,"])
def test_rows_below_a_title_are_rows(path: Path, title: str) -> None:
    rows = [f"S{n},Officer,Active,Report,n" for n in range(1, 5)]
    assert good_rows(path, HEADER, *rows[:2], "", title, *rows[2:]) == as_rows(rows)


def test_a_row_after_a_cell_with_line_breaks_is_no_title(path: Path) -> None:
    rows = ['S1,a,b,c,"two', 'lines"', "S2,,,,"]
    assert [row[0] for row in good_rows(path, HEADER, "S0,a,b,c,d", "", *rows)] == ["S0", "S1", "S2"]


def test_blank_lines_between_all_rows_end_no_table(path: Path) -> None:
    rows = [f"S{n},,,," for n in range(9)]
    assert good_rows(path, HEADER, *(line for row in rows for line in ("", row))) == as_rows(rows)


def test_a_row_with_cells_only_in_columns_that_the_contract_does_not_have_is_damaged(path: Path) -> None:
    path.write_text("stop_id,last_name,street,city\nS1,a,x,y\n,,x,y\n,b,,\n")
    _, frame = read_back(path, CONTRACT)
    assert frame.select(LINE, DAMAGE).rows() == [(2, None), (3, NO_KNOWN_CELL), (4, None)]


@pytest.mark.parametrize("names", [["id"], ["id", "x"]])
def test_a_table_of_few_columns_loses_only_its_header(path: Path, names: list[str]) -> None:
    rows = [[f"{name}{n}" for name in names] for n in range(3)]
    path.write_text("".join(",".join(row) + "\n" for row in (names, *rows, [name.upper() for name in names])))
    _, frame = read_back(path, contract_of([text(name) for name in names]))
    assert cells_of(frame) == [tuple(row) for row in rows]


def polluted(name: str) -> st.SearchStrategy[str]:
    around = st.sampled_from(["", " ", "\t", "\u00a0", "\u200b", "\f"])
    cased = st.sampled_from([str.upper, str.lower, str.title, str.swapcase])
    form = st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"])
    gap = st.sampled_from(["_", " ", "", "-", "  "])
    return st.builds(
        lambda before, after, case, nf, space: before
        + unicodedata.normalize(nf, case(name)).replace("_", space)
        + after,
        around, around, cased, form, gap,
    )  # fmt: skip


@QUIET
@given(
    again=st.tuples(*map(polluted, HEADER.split(","))),
    rows=st.lists(st.tuples(*[CELLS] * 5).filter(lambda row: any(map(str.strip, row))), max_size=8),
    place=st.integers(0, 8),
)  # fmt: skip
def test_a_polluted_header_is_never_a_row_and_takes_no_row_with_it(
    tmp_path: Path, again: tuple[str, ...], rows: list[tuple[str, ...]], place: int
) -> None:
    path = tmp_path / "delivery.csv"
    mixed = [*rows[:place], again, *rows[place:]]
    path.write_text("\n".join(",".join(row) for row in (HEADER.split(","), *mixed)) + "\n", "utf-8", newline="")
    _, frame = read_back(path, CONTRACT)
    assert [tuple(row) for row in cells_of(frame)] == rows


def test_a_text_that_is_one_column_name_in_several_cells_is_a_row(tmp_path: Path) -> None:
    contract = contract_of([text("ident"), text("x"), text("n")])
    path = tmp_path / "delivery"
    path.write_text("ident,x,n\n1,a,b\nx,x,x\n3,c,d\n")

    _, frame = read_back(path, contract)

    assert frame[DAMAGE].to_list() == [None, None, None]
