"""The quote scan, 64 bytes at a time, against a plain loop over the characters."""

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.reading import quote_scan
from etl_platform.engine.reading.quote_scan import QuoteScan, scan

LETTERS = st.sampled_from('aé",;\n\r')
TEXT = st.one_of(
    st.text(LETTERS, max_size=300),
    st.text(LETTERS, min_size=120, max_size=300),
    st.text(st.sampled_from("aé,;\n\r"), min_size=70, max_size=300),
)


def walk(buffer: bytes, delimiter: str, *, final: bool) -> QuoteScan:
    """The same facts, one byte after the other."""
    separator, inside, end = delimiter.encode(), False, 0
    for place, code in enumerate(buffer):
        inside ^= code == ord('"')
        if code == ord("\n") and not inside:
            end = place + 1
    end = len(buffer) if final else end
    rows = delimiters = 0
    well_quoted, inside = True, False
    for place in range(end):
        byte = buffer[place : place + 1]
        if byte == b'"':
            inside = not inside
            follower = buffer[place + 1 : place + 2]
            well_quoted = well_quoted and (inside or follower in {b"", b"\n", b"\r", b'"', separator})
        rows += byte == b"\n" and not inside
        delimiters += byte == separator and not inside
    rows += final and not buffer.endswith(b"\n")
    head = buffer[:end]
    doubled = sum(head[i : i + 2] == b'""' for i in range(len(head)))
    returns, crlf = head.count(b"\r"), head.count(b"\r\n")
    return QuoteScan(end, rows, delimiters, head.count(b"\n"), returns, crlf, well_quoted, head.count(b'"'), doubled)


@settings(max_examples=1_000)
@given(text=TEXT, delimiter=st.sampled_from(",;"), final=st.booleans(), block=st.sampled_from([64, 128, 1 << 18]))
def test_a_quote_scan_counts_what_a_character_loop_counts(text: str, delimiter: str, final: bool, block: int) -> None:
    buffer = text.encode()
    with patch.object(quote_scan, "_BLOCK", block):
        assert scan(buffer, delimiter, b"\n", final=final) == walk(buffer, delimiter, final=final)


def test_a_quote_that_opens_many_words_earlier_still_counts() -> None:
    buffer = b'"' + b"x,\n" * 1_000 + b'",b\nc,d\n'
    found = scan(buffer, ",", b"\n")
    assert (found.end, found.rows, found.delimiters, found.line_ends) == (len(buffer), 2, 2, 1_002)


def test_an_empty_buffer_has_no_rows() -> None:
    assert scan(b"", ",", b"\n", final=True).end == 0
