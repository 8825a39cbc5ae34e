"""Finds what is unusual about a file, beside the previous files of its series. Numbers in, findings out.

A number is unusual if it lies outside of the range of all previous files, widened by a limit and by what chance does in
a file of that size. So a season that was seen once is usual the next time, and a small file needs a larger difference.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from etl_platform.engine.contract.drift_limits import DriftLimits
from etl_platform.engine.drift.compare_columns import compare_column
from etl_platform.engine.drift.finding import Change, Finding
from etl_platform.engine.drift.seen_column import MIN_ROWS
from etl_platform.engine.drift.summary import FileSummary
from etl_platform.engine.drift.words import chance, files_words, listed, percent, range_words, rows_words

_MIN_STEPS = 3
NO_RULES: Mapping[str, Sequence[str]] = MappingProxyType({})


def compare(
    file: FileSummary,
    previous: Sequence[FileSummary],
    limits: DriftLimits,
    row_rules: Mapping[str, Sequence[str]] = NO_RULES,
) -> tuple[Finding, ...]:
    """What is unusual about ``file``: columns first, then rows, then values.

    Args:
        previous: files of the same series, the oldest first; without one, nothing is unusual.
        row_rules: the row rules that use a column, by column, at least of those that the file does not have.
    """
    if not previous:
        return ()
    found = [*_columns(file, previous, limits, row_rules)]
    found += _rows(file, previous, limits)
    large = [one for one in previous if one.rows >= MIN_ROWS]
    if file.rows >= MIN_ROWS and large:
        found += _rules(file, large, limits)
        for name in file.columns:
            if name not in limits.ignore:
                found += compare_column(name, file, large, limits)
    return tuple(found)


def _columns(
    file: FileSummary,
    previous: Sequence[FileSummary],
    limits: DriftLimits,
    row_rules: Mapping[str, Sequence[str]],
) -> Iterator[Finding]:
    new = [name for name in file.extra if not any(name in one.extra or name in one.columns for one in previous)]
    for name, had in _last_filled(previous).items():
        # A column may also be gone from the contract.
        if name not in file.missing or name in limits.ignore:
            continue
        which = "the last file" if had is previous[-1] else f"the file of {had.day}"
        filled = f"filled in {percent(1 - had.columns[name].nulls)} of the rows of {which}"
        names = " or ".join(map(repr, new[:3]))
        hint = (
            f"; if {names} is its new name, `etl-platform contract suggest --apply` adds it as a synonym" if new else ""
        )
        blind = f"; without it, {listed(rules)} cannot find anything" if (rules := row_rules.get(name)) else ""
        message = f"{name} is not in the file; it was {filled}{blind}{hint}"
        yield Finding(Change.COLUMN_GONE, name, "not in the file", filled, message)
    for name in new:
        message = f"{name!r} is new, and the contract does not know it, so its values are not in silver"
        yield Finding(Change.COLUMN_NEW, name, "in the file", "in no previous file", message)


def _last_filled(previous: Sequence[FileSummary]) -> dict[str, FileSummary]:
    """For each column that had values, the last file with them, unless an earlier file lacked the column before that.

    A column that is gone stays unusual, until it is back or in none of the previous files. One that comes and goes is
    usual.
    """
    found, lacked = dict[str, FileSummary](), set[str]()
    # Not a set: the order of findings must not differ between two runs.
    names = dict.fromkeys(name for one in reversed(previous) for name in one.columns)
    for one in previous:
        for name in names:
            column = one.columns.get(name)
            if column is None:
                if name in found:
                    lacked.add(name)
            elif name not in lacked and column.nulls < 1:
                found[name] = one
            elif name in lacked:
                found.pop(name, None)
    return found


def _rows(file: FileSummary, previous: Sequence[FileSummary], limits: DriftLimits) -> Iterator[Finding]:
    """A number of rows that no file had, or a step from the last file that is larger than all before."""
    numbers = [one.rows for one in previous]
    low, high, last = min(numbers), max(numbers), numbers[-1]
    # A count varies by its root.
    limit = math.log(1 + limits.rows_percent / 100) + 1.5 / math.sqrt(low)
    steps = [abs(math.log(other / one)) for one, other in pairwise(numbers)]
    step = abs(math.log(file.rows / last))
    if not math.log(low) - limit <= math.log(file.rows) <= math.log(high) + limit:
        usual = f"{range_words(f'{low:,}', f'{high:,}')} rows"
        message = f"the file has {rows_words(file.rows)}; {files_words(len(previous))} had {usual}"
    elif len(steps) >= _MIN_STEPS and step > max(steps) + limit:
        usual = (
            f"{last:,} rows, and from file to file there were at most {percent(math.expm1(max(steps)))} more or less"
        )
        message = f"the file has {rows_words(file.rows)}; the last file had {usual}"
    else:
        return
    yield Finding(Change.ROWS, None, rows_words(file.rows), usual, message)


def _rules(file: FileSummary, previous: Sequence[FileSummary], limits: DriftLimits) -> Iterator[Finding]:
    fewest = min(one.rows for one in previous)
    for reason, share in file.reasons.items():
        shares = [one.reasons.get(reason, 0.0) for one in previous]
        if share > max(shares) + limits.broken_percent / 100 + chance(max(shares), file.rows, fewest):
            usual = f"{range_words(percent(min(shares)), percent(max(shares)))} of the rows"
            message = f"{percent(share)} of the rows break {reason}; in {files_words(len(previous))}, {usual} did"
            yield Finding(Change.BROKEN_RULE, None, f"{percent(share)} break {reason}", usual, message)
