"""Bounds that leave no value: refused with the line of the column."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform_tests.unit.making import contract_of, custom, typed


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("integer", {"logicalTypeOptions": {"minimum": 10, "maximum": 5}}),
        ("integer", {"logicalTypeOptions": {"minimum": 5, "exclusiveMaximum": 5}}),
        ("number", {"logicalTypeOptions": {"exclusiveMinimum": 5, "maximum": 5}}),
        ("number", {"logicalTypeOptions": {"exclusiveMinimum": 7.5, "exclusiveMaximum": 7.5}}),
        ("number", {"physicalType": "decimal(8,2)", "logicalTypeOptions": {"minimum": 1.5, "maximum": 1.25}}),
        ("date", {"logicalTypeOptions": {"minimum": "2020-02-01", "maximum": "2020-01-31"}}),
        (
            "date",
            {
                "logicalTypeOptions": {"format": "M/d/yyyy", "minimum": "2/1/2020", "maximum": "2020-01-31"},
            },
        ),
        ("timestamp", {"logicalTypeOptions": {"minimum": "2020-01-01 00:00:01", "maximum": "2020-01-01 00:00:00"}}),
        ("time", {"logicalTypeOptions": {"minimum": "18:00", "maximum": "06:00"}}),
        ("string", {"logicalTypeOptions": {"minLength": 3, "maxLength": 2}}),
        ("integer", {"logicalTypeOptions": {"minimum": 10}, "enum": [{"value": 1}, {"value": 2}]}),
    ],
)
def test_bounds_that_leave_no_value_are_refused(kind: str, more: dict[str, Any]) -> None:
    contract = contract_of([typed("n", kind, **more)])
    with pytest.raises(ContractError, match=r"^made\.odcs\.yaml:\d+: n: ") as caught:
        compile_contract(contract, {})
    assert caught.value.line == contract.columns[0].line


@given(st.dates(date(1000, 1, 1), date(9000, 1, 1)), st.integers(0, 400), st.booleans())
def test_a_range_that_holds_a_value_is_allowed(low: date, days: int, exclusive: bool) -> None:
    high = low + timedelta(days=days)
    name = "exclusiveMaximum" if exclusive else "maximum"
    bounds = {
        "minimum": max(min(low, high), date(1000, 1, 1)).isoformat(),
        name: max(high, date(1000, 1, 1)).isoformat(),
    }
    contract = contract_of([typed("day", "date", logicalTypeOptions=bounds)])
    if exclusive and bounds["minimum"] == bounds[name]:
        with pytest.raises(ContractError, match="leave no value between them"):
            compile_contract(contract, {})
    else:
        compile_contract(contract, {})


def test_some_allowed_values_may_be_out_of_range() -> None:
    options = {"minimum": 2, "maximum": 9}
    compile_contract(
        contract_of([typed("n", "integer", logicalTypeOptions=options, enum=[{"value": 1}, {"value": 2}])]), {}
    )


def test_money_columns_compare_bounds_as_numbers() -> None:
    more = {"customProperties": custom(formats=["money"]), "logicalTypeOptions": {"minimum": 0, "maximum": 10}}
    compile_contract(contract_of([typed("n", "number", **more)]), {})
