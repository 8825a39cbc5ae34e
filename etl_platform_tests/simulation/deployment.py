"""What one Dagster instance remembers, and the breaker that is read from it. No tests."""

from dataclasses import dataclass, field

import dagster as dg

from etl_platform.defs.intake.intake_runs import ONLY_DELIVERY_TAG, PROBE_TAG
from etl_platform.deliveries.circuit_breaker import Breaker, Event, Limits, Phase, Progressed, RunFailed, fold
from etl_platform_tests.simulation.timeline import Violation

LIMITS = Limits(max_failures=5, cooldown_s=60)


@dataclass
class RunRecord:
    """A run as Dagster keeps it."""

    request: dg.RunRequest
    status: str = "QUEUED"
    ended_at: float = 0.0
    progress: bool = False

    def event(self) -> Event | None:
        """What the end of this run tells the breaker."""
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

    def in_flight(self) -> list[RunRecord]:
        return [run for run in self.runs.values() if run.status in {"QUEUED", "STARTED"}]

    def breaker(self, now: float) -> Breaker:
        """As ``pipelines.breaker`` reads it from Dagster's run records; it must stand as a plain count says."""
        ended = [(run.ended_at, run.event()) for run in self.runs.values() if run.ended_at]
        events = [(at, event) for at, event in ended if event is not None]
        since = max((at for at, event in events if isinstance(event, Progressed)), default=0.0)
        failed = [event for at, event in events if isinstance(event, RunFailed) and at > since]
        open_by_count = len({event.only_delivery or event.run_id for event in failed}) >= LIMITS.max_failures
        breaker = fold(events, now, LIMITS)
        if open_by_count is (breaker.phase is Phase.CLOSED):
            raise Violation(f"the breaker is {breaker.phase} after {failed}")
        return breaker
