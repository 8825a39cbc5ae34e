"""Whether the dates of a column are birth dates: by the words of its name, or by how they are distributed. Pure."""

import re
from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from etl_platform.engine.column_words import words
from etl_platform.engine.privacy.personal_words import BIRTHS, EVENTS, MONTHS

Days = npt.NDArray[np.int64]
"""Days since 1970."""

LEAST_DATES = 30
_OLDEST, _CHILD = 110, 12
_LEAST_WEEKEND = 0.15
_MEDIAN_AGES, _LEAST_SPREAD = (16, 75), 15
_YEAR = 365.25
_EPOCH = date(1970, 1, 1).toordinal()
_MONTHS = {name: place for place, name in enumerate(MONTHS, 1)}
_ISO = re.compile(r"([0-9]{4})[-/]?([0-9]{2})[-/]?([0-9]{2})(?:[T ].*)?")
_PARTS = re.compile(r"([0-9]{1,2})[-/. ]([0-9]{1,2}|[A-Za-z]{3})[A-Za-z]*[-/. ]([0-9]{4}|[0-9]{2})(?: .*)?")


def is_named_birth(names: Sequence[str]) -> bool:
    found = [word for name in names for word in words(name)]
    return any(word in BIRTHS or word.startswith("birth") or word.endswith("birth") for word in found)


def days_of(texts: Iterable[str], newest_year: int) -> Days:
    """The texts that are dates in a usual form, as days; of day and month, the month is first if both can be."""
    found = [day for text in texts if (day := _day(text, newest_year)) is not None]
    return np.array(found, dtype=np.int64)


def _day(text: str, newest_year: int) -> int | None:
    if iso := _ISO.fullmatch(text):
        year, month, day = map(int, iso.groups())
    elif parts := _PARTS.fullmatch(text):
        first, second, year = parts[1], parts[2], int(parts[3])
        if second.isalpha():
            month, day = _MONTHS.get(second.lower(), 0), int(first)
        else:
            month, day = (int(first), int(second)) if int(first) <= 12 else (int(second), int(first))
        if len(parts[3]) == 2:
            year += 2000 if year <= newest_year % 100 else 1900
    else:
        return None
    try:
        return date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None


def may_be_births(names: Sequence[str]) -> bool:
    """Whether no name of a column says that its dates are those of something else."""
    return EVENTS.isdisjoint(word for name in names for word in words(name))


def are_birth_dates(days: Days, newest: int) -> bool:
    """Whether dates are spread over the ages of living people, up to the newest date of the file.

    Args:
        days: of a sample of the rows.
        newest: the newest date that the file has in any column.
    """
    ages = np.sort((newest - days) / _YEAR)
    if ages[len(ages) // 100] < 0 or ages[-1 - len(ages) // 100] > _OLDEST:
        return False
    young, middle, old = (ages[len(ages) * tenth // 10] for tenth in (1, 5, 9))
    return bool(
        young >= _CHILD
        and _MEDIAN_AGES[0] <= middle <= _MEDIAN_AGES[1]
        and old - young >= _LEAST_SPREAD
        # People are hired on weekdays, and born on any day.
        and np.count_nonzero((days + 3) % 7 >= 5) >= _LEAST_WEEKEND * len(days)
        and len(set(days.tolist())) >= len(days) / 3
    )


def is_birth(text: str, newest_year: int) -> bool:
    """Whether a text is a date or a year in which people who live can be born."""
    is_year = len(text) in (4, 6) and text.removesuffix(".0").isdigit()
    if is_year:
        year = int(text.removesuffix(".0"))
    elif (day := _day(text, newest_year)) is not None:
        year = date.fromordinal(day + _EPOCH).year
    else:
        return False
    return newest_year - _OLDEST <= year <= newest_year
