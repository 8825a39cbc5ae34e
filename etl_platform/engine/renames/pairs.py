"""Pairs of columns under different names, each the other's best by a clear lead. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

LEAST_SCORE = 0.55
LEAST_LEAD = 0.05
"""A pair whose score is so near to that of another pair of the same column is not decided."""


@dataclass(frozen=True)
class Pair:
    """Two names for one column. ``score`` is from 0 to 1; ``reason`` quotes no value."""

    one: str
    other: str
    score: float
    reason: str


def decided_pairs(pairs: Iterable[Pair], least: float = LEAST_SCORE) -> list[Pair]:
    """Pairs that score at least ``least`` and that no other pair of their columns comes near; best first."""
    every = sorted(pairs, key=lambda pair: (-pair.score, pair.one, pair.other))
    found: list[Pair] = []
    for pair in every:
        rivals = (p for p in every if (p.one == pair.one) != (p.other == pair.other))
        if pair.score >= least and all(rival.score <= pair.score - LEAST_LEAD for rival in rivals):
            found.append(pair)
    return found
