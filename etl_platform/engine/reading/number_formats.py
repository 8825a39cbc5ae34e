"""Excel's number formats: which show zeros that a number does not have, and which a moment. No files."""

import re
from decimal import Decimal

_SIGNS = r'\\.|"[^"]*"|\[[^\]<>=]*\]|[_*].'
"""Escaped and quoted text; colours and locales; blanks and fillers."""
_PADDING = re.compile(rf"(?:{_SIGNS}|[-0/:() ])+(?=;|$)")
_PIECE = re.compile(rf"{_SIGNS}|0")
_SLOT = "\0"
_MOMENTS = frozenset(map(str, (*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59))))
"""Built-in formats, which have numbers only."""


def zero_form(code: str) -> str | None:
    """What the digits of a whole number fill from the right, NUL where one belongs, as ``000\\-00\\-0000`` says it.

    None where a format pads no whole number.
    """
    match = _PADDING.match(code)
    form = _PIECE.sub(_shown, match.group()) if match else ""
    return form if form.count(_SLOT) > 1 else None


def _shown(piece: re.Match[str]) -> str:
    text = piece.group()
    if text == "0":
        return _SLOT
    return text[1:].removesuffix('"') if text[0] in '\\"' else ""


def filled(form: str, digits: str) -> str:
    """Digits in their places; those beyond them stand in the first one."""
    before, *behind = form.split(_SLOT)
    digits = digits.zfill(len(behind))
    extra = len(digits) - len(behind)
    return before + digits[:extra] + "".join(map("".join, zip(digits[extra:], behind, strict=True)))


def shows_moment(code: str) -> bool:
    """Whether a number is shown as a date or a time of day, which a negative one cannot be."""
    return code in _MOMENTS or re.search("[ymdhs]", re.sub(_SIGNS, "", code), re.IGNORECASE) is not None


def as_typed(number: float) -> str:
    """All its digits, without an exponent; a whole one without ``.0``."""
    return f"{Decimal(repr(number)):f}".removesuffix(".0")
