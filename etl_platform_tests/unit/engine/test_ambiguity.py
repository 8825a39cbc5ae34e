"""Files whose own rows contradict how the contract reads a column."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract.two_digit_years import has_two_digit_year
from etl_platform.engine.result import CheckResult
from etl_platform.engine.split import SILVER
from etl_platform_tests.unit.making import contract_of, custom, text, typed

in_a_folder = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def column_of(kind: str, *formats: str, **more: Any) -> Contract:
    century = {"twoDigitYearsFrom": 1950} if has_two_digit_year(formats) else {}
    return contract_of(
        [text("ident"), typed("value", kind, customProperties=custom(formats=list(formats), **century), **more)]
    )


def check(folder: Path, contract: Contract, values: Sequence[str]) -> CheckResult:
    path = folder / "things.csv"
    lines = [f'{place},"{value}"\n' for place, value in enumerate(values)]
    path.write_text("ident,value\n" + "".join(lines), "utf-8")
    return check_file(path, contract, folder)


def codes(result: CheckResult) -> list[str]:
    return [error.code for error in result.errors]


@in_a_folder
@given(
    sign=st.sampled_from(["/", "-", ".", " "]),
    padded=st.booleans(),
    time=st.sampled_from(["", " HH:mm"]),
    days=st.lists(st.dates(date(1950, 1, 1), date(2049, 12, 31)), min_size=1, max_size=40),
    years=st.sampled_from(["yyyy", "yy"]),
    month_first=st.booleans(),
)
def test_dates_in_the_other_order_never_become_wrong_days(
    tmp_path: Path, sign: str, padded: bool, time: str, days: list[date], years: str, month_first: bool
) -> None:
    month, day = ("MM", "dd") if padded else ("M", "d")
    mine, theirs = ([month, day], [day, month]) if month_first else ([day, month], [month, day])
    contract = column_of("timestamp" if time else "date", sign.join([*mine, years]) + time)
    chrono = {"MM": "%m", "M": "%-m", "dd": "%d", "d": "%-d", "yyyy": "%Y", "yy": "%y"}
    form = sign.join(chrono[part] for part in (*theirs, years)) + (" 13:05" if time else "")
    result = check(tmp_path, contract, [day.strftime(form) for day in days])
    is_proof = [day.day > 12 for day in days]
    could_be_wrong = any(day.day <= 12 and day.day != day.month for day in days)
    if any(is_proof) and could_be_wrong:
        assert "ambiguous_dates" in codes(result)
        assert not (tmp_path / SILVER).exists()
    elif any(is_proof):
        right = {(day.month, day.day) for day in days}
        silver = pl.read_parquet(tmp_path / SILVER)["value"].to_list() if not result.errors else []
        assert {(found.month, found.day) for found in silver} <= right
    else:
        assert not result.errors


@in_a_folder
@given(
    st.lists(st.dates(date(1950, 1, 1), date(2049, 12, 31)), min_size=1, max_size=60),
    st.integers(0, 2),
)
def test_a_typing_error_costs_its_row_where_enough_rows_confirm_the_contract(
    tmp_path: Path, days: list[date], typos: int
) -> None:
    days += [date(2020, 1, 13 + place) for place in range(8)]
    values = [f"{day.month}/{day.day}/{day.year}" for day in days] + ["13/1/2020"] * typos
    result = check(tmp_path, column_of("date", "M/d/yyyy"), values)
    assert (codes(result), result.quarantined_rows) == ([], typos)
    assert pl.read_parquet(tmp_path / SILVER)["value"].to_list() == days


@pytest.mark.parametrize(
    ("ours", "theirs", "refused"),
    [(0, 1, True), (3, 1, True), (4, 1, False), (7, 2, True), (8, 2, False), (299, 3, True), (300, 3, False)],
)
def test_how_many_contrary_rows_are_typing_errors(tmp_path: Path, ours: int, theirs: int, refused: bool) -> None:
    values = ["1/13/2020"] * ours + ["13/1/2020"] * theirs + ["3/4/2020"]
    result = check(tmp_path, column_of("date", "M/d/yyyy"), values)
    assert codes(result) == (["ambiguous_dates"] if refused else [])


def test_two_orders_in_one_file_are_reported_with_numbers_and_the_first_line(tmp_path: Path) -> None:
    values = ["1/13/2020", "5/6/2020", "2020-01-02", "13/1/2020", "7/8/2020", "25/12/2020"]
    result = check(tmp_path, column_of("date", "yyyy-MM-dd", "M/d/yyyy"), values)
    (error,) = result.errors
    assert error.line == 5
    assert error.message == (
        "value: 2 rows can be read with month first or with day first, as different values; 1 row can only be read "
        "with month first, as the contract has it, and 2 rows only with day first (first: line 5, '13/1/2020'); send "
        "dates as yyyy-MM-dd, or ask the data team to change the contract's formats"
    )


def test_no_value_of_a_masked_column_is_reported(tmp_path: Path) -> None:
    contract = column_of("date", "M/d/yyyy", classification="restricted")
    (error,) = check(tmp_path, contract, ["13/1/2020", "3/4/2020"]).errors
    assert "(first: line 2)" in error.message
    assert "13/1/2020" not in error.message


def test_dates_that_only_one_order_can_read_need_no_refusal(tmp_path: Path) -> None:
    values = ["2020-03-04", "13/1/2020", "5/5/2020", "1/20/2020"]
    result = check(tmp_path, column_of("date", "yyyy-MM-dd", "M/d/yyyy"), values)
    assert (codes(result), result.reasons) == ([], {"value.type": 1})


def test_a_column_without_evidence_follows_a_like_column_of_its_file(tmp_path: Path) -> None:
    us = {"customProperties": custom(formats=["M/d/yyyy"])}
    contract = contract_of([typed("born", "date", **us), typed("hired", "date", **us), typed("left", "date", **us)])
    path = tmp_path / "things.csv"
    path.write_text("born,hired,left\n13/1/1980,5/6/2001,\n14/2/1981,7/8/2002,\n3/3/1983,9/9/2003,1/31/2020\n")
    errors = check_file(path, contract, tmp_path).errors
    assert [(error.code, error.message.partition(":")[0]) for error in errors] == [("ambiguous_dates", "hired")]
    assert "only with day first, as is born;" in errors[0].message


@pytest.mark.parametrize(
    ("formats", "more", "values", "refused"),
    [
        ([], {}, ["52.500", "52,50"], True),
        ([], {}, ["1.234", "1.234,56"], True),
        ([], {}, ["1.234", "1.234.567"], True),
        ([], {}, ["1.234", "-0,5"], True),
        ([], {}, ["1.234", "€ 3,5"], True),
        ([], {}, ["1.234", "1 234,5"], True),
        ([], {}, ["1.234", "2,5%"], True),
        ([], {}, ["1.234", "EUR 2,50"], True),
        ([], {}, ["1.234", "2,50 kr."], True),
        (["money"], {}, ["$1.234", "R$ 2,50"], True),
        ([], {}, ["1.234", "N/A", "x1,5,2", "see 2,5"], False),
        ([], {"physicalType": "decimal(10,3)"}, ["52.500", "52,50"], True),
        (["money"], {}, ["$1,234", "$52,5"], True),
        (["money"], {}, ["($52.500)", "1.234,5"], True),
        ([], {}, ["52.500", "52,500"], False),
        ([], {}, ["52.500", "1 234"], False),
        ([], {}, ["52.500", "1,234,567.5"], False),
        (["money"], {}, ["1,234", "1,234,567", "$52.50"], False),
        ([], {}, ["52.5", "1500", "52,50"], False),
        ([], {}, ["1234.500", "0.250", "52,50"], False),
        ([], {}, ["1.234", "52,5", "1.5", "2.5", "3.5", "4.25"], False),
    ],
)
def test_numbers_that_a_decimal_comma_explains(
    tmp_path: Path, formats: list[str], more: dict[str, Any], values: list[str], refused: bool
) -> None:
    result = check(tmp_path, column_of("number", *formats, **more), values)
    assert ("ambiguous_numbers" in codes(result)) is refused


@in_a_folder
@given(st.lists(st.integers(1, 99_999_999), min_size=1, max_size=30), st.booleans())
def test_amounts_with_a_decimal_comma_never_become_other_amounts(tmp_path: Path, cents: list[int], money: bool) -> None:
    values = [f"{cent // 100:,}".replace(",", ".") + (f",{cent % 100:02}" if cent % 100 else "") for cent in cents]
    result = check(tmp_path, column_of("number", *(["money"] if money else [])), values)
    contrary = any("," in value or value.count(".") > 1 for value in values)
    if contrary and not result.errors:
        found = pl.read_parquet(tmp_path / SILVER)["value"].to_list()
        assert set(found) <= {cent / 100 for cent in cents}


@pytest.mark.parametrize("as_date", [date, datetime])
def test_a_spreadsheet_that_mistook_day_first_texts_is_refused(tmp_path: Path, as_date: type[date]) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    # Opened as month first, 5.6.2020 became 6 May, and 13.1.2020 stayed a text.
    for row in (["ident", "value"], [1, as_date(2020, 5, 6)], [2, "13/1/2020"], [3, as_date(2020, 3, 4)]):
        sheet.append(row)
    path = tmp_path / "things.xlsx"
    book.save(path)
    result = check_file(path, column_of("date", "M/d/yyyy"), tmp_path)
    assert codes(result) == ["ambiguous_dates"]


def test_damaged_rows_are_no_evidence(tmp_path: Path) -> None:
    path = tmp_path / "things.csv"
    path.write_text("ident,value\na,3/4/2020\nb,13/1/2020,x\n")
    assert codes(check_file(path, column_of("date", "M/d/yyyy"), tmp_path)) == []


def test_a_date_cell_is_no_text_of_a_format_with_the_day_before_the_month(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["ident", "value"], [1, date(2020, 5, 6)], [2, "2020-31-01"], [3, date(2020, 5, 5)]):
        sheet.append(row)
    path = tmp_path / "things.xlsx"
    book.save(path)
    result = check_file(path, column_of("date", "yyyy-dd-MM"), tmp_path)
    assert result.reasons == {"value.type": 1}
    assert pl.read_parquet(tmp_path / SILVER)["value"].to_list() == [date(2020, 1, 31), date(2020, 5, 5)]
