"""Whose file is overdue: by the contract's cadence, from the ledger."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.deliveries.ledger import Ledger, new_record
from etl_platform.deliveries.reconcile.expected_files import timeliness
from etl_platform.engine.contract.cadence import Cadence, LastFile, Timeliness, judge_timeliness
from etl_platform.storage.local_store import LocalStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WEEKLY = Cadence(7 * DAY, DAY)
MOMENTS = st.integers(0, 400).map(lambda hours: NOW - timedelta(hours=hours))


@given(arrived_at=MOMENTS, every=st.integers(1, 300), grace=st.integers(0, 100))
def test_a_file_is_overdue_once_cadence_and_grace_have_passed(arrived_at: datetime, every: int, grace: int) -> None:
    cadence = Cadence(timedelta(hours=every), timedelta(hours=grace))
    standing = judge_timeliness(cadence, LastFile("Things.csv", "accepted", arrived_at), NOW)
    assert standing.overdue == (NOW - arrived_at > timedelta(hours=every + grace))
    assert standing.expected_by == arrived_at + timedelta(hours=every)


def test_the_text_says_what_came_last_and_how_overdue_the_next_is() -> None:
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


class History:
    """A ledger of made-up reports that counts how many of them are read."""

    def __init__(self, root: Path) -> None:
        self.root, self.store, self.reads = root, _CountingStore(root), 0

    def add(self, agency: str, number: int, arrived_at: datetime, recorded_at: datetime, attempt: str = "") -> None:
        record = new_record(f"{number:020x}", agency, None, {"key": f"from_client/{agency}/{number}.csv"}) | {
            "dataset": "things",
            "outcome": "accepted",
            "attempt_id": attempt or None,
        }
        record["source"]["last_modified"] = arrived_at.isoformat()
        Ledger(self.store, "b").put(record)
        name = f"{number:020x}{f'.{attempt}' if attempt else ''}.json"
        seconds = recorded_at.timestamp()
        os.utime(self.root / f"reports/things/agency={agency}/{name}", (seconds, seconds))

    def look(self, **more: str) -> dict[str, Timeliness]:
        self.store.reads = 0
        return dict(timeliness(self.store, "b", "things", WEEKLY, NOW, **more))


class _CountingStore(LocalStore):
    reads = 0

    def read(self, bucket: str, key: str) -> bytes:
        self.reads += 1
        return super().read(bucket, key)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def test_each_agency_stands_by_its_own_last_file_and_one_report_of_it_is_read(history: History) -> None:
    for week in range(30):
        history.add("prompt", week, NOW - week * 7 * DAY, NOW - week * 7 * DAY + DAY / 24)
        history.add("prompt-2", week, NOW - week * 7 * DAY - 30 * DAY, NOW - week * 7 * DAY - 29 * DAY)

    found = history.look()

    assert {agency: standing.overdue for agency, standing in found.items()} == {"prompt": False, "prompt-2": True}
    assert found["prompt"].last == LastFile("0.csv", "accepted", NOW)
    assert history.store.reads == 2
    assert history.look(agency="prompt").keys() == {"prompt"}
    assert history.look(agency="unknown") == {}


def test_a_partition_that_was_read_again_is_still_overdue(history: History) -> None:
    history.add("late", 1, NOW - 20 * DAY, NOW - 20 * DAY)
    history.add("late", 1, NOW - 20 * DAY, NOW, attempt="abc123")
    assert history.look()["late"].overdue


def test_an_old_file_recorded_late_hides_no_newer_one(history: History) -> None:
    history.add("catching_up", 1, NOW - 3 * DAY, NOW - 2 * DAY)
    history.add("catching_up", 2, NOW - 90 * DAY, NOW - DAY)
    found = history.look()["catching_up"]
    assert not found.overdue
    assert found.last.name == "1.csv"


@given(arrivals=st.lists(st.tuples(MOMENTS, st.integers(0, 200)), min_size=1, max_size=8))
def test_overdue_is_what_the_newest_arrival_says(
    tmp_path_factory: pytest.TempPathFactory, arrivals: list[tuple[datetime, int]]
) -> None:
    history = History(tmp_path_factory.mktemp("history"))
    for number, (arrived_at, hours) in enumerate(arrivals):
        history.add("a", number, arrived_at, arrived_at + timedelta(hours=hours))
    found = history.look()["a"]
    newest = max(at for at, _ in arrivals)
    assert found.overdue == (NOW - newest > 8 * DAY)
    if found.overdue:
        assert found.last.arrived_at == newest
