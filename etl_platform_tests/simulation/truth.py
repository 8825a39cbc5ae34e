"""What a schedule must end with: the same files in order, each announced once, with nothing in the way. No tests."""

import json
from collections.abc import Iterator
from typing import Any

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, Outcome, delivery_id
from etl_platform.deliveries.intake import Attempt, Intake, route
from etl_platform.deliveries.s3_events import ObjectCreated, parse_message
from etl_platform.storage.object_store import ObjectHead
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.simulation.plan import BUCKET, PREFIX, Plan, contracts
from etl_platform_tests.simulation.timeline import Violation

Records = dict[str, dict[str, Any]]


class Truth:
    """Knows in which order the files came, and watches that silver never goes back."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.versions: dict[int, tuple[str, str]] = {}
        self.rank: dict[str, int] = {}
        self._silver: dict[str, tuple[int, bytes]] = {}
        self._bytes: dict[str, bytes] = {}

    def saw_put(self, number: int, head: ObjectHead) -> None:
        assert head.version_id
        self.versions[number] = head.version_id, head.etag
        self.rank[delivery_id(BUCKET, head.key, head.version_id)] = number

    def saw_write(self, head: ObjectHead, body: bytes) -> None:
        if not head.key.startswith("silver/"):
            return
        identity = head.metadata["delivery-id"]
        rank, _ = self._silver.get(head.key, (-1, b""))
        if self.rank[identity] < rank:
            raise Violation(f"{head.key} goes back from put {rank} to put {self.rank[identity]}")
        if self._bytes.setdefault(identity, body) != body:
            raise Violation(f"{identity} accepted twice with different bytes")
        self._silver[head.key] = self.rank[identity], body

    @property
    def poisoned(self) -> set[str]:
        return {identity for identity, number in self.rank.items() if number in self._plan.poisoned}

    def number_of(self, event: ObjectCreated) -> int | None:
        return self.rank.get(delivery_id(event.bucket, event.key, event.version_id))

    @staticmethod
    def deliveries_of(body: str) -> Iterator[tuple[ObjectCreated, str | None, str | None]]:
        for event in parse_message(body).created:
            where = route(event.key, event.size_bytes, contracts(), PREFIX)
            yield event, where.contract.dataset if where.contract else None, where.agency

    @staticmethod
    def is_malformed(body: str) -> bool:
        return bool(parse_message(body).malformed)

    @staticmethod
    def recorded(store: MemoryStore, dataset: str | None, agency: str | None, identity: str) -> bool:
        key = object_keys.ignored_key(identity)
        if dataset is not None and agency is not None:
            key = object_keys.report_key(dataset, agency, identity)
        return key in store.contents(BUCKET, key)


def in_order(plan: Plan) -> MemoryStore:
    """The store after the same files in order, each announced once; poison is left out."""
    now = [0.0]
    store = MemoryStore(lambda: now[0])
    intake = Intake(store, contracts(), BUCKET, PREFIX)
    for number, put in enumerate(plan.puts):
        now[0] = put.at
        store.write(BUCKET, put.key, put.body)
        if number in plan.poisoned:
            continue
        head = store.head(BUCKET, put.key)
        event = ObjectCreated(BUCKET, put.key, head.version_id, head.etag, len(put.body), put.sequencer)
        intake.ingest(event, Attempt(Cause.EVENT))
    return store


def records(store: MemoryStore) -> Records:
    """By delivery id, what events left; reprocessing has records of its own."""
    found: Records = {}
    for key, body in store.contents(BUCKET, object_keys.REPORTS).items():
        record = json.loads(body)
        if key.startswith((object_keys.IGNORED_REPORTS, object_keys.FACTS)) or record["attempt_id"] is not None:
            continue
        assert record["delivery_id"] not in found, f"two records of {key}"
        found[record["delivery_id"]] = record
    return found


def judge(disturbed: MemoryStore, plain: MemoryStore, poisoned: set[str]) -> None:
    """Raise AssertionError where two stores differ in more than in what was superseded.

    A poisoned delivery is never read, so it either has no record, or was superseded before.
    """
    ends = silver(disturbed)
    assert ends == silver(plain), "silver differs"
    ours, theirs = records(disturbed), records(plain)
    assert all(ours.pop(identity)["outcome"] == Outcome.SUPERSEDED for identity in poisoned & ours.keys())
    assert ours.keys() == theirs.keys(), f"deliveries differ: {ours.keys() ^ theirs.keys()}"
    for identity, record in ours.items():
        if record["outcome"] != Outcome.SUPERSEDED:
            assert comparable(record) == comparable(theirs[identity]), f"the record of {identity} differs"
        bronze = record["written"]["bronze_key"]
        assert disturbed.read(BUCKET, bronze) == plain.read(BUCKET, bronze), f"{bronze} differs"
        if record["outcome"] == Outcome.ACCEPTED and ends[record["written"]["silver_key"]][0] != identity:
            fact = object_keys.fact_key(record["dataset"], record["agency"], identity, "superseded")
            assert disturbed.contents(BUCKET, fact), f"nothing says that {identity} is superseded"
    named = {record["written"]["quarantine_key"] for record in ours.values()} - {None}
    held, kept = disturbed.contents(BUCKET, "quarantine/"), plain.contents(BUCKET, "quarantine/")
    assert held.keys() == named, f"quarantine and the records that name it: {held.keys() ^ named}"
    assert held.items() <= kept.items(), "quarantine differs"


def silver(store: MemoryStore) -> dict[str, tuple[str, bytes]]:
    """Per key the delivery that it holds, and its bytes."""
    return {
        head.key: (store.head(BUCKET, head.key).metadata["delivery-id"], store.read(BUCKET, head.key))
        for head in store.list(BUCKET, "silver/")
    }


def comparable(record: dict[str, Any]) -> dict[str, Any]:
    """A record without its attempt, and without the sequencer, which some of a put's events may not have."""
    source = {name: value for name, value in record["source"].items() if name != "sequencer"}
    return {name: value for name, value in record.items() if name != "attempt"} | {"source": source}
