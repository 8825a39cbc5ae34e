"""Text that was encoded twice: UTF-8, read as Windows-1252, written as UTF-8 (``Ã±`` for ``ñ``). Text in, text out."""

import re

from etl_platform.engine.reading.characters.code_pages import as_cp1252

MAYBE_DOUBLE_ENCODED = "[\u00c2-\u00c5\u00e2][^\0-\x7f]"
_SECOND_BYTE = as_cp1252(bytes(range(0x80, 0xC0)))
_QUOTE = "\u2018\u2019\u201c\u201d"
_PUNCTUATION = f"{_QUOTE}\u2013\u2014\u2026"
_DOUBLE_ENCODED = re.compile(
    rf"(?:[\u00c2\u00c3](?:(?![{_QUOTE}])[{_SECOND_BYTE}]|[{_QUOTE}](?=\w)(?![sS]\b))"
    rf"|[\u00c4\u00c5](?![{_PUNCTUATION}])[{_SECOND_BYTE}]"
    rf"|\u00e2[\u20ac\u201a\u201e][{_SECOND_BYTE}])+"
)
"""Letters and signs of Western text. A quotation mark counts only within a word, because it may also close a word."""


def decode_again(text: str) -> str:
    """The text with what was encoded twice decoded; text that was not is unchanged."""
    return _DOUBLE_ENCODED.sub(_decoded, text)


def _decoded(match: re.Match[str]) -> str:
    try:
        return b"".join(map(_byte, match[0])).decode()
    except ValueError:
        return match[0]


def _byte(character: str) -> bytes:
    return character.encode("latin-1" if "\x80" <= character <= "\x9f" else "cp1252")
