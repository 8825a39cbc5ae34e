"""How far two distributions are apart, from 0 to 1. Deciles or shares in, a number out."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from etl_platform.engine.result import DECILES

Numbers = npt.NDArray[np.float64]
_LEVELS = np.array(DECILES)


def quantile_distance(one: Sequence[float], other: Sequence[float]) -> float:
    """The largest difference of two distribution functions that are straight between their deciles.

    The statistic of Kolmogorov and Smirnov: https://doi.org/10.1080/01621459.1951.10500769
    """
    known, compared = np.array(one), np.array(other)
    places = np.union1d(known, compared)
    # Equal deciles make a step, and the two functions may differ below it as much as above it.
    below = _reached(known, places, "left") - _reached(compared, places, "left")
    up_to = _reached(known, places, "right") - _reached(compared, places, "right")
    return float(max(np.abs(below).max(), np.abs(up_to).max()))


def _reached(known: Numbers, places: Numbers, side: Literal["left", "right"]) -> Numbers:
    """The share of values below each place (left), or up to it (right)."""
    ends = np.searchsorted(known, places, side=side)
    inner = ends.clip(1, len(known) - 1)
    low, high = known[inner - 1], known[inner]
    # Beyond the ends, and between deciles that hardly differ, a quotient may overflow; neither is used.
    with np.errstate(over="ignore"):
        within = np.divide(places - low, high - low, out=np.zeros_like(places), where=high > low).clip(0, 1)
    reached: Numbers = _LEVELS[inner - 1] + within * (_LEVELS[inner] - _LEVELS[inner - 1])
    reached[ends == 0] = 0.0
    reached[ends == len(known)] = 1.0
    return reached


def share_distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The share of rows that would have to change their value to make the shares equal: the total variation."""
    return sum(abs(one.get(value, 0.0) - other.get(value, 0.0)) for value in {*one, *other}) / 2
