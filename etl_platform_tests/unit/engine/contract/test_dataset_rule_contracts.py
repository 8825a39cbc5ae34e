"""Dataset rules as contracts spell them: each is named and located, and none is skipped in silence."""

from typing import Any

import pytest
import yaml

from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.dataset_rules import Measure
from etl_platform.engine.errors import ContractError
from etl_platform_tests.unit.making import contract_data, contract_of, contract_text, custom, row_rule, text

GOOD = contract_text(
    """
    apiVersion: v3.2.0
    kind: DataContract
    id: things
    version: 1.2.3
    status: active
    schema:
      - name: things
        properties:
          - name: ident
            logicalType: string
            quality:
              - {metric: nullValues, unit: percent, mustBeLessThan: 5}
          - name: day
            logicalType: date
            quality:
              - {metric: missingValues, mustBe: 0}
        quality:
          - name: enough
            metric: rowCount
            mustBeBetween: [10, 20]
            severity: warning
    slaProperties:
      - {property: frequency, value: 2, unit: w}
      - {property: freshness, value: 45, unit: d, element: things.day}
    """
)
NULLS = "{metric: nullValues, unit: percent, mustBeLessThan: 5}"
ROWS = "mustBeBetween: [10, 20]"
FRESH = "{property: freshness, value: 45, unit: d, element: things.day}"


def test_a_contract_s_dataset_rules_are_named_and_located() -> None:
    contract = parse_contract(GOOD, "c.odcs.yaml")
    assert [(rule.name, rule.measure, rule.column, rule.bounds) for rule in contract.dataset_rules] == [
        ("enough", Measure.ROW_COUNT, None, (10, 20)),
        ("ident.null_share", Measure.NULL_SHARE, "ident", (5,)),
        ("day.freshness", Measure.FRESHNESS, "day", (45,)),
    ]
    lines = GOOD.splitlines()
    at = [lines[rule.line - 1].strip() for rule in contract.dataset_rules]
    assert at == ["- name: enough", f"- {NULLS}", f"- {FRESH}"]
    assert contract.column("day").required, "none at all is a rule about rows, as it always was"
    assert not contract.column("ident").required


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (NULLS, "{metric: nullValues, unit: percent}", ""),
        (NULLS, "{metric: nullValues, mustBe: 1, mustBeLessThan: 5}", ""),
        (NULLS, "{metric: nullValues, unit: share, mustBeLessThan: 5}", "rows or percent"),
        (NULLS, "{metric: nullValues, unit: percent, mustBeLessThan: 500}", "0 to 100"),
        (NULLS, "{metric: nullValues, mustBeLessThan: -1}", "0 or more"),
        (NULLS, "{metric: nullValues, mustBeLessThan: .nan}", ""),
        (NULLS, f"{{metric: nullValues, mustBeLessThan: {400 * '9'}}}", "0 or more"),
        (NULLS, "{metric: nullValues, mustBe: false}", "1 number of"),
        (NULLS, "{metric: nullValues, mustBe: [1, 2]}", "1 number of"),
        (NULLS, "{metric: nullValues, mustBe: few}", "1 number of"),
        (NULLS, "{metric: nullValues, mustBeLess: 5}", ""),
        (NULLS, "{metric: missingValues, mustBe: 0, arguments: {tokens: [x]}}", "not supported"),
        (NULLS, "{metric: nullValues, mustBe: 0, arguments: {missingValues: [x]}}", "not supported"),
        (NULLS, "{metric: missingValues, mustBeLessThan: 3, arguments: {missingValues: [x]}}", "nullTokens"),
        (NULLS, "{metric: nullValues, mustBeLessThan: 5, severity: info}", "error or warning"),
        (NULLS, "{metric: nullValues, mustBeLessThan: 5, name: too few}", "letters, digits"),
        (NULLS, "{metric: nullValues, mustBeLessThan: 5, name: enough}", "is used by another"),
        (NULLS, "{metric: nullValues, mustBeLessThan: 5, name: day}", "is used by another"),
        (NULLS, "{metric: rowCount, mustBeLessThan: 5}", "not supported"),
        (NULLS, "{metric: duplicateValues, mustBeLessThan: 5}", "not supported"),
        (NULLS, "{metric: duplicateValues, mustBe: 0, severity: warning}", "not supported"),
        (NULLS, "{metric: invalidValues, mustBeLessThan: 5, arguments: {validValues: [a]}}", "not supported"),
        (NULLS, "{type: sql, query: SELECT 1, metric: nullValues, mustBe: 0}", "not supported"),
        ("metric: rowCount", "metric: duplicateValues", "rowCount"),
        ("metric: rowCount", "metric: rowCounts", ""),
        ("metric: rowCount", "metric: rowCount\n        unit: percent", "percent"),
        ("metric: rowCount", "metric: rowCount\n        arguments: {a: 1}", "no arguments"),
        (ROWS, "mustBeBetween: [20, 10]", "smaller number first"),
        (ROWS, "mustBeBetween: [20]", ""),
        (ROWS, "mustBeBetween: 20", ""),
        ("severity: warning", "severity: warn", "error or warning"),
        ("severity: warning", "severity: ERROR", "error or warning"),
        (FRESH, "{property: freshness, value: 45, unit: d}", "things.<column>"),
        (FRESH, "{property: freshness, value: 45, unit: d, element: day}", "things.<column>"),
        (FRESH, "{property: freshness, value: 45, unit: d, element: things.dey}", "things.dey"),
        (FRESH, "{property: freshness, value: 45, unit: d, element: 'things.day,things.ident'}", "one column"),
        (FRESH, "{property: freshness, value: 45, unit: d, element: things.ident}", "ident is string"),
        (FRESH, "{property: freshness, value: 45, unit: m, element: things.day}", "days (d) or weeks (w)"),
        (FRESH, "{property: freshness, value: soon, unit: d, element: things.day}", "soon"),
        (FRESH, "{property: freshness, value: true, unit: d, element: things.day}", "True"),
        (FRESH, "{property: freshness, value: -1, unit: d, element: things.day}", "-1"),
        (FRESH, FRESH.replace("45", 400 * "9"), "takes a number"),
        ("value: 2, unit: w", f"value: {400 * '9'}, unit: w", "takes a number"),
        (FRESH, "{property: freshness, value: 1e9, unit: d, element: things.day}", ""),
        (FRESH, "{property: freshness, value: 9, valueExt: 10, element: things.day}", "valueExt"),
        (FRESH, "{property: freshnes, value: 45, unit: d, element: things.day}", "did you mean freshness"),
        (FRESH, "{property: Freshness, value: 45, unit: d, element: things.day}", "did you mean freshness"),
        (FRESH, f"{FRESH}\n  - {FRESH}", "is used by another"),
        (
            FRESH,
            "{property: freshness, value: 1, element: things.day, customProperties: [{property: level, value: 1}]}",
            "level",
        ),
        (
            FRESH,
            "{property: freshness, value: 1, element: things.day, customProperties: [{property: severity, value: []}]}",
            "error or warning",
        ),
    ],
)
def test_a_dataset_rule_that_is_not_understood_is_named_with_its_line(old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(ContractError) as caught:
        parse_contract(GOOD.replace(old, new, 1), "c.odcs.yaml")
    first = GOOD[: GOOD.index(old)].count("\n") + 1
    assert caught.value.line is not None
    # The entry begins a line or more above some of its fields; a second entry stands below the first.
    assert first - 3 <= caught.value.line <= first + 1 + new.count("\n")
    assert says in str(caught.value)


def test_two_rules_cannot_have_one_check_name() -> None:
    named = NULLS.replace("}", ", name: day__freshness}")
    with pytest.raises(ContractError, match=r"'day\.freshness' is used by another") as caught:
        parse_contract(GOOD.replace(NULLS, named), "c.odcs.yaml")
    assert FRESH in GOOD.splitlines()[(caught.value.line or 0) - 1]


def test_a_row_rule_has_no_severity_but_error_and_no_metric() -> None:
    for more in ({"severity": "warning"}, {"metric": "rowCount", "mustBe": 1}):
        with pytest.raises(ContractError, match="a row rule takes no metric"):
            contract_of([text("a")], quality=[row_rule("rule", "a IS NOT NULL") | more])
    assert contract_of([text("a")], quality=[row_rule("rule", "a IS NOT NULL") | {"severity": "error"}]).row_rules


@pytest.mark.parametrize("limit", [-1, -0.01, 100.01, 1e9, "20", True])
def test_a_limit_of_refused_rows_lies_between_nothing_and_everything(limit: Any) -> None:
    source = yaml.safe_dump(contract_data([text("a")], customs=custom(maxRejectedPercent=limit)), sort_keys=False)
    with pytest.raises(ContractError, match="maxRejectedPercent takes") as caught:
        parse_contract(source, "c.odcs.yaml")
    lines = source.splitlines()
    assert caught.value.line is not None
    assert "maxRejectedPercent" in lines[caught.value.line - 1]


@pytest.mark.parametrize("limit", [0, 0.0, 100, 33.3])
def test_every_share_may_be_the_limit_of_refused_rows(limit: float) -> None:
    assert contract_of([text("a")], customs=custom(maxRejectedPercent=limit)).max_rejected_percent == limit


def test_every_rule_has_a_sentence() -> None:
    assert [rule.text for rule in parse_contract(GOOD, "c.odcs.yaml").dataset_rules] == [
        "The file has 10 to 20 rows.",
        "ident is empty in less than 5 % of the rows.",
        "The newest day is at most 45 days before the day of delivery.",
    ]
