"""The circuit breaker: when to stop starting runs, and when to try again. Pure; all times are epoch seconds.

While it is closed, every run may start. Enough failed runs in a row open it, and no run starts for a cooldown. Then it
is half-open, and one run starts, the probe: if it finishes a delivery the breaker closes, if it fails the cooldown
begins again. The state is computed from past runs, so it is not stored. An agency of which only failures are known is
held back alone, in the same way.

Runs are in the order of their numbers: Dagster numbers its run records. Clocks may be wrong and may jump, so a time
only measures the cooldown.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

from etl_platform.deliveries.plan_runs import QueuedFile
from etl_platform.engine.output.plain_text import first_of

_MOST_NAMED = 5


class Phase(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Limits:
    """``max_failures`` consecutive failures open the breaker; it stays open for ``cooldown_s`` seconds."""

    max_failures: int
    cooldown_s: float


@dataclass(frozen=True)
class Progressed:
    """A run finished at least one delivery, so the systems that runs need are available.

    Args:
        agency: as of ``RunFailed``.
    """

    agency: str | None = None


@dataclass(frozen=True)
class RunFailed:
    """A run failed and had finished no delivery.

    Args:
        only_delivery: the delivery of the run, if it had only one. All failures of such runs count as one: the file may
            be the cause, and it is retried many times.
        probe_of: ``opened_by`` of the opening that this run probed.
        agency: the agency of the run, if it had files of only one.
    """

    run_id: str
    only_delivery: str | None = None
    probe_of: int | None = None
    agency: str | None = None

    @property
    def failure(self) -> "Failure":
        return Failure(self.only_delivery or self.run_id, self.agency)


@dataclass(frozen=True)
class Failure:
    """A failure that counts once: the id of a run, or of the only delivery of several runs; and its only agency."""

    id: str
    agency: str | None


@dataclass(frozen=True)
class Reset:
    """A person closed the breaker."""


Event: TypeAlias = Progressed | RunFailed | Reset


@dataclass(frozen=True)
class RunEvent:
    """What became of a run.

    Args:
        number: of its record; later runs have higher numbers.
        at: when it ended.
    """

    number: int
    at: float
    event: Event


@dataclass(frozen=True)
class Breaker:
    """The state; ``failures`` are those after the last run that finished a delivery.

    Args:
        opened_by: the number of the run that opened it; ``opened_at`` is when that ended.
        closed_by: the number of the run that closed it last.
    """

    phase: Phase = Phase.CLOSED
    failures: frozenset[Failure] = frozenset()
    last_failure_at: float | None = None
    opened_by: int | None = None
    opened_at: float | None = None
    closed_by: int = 0

    @property
    def failing_agencies(self) -> frozenset[str]:
        """The agencies of which runs of their own failed."""
        return frozenset(failure.agency for failure in self.failures if failure.agency is not None)

    def has_too_many_failures(self, limits: Limits) -> bool:
        """Whether the failures open it. No agency counts for more than half of the limit: it may be the cause."""
        by_agency = Counter(failure.agency for failure in self.failures)
        of_several = by_agency.pop(None, 0)
        most = math.ceil(limits.max_failures / 2)
        return of_several + sum(min(count, most) for count in by_agency.values()) >= limits.max_failures

    def is_probe(self, probe_of: int | None) -> bool:
        """Whether a run that probes this opening is a probe of the breaker as it is; it may have been closed since."""
        return probe_of is not None and probe_of > self.closed_by

    def room(self, probes_in_flight: int) -> int | None:
        """How many runs may start; None where the breaker does not limit them."""
        if self.phase is Phase.CLOSED:
            return None
        return 1 if self.phase is Phase.HALF_OPEN and probes_in_flight == 0 else 0

    def cooldown_remaining_s(self, now: float, limits: Limits) -> float:
        """Seconds until a probe may start."""
        if self.phase is not Phase.OPEN or self.opened_at is None:
            return 0.0
        return cooldown_remaining_s(self.opened_at, now, limits)


def cooldown_remaining_s(since: float, now: float, limits: Limits) -> float:
    """Seconds of the cooldown that began at ``since``; never more than a cooldown.

    Clocks of two machines may differ by less than a cooldown. A time further in the future was read from a wrong clock,
    and nobody waits for it.
    """
    if since > now + limits.cooldown_s:
        return 0.0
    return min(max(since + limits.cooldown_s - now, 0.0), limits.cooldown_s)


def step(state: Breaker, run: RunEvent, limits: Limits) -> Breaker:
    """The state after the next run; whether its cooldown is over is not known yet."""
    if not isinstance(run.event, RunFailed):
        return Breaker(closed_by=run.number)
    state = replace(state, failures=state.failures | {run.event.failure}, last_failure_at=run.at)
    # Runs that were requested before it opened do not begin the cooldown again.
    opens = state.phase is Phase.CLOSED and state.has_too_many_failures(limits)
    if opens or state.is_probe(run.event.probe_of):
        return replace(state, phase=Phase.OPEN, opened_by=run.number, opened_at=run.at)
    return state


def at_time(state: Breaker, now: float, limits: Limits) -> Breaker:
    """The state at ``now``: half-open if its cooldown is over."""
    is_over = state.phase is Phase.OPEN and state.cooldown_remaining_s(now, limits) <= 0
    return replace(state, phase=Phase.HALF_OPEN) if is_over else state


def fold(runs: Iterable[RunEvent], now: float, limits: Limits) -> Breaker:
    """The state at ``now`` after these runs, in any order.

    Runs before one that closed it have no effect, so those since the latest such run are enough.
    """
    state = Breaker()
    for run in _in_order(runs):
        state = step(state, run, limits)
    return at_time(state, now, limits)


def only_failing_agencies(runs: Iterable[RunEvent], limits: Limits) -> dict[str, float]:
    """The agencies whose own runs failed ``max_failures`` times without progress, each with the time of the last one.

    Args:
        runs: in any order. Those of several agencies are passed over.
    """
    failures: dict[str, set[Failure]] = defaultdict(set)
    last: dict[str, float] = {}
    for run in _in_order(runs):
        match run.event:
            case Reset():
                failures.clear()
            case Progressed(agency=str(agency)):
                failures.pop(agency, None)
            case RunFailed(agency=str(agency)) as failed:
                failures[agency].add(failed.failure)
                last[agency] = run.at
    return {agency: last[agency] for agency, found in failures.items() if len(found) >= limits.max_failures}


def _in_order(runs: Iterable[RunEvent]) -> list[RunEvent]:
    return sorted(runs, key=lambda run: run.number)


@dataclass(frozen=True)
class BreakerStatus:
    """The status for people and monitors. The first four names are those of the replaced listener's ``GET /breaker``.

    ``last_failure_time`` is ISO 8601 in UTC, ``cooldown_remaining`` whole seconds, ``held_agencies`` those of which
    only failures are known, so that few of their retried files start at once.
    """

    active: bool
    consecutive_failures: int
    last_failure_time: str | None
    cooldown_remaining: int
    state: str
    held_agencies: tuple[str, ...] = ()

    def __str__(self) -> str:
        held = first_of(self.held_agencies, _MOST_NAMED)
        return self._state_text() + (f"; held back, because only their own files fail: {held}" if held else "")

    def _state_text(self) -> str:
        runs = "1 failed run" if self.consecutive_failures == 1 else f"{self.consecutive_failures} failed runs"
        last = f", the last at {self.last_failure_time}" if self.last_failure_time else ""
        if self.state == Phase.CLOSED:
            return f"the circuit breaker is closed ({runs} in a row{last})"
        when = f"in {self.cooldown_remaining} s" if self.state == Phase.OPEN else "now"
        state = self.state.replace("_", "-")
        waiting = f"messages wait in SQS, one run tries again {when}"
        return f"the circuit breaker is {state} after {runs} in a row{last}; {waiting}"


def status_of(state: Breaker, now: float, limits: Limits, held_agencies: Iterable[str] = ()) -> BreakerStatus:
    return BreakerStatus(
        active=state.phase is not Phase.CLOSED,
        consecutive_failures=len(state.failures),
        last_failure_time=None
        if state.last_failure_at is None
        else datetime.fromtimestamp(state.last_failure_at, UTC).isoformat(timespec="seconds"),
        cooldown_remaining=math.ceil(state.cooldown_remaining_s(now, limits)),
        state=str(state.phase),
        held_agencies=tuple(sorted(held_agencies)),
    )


def only_delivery(files: Sequence[QueuedFile]) -> str | None:
    """The identity of a run that cannot be split further: one delivery, or the files of one message."""
    delivery_ids = sorted({file.version.delivery_id for file in files})
    unsplittable = len(delivery_ids) == 1 or len({file.message_id for file in files}) == 1
    return "+".join(delivery_ids)[:200] if unsplittable else None
