"""Rules about a whole file: against a naive reading of their words, on real files, and as contracts spell them."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from etl_platform.adapters import tabular
from etl_platform.check import CheckResult, check_file
from etl_platform.console import verdict
from etl_platform.core.contracts import Contract, parse_contract
from etl_platform.core.dataset_rules import OPERATORS, ColumnFacts, DatasetRule, Measure, hold
from etl_platform.core.deliveries import Outcome
from etl_platform.core.errors import ContractError
from etl_platform.core.masking import HIDDEN
from etl_platform_tests.unit.intake_place import REPROCESS, Place
from etl_platform_tests.unit.making import contract_data, contract_of, contract_text, custom, row_rule, text, typed

TODAY = date(2026, 3, 1)
EARLY = datetime.fromisoformat("2020-01-01")


def check(
    folder: Path, content: str, properties: list[dict[str, Any]], *, as_of: date | None = TODAY, **more: Any
) -> CheckResult:
    path = folder / "things.csv"
    path.write_text(content, "utf-8")
    return check_file(path, contract_of(properties, **more), folder, as_of=as_of)


def fresh(column: str, value: float = 45, *, unit: str = "d", **said: Any) -> list[dict[str, Any]]:
    entry: dict[str, Any] = {"property": "freshness", "value": value, "unit": unit, "element": f"things.{column}"}
    return [entry | ({"customProperties": custom(**said)} if said else {})]


def codes(result: CheckResult) -> list[str]:
    return [error["code"] for error in result.errors]


# Operators


def naive(operator: str, bounds: list[int], found: float) -> bool:
    """What the operator's name says, spelled out."""
    if operator == "mustBeBetween":
        return found == bounds[0] or found == bounds[1] or (found > bounds[0] and found < bounds[1])
    if operator == "mustNotBeBetween":
        return found < bounds[0] or found > bounds[1]
    sign = (found > bounds[0]) - (found < bounds[0])
    return (
        sign
        in {
            "mustBe": {0},
            "mustNotBe": {-1, 1},
            "mustBeGreaterThan": {1},
            "mustBeGreaterOrEqualTo": {0, 1},
            "mustBeLessThan": {-1},
            "mustBeLessOrEqualTo": {-1, 0},
        }[operator]
    )


def written(operator: str, low: int, high: int) -> Any:
    return [low, high] if operator.endswith("Between") else low


def facts(nulls: int, newest: Any = None) -> Any:
    return lambda _column: ColumnFacts(nulls, newest)


@given(
    operator=st.sampled_from(sorted(OPERATORS)),
    low=st.integers(0, 12),
    width=st.integers(1, 5),
    rows=st.integers(1, 20),
)
def test_a_row_count_is_judged_as_the_operator_s_name_says(operator: str, low: int, width: int, rows: int) -> None:
    bound = written(operator, low, low + width)
    contract = contract_of([text("a")], quality=[{"metric": "rowCount", operator: bound}])
    (found,) = hold(contract.dataset_rules, rows, facts(0), as_of=None)
    assert found.passed == naive(operator, [low, low + width], rows)
    assert (found.found, found.rejects) == (rows, not found.passed)


@given(
    operator=st.sampled_from(sorted(OPERATORS)),
    unit=st.sampled_from(["rows", "percent"]),
    metric=st.sampled_from(["nullValues", "missingValues"]),
    low=st.integers(0, 60),
    width=st.integers(1, 40),
    rows=st.integers(1, 60),
    filled=st.integers(0, 60),
)
@example(operator="mustBeLessOrEqualTo", unit="percent", metric="nullValues", low=29, width=1, rows=100, filled=71)
def test_empty_cells_are_judged_as_the_operator_s_name_says(
    operator: str, unit: str, metric: str, low: int, width: int, rows: int, filled: int
) -> None:
    nulls = max(0, rows - filled)
    bound = written(operator, low, low + width)
    contract = contract_of([text("a", quality=[{"metric": metric, "unit": unit, operator: bound}])])
    (found,) = hold(contract.dataset_rules, rows, facts(nulls), as_of=None)
    # In hundredths of a row, so that nothing is rounded.
    measured, scale = (100 * nulls, rows) if unit == "percent" else (nulls, 1)
    assert found.passed == naive(operator, [low * scale, (low + width) * scale], measured)


@given(
    newest=st.none() | st.dates(date(2020, 1, 1), date(2030, 1, 1)) | st.datetimes(min_value=EARLY),
    as_of=st.dates(date(2024, 1, 1), date(2027, 1, 1)),
    value=st.integers(0, 700),
    unit=st.sampled_from(["d", "w"]),
)
def test_a_file_is_stale_where_no_allowed_day_is_its_newest(newest: Any, as_of: date, value: int, unit: str) -> None:
    kind = "timestamp" if isinstance(newest, datetime) else "date"
    contract = contract_of([typed("day", kind)], slaProperties=fresh("day", value, unit=unit))
    (found,) = hold(contract.dataset_rules, 1, facts(0, newest), as_of=as_of)
    day = newest.date() if isinstance(newest, datetime) else newest
    allowed = {as_of - timedelta(days=n) for n in range((7 if unit == "w" else 1) * value + 1)}
    assert found.passed == (day is not None and (day in allowed or day > as_of))
    assert str(min(allowed)) in found.allowed


# Files


@pytest.mark.parametrize(
    ("rule", "rejects"),
    [
        ({"mustBeGreaterOrEqualTo": 3}, False),
        ({"mustBeGreaterThan": 3}, True),
        ({"mustBeBetween": [4, 9]}, True),
        ({"mustBeGreaterThan": 3, "severity": "warning"}, False),
    ],
)
def test_the_rows_of_a_file_are_counted_with_those_it_refuses(
    tmp_path: Path, rule: dict[str, Any], rejects: bool
) -> None:
    content = "ident,size\na,1\nb,x\nc,1,2\n"
    result = check(
        tmp_path, content, [text("ident"), typed("size", "integer")], quality=[{"metric": "rowCount", **rule}]
    )
    assert (result.rows, result.accepted_rows) == (3, 1)
    assert codes(result) == (["row_count"] if rejects else [])
    assert (tmp_path / "silver.parquet").exists() is not rejects
    (told,) = result.to_json()["dataset_rules"]
    assert (told["name"], told["found"]) == ("row_count", 3)


@pytest.mark.parametrize("chunk_bytes", [64, 1 << 24])
def test_empty_cells_are_counted_after_null_tokens_and_over_all_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(tabular, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(tabular, "_BLOCK", 32)
    cells = ["x", "", "N/A", "n/a", "y"] * 20
    content = "ident,note\n" + "".join(f"i{n},{cell}\n" for n, cell in enumerate(cells))
    rule = {"metric": "missingValues", "unit": "percent", "mustBeLessThan": 60}
    note = text("note", quality=[rule], customProperties=custom(nullTokens=["N/A"], trim=True))
    result = check(tmp_path, content, [text("ident"), note])
    assert codes(result) == ["null_share"]
    assert "60 of 100 rows (60.00 %)" in result.errors[0]["message"]
    assert "less than 60 % of the rows" in result.errors[0]["message"]


def test_a_column_that_the_file_does_not_have_is_empty_and_undated(tmp_path: Path) -> None:
    rule = {"metric": "nullValues", "mustBeLessOrEqualTo": 1}
    properties = [text("ident"), text("more"), text("note", quality=[rule]), typed("day", "date")]
    result = check(tmp_path, "ident,more\na,1\nb,2\n", properties, slaProperties=fresh("day"))
    assert codes(result) == ["null_count", "stale"]
    assert [told["found"] for told in result.to_json()["dataset_rules"]] == [2, None]


@pytest.mark.parametrize(("newest", "stale"), [("2026-01-15", False), ("2026-01-14", True), ("2026-04-01", False)])
def test_a_file_is_as_fresh_as_its_newest_date(tmp_path: Path, newest: str, stale: bool) -> None:
    content = f"ident,day\na,2020-01-05\nb,{newest}\nc,soon\nd,\n"
    result = check(tmp_path, content, [text("ident"), typed("day", "date")], slaProperties=fresh("day"))
    assert codes(result) == (["stale"] if stale else [])
    (told,) = result.to_json()["dataset_rules"]
    assert (told["name"], told["found"]) == ("day.freshness", newest)
    assert told["allowed"] == "2026-01-15 or later (45 days before 2026-03-01)"


def test_a_refused_row_s_date_still_counts(tmp_path: Path) -> None:
    content = "ident,day\na,2020-01-05\n,2026-02-28\n"
    result = check(tmp_path, content, [text("ident", required=True), typed("day", "date")], slaProperties=fresh("day"))
    assert (result.outcome, result.quarantined_rows) == (Outcome.ACCEPTED, 1)


def test_a_classified_date_is_judged_and_not_said(tmp_path: Path) -> None:
    born = typed("born", "timestamp", classification="restricted")
    result = check(tmp_path, "ident,born\na,1987-06-05 04:03:02\n", [text("ident"), born], slaProperties=fresh("born"))
    assert codes(result) == ["stale"]
    assert result.to_json()["dataset_rules"][0]["found"] == HIDDEN
    assert "1987" not in json.dumps(result.to_json())


def test_every_broken_rule_is_named_and_warnings_refuse_nothing(tmp_path: Path) -> None:
    properties = [
        text("ident", quality=[{"metric": "nullValues", "mustBe": 0, "severity": "warning"}]),
        typed("day", "date"),
    ]
    quality = [
        {"metric": "rowCount", "mustBeGreaterThan": 10},
        {"name": "usual_size", "metric": "rowCount", "mustBeGreaterThan": 100, "severity": "warning"},
    ]
    sla = fresh("day", 1) + fresh("day", 60, name="day_is_recent", severity="warning")
    result = check(tmp_path, "ident,day\n,2026-01-05\nb,2026-01-04\n", properties, quality=quality, slaProperties=sla)
    assert codes(result) == ["row_count", "stale"]
    assert result.quarantined_rows == 0
    told = {item["name"]: (item["passed"], item["severity"]) for item in result.to_json()["dataset_rules"]}
    assert told == {
        "row_count": (False, "error"),
        "usual_size": (False, "warning"),
        "ident.null_count": (False, "warning"),
        "day.freshness": (False, "error"),
        "day_is_recent": (True, "warning"),
    }


def test_a_file_that_could_not_be_read_is_held_against_no_rule(tmp_path: Path) -> None:
    for content in ("", "ident\n", 'ident\n"a\n'):
        result = check(tmp_path, content, [text("ident")], quality=[{"metric": "rowCount", "mustBe": 5}])
        assert (len(codes(result)), result.verdicts) == (1, [])
        assert codes(result) != ["row_count"]


def test_freshness_without_a_day_of_delivery_is_refused_before_the_file_is_opened(tmp_path: Path) -> None:
    contract = contract_of([typed("day", "date")], slaProperties=fresh("day"))
    with pytest.raises(ValueError, match="freshness"):
        check_file(tmp_path / "is_not_there.csv", contract, tmp_path)


def test_the_verdict_shows_each_rule_with_what_was_found(tmp_path: Path) -> None:
    note = text("note", quality=[{"metric": "nullValues", "unit": "percent", "mustBeLessOrEqualTo": 30}])
    quality = [{"metric": "rowCount", "mustBeGreaterThan": 1_000, "severity": "warning"}]
    result = check(tmp_path, "ident,note\na,\nb,x\nc,y\n", [text("ident"), note], quality=quality)
    said = verdict("things.csv", "things", result.to_json())
    assert "null_share: note.null_share: note is empty in 1 of 3 rows (33.33 %); the contract allows at most 30" in said
    lines = [line.split() for line in said.splitlines()]
    assert ["row_count", "3", "more", "than", "1,000", "rows", "warning"] in lines
    assert ["note.null_share", "33.33", "at", "most", "30", "%", "of", "the", "rows", "error"] in lines


def test_reading_a_delivery_again_later_gives_the_same_verdict(tmp_path: Path) -> None:
    """The day that counts is the delivery's, not the reader's: by today's clock the file is decades old."""
    contract = contract_of([text("ident"), typed("day", "date")], slaProperties=fresh("day"))
    place = Place(tmp_path, contract)
    delivered = int(datetime(2001, 2, 14, 23, 59, tzinfo=UTC).timestamp())
    done = place.ingest(place.drop(b"ident,day\na,2000-12-31\n", seconds=delivered))
    (again,) = place.intake.reprocess("things", "agency_a", REPROCESS)
    assert done.outcome is again.outcome is Outcome.ACCEPTED
    assert done.record["dataset_rules"] == again.record["dataset_rules"]
    assert "2001-02-14" in done.record["dataset_rules"][0]["allowed"]
    late = place.ingest(place.drop(b"ident,day\na,2000-12-30\n", seconds=delivered + 60))
    assert [error["code"] for error in late.record["errors"]] == ["stale"]
    assert [row["ident"] for row in place.silver()] == ["a"]


# Contracts

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
        (NULLS, "{metric: nullValues, mustBe: false}", "1 number of"),
        (NULLS, "{metric: nullValues, mustBe: [1, 2]}", "1 number of"),
        (NULLS, "{metric: nullValues, mustBe: few}", "1 number of"),
        (NULLS, "{metric: nullValues, mustBeLess: 5}", ""),
        (NULLS, "{metric: missingValues, mustBe: 0, arguments: {missingValues: [x]}}", "not supported"),
        (NULLS, "{metric: missingValues, mustBeLessThan: 3, arguments: {missingValues: [x]}}", "nullTokens"),
        (NULLS, "{metric: nullValues, mustBeLessThan: 5, severity: info}", "error or warning"),
        (NULLS, "{metric: nullValues, mustBeLessThan: 5, name: too few}", "letters, digits"),
        (NULLS, "{metric: nullValues, mustBeLessThan: 5, name: enough}", "taken"),
        (NULLS, "{metric: nullValues, mustBeLessThan: 5, name: day}", "taken"),
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
        (FRESH, "{property: freshness, value: 1e9, unit: d, element: things.day}", ""),
        (FRESH, "{property: freshness, value: 9, valueExt: 10, element: things.day}", "valueExt"),
        (FRESH, "{property: freshnes, value: 45, unit: d, element: things.day}", "is freshness meant"),
        (FRESH, "{property: Freshness, value: 45, unit: d, element: things.day}", "is freshness meant"),
        (FRESH, f"{FRESH}\n  - {FRESH}", "taken"),
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


def test_two_rules_cannot_share_the_name_of_their_check() -> None:
    named = NULLS.replace("}", ", name: day__freshness}")
    with pytest.raises(ContractError, match=r"'day\.freshness' is taken") as caught:
        parse_contract(GOOD.replace(NULLS, named), "c.odcs.yaml")
    assert FRESH in GOOD.splitlines()[(caught.value.line or 0) - 1]


def test_a_row_rule_has_no_severity_but_error_and_no_metric() -> None:
    for more in ({"severity": "warning"}, {"metric": "rowCount", "mustBe": 1}):
        with pytest.raises(ContractError, match="row rule refuses rows"):
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


def test_every_rule_says_in_words_what_it_asks() -> None:
    rules: tuple[DatasetRule, ...] = _with_everything().dataset_rules
    assert [rule.text for rule in rules] == [
        "The file has 10 to 20 rows.",
        "ident is empty in less than 5 % of the rows.",
        "The newest day lies at most 45 days before the day of delivery.",
    ]


def _with_everything() -> Contract:
    return parse_contract(GOOD, "c.odcs.yaml")
