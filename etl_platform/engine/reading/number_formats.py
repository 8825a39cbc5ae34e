"""Excel's number formats: which ones add leading zeros to a number, and which ones show a date or time. No files."""

import re
from decimal import Decimal

_LITERALS = r'\\.|"[^"]*"|\[[^\]<>=]*\]|[_*].'
"""Escaped and quoted text, colours and locales, blanks and fill characters."""
_NOT_DATES = re.compile(r'\\.|"[^"]*"|\[(?!(?:h+|m+|s+)\])[^\]]*\]|[_*].', re.IGNORECASE)
"""The same, and conditions, but not elapsed hours, minutes or seconds."""
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_PADDING = re.compile(rf"(?:{_LITERALS}|[-0/:() ])+(?=;|$)")
_PIECE = re.compile(rf"{_LITERALS}|0")
_SLOT = "\0"
_BUILT_IN_DATES = frozenset(map(str, (*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59))))
"""Numbers of the built-in date and time formats, which have no code."""


def zero_template(code: str) -> str | None:
    """The template of a format such as ``000\\-00\\-0000``: its text with NUL where a digit belongs.

    None for a format that adds no leading zeros.
    """
    match = _PADDING.match(code)
    template = _PIECE.sub(_template_piece, match.group()) if match else ""
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


def is_date_format(code: str) -> bool:
    """Whether a number is shown as a date, a time of day or elapsed time; Excel cannot show a negative one so."""
    if code in _BUILT_IN_DATES or is_elapsed_format(code):
        return True
    return re.search("[ymdhs]", _for_positive_numbers(code), re.IGNORECASE) is not None


def is_elapsed_format(code: str) -> bool:
    """Whether a number is shown as hours, minutes or seconds that have passed, such as ``[h]:mm``."""
    return code == "46" or _ELAPSED.search(_for_positive_numbers(code)) is not None


def _for_positive_numbers(code: str) -> str:
    """The first section of a format, without its literal text, colours, locales and conditions."""
    return _NOT_DATES.sub("", code).split(";")[0]


def number_text(number: float) -> str:
    """All digits of a number, without an exponent; a whole number without ``.0``."""
    return f"{Decimal(repr(number)):f}".removesuffix(".0")
