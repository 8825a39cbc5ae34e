"""The platform's outside systems and Dagster's records in memory, as an intake run uses them. No tests."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import dagster as dg

from etl_platform import object_keys
from etl_platform.defs.intake.dagster_event_log import DagsterEventLog
from etl_platform.defs.intake.delivery_events import silver_event
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.ingest_batch import LoggedDelivery
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.partition_state import PartitionContent
from etl_platform.deliveries.report import Report
from etl_platform.platform import Platform
from etl_platform.queue_work.memory import MemoryBudget
from etl_platform.queue_work.queues import FILE_EVENTS, WorkQueue
from etl_platform.settings import Settings
from etl_platform_tests.simulation.deployment import RunRecord
from etl_platform_tests.simulation.faults import Faults
from etl_platform_tests.simulation.files import BUCKET, PREFIX, contracts


class MemoryPlatform(Platform):
    """The platform's outside systems in memory."""

    def __init__(
        self,
        settings: Settings,
        store: Any,
        queue: Any,
        dead_letters: Any,
        clock: Callable[[], float],
        contract_version: int = 0,
        memory: MemoryBudget | None = None,
    ) -> None:
        super().__init__(settings)
        self.store, self._queue, self._dead_letters = store, queue, dead_letters
        self.contracts = contracts(contract_version)
        self.intake = Intake(
            store, self.contracts, BUCKET, PREFIX, lambda: datetime.fromtimestamp(clock(), UTC), memory=memory
        )

    def queue(self, queue: WorkQueue) -> Any:
        assert queue is FILE_EVENTS
        return self._queue

    def dead_letters(self, queue: WorkQueue) -> Any:
        assert queue is FILE_EVENTS
        return self._dead_letters


@dataclass(frozen=True)
class CheckResults:
    """The results of all checks of a partition, as one event."""

    partition: tuple[str, str]


class SimulatedEventLog(DagsterEventLog):
    """Without the content of partitions and the values of results, which need rows of Dagster's database."""

    def __init__(self, context: Any, platform: Platform) -> None:
        self._context, self._platform = context, platform

    def log_deliveries(self, deliveries: Sequence[LoggedDelivery]) -> dict[str, str]:
        super().log_deliveries([replace(one, report_etag=None) for one in deliveries])
        prefix = object_keys.silver_prefix(*deliveries[0].report.partition)
        return {head.key: head.etag for head in self._platform.store.list(BUCKET, prefix)}

    def _log_silver(self, accepted: Sequence[Report]) -> None:
        for report in accepted:
            contract = self._platform.contracts[report.partition[0]]
            self._context.log_event(silver_event([report], contract, PartitionContent(0, "")))

    def _log_checks(self, partition: tuple[str, str], silver: Any = None, *, exact: bool = False) -> dict[str, str]:
        self._context.log_event(CheckResults(partition))
        return {}

    def finish(self) -> None:
        pass


@dataclass
class SharedRecords:
    """The event log and the partitions of Dagster's database."""

    events: list[Any] = field(default_factory=list)
    partitions: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


class Context:
    """What ``DagsterEventLog`` uses of a run: its log, its tags, partitions and events. Each call is a step."""

    run_id, event_log_storage = "run", None

    def __init__(self, faults: Faults, record: RunRecord, shared: SharedRecords, clock: Callable[[], float]) -> None:
        self._faults, self._record, self._shared, self._clock = faults, record, shared, clock
        self.log = self.instance = self.run = self

    def info(self, _text: str) -> None:
        pass

    def add_run_tags(self, _run_id: str, tags: dict[str, str]) -> None:
        self._faults.step("log.tag run", lambda: self._record.tag(tags, self._clock()))

    def get_dynamic_partitions(self, name: str) -> list[str]:
        return self._faults.step("log.partitions", lambda: sorted(self._shared.partitions[name]))

    def add_dynamic_partitions(self, name: str, keys: list[str]) -> None:
        self._faults.step("log.add partitions", lambda: self._shared.partitions[name].update(keys))

    def fetch_materializations(self, wanted: dg.AssetRecordsFilter, **_: Any) -> Any:
        return self._page(dg.AssetMaterialization, wanted)

    def fetch_observations(self, wanted: dg.AssetRecordsFilter, **_: Any) -> Any:
        return self._page(dg.AssetObservation, wanted)

    def _page(self, kind: type[Any], wanted: dg.AssetRecordsFilter) -> Any:
        events = self._faults.step("log.events", lambda: list(self._shared.events))
        wanted_events = [one for one in events if isinstance(one, kind) and one.asset_key == wanted.asset_key]
        records = [SimpleNamespace(asset_materialization=event, asset_observation=None) for event in wanted_events]
        return SimpleNamespace(records=records, has_more=False, cursor="")

    def log_event(self, event: Any) -> None:
        self._faults.step("log.event", lambda: self._shared.events.append(event))
        if isinstance(event, dg.AssetObservation):
            self._faults.seen[f"observed: {event.metadata['outcome'].value}"] += 1


def delivery_id_of(event: Any) -> str:
    """The delivery that an event of bronze or silver is about."""
    return str(event.metadata["delivery_id"].value)


def deliveries_in(request: dg.RunRequest) -> list[dict[str, Any]]:
    deliveries: list[dict[str, Any]] = request.run_config["ops"]["ingest"]["config"]["deliveries"]
    return deliveries


def delivery_ids_of(request: dg.RunRequest) -> set[str]:
    found = deliveries_in(request)
    return {ObjectVersion(BUCKET, one["key"], one["version_id"]).delivery_id for one in found}
