"""Finds what is unusual about one column of a file, beside the same column of the previous files."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from etl_platform.engine.contract.drift_limits import DriftLimits
from etl_platform.engine.drift.distance import quantile_distance, share_distance
from etl_platform.engine.drift.finding import Change, Finding
from etl_platform.engine.drift.summary import ColumnSummary, FileSummary
from etl_platform.engine.drift.words import chance, files_words, percent, range_words

_SURE_ROWS = 12
"""A value that is expected in so many rows is absent by chance in one of 160,000 files."""
_SURE_SHARE, _NEW_SHARE, _NEW_ROWS = 0.01, 0.02, 10
_ONE_FILE = 1.5
"""A single previous file may itself be unusual, so that much more is expected of it."""
_DISTINCT_FACTOR, _MIN_DISTINCT = 2.0, 20
_KEY_SHARE = 0.9
_MAX_STRETCH = 3.0
_SHOWN = 5


@dataclass(frozen=True)
class _Column:
    """One column of one file."""

    name: str
    file: FileSummary
    summary: ColumnSummary

    @property
    def is_running(self) -> bool:
        """Whether it looks like a number that counts on from file to file."""
        quantiles = self.summary.quantiles or (0.5,)
        filled = (1 - self.summary.nulls) * self.file.rows
        return quantiles[0].is_integer() and quantiles[-1].is_integer() and self.summary.distinct > _KEY_SHARE * filled


Distance = Callable[[_Column], float]


def compare_column(
    name: str, file: FileSummary, previous: Sequence[FileSummary], limits: DriftLimits
) -> Iterator[Finding]:
    """What is unusual about a column that the file has; nothing if no previous file had it."""
    now = _Column(name, file, file.columns[name])
    seen = [_Column(name, one, one.columns[name]) for one in previous if name in one.columns]
    if not seen:
        return
    yield from _nulls(now, seen, limits)
    if now.summary.nulls == 1 or any(one.summary.nulls == 1 for one in seen):
        return
    if now.summary.quantiles is not None:
        yield from _numbers(now, seen, limits)
        yield from _not_newer(now, seen)
    elif (known := _values(seen)) is not None:
        yield from _coded(now, seen, known, limits)
    else:
        yield from _distinct(now, seen)


def _nulls(now: _Column, seen: Sequence[_Column], limits: DriftLimits) -> Iterator[Finding]:
    shares, share = [one.summary.nulls for one in seen], now.summary.nulls
    is_emptied = share == 1 and (1 - max(shares)) * now.file.rows >= _SURE_ROWS
    by_chance = chance(max(shares), now.file.rows, min(one.file.rows for one in seen))
    if is_emptied or share > max(shares) + limits.nulls_percent / 100 + by_chance:
        found = f"empty in {percent(share)} of the rows"
        usual = range_words(percent(min(shares)), percent(max(shares)))
        message = f"{now.name} is {found}; in {files_words(len(seen))}, it was in {usual}"
        yield Finding(Change.NULLS, now.name, found, usual, message)


def _values(seen: Iterable[_Column]) -> list[Mapping[str, float]] | None:
    """The shares of the values in each file, if they are known of all files."""
    known = [one.summary.values for one in seen]
    return None if None in known else [values for values in known if values is not None]


def _coded(
    now: _Column, seen: Sequence[_Column], known: Sequence[Mapping[str, float]], limits: DriftLimits
) -> Iterator[Finding]:
    """Of a column with few values: those that came or went, and their shares."""
    shares, rows = now.summary.values, now.file.rows
    if shares is None and now.summary.distinct > _DISTINCT_FACTOR * max(map(len, known)):
        found, usual = f"{now.summary.distinct:,} different values", f"at most {max(map(len, known))}"
        message = f"{now.name} has {found}; {files_words(len(seen))} had {usual}"
        yield Finding(Change.DISTINCT, now.name, found, usual, message)
    if shares is None:
        return
    least = {value: min(values.get(value, 0.0) for values in known) for value in known[-1]}
    gone = [value for value, share in least.items() if value not in shares and _is_sure(share, rows, len(known))]
    if gone:
        lost = _listed(gone, known[-1])
        message = f"{now.name} has no row with values that {files_words(len(seen))} had: {lost}"
        yield Finding(Change.VALUES_GONE, now.name, "no row", lost, message)
    enough = max(_NEW_SHARE, _NEW_ROWS / rows)
    new = [value for value, share in shares.items() if share >= enough and not any(value in one for one in known)]
    if new:
        came = _listed(new, shares)
        message = f"{now.name} has values that {files_words(len(seen))} did not have: {came}"
        yield Finding(Change.VALUES_NEW, now.name, came, "no row", message)
    if not gone and not new:
        by_chance = 0.8 * math.sqrt(len({*shares, *known[-1]}))
        yield from _far(now, seen, limits, lambda one: share_distance(shares, one.summary.values or {}), by_chance)


def _is_sure(share: float, rows: int, files: int) -> bool:
    factor = _ONE_FILE if files == 1 else 1
    return share >= factor * _SURE_SHARE and share * rows >= factor * _SURE_ROWS


def _listed(values: Sequence[str], shares: Mapping[str, float]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(f"{value!r} ({percent(shares[value])})" for value in values[:_SHOWN]) + more


def _numbers(now: _Column, seen: Sequence[_Column], limits: DriftLimits) -> Iterator[Finding]:
    """Of numbers and dates: whether they lie elsewhere."""
    alike = [one for one in seen if one.summary.quantiles and one.summary.are_days == now.summary.are_days]
    # A number that is the same in every row, such as a year, is about the file.
    is_about_file = not now.summary.are_days and all(one.summary.distinct == 1 for one in (now, *alike))
    if alike and not is_about_file:
        yield from _far(now, alike, limits, lambda one: _distance(now, one), 1.75)


def _distance(now: _Column, one: _Column) -> float:
    """How far the numbers of two files are apart, if those of ``one`` may move as it is usual from file to file."""
    mine, theirs = now.summary.quantiles or (), one.summary.quantiles or ()
    moved: list[Sequence[float]] = [theirs]
    if now.summary.are_days:
        # The dates of a file stay, or move with the day of its delivery, or with the period that it is about.
        days, newest = (now.file.day - one.file.day).days, mine[-1] - theirs[-1]
        steps = {days, newest} if 0 <= newest <= 2 * days + 7 else {days}
        moved += [[value + step for value in theirs] for step in steps]
    elif now.is_running and one.is_running and theirs[-1] > theirs[0]:
        # More rows take more numbers.
        stretch = min(max((mine[-1] - mine[0]) / (theirs[-1] - theirs[0]), 1 / _MAX_STRETCH), _MAX_STRETCH)
        moved.append([mine[0] + (value - theirs[0]) * stretch for value in theirs])
    return min(quantile_distance(mine, values) for values in moved)


def _far(
    now: _Column, seen: Sequence[_Column], limits: DriftLimits, distance: Distance, by_chance: float
) -> Iterator[Finding]:
    """A finding if the nearest of the previous files is too far away.

    Args:
        distance: measures how far one of them is away.
        by_chance: what chance does between two files of one row each.
    """
    smallest, nearest = min(one.file.rows for one in seen), 1.0
    limit = limits.distribution_percent / 100 + by_chance * math.sqrt(1 / now.file.rows + 1 / smallest)
    # The last file is the likeliest to be near, and one that is near is enough.
    for one in reversed(seen):
        nearest = min(nearest, distance(one))
        if nearest <= limit:
            return
    found = f"{percent(nearest)} of the rows lie elsewhere{_medians(now, seen)}"
    usual = f"at most {percent(limit)}"
    message = f"{now.name}: {found}, compared with the most similar of {files_words(len(seen))}"
    yield Finding(Change.DISTRIBUTION, now.name, found, usual, message)


def _medians(now: _Column, seen: Sequence[_Column]) -> str:
    mine, theirs = now.summary.median, seen[-1].summary.median
    return "" if mine is None else f" (median {mine}, in the last file {theirs})"


def _distinct(now: _Column, seen: Sequence[_Column]) -> Iterator[Finding]:
    """Of texts with many values: whether far fewer or more are different, both in number and for each row."""
    counts = [one.summary.distinct for one in seen]
    ratios = [one.summary.distinct / one.file.rows for one in seen]
    count, ratio = now.summary.distinct, now.summary.distinct / now.file.rows
    if max(counts) >= _MIN_DISTINCT and _is_outside(count, counts) and _is_outside(ratio, ratios):
        found, usual = f"{count:,} different values", range_words(f"{min(counts):,}", f"{max(counts):,}")
        message = f"{now.name} has {found}; {files_words(len(seen))} had {usual}"
        yield Finding(Change.DISTINCT, now.name, found, usual, message)


def _is_outside(number: float, usual: Sequence[float]) -> bool:
    return not min(usual) / _DISTINCT_FACTOR <= number <= max(usual) * _DISTINCT_FACTOR


def _not_newer(now: _Column, seen: Sequence[_Column]) -> Iterator[Finding]:
    """Of dates that became newer with each file: that they did not this time, as if an old file was sent again."""
    if not now.summary.are_days or len(seen) < 2:
        return
    newest = [one.summary.quantiles[-1] if one.summary.quantiles else math.inf for one in (*seen, now)]
    days = [one.file.day for one in (*seen, now)]
    steps = [(days[place] - days[place - 1]).days for place in range(1, len(days))]
    was_newer = all(newest[place] > newest[place - 1] for place in range(1, len(newest) - 1))
    if was_newer and newest[-1] <= newest[-2] and steps[-1] >= min(steps[:-1]) / 2:
        found = f"no date after that of the file of {days[-2]}"
        message = f"{now.name} has {found}; each of the files before had newer dates"
        yield Finding(Change.NOT_NEWER, now.name, found, "newer dates in each file", message)
