"""Tables for people, on terminals of any width and in pipes."""

import re
from itertools import zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.output.terminal_table import table

HEADER = ("when (UTC)", "agency", "file", "dataset", "outcome", "rows", "quarantined", "why")
WHY = "missing_column: the header lacks the required column stop_date; add it under one of its names"
ROWS = [
    ("2026-11-30 08:44:14", "la_new_orleans", "Traffic_Stops_2026-09-28.csv", "traffic_stops", "accepted", 118, 3, ""),
    ("2026-11-30 08:44:15", "nm_albuquerque", "Traffic_Stops_2026-10-26.csv", "traffic_stops", "rejected", 0, 0, WHY),
]


def test_a_pipe_has_one_line_per_row() -> None:
    assert len(table(HEADER, ROWS).splitlines()) == 2 + len(ROWS)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_row_that_is_wider_than_the_terminal_continues_below(width: int) -> None:
    text = table(HEADER, ROWS, width=width, last=300, coloured=False)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    assert all(str(value) in text for row in ROWS for value in row[:-1])
    assert all(word in words for word in WHY.split())


def test_eighty_columns_are_readable() -> None:
    assert (
        table(HEADER, ROWS, width=80, last=300, coloured=False)
        == """\
when (UTC)           agency          file                          dataset
    outcome   rows  quarantined  why
───────────────────  ──────────────  ────────────────────────────  ─────────────
2026-11-30 08:44:14  la_new_orleans  Traffic_Stops_2026-09-28.csv  traffic_stops
    accepted   118            3
2026-11-30 08:44:15  nm_albuquerque  Traffic_Stops_2026-10-26.csv  traffic_stops
    rejected     0            0  missing_column: the header lacks the required
                                 column stop_date; add it under one of its names"""
    )


@given(
    st.lists(st.lists(st.text("ab c", max_size=40) | st.integers(0, 10**9), min_size=3, max_size=3), max_size=5),
    st.integers(40, 200),
)
def test_no_cell_is_lost_at_any_width(rows: list[list[str | int]], width: int) -> None:
    wide, narrow = (table("xyz", rows, width=each, coloured=False) for each in (10_000, width))
    assert re.sub(r"[\s─]", "", narrow) == re.sub(r"[\s─]", "", wide)
    assert all(len(line) <= width for line in narrow.splitlines())


def test_colours_change_no_position() -> None:
    plain, coloured = (table(HEADER, ROWS, width=120, coloured=is_coloured) for is_coloured in (False, True))
    assert "\x1b[31mrejected" in coloured
    assert "\x1b[32maccepted" in coloured
    stripped = re.sub(r"\x1b\[\d+m", "", coloured)
    for left, right in zip_longest(plain.splitlines(), stripped.splitlines()):
        assert left == right.rstrip()
