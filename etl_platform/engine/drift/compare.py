"""Finds what is unusual about a file, beside the previous files of its series. Numbers in, findings out.

A number is unusual if it lies outside of the range of all previous files, widened by a limit and by what chance does in
a file of that size. So a season that was seen once is usual the next time, and a small file needs a larger difference.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from etl_platform.engine.contract.drift_limits import DriftLimits
from etl_platform.engine.drift.compare_columns import compare_column
from etl_platform.engine.drift.finding import Change, Finding
from etl_platform.engine.drift.summary import FileSummary
from etl_platform.engine.drift.words import chance, files_words, listed, percent, range_words

MIN_ROWS = 20
"""Of smaller files, only the names of the columns are compared."""
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
    if min(file.rows, *(one.rows for one in previous)) >= MIN_ROWS:
        found += [*_rows(file, previous, limits), *_rules(file, previous, limits)]
        for name in file.columns:
            if name not in limits.ignore:
                found += compare_column(name, file, previous, limits)
    return tuple(found)


def _columns(
    file: FileSummary,
    previous: Sequence[FileSummary],
    limits: DriftLimits,
    row_rules: Mapping[str, Sequence[str]],
) -> Iterator[Finding]:
    new = [name for name in file.extra if not any(name in one.extra for one in previous)]
    for name, column in previous[-1].columns.items():
        if name in file.columns or name in limits.ignore or column.nulls == 1:
            continue
        filled = f"filled in {percent(1 - column.nulls)} of the rows of the last file"
        names = " or ".join(map(repr, new[:3]))
        hint = f"; if {names} is its new name, add that to the contract as a synonym" if new else ""
        blind = f"; without it, {listed(rules)} cannot find anything" if (rules := row_rules.get(name)) else ""
        message = f"{name} is not in the file; it was {filled}{blind}{hint}"
        yield Finding(Change.COLUMN_GONE, name, "not in the file", filled, message)
    for name in new:
        message = f"{name!r} is new, and the contract does not know it, so its values are not in silver"
        yield Finding(Change.COLUMN_NEW, name, "in the file", "in no previous file", message)


def _rows(file: FileSummary, previous: Sequence[FileSummary], limits: DriftLimits) -> Iterator[Finding]:
    low, high = min(one.rows for one in previous), max(one.rows for one in previous)
    # A count varies by its root.
    factor = (1 + limits.rows_percent / 100) * math.exp(1.5 / math.sqrt(low))
    if not low / factor <= file.rows <= high * factor:
        usual = f"{range_words(f'{low:,}', f'{high:,}')} rows"
        message = f"the file has {file.rows:,} rows; {files_words(len(previous))} had {usual}"
        yield Finding(Change.ROWS, None, f"{file.rows:,} rows", usual, message)


def _rules(file: FileSummary, previous: Sequence[FileSummary], limits: DriftLimits) -> Iterator[Finding]:
    fewest = min(one.rows for one in previous)
    for reason, share in file.reasons.items():
        shares = [one.reasons.get(reason, 0.0) for one in previous]
        if share > max(shares) + limits.broken_percent / 100 + chance(max(shares), file.rows, fewest):
            usual = f"{range_words(percent(min(shares)), percent(max(shares)))} of the rows"
            message = f"{percent(share)} of the rows break {reason}; in {files_words(len(previous))}, {usual} did"
            yield Finding(Change.BROKEN_RULE, None, f"{percent(share)} break {reason}", usual, message)
