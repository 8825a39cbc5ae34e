"""The row splitter: dialects read back, and damage stays in the rows that it touches. Random rows, no files."""

import csv
import io
import itertools
import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from etl_platform.engine.columns import BAD_QUOTE, SPANS_ROWS, TOO_FEW, TOO_MANY
from etl_platform.engine.reading.delimited import cell_grammar
from etl_platform.engine.reading.delimited.row_format import RowFormat
from etl_platform.engine.reading.delimited.split_rows import LOOK_BACK_ROWS, SplitRow, split_rows

DOUBLE = '"'
THREE = RowFormat(",", b"\n", 3, 3, 3)
ANY = RowFormat.of_sample
CLEAN = "1,a,b\n"


def rows_of(text: str, row_format: RowFormat = THREE, **options: Any) -> list[SplitRow]:
    return [row for row in split_rows(text, row_format, **options) if row.cells]


def cells(text: str, row_format: RowFormat) -> list[list[str]]:
    return [row.cells for row in rows_of(text, row_format)]


def damages(text: str, row_format: RowFormat = THREE) -> list[str | None]:
    return [row.damage for row in rows_of(text, row_format)]


@pytest.mark.parametrize(
    ("text", "row_format", "expected"),
    [
        ("a,'b, c',d\n", ANY(",", quote="'"), ["a", "b, c", "d"]),
        ("a,'it''s',Men's\n", ANY(",", quote="'"), ["a", "it's", "Men's"]),
        ('a,"b,c\n', ANY(",", quote=None), ["a", '"b', "c"]),
        ('a,"say \\"go\\", left",c\n', ANY(",", escape="\\"), ["a", 'say "go", left', "c"]),
        ("a,b\\,c,d\\\\\n", ANY(",", escape="\\"), ["a", "b,c", "d\\"]),
        ("a,\\N,c\n", ANY(",", quote=None, escape="\\"), ["a", "", "c"]),
        ('a, "b, c",  d\n', ANY(",", blank_after_delimiter=True), ["a", "b, c", "d"]),
        ('a||"b||c"||d|e\n', ANY("||"), ["a", "b||c", "d|e"]),
        ('a\t"b\tc"\t d\n', ANY("\t", blank_after_delimiter=True), ["a", "b\tc", "d"]),
        ('a "b c" d\n', ANY(" "), ["a", "b c", "d"]),
        ('a^"b^c"^d\n', ANY("^"), ["a", "b^c", "d"]),
        ('a,"b\r\nc",d\r\n', ANY(","), ["a", "b\r\nc", "d"]),
    ],
)
def test_a_row_of_each_format_is_split(text: str, row_format: RowFormat, expected: list[str]) -> None:
    assert [(row.cells, row.damage) for row in rows_of(text, row_format)] == [(expected, None)]


ODD = st.sampled_from(
    ["", '"', "'", "\\", ",", ";", "|", "||", "two\nlines", "crlf\r\n", " pad ", "it's", '6"', "é", "\\N"]
)
CELL = st.one_of(ODD, st.text(st.sampled_from("ab \"',;|\\\n"), max_size=6))


@settings(max_examples=600)
@given(
    rows=st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=8),
    delimiter=st.sampled_from([",", ";", "|", "\t", " "]),
    quote=st.sampled_from("\"'"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_writer_writes_is_read_back(
    rows: list[list[str]], delimiter: str, quote: str, quoting: Any, line_end: str
) -> None:
    assume(all(any(cell.strip() for cell in row) for row in rows))
    sink = io.StringIO(newline="")
    csv.writer(sink, delimiter=delimiter, quotechar=quote, quoting=quoting, lineterminator=line_end).writerows(rows)
    assert cells(sink.getvalue(), ANY(delimiter, quote=quote)) == rows


@settings(max_examples=300)
@given(
    rows=st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=8),
    delimiter=st.sampled_from([",", ";", "|", "\t", "~|~"]),
    pads=st.lists(st.sampled_from(["", " ", "   "]), min_size=1, max_size=9),
)
def test_blanks_between_a_closing_quote_and_the_delimiter_are_no_text(
    rows: list[list[str]], delimiter: str, pads: list[str]
) -> None:
    assume(all(any(cell.strip() for cell in row) for row in rows))
    pad = itertools.cycle(pads)
    written = [[f'"{cell.replace(DOUBLE, DOUBLE * 2)}"{next(pad)}' for cell in row] for row in rows]
    assert cells("".join(delimiter.join(row) + "\n" for row in written), ANY(delimiter)) == rows


@settings(max_examples=300)
@given(
    rows=st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=8),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_the_csv_writer_escapes_is_read_back(rows: list[list[str]], quoting: Any) -> None:
    assume(all(any(cell.strip() for cell in row) for row in rows))
    sink = io.StringIO(newline="")
    csv.writer(sink, doublequote=False, escapechar="\\", quoting=quoting, lineterminator="\n").writerows(rows)
    assert cells(sink.getvalue(), ANY(",", escape="\\")) == rows


@settings(max_examples=300)
@given(
    rows=st.lists(st.tuples(st.text("ab", min_size=1, max_size=3), CELL, CELL), min_size=1, max_size=8),
    cut=st.integers(0, 400),
)
def test_rows_of_a_text_that_continues_are_those_of_the_whole_text(rows: list[tuple[str, ...]], cut: int) -> None:
    sink = io.StringIO(newline="")
    csv.writer(sink, lineterminator="\n").writerows(rows)
    whole, part = rows_of(sink.getvalue()), rows_of(sink.getvalue()[:cut], final=False)
    assert part == whole[: len(part)]
    assert len(part) >= sum(row.end <= cut for row in whole) - LOOK_BACK_ROWS


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('2,"Sa"x,b', id="text after a closing quote"),
        pytest.param('2,"Sa,b', id="never closes"),
        pytest.param('"2,Sa,b', id="opens the row"),
        pytest.param('2,""Sa, b","c"', id="one quote too many"),
        pytest.param('2,Sa"Bo, Cy"', id="the delimiter before a quoted cell is lost"),
        pytest.param('2, "Sa",b', id="a blank before a quoted cell"),
        pytest.param('"2",Sa","b"', id="the opening quote is lost"),
        pytest.param('2,Sa",b', id="a quote after letters"),
        pytest.param('2,S"a,b', id="a quote between letters"),
    ],
)
def test_a_quote_out_of_place_costs_its_row_only(line: str) -> None:
    text = CLEAN + line + "\n" + '3,"c, d",e\n' + CLEAN
    assert damages(text) == [None, BAD_QUOTE, None, None]


@pytest.mark.parametrize("cell", ["5'10\" tall", '6" knife', 'Robert "Bob" Roe', 'a 4" and a 6" bat', '12½"'])
def test_inch_marks_and_words_in_quotes_are_text(cell: str) -> None:
    assert rows_of(f"1,{cell},b\n")[0].damage is None


@given(st.dictionaries(st.text("ab1", min_size=1, max_size=3), st.text("ab1", min_size=1, max_size=4), min_size=1))
def test_json_without_quotes_around_it_is_text(value: dict[str, str]) -> None:
    written = json.dumps(value)
    [row] = rows_of(f"1|{written}|b\n", RowFormat("|", b"\n", 3, 3, 3))
    assert (row.cells, row.damage) == (["1", written, "b"], None)


def test_inch_marks_of_two_rows_do_not_merge_them() -> None:
    text = '"Smith, John",6" knife,Central\nDoe,barrel 4",North\n'
    assert cells(text, THREE) == [["Smith, John", '6" knife', "Central"], ["Doe", 'barrel 4"', "North"]]


@pytest.mark.parametrize(
    ("line", "damage"),
    [("1,a,b,", TOO_MANY), ("1,a,b,c", TOO_MANY), ("1,a", TOO_FEW), ("1,,a,b", TOO_MANY), ('1,"a, b"', TOO_FEW)],
)
def test_a_row_of_another_width_is_damaged(line: str, damage: str) -> None:
    assert damages(CLEAN + line + "\n" + CLEAN) == [None, damage, None]


def test_short_rows_are_whole_where_the_contract_pads_them() -> None:
    padded = RowFormat(",", b"\n", 3, 3, 3, pads_short_rows=True)
    assert damages("1,a\n2\n3,a,b,\n", padded) == [None, None, TOO_MANY]


def test_a_cell_over_several_lines_is_one_row_and_its_lines_are_counted() -> None:
    found = rows_of(CLEAN + '2,"a\n\nb, c",d\n' + CLEAN)
    assert [(row.line, row.after, row.damage) for row in found] == [(1, 2, None), (2, 5, None), (5, 6, None)]


def test_a_line_within_a_cell_that_looks_like_a_row_is_noted() -> None:
    found = rows_of('1,"a, b\n2,c,d\nend",x\n')
    assert [(row.damage, row.inner_row) for row in found] == [(None, 2)]


def test_a_cell_whose_lines_could_all_be_rows_is_damage() -> None:
    assert damages('1,a,"seen\n2,b,x\n3,c,left"\n4,d,e\n') == [SPANS_ROWS, None]


def test_in_a_file_that_quotes_every_cell_lines_without_quotes_are_no_rows() -> None:
    assert damages('"1","a","seen\nred, white, blue"\n"2","b","c"\n') == [None, None]


def test_two_stray_quotes_far_apart_cost_their_own_rows() -> None:
    between = [f"{number},b,x\n" for number in range(100)]
    text = "".join(['1,a,"seen\n', *between, '3,c,left"\n', CLEAN])
    assert damages(text) == [BAD_QUOTE, *[None] * 100, BAD_QUOTE, None]


def test_lines_of_a_broken_cell_are_no_rows() -> None:
    text = CLEAN + '2,"he said "go" and\nfoo, bar, baz\nleft",x\n' + '3,"c",d\n'
    assert damages(text) == [None, BAD_QUOTE, BAD_QUOTE, BAD_QUOTE, None]


@pytest.mark.parametrize(
    "line",
    [
        'x,"\n',
        'x,"a""\n',
        'a","\n',
        '"a\n',
        'a",""\n',
        'a"b,"c\n',
        '"",a"",""b\n',
        'a"b"c"d"e\n',
        '\n,"',
        "a,b\n",
    ],
)
def test_hostile_quotes_are_followed_once(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each read may look at the text between its start and the place where it ends; the sum of that is linear."""
    spent = []
    read = cell_grammar.CellGrammar.read

    def counted(self: Any, text: str, start: int, stop: int) -> Any:
        run = read(self, text, start, stop)
        spent.append((run.end if run.broken is None else run.broken) - start)
        return run

    monkeypatch.setattr(cell_grammar.CellGrammar, "read", counted)
    text = line * 2_000
    assert sum(row.after - row.line for row in split_rows(text, THREE)) >= 1_999
    assert sum(spent) <= 12 * len(text)
