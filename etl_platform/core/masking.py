"""What may be shown of a classified value. Pure."""

import re

HIDDEN = "•••"


def shape(text: str, limit: int = 60) -> str:
    """A value's form without its content: ``13/45/1980`` → ``99/99/9999``, ``Peña`` → ``Aaaa``."""
    masked = re.sub(r"\d", "9", text[:limit])
    return "".join("A" if c.isupper() else "a" if c.isalpha() else c for c in masked)
