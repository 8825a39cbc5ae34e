"""How far two distributions are apart, from 0 to 1. Deciles or shares in, a number out."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from etl_platform.engine.result import DECILES


def quantile_distance(one: Sequence[float], other: Sequence[float]) -> float:
    """The largest difference of two distribution functions that are straight between their deciles.

    The statistic of Kolmogorov and Smirnov: https://doi.org/10.1080/01621459.1951.10500769
    """
    places = {*one, *other}
    apart = max(abs(_reached(one, place) - _reached(other, place)) for place in places)
    if len(set(one)) == len(one) and len(set(other)) == len(other):
        return apart
    # Equal deciles make a step, and the two functions may differ below it as much as above it.
    return max(apart, *(abs(_reached_below(one, place) - _reached_below(other, place)) for place in places))


def _reached(known: Sequence[float], place: float) -> float:
    """The share of values up to a place."""
    return _between(known, place, bisect_right(known, place))


def _reached_below(known: Sequence[float], place: float) -> float:
    """The share of values below a place."""
    return _between(known, place, bisect_left(known, place))


def _between(known: Sequence[float], place: float, end: int) -> float:
    if end == 0:
        return 0.0
    if end == len(known):
        return 1.0
    low, high = known[end - 1], known[end]
    # Halves do not overflow, unlike the differences of the largest numbers.
    within = (place / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.0
    return DECILES[end - 1] + within * (DECILES[end] - DECILES[end - 1])


def share_distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The share of rows that would have to change their value to make the shares equal: the total variation."""
    return sum(abs(one.get(value, 0.0) - other.get(value, 0.0)) for value in {*one, *other}) / 2


def share_spread(shares: Mapping[str, float]) -> float:
    """How far shares are from those of one row by chance: the sum of their standard deviations."""
    return sum(math.sqrt(max(0.0, share * (1 - share))) for share in shares.values())
