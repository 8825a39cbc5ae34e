"""The running state of one column of a profile: counted texts, a sketch of distinct ones, and a sample of numbers."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from etl_platform.engine.rules.compiled_contract import KEY_SEED

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.float64]

SKETCH_SIZE = 1024
"""Smallest hashes kept per column; the distinct estimate errs by about 1/sqrt(1024), 3.1 %, exact below 1,024."""
BINS = 20
_TABLE_BITS = 14
_SAMPLED_NUMBERS = 4_096
"""Numbers of which deciles are taken, up to twice as many; a share of them errs by about 1.6 %."""


@dataclass
class ColumnState:
    """Running state of one column.

    Attributes:
        hashes: the smallest hashes of its texts, sorted; a sketch of how many distinct ones there are.
        counts: rows of each text, by its hash; None once there are too many to count.
        texts: the counted texts, by their hash.
        edges, bins: of the histogram; the first and last bin are open.
        sample: every ``step``-th number or date of those that were seen.
        forms: the number of values of each form, in samples of the batches since there were many texts.
    """

    nulls: int = 0
    empty: int = 0
    minimum: Any = None
    maximum: Any = None
    shortest: int | None = None
    longest: int | None = None
    hashes: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    counts: Counter[int] | None = field(default_factory=Counter)
    texts: dict[int, str] = field(default_factory=dict)
    edges: list[float] | None = None
    bins: list[int] = field(default_factory=lambda: [0] * (BINS + 2))
    sample: Numbers = field(default_factory=lambda: np.empty(0))
    step: int = 1
    seen: int = 0
    forms: Counter[str] = field(default_factory=Counter)

    def add_lengths(self, shortest: Any, longest: Any) -> None:
        self.shortest, self.longest = _least(self.shortest, shortest), _most(self.longest, longest)

    def add_range(self, minimum: Any, maximum: Any) -> None:
        self.minimum, self.maximum = _least(self.minimum, minimum), _most(self.maximum, maximum)

    def add_to_sample(self, numbers: Numbers) -> None:
        self.sample = np.concatenate((self.sample, numbers[-self.seen % self.step :: self.step]))
        self.seen += len(numbers)
        while len(self.sample) > 2 * _SAMPLED_NUMBERS:
            self.sample, self.step = self.sample[::2].copy(), 2 * self.step

    def add_hashes(self, hashes: Hashes) -> None:
        # K minimum values: the k-th smallest of n uniform hashes estimates n.
        if len(self.hashes) == SKETCH_SIZE:
            hashes = hashes.compress(hashes < self.hashes[-1])
        # Drop nulls here, where few hashes are left: dropping them before hashing would cost more than hashing.
        hashes = hashes.compress(hashes != null_hash())
        if len(hashes) and len(self.hashes):
            # Most hashes are known already: a table by low bits finds most of those, at a tenth of the cost of a sort.
            known = np.full(1 << _TABLE_BITS, self.hashes[0])
            known[_low_bits(self.hashes)] = self.hashes
            hashes = hashes.compress(known.take(_low_bits(hashes)) != hashes)
        if len(hashes):
            # NumPy sorts integers with vector instructions; its own union uses a slow hash table.
            ordered = np.sort(np.concatenate((self.hashes, hashes)))
            self.hashes = ordered.compress(np.append(True, ordered[1:] != ordered[:-1]))[:SKETCH_SIZE].copy()


def _low_bits(hashes: Hashes) -> npt.NDArray[np.int64]:
    return (hashes & np.uint64((1 << _TABLE_BITS) - 1)).view(np.int64)


@cache
def null_hash() -> np.uint64:
    return np.uint64(pl.Series([None], dtype=pl.String).hash(KEY_SEED).item())


def _least(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else min(one, other)


def _most(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else max(one, other)
