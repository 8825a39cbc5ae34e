"""What ``reconcile`` found right before is not read again, and never hides a finding."""

import gzip
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform import object_keys
from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.reconcile.discrepancies import Discrepancy
from etl_platform.deliveries.reconcile.reconcile import Reconciler
from etl_platform.deliveries.reconcile.reconciled import Reconciled
from etl_platform.deliveries.report import Report, WrittenObjects
from etl_platform.storage.object_store import ObjectHead, find_object
from etl_platform_tests.unit.deliveries.counted_store import CountedStore
from etl_platform_tests.unit.deliveries.interleaving import take_turns
from etl_platform_tests.unit.intake_place import things
from etl_platform_tests.unit.making_reports import attempt_of

START = datetime(2026, 11, 1, tzinfo=UTC)
GRACE = timedelta(hours=1)
MANY = [f"from_client/a/{number}/Things.csv" for number in range(20)]
KEYS = ("from_client/a/1/Things.csv", "from_client/a/2/Things.csv")


class Bucket:
    """A versioned bucket with the files of one agency, and a clock that the test moves."""

    def __init__(self) -> None:
        self.store, self.number = CountedStore(), 0
        self.store.now = START.timestamp()

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.store.now, UTC)

    def wait(self, time: timedelta = 2 * GRACE) -> None:
        self.store.now += time.total_seconds()

    def deliver(self, key: str = KEYS[0], outcome: str = "rejected") -> None:
        self.number += 1
        self.store.write("b", key, str(self.number).encode())
        self._process(next(self.store.versions("b", key)), outcome, None)

    def again(self, key: str = KEYS[0], outcome: str = "rejected") -> None:
        """The event of the newest version comes again."""
        versions = list(self.store.versions("b", key))
        if versions:
            self._process(versions[0], outcome, None)

    def replay(self, key: str = KEYS[0], outcome: str = "rejected", place: int = 0) -> None:
        """``place`` is of the version, the newest first."""
        self.number += 1
        versions = list(self.store.versions("b", key))
        if versions:
            self._process(versions[place % len(versions)], outcome, f"{self.number:06x}")

    def _process(self, head: ObjectHead, outcome: str, attempt_id: str | None) -> None:
        """An attempt in the order of the platform: bronze, silver, report; "crashed" ends before the report."""
        source, key = ObjectVersion.of(head), head.key
        bronze = object_keys.bronze_key("things", "a", source.delivery_id, "Things.csv")
        self.store.write("b", bronze, b"")
        etag = None
        if outcome != "rejected":
            etag = self._write_silver(key, {"delivery-id": source.delivery_id, "attempt": attempt_id})
        if outcome != "crashed":
            silver = object_keys.silver_key("things", "a", key) if etag else None
            report = Report(
                delivery_id=source.delivery_id,
                outcome=Outcome.ACCEPTED if etag else Outcome.REJECTED,
                source=source,
                attempt=attempt_of(ended_at=self.now),
                attempt_id=attempt_id,
                agency="a",
                dataset="things",
                written=WrittenObjects(bronze, silver, etag),
            )
            Ledger(self.store, "b").put(report)

    def _write_silver(self, key: str, metadata: dict[str, str | None]) -> str:
        self.number += 1
        given = {name: value for name, value in metadata.items() if value} | {"source": object_keys.metadata_text(key)}
        silver = object_keys.silver_key("things", "a", key)
        return self.store.write("b", silver, str(self.number).encode(), metadata=given)

    def overwrite_silver(self, key: str) -> None:
        self._write_silver(key, {})

    def delete(self, place: int, layer: str) -> None:
        """One of the objects of a layer."""
        keys = [head.key for head in self.store.list("b", f"{layer}/") if not head.key.startswith(object_keys.INDEX)]
        if keys:
            self.store.delete("b", keys[place % len(keys)])

    def reconcile(self, store: CountedStore | None = None) -> Reconciled:
        contracts = {"things": things()}
        return Reconciler(store or self.store, "b", contracts, "from_client/", self.now, self.now - GRACE).reconcile()

    @property
    def index(self) -> bytes | None:
        is_kept = find_object(self.store, "b", object_keys.INSPECTED_KEYS) is not None
        return self.store.read("b", object_keys.INSPECTED_KEYS) if is_kept else None

    @index.setter
    def index(self, body: bytes | None) -> None:
        if body is None:
            self.store.delete("b", object_keys.INSPECTED_KEYS)
        else:
            self.store.write("b", object_keys.INSPECTED_KEYS, body)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def test_reports_of_refused_files_are_read_once(bucket: Bucket) -> None:
    for key in MANY:
        bucket.deliver(key)
    bucket.wait()
    bucket.store.counted()
    reads = []
    for _ in range(3):
        assert bucket.reconcile().findings == ()
        reads.append(bucket.store.counted()["GET"])
    assert reads[0] - reads[1] == len(MANY)
    assert reads[1] == reads[2]


def test_among_many_silver_objects_whose_source_is_gone_the_one_without_a_report_is_found(bucket: Bucket) -> None:
    for key in MANY:
        bucket.deliver(key, "accepted")
        for version in list(bucket.store.objects["b", key]):
            bucket.store.objects["b", key].remove(version)
    bucket.wait()
    assert bucket.reconcile().findings == ()
    bucket.delete(7, "reports")
    assert {one.key.partition("/")[0] for one in bucket.reconcile().findings} == {"bronze", "silver"}


def test_a_deleted_report_of_a_replay_that_wrote_silver_is_found(bucket: Bucket) -> None:
    """Later reports of the same delivery, and of an older version, hide it from the times in the listing."""
    before = set[str]()
    for step in (bucket.deliver, bucket.deliver, bucket.replay):
        before = {head.key for head in bucket.store.list("b", "reports/things/")}
        step(outcome="accepted")
        bucket.wait(timedelta(seconds=1))
    (written,) = {head.key for head in bucket.store.list("b", "reports/things/")} - before
    bucket.replay()
    bucket.replay(place=1)
    bucket.wait()
    assert bucket.reconcile().findings == ()
    bucket.store.delete("b", written)
    assert [one.kind for one in bucket.reconcile().findings] == [Discrepancy.STALE]


def test_a_report_that_was_deleted_and_written_again_is_read_again(bucket: Bucket) -> None:
    bucket.deliver()
    bucket.wait()
    assert bucket.reconcile().findings == ()
    bucket.delete(0, "reports")
    bucket.again(outcome="accepted")
    bucket.delete(0, "silver")
    bucket.wait()
    assert [one.why for one in bucket.reconcile().findings] == ["silver of the accepted delivery is gone"]


@pytest.mark.parametrize("layer", ["reports", "bronze", "silver"])
def test_what_is_deleted_after_it_was_found_right_is_found(bucket: Bucket, layer: str) -> None:
    bucket.deliver(outcome="accepted")
    bucket.wait(timedelta(seconds=1))
    bucket.replay(outcome="accepted")
    bucket.wait()
    assert bucket.reconcile().findings == ()
    bucket.delete(0, layer)
    assert bucket.reconcile().findings != ()


# Without the time, so that every process names the same tests.
_packed = partial(gzip.compress, mtime=0)
DAMAGED = (b"", b"\x1f\x8b", b"not gzip", _packed(b"0.1\nabc")[:-4], _packed(b""), _packed(b"0.1\nx"))


@pytest.mark.parametrize("body", DAMAGED)
def test_an_object_that_is_damaged_or_of_another_release_is_made_again(bucket: Bucket, body: bytes) -> None:
    bucket.deliver()
    bucket.wait()
    bucket.reconcile()
    whole = bucket.index
    bucket.index = body
    assert bucket.reconcile().findings == ()
    assert bucket.index == whole


OUTCOMES = st.sampled_from(["accepted", "rejected", "crashed"])
MOSTLY_ONE = st.sampled_from([KEYS[0], KEYS[0], KEYS[0], KEYS[1]])
LAYERS = st.sampled_from(["reports", "bronze", "silver", "from_client"])
CHANGES = st.one_of(
    st.tuples(st.sampled_from(["deliver", "again"]), MOSTLY_ONE, OUTCOMES),
    st.tuples(st.just("replay"), MOSTLY_ONE, OUTCOMES, st.integers(0, 2)),
    st.tuples(st.just("overwrite_silver"), MOSTLY_ONE),
    st.tuples(st.just("delete"), st.integers(0, 5), LAYERS),
    st.tuples(st.just("wait"), st.sampled_from([timedelta(seconds=1), timedelta(minutes=30)])),
    st.tuples(st.sampled_from(["keep", "give back", "lose", "damage"])),
)
SETTLE = [("wait", 2 * GRACE), ("reconcile",)]
STEPS = st.lists(st.tuples(CHANGES, st.sampled_from([[], [("reconcile",)], SETTLE])), max_size=10)


@settings(max_examples=300, deadline=None)
@given(first=st.lists(OUTCOMES, min_size=2, max_size=2), steps=STEPS)
def test_the_findings_are_those_without_the_object(first: list[str], steps: list[tuple[Any, Any]]) -> None:
    bucket, older = Bucket(), None
    for outcome in first:
        bucket.deliver(outcome=outcome)
    for name, *arguments in [*SETTLE, *(one for change, then in steps for one in (change, *then)), *SETTLE]:
        if name == "reconcile":
            found = bucket.reconcile().findings
            kept, bucket.index = bucket.index, None
            assert sorted(map(str, found)) == sorted(map(str, bucket.reconcile().findings))
            bucket.index = kept
        elif name == "keep":
            older = bucket.index
        elif name == "give back":
            # As a slower reconciliation, which saves after a younger one.
            bucket.index = older
        elif name in {"lose", "damage"}:
            bucket.index = None if name == "lose" else b"\x1f\x8b\x08"
        else:
            getattr(bucket, name)(*arguments)


@settings(max_examples=40, deadline=None)
@given(turns=st.lists(st.integers(0, 2), max_size=80), layer=st.sampled_from(["reports", "bronze", "silver"]))
def test_reconciliations_at_the_same_time_as_a_deletion_hide_nothing(turns: list[int], layer: str) -> None:
    bucket = Bucket()
    for key in KEYS:
        bucket.deliver(key, "accepted")
        bucket.wait(timedelta(seconds=1))
        bucket.replay(key, "accepted")
    bucket.wait()

    def delete(store: CountedStore) -> None:
        (first, *_) = [head.key for head in store.list("b", f"{layer}/things/")]
        store.delete("b", first)

    take_turns(bucket.store, [bucket.reconcile, bucket.reconcile, delete], turns, [None, None, None])
    found = bucket.reconcile().findings
    bucket.index = None
    assert sorted(map(str, found)) == sorted(map(str, bucket.reconcile().findings))
    assert found != ()
