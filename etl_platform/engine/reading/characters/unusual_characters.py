"""Which characters of a text are invisible, unusual or signs of a lost letter. Texts only, no frames."""

import re
from unicodedata import is_normalized, normalize

from etl_platform.engine.columns import BROKEN_CHARACTER, CONTROL_CHARACTER
from etl_platform.engine.reading.characters.double_encoding import MAYBE_DOUBLE_ENCODED, decode_again

_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffc\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Unicode's Default_Ignorable_Code_Point, and marks of annotations and embedded objects."""
INVISIBLES = f"[{_IGNORABLE}]"
BLANKS = "[\v\f\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u2800\u3000]"
_CONTROL = "[\0-\x08\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]"
_BROKEN = "\ufffd"
_COMBINING = "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_UNUSUAL = re.compile("|".join((INVISIBLES, BLANKS, _CONTROL, _BROKEN, _COMBINING, MAYBE_DOUBLE_ENCODED)))
_PLAIN_BYTES = bytes(range(32, 127)) + b"\t\r\n"
LOST_BY = {CONTROL_CHARACTER: _CONTROL, BROKEN_CHARACTER: _BROKEN}
"""What a lost letter leaves, by the reason of its row."""
LOST = frozenset(LOST_BY)
"""Reasons of rows in which a character is lost."""


def has_unusual(text: bytes) -> bool:
    """Whether a text in UTF-8 may have characters that ``clean_cells`` changes; one fast pass for plain ASCII."""
    rest = text.translate(None, _PLAIN_BYTES)
    if not rest:
        return False
    characters = rest.decode("utf-8", "replace")
    return _UNUSUAL.search(characters) is not None or not is_normalized("NFC", characters)


def clean_text(text: str) -> str:
    """A text as a cell with it is after ``cell_characters.clean_cells``."""
    if re.search(MAYBE_DOUBLE_ENCODED, text):
        text = decode_again(text)
    return normalize("NFC", re.sub(BLANKS, " ", re.sub(INVISIBLES, "", text)))


def has_lost(text: str) -> bool:
    """Whether a cell with this text would be damage of its row."""
    return any(re.search(what, text) for what in LOST_BY.values())
