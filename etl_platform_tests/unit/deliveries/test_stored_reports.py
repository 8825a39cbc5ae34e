"""Reports and amendments that other releases wrote: what loads, with which values, and what is refused.

``reports_of_0_1`` holds the objects of an intake of release 0.1, under their keys.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.history import histories
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import Amendment, AmendmentKind, Report
from etl_platform.errors import ReportError
from etl_platform.storage.local_store import LocalStore

STORED = Path(__file__).parent / "reports_of_0_1"
OBJECTS = {path.relative_to(STORED).as_posix(): json.loads(path.read_text("utf-8")) for path in STORED.rglob("*.json")}
REPORTS = {key: data for key, data in OBJECTS.items() if not key.startswith(object_keys.AMENDMENTS)}
AMENDMENTS = {key: data for key, data in OBJECTS.items() if key.startswith(object_keys.AMENDMENTS)}
LEDGER = Ledger(LocalStore(STORED), "bucket")
TIMES = ("last_modified", "event_time")


def has(written: Any, stored: Any) -> bool:
    """Whether everything that is stored is written again; fields that were added later do not count."""
    if isinstance(stored, dict):
        return all(name in written and has(written[name], value) for name, value in stored.items())
    if isinstance(stored, list):
        return len(written) == len(stored) and all(map(has, written, stored))
    return bool(written == stored)


def plain(data: Any) -> Any:
    """JSON with times as datetimes: release 0.1 kept the text of the event, with ``Z`` where we write ``+00:00``."""
    if isinstance(data, dict):
        return {name: datetime.fromisoformat(v) if name in TIMES and v else plain(v) for name, v in data.items()}
    return [plain(item) for item in data] if isinstance(data, list) else data


def test_the_stored_reports_cover_every_outcome_and_every_kind_of_amendment() -> None:
    outcomes = {(data["outcome"], data["attempt"]["cause"]) for data in REPORTS.values()}
    assert outcomes == {
        ("accepted", "event"),
        ("rejected", "event"),
        ("superseded", "event"),
        ("ignored", "event"),
        ("accepted", "reprocess"),
        ("rejected", "reprocess"),
        ("superseded", "reprocess"),
    }
    assert {data["fact"] for data in AMENDMENTS.values()} == set(AmendmentKind)
    for part in ("corrections", "changes", "dataset_rules", "examples", "quarantined_rows"):
        assert any(data[part] for data in REPORTS.values()), part


@pytest.mark.parametrize("key", REPORTS)
def test_a_report_of_0_1_is_written_again_with_the_same_values_and_a_schema_version(key: str) -> None:
    report = Report.from_json(REPORTS[key])
    written = report.to_json()
    assert has(plain(written), plain({"schema_version": 1} | REPORTS[key]))
    assert [name for name in written if name in REPORTS[key]] == list(REPORTS[key])
    assert Report.from_json(json.loads(json.dumps(written))) == report


@pytest.mark.parametrize("key", AMENDMENTS)
def test_an_amendment_of_0_1_is_written_again_with_the_same_values_and_a_schema_version(key: str) -> None:
    amendment = Amendment.from_json(AMENDMENTS[key])
    written = amendment.to_json()
    assert plain(written) == plain({"schema_version": 1} | AMENDMENTS[key])
    assert Amendment.from_json(json.loads(json.dumps(written))) == amendment


def test_the_ledger_reads_the_objects_of_0_1_as_one_history() -> None:
    reports, amendments = LEDGER.reports(), LEDGER.amendments()
    assert (len(reports), len(amendments)) == (len(REPORTS), len(AMENDMENTS))
    of_datasets = [report for report in reports if report.outcome is not Outcome.IGNORED]
    deliveries = histories(of_datasets, amendments)["things", "from_client/agency_a/Things.csv"]
    newest, first, oldest = deliveries
    assert [len(one.replays) for one in deliveries] == [2, 1, 0]
    assert (newest.superseded_by, first.superseded_by) == (None, newest.arrival.delivery_id)
    assert oldest.arrival.outcome is Outcome.SUPERSEDED
    replay = newest.replays[-1]
    assert (replay.attempt.trigger.by, replay.attempt.trigger.cause) == ("jane", Cause.REPROCESS)
    assert replay.changes is not None
    assert replay.changes.rows.now_good == 1


def accepted() -> dict[str, Any]:
    return next(dict(data) for data in REPORTS.values() if data["outcome"] == "accepted")


def test_a_report_without_the_fields_that_came_later_loads_with_their_defaults() -> None:
    """The first reports had only these fields."""
    names = ("delivery_id", "outcome", "agency", "dataset", "source", "contract", "code_version", "attempt")
    old = {name: value for name, value in accepted().items() if name in names}
    old["attempt"] = {name: old["attempt"][name] for name in ("cause", "run_id", "began_at", "ended_at")}
    report = Report.from_json(old)
    assert (report.check.rows, report.check.errors, report.written.silver_key) == (None, (), None)
    assert report.attempt.trigger.by is None


def test_fields_of_a_newer_release_are_left_out() -> None:
    newer = accepted() | {"schema_version": 1, "freshness": 3}
    newer["attempt"] = newer["attempt"] | {"host": "pod-1"}
    newer["dialect"] = newer["dialect"] | {"byte_order_mark": True}
    newer["profile"] = {name: column | {"median": 1} for name, column in newer["profile"].items()}
    newer["examples"] = {"size.range": [{"line": 3, "value": "-2", "column": "size"}]}
    known = accepted() | {"examples": {"size.range": [{"line": 3, "value": "-2"}]}}
    assert Report.from_json(newer) == Report.from_json(known)


@pytest.mark.parametrize("version", [2, 17, "1"])
def test_a_report_of_a_newer_schema_is_refused_with_its_key_and_what_to_do(tmp_path: Path, version: object) -> None:
    data = accepted() | {"schema_version": version}
    place = data["dataset"], data["agency"], data["delivery_id"]
    store = LocalStore(tmp_path)
    store.write("bucket", object_keys.report_key(*place), json.dumps(data).encode())
    with pytest.raises(ReportError) as refused:
        Ledger(store, "bucket").find(*place)
    assert object_keys.report_key(*place) in str(refused.value)
    assert "update etl-platform" in str(refused.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON: Expecting"),
        (b"\xff{}", "not JSON: "),
        (b"[" * 100_000, "not JSON: "),
        (b"[]", "not a report"),
        (b"{}", "the field 'outcome' is missing"),
        (b'{"outcome": "lost", "delivery_id": "d"}', "'lost' is not a valid Outcome"),
    ],
)
def test_an_object_that_is_not_a_report_is_refused_with_its_key(tmp_path: Path, body: bytes, message: str) -> None:
    store, key = LocalStore(tmp_path), object_keys.report_key("things", "a", "d")
    store.write("bucket", key, body)
    with pytest.raises(ReportError, match=message) as refused:
        Ledger(store, "bucket").find("things", "a", "d")
    assert key in str(refused.value)


def test_a_ledger_that_only_shows_reports_names_the_unreadable_ones_and_gives_the_others(tmp_path: Path) -> None:
    data, store = accepted(), LocalStore(tmp_path)
    broken = object_keys.report_key(data["dataset"], data["agency"], "0" * 20)
    store.write("bucket", broken, b"{")
    store.write("bucket", object_keys.report_key(data["dataset"], data["agency"], "1"), json.dumps(data).encode())
    unreadable: list[ReportError] = []
    assert Ledger(store, "bucket", on_unreadable=unreadable.append).reports() == [Report.from_json(data)]
    (error,) = unreadable
    assert broken in str(error)
    with pytest.raises(ReportError):
        Ledger(store, "bucket").reports()
