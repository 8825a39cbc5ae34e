"""The words of findings, and what chance does to a share."""

import math
from collections.abc import Sequence

_SIGMAS = 3.0


def rows_words(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def chance(share: float, *rows: int) -> float:
    """By how much the shares of two files of so many rows differ by chance at most."""
    return _SIGMAS * math.sqrt(max(share * (1 - share), 1 / min(rows)) * sum(1 / number for number in rows))


def range_words(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def files_words(number: int) -> str:
    return "the last file" if number == 1 else f"the last {number} files"


def listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def percent(share: float) -> str:
    """``0.1234`` → ``12.3 %``."""
    return f"{100 * share:.1f} %".replace(".0 %", " %")
