"""Which version of a source silver keeps when several meet, on a versioned store in memory."""

from dataclasses import replace
from itertools import chain, permutations, repeat

import pytest

from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.s3_events import ObjectCreated
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.unit.intake_place import EVENT, KEY, things

ROWS = [f"ident,size\n{name},1\n".encode() for name in "abc"]
SECOND = 1_767_600_000.0


class Versions:
    """A key of which several versions were written within one second, each with a sequencer."""

    def __init__(self, *bodies: bytes, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore(lambda: SECOND)
        self.intake = Intake(self.store, {"things": things()}, "bucket", "from_client/")
        self.events = []
        for number, body in enumerate(bodies):
            self.store.write("bucket", KEY, body)
            head = self.store.head("bucket", KEY)
            self.events.append(ObjectCreated("bucket", KEY, head.version_id, head.etag, len(body), f"00A{number}"))

    def ingest(self, number: int, *, sequenced: bool) -> Outcome:
        event = self.events[number] if sequenced else replace(self.events[number], sequencer=None)
        return self.intake.ingest(event, EVENT).outcome

    def silver_is_of(self, number: int) -> bool:
        (head,) = self.store.list("bucket", "silver/")
        made_from = self.store.head("bucket", head.key).metadata["delivery-id"]
        report = f"reports/things/agency=agency_a/{made_from}.json"
        return f'"{self.events[number].version_id}"'.encode() in self.store.read("bucket", report)


@pytest.mark.parametrize("clock", [(0, 0, 0), (1, 2, 0)], ids=["one second", "a clock that goes back"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("sequenced", [(False, False, False), (True, False, True), (False, True, False)])
def test_the_newest_version_stays_in_whatever_order_and_with_whatever_events_they_come(
    order: tuple[int, ...], sequenced: tuple[bool, ...], clock: tuple[int, ...]
) -> None:
    """By time for some pairs and by sequencer for others, the comparison would run in circles."""
    seconds = chain(clock, repeat(9))
    versions = Versions(*ROWS, store=MemoryStore(lambda: SECOND + next(seconds)))
    for number in order:
        versions.ingest(number, sequenced=sequenced[number])
    assert versions.silver_is_of(2)


def test_a_version_gives_way_to_a_newer_accepted_one_only_and_not_to_a_rejected_one_of_the_same_second() -> None:
    versions = Versions(ROWS[0], ROWS[1], b"")
    assert versions.ingest(2, sequenced=False) is Outcome.REJECTED
    assert versions.ingest(0, sequenced=False) is Outcome.ACCEPTED
    assert versions.ingest(1, sequenced=False) is Outcome.ACCEPTED
    assert versions.silver_is_of(1)


class Meddled(MemoryStore):
    """Calls ``meddle`` once, right before the first write of a kind of object."""

    def __init__(self, before: str) -> None:
        super().__init__(lambda: SECOND)
        self.before, self.meddle = before, lambda: None

    def write(self, bucket: str, key: str, body: object, **conditions: object) -> str:
        if key.startswith(self.before):
            meddle, self.meddle = self.meddle, lambda: None
            meddle()
        return super().write(bucket, key, body, **conditions)  # type: ignore[arg-type]


def test_a_sender_who_goes_back_to_an_earlier_file_is_not_overwritten_by_the_one_between() -> None:
    """Silver's eTag would be that of the earlier file again, and the late swap would pass for a right one."""
    versions = Versions(ROWS[0], ROWS[1], ROWS[0], store=(store := Meddled("silver/")))
    versions.ingest(0, sequenced=True)
    store.meddle = lambda: versions.ingest(2, sequenced=True)
    assert versions.ingest(1, sequenced=True) is Outcome.SUPERSEDED
    assert versions.silver_is_of(2)


def test_what_a_dead_attempt_held_back_goes_when_its_delivery_is_superseded() -> None:
    versions = Versions(ROWS[0] + b",7\n", ROWS[1], store=(store := Meddled("reports/")))

    def die() -> None:
        raise KeyboardInterrupt

    store.meddle = die
    with pytest.raises(KeyboardInterrupt):
        versions.ingest(0, sequenced=True)
    assert list(versions.store.list("bucket", "quarantine/"))
    versions.ingest(1, sequenced=True)
    assert versions.ingest(0, sequenced=True) is Outcome.SUPERSEDED
    assert not list(versions.store.list("bucket", "quarantine/"))


def test_of_two_who_work_on_a_delivery_at_once_one_has_done_it_and_the_other_found_it_done() -> None:
    versions = Versions(ROWS[0], store=(store := Meddled("reports/")))
    seen: list[Outcome] = []
    store.meddle = lambda: seen.append(versions.ingest(0, sequenced=True))
    assert versions.ingest(0, sequenced=True) is Outcome.DUPLICATE
    assert seen == [Outcome.ACCEPTED]
