"""How often a dataset's file is expected: the contract's words, and whether an agency's next one is overdue. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from etl_platform.engine.contract.located_yaml import Located, is_number

_DAYS = {"h": 1 / 24, "hour": 1 / 24, "d": 1.0, "day": 1.0, "w": 7.0, "week": 7.0, "m": 31.0, "month": 31.0}
_DAYS |= {"y": 366.0, "yr": 366.0, "year": 366.0}
_MAX_DAYS = 36_600
_GRACE_SHARE = 10


@dataclass(frozen=True)
class Cadence:
    """A file comes ``every`` so often; one that comes later by no more than ``grace`` is on time."""

    every: timedelta
    grace: timedelta


@dataclass(frozen=True)
class LastFile:
    """The newest file of an agency, whatever became of it. ``arrived_at`` is UTC."""

    name: str
    outcome: str
    arrived_at: datetime


@dataclass(frozen=True)
class Timeliness:
    """Whether an agency's next file is overdue; ``text`` says since when and what came last."""

    last: LastFile
    expected_by: datetime
    overdue: bool
    text: str


def judge_timeliness(cadence: Cadence, last: LastFile, now: datetime) -> Timeliness:
    expected_by = last.arrived_at + cadence.every
    came = f"The last file came on {last.arrived_at:%Y-%m-%d} ({last.name}, {last.outcome})"
    if now <= expected_by + cadence.grace:
        return Timeliness(last, expected_by, False, f"{came}; the next is expected by {expected_by:%Y-%m-%d}.")
    text = f"{came}; the next was expected by {expected_by:%Y-%m-%d}, {_span(now - expected_by)} ago."
    return Timeliness(last, expected_by, True, text)


def _span(time: timedelta) -> str:
    hours = int(time.total_seconds() // 3_600)
    return f"{hours} hours" if hours < 48 else f"{hours // 24:,} days"


def read_cadence(document: Located) -> Cadence | None:
    """``frequency`` and ``latency`` of ``slaProperties``; without a latency, a tenth of the frequency is the grace.

    Raises:
        ContractError: a value that is no number above 0, an unknown unit, or the same property twice.
    """
    said: dict[str, timedelta] = {}
    for index, entry in enumerate(document.data.get("slaProperties") or []):
        name = entry["property"]
        if name in {"frequency", "latency"}:
            here = ("slaProperties", index)
            if name in said:
                raise document.error(f"{name} is given twice", *here)
            said[name] = _time(document, entry, here)
    if "frequency" not in said:
        return None
    every = said["frequency"]
    return Cadence(every, said.get("latency", every / _GRACE_SHARE))


def _time(document: Located, entry: dict[str, Any], here: tuple[str, int]) -> timedelta:
    name, value, unit = entry["property"], entry["value"], entry.get("unit", "d")
    folded = str(unit).lower()
    days = _DAYS.get(folded, _DAYS.get(folded.removesuffix("s")))
    if days is None:
        raise document.error(f"{name} is given in h, d, w, m (months) or y, not {unit!r}", *here, "unit")
    if not is_number(value) or not 0 < value * days <= _MAX_DAYS:
        raise document.error(
            f"{name} takes a number above 0 and up to {_MAX_DAYS:,} days, not {value!r}", *here, "value"
        )
    return timedelta(days=value * days)
