"""Rules about the values of one column: allowed values, a pattern, bounds with slack. Guesses; nothing is read here."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from etl_platform.engine.contract.named_formats import TEXT_PATTERNS
from etl_platform.engine.drafting.word_lists import FUTURE_DATES, MONTHS, WEEKDAYS

_MOST_ALLOWED = 50
_ROWS_PER_VALUE = 5
_SEEN_ONCE, _FEW_ONCE = 0.01, 0.1
"""Values seen in one row alone: at most these shares of the rows and of the values."""
_LONGEST_ALLOWED = 60
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,39}")
_LEAST_CODES = 10
"""Distinct texts that show a form."""
_NAMED = ("email", "uuid", "ipv4", "uri")
_YEARS = (1900, 2100)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d{2}(?!\d)")
_SHARES = frozenset({"share", "percent", "pct", "percentage"})
_DAYS_OF_SLACK = 3_653
_CALENDAR = (MONTHS, [m[:3] for m in MONTHS], WEEKDAYS, [d[:3] for d in WEEKDAYS])
_IMPLIED: dict[str, tuple[float, float]] = {
    "day": (1, 31),
    "month": (1, 12),
    "hour": (0, 23),
    "minute": (0, 59),
    **dict.fromkeys(("lat", "latitude"), (-90, 90)),
    **dict.fromkeys(("lon", "lng", "long", "longitude"), (-180, 180)),
    "age": (0, 130),
}
"""Bounds by the last word of a column's name."""
_CLASSES = {"d": "[0-9]", "u": "[A-Z]", "l": "[a-z]"}


def attribute_values(counts: Mapping[str, int]) -> tuple[str, ...] | None:
    """The closed list of an attribute of persons: each value is that of several rows, so it points at nobody."""
    return allowed_values(counts) if counts and min(counts.values()) >= _ROWS_PER_VALUE else None


def are_periods(texts: Collection[str]) -> bool:
    """Whether most texts name a year, such as ``2025-02`` or ``Q1 2025``."""
    return sum(bool(_YEAR.search(text)) for text in texts) * 2 > len(texts)


def completed_list(counts: Mapping[str, int]) -> tuple[str, ...] | None:
    """All months or weekdays, if all texts are some of them: a file of one month does not have the others."""
    for names in _CALENDAR:
        for write in (str.title, str.upper, str.lower):
            complete = tuple(map(write, names))
            if set(counts) <= set(complete):
                return complete
    return None


def allowed_values(counts: Mapping[str, int]) -> tuple[str, ...] | None:
    """All texts of a column as an enumeration, most frequent first, if they are evidently a closed list.

    Args:
        counts: rows by text, complete.
    """
    rows, once = sum(counts.values()), sum(times == 1 for times in counts.values())
    few = 2 <= len(counts) <= _MOST_ALLOWED and rows >= _ROWS_PER_VALUE * len(counts)
    # Values seen once foretell how many others there are that were not seen (Good and Turing).
    if (
        not few
        or once > min(rows * _SEEN_ONCE, len(counts) * _FEW_ONCE)
        or any(len(text) > _LONGEST_ALLOWED for text in counts)
    ):
        return None
    return tuple(sorted(counts, key=lambda text: (-counts[text], text)))


def named_format(texts: Collection[str]) -> str | None:
    """The format of ODCS that all texts have, such as ``email``."""
    if len(texts) < _LEAST_CODES:
        return None
    return next((name for name in _NAMED if all(re.search(TEXT_PATTERNS[name], text) for text in texts)), None)


def code_pattern(texts: Collection[str]) -> str | None:
    """The regular expression of codes such as ``AB-1234`` that all have the same runs of letters and digits."""
    if len(texts) < _LEAST_CODES or not all(map(_CODE.fullmatch, texts)):
        return None
    split = [[(sign, "".join(run)) for sign, run in groupby(text, _sign)] for text in texts]
    forms = {tuple(sign for sign, _ in runs) for runs in split}
    form = forms.pop()
    if forms or not ("d" in form or len(form) > 1 or _one_width(texts)):
        return None
    parts = [_part(sign, [runs[place][1] for runs in split]) for place, sign in enumerate(form)]
    return f"^{''.join(parts)}$"


def number_bounds(
    name_words: Sequence[str], low: float, high: float, *, whole: bool
) -> tuple[float | None, float | None]:
    """A minimum and maximum: those that the name implies, else with slack twice the largest value, rounded up."""
    if implied := implied_bounds(name_words, low, high):
        return implied
    if whole and _YEARS[0] <= low and high <= _YEARS[1]:
        return _YEARS
    if not whole and low >= 0 and high <= 1:
        return 0, 1
    least = 0 if low >= 0 else -_rounded_up(2 * -low)
    most = 0 if high < 0 else _rounded_up(2 * high)
    return least, (most if high > 0 or low < 0 else None)


def implied_bounds(name_words: Sequence[str], low: float, high: float) -> tuple[float, float] | None:
    """The bounds that a name implies, such as those of a month or a share, if the values are within them."""
    bounds = _IMPLIED.get(name_words[-1] if name_words else "")
    if not _SHARES.isdisjoint(name_words):
        bounds = (0, 1) if high <= 1 else (0, 100)
    return bounds if bounds and bounds[0] <= low and high <= bounds[1] else None


def date_bounds(name_words: Collection[str], low: date, high: date, today: date) -> tuple[str, bool]:
    """A minimum ten years before the first day, and whether days in the future are an error."""
    first = date(max(1000, date.fromordinal(max(1, low.toordinal() - _DAYS_OF_SLACK)).year), 1, 1)
    return first.isoformat(), high <= today and FUTURE_DATES.isdisjoint(name_words)


def _one_width(texts: Collection[str]) -> bool:
    return len({len(text) for text in texts}) == 1 and len(next(iter(texts))) <= 3


def _sign(letter: str) -> str:
    return "d" if letter.isdigit() else "u" if letter.isupper() else "l" if letter.islower() else letter


def _part(sign: str, runs: Sequence[str]) -> str:
    if sign not in _CLASSES:
        lengths = {len(run) for run in runs}
        return ("\\." if sign == "." else sign) + ("" if lengths == {1} else "+")
    if sign != "d" and len(set(runs)) == 1:
        return runs[0]
    lengths = {len(run) for run in runs}
    return _CLASSES[sign] + (f"{{{len(runs[0])}}}" if len(lengths) == 1 else "+")


def _rounded_up(value: float) -> Any:
    """To one digit: 184 gives 200. An int where it has no fraction."""
    step = 10.0 ** math.floor(math.log10(value)) if value else 1.0
    rounded = round(math.ceil(value / step - 1e-9) * step, 12)
    return int(rounded) if rounded == int(rounded) else rounded
