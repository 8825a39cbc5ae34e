"""Plain text for terminals: aligned columns, control characters made visible. What to print is decided elsewhere."""

from collections.abc import Sequence
from typing import Any

MAX_CELL = 60


def table(
    header: Sequence[str], rows: Sequence[Sequence[Any]], *, cell: int = MAX_CELL, last: int | None = None
) -> str:
    """Columns as wide as their longest cell; numbers to the right; control characters made visible.

    Args:
        cell: characters that a cell may have, names included.
        last: the same for the cells of the last column.
    """
    limits = [cell] * (len(header) - 1) + [last or cell]
    names = [printable(name, cell) for name in header]
    cells = [names, *[[printable(value, limit) for value, limit in zip(row, limits, strict=True)] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    right = [all(isinstance(row[i], int | None) for row in rows) for i in range(len(header))]
    lines = [
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in cells
    ]
    lines.insert(1, "  ".join("─" * min(width, cell) for width in widths))
    return "\n".join(lines)


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
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
