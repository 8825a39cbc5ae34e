"""One delimiter or quote too many or too few: no row is shifted or merged, and few rows are lost. Random rows."""

import csv
import io
from collections import Counter
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from etl_platform.engine.columns import DAMAGE
from etl_platform.engine.reading.delimited.parse_chunk import parse_chunk
from etl_platform.engine.reading.delimited.row_format import RowFormat
from etl_platform.engine.reading.delimited.split_rows import LOOK_BACK_ROWS
from etl_platform.engine.reading.read_notes import ReadNotes
from etl_platform_tests.unit.making import cells_of

COMMAS = RowFormat(",", b"\n", 4, 4, 4)
WORDS = st.sampled_from(["", "", "SGT", "Records", "Sample", "12", "0.5", "Roe Al", "it's", "2026-01-05"])
QUOTED = st.sampled_from(
    ["Bo, Cy", '6" bat', 'said "go"', "a, b, c", '"', "one\ntwo", "red, white\nblue, x", 'a\n\nb, "c"']
)
ROW = st.tuples(st.text("abz019", min_size=1, max_size=4), WORDS | QUOTED, WORDS | QUOTED, WORDS)


def written(rows: list[tuple[str, ...]], quoting: Any) -> str:
    sink = io.StringIO(newline="")
    csv.writer(sink, quoting=quoting, lineterminator="\n").writerows(rows)
    return sink.getvalue()


def good_rows(text: str) -> list[tuple[str, ...]]:
    good, rest, line = [], text.encode(), 1
    while rest:
        frame, lines, rest = parse_chunk(rest, line, COMMAS, ReadNotes())
        line += lines
        good += cells_of(frame.filter(frame[DAMAGE].is_null()))
    return good


@settings(max_examples=500)
@given(
    rows=st.lists(ROW, min_size=1, max_size=8),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    sign=st.sampled_from(',"'),
    deletes=st.booleans(),
    pick=st.floats(0, 1, exclude_max=True),
)
def test_one_sign_too_many_or_too_few_shifts_no_row(
    rows: list[tuple[str, ...]], quoting: Any, sign: str, deletes: bool, pick: float
) -> None:
    clean = written(rows, quoting)
    places = [place for place, letter in enumerate(clean) if letter == sign] if deletes else range(len(clean))
    assume(places)
    place = places[int(pick * len(places))]
    polluted = clean[:place] + ("" if deletes else sign) + clean[place + deletes :]
    before, after = Counter(good_rows(clean)), Counter(good_rows(polluted))
    new, lost = list((after - before).elements()), list((before - after).elements())
    assert len(lost) <= LOOK_BACK_ROWS + 2
    # The sign may be part of a text, and the row then has another text in one cell. No other row is new.
    assert len(new) <= 1
    for row in new:
        assert any(sum(map(str.__ne__, row, other)) == 1 for other in lost)
