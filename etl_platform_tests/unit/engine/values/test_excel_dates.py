"""Excel's serial numbers as dates and timestamps, alone and beside other formats."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.columns import REASONS
from etl_platform_tests.unit.making import checked, contract_of, custom, typed

CONTRACT = contract_of(
    [
        typed("day", "date", logicalTypeOptions={"format": "excelSerial"}),
        typed("moment", "timestamp", customProperties=custom(formats=["excelSerial"])),
        typed("either", "date", customProperties=custom(formats=["yyyyMMdd", "excelSerial", "M/d/yyyy"])),
    ]
)
EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - a wall clock's time, as the column's


@settings(max_examples=40)
@given(moments=st.lists(st.datetimes(datetime(1900, 3, 1), datetime(9999, 12, 31, 23, 59, 59)), min_size=1))  # noqa: DTZ001
def test_every_second_that_excel_can_store_reads_back(moments: list[datetime]) -> None:
    moments = [moment.replace(microsecond=0) for moment in moments]
    serials = [repr((moment - EPOCH) / timedelta(days=1)) for moment in moments]
    days = [str((moment - EPOCH).days) for moment in moments]
    found = checked(CONTRACT, list(zip(days, serials, days, strict=True)))
    assert found["moment"].to_list() == moments
    assert found["day"].to_list() == found["either"].to_list() == [moment.date() for moment in moments]


@pytest.mark.parametrize(
    ("text", "day", "moment"),
    [
        ("61", date(1900, 3, 1), datetime(1900, 3, 1)),  # noqa: DTZ001
        ("45000.0", date(2023, 3, 15), datetime(2023, 3, 15)),  # noqa: DTZ001
        ("45000.5", None, datetime(2023, 3, 15, 12)),  # noqa: DTZ001
        ("2958465", date(9999, 12, 31), datetime(9999, 12, 31)),  # noqa: DTZ001
        ("2958465.9999999999", None, None),
        *[(text, None, None) for text in ("60", "0", "1", "-5", "60.99999", "2958466", "9999999", "10000061")],
        *[(text, None, None) for text in ("4.5e4", "45,000", "45000.", ".5", "2020-01-05", "x", "+61")],
    ],
)
def test_serial_numbers_outside_excels_range_break_the_type(
    text: str, day: date | None, moment: datetime | None
) -> None:
    found = checked(CONTRACT, [(text, text, None)])
    assert found.select("day", "moment").row(0) == (day, moment)
    broken = [name for name, value in (("day.type", day), ("moment.type", moment)) if value is None]
    assert found[REASONS][0] == ";".join(broken)


def test_serial_numbers_are_read_beside_other_formats() -> None:
    rows = [(None, None, text) for text in ("20230315", "45000", "3/15/2023", "45.000")]
    assert checked(CONTRACT, rows)["either"].to_list() == [date(2023, 3, 15)] * 3 + [None]
