"""The end state that a schedule must reach: the same files in order, each announced once, without faults. No tests."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, ObjectVersion, Outcome
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.report import AmendmentKind, Attempt, Report, Trigger
from etl_platform.deliveries.routing import RoutedObject, route
from etl_platform.deliveries.s3_events import parse_message
from etl_platform.deliveries.waiting import WaitingRecords
from etl_platform.storage.object_store import ObjectHead
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.simulation.plan import BUCKET, PREFIX, Plan, contracts
from etl_platform_tests.simulation.timeline import Violation

_NEVER = datetime.min.replace(tzinfo=UTC)


class Truth:
    """Knows the order in which the files arrived, and watches that silver never returns to an older one."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.versions: dict[int, tuple[str, str]] = {}
        self.rank: dict[str, int] = {}
        self._silver: dict[str, tuple[int, bytes]] = {}
        self._bytes: dict[str, bytes] = {}

    def saw_put(self, number: int, head: ObjectHead) -> None:
        assert head.version_id
        self.versions[number] = head.version_id, head.etag
        self.rank[ObjectVersion(BUCKET, head.key, head.version_id).delivery_id] = number

    def saw_write(self, head: ObjectHead, body: bytes) -> None:
        if not head.key.startswith("silver/"):
            return
        identity = head.metadata["delivery-id"]
        rank, _ = self._silver.get(head.key, (-1, b""))
        if self.rank[identity] < rank:
            raise Violation(f"{head.key} returns from put {rank} to put {self.rank[identity]}")
        if self._bytes.setdefault(identity, body) != body:
            raise Violation(f"{identity} accepted twice with different bytes")
        self._silver[head.key] = self.rank[identity], body

    @property
    def poisoned(self) -> set[str]:
        return {identity for identity, number in self.rank.items() if number in self._plan.poisoned}

    def number_of(self, version: ObjectVersion) -> int | None:
        return self.rank.get(version.delivery_id)

    @staticmethod
    def routed(body: str) -> Iterator[RoutedObject]:
        """The objects that a message announces, and where they belong."""
        for version in parse_message(body).created:
            yield RoutedObject(version, route(version, contracts(), PREFIX))

    @staticmethod
    def is_malformed(body: str) -> bool:
        return bool(parse_message(body).malformed)

    @staticmethod
    def is_reported(store: MemoryStore, file: RoutedObject) -> bool:
        route, key = file.route, object_keys.ignored_key(file.version.delivery_id)
        if route.dataset is not None and route.agency is not None:
            key = object_keys.report_key(route.dataset, route.agency, file.version.delivery_id)
        return key in store.contents(BUCKET, key)


def in_order(plan: Plan) -> MemoryStore:
    """The store after the same files in order, each announced once; poison is left out."""
    now = [0.0]
    store = MemoryStore(lambda: now[0])
    intake = Intake(store, contracts(), BUCKET, PREFIX, lambda: datetime.fromtimestamp(now[0], UTC))
    for number, put in enumerate(plan.puts):
        now[0] = put.at
        store.write(BUCKET, put.key, put.body)
        if number in plan.poisoned:
            continue
        head = store.head(BUCKET, put.key)
        version = ObjectVersion(BUCKET, put.key, head.version_id, head.etag, len(put.body), put.sequencer)
        intake.ingest(intake.route(version), Trigger(Cause.EVENT))
    return store


def arrivals(store: MemoryStore) -> dict[str, Report]:
    """The reports of arrivals, by delivery id; without those of reprocessings and of ignored objects."""
    found: dict[str, Report] = {}
    for key, body in store.contents(BUCKET, object_keys.REPORTS).items():
        if not object_keys.is_report(key):
            continue
        report = Report.from_json(json.loads(body))
        if report.attempt_id is None and report.outcome is not Outcome.IGNORED:
            assert report.delivery_id not in found, f"two reports of {key}"
            found[report.delivery_id] = report
    return found


def judge(disturbed: MemoryStore, plain: MemoryStore, poisoned: set[str]) -> None:
    """Raise AssertionError where two stores differ in more than in superseded deliveries.

    A poisoned delivery is never read, so it either has no report, or was superseded before.
    """
    ends = silver(disturbed)
    assert ends == silver(plain), "silver differs"
    ours, theirs = arrivals(disturbed), arrivals(plain)
    assert all(ours.pop(delivery_id).outcome is Outcome.SUPERSEDED for delivery_id in poisoned & ours.keys())
    assert ours.keys() == theirs.keys(), f"deliveries differ: {ours.keys() ^ theirs.keys()}"
    for delivery_id, report in ours.items():
        if report.outcome is not Outcome.SUPERSEDED:
            assert comparable(report) == comparable(theirs[delivery_id]), f"the report of {delivery_id} differs"
        bronze = str(report.written.bronze_key)
        assert disturbed.read(BUCKET, bronze) == plain.read(BUCKET, bronze), f"{bronze} differs"
        if report.outcome is Outcome.ACCEPTED and ends[str(report.written.silver_key)][0] != delivery_id:
            amendment = object_keys.amendment_key(*report.partition, delivery_id, AmendmentKind.SUPERSEDED)
            assert disturbed.contents(BUCKET, amendment), f"no amendment says that {delivery_id} is superseded"
    waiting = {record.delivery_id for record in WaitingRecords(disturbed, BUCKET).unfinished()}
    assert waiting <= poisoned, f"shown as waiting, but done: {waiting - poisoned}"
    named = {report.written.quarantine_key for report in ours.values()} - {None}
    quarantine, expected = disturbed.contents(BUCKET, "quarantine/"), plain.contents(BUCKET, "quarantine/")
    assert quarantine.keys() == named, f"quarantine and the reports that name it: {quarantine.keys() ^ named}"
    assert quarantine.items() <= expected.items(), "quarantine differs"


def silver(store: MemoryStore) -> dict[str, tuple[str, bytes]]:
    """By key, the delivery that it holds, and its bytes."""
    return {
        head.key: (store.head(BUCKET, head.key).metadata["delivery-id"], store.read(BUCKET, head.key))
        for head in store.list(BUCKET, "silver/")
    }


def comparable(report: Report) -> Report:
    """A report with the same attempt, and without the sequencer, which some events of a put may not have."""
    source = replace(report.source, sequencer=None)
    return replace(report, attempt=Attempt(Trigger(Cause.EVENT), _NEVER, _NEVER), source=source)
