"""One-pass column profile: nulls, range, lengths, distinct values, top values, histogram. Frames in, values out."""

import math
from collections.abc import Mapping, Set
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from etl_platform.engine.column_state import BINS, SKETCH_SIZE, ColumnState, Hashes, null_hash
from etl_platform.engine.privacy.masking import shown
from etl_platform.engine.result import DECILES, Bin, ColumnProfile, ValueCount
from etl_platform.engine.rules.compiled_contract import KEY_SEED
from etl_platform.engine.rules.dataset_verdicts import ColumnFacts
from etl_platform.engine.value_forms import SAMPLED, count_forms, has_size, kept_forms, sampled_rows, text_forms

DISTINCT_ERROR = 0.032
_COUNTED_VALUES = 2_000
_TOP, _CODES, _CODE_ROWS = 10, 100, 4
"""The most frequent values are kept; of texts that are codes, each in several rows on average, all of them."""
_TAILS = (0.01, 0.99)
"""The bins lie between these quantiles of the first batch, so that one typing error cannot widen them."""


class Profiler:
    """Gathers a profile over batches.

    Args:
        types: type of each column. ``text:<name>`` and ``<name>`` (typed) are read from the batches; the hashes of a
            text column come from ``key:<name>.unique`` if the batch has it.
        masked: columns of which only counts and lengths are kept.
        empty: number of empty cells of a column, if that is not its number of nulls.
        forms: whether forms of values are counted, which only a comparison with other files needs.
    """

    def __init__(
        self,
        types: Mapping[str, pl.DataType],
        masked: frozenset[str] = frozenset(),
        empty: Mapping[str, pl.Expr] = MappingProxyType({}),
        *,
        forms: bool = True,
    ) -> None:
        self._types, self._masked, self._empty = types, masked, empty
        with_forms = [name for name, type_ in types.items() if name in masked or type_ == pl.String]
        self._with_forms = frozenset(with_forms if forms else ())
        self._states = {name: ColumnState() for name in types}
        self.rows = 0

    def update(self, batch: pl.DataFrame) -> None:
        if not batch.height:
            return
        self.rows += batch.height
        for name, hashes in self._hashes(batch).items():
            state = self._states[name]
            if state.counts is not None:
                self._count(name, state, hashes, batch[f"text:{name}"])
            if state.counts is None:
                state.add_hashes(hashes)
        self._update_ranges(batch)
        self._update_forms(batch)
        for name, state in self._states.items():
            if name not in self._masked and (self._types[name].is_numeric() or self._types[name].is_temporal()):
                _update_bins(state, batch[name])

    def _hashes(self, batch: pl.DataFrame) -> dict[str, Hashes]:
        """Hashes of each column's texts; the hash of null may be among them."""
        present = set(batch.columns)  # once: the list of 16,384 columns takes a millisecond
        keys = {name: f"key:{name}.unique" for name, type_ in self._types.items() if type_ == pl.String}
        keyed = {name: batch[key].drop_nulls() for name, key in keys.items() if key in present}
        texts = [pl.col(f"text:{name}").hash(KEY_SEED).alias(name) for name in self._types if name not in keyed]
        found = batch.lazy().select_seq(texts).collect(engine="in-memory", optimizations=pl.QueryOptFlags.none())
        return {name: (keyed[name] if name in keyed else found[name]).to_numpy() for name in self._types}

    def _count(self, name: str, state: ColumnState, hashes: Hashes, texts: pl.Series) -> None:
        """Count each text while few are distinct; beyond that, move the counted ones to the sketch and the ranges."""
        assert state.counts is not None
        # Sorting hashes is many times cheaper than grouping texts, and 64 bits distinguish 2,000 of them.
        values, times = np.unique(hashes, return_counts=True)
        # One of them may be the hash of null.
        if len(values) <= _COUNTED_VALUES + 1:
            counted = dict(zip(values.tolist(), times.tolist(), strict=True))
            counted.pop(int(null_hash()), None)
            if counted.keys() - state.texts.keys():
                # In a frame: a method of a series costs a tenth of a millisecond, whatever its length.
                distinct = texts.to_frame().select(pl.first().drop_nulls().unique())
                hashed = distinct.select(pl.first().hash(KEY_SEED))
                state.texts.update(zip(hashed.to_series().to_list(), distinct.to_series().to_list(), strict=True))
            state.counts.update(counted)
            if len(state.counts) <= _COUNTED_VALUES:
                return
        self._add_counted(name, state)
        state.add_hashes(np.fromiter(state.counts, np.uint64, len(state.counts)))
        state.counts, state.texts = None, {}

    def _add_counted(self, name: str, state: ColumnState) -> None:
        """Add the lengths of the counted texts and, in a text column, their range."""
        if state.counts:
            texts = state.texts.values()
            state.add_lengths(min(map(len, texts)), max(map(len, texts)))
            if self._types[name] == pl.String:
                state.add_range(min(texts), max(texts))

    def _update_ranges(self, batch: pl.DataFrame) -> None:
        empty = batch.select(count.alias(name) for name, count in self._empty.items())
        for name, state in self._states.items():
            text, value = batch[f"text:{name}"], batch[name]
            nulls = text.null_count()
            state.nulls += nulls
            state.empty += empty[name].item() if name in self._empty else nulls
            if state.counts is None:
                lengths = text.str.len_chars()
                state.add_lengths(lengths.min(), lengths.max())
            if self._types[name] != pl.String or (state.counts is None and name not in self._masked):
                state.add_range(value.min(), value.max())

    def _update_forms(self, batch: pl.DataFrame) -> None:
        """Count forms in a sample of the batch, unless they will be counted from few different texts."""
        names = [name for name in self._types if name in self._with_forms and not self._has_few_texts(name)]
        # Of dates and numbers the value counts, whatever it is written like.
        values = [name if has_size(self._types[name]) else f"text:{name}" for name in names]
        for name, column in zip(names, sampled_rows(batch.select(values)) if values else (), strict=True):
            self._states[name].forms.update(count_forms(column))

    def _has_few_texts(self, name: str) -> bool:
        counts = self._states[name].counts
        return not has_size(self._types[name]) and counts is not None and len(counts) <= SAMPLED

    def _forms(self, name: str, state: ColumnState) -> dict[str, int] | None:
        if name not in self._with_forms:
            return None
        if state.counts is None or not self._has_few_texts(name):
            return kept_forms(state.forms)
        return kept_forms(text_forms([state.texts[value] for value in state.counts], list(state.counts.values())))

    def facts(self, name: str) -> ColumnFacts:
        """Nulls and maximum of a column, masked ones included: for dataset rules, not for display."""
        return ColumnFacts(self._states[name].nulls, self._states[name].maximum)

    def result(self, masked: Set[str] = frozenset()) -> dict[str, ColumnProfile]:
        """The profile of each column.

        Args:
            masked: further columns of which only counts and lengths are shown.
        """
        masked = masked | self._masked
        return {name: self._describe(name, state, masked=name in masked) for name, state in self._states.items()}

    def _describe(self, name: str, state: ColumnState, *, masked: bool) -> ColumnProfile:
        self._add_counted(name, state)
        exact = state.counts is not None or len(state.hashes) < SKETCH_SIZE
        distinct = len(state.hashes) if state.counts is None else len(state.counts)
        if not exact:
            distinct = round((SKETCH_SIZE - 1) / (int(state.hashes[-1]) / 2**64))
        top = None if masked else _most_frequent(state, self._types[name])
        are_values_known = top is not None and len(top) == distinct
        described = ColumnProfile(
            nulls=state.nulls,
            empty=state.empty,
            distinct=distinct,
            distinct_error=0.0 if exact else DISTINCT_ERROR,
            min_length=state.shortest,
            max_length=state.longest,
            masked=masked,
            forms=None if are_values_known else self._forms(name, state),
        )
        if described.masked:
            return described
        return replace(
            described,
            min=shown(state.minimum),
            max=shown(state.maximum),
            top=top,
            histogram=_histogram(state, self._types[name]),
            deciles=_deciles(state, self._types[name]),
        )


def _most_frequent(state: ColumnState, type_: pl.DataType) -> tuple[ValueCount, ...] | None:
    if not state.counts:
        return None
    counted = ((state.texts[value], times) for value, times in state.counts.items())
    ordered = sorted(counted, key=lambda pair: (-pair[1], pair[0]))
    has_histogram = type_.is_numeric() or type_.is_temporal()
    are_codes = not has_histogram and len(ordered) <= min(_CODES, state.counts.total() // _CODE_ROWS)
    return tuple(ValueCount(shown(value), times) for value, times in (ordered if are_codes else ordered[:_TOP]))


def _histogram(state: ColumnState, type_: pl.DataType) -> tuple[Bin, ...] | None:
    if state.edges is None:
        return None
    edges = [None, *(_edge(edge, type_) for edge in state.edges), None]
    bins = zip(edges, edges[1:], state.bins, strict=False)
    return tuple(Bin(low, high, times) for low, high, times in bins if times)


def _deciles(state: ColumnState, type_: pl.DataType) -> tuple[Any, ...] | None:
    if not len(state.sample):
        return None
    inner = np.quantile(state.sample, DECILES[1:-1], method="nearest").tolist()
    return (shown(state.minimum), *(_edge(number, type_) for number in inner), shown(state.maximum))


def _update_bins(state: ColumnState, values: pl.Series) -> None:
    values = values.drop_nulls()
    numbers = (values.to_physical() if values.dtype.is_temporal() else values).cast(pl.Float64).to_numpy()
    if not len(numbers):
        return
    state.add_to_sample(numbers)
    if state.edges is None:
        low, high = map(float, np.quantile(numbers, _TAILS, method="nearest"))
        # At least an ulp, so that an edge differs from the next; divided before subtracting, which cannot overflow.
        step = max((high / BINS - low / BINS) or 1.0, math.ulp(low), math.ulp(high))
        state.edges = [low + step * i for i in range(BINS + 1)]
    low, step = state.edges[0], state.edges[1] - state.edges[0]
    # The first and last bin count all values beyond the edges; a difference may overflow to infinity.
    with np.errstate(over="ignore"):
        places = numbers - low
        places /= step
    np.floor(np.clip(places, -1, BINS, out=places), out=places)
    places += 1
    for place, times in enumerate(np.bincount(places.astype(np.int8), minlength=BINS + 2)):
        state.bins[place] += int(times)


def _edge(edge: float, type_: pl.DataType) -> Any:
    """An edge of the histogram as a value of the column; for dates it is a number of days or microseconds."""
    return shown(pl.Series([int(edge)]).cast(type_).item()) if type_.is_temporal() else edge
