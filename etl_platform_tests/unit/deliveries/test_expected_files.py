"""Which agencies have an overdue file, by the contract's cadence and the ledger."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform import object_keys
from etl_platform.deliveries.last_deliveries import LastDeliveries
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.reconcile.expected_files import ExpectedFiles
from etl_platform.engine.contract.cadence import Cadence, LastFile, Timeliness, judge_timeliness
from etl_platform.storage.local_store import LocalStore
from etl_platform.storage.object_store import ObjectHead
from etl_platform_tests.unit.intake_place import things
from etl_platform_tests.unit.making_reports import report_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WEEKLY = Cadence(7 * DAY, DAY)
CONTRACT = replace(things(), cadence=WEEKLY)
MOMENTS = st.integers(0, 2_000).map(lambda hours: NOW - timedelta(hours=hours))


@given(arrived_at=MOMENTS, every=st.integers(1, 300), grace=st.integers(0, 100))
def test_a_file_is_overdue_once_cadence_and_grace_have_passed(arrived_at: datetime, every: int, grace: int) -> None:
    cadence = Cadence(timedelta(hours=every), timedelta(hours=grace))
    found = judge_timeliness(cadence, LastFile("Things.csv", "accepted", arrived_at), NOW)
    assert found.overdue == (NOW - arrived_at > timedelta(hours=every + grace))
    assert found.expected_by == arrived_at + timedelta(hours=every)


def test_the_text_names_the_last_file_and_when_the_next_one_is_expected() -> None:
    on_time = judge_timeliness(WEEKLY, LastFile("Things.csv", "rejected", NOW - 7.5 * DAY), NOW)
    assert on_time.text == (
        "The last file arrived on 2026-02-21 (Things.csv, rejected); the next is expected by 2026-02-28."
    )
    late = judge_timeliness(WEEKLY, LastFile("Things.csv", "accepted", NOW - 20 * DAY), NOW)
    assert late.text == (
        "The last file arrived on 2026-02-09 (Things.csv, accepted); the next was expected by 2026-02-16, 13 days ago."
    )
    assert (
        "30 hours ago"
        in judge_timeliness(Cadence(DAY, DAY / 10), LastFile("a", "accepted", NOW - 2.25 * DAY), NOW).text
    )


INDEXES = ("none", "written with the reports", "completed later")


class History:
    """A ledger of made-up reports that counts how many of them are read; ``index`` is one of INDEXES."""

    def __init__(self, root: Path, index: str) -> None:
        self.root, self.store, self.index = root, _CountingStore(root), index

    def add(self, agency: str, number: int, arrived_at: datetime, reported_at: datetime, attempt: str = "") -> None:
        report = report_of(
            f"{number:020x}",
            key=f"from_client/{agency}/{number}.csv",
            last_modified=arrived_at,
            ended_at=reported_at,
            agency=agency,
            dataset="things",
            attempt_id=attempt or None,
        )
        Ledger(self.store, "b").put(report)
        key = object_keys.report_key("things", agency, report.delivery_id, report.attempt_id)
        for written in (key, object_keys.report_day_key(reported_at.date(), key)):
            os.utime(self.root / written, (reported_at.timestamp(), reported_at.timestamp()))

    def expected(self) -> ExpectedFiles:
        if self.index == "completed later":
            shutil.rmtree(self.root / object_keys.REPORT_DAYS)
        if self.index != "none":
            LastDeliveries(self.store, "b", NOW).complete_index()
        self.store.reads, self.store.listed = 0, []
        return ExpectedFiles(self.store, "b", NOW)

    def timeliness(self) -> dict[str, Timeliness]:
        return dict(self.expected().timeliness(CONTRACT))


class _CountingStore(LocalStore):
    reads = 0
    listed: list[str]

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        self.listed = [*getattr(self, "listed", []), prefix]
        return super().list(bucket, prefix, after)

    def read(self, bucket: str, key: str) -> bytes:
        self.reads += key.startswith("reports/things/")
        return super().read(bucket, key)


@pytest.fixture(params=INDEXES)
def history(tmp_path: Path, request: pytest.FixtureRequest) -> History:
    return History(tmp_path, request.param)


def test_each_agency_is_judged_by_its_own_last_file_and_one_report_is_read_for_it(history: History) -> None:
    for week in range(30):
        history.add("prompt", week, NOW - week * 7 * DAY, NOW - week * 7 * DAY + DAY / 24)
        history.add("prompt-2", week, NOW - week * 7 * DAY - 30 * DAY, NOW - week * 7 * DAY - 29 * DAY)

    found = history.timeliness()

    assert {agency: one.overdue for agency, one in found.items()} == {"prompt": False, "prompt-2": True}
    assert found["prompt"].last == LastFile("0.csv", "accepted", NOW)
    assert history.store.reads == (2 if history.index == "none" else 1), (
        "the index has read one of each, but for new ones"
    )
    assert history.expected().read_again(CONTRACT, "prompt") == found["prompt"]
    assert history.expected().read_again(CONTRACT, "unknown") is None


def test_only_the_reports_since_the_last_reading_are_listed_and_read(tmp_path: Path) -> None:
    history = History(tmp_path, "written with the reports")
    for week in range(100):
        history.add("prompt", week, NOW - week * 7 * DAY, NOW - week * 7 * DAY)
    history.add("quiet", 1, NOW - 90 * DAY, NOW - 90 * DAY)
    assert {agency: one.overdue for agency, one in history.timeliness().items()} == {"prompt": False, "quiet": True}
    assert history.store.listed == ["reports/_index/days/2026-03-01/"]
    assert history.store.reads == 1


def test_a_file_that_arrives_after_the_reading_is_found_when_its_agency_is_read_again(tmp_path: Path) -> None:
    history = History(tmp_path, "written with the reports")
    history.add("late", 1, NOW - 90 * DAY, NOW - 90 * DAY)
    expected = history.expected()
    assert dict(expected.timeliness(CONTRACT))["late"].overdue
    history.add("late", 2, NOW, NOW)
    again = expected.read_again(CONTRACT, "late")
    assert again is not None
    assert again.last == LastFile("2.csv", "accepted", NOW)


def test_an_old_file_that_was_reported_late_does_not_hide_one_that_was_reported_before_the_window(
    history: History,
) -> None:
    history.add("a", 1, NOW - 50 * DAY, NOW - 50 * DAY)
    history.add("a", 2, NOW - 90 * DAY, NOW - DAY)
    assert history.timeliness()["a"].last.name == "1.csv"


def test_a_reprocessing_does_not_count_as_a_new_file(history: History) -> None:
    history.add("late", 1, NOW - 20 * DAY, NOW - 20 * DAY)
    history.add("late", 1, NOW - 20 * DAY, NOW, attempt="abc123")
    assert history.timeliness()["late"].overdue


def test_an_old_file_with_a_late_report_does_not_hide_a_newer_file(history: History) -> None:
    history.add("catching_up", 1, NOW - 3 * DAY, NOW - 2 * DAY)
    history.add("catching_up", 2, NOW - 90 * DAY, NOW - DAY)
    found = history.timeliness()["catching_up"]
    assert not found.overdue
    assert found.last.name == "1.csv"


@given(
    arrivals=st.lists(st.tuples(MOMENTS, st.integers(0, 1_500)), min_size=1, max_size=8), index=st.sampled_from(INDEXES)
)
def test_the_newest_arrival_decides_whether_a_file_is_overdue(
    tmp_path_factory: pytest.TempPathFactory, arrivals: list[tuple[datetime, int]], index: str
) -> None:
    history = History(tmp_path_factory.mktemp("history"), index)
    for number, (arrived_at, hours) in enumerate(arrivals):
        history.add("a", number, arrived_at, min(arrived_at + timedelta(hours=hours), NOW))
    found = history.timeliness()["a"]
    newest = max(at for at, _ in arrivals)
    assert found.overdue == (NOW - newest > 8 * DAY)
    if found.overdue:
        assert found.last.arrived_at == newest
