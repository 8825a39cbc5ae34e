"""Times of day: texts in, silver, profile and rules out."""

from datetime import date, time, timedelta
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.columns import REASONS
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform.engine.split import SILVER
from etl_platform.engine.values.cell_values import typed_value
from etl_platform_tests.unit.making import checked, contract_of, custom, row_rule, text, typed

PLAIN = contract_of([typed("at", "time")])
CLOCK = contract_of([typed("at", "time", customProperties=custom(formats=["h:mm a", "HH:mm:ss.SSS", "HHmm"]))])


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ("00:00", time(0)),
        ("23:59:59", time(23, 59, 59)),
        ("07:05", time(7, 5)),
        ("7:05", None),
        ("24:00", None),
        ("24:00:00", None),
        ("12:60", None),
        ("12:30:60", None),
        ("12:30 PM", None),
        ("2026-01-05 12:30:00", None),
        ("0.5", None),
        ("\uff11\uff12:30", None),
    ],
)
def test_a_time_is_hours_minutes_and_perhaps_seconds(sent: str, found: time | None) -> None:
    frame = checked(PLAIN, [(sent,)])
    assert (frame["at"].to_list(), frame[REASONS].to_list()) == ([found], ["at.type" if found is None else ""])


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ("12:30 am", time(0, 30)),
        ("1:05 PM", time(13, 5)),
        ("13:05 PM", None),
        ("12:30:15.250", time(12, 30, 15, 250_000)),
        ("2359", time(23, 59)),
        ("2400", None),
        ("12:30", None),
    ],
)
def test_formats_say_how_times_are_written(sent: str, found: time | None) -> None:
    assert checked(CLOCK, [(sent,)])["at"].to_list() == [found]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.times().map(lambda at: at.replace(microsecond=0)), min_size=1, max_size=20))
def test_every_second_of_a_day_comes_back(times: list[time]) -> None:
    assert checked(PLAIN, [(at.isoformat(),) for at in times])["at"].to_list() == times


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 86_399_999))
def test_a_fraction_of_a_day_in_a_workbook_is_a_time(milliseconds: int) -> None:
    value = typed_value(PLAIN.columns[0], PLAIN, serial_origin=date(1899, 12, 30))
    texts = [f"{milliseconds / 86_400_000:.15f}", "1", "1.5", "-0.5"]
    found = pl.DataFrame({"text:at": texts}).select(value).to_series().to_list()
    hours, rest = divmod(milliseconds, 3_600_000)
    assert found == [time(hours, rest // 60_000, rest // 1_000 % 60, rest % 1_000 * 1_000), None, None, None]


def test_a_time_goes_through_rules_profile_and_silver(tmp_path: Path) -> None:
    contract = contract_of(
        [
            text("ident", primaryKey=True),
            typed("at", "time", logicalTypeOptions={"minimum": "06:00", "exclusiveMaximum": "22:00:00"}),
            typed("until", "time", enum=[{"value": "12:00"}, {"value": "13:30:00"}]),
            typed("hour", "integer", transformLogic="EXTRACT(HOUR FROM at)"),
        ],
        quality=[row_rule("ends_later", "until > at")],
    )
    path = tmp_path / "things.csv"
    path.write_text(
        "ident,at,until\na,06:00,12:00:00\nb,05:59,12:00\nc,22:00,13:30\nd,08:30,13:31\ne,13:30,13:30\nf,,\n"
    )
    result = check_file(path, contract, tmp_path)
    assert result.reasons == {"at.range": 2, "ends_later": 2, "until.allowed": 1}
    assert (result.profile["at"].min, result.profile["at"].max) == ("05:59:00", "22:00:00")
    silver = pl.read_parquet(tmp_path / SILVER)
    assert silver.rows() == [("a", time(6), time(12), 6), ("f", None, None, None)]
    assert silver.schema["at"] == pl.Time
    result.to_json()


def test_the_rule_shows_how_times_are_written() -> None:
    assert [rule.description for rule in contract_rules(PLAIN)] == ["at must be a time (HH:mm:ss or HH:mm)."]


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("yyyy HH:mm", "'yyyy' is not part of a time"),
        ("mm:ss", "needs an hour"),
        ("HH", "needs an hour and mm"),
        ("h:mm", "belong together"),
        ("excelSerial", "is not supported"),
    ],
)
def test_a_pattern_that_is_no_time_is_refused(pattern: str, says: str) -> None:
    contract = contract_of([typed("at", "time", logicalTypeOptions={"format": pattern})])
    with pytest.raises(ContractError, match=says):
        compile_contract(contract, {})


def test_time_cells_of_a_workbook_are_times(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    cells = [time(7, 5), time(23, 59, 59), "07:05", 0.5, timedelta(hours=25), "24:00", 7]
    for row in (["at"], *([cell] for cell in cells)):
        sheet.append(row)
    path = tmp_path / "things.xlsx"
    book.save(path)
    assert check_file(path, PLAIN, tmp_path).reasons == {"at.type": 3}
    silver = pl.read_parquet(tmp_path / SILVER)["at"].to_list()
    assert silver == [time(7, 5), time(23, 59, 59), time(7, 5), time(12)]
