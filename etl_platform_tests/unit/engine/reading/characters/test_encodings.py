"""Encodings: detected with a confidence or refused with a code. Line ends of every kind, and reading overrides."""

import codecs
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.columns import DAMAGE, LINE
from etl_platform_tests.unit.making import cells_of, contract_of, read_back, refusal, text

COLUMNS = [text("ident"), text("label"), text("remark")]
CONTRACT = contract_of(COLUMNS)
HEAD = "ident,label,remark\n"


def pinned(**server: Any) -> Any:
    return contract_of(COLUMNS, servers=[{"server": "drop", "type": "s3", "location": "s3://b/k", **server}])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("rows", [1, 400])
@pytest.mark.parametrize("words", ["Peña", "日本語日本語日本語", "Привет мир", "x" * 30])
def test_utf_16_without_a_byte_order_mark_is_detected_in_any_script(
    path: Path, encoding: str, rows: int, words: str
) -> None:
    path.write_bytes((HEAD + f"1,{words},b\n" * rows).encode(encoding))
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", words, "b")] * rows
    described = table.describe()
    assert described.encoding == encoding
    assert 0.9 <= described.confidence["encoding"] < 1


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@given(before=st.integers(0, 40), after=st.integers(0, 40), line=st.integers(17, 40).map(lambda size: "x" * size))
def test_lines_of_single_bytes_within_utf_16_refuse_the_file(
    tmp_path_factory: pytest.TempPathFactory, encoding: str, mark: str, before: int, after: int, line: str
) -> None:
    path = tmp_path_factory.mktemp("mixed") / "mixed.csv"
    wide = [(mark + HEAD + "1,日本語,b\n" * before).encode(encoding), ("2,Peña,b\n" * after).encode(encoding)]
    path.write_bytes(wide[0] + f"3,{line},{line}\n".encode() + wide[1])
    assert refusal(path, CONTRACT).code == "encoding_undecidable"


@pytest.mark.parametrize("cells", ["\0a,b\0", "\0,\0", "\0\0a,b", "Pe\xf1a\0,b"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_nul_in_a_few_cells_is_not_taken_for_utf_16(path: Path, cells: str, encoding: str) -> None:
    path.write_bytes((HEAD + "1,a,b\n" * 3 + f"2,{cells}\n").encode(encoding))
    _, frame = read_back(path, CONTRACT)
    assert cells_of(frame)[3] == ("2", *cells.split(","))
    assert frame[DAMAGE].to_list() == [None, None, None, "row.control_character"]


@pytest.mark.parametrize("mark", [codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE])
def test_utf_32_is_detected_by_its_byte_order_mark(path: Path, mark: bytes) -> None:
    name = "utf-32-le" if mark == codecs.BOM_UTF32_LE else "utf-32-be"
    path.write_bytes(mark + (HEAD + "1,é,b\n").encode(name))
    assert cells_of(read_back(path, CONTRACT)[1]) == [("1", "é", "b")]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param((HEAD + "1,a,b\n").encode("utf-32-le"), id="UTF-32 without a mark"),
        pytest.param(codecs.BOM_UTF16_LE + HEAD.encode("utf-16-le") + b"x", id="half a character"),
        pytest.param((HEAD + "1,a,b\n" * 30).encode("cp037"), id="EBCDIC"),
        pytest.param((HEAD + "1,Привет мир,b\n").encode("koi8-r"), id="KOI8-R"),
        pytest.param((HEAD + "1,Привет мир,b\n").encode("cp1251"), id="cp1251"),
        pytest.param((HEAD + "1,Peña,b\n").encode("cp850"), id="cp850"),
        pytest.param((HEAD + "1,MUÑOZ,b\n2,NÚÑEZ,José\n").encode("cp850"), id="capitals and a last letter of cp850"),
        pytest.param((HEAD + "1,José Ibáñez,b\n").encode("mac_roman"), id="MacRoman"),
        pytest.param((HEAD + "1,日本語,b\n").encode("gbk"), id="GBK"),
        pytest.param(b"1,a,b\n" + bytes(2_000), id="zeros of a crash"),
    ],
)
def test_bytes_that_are_neither_unicode_nor_western_are_undecidable(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert refusal(path, CONTRACT).code == "encoding_undecidable"


WESTERN = [
    "“quoted” \u2013 dash…",
    "Peña, José",
    "CRÈME BRÛLÉE",
    "50 € ½ price",
    "naïveté",
    "O\u2019Brien",
    "Zoë\u2019s café",
    "§ 12 ®",
    "NW¼SW¼ of section 7",
]


@pytest.mark.parametrize("words", WESTERN)
def test_western_letters_and_signs_are_read_as_windows_1252(path: Path, words: str) -> None:
    path.write_bytes((HEAD + f'1,"{words.replace(chr(34), "")}",b\n').encode("cp1252"))
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame)[0][1] == words
    assert table.describe().confidence["encoding"] > 0.9


def test_one_odd_sign_among_western_words_is_kept_and_lowers_the_confidence(path: Path) -> None:
    path.write_bytes((HEAD + "1,Peña José,b\n2,a¤b,c\n").encode("cp1252"))
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame)[1][1] == "a¤b"
    assert 0.5 < table.describe().confidence["encoding"] < 0.9


FORMATS = [
    (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "HTML"),
    (b"\xef\xbb\xbf \n<table><tr><td>ident</td></tr></table>", "HTML"),
    (b'<?xml version="1.0"?><rows><ident>1</ident></rows>', "XML"),
    (b'[{"ident": "1", "label": "a"}]', "JSON"),
    (b'{"ident": "1"}\n{"ident": "2"}\n', "JSON"),
    (b"SQLite format 3\0" + bytes(90), "SQLite"),
    (b"Rar!\x1a\x07\x01\0" + bytes(range(99)), "RAR"),
    (b"7z\xbc\xaf\x27\x1c" + bytes(range(99)), "7z"),
    (b"BZh91AY&SY" + bytes(range(99)), "bzip2"),
    (b"x.csv".ljust(257, b"\0") + b"ustar\x0000" + bytes(249), "tar"),
]


@pytest.mark.parametrize(("content", "name"), FORMATS, ids=[name for _, name in FORMATS])
def test_another_format_is_refused_with_its_name(path: Path, content: bytes, name: str) -> None:
    path.write_bytes(content)
    for contract in (CONTRACT, None):
        error = refusal(path, contract)
        assert (error.code, name in error.message) == ("not_tabular", True)


@pytest.mark.parametrize("head", ["[ident],[label],[remark]", "{ident},label,remark", "<ident>,label,remark"])
def test_brackets_around_names_are_not_taken_for_json(path: Path, head: str) -> None:
    path.write_text(head + "\n1,a,b\n")
    assert cells_of(read_back(path, CONTRACT)[1]) == [("1", "a", "b")]


@pytest.mark.parametrize("above", ["", "title\r", "title\r\r\n\r\n", "one\ntwo\r\n"])
@pytest.mark.parametrize("ends", [("\r", "\n", "\r\n"), ("\n", "\r", "\n"), ("\r\n", "\r", "\n"), ("\r\r\n",) * 3])
def test_mixed_line_ends_lose_no_row(path: Path, above: str, ends: tuple[str, str, str]) -> None:
    first, second, third = ends
    content = f"{above}ident,label,remark{first}1,a,b{second}2,c,d{third}3,e,f"
    path.write_text(content, newline="")
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "a", "b"), ("2", "c", "d"), ("3", "e", "f")]
    lines = content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert [lines[line - 1] for line in frame[LINE]] == ["1,a,b", "2,c,d", "3,e,f"]
    assert table.describe().confidence["line_end"] < 1 or not above


def test_a_line_feed_far_down_a_file_of_carriage_returns_ends_a_row(path: Path) -> None:
    path.write_bytes(b"ident\r" + b"1\r" * 300_000 + b"2\n3\n")
    _, frame = read_back(path, contract_of([text("ident")]))
    assert (frame.height, cells_of(frame)[-2:]) == (300_002, [("2",), ("3",)])


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    above=st.lists(st.sampled_from(["", "title", "naïve", '"a, b"', "x,y"]), max_size=4),
    ends=st.lists(st.sampled_from(["\r", "\n", "\r\n"]), min_size=9, max_size=9),
    encoding=st.sampled_from(["utf-8", "cp1252", "utf-16", "utf-8-sig"]),
)
def test_data_begin_after_the_header_with_every_kind_of_line_end(
    tmp_path: Path, above: list[str], ends: list[str], encoding: str
) -> None:
    lines = [*above, "ident,label,remark", "1,é,b", "2,c,d", "3,e,f"]
    path = tmp_path / "mixed"
    path.write_bytes("".join(line + end for line, end in zip(lines, ends, strict=False)).encode(encoding))
    _, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "é", "b"), ("2", "c", "d"), ("3", "e", "f")]


PINS = [
    ("utf-8", (HEAD + "1,é,b\n").encode("cp1252")),
    ("cp1252", codecs.BOM_UTF8 + HEAD.encode()),
    ("cp1252", b"ident,label,remark\n1,\x81,b\n"),
    ("cp1252", HEAD.encode("utf-16-le")),
    ("utf-16", HEAD.encode() + b"1,a,b\n"),
    ("utf-16-be", (HEAD + "1,a,b\n").encode("utf-16")),
    ("ascii", (HEAD + "1,é,b\n").encode()),
    ("cp1252", (HEAD + "1,é,b\n").encode()),
    ("latin-1", (HEAD + "1,a,b\n" * 200_000 + "2,Nguyễn,b\n").encode()),
    ("mac_roman", (HEAD + "1,Peña,b\n2,López,c\n").encode()),
]


@pytest.mark.parametrize(("encoding", "content"), PINS)
def test_an_encoding_of_the_contract_that_the_bytes_contradict_is_refused(
    path: Path, encoding: str, content: bytes
) -> None:
    path.write_bytes(content)
    error = refusal(path, pinned(encoding=encoding))
    assert (error.code, encoding in error.message) == ("not_as_pinned", True)


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("cp850", (HEAD + "1,Peña,b\n").encode("cp850")),
        ("utf-16", (HEAD + "1,Peña,b\n").encode("utf-16")),
        ("utf-8", codecs.BOM_UTF8 + (HEAD + "1,Peña,b\n").encode()),
        ("latin-1", (HEAD + "1,Peña,b\n").encode("latin-1")),
    ],
)
def test_the_encoding_of_the_contract_is_used(path: Path, encoding: str, content: bytes) -> None:
    path.write_bytes(content)
    table, frame = read_back(path, pinned(encoding=encoding))
    assert cells_of(frame) == [("1", "Peña", "b")]
    described = table.describe()
    assert (described.pinned, described.confidence["encoding"]) == (("encoding",), 1.0)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "mac_roman", "cp850", "cp1251"])
@pytest.mark.parametrize("more", [b"", b"3,\xe9,d\n", b"3,\xc3"])
def test_a_few_bytes_that_could_be_utf_8_do_not_contradict_a_single_byte_encoding(
    path: Path, encoding: str, more: bytes
) -> None:
    content = (HEAD + "1,a,b\n").encode(encoding) + (b"2,\xc2\xbf,c\n" + more if more else b"")
    path.write_bytes(content)
    _, frame = read_back(path, pinned(encoding=encoding))
    assert len(frame) == content.count(b"\n") - 1 + (not content.endswith(b"\n"))


CUT = [
    b"Pe\xc3",
    b"Mu\xc3oz",
    b"\xb1oz",
    b"don\xe2\x80",
    b"M\xc3\xbcnch\xc3",
    b"Nguy\xe1\xbbn",
    b"x\xf0\x9f\x98",
    b"MU\xc3",
]


@pytest.mark.parametrize("cut", CUT)
def test_half_a_letter_of_utf_8_damages_its_row(path: Path, cut: bytes) -> None:
    path.write_bytes((HEAD + "1,Peña,b\n").encode() + b"2," + cut + b",c\n3,Ana,d\n")
    table, frame = read_back(path, CONTRACT)
    assert frame[DAMAGE].to_list() == [None, "row.broken_character", None]
    assert table.describe().encoding == "utf-8"


def test_the_delimiter_of_the_contract_is_used_or_the_file_refused(path: Path) -> None:
    path.write_text("ident^label^remark\n1^a,x^b\n")
    assert cells_of(read_back(path, pinned(delimiter="^"))[1]) == [("1", "a,x", "b")]
    error = refusal(path, pinned(delimiter=";"))
    assert (error.code, "';'" in error.message) == ("not_as_pinned", True)


def test_two_delimiters_that_fit_equally_have_a_confidence_of_one_half(path: Path) -> None:
    path.write_text("ident;label,remark\n1;a,b\n")
    assert read_back(path)[0].describe().confidence["delimiter"] == 0.5
    path.write_text("ident;label;remark\n1;a,x;b\n2;c,y;d\n")
    assert read_back(path, CONTRACT)[0].describe().confidence["delimiter"] == 1.0
