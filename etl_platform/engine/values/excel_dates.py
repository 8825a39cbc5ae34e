"""Excel's serial numbers → dates, timestamps and times of day. A serial number counts the days since 1899-12-30.

Excel treats 1900 as a leap year, so numbers below 61 (1900-03-01) are a day off and are refused.
"""

from datetime import date

import polars as pl

EXCEL_SERIAL = "excelSerial"
EXCEL_ORIGIN = date(1899, 12, 30)
MAC_ORIGIN = date(1904, 1, 1)
"""Day 0 of workbooks that old Macintoshes wrote."""
_FIRST = 61
_DAY_MS = 86_400_000


def read_serial(text: pl.Expr, origin: date = EXCEL_ORIGIN, *, is_date: bool) -> pl.Expr:
    """Whole days as dates, or days with a fraction as timestamps, rounded to milliseconds as Excel does.

    ``origin`` is day 0; old Macintosh workbooks count from 1904-01-01.
    """
    epoch, last = (date(1970, 1, 1) - origin).days, (date(9999, 12, 31) - origin).days
    days = text.str.extract(r"^([0-9]{1,7})").cast(pl.Int32, strict=False)
    in_range = days.is_between(_FIRST, last)
    if is_date:
        shape, value = r"^[0-9]{1,7}(?:\.0+)?$", (days - epoch).cast(pl.Date)
    else:
        milliseconds = (text.cast(pl.Float64, strict=False) * _DAY_MS).round().cast(pl.Int64, strict=False)
        # The last millisecond of 9999 may round up to the year 10000, which a date cannot hold.
        in_range &= milliseconds < (last + 1) * _DAY_MS
        shape = r"^[0-9]{1,7}(?:\.[0-9]+)?$"
        value = (milliseconds - epoch * _DAY_MS).cast(pl.Datetime("ms")).cast(pl.Datetime("us"))
    return pl.when(text.str.contains(shape) & in_range).then(value)


def read_day_fraction(text: pl.Expr) -> pl.Expr:
    """A fraction of a day below 1 as a time of day, rounded to milliseconds as Excel does."""
    milliseconds = (text.cast(pl.Float64, strict=False) * _DAY_MS).round().cast(pl.Int64, strict=False)
    value = (milliseconds * 1_000_000).cast(pl.Time, strict=False)
    return pl.when(text.str.contains(r"^0(?:\.[0-9]+)?(?:E-[0-9]+)?$") & (milliseconds < _DAY_MS)).then(value)
