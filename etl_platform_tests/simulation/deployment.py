"""What one Dagster instance remembers, and what a tick reads from it: breaker, held agencies, dead runs. No tests."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import dagster as dg

from etl_platform.defs.intake.agency_turns import AgencyTurns
from etl_platform.defs.intake.intake_runs import JOB_NAME, ONLY_AGENCY_TAG, ONLY_DELIVERY_TAG, PROBE_TAG, SENSOR_NAME
from etl_platform.deliveries.circuit_breaker import (
    Breaker,
    Event,
    Limits,
    Phase,
    Progressed,
    RunFailed,
    fold,
    in_order,
    only_failing_agencies,
)
from etl_platform.queue_work.lease import MAX_RETRY_DELAY_S
from etl_platform_tests.simulation.timeline import Violation

LIMITS = Limits(max_failures=5, cooldown_s=60)


@dataclass
class RunRecord:
    """A run as Dagster keeps it."""

    request: dg.RunRequest
    status: str = "QUEUED"
    ended_at: float = 0.0
    """By the clock of Dagster's machines, which may be wrong."""
    place: int = 0
    """Among the runs that have ended, from 1."""
    progress: bool = False

    tags: dict[str, str] = field(default_factory=dict)
    """Those that were added after the request."""

    def event(self) -> Event | None:
        """What the end of this run tells the breaker, which knows only the runs of the intake."""
        if self.request.job_name != JOB_NAME:
            return None
        tags = self.request.tags
        agency = tags.get(ONLY_AGENCY_TAG)
        if self.progress:
            return Progressed(agency)
        if self.status != "FAILURE":
            return None
        probe_of = tags.get(PROBE_TAG)
        only = tags.get(ONLY_DELIVERY_TAG)
        return RunFailed(str(self.request.run_key), only, None if probe_of is None else float(probe_of), agency)

    def as_dagster_run(self) -> dg.DagsterRun:
        return dg.DagsterRun(
            job_name=self.request.job_name or JOB_NAME,
            run_id=str(self.request.run_key),
            # Dagster's object of a queued run needs to know its code location.
            status=dg.DagsterRunStatus("NOT_STARTED" if self.status == "QUEUED" else self.status),
            tags={"dagster/sensor_name": SENSOR_NAME, **self.request.tags, **self.tags},
            run_config=self.request.run_config,
        )


@dataclass
class Deployment:
    """What one Dagster instance keeps when its processes die."""

    runs: dict[str, RunRecord] = field(default_factory=dict)
    """By run key."""
    unsubmitted: list[dg.RunRequest] = field(default_factory=list)
    last_tick_at: float = 0.0

    def end(self, run: RunRecord, status: str, now: float) -> None:
        run.status, run.ended_at = status, now
        run.place = 1 + max(other.place for other in self.runs.values())

    def in_flight(self) -> list[RunRecord]:
        return [run for run in self.runs.values() if run.status in {"QUEUED", "STARTED"}]

    def free(self, at_once: int) -> tuple[int, int]:
        """How many more runs of files and of ignored files may start; at most ``at_once`` of each."""
        ignored = sum(run.request.job_name not in {None, JOB_NAME} for run in self.in_flight())
        return at_once - len(self.in_flight()) + ignored, at_once - ignored

    def breaker(self, now: float) -> Breaker:
        """As ``breaker_state`` reads it from Dagster's run records; it must stand as a plain count says."""
        events = self._events()
        failed: list[RunFailed] = []
        for _, event in events:
            failed = [*failed, event] if isinstance(event, RunFailed) else []
        by_agency = Counter(agency for _, agency in {(one.only_delivery or one.run_id, one.agency) for one in failed})
        # No agency counts for more than half of the limit.
        most = math.ceil(LIMITS.max_failures / 2)
        counted = sum(count if agency is None else min(count, most) for agency, count in by_agency.items())
        breaker = fold(in_order(self._numbered_events(), now, LIMITS), now, LIMITS)
        if (counted >= LIMITS.max_failures) is (breaker.phase is Phase.CLOSED):
            raise Violation(f"the breaker is {breaker.phase} after {failed}")
        return breaker

    def turns(self, breaker: Breaker, now: float) -> AgencyTurns:
        """As the sensor reads them from Dagster's run records."""
        if breaker.phase is not Phase.CLOSED:
            return AgencyTurns(failing=breaker.failing_agencies)
        recent = [(at, event) for at, event in self._events() if at > now - MAX_RETRY_DELAY_S]
        busy = {run.request.tags.get(ONLY_AGENCY_TAG) for run in self.in_flight()}
        held = only_failing_agencies(recent, LIMITS)
        return AgencyTurns({a: int(a not in busy and now >= at + LIMITS.cooldown_s) for a, at in held.items()})

    def _numbered_events(self) -> list[tuple[int, float, Event]]:
        """With the number of each run's record, in the order of their requests."""
        numbered = enumerate(self.runs.values())
        return [(n, run.ended_at, event) for n, run in numbered if run.place and (event := run.event()) is not None]

    def _events(self) -> list[tuple[float, Event]]:
        ended = sorted((run for run in self.runs.values() if run.place), key=lambda run: run.place)
        return [(run.ended_at, event) for run in ended if (event := run.event()) is not None]


class RunRecords:
    """What ``release_messages_of_dead_runs`` and ``note_counts`` use of a Dagster instance."""

    def __init__(self, deployment: Deployment, step: Callable[[str, Callable[[], Any]], Any]) -> None:
        self._runs, self._step = deployment.runs, step

    def get_run_records(self, filters: dg.RunsFilter, limit: int, order_by: str) -> list[Any]:
        assert order_by == "update_timestamp"
        assert filters.updated_after is not None
        after = filters.updated_after.timestamp()
        wanted = {str(status.value) for status in filters.statuses}
        of_job = [run for run in self._runs.values() if (run.request.job_name or JOB_NAME) == filters.job_name]
        found = [run for run in of_job if run.status in wanted and run.ended_at >= after]
        latest = sorted(found, key=lambda run: -run.place)[:limit]
        return [SimpleNamespace(dagster_run=run.as_dagster_run(), end_time=run.ended_at) for run in latest]

    def add_run_tags(self, run_id: str, tags: dict[str, str]) -> None:
        self._step("dagster.tag run", lambda: self._runs[run_id].tags.update(tags))
