"""What people must know about the channels: which fail, what waits, what was given up. No store, no clock."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from etl_platform.deliveries.stuck import Answer
from etl_platform.engine.output.plain_text import counted, printable
from etl_platform.notifications.outbox import GIVE_UP_AFTER, ChannelState, Outbox

_SHOWN_FOR = timedelta(days=7)
"""How long events that were given up are shown."""
_MOST_ERROR = 200


def channel_problems(channels: Mapping[str, ChannelState], now: datetime) -> list[str]:
    """One text for each channel that fails, or gave up events lately; ``now`` is UTC."""
    return [text for name, state in sorted(channels.items()) if (text := _problem(name, state, now))]


def answer(outbox: Outbox | None, now: datetime) -> Answer:
    """Whether all events went out."""
    if outbox is None:
        text = "not begun; the first round only remembers what is there"
        return Answer(False, text, "see whether the daemon and notifications_sensor run")
    problems = channel_problems(outbox.channels, now)
    if problems:
        return Answer(True, "; ".join(problems), "`etl-platform notify test` tries each channel")
    waiting = sum(len(state.waiting) for state in outbox.channels.values())
    return Answer(False, f"{counted(waiting, 'event')} waiting" if waiting else "no event waits")


def _problem(name: str, state: ChannelState, now: datetime) -> str:
    parts: list[str] = []
    if state.failing_since is not None and state.next_try_at is not None:
        waiting = counted(len(state.waiting), "event")
        parts.append(
            f"fails since {_time(state.failing_since)}, {waiting} waiting, next try at {_time(state.next_try_at)}: "
            f"{printable(state.error, _MOST_ERROR)}"
        )
    if state.given_up_at is not None and now - state.given_up_at < _SHOWN_FOR:
        given_up = counted(state.given_up, "event was", "events were")
        parts.append(f"{given_up} given up after {GIVE_UP_AFTER.days} days, the last at {_time(state.given_up_at)}")
    return f"{name}: {'; '.join(parts)}" if parts else ""


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
