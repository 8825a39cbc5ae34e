"""Date and time patterns of a contract (JDK DateTimeFormatter letters, as ODCS defines) → formats of Polars.

chrono, the parser behind Polars, is lenient: it accepts ``20-01-05`` as the year 20, and ``+2020-1-5``. So each pattern
also gives a guard, a regular expression that the text must match first.
"""

import re
from dataclasses import dataclass

DEFAULT_DATE = ("yyyy-MM-dd",)
DEFAULT_TIMESTAMP = ("yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd HH:mm:ss")

_TOKENS = {
    "yyyy": ("%Y", r"[0-9]{4}"),
    "uuuu": ("%Y", r"[0-9]{4}"),
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
_PIECE = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']+")


@dataclass(frozen=True)
class TextFormat:
    """``chrono``: Polars' format string. ``guard``: what the whole text must match."""

    pattern: str
    chrono: str
    guard: str


def text_format(pattern: str) -> TextFormat:
    """Translate one pattern.

    Raises:
        ValueError: a letter that is not supported, or a two-digit year (its century would be a guess).
    """
    chrono, guard = "", ""
    for piece in _PIECE.finditer(pattern):
        text = piece.group(0)
        if text.startswith("'"):
            literal = piece.group(1) or "'"
        elif text[0].isalpha():
            if text in {"yy", "uu", "y", "u"}:
                raise ValueError(f"{pattern!r}: the century of a two-digit year is unknown; use yyyy")
            if text not in _TOKENS:
                raise ValueError(f"{pattern!r}: {text!r} is not supported; use {', '.join(_TOKENS)}")
            directive, shape = _TOKENS[text]
            chrono, guard = chrono + directive, guard + shape
            continue
        else:
            literal = text
        chrono += literal.replace("%", "%%")
        guard += re.escape(literal)
    if "%Y" not in chrono:
        raise ValueError(f"{pattern!r} has no year; add yyyy")
    if ("%I" in chrono) != ("%p" in chrono):
        raise ValueError(f"{pattern!r}: h or hh and a (AM or PM) belong together; use both, or HH")
    return TextFormat(pattern, chrono, f"^(?:{guard})$")
