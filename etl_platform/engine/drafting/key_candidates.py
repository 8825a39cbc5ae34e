"""The primary key of a drafted contract: one column, or two or three that are unique together. Guesses only."""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import polars as pl

from etl_platform.engine.column_words import words
from etl_platform.engine.contract.model import Column, ColumnType
from etl_platform.engine.drafting.column_names import is_key_name
from etl_platform.engine.drafting.file_columns import SharedColumn
from etl_platform.engine.drafting.word_lists import COUNTERS
from etl_platform.engine.reading.open_table import open_table

_MOST_COLUMNS = 8
_LEAST_ROWS = 10
_LEAST_REPEATS = 10
"""Repetitions that chance would give: columns that never repeat without it are no evidence of a key."""
_MOMENTS = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.TIME})


def single_key(columns: Sequence[Column]) -> tuple[str, ...]:
    """The first required column that is unique and named as an identifier; empty without one."""
    return next(((c.name,) for c in columns if c.unique and c.required and is_key_name(c.name)), ())


def composite_keys(
    columns: Sequence[Column], shared: Sequence[SharedColumn], files: dict[str, Path]
) -> Iterator[tuple[str, ...]]:
    """Identifiers with further columns, unique together in the first rows of each file, few columns first.

    Args:
        columns: typed; only required ones can be part of a key.
        files: by label.
    """
    usable = [
        column for column in columns if column.required and column.classification is None and _may_be_in_key(column)
    ]
    names = {column.name for column in sorted(usable, key=_rank)[:_MOST_COLUMNS]}
    ordered = [column for column in usable if column.name in names]
    if not any(is_key_name(column.name) for column in ordered):
        return
    frames = [_head(path, label, shared) for label, path in files.items()]
    if sum(frame.height for frame in frames) < _LEAST_ROWS:
        return
    for size in (2, 3):
        for key in combinations([column.name for column in ordered], size):
            if (
                any(map(is_key_name, key))
                and sum(_expected_repeats(frame, key) for frame in frames) >= _LEAST_REPEATS
                and all(frame.n_unique(subset=key) == frame.height for frame in frames)
            ):
                yield key


def _expected_repeats(frame: pl.DataFrame, key: Sequence[str]) -> float:
    """How many pairs of rows would have the same key if its columns were independent of each other."""
    return frame.height * (frame.height - 1) / 2 / math.prod(frame[name].n_unique() for name in key)


def _may_be_in_key(column: Column) -> bool:
    is_counter = column.type is ColumnType.INTEGER and not COUNTERS.isdisjoint(words(column.name))
    return is_key_name(column.name) or column.type in _MOMENTS or is_counter


def _rank(column: Column) -> tuple[bool, bool]:
    return not is_key_name(column.name), column.type not in _MOMENTS


def _head(path: Path, label: str, shared: Sequence[SharedColumn]) -> pl.DataFrame:
    """The first rows of a file under the names of the draft."""
    batch = next(iter(open_table(path, None).batches()))
    return batch.select(
        pl.col(str(column.samples[label].position)).alias(column.name) for column in shared if label in column.samples
    )
