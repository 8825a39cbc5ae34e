"""The quote scan, 64 bytes at a time, against a plain loop over the characters."""

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.reading.delimited import quote_scan
from etl_platform.engine.reading.delimited.quote_scan import QuoteScan, scan
from etl_platform.engine.reading.delimited.row_format import RowFormat

COMMAS = RowFormat(",", b"\n", 3, 3, 3)
LETTERS = st.sampled_from("aé\"',;\n\r\t\v\x7f")
TEXT = st.one_of(
    st.text(LETTERS, max_size=300),
    st.text(LETTERS, min_size=120, max_size=300),
    st.text(st.sampled_from("aé,;\n\r"), min_size=70, max_size=300),
    st.text(st.sampled_from("a~ ,;\n\r\t"), max_size=300),
)


def walk(buffer: bytes, delimiter: str, quote: str, *, final: bool) -> QuoteScan:
    """The same facts, one byte after the other."""
    separator, mark, inside, end = delimiter.encode(), quote.encode(), False, 0
    for place, code in enumerate(buffer):
        inside ^= code == ord(quote)
        if code == ord("\n") and not inside:
            end = place + 1
    end = len(buffer) if final else end
    rows = delimiters = 0
    well_quoted, inside = True, False
    for place in range(end):
        byte = buffer[place : place + 1]
        if byte == mark:
            inside = not inside
            beside = buffer[max(0, place - 1) : place] if inside else buffer[place + 1 : place + 2]
            well_quoted = well_quoted and beside in {b"", b"\n", b"\r", mark, separator}
        rows += byte == b"\n" and not inside
        delimiters += byte == separator and not inside
    rows += final and not buffer.endswith(b"\n")
    head = buffer[:end]
    doubled = sum(head[i : i + 2] == 2 * mark for i in range(len(head)))
    returns, crlf = head.count(b"\r"), head.count(b"\r\n")
    plain = all(" " <= chr(code) <= "~" or chr(code) in f"\r\n{delimiter}" for code in buffer)
    line_ends, quotes = head.count(b"\n"), head.count(mark)
    return QuoteScan(end, rows, delimiters, line_ends, returns, crlf, well_quoted, quotes, doubled, plain)


@settings(max_examples=1_000)
@given(
    text=TEXT,
    delimiter=st.sampled_from(",;\t"),
    quote=st.sampled_from("\"'"),
    final=st.booleans(),
    block=st.sampled_from([64, 128, 1 << 18]),
)
def test_a_quote_scan_counts_what_a_character_loop_counts(
    text: str, delimiter: str, quote: str, final: bool, block: int
) -> None:
    buffer = text.encode()
    with patch.object(quote_scan, "_BLOCK", block):
        found = scan(buffer, RowFormat(delimiter, b"\n", 3, 3, 3, quote=quote), final=final)
        assert found == walk(buffer, delimiter, quote, final=final)


def test_a_file_without_quoting_has_no_quotes() -> None:
    found = scan(b'"a\n"b",c\n', RowFormat(",", b"\n", 2, 2, 2, quote=None))
    assert (found.rows, found.delimiters, found.quotes, found.well_quoted) == (2, 1, 0, True)


def test_a_quote_that_opens_within_a_cell_is_out_of_place() -> None:
    """Its partner on the next line closes before a delimiter; the two would merge the rows."""
    assert not scan(b'a,6" knife\nb,barrel 4",\n', COMMAS).well_quoted


def test_a_quote_that_opens_many_words_earlier_still_counts() -> None:
    buffer = b'"' + b"x,\n" * 1_000 + b'",b\nc,d\n'
    found = scan(buffer, COMMAS)
    assert (found.end, found.rows, found.delimiters, found.line_ends) == (len(buffer), 2, 2, 1_002)


def test_an_empty_buffer_has_no_rows() -> None:
    assert scan(b"", COMMAS, final=True).end == 0
