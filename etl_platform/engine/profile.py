"""One-pass column profile: nulls, range, lengths, distinct values, top values, histogram. Frames in, values out."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from etl_platform.engine.privacy.masking import shown
from etl_platform.engine.result import Bin, ColumnProfile, ValueCount
from etl_platform.engine.rules.compiled_contract import KEY_SEED
from etl_platform.engine.rules.dataset_verdicts import ColumnFacts

Hashes = npt.NDArray[np.uint64]

SKETCH_SIZE = 1024
"""Smallest hashes kept per column; the distinct estimate errs by about 1/sqrt(1024), 3.1 %, exact below 1,024."""
DISTINCT_ERROR = 0.032
_LOW_BITS = 14
_COUNTED_VALUES = 2_000
_TOP = 10
_BINS = 20
_TAILS = (0.01, 0.99)
"""The first batch's quantiles between which the histogram's bins lie; one slip of the keyboard must not widen them."""


@dataclass
class _Seen:
    """Running state of one column.

    ``counts`` holds the rows of every text, by its hash, while there are few, then None; ``texts`` those texts.
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
    bins: list[int] = field(default_factory=lambda: [0] * (_BINS + 2))

    def see_lengths(self, shortest: Any, longest: Any) -> None:
        self.shortest, self.longest = _least(self.shortest, shortest), _most(self.longest, longest)

    def see_range(self, minimum: Any, maximum: Any) -> None:
        self.minimum, self.maximum = _least(self.minimum, minimum), _most(self.maximum, maximum)

    def see_hashes(self, hashes: Hashes) -> None:
        # K minimum values: the k-th smallest of n uniform hashes tells n.
        if len(self.hashes) == SKETCH_SIZE:
            hashes = hashes.compress(hashes < self.hashes[-1])
        # Late, when few are left: dropping the nulls themselves costs more than all the hashing.
        hashes = hashes.compress(hashes != _null_hash())
        if len(hashes) and len(self.hashes):
            # Few values again and again: a table by their low bits knows most of them, for a tenth of a sort.
            known = np.full(1 << _LOW_BITS, self.hashes[0])
            known[_low(self.hashes)] = self.hashes
            hashes = hashes.compress(known.take(_low(hashes)) != hashes)
        if len(hashes):
            # NumPy sorts integers with the processor's vectors; its own union of them goes by a slow table.
            ordered = np.sort(np.concatenate((self.hashes, hashes)))
            self.hashes = ordered.compress(np.append(True, ordered[1:] != ordered[:-1]))[:SKETCH_SIZE].copy()


class Profiler:
    """Gathers a profile over batches.

    Args:
        types: type of each column; ``text:<name>`` and ``<name>`` (typed) are read from the batches, and where
            there is one the hash of a text column's values from ``key:<name>.unique``.
        sensitive: columns of which only counts and lengths are kept.
        empty: how many cells are empty, where that is not the number of nulls.
    """

    def __init__(
        self,
        types: Mapping[str, pl.DataType],
        sensitive: frozenset[str] = frozenset(),
        empty: Mapping[str, pl.Expr] = MappingProxyType({}),
    ) -> None:
        self._types, self._sensitive, self._empty = types, sensitive, empty
        self._seen = {name: _Seen() for name in types}
        self.rows = 0

    def update(self, batch: pl.DataFrame) -> None:
        if not batch.height:
            return
        self.rows += batch.height
        for name, hashes in self._hashes(batch).items():
            seen = self._seen[name]
            if seen.counts is not None:
                self._count(name, seen, hashes, batch[f"text:{name}"])
            if seen.counts is None:
                seen.see_hashes(hashes)
        self._update_ranges(batch)
        for name, seen in self._seen.items():
            if name not in self._sensitive and (self._types[name].is_numeric() or self._types[name].is_temporal()):
                _update_bins(seen, batch[name])

    def _hashes(self, batch: pl.DataFrame) -> dict[str, Hashes]:
        """Of each column's texts; those of nulls may be there or not."""
        there = set(batch.columns)  # asked once: of 16,384 columns the list takes a millisecond
        keys = {name: f"key:{name}.unique" for name, type_ in self._types.items() if type_ == pl.String}
        keyed = {name: batch[key].drop_nulls() for name, key in keys.items() if key in there}
        texts = [pl.col(f"text:{name}").hash(KEY_SEED).alias(name) for name in self._types if name not in keyed]
        found = batch.lazy().select_seq(texts).collect(engine="in-memory", optimizations=pl.QueryOptFlags.none())
        return {name: (keyed[name] if name in keyed else found[name]).to_numpy() for name in self._types}

    def _count(self, name: str, seen: _Seen, hashes: Hashes, texts: pl.Series) -> None:
        """Count every text while there are few; past that, what was counted goes to the sketch and the ranges."""
        assert seen.counts is not None
        # Sorting hashes is many times cheaper than grouping texts, and 64 bits tell 2,000 of them apart.
        values, times = np.unique(hashes, return_counts=True)
        # One of them may be that of the nulls.
        if len(values) <= _COUNTED_VALUES + 1:
            counted = dict(zip(values.tolist(), times.tolist(), strict=True))
            counted.pop(int(_null_hash()), None)
            if counted.keys() - seen.texts.keys():
                distinct = texts.drop_nulls().unique()
                seen.texts.update(zip(distinct.hash(KEY_SEED), distinct, strict=True))
            seen.counts.update(counted)
            if len(seen.counts) <= _COUNTED_VALUES:
                return
        self._settle(name, seen)
        seen.see_hashes(np.fromiter(seen.counts, np.uint64, len(seen.counts)))
        seen.counts, seen.texts = None, {}

    def _settle(self, name: str, seen: _Seen) -> None:
        """Take lengths, and of texts the range, from the counted texts."""
        if seen.counts:
            texts = seen.texts.values()
            seen.see_lengths(min(map(len, texts)), max(map(len, texts)))
            if self._types[name] == pl.String:
                seen.see_range(min(texts), max(texts))

    def _update_ranges(self, batch: pl.DataFrame) -> None:
        empty = batch.select(count.alias(name) for name, count in self._empty.items())
        for name, seen in self._seen.items():
            text, value = batch[f"text:{name}"], batch[name]
            nulls = text.null_count()
            seen.nulls += nulls
            seen.empty += empty[name].item() if name in self._empty else nulls
            if seen.counts is None:
                lengths = text.str.len_chars()
                seen.see_lengths(lengths.min(), lengths.max())
            if self._types[name] != pl.String or (seen.counts is None and name not in self._sensitive):
                seen.see_range(value.min(), value.max())

    def facts(self, name: str) -> ColumnFacts:
        """Nulls and greatest value of a column, also of a sensitive one: to decide by, not to show."""
        return ColumnFacts(self._seen[name].nulls, self._seen[name].maximum)

    def result(self) -> dict[str, ColumnProfile]:
        return {name: self._describe(name, seen) for name, seen in self._seen.items()}

    def _describe(self, name: str, seen: _Seen) -> ColumnProfile:
        self._settle(name, seen)
        exact = seen.counts is not None or len(seen.hashes) < SKETCH_SIZE
        distinct = len(seen.hashes) if seen.counts is None else len(seen.counts)
        if not exact:
            distinct = round((SKETCH_SIZE - 1) / (int(seen.hashes[-1]) / 2**64))
        described = ColumnProfile(
            nulls=seen.nulls,
            empty=seen.empty,
            distinct=distinct,
            distinct_error=0.0 if exact else DISTINCT_ERROR,
            min_length=seen.shortest,
            max_length=seen.longest,
            classified=name in self._sensitive,
        )
        if described.classified:
            return described
        return replace(
            described,
            min=shown(seen.minimum),
            max=shown(seen.maximum),
            top=_most_frequent(seen),
            histogram=_histogram(seen, self._types[name]),
        )


def _most_frequent(seen: _Seen) -> tuple[ValueCount, ...] | None:
    if not seen.counts:
        return None
    counted = ((seen.texts[value], times) for value, times in seen.counts.items())
    ordered = sorted(counted, key=lambda pair: (-pair[1], pair[0]))
    return tuple(ValueCount(shown(value), times) for value, times in ordered[:_TOP])


def _histogram(seen: _Seen, type_: pl.DataType) -> tuple[Bin, ...] | None:
    if seen.edges is None:
        return None
    edges = [None, *(_edge(edge, type_) for edge in seen.edges), None]
    bins = zip(edges, edges[1:], seen.bins, strict=False)
    return tuple(Bin(low, high, times) for low, high, times in bins if times)


def _low(hashes: Hashes) -> npt.NDArray[np.int64]:
    return (hashes & np.uint64((1 << _LOW_BITS) - 1)).view(np.int64)


@cache
def _null_hash() -> np.uint64:
    return np.uint64(pl.Series([None], dtype=pl.String).hash(KEY_SEED).item())


def _update_bins(seen: _Seen, values: pl.Series) -> None:
    values = values.drop_nulls()
    numbers = (values.to_physical() if values.dtype.is_temporal() else values).cast(pl.Float64).to_numpy()
    if not len(numbers):
        return
    if seen.edges is None:
        low, high = map(float, np.quantile(numbers, _TAILS, method="nearest"))
        # Neither too wide for a float nor lost beside the values.
        step = max((high / _BINS - low / _BINS) or 1.0, math.ulp(low), math.ulp(high))
        seen.edges = [low + step * i for i in range(_BINS + 1)]
    low, step = seen.edges[0], seen.edges[1] - seen.edges[0]
    # The first and last bin take what lies beyond the edges, however far.
    with np.errstate(over="ignore"):
        places = numbers - low
        places /= step
    np.floor(np.clip(places, -1, _BINS, out=places), out=places)
    places += 1
    for place, times in enumerate(np.bincount(places.astype(np.int8), minlength=_BINS + 2)):
        seen.bins[place] += int(times)


def _edge(edge: float, type_: pl.DataType) -> Any:
    """An edge of the histogram as the column shows its values; those of dates are days or microseconds."""
    return shown(pl.Series([int(edge)]).cast(type_).item()) if type_.is_temporal() else edge


def _least(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else min(one, other)


def _most(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else max(one, other)
