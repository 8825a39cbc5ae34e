"""Which formats have years of two digits, and the property that states their century."""

import re
from collections.abc import Iterable

PIVOT = "twoDigitYearsFrom"
"""The custom property that states the first of the hundred years which two digits can mean."""
_QUOTED = re.compile(r"'[^']*'")
_TWO_DIGITS = re.compile(r"(?<![yu])(?:yy|uu)(?![yu])")


def has_two_digit_year(patterns: Iterable[str]) -> bool:
    return any(_TWO_DIGITS.search(_QUOTED.sub("", pattern)) for pattern in patterns)
