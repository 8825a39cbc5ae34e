"""Plain text for terminals: control characters made visible, numbers with what they count. No tables."""

from collections.abc import Sequence
from typing import Any

MAX_CELL = 60


def printable(value: Any, limit: int = MAX_CELL) -> str:
    """A value on one line of at most ``limit`` characters."""
    if value is None:
        return ""
    text = f"{value:,}" if isinstance(value, int) else str(value)
    text = escape_control_characters(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number and what it counts: ``1 row``, ``2,000 rows``; ``several`` is a plural that is not ``one`` and an s."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def first_of(texts: Sequence[str], most: int, between: str = ", ") -> str:
    """The first ``most`` texts; ``…`` in the place of the others, if there are more."""
    return between.join([*texts[:most], *(["…"] if len(texts) > most else [])])


def escape_control_characters(text: str) -> str:
    """Control characters as ``\\xNN``: text from a file must not move the cursor or add lines."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
