"""What the names of a series have in common, and the period that a name states. Names in, text and days out."""

import re
from datetime import date
from functools import lru_cache

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL = ("uary", "ruary", "ch", "il", "", "e", "y", "ust", "t(?:ember)?", "ober", "ember", "ember")
_MONTH = "|".join(f"{short}(?:{rest})?" if rest else short for short, rest in zip(_MONTHS, _FULL, strict=True))
_YEAR, _SIGN = r"(?:19|20)\d\d", "[-_. /]"
# A month is a whole word, such as Mar in Mar2026 and not in Marshal; its day may stand on either side.
_MONTH_WORD = re.compile(
    rf"(?:(?<!\d)(\d\d?){_SIGN})?(?<![^\W\d_])({_MONTH})(?![^\W\d_])(?:{_SIGN}?(\d\d?)(?!\d))?", re.IGNORECASE
)
_ISO = re.compile(rf"(?<!\d)({_YEAR}){_SIGN}?(0[1-9]|1[0-2])(?:{_SIGN}?(0[1-9]|[12]\d|3[01]))?(?!\d)")
_AMERICAN = re.compile(rf"(?<!\d)(0?[1-9]|1[0-2]){_SIGN}(?:(0?[1-9]|[12]\d|3[01]){_SIGN})?({_YEAR})(?!\d)")
_QUARTER = re.compile(rf"(?<!\d)({_YEAR}){_SIGN}?Q([1-4])(?!\d)", re.IGNORECASE)
_ONLY_YEAR = re.compile(rf"(?<!\d)({_YEAR})(?!\d)")
_DATES = (_ISO, _QUARTER, _AMERICAN, _ONLY_YEAR)
_COPY = re.compile(r"[-_ ]*(?:\(\d+\)|(?<![^\W\d_])v\d+)(?=\.|$)", re.IGNORECASE)
"""``Stops (1).csv`` is what a browser makes of a second ``Stops.csv``, ``Stops_v2.csv`` what a person makes of it."""
_DIGITS, _NO_PART = re.compile(r"\d+"), re.compile(r"\d{3,}|(?<!\d)0+(?!\d)")


def series_name(name: str) -> str:
    """What a name has in common with those of its series: dates and other numbers are 0.

    Beside a date, a number of one or two digits is a part of the agency, such as a precinct, and stays as it is.
    """
    text = _numbered(name)
    dated = text
    for pattern in _DATES:
        dated = pattern.sub(lambda found: _DIGITS.sub("000", found[0]), dated)
    return _NO_PART.sub("0", dated) if dated != text else _DIGITS.sub("0", text)


def without_copy(name: str) -> str:
    """A name without the mark of a copy or a version."""
    return _COPY.sub("", name)


@lru_cache(maxsize=256)
def period(name: str) -> date | None:
    """The first day of the period that a name states; None if it states none."""
    text = _numbered(name)
    for pattern in _DATES:
        if found := pattern.search(text):
            return _first_day(pattern, found)
    return None


def _numbered(name: str) -> str:
    """A name without the mark of a copy, and with numbers for names of months."""
    text = without_copy(name)
    if not _MONTH_WORD.search(text):
        return text
    return re.sub(f"{_SIGN}{{2,}}", "-", _MONTH_WORD.sub(_month_number, text))


def _month_number(found: re.Match[str]) -> str:
    day = found[1] or found[3]
    return f"-{_MONTHS.index(found[2][:3].lower()) + 1:02}-{f'{day}-' if day else ''}"


def _first_day(pattern: re.Pattern[str], found: re.Match[str]) -> date | None:
    if pattern is _AMERICAN:
        month, day, year = found.groups()
    elif pattern is _QUARTER:
        year, month, day = found[1], str(int(found[2]) * 3 - 2), None
    elif pattern is _ONLY_YEAR:
        year, month, day = found[1], "1", None
    else:
        year, month, day = found.groups()
    try:
        return date(int(year), int(month), int(day or 1))
    except ValueError:
        return None
