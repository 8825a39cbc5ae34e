"""Patterns that read one text as two values, against the reader itself."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from etl_platform.engine.contract.two_digit_years import has_two_digit_year
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform.engine.values.cell_values import typed_value
from etl_platform.engine.values.format_conflicts import ambiguous_text
from etl_platform_tests.unit.making import contract_of, custom, typed

YEARS, MONTHS, DAYS = ["yyyy", "yy"], ["MM", "M", "MMM", "MMMM"], ["dd", "d"]
CHRONO = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "M": "%-m", "MMM": "%b", "MMMM": "%B", "dd": "%d", "d": "%-d"}


@st.composite
def patterns(draw: st.DrawFn) -> list[str]:
    """The fields of a pattern and the separators between them."""
    fields = draw(st.permutations([draw(st.sampled_from(part)) for part in (YEARS, MONTHS, DAYS)]))
    signs = [draw(st.sampled_from(["/", "-", ".", " ", ""])) for _ in range(2)]
    return [fields[0], signs[0], fields[1], signs[1], fields[2]]


def written(pattern: list[str], day: date) -> str:
    return "".join(day.strftime(CHRONO[part]) if part in CHRONO else part for part in pattern)


def read(text: str, pattern: str) -> Any:
    century = {"twoDigitYearsFrom": 2000} if has_two_digit_year([pattern]) else {}
    contract = contract_of([typed("day", "date", customProperties=custom(formats=[pattern], **century))])
    return pl.DataFrame({"text:day": [text]}).select(typed_value(contract.columns[0], contract)).item()


@settings(max_examples=150, deadline=None)
@given(patterns(), patterns(), st.dates(date(2000, 1, 1), date(2031, 12, 31)))
@example(["M", "/", "d", "/", "yyyy"], ["d", "/", "M", "/", "yyyy"], date(2020, 1, 2))
def test_two_patterns_that_read_a_text_as_two_days_conflict(one: list[str], other: list[str], day: date) -> None:
    mine, theirs = "".join(one), "".join(other)
    found = ambiguous_text(mine, theirs)
    text = written(one, day)
    if found is None:
        assert read(text, theirs) in {None, read(text, mine)}
    else:
        assume(mine != theirs)
        readings = read(found, mine), read(found, theirs)
        assert None not in readings
        # A pattern that reads a text in two ways gives the reader only one of them.
        assert readings[0] != readings[1] or ambiguous_text(mine, mine) or ambiguous_text(theirs, theirs)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("M/d/yyyy", "d/M/yyyy"),
        ("MM-dd-yyyy", "dd-MM-yyyy"),
        ("MM/dd/yyyy", "d/M/yyyy"),
        ("yyyy-MM-dd", "yyyy-dd-MM"),
        ("yy/MM/dd", "dd/MM/yy"),
        ("M/d/yy", "d/M/yy"),
        ("MMddyy", "yyMMdd"),
        ("M/d/yyyy h:mm a", "d/M/yyyy h:mm a"),
        ("dd.MM.yyyy HH:mm", "MM.dd.yyyy HH:mm"),
        ("M/d/yyyy HH:mm", "M/d/yyyy mm:HH"),
        ("Mdyyyy", "Mdyyyy"),
    ],
)
def test_formats_with_two_readings_of_a_text_are_refused(one: str, other: str) -> None:
    formats = custom(formats=[one, other], **({"twoDigitYearsFrom": 1970} if "yyyy" not in one else {}))
    contract = contract_of([typed("at", "timestamp" if "m" in one else "date", customProperties=formats)])
    with pytest.raises(ContractError, match=r"^made\.odcs\.yaml:\d+: at: the format") as caught:
        compile_contract(contract, {})
    assert ("in two ways" if one == other else "as different values") in str(caught.value)


@pytest.mark.parametrize(
    "formats",
    [
        ["yyyy-MM-dd", "M/d/yyyy", "MM/dd/yyyy", "d MMM yyyy", "dd.MM.yyyy", "yyyyMMdd", "excelSerial"],
        ["MM/dd/yyyy", "M/d/yyyy"],
        ["yyyyMMdd", "ddMMyyyy"],
        ["d MMM yyyy", "MMM d yyyy", "MMMM d, yyyy"],
        ["M/d/yyyy", "d-M-yyyy"],
    ],
)
def test_formats_with_one_reading_of_each_text_are_allowed(formats: list[str]) -> None:
    compile_contract(contract_of([typed("day", "date", customProperties=custom(formats=formats))]), {})
