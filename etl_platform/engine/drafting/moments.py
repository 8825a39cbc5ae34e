"""The formats in which a column's dates, timestamps and times of day are written. Texts in, formats out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl_platform.engine.contract.model import Column, ColumnType
from etl_platform.engine.contract.two_digit_years import has_two_digit_year
from etl_platform.engine.drafting.typed_texts import candidate, read_by_each
from etl_platform.engine.values.excel_dates import EXCEL_SERIAL
from etl_platform.engine.values.format_conflicts import contradiction

_DATES = (
    *("yyyy-MM-dd", "M/d/yyyy", "d/M/yyyy", "M-d-yyyy", "d-M-yyyy", "d.M.yyyy", "M.d.yyyy", "yyyy/M/d", "yyyy-M-d"),
    *("yyyy.M.d", "M/d/yy", "d/M/yy", "M-d-yy", "d-M-yy", "d.M.yy", "d-MMM-yyyy", "d-MMM-yy", "d MMM yyyy"),
    *("d MMMM yyyy", "MMM d, yyyy", "MMMM d, yyyy", "MMM d yyyy", "MMMM d yyyy"),
)
_PLAIN_DATES = ("yyyyMMdd", "MMddyyyy")
"""All digits, so the column's name must say that it is a date, or many values prove it."""
_PROVEN = re.compile(r"(?:19|20)[0-9]{6}")
_LEAST_PROVEN = 20
_TIMES = (
    *("HH:mm", "HH:mm:ss", "H:mm", "H:mm:ss", "hh:mm a", "h:mm a", "hh:mm:ss a", "h:mm:ss a", "h:mma", "hh:mma"),
    *("HH:mm:ss.SSS", "HH:mm:ss.SSSSSS"),
)
_PLAIN_TIME = "HHmm"
_SERIALS = (20_000, 60_000)
"""Excel's day numbers of the years 1954 to 2064."""
_MONTH_FIRST = re.compile("M[-/.]d[-/.]")
_MOMENT = re.compile(r"(?P<day>.*?\d)(?P<between>T| +|, +)(?P<time>\d{1,2}:\d\d.*?)(?P<utc>Z?)")
_MOST_FORMATS = 4
_TOLERATED = 0.01
"""Share of rows that no format explains, in the sample; the files are checked as a whole later."""


@dataclass(frozen=True)
class MomentGuess:
    """The formats of a column. ``assumed_order``: whether nothing in the texts proves that the month is first."""

    kind: ColumnType
    formats: tuple[str, ...]
    pivot: int | None
    assumed_order: bool


def guess_moments(counts: Mapping[str, int], *, is_day: bool, is_time: bool, pivot: int) -> MomentGuess | None:
    """The type and formats that explain the texts, or None.

    Args:
        counts: rows by text.
        is_day, is_time: whether the column's name says so, for texts of digits alone.
        pivot: the first of the hundred years that two digits would mean.
    """
    if not any(map(str.isdigit, "".join(counts))):
        return None
    if is_day and all(text.isdecimal() and _SERIALS[0] <= int(text) <= _SERIALS[1] for text in counts):
        return MomentGuess(ColumnType.DATE, (EXCEL_SERIAL,), None, assumed_order=False)
    is_proven = len(counts) >= _LEAST_PROVEN and all(map(_PROVEN.fullmatch, counts))
    days = (*_DATES, *(_PLAIN_DATES if is_day else _PLAIN_DATES[:1] if is_proven else ()))
    if found := _explain(counts, ColumnType.DATE, days, pivot):
        return found
    if found := _explain(counts, ColumnType.TIME, (*_TIMES, *((_PLAIN_TIME,) if is_time else ())), pivot):
        return found
    return _explain(counts, ColumnType.TIMESTAMP, _timestamp_formats(counts, pivot), pivot)


def _explain(counts: Mapping[str, int], kind: ColumnType, patterns: Sequence[str], pivot: int) -> MomentGuess | None:
    """Formats that together read nearly all rows: each time the one that reads most of the rest."""
    read = dict(zip(patterns, read_by_each(counts, [_candidate(kind, p, pivot) for p in patterns]), strict=True))
    rest, rows, chosen = set(counts), sum(counts.values()), list[str]()
    while rest and len(chosen) < _MOST_FORMATS:
        best = max(patterns, key=lambda p: _rows(counts, read[p] & rest), default=None)
        if best is None or not read[best] & rest:
            break
        if contradiction((*chosen, best)):
            # The two readings of one text: which of them is right is not for a draft to say.
            return None
        chosen.append(best)
        rest -= read[best]
    if not chosen or _rows(counts, rest) > rows * _TOLERATED:
        return None
    two_digits = has_two_digit_year(chosen)
    return MomentGuess(kind, tuple(chosen), pivot if two_digits else None, _is_assumed(chosen, read, counts))


def _is_assumed(chosen: Sequence[str], read: Mapping[str, set[str]], counts: Mapping[str, int]) -> bool:
    for pattern in chosen:
        if _MONTH_FIRST.search(pattern):
            other = re.sub(r"M([-/.])d", r"d\1M", pattern)
            if other in read and read[pattern] <= read[other] and read[pattern] & set(counts):
                return True
    return False


def _timestamp_formats(counts: Mapping[str, int], pivot: int) -> list[str]:
    """The formats of timestamps whose day and time, taken alone, have formats."""
    found: dict[str, None] = {}
    splits = [match for text in counts if (match := _MOMENT.fullmatch(text))]
    for between in dict.fromkeys(match["between"] for match in splits):
        for utc in dict.fromkeys(match["utc"] for match in splits):
            mine = [match for match in splits if (match["between"], match["utc"]) == (between, utc)]
            days = _readers([match["day"] for match in mine], ColumnType.DATE, _DATES, pivot)
            times = _readers([match["time"] for match in mine], ColumnType.TIME, _TIMES, pivot)
            literal, end = "'T'" if between == "T" else between, "'Z'" if utc else ""
            found |= dict.fromkeys(f"{day}{literal}{time}{end}" for day in days for time in times)
    return list(found)


def _readers(texts: Sequence[str], kind: ColumnType, patterns: Sequence[str], pivot: int) -> list[str]:
    columns = [_candidate(kind, pattern, pivot) for pattern in patterns]
    return [pattern for pattern, read in zip(patterns, read_by_each(texts, columns), strict=True) if read]


def _candidate(kind: ColumnType, pattern: str, pivot: int) -> Column:
    return candidate(kind, pattern, pivot=pivot if has_two_digit_year([pattern]) else None)


def _rows(counts: Mapping[str, int], texts: set[str]) -> int:
    return sum(counts[text] for text in texts)
