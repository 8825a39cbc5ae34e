"""A sample of a table's rows, spread evenly over all of it. The same rows give the same sample."""

import numpy as np
import numpy.typing as npt
import polars as pl

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2**64 over the golden ratio. Multiples of it are spread evenly, also those of every second or tenth number."""
_FIRST_CHARACTERS = 2_000
_ALL = 1 << 64
_CELLS = 1 << 20

Places = npt.NDArray[np.int64]


def spread_places(rows: int, most: int, start: int = 0) -> Places:
    """Up to about ``most`` of the rows, evenly spread."""
    return _below(start, rows, _ALL if rows <= most else _ALL * most // rows)


def _below(start: int, rows: int, limit: int) -> Places:
    if limit >= _ALL:
        return np.arange(rows)
    return np.flatnonzero(_ranks(np.arange(start, start + rows, dtype=np.uint64)) < np.uint64(limit))


def _ranks(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    return numbers * _GOLDEN


class RowSample:
    """Keeps all rows of a small table, and from ``most`` to twice as many of a larger one.

    Args:
        columns: those that are kept; texts are cut.
        most: rows. Of a wide table fewer are kept.
    """

    def __init__(self, columns: list[str], most: int = 2_048) -> None:
        self._columns = columns
        self._most = max(64, min(most, _CELLS // max(1, len(columns))))
        self._parts: list[tuple[npt.NDArray[np.uint64], pl.DataFrame]] = []
        self._limit, self._kept, self._seen = _ALL, 0, 0
        self.is_undamaged = True

    def add(self, batch: pl.DataFrame, damaged: pl.Series) -> None:
        """Add rows of a batch; those where ``damaged`` is not null have shifted cells and are left out."""
        while self._kept + batch.height * self._limit // _ALL > 2 * self._most:
            self._thin()
        places = _below(self._seen, batch.height, self._limit)
        if damaged.null_count() < batch.height:
            self.is_undamaged = False
            places = places[damaged.is_null().to_numpy()[places]]
        numbers = _ranks(places.astype(np.uint64) + np.uint64(self._seen))
        self._seen += batch.height
        if not len(places):
            return
        schema = batch.schema
        cut = [
            # Copy the strings, so that a few rows do not pin the whole chunk in memory.
            pl.col(name).str.slice(0, _FIRST_CHARACTERS) + "" if schema[name] == pl.String else pl.col(name)
            for name in self._columns
        ]
        self._parts.append((numbers, batch.select(self._columns)[places].select(cut)))
        self._kept += len(places)

    def _thin(self) -> None:
        self._limit //= 2
        kept = []
        for ranks, rows in self._parts:
            keep = ranks < np.uint64(self._limit)
            kept.append((ranks[keep], rows.filter(pl.Series(keep))))
        self._parts, self._kept = kept, sum(len(ranks) for ranks, _ in kept)

    def column(self, name: str) -> pl.Series:
        """The kept cells of a column that are not null."""
        return (
            pl.concat([rows[name] for _, rows in self._parts]).drop_nulls()
            if self._parts
            else pl.Series(dtype=pl.String)
        )
