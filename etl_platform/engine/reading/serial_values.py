"""Excel's serial numbers as dates, times and durations, for cells that show one. No files."""

from datetime import date, datetime, time, timedelta

_FIRST_1900, _FIRST_1904 = date(1899, 12, 31), date(1904, 1, 1)
_LEAP_DAY = 60
"""Excel counts 1900-02-29, a day that does not exist."""
_TOO_LATE = 2_958_466
"""10000-01-01"""
_DAY_MS = 86_400_000
_MIDNIGHT = time(0)

CalendarValue = float | date | datetime | time | timedelta


def calendar_value(number: float, *, since_1904: bool, is_elapsed: bool) -> CalendarValue:
    """A serial number as Excel shows it; the number itself where Excel shows no date.

    Args:
        is_elapsed: the cell shows hours, minutes or seconds that have passed, such as ``[h]:mm``.
    """
    if not 0 <= number < _TOO_LATE or (not since_1904 and int(number) == _LEAP_DAY):
        return number
    passed = timedelta(milliseconds=round(number * _DAY_MS))
    if is_elapsed:
        return passed
    clock = (datetime.combine(_FIRST_1900, _MIDNIGHT) + passed).time()
    if not passed.days:
        return clock
    days = passed.days - (not since_1904 and passed.days > _LEAP_DAY)
    first = _FIRST_1904 if since_1904 else _FIRST_1900
    if days > (date.max - first).days:
        return number
    day = first + timedelta(days=days)
    return day if clock == _MIDNIGHT else datetime.combine(day, clock)
