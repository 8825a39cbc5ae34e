"""The index of reports by day: nothing recent is missing in an answer, and old reports cost nothing."""

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.report_days import ReportDays
from etl_platform.errors import TransientError
from etl_platform.storage.local_store import LocalStore
from etl_platform.storage.object_store import ObjectHead
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.unit.making_reports import report_of

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class CountedStore(LocalStore):
    """Has the calls, except reading the mark, and refuses writes under a prefix."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.calls: list[str] = []
        self.refused = "never/"

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        self.calls.append(f"LIST {prefix}")
        return super().list(bucket, prefix, after)

    def read(self, bucket: str, key: str) -> bytes:
        if key != object_keys.REPORT_DAYS_COMPLETE:
            self.calls.append(f"GET {key}")
        return super().read(bucket, key)

    def write(self, bucket: str, key: str, body: bytes | Path, **conditions: object) -> str:  # type: ignore[override]
        if key.startswith(self.refused):
            raise TransientError("cut")
        return super().write(bucket, key, body, **conditions)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> CountedStore:
    return CountedStore(tmp_path)


def ended(number: int, at: datetime, **fields: object) -> Report:
    return report_of(f"{number:020x}", last_modified=at, ended_at=at, **fields)  # type: ignore[arg-type]


def found(store: LocalStore, since: datetime, prefix: str = object_keys.REPORTS) -> list[int]:
    return sorted(int(report.delivery_id, 16) for report in Ledger(store, "b").reports(prefix, since=since))


def test_recent_reports_are_found_without_listing_or_reading_old_ones(store: CountedStore) -> None:
    ledger = Ledger(store, "b")
    for number in range(50):
        ledger.put(ended(number, NOW - number * DAY))
    ReportDays(store, "b").complete()
    store.calls.clear()
    assert found(store, NOW - 2 * DAY) == [0, 1, 2]
    assert len(store.calls) == 6
    assert all("2026-11-2" in call for call in store.calls if call.startswith("LIST"))


def test_reports_of_the_same_day_that_ended_before_are_not_read(store: CountedStore, tmp_path: Path) -> None:
    for hours in range(6):
        report = ended(hours, NOW - timedelta(hours=hours))
        Ledger(store, "b").put(report)
        entry = object_keys.report_day_key(NOW.date(), object_keys.report_key(*report.partition, report.delivery_id))
        at = report.attempt.ended_at.timestamp()
        os.utime(tmp_path / entry, (at, at))
    ReportDays(store, "b").complete()
    store.calls.clear()
    assert found(store, NOW - timedelta(hours=1)) == [0, 1]
    assert len([call for call in store.calls if call.startswith("GET")]) == 3


def test_a_report_is_found_though_an_attempt_of_the_same_morning_crashed_after_its_entry(
    store: CountedStore, tmp_path: Path
) -> None:
    ReportDays(store, "b").complete()
    store.refused, early = "reports/officer_detail/", NOW - timedelta(hours=6)
    with pytest.raises(TransientError):
        Ledger(store, "b").put(ended(1, early))
    (entry,) = (tmp_path / object_keys.REPORT_DAYS).rglob("0*1")
    os.utime(entry, (early.timestamp(), early.timestamp()))
    store.refused = "never/"
    Ledger(store, "b").put(ended(1, NOW))
    assert found(store, NOW - timedelta(hours=1)) == [1]


def test_a_crash_between_entry_and_report_leaves_an_entry_that_is_passed_over(store: CountedStore) -> None:
    ReportDays(store, "b").complete()
    store.refused = "reports/officer_detail/"
    with pytest.raises(TransientError):
        Ledger(store, "b").put(ended(1, NOW))
    assert found(store, NOW - DAY) == []
    store.refused = "never/"
    Ledger(store, "b").put(ended(1, NOW + DAY))
    assert found(store, NOW - DAY) == [1], "once, though two days have an entry"


def test_a_report_is_not_written_without_its_entry(store: CountedStore) -> None:
    store.refused = object_keys.REPORT_DAYS
    with pytest.raises(TransientError):
        Ledger(store, "b").put(ended(1, NOW))
    assert Ledger(store, "b").reports() == []


@pytest.mark.parametrize("lost", ["entries", "all"])
def test_reports_without_entries_are_found_before_and_after_the_index_is_completed(
    store: CountedStore, tmp_path: Path, lost: str
) -> None:
    for number in range(3):
        Ledger(store, "b").put(ended(number, NOW - number * DAY))
        path = tmp_path / object_keys.report_key("officer_detail", "nm_albuquerque", f"{number:020x}")
        moment = (NOW - number * DAY).timestamp()
        os.utime(path, (moment, moment))
    days = ReportDays(store, "b")
    if lost == "entries":
        days.complete()
        shutil.rmtree(tmp_path / object_keys.REPORT_DAYS)
    else:
        shutil.rmtree(tmp_path / object_keys.INDEX)
        assert found(store, NOW - DAY) == [0, 1], "without an index all reports are listed"
    assert days.complete() == 3
    assert days.complete() == 0
    assert found(store, NOW - DAY) == [0, 1]


def test_an_index_that_another_release_completed_gives_no_answer(store: CountedStore, tmp_path: Path) -> None:
    ReportDays(store, "b").complete()
    store.write("b", object_keys.REPORT_DAYS_COMPLETE, b'{"completed_by": "0.0.1"}\n')
    old = ended(1, NOW)
    key = object_keys.report_key(*old.partition, old.delivery_id)
    store.write("b", key, json.dumps(old.to_json()).encode())
    os.utime(tmp_path / key, (NOW.timestamp(), NOW.timestamp()))
    assert found(store, NOW) == [1], "a report of an older release has no entry"
    assert ReportDays(store, "b").complete() == 1
    store.calls.clear()
    assert found(store, NOW) == [1]
    assert len(store.calls) == 2


def test_ignored_objects_and_partitions_are_found_by_their_prefix(store: CountedStore) -> None:
    ledger = Ledger(store, "b")
    ledger.put(ended(1, NOW))
    ledger.put(ended(2, NOW, agency="other"))
    ledger.put(ended(3, NOW, outcome=Outcome.IGNORED, dataset=None))
    ReportDays(store, "b").complete()
    assert found(store, NOW) == [1, 2, 3]
    assert found(store, NOW, object_keys.IGNORED_REPORTS) == [3]
    assert found(store, NOW, object_keys.report_prefix("officer_detail", "other")) == [2]


MOMENTS = st.integers(-100, 100).map(lambda hours: NOW + timedelta(hours=hours))


@settings(max_examples=50, deadline=None)
@given(written=st.lists(MOMENTS, max_size=8), before=st.integers(0, 8), since=MOMENTS)
def test_the_index_gives_the_same_reports_as_reading_all(written: list[datetime], before: int, since: datetime) -> None:
    """The first reports are older than the index, and S3's clock is half an hour behind."""
    now = NOW
    store = MemoryStore(lambda: now.timestamp() - 1_800)
    for number, at in enumerate(written):
        now, report = at, ended(number, at)
        if number < before:
            key = object_keys.report_key(*report.partition, report.delivery_id)
            store.write("b", key, json.dumps(report.to_json()).encode())
        else:
            Ledger(store, "b").put(report)
    ReportDays(store, "b").complete()
    ledger = Ledger(store, "b")
    assert ledger.reports(since=since) == [one for one in ledger.reports() if one.attempt.ended_at >= since]


def test_only_reports_that_can_be_of_the_agency_are_read(store: CountedStore) -> None:
    ledger = Ledger(store, "b")
    for number in range(5):
        ledger.put(ended(number, NOW, agency=f"agency_{number}"))
    ledger.put(ended(7, NOW, outcome=Outcome.IGNORED, dataset=None, agency="agency_1"))
    ledger.put(ended(8, NOW, outcome=Outcome.IGNORED, dataset=None, agency="agency_2"))
    ReportDays(store, "b").complete()
    store.calls.clear()
    reports = ledger.reports(since=NOW, agency="agency_1")
    assert sorted(int(report.delivery_id, 16) for report in reports) == [1, 7]
    assert len([call for call in store.calls if call.startswith("GET")]) == 3
