"""Names of asset checks: no two rules of a contract share one, and none is a name of the platform."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.check_names import MAX_CHECKS, RESERVED, refuse_colliding_checks, rule_checks
from etl_platform_tests.unit.making import contract_of, row_rule, text, typed

NAMES = st.sampled_from([
    *("a", "b", "a_and_b", "a__unique", "a__required", "a__type", "b_and_a", "A", "row_count"),
    *("a__null_count", "file_is_on_time", "a_and_b__unique", "b__and_a"),
])  # fmt: skip


def empty(column: str, **more: Any) -> dict[str, Any]:
    return {"metric": "nullValues", "mustBeLessThan": 9, **more}


def collision(*properties: Mapping[str, Any], quality: list[dict[str, Any]] | None = None) -> str:
    contract = contract_of(properties, quality=quality or [])
    with pytest.raises(ContractError) as caught:
        refuse_colliding_checks(contract)
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_no_rule_has_the_name_of_a_check_of_the_platform(name: str) -> None:
    row = collision(text("a"), quality=[row_rule(name, "a IS NULL")])
    assert row == f"made.odcs.yaml:13: '{name}' is the name of a check of the platform; choose another name"
    whole = collision(text("a"), quality=[{"name": name, "metric": "rowCount", "mustBeGreaterThan": 1}])
    assert "made.odcs.yaml:13: " in whole
    assert "check of the platform" in collision(text("a", quality=[{**empty("a"), "name": name}]))


def test_a_rule_named_as_the_check_of_a_column_names_both_lines() -> None:
    message = collision(text("a", required=True), quality=[row_rule("a__required", "a IS NULL")])
    assert message == (
        "made.odcs.yaml:14: 'a__required' and 'a.required' of line 9 would share the check a__required; rename one"
    )


def test_a_key_of_two_columns_and_a_column_with_the_joined_name_name_both_lines() -> None:
    message = collision(text("a", primaryKey=True), text("b", primaryKey=True), text("a_and_b", unique=True))
    assert message == (
        "made.odcs.yaml:17: 'a_and_b.unique' and 'a+b.unique' of line 9 would share the check a_and_b__unique; "
        "rename one"
    )


def test_names_that_differ_only_in_case_are_two_checks() -> None:
    contract = contract_of([text("a", required=True)], quality=[row_rule("A__required", "a IS NULL")])
    refuse_colliding_checks(contract)
    assert {check.name for check in rule_checks(contract)} == {"a__required", "A__required"}


COLUMNS = st.lists(
    st.builds(
        typed,
        NAMES,
        st.sampled_from(["string", "integer"]),
        required=st.booleans(),
        unique=st.booleans(),
        primaryKey=st.booleans(),
        quality=st.lists(st.builds(lambda name: {**empty(""), **({"name": name} if name else {})}, NAMES | st.none())),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda column: column["name"].lower().replace("_", ""),
)
QUALITY = st.lists(
    st.builds(lambda name: row_rule(name, "TRUE"), NAMES)
    | st.builds(lambda name: {"metric": "rowCount", "mustBeLessThan": 9, "name": name}, NAMES),
    max_size=3,
)


@given(COLUMNS, QUALITY)
def test_the_checks_of_a_contract_that_loads_are_distinct_and_valid(
    columns: list[dict[str, Any]], quality: list[dict[str, Any]]
) -> None:
    try:
        contract = contract_of(columns, quality=quality)
        refuse_colliding_checks(contract)
    except ContractError as error:
        assert re.match(r"made\.odcs\.yaml:\d+: ", str(error))  # noqa: PT017 - any other exception fails the test
        return
    names = [*RESERVED, *(check.name for check in rule_checks(contract))]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in names)


def names_of(columns: int, rows: int = 0) -> list[str]:
    quality = [row_rule(f"r{number}", "c0 IS NULL") for number in range(rows)]
    contract = contract_of([text(f"c{number}", required=True) for number in range(columns)], quality=quality)
    return [check.name for check in rule_checks(contract)]


def test_up_to_a_hundred_rules_have_a_check_each_and_more_share_one_for_each_kind() -> None:
    assert names_of(MAX_CHECKS, 2) == [*(f"c{number}__required" for number in range(MAX_CHECKS)), "r0", "r1"]
    assert names_of(MAX_CHECKS + 1, 2) == names_of(MAX_CHECKS + 2, 2) == ["columns_required", "r0", "r1"]
    assert names_of(1, MAX_CHECKS + 1) == ["c0__required", "row_rules"]


def test_a_row_rule_with_the_name_of_a_shared_check_is_refused_where_there_is_one() -> None:
    refuse_colliding_checks(contract_of([text("a")], quality=[row_rule("columns_required", "a IS NULL")]))
    many = [text(f"c{number}", required=True) for number in range(MAX_CHECKS + 1)]
    assert "columns_required" in collision(*many, quality=[row_rule("columns_required", "c0 IS NULL")])
