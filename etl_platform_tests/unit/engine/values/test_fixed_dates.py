"""Dates of fixed width, read digit by digit, against Python's own calendar."""

import re
from datetime import date

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etl_platform.engine.values.fixed_dates import is_fixed, read_fixed

PATTERNS = {
    "yyyy-MM-dd": re.compile(r"(?P<y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"),
    "MM/dd/yyyy": re.compile(r"(?P<m>[0-9]{2})/(?P<d>[0-9]{2})/(?P<y>[0-9]{4})"),
    "dd.MM.uuuu": re.compile(r"(?P<d>[0-9]{2})\.(?P<m>[0-9]{2})\.(?P<y>[0-9]{4})"),
}
DAYS = st.dates(date(1000, 1, 1), date(9999, 12, 31))
NEARLY = st.text(st.sampled_from("0123456789-/. +é"), min_size=8, max_size=11)


def by_the_calendar(text: str | None, pattern: str) -> date | None:
    match = PATTERNS[pattern].fullmatch(text or "")
    try:
        found = date(int(match["y"]), int(match["m"]), int(match["d"])) if match else None
    except ValueError:
        return None
    return found if found is not None and found.year >= 1000 else None


def damaged(day: date, pattern: str, place: int, letter: str) -> str:
    form = pattern.replace("yyyy", "%Y").replace("uuuu", "%Y").replace("MM", "%m").replace("dd", "%d")
    text = day.strftime(form)
    return text[:place] + letter + text[place + 1 :]


@settings(max_examples=300)
@given(
    pattern=st.sampled_from(sorted(PATTERNS)),
    days=st.lists(st.tuples(DAYS, st.integers(0, 9), st.sampled_from("0123456789-/. +é\n")), max_size=30),
    others=st.lists(st.none() | NEARLY, max_size=10),
)
def test_a_column_of_dates_reads_as_pythons_calendar_does(
    pattern: str, days: list[tuple[date, int, str]], others: list[str | None]
) -> None:
    texts = [damaged(day, pattern, place, letter) for day, place, letter in days] + others
    found = read_fixed(pl.Series(texts, dtype=pl.String), pattern)
    assert found.to_list() == [by_the_calendar(text, pattern) for text in texts]
    assert found.dtype == pl.Date


@given(st.integers(1000, 9999))
@example(1900)
@example(2000)
def test_the_end_of_february_is_that_of_the_year(year: int) -> None:
    texts = [f"{year:04}-02-{day}" for day in (28, 29, 30)]
    assert read_fixed(pl.Series(texts), "yyyy-MM-dd").to_list() == [by_the_calendar(t, "yyyy-MM-dd") for t in texts]


@pytest.mark.parametrize(
    "pattern", ["M/d/yyyy", "yyyyMMdd", "yyyy-MM", "yyyy-MM-MM", "yyyy-yyyy-dd", "dd-MMM-yyyy", "yy-MM-dd"]
)
def test_other_patterns_are_not_fixed_width_dates(pattern: str) -> None:
    assert not is_fixed(pattern)


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_a_column_without_one_date_reads_as_nulls(pattern: str) -> None:
    assert read_fixed(pl.Series([None, "", "x"], dtype=pl.String), pattern).to_list() == [None, None, None]
    assert read_fixed(pl.Series([], dtype=pl.String), pattern).to_list() == []
