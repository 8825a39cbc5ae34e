"""Tables of plain text that fit into the terminal. What to print is decided elsewhere."""

import re
import textwrap
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from etl_platform.engine.output.plain_text import escape_control_characters, printable
from etl_platform.engine.output.terminal import has_colours, terminal_width

MAX_NAME = 1_100
_GAP, _INDENT = "  ", "    "
_ROOM_FOR_TEXT = 30
"""A last column of text begins on a line only if so many characters of it fit."""
_GREEN, _YELLOW, _RED = 32, 33, 31
_COLOURS = {"accepted": _GREEN, "ignored": _YELLOW, "rejected": _RED, "failed": _RED}


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    cell: int = MAX_NAME,
    last: int | None = None,
    width: int | None = None,
    coloured: bool | None = None,
) -> str:
    """Columns as wide as their longest cell; numbers to the right; control characters made visible.

    A table that is wider than the terminal continues each row on lines below it, so no cell is left out.

    Args:
        cell: characters that a cell may have, names included; by default as many as a key of S3 has.
        last: the same for the cells of the last column.
        width: of the lines; by default that of the terminal, and without limit in a file or a pipe.
        coloured: whether outcomes have colours; by default if standard output has.
    """
    width = width or terminal_width()
    limits = [cell] * (len(header) - 1) + [last or cell]
    names = [printable(name, cell) for name in header]
    cells = [names, *[[printable(value, limit) for value, limit in zip(row, limits, strict=True)] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    right = [all(isinstance(row[i], int | None) for row in rows) for i in range(len(header))]
    paint = _paint if (has_colours() if coloured is None else coloured) else str
    parts = _parts(widths, width)
    padded = [[c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)] for row in cells]
    lines = [line for row in padded[:1] for line in _lines(row, parts, width, str)]
    lines.append(_GAP.join("─" * min(w, cell) for w in widths[: parts[0]])[:width])
    lines += [line for row in padded[1:] for line in _lines(row, parts, width, paint)]
    return "\n".join(lines)


def lines_of(rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """Rows without a header, as ``doctor`` prints them: the last column is a text that is wrapped, never cut."""
    width = width or terminal_width()
    cells = [list(map(escape_control_characters, row)) for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))] if cells else []
    parts = _parts(widths, width)
    padded = [[*(text.ljust(w) for text, w in zip(row[:-1], widths, strict=False)), row[-1]] for row in cells]
    return "\n".join(line for row in padded for line in _lines(row, parts, width, str))


def wrapped_line(line: str, width: int | None = None) -> str:
    """A line of text that continues on further lines below its text; in a pipe as it is."""
    width = width or terminal_width()
    if width is None or len(line) <= width:
        return line
    start = re.match(r"\s*(\S+\s{2,})?", line)
    indent = " " * min(len(start[0]) if start else 0, width // 2)
    return "\n".join(textwrap.wrap(line, width, subsequent_indent=indent or _INDENT, break_on_hyphens=False))


def _parts(widths: Sequence[int], width: int | None) -> list[int]:
    """For each line of a row, the number of the column before which it ends."""
    if width is None:
        return [len(widths)]
    ends, used = [], -len(_GAP)
    for number, each in enumerate(widths):
        needed = min(each, _ROOM_FOR_TEXT) if number == len(widths) - 1 else each
        if number and used + len(_GAP) + needed > width:
            ends.append(number)
            used = len(_INDENT) - len(_GAP)
        used += len(_GAP) + each
    return [*ends, len(widths)]


def _lines(row: Sequence[str], parts: Sequence[int], width: int | None, paint: Callable[[str], str]) -> list[str]:
    lines = []
    for start, end in pairwise([0, *parts]):
        indent, texts = _INDENT if start else "", row[start:end]
        offset = len(indent) + sum(len(text) + len(_GAP) for text in texts[:-1])
        first, *more = _wrapped(texts[-1], None if width is None else max(1, width - offset))
        line = indent + _GAP.join(map(paint, [*texts[:-1], first]))
        if line.strip() or not start:
            lines += [line.rstrip(), *(" " * offset + text for text in more)]
    return lines


def _wrapped(text: str, room: int | None) -> list[str]:
    return [text] if room is None or len(text.rstrip()) <= room else textwrap.wrap(text, room, break_on_hyphens=False)


def _paint(text: str) -> str:
    colour = _COLOURS.get(text.strip().removesuffix(" again"))
    return text if colour is None else f"\x1b[{colour}m{text}\x1b[0m"
