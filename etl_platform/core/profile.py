"""One-pass column profile: nulls, range, lengths, distinct values, top values, histogram. Frames in, dict out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from etl_platform.core.masking import shown

SKETCH_SIZE = 1024
"""Smallest hashes kept per column; the distinct estimate errs by about 1/sqrt(1024) = 3 %, exact below 1,024."""
DISTINCT_ERROR = 0.03
_COUNTED_VALUES = 2_000
_TOP = 10
_BINS = 20


@dataclass
class _Seen:
    """Running state of one column."""

    nulls: int = 0
    minimum: Any = None
    maximum: Any = None
    shortest: int | None = None
    longest: int | None = None
    hashes: pl.Series = field(default_factory=lambda: pl.Series([], dtype=pl.UInt64))
    counts: Counter[str] | None = field(default_factory=Counter)
    edges: list[float] | None = None
    bins: list[int] = field(default_factory=lambda: [0] * (_BINS + 2))


class Profiler:
    """Gathers a profile over batches.

    Args:
        columns: name of each column; ``text:<name>`` and ``<name>`` (typed) are read from the batches.
        sensitive: columns of which only counts and lengths are kept.
    """

    def __init__(self, columns: Sequence[str], sensitive: frozenset[str] = frozenset()) -> None:
        self._seen = {name: _Seen() for name in columns}
        self._sensitive = sensitive
        self.rows = 0

    def update(self, batch: pl.DataFrame) -> None:
        if not batch.height:
            return
        self.rows += batch.height
        self._update_ranges(batch)
        for name, seen in self._seen.items():
            text = batch[f"text:{name}"]
            if seen.counts is not None:
                self._update_counts(seen, text)
            if seen.counts is None:
                self._update_sketch(seen, text)
            if name not in self._sensitive and batch[name].dtype.is_numeric():
                self._update_bins(seen, batch[name])

    def _update_ranges(self, batch: pl.DataFrame) -> None:
        wanted: list[pl.Expr] = []
        for name in self._seen:
            text, value = pl.col(f"text:{name}"), pl.col(name)
            length = text.str.len_chars()
            wanted += [
                text.null_count().alias(f"{name}|nulls"),
                value.min().alias(f"{name}|min"),
                value.max().alias(f"{name}|max"),
                length.min().alias(f"{name}|short"),
                length.max().alias(f"{name}|long"),
            ]
        found = batch.lazy().select(wanted).collect().row(0, named=True)
        for name, seen in self._seen.items():
            seen.nulls += found[f"{name}|nulls"]
            seen.minimum = _least(seen.minimum, found[f"{name}|min"])
            seen.maximum = _most(seen.maximum, found[f"{name}|max"])
            seen.shortest = _least(seen.shortest, found[f"{name}|short"])
            seen.longest = _most(seen.longest, found[f"{name}|long"])

    @staticmethod
    def _update_sketch(seen: _Seen, text: pl.Series) -> None:
        # K minimum values: the k-th smallest of n uniform hashes tells n.
        hashes = text.drop_nulls().hash(11)
        if len(seen.hashes) == SKETCH_SIZE:
            hashes = hashes.filter(hashes < seen.hashes[-1])
        if len(hashes):
            seen.hashes = pl.concat([seen.hashes, hashes.unique()]).unique().sort().head(SKETCH_SIZE)

    @staticmethod
    def _update_counts(seen: _Seen, text: pl.Series) -> None:
        """Count every value while there are few; past that, hand what was seen over to the sketch."""
        assert seen.counts is not None
        counted = text.drop_nulls().value_counts(name="times")
        if counted.height <= _COUNTED_VALUES:
            seen.counts.update(dict(counted.rows()))
        if counted.height > _COUNTED_VALUES or len(seen.counts) > _COUNTED_VALUES:
            known = pl.Series(list(seen.counts), dtype=pl.String)
            seen.counts = None
            Profiler._update_sketch(seen, known)

    @staticmethod
    def _update_bins(seen: _Seen, values: pl.Series) -> None:
        values = values.drop_nulls().cast(pl.Float64)
        if not len(values):
            return
        if seen.edges is None:
            low, high = float(values.min() or 0), float(values.max() or 0)  # type: ignore[arg-type]
            step = (high - low) / _BINS or 1.0
            seen.edges = [low + step * i for i in range(_BINS + 1)]
        low, step = seen.edges[0], seen.edges[1] - seen.edges[0]
        # The first and last bin take what later batches hold beyond the first batch's range.
        places = ((values - low) / step).floor().clip(-1, _BINS).cast(pl.Int32) + 1
        for place, times in places.value_counts(name="times").rows():
            seen.bins[place] += times

    def result(self) -> dict[str, dict[str, Any]]:
        return {name: self._describe(name, seen) for name, seen in self._seen.items()}

    def _describe(self, name: str, seen: _Seen) -> dict[str, Any]:
        exact = seen.counts is not None or len(seen.hashes) < SKETCH_SIZE
        distinct = len(seen.hashes) if seen.counts is None else len(seen.counts)
        if not exact:
            distinct = round((SKETCH_SIZE - 1) / (int(seen.hashes[-1]) / 2**64))
        described: dict[str, Any] = {
            "nulls": seen.nulls,
            "distinct": distinct,
            "distinct_error": 0.0 if exact else DISTINCT_ERROR,
            "min_length": seen.shortest,
            "max_length": seen.longest,
        }
        if name in self._sensitive:
            return described
        described |= {"min": shown(seen.minimum), "max": shown(seen.maximum)}
        if seen.counts:
            ordered = sorted(seen.counts.items(), key=lambda pair: (-pair[1], pair[0]))
            described["top"] = [{"value": shown(value), "rows": times} for value, times in ordered[:_TOP]]
        if seen.edges is not None:
            edges: list[float | None] = [None, *seen.edges, None]
            described["histogram"] = [
                {"from": low, "to": high, "rows": times}
                for low, high, times in zip(edges, edges[1:], seen.bins, strict=False)
                if times
            ]
        return described


def _least(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else min(one, other)


def _most(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else max(one, other)
