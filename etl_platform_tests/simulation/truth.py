"""The order in which the files of a schedule arrived, and the end of the same files in order. No tests."""

import json
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, ObjectVersion, Outcome
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.report import Report, Trigger
from etl_platform.deliveries.routing import RoutedObject, route
from etl_platform.deliveries.s3_events import parse_message
from etl_platform.storage.object_store import ObjectHead
from etl_platform_tests.simulation.announcements import MINUTE
from etl_platform_tests.simulation.features import KILLER
from etl_platform_tests.simulation.files import BUCKET, FAILING_AGENCY, PREFIX, contracts
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.simulation.plan import Plan
from etl_platform_tests.simulation.timeline import Violation


class Truth:
    """Knows the order in which the files arrived, and watches that silver never returns to an older one."""

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        self._plan, self._clock = plan, clock
        self.reported_at: dict[str, float] = {}
        self.died_at: dict[str, float] = {}
        """By delivery, when it was noticed that its last run died with others in it."""
        self.versions: dict[int, tuple[str, str]] = {}
        self.rank: dict[str, int] = {}
        self._held_back: set[str] = set()
        self._silver: dict[str, str] = {}
        self._bytes: dict[str, bytes] = {}
        self._rejected: set[str] = set()

    def saw_put(self, number: int, head: ObjectHead) -> None:
        assert head.version_id
        self.versions[number] = head.version_id, head.etag
        delivery_id = ObjectVersion(BUCKET, head.key, head.version_id).delivery_id
        self.rank[delivery_id] = number
        if f"/{FAILING_AGENCY}/" in head.key:
            self._held_back.add(delivery_id)

    def saw_write(self, head: ObjectHead, body: bytes) -> None:
        if object_keys.is_report(head.key):
            report = Report.from_json(json.loads(body))
            self.reported_at.setdefault(report.delivery_id, self._clock())
            self._rejected |= {report.delivery_id} if report.outcome is Outcome.REJECTED else set()
        elif head.key.startswith("silver/"):
            self._saw_silver(head, body)

    def _saw_silver(self, head: ObjectHead, body: bytes) -> None:
        delivery_id, before = head.metadata["delivery-id"], self._silver.get(head.key)
        # What one contract accepted is withdrawn if the report, under the other contract, rejects it.
        if before is not None and self.rank[delivery_id] < self.rank[before] and before not in self._rejected:
            raise Violation(f"{head.key} returns from put {self.rank[before]} to put {self.rank[delivery_id]}")
        is_one_contract = len(self._plan.contract_versions) == 1
        if self._bytes.setdefault(delivery_id, body) != body and is_one_contract:
            raise Violation(f"{delivery_id} accepted twice with different bytes")
        self._silver[head.key] = delivery_id

    def saw_death(self, delivery_ids: Collection[str]) -> None:
        """It was noticed that a run with these deliveries died. An agency that only fails is held back, so it waits."""
        left = {
            delivery_id
            for delivery_id in delivery_ids
            if delivery_id not in self.reported_at and delivery_id not in self._held_back
        }
        self.died_at |= dict.fromkeys(left, self._clock())

    def saw_run(self, delivery_ids: Collection[str]) -> None:
        """A run with these deliveries was requested: after a death within a minute, if nothing else goes wrong.

        If the clock jumps in that minute, the messages return when their timeouts end.
        """
        for delivery_id in delivery_ids:
            waited_s = self._clock() - self.died_at.pop(delivery_id, self._clock())
            if KILLER in self._plan.features and self._plan.is_prompt and waited_s > MINUTE:
                raise Violation(f"{delivery_id} waited {waited_s:.0f} s after a file had killed its run")

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


def in_order(plan: Plan, contract_version: int = 0) -> MemoryStore:
    """The store after the same files in order, each announced once; poison is left out."""
    now = [0.0]
    store = MemoryStore(lambda: now[0])
    intake = Intake(store, contracts(contract_version), BUCKET, PREFIX, lambda: datetime.fromtimestamp(now[0], UTC))
    for number, put in enumerate(plan.puts):
        now[0] = put.at
        store.write(BUCKET, put.key, put.body)
        if number in plan.poisoned:
            continue
        head = store.head(BUCKET, put.key)
        version = ObjectVersion(BUCKET, put.key, head.version_id, head.etag, len(put.body), put.sequencer)
        intake.ingest(intake.route(version), Trigger(Cause.EVENT))
    return store


def read_reports(store: MemoryStore) -> Iterator[Report]:
    """The reports of all attempts at deliveries, without those of ignored objects."""
    for key, body in store.contents(BUCKET, object_keys.REPORTS).items():
        if object_keys.is_report(key):
            report = Report.from_json(json.loads(body))
            if report.outcome is not Outcome.IGNORED:
                yield report


def arrivals(store: MemoryStore) -> dict[str, Report]:
    """The reports of arrivals, by delivery id."""
    found: dict[str, Report] = {}
    for report in read_reports(store):
        if report.attempt_id is None:
            assert report.delivery_id not in found, f"two reports of {report.delivery_id}"
            found[report.delivery_id] = report
    return found


def silver(store: MemoryStore) -> dict[str, str]:
    """By key, the delivery that it holds."""
    heads = (store.head(BUCKET, head.key) for head in store.list(BUCKET, "silver/"))
    return {head.key: head.metadata["delivery-id"] for head in heads}
