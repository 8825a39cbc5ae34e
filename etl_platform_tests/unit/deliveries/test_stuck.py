"""Whether anything is stuck: each place has one answer, and what to do if something is."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl_platform.deliveries import stuck
from etl_platform.deliveries.circuit_breaker import Breaker, Limits, Phase, status_of
from etl_platform.deliveries.intake import Intake
from etl_platform.engine.contract.cadence import Cadence
from etl_platform.engine.contract_folder import BrokenContract, ContractFolder
from etl_platform.engine.errors import ContractError
from etl_platform.queue_work.queues import EMAILS, FILE_EVENTS
from etl_platform_tests.unit.deliveries.test_waiting import AT, RECORD
from etl_platform_tests.unit.intake_place import GOOD, NOW, Place, things

GADGETS = "from_client/agency_a/Gadgets.csv"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, things())


@pytest.mark.parametrize(
    ("receives", "later", "is_stuck", "said"),
    [
        (3, timedelta(), True, "comes again at"),
        (20, timedelta(hours=2), False, "no delivery failed and waits"),
        (3, timedelta(days=15), True, "its message has expired"),
    ],
)
def test_a_failed_delivery_is_stuck_unless_it_is_a_dead_letter(
    place: Place, receives: int, later: timedelta, is_stuck: bool, said: str
) -> None:
    assert not stuck.failed_deliveries(place.store, "bucket", AT).is_stuck
    place.intake.waiting.put(dataclasses.replace(RECORD, receives=receives))
    found = stuck.failed_deliveries(place.store, "bucket", AT + later)
    assert found.is_stuck == is_stuck
    assert said in found.text
    assert ("1 delivery failed; the first, Things.csv of agency_a" in found.text) == is_stuck
    assert bool(found.remedy) == is_stuck


def ignored(place: Place, now: datetime) -> stuck.Answer:
    return stuck.ignored_files(place.store, "bucket", ContractFolder({"things": things()}), "from_client/", now)


def test_a_recent_file_without_a_contract_is_stuck_and_an_old_one_is_not(place: Place) -> None:
    place.ingest(place.drop(GOOD, GADGETS))
    place.ingest(place.drop(GOOD, "from_client/agency_a/Things.csv.md5"))
    now = datetime.now(UTC)
    found = ignored(place, now)
    assert found.is_stuck
    assert found.text == f"1 file of the last 7 days without a contract: {GADGETS}"
    assert not ignored(place, now + timedelta(days=8)).is_stuck


def test_a_file_that_a_contract_matches_by_now_is_stuck_until_it_is_ingested(place: Place) -> None:
    event = place.drop(GOOD, GADGETS)
    place.ingest(event)
    renamed = dataclasses.replace(things(), physical_name="gadgets.csv")
    now = datetime.now(UTC)
    found = stuck.ignored_files(place.store, "bucket", ContractFolder({"things": renamed}), "from_client/", now)
    assert found.is_stuck
    assert "1 file of the last 7 days that a contract matches by now" in found.text
    assert "reconcile --repair" in found.remedy
    place.use(renamed)
    place.ingest(event)
    assert not stuck.ignored_files(
        place.store, "bucket", ContractFolder({"things": renamed}), "from_client/", now
    ).is_stuck


def test_a_file_whose_contract_is_in_error_is_stuck(place: Place) -> None:
    error = ContractError("the line is wrong", path="things.odcs.yaml", line=3)
    broken = BrokenContract("things.odcs.yaml", error, "things", "Things", (), "sha")
    place.intake = Intake(place.store, {}, "bucket", "from_client/", NOW, broken=[broken])
    place.ingest(place.drop(GOOD))
    found = stuck.ignored_files(place.store, "bucket", ContractFolder({}, (broken,)), "from_client/", datetime.now(UTC))
    assert found.is_stuck
    assert "1 file of the last 7 days whose contract is in error" in found.text
    assert "etl-platform contract check" in found.remedy


def test_an_overdue_file_is_stuck(place: Place) -> None:
    place.ingest(place.drop(GOOD, seconds=1_000))
    daily = dataclasses.replace(things(), cadence=Cadence(timedelta(days=1), timedelta(hours=1)))
    found = stuck.overdue_files(place.store, "bucket", {"things": daily}, datetime.now(UTC))
    assert (found.is_stuck, found.text) == (True, "1 file overdue: things of agency_a")
    on_time = stuck.overdue_files(place.store, "bucket", {"things": daily}, datetime.fromtimestamp(2_000, UTC))
    assert (on_time.is_stuck, on_time.text) == (False, "no file is overdue; 1 partition checked")
    assert not stuck.overdue_files(place.store, "bucket", {"things": things()}, datetime.now(UTC)).is_stuck


def test_dead_letters_name_the_command_of_their_queue() -> None:
    assert not stuck.dead_letters(FILE_EVENTS, (0, 0)).is_stuck
    found = stuck.dead_letters(FILE_EVENTS, (1, 1))
    assert (found.is_stuck, found.text) == (True, "2 dead letters")
    assert "`etl-platform dlq list`" in found.remedy
    assert "`etl-platform dlq list --queue email`" in stuck.dead_letters(EMAILS, (1, 0)).remedy


@pytest.mark.parametrize(
    ("oldest_s", "is_stuck", "text"),
    [
        (None, False, "3 waiting, 1 in flight"),
        (600.0, False, "3 waiting, 1 in flight, the oldest for 10 min"),
        (3_601.0, True, "3 waiting, 1 in flight, the oldest for 60 min"),
        (9_000.0, True, "3 waiting, 1 in flight, the oldest for 2 h"),
    ],
)
def test_a_message_that_waits_for_more_than_an_hour_is_stuck(oldest_s: float | None, is_stuck: bool, text: str) -> None:
    found = stuck.waiting_messages((3, 1), oldest_s)
    assert (found.is_stuck, found.text, bool(found.remedy)) == (is_stuck, text, is_stuck)


def test_a_breaker_that_is_not_closed_is_stuck() -> None:
    limits = Limits(5, 60)
    assert not stuck.breaker(status_of(Breaker(), 0, limits)).is_stuck
    opened = Breaker(Phase.OPEN, frozenset("abcde"), 0, 0)
    found = stuck.breaker(status_of(opened, 1, limits))
    assert found.is_stuck
    assert "open after 5 failed runs" in found.text
