"""Dates in SQL as Polars expressions: texts that are read, parts that are cut off or counted. No SQL here.

Polars infers the format of ``DATE(text)`` from the first value of a batch, and chrono is lenient. Here a text has one
meaning, whatever its neighbours are.
"""

import re

import polars as pl

DATE_PARTS = {
    "year": "1y",
    "quarter": "1q",
    "month": "1mo",
    "week": "1w",
    "day": "1d",
    "hour": "1h",
    "minute": "1m",
    "second": "1s",
}
"""Parts of ``DATE_TRUNC`` as Polars writes them; weeks begin on Monday."""
_SECONDS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
DIFF_PARTS = ("year", "quarter", "month", *_SECONDS)
"""Parts of ``DATE_DIFF``. Databases disagree about weeks."""

_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
_GUARDS = {"Date": _DAY, "Datetime": f"{_DAY}(?:[T ]{_CLOCK})?", "Time": _CLOCK}
_FORMATS = {"Date": "%Y-%m-%d", "Datetime": "%Y-%m-%d %H:%M:%S%.f", "Time": "%H:%M:%S%.f"}
_TYPES: dict[str, pl.Date | pl.Datetime | pl.Time] = {
    "Date": pl.Date(),
    "Datetime": pl.Datetime("us"),
    "Time": pl.Time(),
}
_INVALID = "-"
"""No format of a date matches it."""


def parsed(text: pl.Expr, kind: str, form: str | None, *, strict: bool) -> pl.Expr:
    """A text as a date, timestamp or time.

    Args:
        kind: Date, Datetime or Time.
        form: of strftime; None for ISO 8601.
        strict: whether a text that cannot be read fails the row; otherwise it is null.
    """
    guard = _GUARDS[kind] if form is None else format_guard(form)
    guarded = pl.when(text.str.contains(f"^(?:{guard})$")).then(text if form else _complete(text, kind))
    given = guarded.when(text.is_not_null()).then(pl.lit(_INVALID))
    return given.str.strptime(_TYPES[kind], form or _FORMATS[kind], strict=strict)


def _complete(text: pl.Expr, kind: str) -> pl.Expr:
    """An ISO text with seconds, and a blank before the time."""
    if kind == "Date":
        return text
    text = text.str.replace("T", " ", literal=True)
    day = pl.when(text.str.len_chars() == len("2026-01-05")).then(text + " 00:00:00") if kind == "Datetime" else pl
    return day.when(text.str.contains(r"(?:^|[ ])[0-9]{2}:[0-9]{2}$")).then(text + ":00").otherwise(text)


def format_guard(form: str) -> str:
    """A pattern that texts of a format match: %Y has four digits, because 20-01-05 is a typing error."""
    pieces = re.findall(r"%[-_0]?[A-Za-z%]|%[.0-9]+f|[^%]+|%", form)
    return "".join(
        "[0-9]{4}" if piece == "%Y" else ".+?" if piece.startswith("%") else re.escape(piece) for piece in pieces
    )


def date_trunc(part: str, moment: pl.Expr) -> pl.Expr:
    return moment.dt.truncate(DATE_PARTS[part])


def date_diff(part: str, start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """How many boundaries of years, months, … are between two moments, as whole numbers."""
    if part in {"year", "quarter", "month"}:
        return _count(part, end) - _count(part, start)
    unit = DATE_PARTS[part]
    seconds = (end.cast(pl.Datetime("us")).dt.truncate(unit) - start.cast(pl.Datetime("us")).dt.truncate(unit)).dt
    return seconds.total_seconds() // _SECONDS[part]


def _count(part: str, moment: pl.Expr) -> pl.Expr:
    year = moment.dt.year().cast(pl.Int64)
    if part == "year":
        return year
    return year * 4 + moment.dt.quarter() if part == "quarter" else year * 12 + moment.dt.month()
