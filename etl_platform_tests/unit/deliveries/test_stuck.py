"""Whether anything is stuck: each place has one answer, and what to do if something is."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from etl_platform.deliveries import stuck
from etl_platform.deliveries.circuit_breaker import Breaker, Limits, Phase, status_of
from etl_platform.engine.contract.cadence import Cadence
from etl_platform.engine.contract_folder import BrokenContract, ContractFolder
from etl_platform.engine.errors import ContractError
from etl_platform.queue_work.queues import EMAILS, FILE_EVENTS
from etl_platform_tests.unit.deliveries.failed_delivery import AT, RECORD
from etl_platform_tests.unit.intake_place import GOOD, Place, things

GADGETS = "from_client/agency_a/Gadgets.csv"


@pytest.mark.parametrize(
    ("receives", "later", "is_stuck", "said"),
    [
        (2, timedelta(), False, "1 delivery failed fewer than 3 times"),
        (3, timedelta(), True, "comes again at"),
        (1, timedelta(hours=2), True, "its message did not come"),
        (20, timedelta(hours=2), False, "1 delivery failed too often"),
        (1, timedelta(days=15), True, "its message has expired"),
    ],
)
def test_a_delivery_that_keeps_failing_is_stuck_unless_it_is_a_dead_letter(
    place: Place, receives: int, later: timedelta, is_stuck: bool, said: str
) -> None:
    assert not stuck.failed_deliveries(place.intake.waiting.unfinished(), AT, lambda: 1).is_stuck
    place.intake.waiting.put(dataclasses.replace(RECORD, receives=receives))
    found = stuck.failed_deliveries(place.intake.waiting.unfinished(), AT + later, lambda: 1)
    assert found.is_stuck == is_stuck
    assert said in found.text
    assert ("1 delivery keeps failing; the first, Things.csv of agency_a" in found.text) == is_stuck
    assert bool(found.remedy) == is_stuck


@pytest.mark.parametrize(
    ("letters", "hours", "is_stuck"), [(0, 2, True), (0, 1, False), (1, 2, False), (None, 2, False)]
)
def test_a_delivery_whose_dead_letter_was_deleted_is_stuck(letters: int | None, hours: int, is_stuck: bool) -> None:
    found = stuck.failed_deliveries(
        [dataclasses.replace(RECORD, receives=20)],
        RECORD.comes_again_at + timedelta(hours=hours, seconds=hours - 1),
        lambda: letters,
    )
    assert found.is_stuck == is_stuck
    assert ("its dead letter is gone" in found.text) == ("reconcile --repair" in found.remedy) == is_stuck


def ignored(place: Place, now: datetime) -> stuck.Answer:
    return stuck.ignored_files(place.store, "bucket", place.intake.route, now)


def test_a_recent_file_without_a_contract_is_stuck_and_an_old_one_is_not(place: Place) -> None:
    place.ingest(place.drop(GOOD, GADGETS))
    place.ingest(place.drop(GOOD, "from_client/agency_a/Things.csv.md5"))
    now = datetime.now(UTC)
    found = ignored(place, now)
    assert found.is_stuck
    assert found.text.startswith(f"1 ignored file of the last 7 days still waiting: {GADGETS}: no_contract: ")
    assert not ignored(place, now + timedelta(days=8)).is_stuck


def test_the_reason_of_an_ignored_file_is_that_of_today(place: Place) -> None:
    error = ContractError("is wrong", path="gadgets.odcs.yaml")
    place.use(things(), [BrokenContract("gadgets.odcs.yaml", error, "gadgets", "gadgets.csv", (), "0" * 64)])
    place.ingest(place.drop(GOOD, GADGETS))
    now = datetime.now(UTC)
    assert f"{GADGETS}: contract_error: " in ignored(place, now).text
    place.use(things())
    assert f"{GADGETS}: no_contract: " in ignored(place, now).text


def test_a_file_that_a_contract_matches_by_now_is_stuck_until_it_is_ingested(place: Place) -> None:
    event = place.drop(GOOD, GADGETS)
    place.ingest(event)
    place.use(dataclasses.replace(things(), physical_name="gadgets.csv"))
    now = datetime.now(UTC)
    assert "reconcile --repair" in ignored(place, now).text
    place.ingest(event)
    assert not ignored(place, now).is_stuck


def test_a_contract_in_error_is_stuck() -> None:
    error = ContractError("the line is wrong", path="things.odcs.yaml", line=3)
    broken = BrokenContract("things.odcs.yaml", error, "things", "Things", (), "sha")
    found = stuck.contracts_in_error(ContractFolder({}, (broken,)))
    assert found.is_stuck
    assert found.text == "1 contract is in error and set aside; the first: things.odcs.yaml:3: the line is wrong"
    assert (
        stuck.contracts_in_error(ContractFolder({"things": things()})).text
        == "no contract is in error; 1 contract read"
    )


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


def test_an_agency_that_is_held_back_is_stuck_beside_a_closed_breaker() -> None:
    found = stuck.breaker(status_of(Breaker(), 0, Limits(5, 60), ["b", "a"]))
    assert found.is_stuck
    assert found.text.endswith("is closed (0 failed runs in a row); held back, because only their own files fail: a, b")
    assert "frees its agency" in found.remedy
    many = stuck.breaker(status_of(Breaker(), 0, Limits(5, 60), [f"a{n}" for n in range(18)]))
    assert many.text.endswith(": a0, a1, a10, a11, a12, …")
