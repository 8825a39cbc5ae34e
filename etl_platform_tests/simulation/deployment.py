"""What one Dagster instance remembers, and the breaker that is read from it. No tests."""

from dataclasses import dataclass, field

import dagster as dg

from etl_platform.defs.intake.intake_runs import JOB_NAME, ONLY_DELIVERY_TAG, PROBE_TAG
from etl_platform.deliveries.circuit_breaker import Breaker, Event, Limits, Phase, Progressed, RunFailed, fold
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

    def event(self) -> Event | None:
        """What the end of this run tells the breaker, which knows only the runs of the intake."""
        if self.request.job_name != JOB_NAME:
            return None
        if self.progress:
            return Progressed()
        if self.status != "FAILURE":
            return None
        tags = self.request.tags
        probe_of = tags.get(PROBE_TAG)
        only = tags.get(ONLY_DELIVERY_TAG)
        return RunFailed(str(self.request.run_key), only, None if probe_of is None else float(probe_of))


@dataclass
class Deployment:
    """What one Dagster instance keeps when its processes die."""

    runs: dict[str, RunRecord] = field(default_factory=dict)
    """By run key."""
    unsubmitted: list[dg.RunRequest] = field(default_factory=list)

    def end(self, run: RunRecord, status: str, now: float) -> None:
        run.status, run.ended_at = status, now
        run.place = 1 + max(other.place for other in self.runs.values())

    def in_flight(self) -> list[RunRecord]:
        return [run for run in self.runs.values() if run.status in {"QUEUED", "STARTED"}]

    def breaker(self, now: float) -> Breaker:
        """As ``pipelines.breaker`` reads it from Dagster's run records; it must stand as a plain count says."""
        ended = sorted((run for run in self.runs.values() if run.place), key=lambda run: run.place)
        events = [(run.ended_at, event) for run in ended if (event := run.event()) is not None]
        failed: list[RunFailed] = []
        for _, event in events:
            failed = [*failed, event] if isinstance(event, RunFailed) else []
        open_by_count = len({event.only_delivery or event.run_id for event in failed}) >= LIMITS.max_failures
        breaker = fold(events, now, LIMITS)
        if open_by_count is (breaker.phase is Phase.CLOSED):
            raise Violation(f"the breaker is {breaker.phase} after {failed}")
        return breaker
