"""Years of two digits, whose century the contract states."""

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.columns import REASONS
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform_tests.unit.making import checked, contract_of, custom, text, typed


def day_column(*formats: str, first: int = 1970, kind: str = "date") -> Any:
    return contract_of([typed("day", kind, customProperties=custom(formats=list(formats), twoDigitYearsFrom=first))])


@pytest.mark.parametrize(
    ("sent", "day"),
    [
        ("1/5/26", date(2026, 1, 5)),
        ("01/05/26", date(2026, 1, 5)),
        ("12/31/69", date(2069, 12, 31)),
        ("1/1/70", date(1970, 1, 1)),
        ("2/29/00", date(2000, 2, 29)),
        ("2/29/26", None),
        ("1/5/2026", None),
        ("1/5/026", None),
        ("1/5/6", None),
        ("13/5/26", None),
    ],
)
def test_two_digits_mean_a_year_from_the_stated_one_on(sent: str, day: date | None) -> None:
    frame = checked(day_column("M/d/yy"), [(sent,)])
    assert frame["day"].to_list() == [day]
    assert frame[REASONS].to_list() == ["" if day else "day.type"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1000, 9900), st.lists(st.dates(date(1000, 1, 1), date(9999, 12, 31)), min_size=1, max_size=20))
def test_every_day_of_the_hundred_years_comes_back(first: int, days: list[date]) -> None:
    texts = [f"{day.day:02}.{day.month:02}.{day.year % 100:02}" for day in days]
    wanted = []
    for day in days:
        year = first + (day.year - first) % 100
        try:
            wanted.append(day.replace(year=year))
        except ValueError:
            wanted.append(None)
    assert checked(day_column("dd.MM.yy", first=first), [(text,) for text in texts])["day"].to_list() == wanted


def test_timestamps_and_four_digits_beside_two() -> None:
    contract = day_column("M/d/yy h:mm a", "M/d/yyyy h:mm a", kind="timestamp")
    frame = checked(contract, [("1/5/26 4:05 PM",), ("1/5/1926 12:00 am",), ("1/5/71 4:05 PM",)])
    assert frame["day"].to_list() == [datetime(2026, 1, 5, 16, 5), datetime(1926, 1, 5), datetime(1971, 1, 5, 16, 5)]  # noqa: DTZ001


def test_the_schema_states_the_century_for_all_its_columns() -> None:
    columns = [typed("day", "date", customProperties=custom(formats=["M/d/yy"])), text("note")]
    contract = contract_of(columns, customs=custom(twoDigitYearsFrom=1930))
    assert checked(contract, [("1/5/29", "x"), ("1/5/30", "x")])["day"].dt.year().to_list() == [2029, 1930]


def test_the_rule_says_which_years_are_meant() -> None:
    (rule,) = contract_rules(day_column("M/d/yy"))
    assert rule.description == "day must be a date (M/d/yy; years of two digits are 1970 to 2069)."


@pytest.mark.parametrize(
    ("customs", "says"),
    [
        ({"formats": ["M/d/yy"]}, "century of a two-digit year is unknown; use yyyy, .*twoDigitYearsFrom"),
        ({"formats": ["M/d/yyyy"], "twoDigitYearsFrom": 1970}, "day: twoDigitYearsFrom needs a format with yy"),
        ({"formats": ["M/d/yy"], "twoDigitYearsFrom": 70}, "takes a year, such as 1970"),
        ({"formats": ["M/d/yy"], "twoDigitYearsFrom": "1970"}, "twoDigitYearsFrom takes a number"),
        ({"formats": ["M/d/yy", "yy/M/d"], "twoDigitYearsFrom": 1970}, "as different values"),
    ],
)
def test_a_century_that_is_not_stated_or_not_needed_is_refused(customs: dict[str, Any], says: str) -> None:
    with pytest.raises(ContractError, match=says):
        compile_contract(contract_of([typed("day", "date", customProperties=custom(**customs))]), {})


def test_reading_leaves_missing_values_missing() -> None:
    assert checked(day_column("M/d/yy"), [(None,), ("1/5/26",)])["day"].to_list() == [None, date(2026, 1, 5)]
    assert checked(day_column("M/d/yy"), [(None,)])["day"].dtype == pl.Date
