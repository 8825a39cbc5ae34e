"""A stored number with its format → the text that Excel shows, for all kinds of workbooks. No files.

A number is its value with 15 significant digits, a percentage too (0.5, not 50 %). Dates are ISO texts.
"""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal

from etl_platform.engine.reading.workbooks.number_formats import NumberFormat, Shows, fill_template
from etl_platform.engine.values.excel_dates import EXCEL_ORIGIN

_DIGITS = 15
_MANY_DIGITS = re.compile(r"-?[0-9]{16,}")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_MOMENT = re.compile(r"(?:([0-9]{4}-[0-9]{2}-[0-9]{2})T)?([0-9]{2}):([0-9]{2}):([0-9]{2}(?:\.[0-9]{1,40})?)")
_DURATION = re.compile(r"()PT(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9}(?:\.[0-9]{1,40})?)S)?")
_NO_LEAP_DAY = 60
"""Excel's 29 February 1900, which did not exist; days before it count from 1899-12-31."""
_LAST_DAY = date(9999, 12, 31)


def stored_number(text: str, form: NumberFormat, origin: date) -> str:
    """The text of a number that a file stores as text.

    Args:
        origin: day 0 of the workbook.

    Returns:
        What Excel shows; the text itself where it is no number, or a whole number with more digits than a float has.
    """
    if form.shows is Shows.NUMBER and _MANY_DIGITS.fullmatch(text):
        return text
    return number_text(float(text), form, origin) if _NUMBER.fullmatch(text) else text


def number_text(number: float, form: NumberFormat, origin: date) -> str:
    """The text of a number; a date or time that Excel cannot show is a number."""
    shown = None if form.shows is Shows.NUMBER else _moment_text(number, form, origin)
    if shown is not None:
        return shown
    text = plain_text(number)
    template = form.template_for(number)
    return fill_template(template, text) if template and text.isdigit() else text


def stored_moment(text: str, form: NumberFormat) -> str:
    """The text of a date, time or duration that a file stores as ISO 8601: ISO/IEC 29500-1, 18.17.4.

    Excel stores digits of noise behind the seconds. A text of another kind stays as it is, and a zone other than
    that of a date.
    """
    match = _MOMENT.fullmatch(text.removesuffix("Z")) or _DURATION.fullmatch(text)
    if match is None:
        return text
    day, *parts = match.groups()
    hours, minutes, seconds = (Decimal(part or 0) for part in parts)
    step_ms = 1 if form.fractions or form.shows is Shows.NUMBER else 1000
    milliseconds = round((hours * 3600 + minutes * 60 + seconds) * 1000 / step_ms) * step_ms
    if not day:
        return _elapsed(milliseconds, width=2 if day is None else 1)
    try:
        shown = _iso(milliseconds, date.fromisoformat(day))
    except ValueError:
        return text
    return text if text.endswith("Z") and "T" in shown else shown


def plain_text(number: float) -> str:
    """The 15 digits that Excel keeps, without an exponent; the digits after them are noise of binary fractions."""
    text = f"{number:.{_DIGITS}g}"
    return f"{Decimal(text):f}" if "e" in text else text


def _moment_text(number: float, form: NumberFormat, origin: date) -> str | None:
    if not 0 <= number < (_LAST_DAY - origin).days + 1:
        return None
    step_ms = 1 if form.fractions else 1000
    milliseconds = round(number * 86_400_000 / step_ms) * step_ms
    if form.shows is Shows.ELAPSED:
        return _elapsed(milliseconds, width=1)
    since_1900 = origin == EXCEL_ORIGIN
    if form.shows is Shows.TIME and number < (_NO_LEAP_DAY + 1 if since_1900 else 1):
        return _elapsed(milliseconds, width=2)
    if since_1900 and number < 1:
        return _elapsed(milliseconds, width=2) if form.shows is Shows.MOMENT else None
    if since_1900 and number < _NO_LEAP_DAY + 1:
        if number >= _NO_LEAP_DAY:
            return None
        origin += timedelta(days=1)
    return _iso(milliseconds, origin)


def _iso(milliseconds: int, origin: date) -> str:
    days, rest = divmod(milliseconds, 86_400_000)
    if days > (_LAST_DAY - origin).days:
        # The last second of 9999 has no next one.
        days, rest = days - 1, 86_399_000
    day = origin + timedelta(days=days)
    if not rest:
        return day.isoformat()
    moment = datetime(day.year, day.month, day.day) + timedelta(milliseconds=rest)  # noqa: DTZ001 - a cell has no zone
    return moment.isoformat(timespec="milliseconds" if rest % 1000 else "seconds")


def _elapsed(milliseconds: int, width: int) -> str:
    """Hours, minutes and seconds. A day that is shown as a time of day has 24 hours."""
    seconds, fraction = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    text = f"{minutes // 60:0{width}}:{minutes % 60:02}:{seconds:02}"
    return f"{text}.{fraction:03}" if fraction else text
