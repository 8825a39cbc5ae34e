"""Excel's serial numbers → dates and timestamps: days since 1899-12-30, as a workbook saved as text has them.

Excel takes 1900 for a leap year, so its numbers below 61 (1900-03-01) are a day off and are refused.
"""

import polars as pl

EXCEL_SERIAL = "excelSerial"
_FIRST, _LAST = 61, 2_958_465
_UNIX_EPOCH = 25_569
_DAY_MS = 86_400_000


def read_serial(text: pl.Expr, *, is_date: bool) -> pl.Expr:
    """Whole days as dates; days with a fraction as timestamps, to the nearest millisecond as Excel shows them."""
    days = text.str.extract(r"^([0-9]{1,7})").cast(pl.Int32, strict=False)
    held = days.is_between(_FIRST, _LAST)
    if is_date:
        shape, value = r"^[0-9]{1,7}(?:\.0+)?$", (days - _UNIX_EPOCH).cast(pl.Date)
    else:
        milliseconds = (text.cast(pl.Float64, strict=False) * _DAY_MS).round().cast(pl.Int64, strict=False)
        # The last millisecond of 9999 may round up to a year that no date has.
        held &= milliseconds < (_LAST + 1) * _DAY_MS
        shape = r"^[0-9]{1,7}(?:\.[0-9]+)?$"
        value = (milliseconds - _UNIX_EPOCH * _DAY_MS).cast(pl.Datetime("ms")).cast(pl.Datetime("us"))
    return pl.when(text.str.contains(shape) & held).then(value)
