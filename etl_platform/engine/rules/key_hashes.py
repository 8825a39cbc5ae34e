"""Finds the key hashes that repeat in a file: in memory up to a limit, beyond it in partitions on local disk."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

MEMORY_ROWS = 16 << 20
"""Hashes kept in memory: 8 bytes each, 128 MiB."""
_PARTITION_BITS = 4
_EMPTY = pl.Series("key", [], pl.UInt64)


class KeyHashes:
    """Collects 64-bit hashes and returns those that were added more than once.

    Args:
        folder: for scratch files of this rule alone, written only beyond ``MEMORY_ROWS``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._spills = folder, 0
        self._held: list[pl.Series] = []
        self._held_rows = 0
        self.rows = self.checksum = 0

    def add(self, hashes: pl.Series) -> None:
        """Add the hashes of one batch, without nulls."""
        self._held.append(hashes)
        self._held_rows += len(hashes)
        self.rows += len(hashes)
        self.checksum = (self.checksum + checksum(hashes)) % 2**64
        if self._held_rows > MEMORY_ROWS:
            self._spill()

    def _spill(self) -> None:
        """A partition holds the hashes with the same top bits, so equal hashes are in the same partition."""
        self._folder.mkdir(parents=True, exist_ok=True)
        hashes = pl.concat([_EMPTY, *self._held]).to_frame()
        shift = 2 ** (64 - _PARTITION_BITS)
        for partition in range(2**_PARTITION_BITS):
            low, high = partition * shift, (partition + 1) * shift - 1
            part = hashes.filter(pl.col("key").is_between(pl.lit(low, pl.UInt64), pl.lit(high, pl.UInt64)))
            part.write_ipc(self._folder / f"{partition:02}-{self._spills:04}.ipc")
        self._held, self._held_rows = [], 0
        self._spills += 1

    def repeated(self) -> pl.Series:
        """The hashes that were added more than once, each once, in ascending order."""
        if not self._spills:
            return _repeated(self._held)
        self._spill()
        return pl.concat([self._repeated_in(partition) for partition in range(2**_PARTITION_BITS)])

    def _repeated_in(self, partition: int) -> pl.Series:
        paths = sorted(self._folder.glob(f"{partition:02}-*.ipc"))
        return _repeated([pl.read_ipc(path)["key"] for path in paths])


def checksum(hashes: pl.Series) -> int:
    """The sum modulo 2**64, in any order; equal for two passes over the same keys."""
    return int(hashes.sum() or 0) % 2**64


def _repeated(parts: Sequence[pl.Series]) -> pl.Series:
    # Polars sorts on all cores. NumPy is faster only on some processors, and takes four times as long on others.
    ordered = pl.concat([_EMPTY, *parts]).sort().to_numpy()
    return pl.Series("key", ordered[1:][ordered[1:] == ordered[:-1]]).unique(maintain_order=True)
