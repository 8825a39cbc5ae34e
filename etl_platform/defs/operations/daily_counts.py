"""Today's counts, read from Dagster's event log and run records. Nothing is written, so all readers get the same.

Today is the UTC day: a new process reads one day at most, and its counts do not depend on when it started. Each read
overlaps the previous one by a minute, because a row may be committed late, with an older id and time.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import dagster as dg

from etl_platform.defs.intake.delivery_events import is_repeated_event, logged_outcome
from etl_platform.defs.intake.intake_config import message_ids_of
from etl_platform.defs.runs.run_counts import counts_of
from etl_platform.deliveries.daily_counts import CountedDelivery, DailyCounts, DeliveryCounts, RunCounts
from etl_platform.deliveries.delivery import Outcome

Fetch: TypeAlias = Callable[..., dg.EventRecordsResult]
_LATE_S = 60.0
_FIRST_PAGE, _PAGE = 10, 500
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_RUNS_PAGE = 100
"""A run's record contains its deliveries: 100 KB if there are hundreds."""


@dataclass(frozen=True)
class _Event:
    storage_id: int
    at: float
    delivery: CountedDelivery | None


@dataclass(frozen=True)
class _Run:
    job: str
    status: str
    counts: RunCounts


@dataclass
class _Day:
    """What was read of a day. ``settled`` are the counts of events so old that no late commit can change them."""

    midnight: float
    settled: DeliveryCounts = field(default_factory=DeliveryCounts)
    read_to: dict[tuple[dg.AssetKey, str], int] = field(default_factory=dict)
    runs: dict[str, _Run] = field(default_factory=dict)
    runs_to: dict[dg.DagsterRunStatus, datetime] = field(default_factory=dict)
    runs_found_at: dict[dg.DagsterRunStatus, float] = field(default_factory=dict)
    read_at: float = 0.0


class DailyCountsReader:
    """Reads the counts of today; not thread-safe."""

    def __init__(self) -> None:
        self._day = _Day(0.0)

    def read(self, instance: dg.DagsterInstance, now: datetime) -> DailyCounts:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        if midnight != self._day.midnight:
            self._day = _Day(midnight)
        self._read_runs(instance, now.timestamp())
        runs = Counter((run.job, run.status) for run in self._day.runs.values())
        counts: dict[str, RunCounts] = {}
        for run in self._day.runs.values():
            counts.setdefault(run.job, RunCounts()).add(run.counts)
        return DailyCounts(self._deliveries(instance, now.timestamp() - _LATE_S), runs, counts)

    def _deliveries(self, instance: dg.DagsterInstance, settled_before: float) -> DeliveryCounts:
        recent: list[_Event] = []
        for key in instance.get_asset_keys(prefix=["bronze"]):
            for name, fetch in (
                ("materialized", instance.fetch_materializations),
                ("observed", instance.fetch_observations),
            ):
                events = sorted(self._new_events((key, name), fetch), key=lambda event: event.storage_id)
                settled = next((i for i, event in enumerate(events) if event.at >= settled_before), len(events))
                for event in events[:settled]:
                    self._day.read_to[key, name] = event.storage_id
                    if event.delivery:
                        self._day.settled.add(event.delivery)
                recent += events[settled:]
        counts = self._day.settled.copy()
        for event in recent:
            if event.delivery:
                counts.add(event.delivery)
        return counts

    def _new_events(self, stream: tuple[dg.AssetKey, str], fetch: Fetch) -> Iterator[_Event]:
        """From the newest event backwards, so that events before midnight are not read, however many there are."""
        wanted = dg.AssetRecordsFilter(stream[0], after_storage_id=self._day.read_to.get(stream))
        cursor, limit = None, _FIRST_PAGE
        while True:
            page = fetch(wanted, limit=limit, cursor=cursor)
            for record in page.records:
                if record.timestamp < self._day.midnight - _LATE_S:
                    self._day.read_to.setdefault(stream, record.storage_id)
                    return
                # Several processes write, so ids are not in the order of time. Yesterday's events may be mixed with
                # today's, so the loop ends only at an event a minute older than midnight.
                if record.timestamp >= self._day.midnight:
                    yield _Event(record.storage_id, record.timestamp, _counted_delivery(record))
            if not page.has_more:
                return
            cursor, limit = page.cursor, _PAGE

    def _read_runs(self, instance: dg.DagsterInstance, now: float) -> None:
        midnight = datetime.fromtimestamp(self._day.midnight, UTC)
        for status in _ENDED:
            read_to = self._day.runs_to.get(status, midnight)
            # A minute after the newest run was found, all older runs are committed; no overlap is needed then.
            settled = self._day.read_at - self._day.runs_found_at.get(status, now) > _LATE_S
            since = read_to if settled else max(midnight, read_to - timedelta(seconds=_LATE_S))
            for record in _ended_since(instance, status, since):
                run = record.dagster_run
                if record.update_timestamp > read_to:
                    read_to = self._day.runs_to[status] = record.update_timestamp
                    self._day.runs_found_at[status] = now
                if (record.end_time or 0.0) >= self._day.midnight:
                    counts = counts_of(run)
                    # The messages are in the run's config, so those of a killed run count too.
                    counts.received += len(message_ids_of(run))
                    self._day.runs[run.run_id] = _Run(run.job_name, status.value.lower(), counts)
        self._day.read_at = now


def _ended_since(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, since: datetime) -> Iterator[dg.RunRecord]:
    """Ended runs, the oldest first, some more than once. One status at a time: Dagster has an index for that."""
    limit = _RUNS_PAGE
    while True:
        filters = dg.RunsFilter(statuses=[status], updated_after=since)
        page = instance.get_run_records(filters, limit=limit, order_by="update_timestamp", ascending=True)
        yield from page
        if len(page) < limit:
            return
        # Runs with the same time may be on this page and on the next one.
        again = page[-1].update_timestamp - timedelta(microseconds=1)
        since, limit = (again, _RUNS_PAGE) if again > since else (since, 2 * limit)


def _counted_delivery(record: dg.EventLogRecord) -> CountedDelivery | None:
    event = record.asset_materialization or record.asset_observation
    outcome = None if event is None or is_repeated_event(event) else logged_outcome(event)
    if event is None or outcome is None or event.partition is None:
        return None
    seconds = event.metadata.get("seconds")
    spent = float(str(seconds.value)) if seconds is not None and outcome is not Outcome.DUPLICATE else None
    return CountedDelivery(str(outcome), event.asset_key.path[-1], event.partition, spent)
