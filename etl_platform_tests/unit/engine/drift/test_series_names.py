"""Which names are of one series, and which period a name states."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.drift.series_names import period, series_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Stops_2026-09.csv", "Stops_2026-10.csv"),
        ("Stops_202609.csv", "Stops_202701.csv"),
        ("Stops Sep 2026.csv", "Stops October 2026.csv"),
        ("Stops_9-1-2026.csv", "Stops_10-01-2026.csv"),
        ("Stops_17.csv", "Stops_9.csv"),
        ("Stops_2026_Q3.csv", "Stops_2026_Q4.csv"),
        ("2026/09/Stops.csv", "2027/01/Stops.csv"),
        ("Stops.csv", "Stops (1).csv"),
        ("Stops_2026-09.csv", "Stops_2026-10_v2.csv"),
        ("Stops_004711_2026-09-01.csv", "Stops_004712_2026-10-01.csv"),
        ("Stops_P1_202609.csv", "Stops_P1_202610.csv"),
    ],
)
def test_names_that_differ_in_their_period_are_of_one_series(one: str, other: str) -> None:
    assert series_name(one) == series_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Stops_2026.csv", "Stops_2026-09.csv"),
        ("Stops_P1_202609.csv", "Stops_P2_202609.csv"),
        ("District 7/Stops_2026-09.csv", "District 8/Stops_2026-09.csv"),
        ("Stops_north.csv", "Stops_south.csv"),
        ("Marshal_2026.csv", "Bailiff_2026.csv"),
    ],
)
def test_names_of_other_parts_or_spans_are_of_other_series(one: str, other: str) -> None:
    assert series_name(one) != series_name(other)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("Stops_2026-09.csv", date(2026, 9, 1)),
        ("Stops_20260915_031512.csv", date(2026, 9, 15)),
        ("Stops October 2026.csv", date(2026, 10, 1)),
        ("2026 Sept stops.csv", date(2026, 9, 1)),
        ("Stops_10-2026.csv", date(2026, 10, 1)),
        ("Stops_2026_Q3.csv", date(2026, 7, 1)),
        ("Stops 2026.csv", date(2026, 1, 1)),
        ("Stops_2026-02-31.csv", None),
        ("Marshal_17.csv", None),
    ],
)
def test_the_period_of_a_name(name: str, first: date | None) -> None:
    assert period(name) == first


@given(
    st.dates(date(1990, 1, 1), date(2089, 12, 31)),
    st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%m-%d-%Y", "%b %d %Y", "%d %B %Y"]),
)
def test_a_written_date_is_read_and_does_not_count(day: date, form: str) -> None:
    name = f"Stops {day:{form}}.csv"
    assert period(name) == day
    assert series_name(name) == series_name(f"Stops {date(2001, 2, 3):{form}}.csv")


@given(st.text())
def test_any_text_is_a_name(name: str) -> None:
    period(name)
    assert series_name(series_name(name)) == series_name(name)
