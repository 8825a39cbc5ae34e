"""Date and time patterns of a contract (JDK DateTimeFormatter letters, as ODCS defines) → formats of Polars.

chrono, the parser behind Polars, is lenient: it accepts ``20-01-05`` as the year 20, and ``+2020-1-5``. So each pattern
also gives a guard, a regular expression that the text must match first.
"""

import re
from dataclasses import dataclass

DEFAULT_DATE = ("yyyy-MM-dd",)
DEFAULT_TIMESTAMP = ("yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd HH:mm:ss")
DEFAULT_TIME = ("HH:mm:ss", "HH:mm")

_TOKENS = {
    "yyyy": ("%Y", r"[0-9]{4}"),
    "uuuu": ("%Y", r"[0-9]{4}"),
    "yy": ("%y", r"([0-9]{2})"),
    "uu": ("%y", r"([0-9]{2})"),
    "MMMM": ("%B", r"[A-Za-z]+"),
    "MMM": ("%b", r"[A-Za-z]{3}"),
    "MM": ("%m", r"[0-9]{2}"),
    "M": ("%m", r"[0-9]{1,2}"),
    "dd": ("%d", r"[0-9]{2}"),
    "d": ("%d", r"[0-9]{1,2}"),
    "HH": ("%H", r"(?:[01][0-9]|2[0-3])"),
    "H": ("%H", r"[0-9]{1,2}"),
    "hh": ("%I", r"[0-9]{2}"),
    "h": ("%I", r"[0-9]{1,2}"),
    "mm": ("%M", r"[0-5][0-9]"),
    "ss": ("%S", r"[0-5][0-9]"),
    "SSS": ("%3f", r"[0-9]{3}"),
    "SSSSSS": ("%6f", r"[0-9]{6}"),
    "a": ("%p", r"[AaPp][Mm]"),
}
TWO_DIGIT_YEARS = frozenset({"yy", "uu"})
YEARS = frozenset({"yyyy", "uuuu"}) | TWO_DIGIT_YEARS
_OF_A_DAY = ("HH", "H", "hh", "h", "mm", "ss", "SSS", "SSSSSS", "a")
_PIECE = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']+")


@dataclass(frozen=True)
class Field:
    """A date or time field of a pattern, such as ``MM``."""

    letters: str


@dataclass(frozen=True)
class TextFormat:
    """``chrono``: Polars' format string. ``guard``: what the whole text must match.

    ``pivot``: the first year that the two digits in the guard's group can mean; None where the year has four digits.
    """

    pattern: str
    chrono: str
    guard: str
    pivot: int | None


def pattern_pieces(pattern: str) -> list[Field | str]:
    """The fields of a pattern and the literal texts between them.

    Raises:
        ValueError: a letter that is not supported.
    """
    pieces: list[Field | str] = []
    for piece in _PIECE.finditer(pattern):
        text = piece.group(0)
        if text.startswith("'"):
            pieces.append(piece.group(1) or "'")
        elif not text[0].isalpha():
            pieces.append(text)
        elif text in _TOKENS:
            pieces.append(Field(text))
        else:
            raise ValueError(f"{pattern!r}: {text!r} is not supported; use {', '.join(_TOKENS)}")
    return pieces


def date_format(pattern: str, pivot: int | None = None) -> TextFormat:
    """Translate the pattern of a date or timestamp; ``pivot`` is the contract's ``twoDigitYearsFrom``.

    Raises:
        ValueError: a letter that is not supported, no year, or a two-digit year without a pivot.
    """
    letters = _letters(pattern)
    if letters & TWO_DIGIT_YEARS and pivot is None:
        raise ValueError(
            f"{pattern!r}: the century of a two-digit year is unknown; use yyyy, or state it (twoDigitYearsFrom: 1970)"
        )
    if not letters & YEARS:
        raise ValueError(f"{pattern!r} has no year; add yyyy")
    return _text_format(pattern, letters, pivot if letters & TWO_DIGIT_YEARS else None)


def time_format(pattern: str) -> TextFormat:
    """Translate the pattern of a time of day.

    Raises:
        ValueError: a letter that is not supported or not of a time of day, or no hour and minute.
    """
    letters = _letters(pattern)
    if others := sorted(letters - set(_OF_A_DAY)):
        raise ValueError(f"{pattern!r}: {others[0]!r} is not part of a time; use {', '.join(_OF_A_DAY)}")
    if not letters & {"HH", "H", "hh", "h"} or "mm" not in letters:
        raise ValueError(f"{pattern!r}: a time needs an hour and mm")
    return _text_format(pattern, letters, None)


def _letters(pattern: str) -> set[str]:
    return {piece.letters for piece in pattern_pieces(pattern) if isinstance(piece, Field)}


def _text_format(pattern: str, letters: set[str], pivot: int | None) -> TextFormat:
    chrono, guard = "", ""
    for piece in pattern_pieces(pattern):
        directive, shape = _TOKENS[piece.letters] if isinstance(piece, Field) else (None, re.escape(piece))
        chrono += directive or str(piece).replace("%", "%%")
        guard += shape
    if bool(letters & {"hh", "h"}) != ("a" in letters):
        raise ValueError(f"{pattern!r}: h or hh and a (AM or PM) belong together; use both, or HH")
    return TextFormat(pattern, chrono, f"^(?:{guard})$", pivot)
