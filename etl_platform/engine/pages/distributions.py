"""How the values of a column are distributed, beside the last file: shares of ranges, codes or lengths. No text.

A column whose values may be personal has no distribution. What fewer than FLOOR rows have is never shown on its own.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from etl_platform.engine.drift.summary import as_number, day_of
from etl_platform.engine.output.plain_text import counted
from etl_platform.engine.result import Bin, ColumnProfile

FLOOR = 5
_MAX_BINS, _MAX_CODES, _MAX_VALUES, _MAX_LENGTH, _LONGEST = 12, 10, 40, 40, 128
_MONTHS = (1, 3, 6, 12, 24, 60, 120, 240, 600, 1200)
_LENGTH = re.compile(r"(\d+)(?:-\d+|\+)?$")


class _Count(NamedTuple):
    """Rows of this file and of the last one."""

    label: str
    now: float
    before: float

    @property
    def is_shown(self) -> bool:
        return all(rows == 0 or rows >= FLOOR for rows in (self.now, self.before))

    def with_next(self, other: "_Count") -> "_Count":
        return _Count(self.label, self.now + other.now, self.before + other.before)


@dataclass(frozen=True)
class Share:
    """One range, code or length: the shares of the values that have it, 0 to 1; ``before`` in the last file."""

    label: str
    share: float
    before: float | None


@dataclass(frozen=True)
class Distribution:
    """The values of one column.

    Attributes:
        what: of what the shares are, such as ``values`` or ``lengths``.
        is_ordered: whether the shares are ranges, one after the other.
    """

    column: str
    what: str
    shares: Sequence[Share]
    is_ordered: bool

    @property
    def distance(self) -> float:
        """How far it is from the last file, 0 to 1; 0 without one."""
        return sum(abs(one.share - (one.share if one.before is None else one.before)) for one in self.shares) / 2


def distribution(column: str, now: ColumnProfile, before: ColumnProfile | None) -> Distribution | None:
    """None where values must not be shown, or nothing is known of them that is about enough rows."""
    if now.masked or (before is not None and before.masked):
        return None
    if not _are_dates(now.histogram or ()) and (codes := _codes(now)) is not None:
        return _made(column, "values", _named(codes, _codes(before) if before else None), is_ordered=False)
    if now.histogram:
        return _made(column, "values", _ranges(now.histogram, before.histogram if before else None), is_ordered=True)
    if lengths := _lengths(now):
        return _made(column, "lengths", _by_length(lengths, _lengths(before) if before else None), is_ordered=True)
    return None


def _made(column: str, what: str, shares: Sequence[Share], *, is_ordered: bool) -> Distribution | None:
    return Distribution(column, what, shares, is_ordered) if len(shares) > 1 else None


def _are_dates(bins: Sequence[Bin]) -> bool:
    return any(isinstance(edge, str) and "-" in edge[1:] for one in bins for edge in (one.low, one.high))


def _codes(profile: ColumnProfile) -> dict[str, int] | None:
    """Rows by value, if all values are known, few and short."""
    if not profile.top or len(profile.top) < profile.distinct or profile.distinct > _MAX_VALUES:
        return None
    return {one.value: one.rows for one in profile.top} if (profile.max_length or 0) <= _MAX_LENGTH else None


def _named(now: Mapping[str, int], before: Mapping[str, int] | None) -> list[Share]:
    """The most frequent values of both files; those of few rows only together."""
    old = before or {}
    counts = [_Count(value, now.get(value, 0), old.get(value, 0)) for value in {**now, **old}]
    counts.sort(key=lambda one: (-max(one.now, one.before), one.label))
    named = [one for one in counts if one.is_shown][:_MAX_CODES]
    if others := [one for one in counts if one not in named]:
        rest = _Count(
            counted(len(others), "other value"), sum(one.now for one in others), sum(one.before for one in others)
        )
        named.append(rest)
    return _shares(named, has_before=before is not None)


def _shares(counts: Sequence[_Count], *, has_before: bool) -> list[Share]:
    rows, old = sum(one.now for one in counts) or 1, sum(one.before for one in counts) or 1
    return [Share(one.label, one.now / rows, one.before / old if has_before else None) for one in counts]


def _ranges(now: Sequence[Bin], before: Sequence[Bin] | None) -> list[Share]:
    """Both histograms in ranges with round edges; within a bin, values count as evenly spread."""
    ends = [edge for one in (*now, *(before or ())) for edge in (one.low, one.high) if edge is not None]
    known = [number for edge in ends if (number := as_number(edge)) is not None]
    if not known or not math.isfinite(max(known) - min(known)):
        return []
    are_dates = _are_dates(now)
    edges, labels = (_date_edges if are_dates else _number_edges)(min(known), max(known))
    names = [f"{'before' if are_dates else 'below'} {labels[1]}", *(f"from {one}" for one in labels[1:-1])]
    rows, old = _counted(now, edges), _counted(before or (), edges)
    return _shares(_joined(list(map(_Count, names, rows, old))), has_before=before is not None)


def _counted(bins: Iterable[Bin], edges: Sequence[float]) -> list[float]:
    """Rows between each two edges; what is beyond them counts as first or last."""
    found = [0.0] * (len(edges) - 1)
    for one in bins:
        low, high = as_number(one.low), as_number(one.high)
        if low is None or high is None or high <= low:
            # An open end, whose values are beyond its only edge; or a bin without width, which is one value.
            at = low if low is not None else high if high is not None else edges[0]
            found[_place(edges, at)] += one.rows
            continue
        for place in range(_place(edges, low), _place(edges, high) + 1):
            inside = min(high, edges[place + 1]) - max(low, edges[place])
            found[place] += one.rows * max(0.0, inside) / (high - low)
    return found


def _place(edges: Sequence[float], at: float) -> int:
    return min(max(sum(edge <= at for edge in edges) - 1, 0), len(edges) - 2)


def _joined(counts: Sequence[_Count]) -> list[_Count]:
    """Ranges of few rows together with the next one, or the last ones with that before them; no empty one at an end."""
    filled = [place for place, one in enumerate(counts) if one.now or one.before]
    found: list[_Count] = []
    for one in counts[filled[0] : filled[-1] + 1] if filled else ():
        if found and not found[-1].is_shown:
            found[-1] = found[-1].with_next(one)
        else:
            found.append(one)
    if len(found) > 1 and not found[-1].is_shown:
        last = found.pop()
        found[-1] = found[-1].with_next(last)
    return found


def _number_edges(low: float, high: float) -> tuple[list[float], list[str]]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    span = (high - low) or max(abs(high), 1.0)
    power = 10.0 ** math.floor(math.log10(span / _MAX_BINS))
    step = next((power * one for one in (1, 2, 5, 10, 20) if span / (power * one) <= _MAX_BINS - 2), power * 50)
    first = math.floor(low / step)
    edges = [step * number for number in range(first, first + math.ceil(span / step) + 2)]
    return edges, [f"{edge:,.10g}" for edge in edges]


def _date_edges(low: float, high: float) -> tuple[list[float], list[str]]:
    """Days, weeks from Monday, months or years, whichever makes few enough ranges."""
    first, span = day_of(low), high - low
    for days in (1, 7):
        if span / days <= _MAX_BINS - 2:
            start = math.floor(low) if days == 1 else math.floor(low) - first.weekday()
            edges = [float(start + days * number) for number in range(math.ceil(span / days) + 3)]
            return edges, [day_of(edge).isoformat() for edge in edges]
    months = next((one for one in _MONTHS if span / (one * 30.4) <= _MAX_BINS - 2), _MONTHS[-1])
    start = (first.year * 12 + first.month - 1) // months * months
    starts = [start + months * number for number in range(math.ceil(span / (months * 30.4)) + 2)]
    dates = [date(min(max(1, one // 12), date.max.year), one % 12 + 1, 1) for one in starts]
    epoch = date(1970, 1, 1).toordinal()
    labels = [f"{one.year}" if months % 12 == 0 else f"{one.year}-{one.month:02}" for one in dates]
    return [float(one.toordinal() - epoch) for one in dates], labels


def _lengths(profile: ColumnProfile) -> Counter[int]:
    """Values by the shortest length of their class, such as 8 for 8 to 15; what has no length is left out."""
    found: Counter[int] = Counter()
    if profile.forms is not None:
        for form, times in profile.forms.items():
            if match := _LENGTH.search(form):
                found[int(match[1])] += times
    elif profile.top and len(profile.top) == profile.distinct:
        for one in profile.top:
            found[min(1 << max(len(one.value).bit_length() - 1, 0), _LONGEST)] += one.rows
    return found


def _by_length(now: Counter[int], before: Counter[int] | None) -> list[Share]:
    old = before or Counter[int]()
    lengths = sorted(now.keys() | old.keys())
    counts = [_Count(_length_label(one), now[one], old[one]) for one in lengths]
    return _shares(_joined(counts), has_before=before is not None)


def _length_label(shortest: int) -> str:
    return "1 character" if shortest == 1 else f"from {shortest} characters"
