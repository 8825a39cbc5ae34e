"""Tables written in any dialect read back as the same cells on the same lines. Random tables, small chunks."""

import codecs
import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.columns import DAMAGE, LINE
from etl_platform.engine.reading.delimited import text_table
from etl_platform.engine.reading.delimited.parse_chunk import parse_chunk
from etl_platform.engine.reading.delimited.parse_rows import parse_rows
from etl_platform.engine.reading.delimited.quote_scan import scan
from etl_platform.engine.reading.delimited.row_format import RowFormat
from etl_platform.engine.reading.read_notes import ReadNotes
from etl_platform_tests.unit.making import cells_of, contract_of, read_back, text

CONTRACT = contract_of([text("ident"), text("label"), text("remark")])
HEADER = ("ident", "label", "remark")
ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "cp1252": b"",
}
TRICKY = st.sampled_from(
    ["", "a", '"', '""', '"quoted"', "a,b", "x;y", "t\tt", "p|p", "two\nlines", "\n", " pad ", "0012", "5'10\" tall",
     "Peña", "naïve", "€ 5", "N/A", "null", "-", "1,234.50", "'", "\\", "#", "=1+1", "日"]
)  # fmt: skip
WORDS = st.text(st.sampled_from("abc 0129_'.-éñ"), max_size=8)
ROWS = st.lists(
    st.tuples(st.text("abz019", min_size=1, max_size=5), TRICKY | WORDS, TRICKY | WORDS), min_size=1, max_size=25
)
QUIET = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(rows: list[tuple[str, ...]], delimiter: str, line_end: str, quoting: Any) -> tuple[str, list[int]]:
    """CSV text of header and rows, and the line on which each row begins."""
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerow(HEADER)
    lines: list[int] = []
    line = 2
    for row in rows:
        lines.append(line)
        before = sink.tell()
        writer.writerow(row)
        line += sink.getvalue()[before:].count("\n" if "\n" in line_end else line_end)
    return sink.getvalue(), lines


@pytest.fixture(params=[48, 1 << 22], ids=["tiny chunks", "real chunks"])
def chunk_sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", request.param)


@QUIET
@given(
    rows=ROWS,
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    last_line_ends=st.booleans(),
)
def test_a_table_in_any_dialect_reads_back_cell_for_cell(
    tmp_path: Path,
    chunk_sizes: None,
    rows: list[tuple[str, ...]],
    delimiter: str,
    line_end: str,
    quoting: Any,
    encoding: str,
    last_line_ends: bool,
) -> None:
    body, lines = written(rows, delimiter, line_end, quoting)
    if encoding == "cp1252":
        body = body.replace("日", "-")
        rows = [tuple(cell.replace("日", "-") for cell in row) for row in rows]
    if not last_line_ends:
        body = body.removesuffix(line_end)
    path = tmp_path / "table"
    path.write_bytes(ENCODINGS[encoding] + body.encode(encoding))
    table, frame = read_back(path, CONTRACT)
    assert tuple(table.header) == HEADER
    assert cells_of(frame) == rows
    assert frame[LINE].to_list() == lines
    assert frame[DAMAGE].null_count() == frame.height
    described = table.describe()
    assert described.delimiter == delimiter
    assert described.dropped == ()


@QUIET
@given(
    rows=st.lists(
        st.tuples(*[st.text(st.sampled_from("abc019 ,;|\"'é"), min_size=1, max_size=6)] * 3), min_size=1, max_size=20
    ),
    delimiter=st.sampled_from(",;\t|"),
)
def test_a_file_with_cr_line_ends_reads_back_cell_for_cell(
    tmp_path: Path, chunk_sizes: None, rows: list[tuple[str, ...]], delimiter: str
) -> None:
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    body, lines = written(rows, delimiter, "\r", csv.QUOTE_MINIMAL)
    path = tmp_path / "table"
    path.write_text(body, "utf-8", newline="")
    if not rows:
        return
    table, frame = read_back(path, CONTRACT)
    assert (cells_of(frame), frame[LINE].to_list()) == (rows, lines)
    assert table.describe().line_end == "CR"


def test_a_quoted_line_feed_in_a_file_with_cr_line_ends_stays_in_its_cell(tmp_path: Path) -> None:
    path = tmp_path / "mac.csv"
    path.write_bytes(b'ident,label,remark\r1,a,"two\nlines"\r2,b,c\r')
    _, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "a", "two\nlines"), ("2", "b", "c")]


RAW = st.lists(
    st.sampled_from(['"', ",", "\n", "a", "b ", '""', '","', "\r\n", '"\n"', "c,d,e\n", '"x",y,z\n', " ", "\0", "é"]),
    max_size=14,
).map(lambda parts: "".join(parts).encode())


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(b'1,"",c\n', id="an empty quoted cell is null"),
        pytest.param(b" , ,\n1,b,c\n", id="a row of blanks is a blank line"),
        pytest.param(b'""a"x",y,z\n', id="text after a closing quote is a stray quote"),
        pytest.param(b'"\n"a"x",y,z\n', id="text after a quote that closed on a later line"),
    ],
)
def test_both_parsers_agree_on(chunk: bytes) -> None:
    assert_readers_agree(chunk)


BLANK = st.sampled_from(["", " ", "  ", "\t"])


@given(rows=st.lists(st.tuples(BLANK, BLANK, BLANK) | st.tuples(BLANK, st.just("b"), BLANK), max_size=9))
def test_a_row_of_blanks_is_no_row(rows: list[tuple[str, ...]]) -> None:
    chunk = "".join(",".join(row) + "\n" for row in rows).encode()
    assert_readers_agree(chunk)
    frame, _, _ = parse_chunk(chunk, 1, RowFormat(",", b"\n", 3, 3, 3), ReadNotes())
    assert frame[LINE].to_list() == [line for line, row in enumerate(rows, start=1) if row[1] == "b"]


@settings(max_examples=600)
@given(chunk=RAW)
def test_the_fast_parser_gives_what_the_row_by_row_parser_gives(chunk: bytes) -> None:
    assert_readers_agree(chunk)


@settings(max_examples=300)
@given(chunk=RAW, quote=st.sampled_from(["'", None]))
def test_both_parsers_agree_with_other_quotes_and_with_none(chunk: bytes, quote: str | None) -> None:
    assert_readers_agree(chunk.replace(b'"', b"'") if quote else chunk, RowFormat(",", b"\n", 3, 3, 3, quote=quote))


@settings(max_examples=300)
@given(chunk=RAW, declared=st.sampled_from([1, 2, 3, 4]), usual=st.sampled_from([2, 3]))
def test_both_parsers_agree_where_rows_are_wider_or_narrower_than_the_header(
    chunk: bytes, declared: int, usual: int
) -> None:
    width = max(declared, usual)
    assert_readers_agree(chunk, RowFormat(",", b"\n", width, declared, min(declared, usual), usual=usual))


def assert_readers_agree(chunk: bytes, row_format: RowFormat = RowFormat(",", b"\n", 3, 3, 3)) -> None:  # noqa: B008
    slow, used, lines = parse_rows(chunk, 1, row_format, ReadNotes())
    fast, fast_lines, rest = parse_chunk(chunk, 1, row_format, ReadNotes())
    assert rest == chunk[used:]
    assert fast.rows() == slow.rows()
    assert fast_lines == lines


def reference_rows(chunk: bytes) -> list[list[str]] | None:
    """RFC 4180 by the book, character by character; None where a quote is out of place or never closes."""
    rows: list[list[str]] = [[]]
    cell, state = "", "start"
    for char in chunk.decode():
        if state == "quoted":
            if char == '"':
                state = "closing"
            else:
                cell += char
            continue
        if state == "closing" and char == '"':
            cell, state = cell + char, "quoted"
        elif char == ",":
            rows[-1].append(cell)
            cell, state = "", "start"
        elif char == "\n":
            rows[-1].append(cell)
            rows.append([])
            cell, state = "", "start"
        elif char == '"' and state == "start":
            state = "quoted"
        elif state == "closing" or char == '"':
            return None
        else:
            cell, state = cell + char, "plain"
    if state == "quoted":
        return None
    if rows[-1] or cell or state == "closing":
        rows[-1].append(cell)
    else:
        rows.pop()
    return rows


@settings(max_examples=800)
@given(
    chunk=st.lists(st.sampled_from(['"', ",", "\n", "a", " b", '""', "c,d,e\n", '"x,\ny",z,w\n']), max_size=12).map(
        "".join
    )
)
def test_well_formed_rows_of_the_right_width_read_as_rfc_4180_defines(chunk: str) -> None:
    rows = reference_rows(chunk.encode())
    if rows is None or any(len(row) != 3 for row in rows):
        return
    frame, _, _ = parse_chunk(chunk.encode(), 1, RowFormat(",", b"\n", 3, 3, 3), ReadNotes())
    assert cells_of(frame) == [tuple(row) for row in rows if any(cell.strip() for cell in row)]
    assert frame[DAMAGE].null_count() == frame.height


@settings(max_examples=600)
@given(chunk=st.text(st.sampled_from('a",\n'), max_size=20), more=st.text(st.sampled_from('a",\n'), max_size=6))
def test_a_quote_scan_never_ends_within_a_quoted_cell(chunk: str, more: str) -> None:
    buffer = (chunk + more).encode()
    end = scan(buffer, RowFormat(",", b"\n", 3, 3, 3)).end
    assert 0 <= end <= len(buffer)
    assert end == 0 or buffer[end - 1 : end] == b"\n"
    assert buffer[:end].count(b'"') % 2 == 0
