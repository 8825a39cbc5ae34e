"""Finds what is unusual about one column of a file, beside the same column of the previous files."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from etl_platform.engine.contract.drift_limits import DriftLimits
from etl_platform.engine.drift.compare_numbers import compare_numbers
from etl_platform.engine.drift.distance import share_distance, share_spread
from etl_platform.engine.drift.finding import Change, Finding
from etl_platform.engine.drift.seen_column import MIN_ROWS, Measure, SeenColumn, distribution_finding, far
from etl_platform.engine.drift.summary import FileSummary
from etl_platform.engine.drift.words import chance, files_words, percent, range_words

_SURE_ROWS = 12
"""A value that is expected in so many rows is absent by chance in one of 160,000 files."""
_SURE_SHARE, _NEW_SHARE, _NEW_ROWS = 0.01, 0.02, 10
_ONE_FILE = 1.5
"""A single previous file may itself be unusual, so that much more is expected of it."""
_DISTINCT_FACTOR, _MIN_DISTINCT = 2.0, 20
_ALL_DIFFERENT, _REPEATED = 0.97, 0.85
"""Shares of different values: of a column without repeats as far as an estimate can tell, and of one with repeats."""
_SOME_VALUES = 3
"""A column that had so many values in each file does not have a single one by chance."""
_SPREAD = 1.2
"""Three times what chance does on average between the shares of two files of one row each, per unit of spread."""
_SHOWN = 5
Shares = Mapping[str, float]


def compare_column(
    name: str, file: FileSummary, previous: Sequence[FileSummary], limits: DriftLimits
) -> Iterator[Finding]:
    """What is unusual about a column that the file has; nothing if no previous file had it."""
    now = SeenColumn.of(name, file)
    seen = [SeenColumn.of(name, one) for one in previous if name in one.columns]
    if not seen:
        return
    yield from _nulls(now, seen, limits)
    seen = [one for one in seen if one.filled >= MIN_ROWS]
    if not seen or now.filled < MIN_ROWS:
        return
    if now.summary.quantiles is not None:
        yield from compare_numbers(now, seen, limits)
        return
    known = [values for one in seen if (values := one.summary.values) is not None]
    if now.summary.values is not None and len(known) == len(seen):
        yield from _coded(now, seen, limits)
    else:
        yield from _distinct(now, seen, max(map(len, known)) if len(known) == len(seen) else None)
        yield from _forms(now, seen, limits)


def _nulls(now: SeenColumn, seen: Sequence[SeenColumn], limits: DriftLimits) -> Iterator[Finding]:
    share, limit = now.summary.nulls, limits.nulls_percent / 100
    shares = [one.summary.nulls for one in seen]
    is_emptied = share == 1 and (1 - max(shares)) * now.file.rows >= _SURE_ROWS
    if not is_emptied and min(shares) - limit <= share <= max(shares) + limit:
        # The usual case. Chance only widens the range.
        return
    ranges = [(one.summary.nulls, chance(one.summary.nulls, now.file.rows, one.file.rows)) for one in seen]
    is_more = share > max(usual + by_chance for usual, by_chance in ranges) + limit
    is_less = share < min(usual - by_chance for usual, by_chance in ranges) - limit
    if is_emptied or is_more or is_less:
        found = f"empty in {percent(share)} of the rows"
        usual = range_words(percent(min(shares)), percent(max(shares)))
        message = f"{now.name} is {found}; in {files_words(len(seen))}, it was in {usual}"
        yield Finding(Change.NULLS, now.name, found, usual, message)


def _years_of_files(columns: Sequence[SeenColumn]) -> set[str]:
    """The years in which the files were delivered, and those beside them: as values they come and go with time."""
    years = [one.file.day.year for one in columns]
    return {str(year) for year in range(min(years) - 1, max(years) + 2)}


def _is_about_file(shares: Shares, known: Sequence[Shares]) -> bool:
    """Whether each file has one value, such as its year, and the values differ or may do so."""
    constants = {next(iter(values), None) for values in known}
    return max(map(len, (shares, *known))) <= 1 and (len(known) == 1 or len(constants) > 1)


def _coded(now: SeenColumn, seen: Sequence[SeenColumn], limits: DriftLimits) -> Iterator[Finding]:
    """Of a column with few values: those that came or went, and their shares."""
    years = _years_of_files([now, *seen])
    shares, known = now.shares(years), [one.shares(years) for one in seen]
    if _is_about_file(shares, known):
        return
    rows = now.file.rows
    least = {value: min(values.get(value, 0.0) for values in known) for value in known[-1]}
    gone = [value for value, share in least.items() if value not in shares and _is_sure(share, rows, len(known))]
    if gone:
        lost = _listed(gone, known[-1])
        message = f"{now.name} has no row with values that {files_words(len(seen))} had: {lost}"
        yield Finding(Change.VALUES_GONE, now.name, "no row", lost, message)
    before = sum(one.file.rows for one in seen)
    enough = max(_NEW_SHARE, _NEW_ROWS / rows, (_ONE_FILE if len(seen) == 1 else 1) * _SURE_ROWS / before)
    new = [value for value, share in shares.items() if share >= enough and not any(value in one for one in known)]
    if new:
        came = _listed(new, shares)
        message = f"{now.name} has values that {files_words(len(seen))} did not have: {came}"
        yield Finding(Change.VALUES_NEW, now.name, came, "no row", message)
    if not gone and not new:
        measure = _measure(shares, lambda one: one.shares(years), lambda one: one.file.rows)
        if unusual := far(now, seen, limits, measure):
            found = f"{percent(unusual[0])} of the rows have other values"
            yield distribution_finding(now, len(seen), found, unusual[1], "have others")


def _measure(shares: Shares, of: Callable[[SeenColumn], Shares], size: Callable[[SeenColumn], int]) -> Measure:
    """Compares shares of values or forms with those that ``of`` gives of a previous file."""
    spread = share_spread(shares)
    return Measure(
        lambda one: share_distance(shares, of(one)),
        lambda one: _SPREAD * max(spread, share_spread(of(one))),
        size,
    )


def _is_sure(share: float, rows: int, files: int) -> bool:
    factor = _ONE_FILE if files == 1 else 1
    return share >= factor * _SURE_SHARE and share * rows >= factor * _SURE_ROWS


def _listed(values: Sequence[str], shares: Mapping[str, float]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(f"{value!r} ({percent(shares[value])})" for value in values[:_SHOWN]) + more


def _distinct(now: SeenColumn, seen: Sequence[SeenColumn], most_codes: int | None) -> Iterator[Finding]:
    """Of texts with many values: whether far fewer or more are different, or whether none is repeated any longer.

    Args:
        most_codes: the largest number of values of a previous file, if all of them had few.
    """
    counts = [one.summary.distinct for one in seen]
    ratios = [one.summary.distinct / one.filled for one in seen]
    count, ratio = now.summary.distinct, now.summary.distinct / now.filled
    if most_codes is not None:
        is_unusual = count > _DISTINCT_FACTOR * most_codes
    else:
        is_other_number = max(counts) >= _MIN_DISTINCT and _is_outside(count, counts) and _is_outside(ratio, ratios)
        is_constant = count == 1 and min(counts) >= _SOME_VALUES
        is_unusual = is_other_number or is_constant or _is_repeated_otherwise(now, seen, ratio, ratios)
    if is_unusual:
        found = f"{count:,} different values in {now.filled:,} rows"
        usual = range_words(f"{min(counts):,}", f"{max(counts):,}")
        filled = [one.filled for one in seen]
        of_rows = range_words(f"{min(filled):,}", f"{max(filled):,}")
        message = f"{now.name} has {found}; {files_words(len(seen))} had {usual} in {of_rows}"
        yield Finding(Change.DISTINCT, now.name, found, f"{usual} in {of_rows}", message)


def _is_outside(number: float, usual: Sequence[float]) -> bool:
    return not min(usual) / _DISTINCT_FACTOR <= number <= max(usual) * _DISTINCT_FACTOR


def _is_repeated_otherwise(now: SeenColumn, seen: Sequence[SeenColumn], ratio: float, ratios: Sequence[float]) -> bool:
    """Whether values that were repeated are all different, or the other way round, in files of about the same size."""
    if _is_outside(now.filled, [one.filled for one in seen]):
        return False
    is_unique = ratio >= _ALL_DIFFERENT and max(ratios) <= _REPEATED and (1 - max(ratios)) * now.filled >= _SURE_ROWS
    is_repeated = ratio <= _REPEATED and min(ratios) >= _ALL_DIFFERENT and (1 - ratio) * now.filled >= _SURE_ROWS
    return is_unique or is_repeated


def _forms(now: SeenColumn, seen: Sequence[SeenColumn], limits: DriftLimits) -> Iterator[Finding]:
    """Whether values are of other lengths, kinds of characters, decades or magnitudes."""
    shares = now.summary.forms
    alike = [one for one in seen if one.summary.forms and one.summary.sampled >= MIN_ROWS]
    if not shares or not alike or now.summary.sampled < MIN_ROWS:
        return
    measure = _measure(shares, lambda one: one.summary.forms or {}, lambda one: one.summary.sampled)
    if unusual := far(now, alike, limits, measure):
        forms = _forms_words(shares, alike[-1].summary.forms or {})
        found = f"{percent(unusual[0])} of the values have another form ({forms})"
        yield distribution_finding(now, len(seen), found, unusual[1], "have another form")


def _forms_words(now: Shares, last: Shares) -> str:
    """The form with more values than in the last file, and that with fewer."""
    more, less = (
        max(one, key=lambda form: one[form] - other.get(form, 0.0)) for one, other in ((now, last), (last, now))
    )
    shares = [f"{form} {percent(last.get(form, 0.0))} → {percent(now.get(form, 0.0))}" for form in (less, more)]
    return ", ".join(shares)
