"""Finds what is unusual about the numbers or dates of a column, beside the same column of the previous files."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from etl_platform.engine.contract.drift_limits import DriftLimits
from etl_platform.engine.drift.distance import quantile_distance
from etl_platform.engine.drift.finding import Change, Finding
from etl_platform.engine.drift.seen_column import Measure, SeenColumn, distribution_finding, far
from etl_platform.engine.drift.summary import day_of
from etl_platform.engine.drift.words import percent

_KS = 1.75
"""Beyond it, two samples of the same distribution are in one of 200 cases."""
_SAMPLED = 4_096
"""The deciles of a large file are of a sample."""
_KEY_SHARE, _MAX_STRETCH = 0.9, 3.0
_WEEK = 7
_HARDLY_NEWER = 0.1
"""Of the smallest step from the newest date of a file to that of the next one."""
_RECENT = 4
"""Deliveries between the newest date of a file and its own delivery."""


def compare_numbers(now: SeenColumn, seen: Sequence[SeenColumn], limits: DriftLimits) -> Iterator[Finding]:
    """Whether they lie elsewhere, and whether dates are not newer than those before."""
    alike = [one for one in seen if one.summary.quantiles and one.summary.are_days == now.summary.are_days]
    # A number that is the same in every row, such as a year, is about the file.
    is_about_file = not now.summary.are_days and all(one.summary.distinct == 1 for one in (now, *alike))
    if not alike or is_about_file:
        return
    measure = Measure(lambda one: _distance(now, one), lambda _: _KS, _size)
    if unusual := far(now, alike, limits, measure):
        medians = f" (median {now.summary.median}, in the last file {alike[-1].summary.median})"
        found = f"{percent(unusual[0])} of the {'dates' if now.summary.are_days else 'numbers'} lie elsewhere{medians}"
        yield distribution_finding(now, len(seen), found, unusual[1], "elsewhere")
    if now.summary.are_days:
        yield from _not_newer(now, alike)


def _distance(now: SeenColumn, one: SeenColumn) -> float:
    """How far the numbers of two files are apart, if those of ``one`` may move as it is usual from file to file."""
    mine, theirs = now.summary.quantiles or (), one.summary.quantiles or ()
    moved: list[Sequence[float]] = [theirs]
    if now.summary.are_days:
        moved += [[value + step for value in theirs] for step in _steps(now, one)]
        if abs(mine[0] - theirs[0]) <= _WEEK < mine[-1] - theirs[-1]:
            # A file of all since the same first day.
            moved.append(_stretched(theirs, mine[0], mine[-1]))
    elif _is_running(now) and _is_running(one) and theirs[-1] > theirs[0]:
        # More rows take more numbers.
        span = theirs[-1] - theirs[0]
        stretch = min(max((mine[-1] - mine[0]) / span, 1 / _MAX_STRETCH), _MAX_STRETCH)
        moved.append(_stretched(theirs, mine[0], mine[0] + span * stretch))
    return min(quantile_distance(mine, values) for values in moved)


def _size(column: SeenColumn) -> int:
    return min(column.filled, _SAMPLED)


def _steps(now: SeenColumn, one: SeenColumn) -> set[float]:
    """By how many days dates may move: with the delivery, with the period in the name, or with the newest date."""
    mine, theirs = now.summary.quantiles or (), one.summary.quantiles or ()
    days, newest = (now.file.day - one.file.day).days, mine[-1] - theirs[-1]
    if now.file.period and one.file.period:
        expected = (now.file.period - one.file.period).days
        is_expected = abs(newest - expected) <= max(_WEEK, abs(expected) / 2)
        return {days, expected, *([newest] if is_expected else [])}
    # Files of several periods that are sent on one day.
    is_expected = 0 <= newest <= 2 * days + _WEEK or (days == 0 and now.file.name != one.file.name)
    return {days, *([newest] if is_expected else [])}


def _stretched(numbers: Sequence[float], low: float, high: float) -> list[float]:
    span = numbers[-1] - numbers[0]
    return [low + (number - numbers[0]) / span * (high - low) if span else low for number in numbers]


def _is_running(column: SeenColumn) -> bool:
    """Whether it looks like a number that counts on from file to file."""
    quantiles = column.summary.quantiles or (0.5,)
    is_whole = quantiles[0].is_integer() and quantiles[-1].is_integer()
    return is_whole and column.summary.distinct > _KEY_SHARE * column.filled


def _not_newer(now: SeenColumn, seen: Sequence[SeenColumn]) -> Iterator[Finding]:
    """Of dates that became newer with each file: that they did not this time, as if an old file was sent again."""
    if len(seen) < 2 or _is_about_past(now, seen):
        return
    *newest, last = [one.summary.quantiles[-1] if one.summary.quantiles else math.inf for one in (*seen, now)]
    days = [one.file.day for one in (*seen, now)]
    *usual, waited = [(later - day).days for day, later in pairwise(days)]
    least = min(later - one for one, later in pairwise(newest))
    # Of dates long ago, such as those of hire, the newest ones grow by chance alone.
    is_recent = (days[-2] - day_of(newest[-1])).days <= _RECENT * max(usual)
    # The last day of a year may be a day or two after that of the year before.
    is_stuck = least > 0 and last - newest[-1] <= least * _HARDLY_NEWER
    if is_recent and is_stuck and waited >= min(usual) / 2:
        found = f"no date after {day_of(last)}"
        before = f"the file of {days[-2]} had dates up to {day_of(newest[-1])}"
        message = f"{now.name} has {found}; {before}, and each file had newer dates than the one before"
        yield Finding(Change.NOT_NEWER, now.name, found, "newer dates in each file", message)


def _is_about_past(now: SeenColumn, seen: Sequence[SeenColumn]) -> bool:
    """Whether the name states a period that is not after those before, as of a late or a corrected file."""
    mine = now.file.period
    return mine is not None and any(one.file.period is not None and mine <= one.file.period for one in seen)
