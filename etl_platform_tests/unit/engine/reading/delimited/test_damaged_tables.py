"""Ragged rows, stray quotes, totals and mixed encodings: no cell shifts and no row is lost."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_platform.engine.columns import BAD_QUOTE, DAMAGE, LINE, OVERFLOW, TOO_FEW, TOO_MANY
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.delimited import blank_lines, parse_chunk, text_table
from etl_platform_tests.unit.making import cells_of, contract_of, custom, read_back, refusal, text

CONTRACT = contract_of([text("ident"), text("label"), text("remark")])
HEAD = b"ident,label,remark\n"


def small_chunks(monkeypatch: pytest.MonkeyPatch, row_bytes: int = 32 << 20) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", 50)
    monkeypatch.setattr(text_table, "MAX_ROW_BYTES", row_bytes)


def test_a_short_row_keeps_its_line_and_has_a_reason(path: Path) -> None:
    path.write_bytes(HEAD + b"1,a,b\n2,c\n3,d,e\n")
    _, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "a", "b"), ("2", "c", ""), ("3", "d", "e")]
    assert frame[DAMAGE].to_list() == [None, TOO_FEW, None]
    assert frame[LINE].to_list() == [2, 3, 4]


def test_surplus_cells_of_a_long_row_are_its_overflow(path: Path) -> None:
    path.write_bytes(HEAD + b"1,a,b\n2,c,d,e,f\n")
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame)[1] == ("2", "c", "d")
    assert (frame[DAMAGE].to_list(), frame[OVERFLOW].to_list()) == ([None, TOO_MANY], [None, "e,f"])
    assert table.describe().ragged_rows == 1


def test_an_unquoted_delimiter_in_every_row_is_damage_in_every_row(path: Path) -> None:
    path.write_bytes(HEAD + b"1,Smith, John,x\n2,Doe, Jane,y\n3,Roe, Al,z\n")
    _, frame = read_back(path, CONTRACT)
    assert frame[DAMAGE].to_list() == [TOO_MANY] * 3


def test_blank_cells_beyond_the_header_are_not_damage_where_every_row_has_them(path: Path) -> None:
    path.write_bytes(HEAD + b"1,a,b,,\n2,c,d,, \n3,e,f,,\n")
    _, frame = read_back(path, CONTRACT)
    assert frame[DAMAGE].null_count() == 3


def test_the_end_of_file_mark_of_dos_is_not_a_row(path: Path) -> None:
    path.write_bytes(HEAD + b"1,a,b\n\x1a")
    _, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "a", "b")]


def test_a_blank_surplus_cell_is_damage_unless_most_rows_have_it(path: Path) -> None:
    """A delimiter too many shifts the row, and its last cell may be empty."""
    path.write_bytes(HEAD + b"1,,a,\n2,c,d\n3,e,f\n")
    _, frame = read_back(path, CONTRACT)
    assert frame[DAMAGE].to_list() == [TOO_MANY, None, None]


def test_where_rows_end_in_a_delimiter_a_row_without_it_is_whole_only_if_its_last_cell_has_text(path: Path) -> None:
    path.write_bytes(HEAD + b"1,a,b,\n2,c,d\n3,ef,\n4,g,h,\n5,i,j,\n6,k,l,\n")
    _, frame = read_back(path, CONTRACT)
    assert frame[DAMAGE].to_list() == [None, None, TOO_FEW, None, None, None]


def test_rows_that_leave_out_columns_without_a_name_are_whole(path: Path) -> None:
    path.write_bytes(b"ident,label,remark,,\n1,a,b\n2,c,d\n3,e,\n")
    _, frame = read_back(path, CONTRACT)
    assert frame[DAMAGE].null_count() == 3
    assert cells_of(frame) == [("1", "a", "b", "", ""), ("2", "c", "d", "", ""), ("3", "e", "", "", "")]


def test_a_short_and_a_long_row_in_one_chunk_are_both_damaged(path: Path) -> None:
    path.write_bytes(HEAD + b"1,a\n2,b,c,d\n3,e,f\n")
    _, frame = read_back(path, CONTRACT)
    assert frame[DAMAGE].to_list() == [TOO_FEW, TOO_MANY, None]


def test_a_stray_quote_damages_only_its_own_row(path: Path) -> None:
    path.write_bytes(HEAD + b'1,"ab"c"d",x\n2,e,f\n')
    _, frame = read_back(path, CONTRACT)
    assert frame[DAMAGE].to_list() == [BAD_QUOTE, None]
    assert cells_of(frame)[1] == ("2", "e", "f")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ('1,"Sa"x,b', ("1", '"Sa"x', "b")),
        ('1,"Sa"x,"b,""c"""', ("1", '"Sa"x', 'b,"c"')),
        ('1,"a,b" "c",', ("1", '"a,b" "c"', "")),
        ('1,"a"b,"c"d"e"', ("1", '"a"b', '"c"d"e"')),
    ],
)
def test_a_row_with_a_stray_quote_keeps_its_text(
    path: Path, delimiter: str, written: str, kept: tuple[str, ...]
) -> None:
    lines = f'ident,label,remark\n{written}\n2,"e""",f\n'
    path.write_text(lines.replace(",", delimiter))
    _, frame = read_back(path, CONTRACT)
    assert frame[DAMAGE].to_list() == [BAD_QUOTE, None]
    assert cells_of(frame)[0] == tuple(cell.replace(",", delimiter) for cell in kept)


def test_an_inch_sign_inside_a_cell_is_text(path: Path) -> None:
    path.write_bytes(HEAD + b"1,5'10\" tall,x\n2,6'1\" tall,y\n")
    _, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "5'10\" tall", "x"), ("2", "6'1\" tall", "y")]
    assert frame[DAMAGE].null_count() == 2


def test_one_inch_sign_in_a_long_file_shifts_and_damages_no_row(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_chunks(monkeypatch, row_bytes=300)
    rows = [(str(i), "5'10\" tall" if i == 7 else "plain", "x" * (i % 9)) for i in range(200)]
    path.write_bytes(HEAD + "".join(",".join(row) + "\n" for row in rows).encode())
    _, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == rows
    assert frame[DAMAGE].null_count() == 200
    assert frame[LINE].to_list() == list(range(2, 202))


@pytest.mark.parametrize("row_bytes", [32 << 20, 400], ids=["at the end of the file", "past the longest row"])
def test_a_quote_that_never_closes_costs_its_row(path: Path, monkeypatch: pytest.MonkeyPatch, row_bytes: int) -> None:
    small_chunks(monkeypatch, row_bytes=row_bytes)
    rows = [f"{i},plain,text\n" for i in range(300)]
    rows[150] = '150,"opens here,text\n'
    path.write_bytes(HEAD + "".join(rows).encode())
    _, frame = read_back(path, CONTRACT)
    assert frame.height == 300
    assert frame.filter(pl.col(DAMAGE).is_not_null()).select(LINE, DAMAGE, "1").rows() == [
        (152, BAD_QUOTE, '"opens here')
    ]


def test_a_quote_that_meets_one_of_a_later_row_costs_its_row(path: Path) -> None:
    path.write_bytes(HEAD + b'1,a,b\n2,"opens,b\n3,"c",d\n4,e,f\n')
    _, frame = read_back(path, CONTRACT)
    assert frame[DAMAGE].to_list() == [None, BAD_QUOTE, None, None]
    assert cells_of(frame)[2:] == [("3", "c", "d"), ("4", "e", "f")]


def test_a_nul_byte_stays_in_its_cell(path: Path) -> None:
    path.write_bytes(HEAD + b"1,a\0b,c\n2,d,e\n")
    _, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "a\0b", "c"), ("2", "d", "e")]


def test_blank_lines_are_skipped_and_counted_and_keep_line_numbers(path: Path) -> None:
    path.write_bytes(HEAD + b"1,a,b\n\n,,\n2,c,d\n\n")
    table, frame = read_back(path, CONTRACT)
    assert (cells_of(frame), frame[LINE].to_list()) == ([("1", "a", "b"), ("2", "c", "d")], [2, 5])
    assert table.describe().blank_lines == 3


def test_a_preamble_above_and_totals_below_are_left_out_and_reported(path: Path) -> None:
    path.write_bytes(b"Springfield PD\nExported 2026-01-05\n\n" + HEAD + b"1,a,b\n2,c,d\nTotal rows: 2,,\n")
    table, frame = read_back(path, CONTRACT)
    assert (cells_of(frame), frame[LINE].to_list()) == ([("1", "a", "b"), ("2", "c", "d")], [5, 6])
    described = table.describe()
    assert (described.header_line, described.preamble_lines) == (4, 3)
    assert [(item.line, item.why) for item in described.dropped] == [
        (1, "preamble"),
        (2, "preamble"),
        (7, "footer"),
    ]


def test_a_full_row_that_begins_with_total_is_data(path: Path) -> None:
    path.write_bytes(HEAD + b"1,a,b\nTotal Recall,c,d\n")
    _, frame = read_back(path, CONTRACT)
    assert frame.height == 2


def test_columns_with_the_same_name_or_without_one_get_unique_names(path: Path) -> None:
    path.write_bytes(b"ident,label,,label,remark\n1,a,x,b,c\n")
    table, frame = read_back(path, CONTRACT)
    assert list(table.names) == ["ident", "label", "column_3", "label_2", "remark"]
    assert cells_of(frame) == [("1", "a", "x", "b", "c")]


def test_mixed_line_ends_leave_no_carriage_return_in_a_cell(path: Path) -> None:
    path.write_bytes(b"ident,label,remark\r\n1,a,b\n2,c,d\r\n3,e\r\n")
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "a", "b"), ("2", "c", "d"), ("3", "e", "")]
    assert frame[DAMAGE].to_list() == [None, None, TOO_FEW]
    assert table.describe().line_end == "mixed"


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_each_line_is_read_as_utf_8_or_else_as_cp1252(path: Path, line_end: str) -> None:
    lines = ["1,Peña,b".encode(), "2,naïve,d".encode("cp1252"), "3,€,f".encode(), "4,“q”,h".encode("cp1252")]
    path.write_bytes(line_end.encode().join([HEAD.rstrip(), *lines, b""]))
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "Peña", "b"), ("2", "naïve", "d"), ("3", "€", "f"), ("4", "“q”", "h")]
    assert table.describe().encoding == "utf-8+cp1252"


@pytest.mark.parametrize("word", ["José", "Łukasz", "“q”", "100 €", "ÁÍ"])
def test_utf_8_letters_in_a_cp1252_line_are_read_as_utf_8(path: Path, word: str) -> None:
    path.write_bytes(HEAD + b"1,%b,Mu\xf1oz\n2,Pe\xf1a,%b\n" % (word.encode(), word.encode()))
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", word, "Muñoz"), ("2", "Peña", word)]
    assert table.describe().encoding == "utf-8+cp1252"


def test_a_utf_8_header_over_cp1252_rows_keeps_its_letters(path: Path) -> None:
    path.write_bytes("ident,label,remark,Año\n".encode() + "1,naïve,b,x\n".encode("cp1252"))
    table, _ = read_back(path, CONTRACT)
    assert table.header[3] == "Año"


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
def test_a_byte_of_neither_encoding_damages_its_row(path: Path, line_end: bytes) -> None:
    path.write_bytes((HEAD + b"1,a,b\n\n2,\xe9,c\n3,\x81,d\n4,e,f\n").replace(b"\n", line_end))
    _, frame = read_back(path, CONTRACT)
    assert frame.filter(pl.col(DAMAGE) == "row.broken_character")[LINE].to_list() == [5]
    assert frame[DAMAGE].null_count() == 3


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
def test_a_word_of_another_code_page_is_refused_with_its_line(path: Path, line_end: bytes) -> None:
    path.write_bytes((HEAD + b"1,a,b\n\n2,b,c\n3,Jos\x82,d\n4,e,f\n").replace(b"\n", line_end))
    error = refusal(path, CONTRACT)
    assert (error.code, error.line) == ("encoding_undecidable", 5)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"   \n", b"\xef\xbb\xbf", b",,,\n,,,\n", b"\xff\xfe"])
def test_a_file_without_text_is_empty(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert refusal(path, CONTRACT).code == "empty_file"


@pytest.mark.parametrize("content", [b"%PDF-1.7\n%\xe2\xe3\n", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"PAR1\x15\0"])
def test_a_picture_or_a_pdf_is_refused_as_not_tabular(path: Path, content: bytes) -> None:
    path.write_bytes(content * 20)
    assert refusal(path, CONTRACT).code == "not_tabular"


def test_prose_is_refused_because_it_has_no_header(path: Path) -> None:
    path.write_bytes(b"Dear colleagues,\nplease find the data attached.\n")
    assert refusal(path, CONTRACT).code == "no_header_match"


def test_a_file_not_in_the_encoding_of_the_contract_is_refused_while_it_is_read(path: Path) -> None:
    path.write_bytes(HEAD + b"1,\xf1,b\n")
    pinned = contract_of(
        [text("ident"), text("label"), text("remark")],
        servers=[{"server": "drop", "type": "s3", "location": "s3://b/k", "format": "csv", "encoding": "utf-16-le"}],
    )
    with pytest.raises(UnreadableFileError):
        read_back(path, pinned)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("blank", ["", " \t "])
def test_runs_of_blank_lines_keep_line_numbers(path: Path, line_end: str, blank: str) -> None:
    lines = ["ident,label,remark", *[blank] * 5_000, "1,a,b", *[blank] * 90_000, "2,c,d", *[blank] * 3]
    path.write_text(line_end.join(lines), "utf-8", newline="")
    table, frame = read_back(path, CONTRACT)
    assert (cells_of(frame), frame[LINE].to_list()) == ([("1", "a", "b"), ("2", "c", "d")], [5_002, 95_003])
    assert table.describe().blank_lines >= 95_000


def test_too_many_blank_lines_are_refused_with_their_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", 1_000)
    monkeypatch.setattr(text_table, "_MIN_CHUNK_BYTES", 1_000)
    monkeypatch.setattr(blank_lines, "MAX_BLANK_BYTES", 5_000)
    path.write_bytes(HEAD + b"1,a,b\n" + b"\n" * 4_000 + b"2,c,d\n")
    assert read_back(path, CONTRACT)[1].height == 2
    path.write_bytes(HEAD + b"1,a,b\n" + b"\n" * 20_000 + b"2,c,d\n")
    error = refusal(path, CONTRACT)
    assert error.code == "too_many_blank_lines"
    assert error.line is not None


@pytest.mark.parametrize(
    ("header", "row"),
    [
        pytest.param("ident,label,day remark", "1,a,2,b", id="the names are one"),
        pytest.param("ident,label,dayremark", "1,a,2,", id="the last cells are empty"),
        pytest.param("identlabel,day,remark", "1,a,2,", id="at the start"),
        pytest.param("ident,label,other", "1,a,b,c", id="a name is missing"),
    ],
)
def test_a_header_shorter_than_its_rows_is_refused(path: Path, header: str, row: str) -> None:
    path.write_text(f"{header}\n{row}\n{row}\n{row}\n", "utf-8")
    with pytest.raises(UnreadableFileError) as caught:
        read_back(path, contract_of([text("ident"), text("label"), text("day"), text("remark")]))
    assert (caught.value.code, caught.value.line) == ("header_too_short", 1)


def test_a_surplus_delimiter_in_every_row_below_known_names_is_no_lost_header(path: Path) -> None:
    path.write_bytes(b"ident,label,remark,else\n1,a,b,c,\n2,d,e,f,\n")
    _, frame = read_back(path, CONTRACT)
    assert frame[DAMAGE].null_count() == 2


def test_short_rows_are_filled_up_where_the_contract_says_so(path: Path) -> None:
    path.write_bytes(HEAD + b"1,a\n2\n3,b,c\n4,d,e,\n")
    padded = contract_of([text("ident"), text("label"), text("remark")], customs=custom(shortRows="pad"))
    _, frame = read_back(path, padded)
    assert frame[DAMAGE].to_list() == [None, None, None, TOO_MANY]
    assert cells_of(frame)[:3] == [("1", "a", ""), ("2", "", ""), ("3", "b", "c")]


def test_rows_that_span_lines_are_counted_by_both_parsers(path: Path) -> None:
    body = b'1,"a\nb",c\n2,d,e\n3,"f\ng, h",i\n'
    for stray in (b"", b'9,"x"y,z\n'):
        path.write_bytes(HEAD + body + stray)
        table, _ = read_back(path, CONTRACT)
        assert table.describe().spanning_rows == 2


def test_a_line_in_a_quoted_cell_that_looks_like_a_row_is_in_the_report(path: Path) -> None:
    path.write_bytes(HEAD + b'1,"a, b\n2,c,d\nend",e\n3,f,g\n')
    table, frame = read_back(path, CONTRACT)
    assert frame[DAMAGE].null_count() == 2
    assert table.describe().rows_in_cells == (3,)


def test_one_stray_quote_in_a_long_file_leaves_the_other_chunks_to_the_fast_parser(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow: list[int] = []
    read = parse_chunk.parse_rows

    def counted(chunk: bytes, *args: Any, **options: Any) -> Any:
        found = read(chunk, *args, **options)
        slow.append(found[0].height)
        return found

    monkeypatch.setattr(parse_chunk, "parse_rows", counted)
    monkeypatch.setattr(text_table, "CHUNK_BYTES", 1 << 16)
    monkeypatch.setattr(text_table, "_MIN_CHUNK_BYTES", 1 << 16)
    monkeypatch.setattr(text_table, "MAX_ROW_BYTES", 1 << 18)
    rows = [f"{number},plain,text\n" for number in range(60_000)]
    rows[20_000] = '20000,"opens,text\n'
    path.write_bytes(HEAD + "".join(rows).encode())
    _, frame = read_back(path, CONTRACT)
    assert frame.height == 60_000
    assert frame.filter(frame[DAMAGE].is_not_null())[LINE].to_list() == [20_002]
    assert sum(slow) < 10_000
