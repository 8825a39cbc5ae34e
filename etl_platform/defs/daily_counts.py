"""Today's figures, read from Dagster's event log and run records. Nothing is written, so every reader finds the same.

Today is the UTC day: a process that starts reads a day at most, and what is counted does not depend on its start.
Each read continues where the last one ended, a minute back: a row that is committed late has an older id and time.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import dagster as dg

from etl_platform.defs.delivery_events import is_repeated_event, logged_outcome
from etl_platform.defs.failed_runs import messages_of
from etl_platform.defs.run_counts import counts_of
from etl_platform.deliveries.daily_counts import Deliveries, Figures, RunCounts, Told
from etl_platform.deliveries.delivery import Outcome

Fetch: TypeAlias = Callable[..., dg.EventRecordsResult]
_LATE_S = 60.0
_FIRST_PAGE, _PAGE = 10, 500
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_RUNS_PAGE = 100
"""A run's record holds its deliveries: 100 KB where there are hundreds."""


@dataclass(frozen=True)
class _Event:
    storage_id: int
    at: float
    told: Told | None


@dataclass(frozen=True)
class _Run:
    job: str
    status: str
    counts: RunCounts


@dataclass
class _Day:
    """What is known of a day. ``settled`` is what no later commit can change."""

    midnight: float
    settled: Deliveries = field(default_factory=Deliveries)
    read_to: dict[tuple[dg.AssetKey, str], int] = field(default_factory=dict)
    runs: dict[str, _Run] = field(default_factory=dict)
    runs_to: dict[dg.DagsterRunStatus, datetime] = field(default_factory=dict)
    runs_found_at: dict[dg.DagsterRunStatus, float] = field(default_factory=dict)
    read_at: float = 0.0


class TodaysRecords:
    """Not to be read by two threads at once."""

    def __init__(self) -> None:
        self._day = _Day(0.0)

    def read(self, instance: dg.DagsterInstance, now: datetime) -> Figures:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        if midnight != self._day.midnight:
            self._day = _Day(midnight)
        self._read_runs(instance, now.timestamp())
        runs = Counter((run.job, run.status) for run in self._day.runs.values())
        counts: dict[str, RunCounts] = {}
        for run in self._day.runs.values():
            counts.setdefault(run.job, RunCounts()).add(run.counts)
        return Figures(self._deliveries(instance, now.timestamp() - _LATE_S), runs, counts)

    def _deliveries(self, instance: dg.DagsterInstance, settled_before: float) -> Deliveries:
        late: list[_Event] = []
        for key in instance.get_asset_keys(prefix=["bronze"]):
            for name, fetch in (("told", instance.fetch_materializations), ("observed", instance.fetch_observations)):
                events = sorted(self._new_events((key, name), fetch), key=lambda event: event.storage_id)
                young = next((i for i, event in enumerate(events) if event.at >= settled_before), len(events))
                for event in events[:young]:
                    self._day.read_to[key, name] = event.storage_id
                    if event.told:
                        self._day.settled.add(event.told)
                late += events[young:]
        all_of_them = self._day.settled.copy()
        for event in late:
            if event.told:
                all_of_them.add(event.told)
        return all_of_them

    def _new_events(self, stream: tuple[dg.AssetKey, str], fetch: Fetch) -> Iterator[_Event]:
        """Backwards from the newest: what lies before midnight is not read, however much there is."""
        wanted = dg.AssetRecordsFilter(stream[0], after_storage_id=self._day.read_to.get(stream))
        cursor, limit = None, _FIRST_PAGE
        while True:
            page = fetch(wanted, limit=limit, cursor=cursor)
            for record in page.records:
                if record.timestamp < self._day.midnight - _LATE_S:
                    self._day.read_to.setdefault(stream, record.storage_id)
                    return
                # Where several processes write, ids are not in the order of time: one of yesterday ends nothing yet.
                if record.timestamp >= self._day.midnight:
                    yield _Event(record.storage_id, record.timestamp, _told(record))
            if not page.has_more:
                return
            cursor, limit = page.cursor, _PAGE

    def _read_runs(self, instance: dg.DagsterInstance, now: float) -> None:
        midnight = datetime.fromtimestamp(self._day.midnight, UTC)
        for status in _ENDED:
            read_to = self._day.runs_to.get(status, midnight)
            # Once a read came a minute after the newest run was found, nothing older than that run can appear.
            settled = self._day.read_at - self._day.runs_found_at.get(status, now) > _LATE_S
            since = read_to if settled else max(midnight, read_to - timedelta(seconds=_LATE_S))
            for record in _ended_since(instance, status, since):
                run = record.dagster_run
                if record.update_timestamp > read_to:
                    read_to = self._day.runs_to[status] = record.update_timestamp
                    self._day.runs_found_at[status] = now
                if (record.end_time or 0.0) >= self._day.midnight:
                    counts = counts_of(run)
                    # A run's messages stand in its config, so that those of a killed one count as well.
                    counts.received += len(messages_of(run))
                    self._day.runs[run.run_id] = _Run(run.job_name, status.value.lower(), counts)
        self._day.read_at = now


def _ended_since(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, since: datetime) -> Iterator[dg.RunRecord]:
    """Oldest end first, some more than once; one status at a time, so that Dagster's index over it and time is used."""
    limit = _RUNS_PAGE
    while True:
        filters = dg.RunsFilter(statuses=[status], updated_after=since)
        page = instance.get_run_records(filters, limit=limit, order_by="update_timestamp", ascending=True)
        yield from page
        if len(page) < limit:
            return
        # Runs of the very same moment may stand on both sides of the page's end.
        again = page[-1].update_timestamp - timedelta(microseconds=1)
        since, limit = (again, _RUNS_PAGE) if again > since else (since, 2 * limit)


def _told(record: dg.EventLogRecord) -> Told | None:
    said = record.asset_materialization or record.asset_observation
    outcome = None if said is None or is_repeated_event(said) else logged_outcome(said)
    if said is None or outcome is None or said.partition is None:
        return None
    seconds = said.metadata.get("seconds")
    spent = float(str(seconds.value)) if seconds is not None and outcome is not Outcome.DUPLICATE else None
    return Told(str(outcome), said.asset_key.path[-1], said.partition, spent)
