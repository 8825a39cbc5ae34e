"""How often a file of a dataset is expected, and whether an agency's next file is overdue. Time is an argument."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from etl_platform.engine.contract.located_yaml import Located, Where, is_number
from etl_platform.engine.near_names import nearest

_DAYS = {"h": 1 / 24, "hour": 1 / 24, "d": 1.0, "day": 1.0, "w": 7.0, "week": 7.0, "m": 31.0, "month": 31.0}
_DAYS |= {"y": 366.0, "yr": 366.0, "year": 366.0}
_READ = ("frequency", "latency", "freshness")
_MAX_DAYS = 36_600
_DEFAULT_GRACE_DIVISOR = 10


@dataclass(frozen=True)
class Cadence:
    """The expected interval between two files of an agency; a file up to ``grace`` later is on time."""

    every: timedelta
    grace: timedelta


@dataclass(frozen=True)
class LastFile:
    """The newest file of an agency, whatever its outcome. ``arrived_at`` is UTC."""

    name: str
    outcome: str
    arrived_at: datetime


@dataclass(frozen=True)
class Timeliness:
    """Whether an agency's next file is overdue; ``text`` names the last file and when the next was expected."""

    last: LastFile
    expected_by: datetime
    overdue: bool
    text: str


def judge_timeliness(cadence: Cadence, last: LastFile, now: datetime) -> Timeliness:
    expected_by = last.arrived_at + cadence.every
    last_file = f"The last file arrived on {last.arrived_at:%Y-%m-%d} ({last.name}, {last.outcome})"
    if now <= expected_by + cadence.grace:
        return Timeliness(last, expected_by, False, f"{last_file}; the next is expected by {expected_by:%Y-%m-%d}.")
    text = f"{last_file}; the next was expected by {expected_by:%Y-%m-%d}, {_duration_text(now - expected_by)} ago."
    return Timeliness(last, expected_by, True, text)


def _duration_text(time: timedelta) -> str:
    hours = int(time.total_seconds() // 3_600)
    if hours == 1:
        return "1 hour"
    return f"{hours} hours" if hours < 48 else f"{hours // 24:,} days"


def read_cadence(document: Located) -> Cadence | None:
    """``frequency`` and ``latency`` of ``slaProperties``; the default latency is a tenth of the frequency.

    Raises:
        ContractError: a value that is not a number above 0, an unknown unit, a schedule, the same property twice, a
            name that resembles one of them, or a latency without a frequency.
    """
    found: dict[str, timedelta] = {}
    places: dict[str, tuple[str, int]] = {}
    for index, entry in enumerate(document.data.get("slaProperties") or []):
        name, here = entry["property"], ("slaProperties", index)
        if name not in _READ:
            if close := nearest(name, _READ, 0.8):
                raise document.error(f"property {name!r} is unknown; did you mean {close}?", *here)
            continue
        if field := next((field for field in ("schedule", "scheduler", "valueExt") if field in entry), None):
            message = f"{name} takes a value and a unit, and no {field}; remove it"
            raise document.error(message, *here, field)
        if name == "freshness":
            continue
        if name in found:
            raise document.error(f"{name} is declared twice; keep one", *here)
        found[name], places[name] = read_duration(document, entry, here), here
    if "latency" in found and "frequency" not in found:
        message = "latency is how late a file may be, so it needs a frequency; add one, or remove latency"
        raise document.error(message, *places["latency"])
    if "frequency" not in found:
        return None
    every = found["frequency"]
    return cadence_of(every, found.get("latency"))


def cadence_of(every: timedelta, latency: timedelta | None) -> Cadence:
    return Cadence(every, every / _DEFAULT_GRACE_DIVISOR if latency is None else latency)


def read_duration(document: Located, entry: dict[str, Any], here: Where) -> timedelta:
    """``value`` and ``unit`` of the entry of a ``property``; ContractError as ``read_cadence``."""
    name, value, unit = entry["property"], entry["value"], entry.get("unit", "d")
    folded = str(unit).lower()
    days = _DAYS.get(folded, _DAYS.get(folded.removesuffix("s")))
    if days is None:
        raise document.error(f"{name}: unit {unit!r} is unknown; use h, d, w, m (months) or y", *here, "unit")
    if not is_number(value) or not 0 < value * days <= _MAX_DAYS:
        raise document.error(
            f"{name} takes a number above 0 and up to {_MAX_DAYS:,} days, not {value!r}", *here, "value"
        )
    return timedelta(days=value * days)
