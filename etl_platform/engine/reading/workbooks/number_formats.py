"""Excel's number formats: which ones add leading zeros to a number, and which ones show a date or time. No files."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

_LITERALS = r'\\.|"[^"]*"|\[[^\]<>=]*\]|[_*].'
"""Escaped and quoted text, colours and locales, blanks and fill characters."""
_PADDING = re.compile(rf"(?:{_LITERALS})*(?:#+(?=0))?(?:{_LITERALS}|[-0/:() ])+(?=;|$)")
_PIECE = re.compile(rf"{_LITERALS}|[0#]")
_UP_TO = re.compile(r"\[<(=?)([0-9]{1,15})\]([^;]*);(.*)", re.DOTALL)
"""A format for whole numbers up to a limit, and one for those above it."""
_SLOT = "\0"
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_QUOTED = re.compile(r'\\.|"[^"]*"')
_TIME_TOKENS = re.compile(r"am/pm|a/p|y+|m+|d+|h+|s+", re.IGNORECASE)
_NO_CODES = {"general", "standard", "estándar", "standaard", "@"}
"""Words for the default format; in some languages they have letters of dates."""


class Shows(StrEnum):
    """What a number format shows of a number."""

    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    MOMENT = "moment"
    ELAPSED = "elapsed"


class NumberFormat(NamedTuple):
    """What a format shows.

    Attributes:
        template: the ``zero_template`` of numbers, or of those up to ``up_to``; ``above`` is that of the others.
        fractions: whether a time has fractions of seconds.
    """

    shows: Shows = Shows.NUMBER
    template: str | None = None
    fractions: bool = False
    up_to: int | None = None
    above: str | None = None

    def template_for(self, number: float) -> str | None:
        return self.template if self.up_to is None or number <= self.up_to else self.above


GENERAL = NumberFormat()
_BUILT_IN = {
    **dict.fromkeys((*range(14, 18), *range(27, 32), 36, *range(50, 55), 57, 58), NumberFormat(Shows.DATE)),
    **dict.fromkeys((*range(18, 22), *range(32, 36), 45, 55, 56), NumberFormat(Shows.TIME)),
    22: NumberFormat(Shows.MOMENT),
    46: NumberFormat(Shows.ELAPSED),
    47: NumberFormat(Shows.TIME, fractions=True),
}
"""Date and time formats by their number, because they have no code: ISO/IEC 29500-1, 18.8.30."""


def number_format(number: int, codes: Mapping[int, str]) -> NumberFormat:
    """The format with a number: by the code that the workbook gives it, else a built-in one."""
    code = codes.get(number)
    if code is None:
        return _BUILT_IN.get(number, GENERAL)
    first = _sections(code)[0]
    shows = _shown(first)
    if shows is Shows.NUMBER:
        return _with_zeros(code)
    return NumberFormat(shows, fractions=re.search(r"s\]?[.,]0", first, re.IGNORECASE) is not None)


def _with_zeros(code: str) -> NumberFormat:
    """The format of a number, which may have more digits above a limit, as ZIP codes and telephone numbers have."""
    limited = _UP_TO.match(code)
    if limited is None:
        return NumberFormat(template=zero_template(code))
    equal, limit, small, large = limited.groups()
    return NumberFormat(template=zero_template(small), up_to=int(limit) - (not equal), above=zero_template(large))


def _sections(code: str) -> list[str]:
    """The parts for positive and negative numbers, zero and text."""
    return re.findall(r'(?:\\.|"[^"]*"|\[[^\]]*\]|[^;])+', code) or [""]


def _shown(section: str) -> Shows:
    if section.strip().casefold() in _NO_CODES:
        return Shows.NUMBER
    if _ELAPSED.search(_QUOTED.sub("", section)):
        return Shows.ELAPSED
    tokens = [token.casefold() for token in _TIME_TOKENS.findall(re.sub(_LITERALS, "", section))]
    kinds = {_kind(tokens, place) for place in range(len(tokens))}
    if {Shows.DATE, Shows.TIME} <= kinds:
        return Shows.MOMENT
    return next(iter(kinds), Shows.NUMBER)


def _kind(tokens: list[str], place: int) -> Shows:
    """Whether a token belongs to a date or a time; ``m`` next to hours or seconds means minutes."""
    token = tokens[place]
    if token[0] in "yd":
        return Shows.DATE
    if token[0] != "m":
        return Shows.TIME
    after_hours = place > 0 and tokens[place - 1][0] == "h"
    before_seconds = place + 1 < len(tokens) and tokens[place + 1][0] == "s"
    return Shows.TIME if after_hours or before_seconds else Shows.DATE


def zero_template(code: str) -> str | None:
    """The template of a format such as ``000\\-00\\-0000``: its text with NUL where a digit belongs.

    None for a format that adds no leading zeros.
    """
    match = _PADDING.match(code)
    if match is None or re.sub(_LITERALS, "", match.group()).count("/") == 1:
        # One slash makes a fraction: Excel escapes those of other formats.
        return None
    template = _PIECE.sub(_template_piece, match.group())
    return template if template.count(_SLOT) > 1 else None


def _template_piece(piece: re.Match[str]) -> str:
    text = piece.group()
    if text == "0":
        return _SLOT
    return text[1:].removesuffix('"') if text[0] in '\\"' else ""


def fill_template(template: str, digits: str) -> str:
    """A template with digits, filled from the right; surplus digits go before the first one."""
    before, *behind = template.split(_SLOT)
    digits = digits.zfill(len(behind))
    extra = len(digits) - len(behind)
    return before + digits[:extra] + "".join(map("".join, zip(digits[extra:], behind, strict=True)))
