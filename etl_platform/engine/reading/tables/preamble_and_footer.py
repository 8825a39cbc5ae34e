"""Lines around the table: preamble, rulers, footers. ``table_bounds`` finds what is between rows. No files."""

import re
from collections.abc import Sequence
from dataclasses import replace

from etl_platform.engine.file_dialect import DroppedLine
from etl_platform.engine.privacy.masking import shape, shown

FOOTER_ROWS = 8
"""Rows at the end of a table that may be a footer."""
_FOOTER = re.compile(
    r"\s*(?:(?:grand |sub)?totals?\b|\(?[0-9,]+ (?:rows?|records?)\b|(?:rows?|records?) (?:count|total|affected)\b"
    r"|end of (?:report|file|data)\b|\*{3,})",
    re.IGNORECASE,
)
_CONSOLE = re.compile(
    r"\(?[0-9,]+ (?:rows?|records?)(?: (?:affected|selected|in set)\b.*)?\.?\)?|Completion time: .+", re.IGNORECASE
)
_TOTAL = re.compile(r"\s*(?:grand |sub)?totals?\s*+:?\s*+", re.IGNORECASE)
_AMOUNT = re.compile(r"\s*+[-+(]?[$€£]?[0-9][0-9,.]*+\s*+[)%]?\s*+")
_SHOWN_CHARACTERS = 80
_RULER = re.compile(r"\s*+[-=_]{2}[-=_+| ]*+")


def shorten(line: DroppedLine, *, mask: bool) -> DroppedLine:
    """A line as the report shows it: the beginning of its text, or the shape of that."""
    text = line.text[:_SHOWN_CHARACTERS]
    return replace(line, text=shape(text) if mask else shown(text))


def is_ruler(cells: Sequence[str]) -> bool:
    """Whether a row only underlines the header, as the output of database consoles does."""
    texts = [cell for cell in cells if cell.strip()]
    return bool(texts) and all(_RULER.fullmatch(text) for text in texts)


def is_console_line(text: str) -> bool:
    """Whether a line as a whole is what a database console prints below a table."""
    return _CONSOLE.fullmatch(text.strip()) is not None


def is_footer(texts: Sequence[str], width: int, *, short: bool) -> bool:
    """Whether a last row is a total or a row count: it begins like one, and most of it is empty or amounts.

    Args:
        texts: its cells that are not blank.
        width: columns of the table.
        short: the row has fewer cells than the header.
    """
    if not texts or not _FOOTER.match(texts[0]):
        return False
    if width == 1:
        return any(character.isdigit() for character in texts[0])
    if _TOTAL.fullmatch(texts[0]) and len(texts) > 1 and all(_AMOUNT.fullmatch(text) for text in texts[1:]):
        return True
    return short or len(texts) * 2 <= width
