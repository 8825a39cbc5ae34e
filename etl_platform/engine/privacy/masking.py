"""Values as reports show them, and the masks of those that must not be shown. Pure."""

import re
from decimal import Decimal
from typing import Any

from etl_platform.engine.privacy.personal_forms import has_form

HIDDEN = "•••"
SHOWN_CHARACTERS = 200


def shown(value: Any) -> Any:
    """A value of an open column for JSON: dates as ISO text, decimals with all digits, long texts cut.

    A text with the form of personal data is shown by its shape, whatever its column.
    """
    if isinstance(value, str):
        text = value[:SHOWN_CHARACTERS]
        return shape(text, SHOWN_CHARACTERS) if has_form(text) else text
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if hasattr(value, "isoformat") else value


def shape(text: str, limit: int = 60) -> str:
    """The form of a value without its content: ``13/45/1980`` → ``99/99/9999``, ``Peña`` → ``Aaaa``."""
    masked = re.sub(r"\d", "9", text[:limit])
    return "".join("A" if c.isupper() else "a" if c.isalpha() else c for c in masked)
