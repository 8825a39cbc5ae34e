"""A sample of a table's rows, spread evenly over all of it. The same rows give the same sample."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

MOST_ROWS = 1_024
_LEAST_ROWS, _CELLS = 64, 1 << 20
FIRST_CHARACTERS = 2_000
_ALL = 1 << 64
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2**64 over the golden ratio. Multiples of it are spread evenly, also those of every second or tenth number."""

Places = npt.NDArray[np.int64]
Ranks = npt.NDArray[np.uint64]


def spread_places(rows: int, most: int) -> Places:
    """The places of about ``most`` rows, evenly spread; of all rows if there are no more."""
    if rows <= most:
        return np.arange(rows)
    return np.flatnonzero(_ranks(np.arange(rows, dtype=np.uint64)) < np.uint64(_ALL * most // rows))


def _ranks(numbers: Ranks) -> Ranks:
    return numbers * _GOLDEN


class RowSample:
    """Keeps all rows of a small table, and from ``MOST_ROWS`` to twice as many of a larger one.

    Args:
        columns: those that are kept. Of many columns, fewer rows are kept.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._most = max(_LEAST_ROWS, min(MOST_ROWS, _CELLS // max(1, len(columns))))
        self._parts: list[tuple[Ranks, pl.DataFrame]] = []
        self._limit, self._kept, self._seen = _ALL, 0, 0

    def add(self, batch: pl.DataFrame, damaged: pl.Series) -> None:
        """Add rows of a batch; those where ``damaged`` is not null have shifted cells and are left out."""
        while self._kept + batch.height * self._limit // _ALL > 2 * self._most:
            self._thin()
        ranks = _ranks(np.arange(self._seen, self._seen + batch.height, dtype=np.uint64))
        self._seen += batch.height
        kept = None if self._limit >= _ALL else ranks < np.uint64(self._limit)
        if damaged.null_count() < batch.height:
            whole = damaged.is_null().to_numpy()
            kept = whole if kept is None else kept & whole
        part = ranks, batch.select(self._columns)
        self._parts.append(part if kept is None else _filtered(part, kept))
        self._kept += len(self._parts[-1][0])

    def _thin(self) -> None:
        self._limit //= 2
        self._parts = [_filtered(part, part[0] < np.uint64(self._limit)) for part in self._parts]
        self._kept = sum(len(ranks) for ranks, _ in self._parts)

    def rows(self) -> pl.DataFrame | None:
        """The kept rows; None if the table has none."""
        return pl.concat([rows for _, rows in self._parts]) if self._kept else None


def _filtered(part: tuple[Ranks, pl.DataFrame], kept: npt.NDArray[np.bool_]) -> tuple[Ranks, pl.DataFrame]:
    ranks, rows = part
    # Copy the strings, so that a few rows do not pin the whole chunk in memory.
    cut = (
        pl.col(name).str.slice(0, FIRST_CHARACTERS) + "" if dtype == pl.String else pl.col(name)
        for name, dtype in rows.schema.items()
    )
    return ranks[kept], rows[np.flatnonzero(kept)].select(cut)
