"""What one Dagster instance remembers, and what a tick reads from it: breaker, held agencies, dead runs. No tests."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import dagster as dg

from etl_platform.defs.intake.breaker_state import RESET_JOB_NAME
from etl_platform.defs.intake.intake_runs import (
    JOB_NAME,
    ONLY_AGENCY_TAG,
    ONLY_DELIVERY_TAG,
    PROBE_TAG,
    PROGRESS_TAG,
    SENSOR_NAME,
)
from etl_platform.deliveries.circuit_breaker import Breaker, Limits, Phase
from etl_platform_tests.simulation.timeline import Violation


@dataclass
class RunRecord:
    """A run as Dagster keeps it. Its times are by the clock of Dagster's machines, which may be wrong."""

    number: int
    request: dg.RunRequest
    requested_at: float
    status: str = "QUEUED"
    updated_at: float = 0.0
    ended_at: float | None = None
    tags: dict[str, str] = field(default_factory=dict)
    """Those that were added after the request."""

    def tag(self, tags: dict[str, str], now: float) -> None:
        """A tag that is added to a run counts as an update of it."""
        self.tags |= tags
        self.updated_at = now

    @property
    def job_name(self) -> str:
        return self.request.job_name or JOB_NAME

    def as_dagster_run(self) -> dg.DagsterRun:
        return dg.DagsterRun(
            job_name=self.job_name,
            run_id=str(self.request.run_key),
            # Dagster's object of a queued run needs to know its code location.
            status=dg.DagsterRunStatus("NOT_STARTED" if self.status == "QUEUED" else self.status),
            tags={"dagster/sensor_name": SENSOR_NAME, **self.request.tags, **self.tags},
            run_config=self.request.run_config,
        )

    def as_record(self) -> Any:
        return SimpleNamespace(
            storage_id=self.number,
            dagster_run=self.as_dagster_run(),
            end_time=self.ended_at,
            create_timestamp=datetime.fromtimestamp(self.requested_at, UTC),
            update_timestamp=datetime.fromtimestamp(self.updated_at, UTC),
        )


@dataclass
class Deployment:
    """What one Dagster instance keeps when its processes die."""

    runs: dict[str, RunRecord] = field(default_factory=dict)
    """By run key, in the order of their requests."""
    unsubmitted: list[dg.RunRequest] = field(default_factory=list)
    last_tick_at: float = 0.0
    collecting_since: float | None = None
    """The first of the ticks in a row that let files wait for others; in seconds of the timeline."""
    has_news: bool = False
    """Whether a run has ended since the last tick."""

    def add(self, request: dg.RunRequest, now: float) -> RunRecord:
        run = self.runs[str(request.run_key)] = RunRecord(len(self.runs) + 1, request, now, updated_at=now)
        return run

    def end(self, run: RunRecord, status: str, now: float) -> None:
        run.status, run.ended_at, run.updated_at = status, now, now
        self.has_news = True

    def reset_breaker(self, now: float) -> None:
        """As a person does."""
        name = f"reset {len(self.runs)}"
        self.end(self.add(dg.RunRequest(run_key=name, job_name=RESET_JOB_NAME), now), "SUCCESS", now)

    def in_flight(self) -> list[RunRecord]:
        return [run for run in self.runs.values() if run.status in {"QUEUED", "STARTED"}]

    def check_breaker(self, breaker: Breaker, limits: Limits) -> None:
        """The breaker must be in the state that a plain count over all runs gives, whatever the clocks show."""
        failed: set[tuple[str, str | None]] = set()
        closed_by, has_failed_probe = 0, False
        for run in self.runs.values():
            tags = run.request.tags
            if run.job_name == RESET_JOB_NAME or (run.job_name == JOB_NAME and PROGRESS_TAG in run.tags):
                failed, closed_by, has_failed_probe = set(), run.number, False
            elif run.job_name == JOB_NAME and run.status == "FAILURE":
                has_failed_probe |= int(tags.get(PROBE_TAG, 0)) > closed_by
                failed.add((tags.get(ONLY_DELIVERY_TAG, str(run.number)), tags.get(ONLY_AGENCY_TAG)))
        by_agency = Counter(agency for _, agency in failed)
        # No agency counts for more than half of the limit.
        most = math.ceil(limits.max_failures / 2)
        counted = sum(count if agency is None else min(count, most) for agency, count in by_agency.items())
        if (counted >= limits.max_failures or has_failed_probe) is (breaker.phase is Phase.CLOSED):
            raise Violation(f"the breaker is {breaker.phase} after {failed}")


class RunRecords:
    """What the sensor and its runs use of a Dagster instance."""

    def __init__(
        self, deployment: Deployment, step: Callable[[str, Callable[[], Any]], Any], clock: Callable[[], float]
    ) -> None:
        self._runs, self._step, self._clock = deployment.runs, step, clock

    def get_run_records(
        self,
        filters: dg.RunsFilter,
        limit: int | None = None,
        order_by: str | None = None,
        cursor: str | None = None,
    ) -> list[Any]:
        assert order_by in {None, "update_timestamp"}
        found = [run for run in reversed(self._runs.values()) if run.job_name == filters.job_name]
        if cursor is not None:
            found = [run for run in found if run.number < self._runs[cursor].number]
        if filters.statuses:
            wanted = {str(status.value) for status in filters.statuses}
            found = [run for run in found if run.status in wanted]
        if filters.updated_after is not None:
            after = filters.updated_after.timestamp()
            found = [run for run in found if run.updated_at > after]
        if filters.tags:
            found = [run for run in found if filters.tags.items() <= {**run.request.tags, **run.tags}.items()]
        if order_by is not None:
            found.sort(key=lambda run: -run.updated_at)
        return [run.as_record() for run in found[:limit]]

    def add_run_tags(self, run_id: str, tags: dict[str, str]) -> None:
        self._step("dagster.tag run", lambda: self._runs[run_id].tag(tags, self._clock()))
