"""Rules about a whole file: against a naive reading of their words, and on real files."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from etl_platform.cli.main import main
from etl_platform.deliveries.delivery import Outcome
from etl_platform.engine.check import check_file
from etl_platform.engine.contract.dataset_rules import OPERATORS
from etl_platform.engine.privacy.masking import HIDDEN
from etl_platform.engine.reading.delimited import text_table
from etl_platform.engine.result import CheckOutcome, CheckResult
from etl_platform.engine.rules.dataset_verdicts import ColumnFacts, evaluate_rules
from etl_platform.engine.text_report import verdict
from etl_platform_tests.unit.intake_place import REPROCESS, Place
from etl_platform_tests.unit.making import contract_data, contract_of, custom, row_rule, text, typed

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
    return [error.code for error in result.errors]


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
    (found,) = evaluate_rules(contract.dataset_rules, rows, facts(0), as_of=None)
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
    (found,) = evaluate_rules(contract.dataset_rules, rows, facts(nulls), as_of=None)
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
    (found,) = evaluate_rules(contract.dataset_rules, 1, facts(0, newest), as_of=as_of)
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
    monkeypatch.setattr(text_table, "CHUNK_BYTES", chunk_bytes)
    cells = ["x", "", "N/A", "n/a", "y"] * 20
    content = "ident,note\n" + "".join(f"i{n},{cell}\n" for n, cell in enumerate(cells))
    rule = {"metric": "missingValues", "unit": "percent", "mustBeLessThan": 60}
    note = text("note", quality=[rule], customProperties=custom(nullTokens=["N/A"], trim=True))
    result = check(tmp_path, content, [text("ident"), note])
    assert codes(result) == ["null_share"]
    assert "60 of 100 rows (60.00 %)" in result.errors[0].message
    assert "less than 60 % of the rows" in result.errors[0].message


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
    assert (result.outcome, result.quarantined_rows) == (CheckOutcome.ACCEPTED, 1)


def test_a_masked_date_is_judged_and_not_shown(tmp_path: Path) -> None:
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
    for content in ("", "ident\n", "Dear all\n"):
        result = check(tmp_path, content, [text("ident")], quality=[{"metric": "rowCount", "mustBe": 5}])
        assert (len(codes(result)), result.dataset_rules) == (1, ())
        assert codes(result) != ["row_count"]


def test_freshness_without_a_day_of_delivery_is_refused_before_the_file_is_opened(tmp_path: Path) -> None:
    contract = contract_of([typed("day", "date")], slaProperties=fresh("day"))
    with pytest.raises(ValueError, match="freshness"):
        check_file(tmp_path / "is_not_there.csv", contract, tmp_path)


def test_the_verdict_shows_each_rule_with_what_was_found(tmp_path: Path) -> None:
    note = text("note", quality=[{"metric": "nullValues", "unit": "percent", "mustBeLessOrEqualTo": 30}])
    quality = [{"metric": "rowCount", "mustBeGreaterThan": 1_000, "severity": "warning"}]
    result = check(tmp_path, "ident,note\na,\nb,x\nc,y\n", [text("ident"), note], quality=quality)
    said = verdict("things.csv", "things", result)
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
    assert done.report.check.dataset_rules == again.report.check.dataset_rules
    assert "2001-02-14" in done.report.check.dataset_rules[0].allowed
    late = place.ingest(place.drop(b"ident,day\na,2000-12-30\n", seconds=delivered + 60))
    assert [error.code for error in late.report.check.errors] == ["stale"]
    assert [row["ident"] for row in place.silver()] == ["a"]


def test_rows_of_a_delivery_that_is_read_again_later_break_the_same_rules(tmp_path: Path) -> None:
    contract = contract_of(
        [typed("day", "date", customProperties=custom(notFuture=True)), typed("seen", "date")],
        quality=[row_rule("seen_lately", "seen > delivery_day - INTERVAL '30 days'")],
    )
    place = Place(tmp_path, contract)
    delivered = int(datetime(2001, 2, 14, 23, 59, tzinfo=UTC).timestamp())
    rows = b"day,seen\n2001-02-14,2001-02-01\n2001-02-15,2001-02-01\n2001-02-14,2001-01-01\n"
    done = place.ingest(place.drop(rows, seconds=delivered))
    (again,) = place.intake.reprocess("things", "agency_a", REPROCESS)
    assert done.report.check.reasons == again.report.check.reasons == {"day.not_future": 1, "seen_lately": 1}
    assert place.silver() == [{"day": date(2001, 2, 14), "seen": date(2001, 2, 1)}]


def test_a_sender_s_own_check_explains_each_broken_rule_and_takes_today_as_the_day_of_delivery(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract, path = tmp_path / "things.odcs.yaml", tmp_path / "Things.csv"
    data = contract_data(
        [text("ident"), typed("day", "date", customProperties=custom(notFuture=True))],
        quality=[row_rule("recent", "day > delivery_day - INTERVAL '36500 days'")],
    )
    contract.write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")
    path.write_text("ident,day\na,2020-01-05\nb,9999-01-05\nc,1901-01-05\n", "utf-8")
    assert main(["check", str(path), "--contract", str(contract)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"day\.not_future +1 +line 3: 9999-01-05", printed)
    assert printed.endswith(
        "\nday.not_future: day must not be after the day of delivery."
        "\nrecent: Must not be false: day > delivery_day - INTERVAL '36500 days'\n"
    )
    assert main(["contract", "check", str(contract)]) == 0


def test_a_sender_s_own_check_counts_from_today(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contract, path = tmp_path / "things.odcs.yaml", tmp_path / "Things.csv"
    data = contract_data([text("ident"), typed("day", "date")], slaProperties=fresh("day", 36_500))
    contract.write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")
    said = {}
    for day in ("2020-01-05", "1901-01-05"):
        path.write_text(f"ident,day\na,{day}\n", "utf-8")
        said[day] = (main(["check", str(path), "--contract", str(contract)]), capsys.readouterr().out)
    assert [code for code, _ in said.values()] == [0, 1]
    assert "stale: day.freshness: the newest day is 1901-01-05" in said["1901-01-05"][1]
    assert main(["contract", "check", str(contract)]) == 0
    assert "2 columns, 2 rules" in capsys.readouterr().out
