"""The order of values of an incremental field: numbers, timestamps, texts. No network, no files."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].+)?", re.ASCII)
_PLAIN_NUMBER = re.compile(r"-?\d{1,40}(?:\.\d+)?", re.ASCII)


@dataclass(frozen=True)
class CursorValue:
    """A comparable value of the incremental field.

    Attributes:
        kind: text, number or timestamp; only values of one kind can be compared.
        order: a str, a number, or microseconds.
    """

    kind: str
    order: Any

    def is_after(self, other: "CursorValue") -> bool:
        return bool(self.order > other.order)


def parse_cursor_value(text: str) -> CursorValue:
    """Decide the kind from the text alone, so that cells of old snapshots and new values compare alike.

    A timestamp without an offset is UTC. Anything but a plain number or an ISO 8601 date is a text.
    """
    if _DATE.fullmatch(text):
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return CursorValue("text", text)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        since = found - datetime(1, 1, 1, tzinfo=UTC)
        return CursorValue("timestamp", (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)
    if _PLAIN_NUMBER.fullmatch(text):
        fits_64_bits = "." not in text and abs(int(text)) < 1 << 63
        return CursorValue("number", int(text) if fits_64_bits else float(text))
    return CursorValue("text", text)
