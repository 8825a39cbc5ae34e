"""The circuit breaker: when to stop starting runs, and when to try again. Pure; all times are epoch seconds.

Closed, every run may start. Enough failed runs in a row open it, and nothing starts for a cooldown. Then it is
half-open and one run goes first, the probe: where it gets something done the breaker closes, where it fails the
cooldown begins anew. The state is folded from how past runs ended, so nothing has to store it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

from etl_platform.deliveries.delivery import QueuedFile, announced_id


class Phase(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Limits:
    """``max_failures`` open the breaker; it stays open for ``cooldown_s`` seconds."""

    max_failures: int
    cooldown_s: float


@dataclass(frozen=True)
class Progressed:
    """A run finished a delivery, whatever became of the others: the systems that runs need do answer."""


@dataclass(frozen=True)
class RunFailed:
    """A run failed and had finished nothing.

    Args:
        only_delivery: the delivery that it carried, where it carried just one. Its failures count once: the file
            itself may be to blame, and it comes back many times.
        probe_of: ``opened_at`` of the opening that this run was to probe.
    """

    run_id: str
    only_delivery: str | None = None
    probe_of: float | None = None


@dataclass(frozen=True)
class Reset:
    """A person closed the breaker."""


Event: TypeAlias = Progressed | RunFailed | Reset


@dataclass(frozen=True)
class Breaker:
    """The state. ``failures`` holds each failure in a row that counts: a run, or the one delivery of several runs."""

    phase: Phase = Phase.CLOSED
    failures: frozenset[str] = frozenset()
    last_failure_at: float | None = None
    opened_at: float | None = None
    closed_at: float | None = None

    def room(self, probes_in_flight: int) -> int | None:
        """How many runs may start; None for as many as there is room for otherwise."""
        if self.phase is Phase.CLOSED:
            return None
        return 1 if self.phase is Phase.HALF_OPEN and probes_in_flight == 0 else 0

    def cooldown_remaining_s(self, now: float, limits: Limits) -> float:
        """Seconds until a probe may start; never more than a cooldown, even if the clock was put back."""
        if self.phase is not Phase.OPEN or self.opened_at is None:
            return 0.0
        return min(max(self.opened_at + limits.cooldown_s - now, 0.0), limits.cooldown_s)


def step(state: Breaker, event: Event | None, now: float, limits: Limits) -> Breaker:
    """The state after ``event`` at ``now``; None is the mere passing of time."""
    if state.phase is Phase.OPEN and state.opened_at is not None and now >= state.opened_at + limits.cooldown_s:
        state = replace(state, phase=Phase.HALF_OPEN)
    if event is None:
        return state
    if not isinstance(event, RunFailed):
        return Breaker(closed_at=now)
    state = replace(state, failures=state.failures | {event.only_delivery or event.run_id}, last_failure_at=now)
    # A probe that was overtaken by a success or a reset is a run like any other.
    probed = event.probe_of is not None and (state.closed_at is None or event.probe_of >= state.closed_at)
    # Runs that had started before it opened end later: they neither prolong a cooldown nor spoil the probe's turn.
    opens = state.phase is Phase.CLOSED and len(state.failures) >= limits.max_failures
    return replace(state, phase=Phase.OPEN, opened_at=now) if probed or opens else state


def fold(events: Iterable[tuple[float, Event]], now: float, limits: Limits) -> Breaker:
    """The state at ``now`` after these events, each with its time, in whatever order they are given.

    Whatever lies before a success or a reset has no say, so the events since the latest of them are enough.
    """
    state = Breaker()
    for at, event in sorted(events, key=lambda item: item[0]):
        state = step(state, event, at, limits)
    return step(state, None, now, limits)


@dataclass(frozen=True)
class BreakerStatus:
    """What people and monitors are shown; the first four names are those of the replaced listener's ``GET /breaker``.

    ``last_failure_time`` is ISO 8601 in UTC, ``cooldown_remaining`` whole seconds.
    """

    active: bool
    consecutive_failures: int
    last_failure_time: str | None
    cooldown_remaining: int
    state: str

    def __str__(self) -> str:
        runs = "1 failed run" if self.consecutive_failures == 1 else f"{self.consecutive_failures} failed runs"
        last = f", the last at {self.last_failure_time}" if self.last_failure_time else ""
        if self.state == Phase.CLOSED:
            return f"the circuit breaker is closed ({runs} in a row{last})"
        then = (
            f"one run tries again in {self.cooldown_remaining} s"
            if self.state == Phase.OPEN
            else "one run tries whether things work again"
        )
        state = self.state.replace("_", "-")
        return f"the circuit breaker is {state} after {runs} in a row{last}; messages wait in SQS, {then}"


def status_of(state: Breaker, now: float, limits: Limits) -> BreakerStatus:
    return BreakerStatus(
        active=state.phase is not Phase.CLOSED,
        consecutive_failures=len(state.failures),
        last_failure_time=None
        if state.last_failure_at is None
        else datetime.fromtimestamp(state.last_failure_at, UTC).isoformat(timespec="seconds"),
        cooldown_remaining=math.ceil(state.cooldown_remaining_s(now, limits)),
        state=str(state.phase),
    )


def only_delivery(files: Sequence[QueuedFile]) -> str | None:
    """Identity of what a run carries, if it cannot be split: one delivery, or the objects of one message."""
    identities = sorted({announced_id(file.event) for file in files})
    unsplittable = len(identities) == 1 or len({file.message_id for file in files}) == 1
    return "+".join(identities)[:200] if unsplittable else None
