"""What SQL over a row may say about dates and spans of time."""

from datetime import date

import polars as pl
import pytest

from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.row_sql import row_expression

ROW = pl.DataFrame({"hired": [date(2024, 1, 1)], "left": [date(2024, 1, 5)], "days": [4], "note": ["x"]})


@pytest.mark.parametrize(
    "sql",
    [
        "left - hired > 3",
        "3 < left - hired",
        "left - hired BETWEEN 1 AND days",
        "ABS(left - hired) = days",
        "CASE WHEN note = 'x' THEN left - hired > 3 ELSE TRUE END",
        "(left - hired) * 1000000000000 > INTERVAL '3 days'",
        "(left - hired) / 2 < INTERVAL '3 days'",
        "hired > 20240101",
        "left + days > hired",
    ],
)
def test_a_date_or_a_span_of_time_beside_a_number_is_a_contract_error_that_says_what_to_write(sql: str) -> None:
    with pytest.raises(ContractError, match=r"c.yaml:7: .*write INTERVAL '3 days'"):
        row_expression(sql, "late", ROW.schema, path="c.yaml", line=7)


@pytest.mark.parametrize(
    "sql",
    [
        "left - hired > INTERVAL '3 days'",
        "hired + INTERVAL '3 days' < left",
        "left > DATE '2024-01-04'",
        "left - hired = left - hired AND days > 3",
        "DATE_PART('day', left) - days = 1",
    ],
)
def test_dates_and_spans_of_time_among_themselves_are_compared(sql: str) -> None:
    assert ROW.select(row_expression(sql, "late", ROW.schema, path="c.yaml", line=7)).item() is True
