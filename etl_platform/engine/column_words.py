"""The words of a column's name. Pure."""

import re
from functools import lru_cache
from unicodedata import normalize

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@lru_cache(4_096)
def words(name: str) -> tuple[str, ...]:
    """Lower-case words without accents: ``OfficerID`` and ``officer id`` give officer, id."""
    plain = normalize("NFKD", name.replace("#", " No ")).encode("ascii", "ignore").decode()
    return tuple(word.lower() for word in _WORD.findall(plain))
