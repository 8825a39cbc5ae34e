"""Which version of a source silver keeps, on a versioned store in memory."""

from dataclasses import replace
from itertools import chain, permutations, repeat

import pytest

from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.partition_state import PartitionState
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.unit.intake_place import EVENT, KEY, NOW, REPROCESS, things

ROWS = [f"ident,size\n{name},1\n".encode() for name in "abc"]
SECOND = 1_767_600_000.0


class Versions:
    """A key of which several versions were written within one second, each with a sequencer."""

    def __init__(self, *bodies: bytes, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore(lambda: SECOND)
        self.events = []
        for number, body in enumerate(bodies):
            self.store.write("bucket", KEY, body)
            head = self.store.head("bucket", KEY)
            self.events.append(ObjectVersion("bucket", KEY, head.version_id, head.etag, len(body), f"00A{number}"))

    def ingest(self, number: int, *, sequenced: bool, sequencer: str | None = None) -> Outcome:
        event = replace(self.events[number], sequencer=sequencer or self.events[number].sequencer)
        event = event if sequenced else replace(event, sequencer=None)
        # Attempts are of different runs.
        intake = Intake(self.store, {"things": things()}, "bucket", "from_client/", NOW)
        return intake.ingest(intake.route(event), EVENT).outcome

    def silver_is_of(self, number: int) -> bool:
        (head,) = self.store.list("bucket", "silver/")
        made_from = self.store.head("bucket", head.key).metadata["delivery-id"]
        report = f"reports/things/agency=agency_a/{made_from}.json"
        return f'"{self.events[number].version_id}"'.encode() in self.store.read("bucket", report)


@pytest.mark.parametrize("clock", [(0, 0, 0), (1, 2, 0)], ids=["one second", "a clock that goes back"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("sequenced", [(False, False, False), (True, False, True), (False, True, False)])
def test_silver_keeps_the_newest_version_for_any_order_of_events_with_or_without_sequencers(
    order: tuple[int, ...], sequenced: tuple[bool, ...], clock: tuple[int, ...]
) -> None:
    """If time decided for some pairs and the sequencer for others, the comparison would run in a circle."""
    seconds = chain(clock, repeat(9))
    versions = Versions(*ROWS, store=MemoryStore(lambda: SECOND + next(seconds)))
    for number in order:
        versions.ingest(number, sequenced=sequenced[number])
    assert versions.silver_is_of(2)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("sequencer", [None, "00A"], ids=["no sequencers", "the same sequencer in every event"])
def test_silver_and_a_reading_again_have_the_newest_version_though_no_sequencer_tells_it(
    order: tuple[int, ...], sequencer: str | None
) -> None:
    versions = Versions(*ROWS)
    for number in order:
        versions.ingest(number, sequenced=sequencer is not None, sequencer=sequencer)
    assert versions.silver_is_of(2)

    intake = Intake(versions.store, {"things": things(size_type="string")}, "bucket", "from_client/", NOW)
    (again,) = intake.reprocess("things", "agency_a", REPROCESS)

    assert (again.outcome, again.report.source.version_id) == (Outcome.ACCEPTED, versions.events[2].version_id)
    (judged,) = PartitionState(versions.store, "bucket").judged("things", "agency_a").files
    assert judged.report.delivery_id == again.report.delivery_id


def test_a_refused_version_is_not_hidden_by_an_older_one_of_the_same_second() -> None:
    versions = Versions(ROWS[0], b"")
    versions.ingest(1, sequenced=False)
    versions.ingest(0, sequenced=False)

    (judged,) = PartitionState(versions.store, "bucket").judged("things", "agency_a").files

    assert judged.report.source.version_id == versions.events[1].version_id


def test_a_rejected_newer_version_of_the_same_second_does_not_supersede_an_accepted_one() -> None:
    versions = Versions(ROWS[0], ROWS[1], b"")
    assert versions.ingest(2, sequenced=False) is Outcome.REJECTED
    assert versions.ingest(0, sequenced=False) is Outcome.ACCEPTED
    assert versions.ingest(1, sequenced=False) is Outcome.ACCEPTED
    assert versions.silver_is_of(1)


class InterruptedStore(MemoryStore):
    """Calls ``interrupt`` once, right before the first write under a prefix."""

    def __init__(self, prefix: str) -> None:
        super().__init__(lambda: SECOND)
        self.prefix, self.interrupt = prefix, lambda: None

    def write(self, bucket: str, key: str, body: object, **conditions: object) -> str:
        if key.startswith(self.prefix):
            interrupt, self.interrupt = self.interrupt, lambda: None
            interrupt()
        return super().write(bucket, key, body, **conditions)  # type: ignore[arg-type]


def test_a_late_version_does_not_overwrite_a_newer_one_with_the_bytes_of_an_earlier_one() -> None:
    """The sender returns to an earlier file. If its silver had the same eTag again, the late swap would succeed."""
    versions = Versions(ROWS[0], ROWS[1], ROWS[0], store=(store := InterruptedStore("silver/")))
    versions.ingest(0, sequenced=True)
    store.interrupt = lambda: versions.ingest(2, sequenced=True)
    assert versions.ingest(1, sequenced=True) is Outcome.SUPERSEDED
    assert versions.silver_is_of(2)


def test_the_quarantine_of_an_attempt_that_died_is_deleted_when_its_delivery_is_superseded() -> None:
    versions = Versions(ROWS[0] + b",7\n", ROWS[1], store=(store := InterruptedStore("reports/")))

    def die() -> None:
        raise KeyboardInterrupt

    store.interrupt = die
    with pytest.raises(KeyboardInterrupt):
        versions.ingest(0, sequenced=True)
    assert list(versions.store.list("bucket", "quarantine/"))
    versions.ingest(1, sequenced=True)
    assert versions.ingest(0, sequenced=True) is Outcome.SUPERSEDED
    assert not list(versions.store.list("bucket", "quarantine/"))


def test_of_two_attempts_at_the_same_time_one_is_accepted_and_the_other_a_duplicate() -> None:
    versions = Versions(ROWS[0], store=(store := InterruptedStore("reports/")))
    seen: list[Outcome] = []
    store.interrupt = lambda: seen.append(versions.ingest(0, sequenced=True))
    assert versions.ingest(0, sequenced=True) is Outcome.DUPLICATE
    assert seen == [Outcome.ACCEPTED]
