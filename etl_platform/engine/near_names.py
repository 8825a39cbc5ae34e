"""Names that a person may have meant. What is done with a wrong name is decided elsewhere."""

from collections.abc import Iterable
from difflib import get_close_matches

_MAX_LIST = 400


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that is written most like this one; capitals do not matter.

    Args:
        cutoff: the least similarity, from 0 to 1, as ``difflib`` measures it.
    """
    folded = {one.casefold(): one for one in sorted(known)}
    close = get_close_matches(name.casefold(), folded, 1, cutoff)
    return folded[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """``; did you mean …?`` to end a message with; empty if no known name is like it."""
    close = nearest(name, known, cutoff)
    return f"; did you mean {close}?" if close and close != name else ""


def did_you_mean_or_all(name: str, known: Iterable[str]) -> str:
    """The same; without a name that is like it, a choice of all."""
    names = list(known)
    return did_you_mean(name, names) or f"; choose one of {', '.join(names) or '(there is none)'}"[:_MAX_LIST]
