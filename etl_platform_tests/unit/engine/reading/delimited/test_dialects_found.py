"""Dialects that are found, or that the contract sets: quotes, escapes, blanks, delimiters, files without a header."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from etl_platform.engine.columns import DAMAGE
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.file_dialect import FileDialect
from etl_platform_tests.unit.making import cells_of, contract_of, custom, read_back, text

COLUMNS = [text("ident"), text("name"), text("note")]
CONTRACT = contract_of(COLUMNS)
HEADER = "ident,name,note"
Row = tuple[str, ...]
QUIET = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "delivery.csv"


def good_rows(path: Path, content: str, contract: Any = CONTRACT) -> tuple[list[Row], FileDialect]:
    path.write_text(content, "utf-8", newline="")
    table, frame = read_back(path, contract)
    return cells_of(frame.filter(frame[DAMAGE].is_null())), table.describe()


def refusal(path: Path, content: str, contract: Any = CONTRACT) -> str:
    with pytest.raises(UnreadableFileError) as caught:
        good_rows(path, content, contract)
    return caught.value.code


def pinned(delimiter: str | None = None, **values: Any) -> Any:
    server = {"server": "s", "type": "custom", "delimiter": delimiter}
    return contract_of(COLUMNS, customs=custom(**values), **({"servers": [server]} if delimiter else {}))


@pytest.mark.parametrize(
    ("lines", "expected", "marks"),
    [
        pytest.param(
            [HEADER, "'A1','Ana','x, y'", "'A2','Bo','z'", "'A3','Cy',''"],
            [("A1", "Ana", "x, y"), ("A2", "Bo", "z"), ("A3", "Cy", "")],
            ("'", None, False),
            id="apostrophes around all cells",
        ),
        pytest.param(
            [HEADER, "A1,Ana,'x, y'", "A2,O'Neil,z", "A3,Cy,it's"],
            [("A1", "Ana", "x, y"), ("A2", "O'Neil", "z"), ("A3", "Cy", "it's")],
            ("'", None, False),
            id="apostrophes where they are needed",
        ),
        pytest.param(
            [HEADER, "A1,'O\\'Neil, Al','x'", "A2,'Bo','z'", "A3,'Cy','y'"],
            [("A1", "O'Neil, Al", "x"), ("A2", "Bo", "z"), ("A3", "Cy", "y")],
            ("'", "\\", False),
            id="escaped apostrophes",
        ),
        pytest.param(
            [HEADER, 'A1,Ana,"said \\"go\\", left"', 'A2,Bo,"z\\\\"', "A3,Cy,y"],
            [("A1", "Ana", 'said "go", left'), ("A2", "Bo", "z\\"), ("A3", "Cy", "y")],
            ('"', "\\", False),
            id="escaped quotes",
        ),
        pytest.param(
            [HEADER, "A1,Doe\\, Ana,x", "A2,Bo,y"],
            [("A1", "Doe, Ana", "x"), ("A2", "Bo", "y")],
            ('"', "\\", False),
            id="escaped delimiters",
        ),
        pytest.param(
            ["ident, name, note", 'A1, Ana, "x, y"', "A2, Bo, z"],
            [("A1", "Ana", "x, y"), ("A2", "Bo", "z")],
            ('"', None, True),
            id="a blank after each delimiter",
        ),
        pytest.param(
            [HEADER, 'A1,Ana, "x, y"', 'A2, "Bo, z",w', "A3,Cy,v"],
            [("A1", "Ana", "x, y"), ("A2", "Bo, z", "w"), ("A3", "Cy", "v")],
            ('"', None, True),
            id="a blank before each quote",
        ),
        pytest.param(
            ["ident\tname\tnote", 'A1\tAna\t"x" a', 'A2\tBo\t"y" z', 'A3\tCy\t"w" b', "A4\tDi\tv"],
            [("A1", "Ana", '"x" a'), ("A2", "Bo", '"y" z'), ("A3", "Cy", '"w" b'), ("A4", "Di", "v")],
            (None, None, False),
            id="no quotes at all",
        ),
        pytest.param(
            ["ident|name|note", 'A1|Ana|He said "go', 'A2|Bo|to" me', 'A3|Cy|She "then', "A4|Di|v"],
            [("A1", "Ana", 'He said "go'), ("A2", "Bo", 'to" me'), ("A3", "Cy", 'She "then'), ("A4", "Di", "v")],
            (None, None, False),
            id="quotes within texts only",
        ),
    ],
)
def test_a_dialect_is_found_and_reported(
    path: Path, lines: list[str], expected: list[Row], marks: tuple[str | None, str | None, bool]
) -> None:
    found, dialect = good_rows(path, "\n".join(lines) + "\n")
    quote, escape, blanks = marks
    assert found == expected
    assert (dialect.quote, dialect.escape, dialect.blank_after_delimiter) == (quote or "none", escape, blanks)
    assert dialect.confidence["quote"] > 0.9


@pytest.mark.parametrize("delimiter", [",,", ";;", "||", "\t\t", "~|~", "|~|", "::", "^|^", "#|#", "^", "~", "¦"])
def test_an_unusual_delimiter_is_found(path: Path, delimiter: str) -> None:
    rows = [("A1", "Ana", "x"), ("A2", "", "y"), ("A3", "Cy", "")]
    content = "\n".join(delimiter.join(row) for row in (HEADER.split(","), *rows)) + "\n"
    for contract in (CONTRACT, None):
        found, dialect = good_rows(path, content, contract)
        assert (found, dialect.delimiter, dialect.header_line) == (rows, delimiter, 1)


@given(
    rows=st.lists(st.tuples(st.integers(10, 99), st.integers(1000, 9999), st.booleans()), min_size=3, max_size=9),
    delimiter=st.sampled_from(";|\t"),
)
@QUIET
def test_a_comma_in_each_text_is_no_delimiter_without_a_contract(
    path: Path, rows: list[tuple[int, int, bool]], delimiter: str
) -> None:
    written = [
        delimiter.join((f"May {day}, 2026", str(code), "ab", *("x" for _ in range(more)))) for day, code, more in rows
    ]
    assert good_rows(path, "\n".join(written) + "\n", None)[1].delimiter == delimiter


def test_cells_between_blanks_are_found_with_their_quotes(path: Path) -> None:
    content = 'ident name note\nA1 "Doe, Ana" x\nA2 Bo y\nA3 Cy "z w"\n'
    found, dialect = good_rows(path, content)
    assert found == [("A1", "Doe, Ana", "x"), ("A2", "Bo", "y"), ("A3", "Cy", "z w")]
    assert dialect.delimiter == " "


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            ["ident  name    note", "A1     Ana     x", 'A2     "B C"   y', "A3     Cy      z "],
            [("A1", "Ana", "x"), ("A2", "B C", "y"), ("A3", "Cy", "z")],
            id="quotes around blanks",
        ),
        pytest.param(
            ["  ident  name     note", "     A1  Ana Doe  x y", "     A2  Bo       z"],
            [("A1", "Ana Doe", "x y"), ("A2", "Bo", "z")],
            id="single blanks within cells",
        ),
    ],
)
def test_columns_that_blanks_align_are_found(path: Path, lines: list[str], expected: list[Row]) -> None:
    assert good_rows(path, "\n".join(lines) + "\n")[0] == expected


@pytest.mark.parametrize(
    "below",
    [
        "(2 rows affected)\n",
        "\n(2 rows affected)\n\n\nCompletion time: 2026-01-02T10:00:00-05:00\n",
        "2 rows selected.\n",
    ],
)
def test_what_a_database_console_prints_below_aligned_columns_is_no_row(path: Path, below: str) -> None:
    content = "ident  name  note\n-----  ----  ----\nA1     Ana   x\nA2     Bo    y\n"
    found, dialect = good_rows(path, content + below)
    assert found == [("A1", "Ana", "x"), ("A2", "Bo", "y")]
    assert {line.why for line in dialect.dropped} == {"ruler", "footer"}


def test_aligned_columns_with_an_empty_cell_are_refused(path: Path) -> None:
    content = "ident  name    note\nA1     Ana     x\nA2             y\nA3     Cy      z w\n"
    assert refusal(path, content) == "no_header_match"


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([("A1", "O'Neil", "'"), ("A2", "'x'", "y"), ("A3", "'til", "a 'n' b")], id="few apostrophes"),
        pytest.param([("A1", "'til", "5'"), ("A2", "'bout", "6'"), ("A3", "'cause", "7'")], id="open apostrophes"),
        pytest.param([("A1", "a\\", "C:\\temp"), ("A2", "b\\c", "D:\\x")], id="backslashes"),
        pytest.param([("A1", " pad", "x"), ("A2", " pad", " y")], id="blanks that belong to cells"),
        pytest.param([("A1", "5'10\"", "x"), ("A2", '6" knife', "y")], id="inches"),
        pytest.param([("A1", "", ""), ("A2", "", "")], id="empty cells"),
    ],
)  # fmt: skip
def test_text_that_resembles_marks_stays_as_it_is(path: Path, rows: list[Row]) -> None:
    found, dialect = good_rows(path, "\n".join(",".join(row) for row in (HEADER.split(","), *rows)) + "\n")
    assert found == rows
    assert (dialect.quote, dialect.escape, dialect.blank_after_delimiter) == ('"', None, False)


@given(
    names=st.lists(st.tuples(*[st.text("ab ", min_size=1, max_size=4)] * 3), min_size=1, max_size=6),
    delimiter=st.sampled_from(",;|\t"),
)
@QUIET
def test_quotes_within_quoted_cells_are_never_part_of_a_good_row(
    path: Path, names: list[tuple[str, str, str]], delimiter: str
) -> None:
    rows = [f'A{n}{delimiter}"x{a}"y{b}"z{c}"{delimiter}note' for n, (a, b, c) in enumerate(names)]
    assert good_rows(path, "\n".join((HEADER.replace(",", delimiter), *rows)) + "\n")[0] == []


@pytest.mark.parametrize("rows", [1, 2])
def test_the_few_rows_of_a_short_file_prove_apostrophes_together(path: Path, rows: int) -> None:
    lines = [f"'A{n}','Ana','x, y'" if n else "'A0','O''Neil','x'" for n in range(rows)]
    found, dialect = good_rows(path, "\n".join((HEADER, *lines)) + "\n")
    assert found == [("A0", "O'Neil", "x"), ("A1", "Ana", "x, y")][:rows]
    assert dialect.quote == "'"
    plain = [f"'A{n}','Ana','x'" for n in range(rows)]
    assert good_rows(path, "\n".join((HEADER, *plain)) + "\n")[0] == [(f"A{n}", "Ana", "x") for n in range(rows)]


def test_a_column_in_apostrophes_that_do_not_all_close_is_refused(path: Path) -> None:
    rows = [f"A{n},'it isn't {n}','x'" for n in range(9)]
    assert refusal(path, "\n".join((HEADER, *rows)) + "\n") == "dialect_undecidable"


def test_the_marks_of_the_contract_replace_what_is_found(path: Path) -> None:
    content = f"{HEADER}\n'A1',\"Ana\",x\n'A2',\"Bo\",y\n"
    assert good_rows(path, content, pinned(quote="none"))[0] == [("'A1'", '"Ana"', "x"), ("'A2'", '"Bo"', "y")]
    assert good_rows(path, content, pinned(quote="'"))[0] == [("A1", '"Ana"', "x"), ("A2", '"Bo"', "y")]
    assert good_rows(path, content, pinned(quote='"'))[0] == [("'A1'", "Ana", "x"), ("'A2'", "Bo", "y")]
    found, dialect = good_rows(path, f"{HEADER}\nA1,a\\tb,x\n", pinned(escape="\\"))
    assert (found, dialect.pinned) == ([("A1", "atb", "x")], ("escape",))
    assert good_rows(path, "ident<>name<>note\nA1<>a<b<>x\n", pinned("<>"))[0] == [("A1", "a<b", "x")]
    assert good_rows(path, "ident, name, note\nA1, a,  x\n", pinned(", "))[0] == [("A1", "a", "x")]


@pytest.mark.parametrize(
    "first", [[], [HEADER], ["IDENT,Name,Note"]], ids=["no header", "a header", "another spelling"]
)
def test_a_file_without_a_header_is_read_by_position(path: Path, first: list[str]) -> None:
    found, dialect = good_rows(path, "\n".join((*first, "A1,Ana,x", "A2,Bo,y")) + "\n", pinned(header="none"))
    assert found == [("A1", "Ana", "x"), ("A2", "Bo", "y")]
    assert (dialect.header_line, dialect.header_lines, dialect.preamble_lines) == (0, 0, 0)
    assert [(line.line, line.why) for line in dialect.dropped] == [(1, "header")] * len(first)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("A1,Ana\nA2,Bo\n", id="too few cells"),
        pytest.param("A1,Ana,x,y\nA2,Bo,y,z\n", id="too many cells"),
        pytest.param("name,ident,note\nAna,A1,x\n", id="a header in another order"),
    ],
)
def test_a_file_that_does_not_fit_a_contract_without_header_is_refused(path: Path, content: str) -> None:
    assert refusal(path, content, pinned(header="none")) == "not_as_pinned"


def written(rows: Sequence[Row], **how: Any) -> str:
    sink = io.StringIO(newline="")
    csv.writer(sink, lineterminator="\n", **how).writerows([HEADER.split(","), *rows])
    return sink.getvalue()


DIALECTS: dict[str, dict[str, Any]] = {
    "apostrophes where needed": {"quotechar": "'"},
    "apostrophes everywhere": {"quotechar": "'", "quoting": csv.QUOTE_ALL},
    "backslashes": {"doublequote": False, "escapechar": "\\"},
    "backslashes, all quoted": {"doublequote": False, "escapechar": "\\", "quoting": csv.QUOTE_ALL},
    "backslashes and apostrophes": {"quotechar": "'", "doublequote": False, "escapechar": "\\"},
    "no quotes, but backslashes": {"quoting": csv.QUOTE_NONE, "escapechar": "\\", "quotechar": None},
    "semicolons and apostrophes": {"delimiter": ";", "quotechar": "'"},
}
MARKED = st.text(st.sampled_from("ab '\",;\\"), max_size=6)


@QUIET
@given(
    rows=st.lists(st.tuples(st.text("abz019", min_size=1, max_size=5), MARKED, MARKED), min_size=1, max_size=25),
    dialect=st.sampled_from(sorted(DIALECTS)),
)
def test_a_table_in_a_dialect_that_the_contract_sets_reads_back_cell_for_cell(
    tmp_path: Path, rows: list[Row], dialect: str
) -> None:
    how = DIALECTS[dialect]
    marks = {"quote": how.get("quotechar", '"') or "none", "escape": how.get("escapechar", "none")}
    found, _ = good_rows(tmp_path / "t.csv", written(rows, **how), pinned(how.get("delimiter", ","), **marks))
    assert found == rows


@QUIET
@given(
    rows=st.lists(st.tuples(st.text("abz019", min_size=1, max_size=5), MARKED, MARKED), min_size=1, max_size=25),
    dialect=st.sampled_from(["apostrophes everywhere", "backslashes, all quoted"]),
)
def test_a_table_in_a_dialect_that_shows_has_no_wrong_row_or_is_refused(
    tmp_path: Path, rows: list[Row], dialect: str
) -> None:
    # Two escaped quotes show that a backslash is an escape; without any nobody can tell.
    assume(dialect.startswith("apostrophes") or sum(cell.count('"') for row in rows for cell in row) > 1)
    try:
        found, _ = good_rows(tmp_path / "t.csv", written(rows, **DIALECTS[dialect]))
    except UnreadableFileError:
        found = []
    assert set(found) <= set(rows)


@given(
    places=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 2)), min_size=1, max_size=6, unique_by=lambda p: p[0])
)
def test_stray_quotes_before_cells_do_not_make_a_file_without_quoting(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, int]]
) -> None:
    rows = [[f"A{n}", f"name {n}", f"note {n}"] for n in range(12)]
    for row, cell in places:
        rows[row][cell] = '"' + rows[row][cell]
    path = tmp_path_factory.mktemp("stray") / "delivery"
    path.write_text("\n".join(["ident,name,note", *map(",".join, rows)]) + "\n")
    _, frame = read_back(path, contract_of([text("ident"), text("name"), text("note")]))
    good = frame.filter(frame[DAMAGE].is_null())
    assert not any('"' in cell for row in cells_of(good) for cell in row if cell)
