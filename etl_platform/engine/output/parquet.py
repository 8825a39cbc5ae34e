"""Batches → one Parquet file on local disk, encoded on a thread of its own."""

import os
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Queue
from types import TracebackType

import polars as pl
from polars.io.plugins import register_io_source

ROW_GROUP_ROWS = 262_144
ROW_GROUP_CELLS = 6 << 20
"""A group is held in memory until it is encoded: of a hundred columns it has fewer rows."""
_ZSTD_LEVEL = 2
"""As small as Polars' default of 3 and a seventh cheaper; 1 is 9 % larger."""
_WAITING = 2


class ParquetSink:
    """Writes batches as they come; memory is bounded by the batches that wait.

    Use as a context manager: the file is whole when the block ends, and removed if it fails. Without rows there is
    no file. ``metadata`` stands in the file's footer.

    Raises:
        OSError: the disk is full, or the folder cannot be written; from ``write`` or at the end of the block.
    """

    def __init__(self, path: Path, schema: pl.Schema, metadata: Mapping[str, str] | None = None) -> None:
        self.path, self.rows = path, 0
        self._schema, self._metadata = schema, dict(metadata or {})
        self._queue: Queue[pl.DataFrame | None] = Queue(_WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"write {path.name}", daemon=True)

    def write(self, batch: pl.DataFrame) -> None:
        if batch.height:
            if not self.rows:
                self._thread.start()
            self.rows += batch.height
            self._queue.put(batch)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        def batches(
            _columns: list[str] | None, _predicate: pl.Expr | None, _rows: int | None, _size: int | None
        ) -> Iterator[pl.DataFrame]:
            while (batch := self._next()) is not None:
                yield batch

        try:
            register_io_source(batches, schema=self._schema, is_pure=False).sink_parquet(
                self.path,
                compression="zstd",
                compression_level=_ZSTD_LEVEL,
                row_group_size=row_group_rows(len(self._schema)),
                maintain_order=True,
                metadata=self._metadata or None,
            )
        except BaseException as error:  # noqa: BLE001 - a thread's edge: handed to the writer's caller
            self._error = _told_by_the_system(error, self.path)
            while self._next() is not None:
                pass

    def _next(self) -> pl.DataFrame | None:
        batch = self._queue.get()
        if batch is None:
            # The end stays: the last bytes may fail after the writer has read it, and then it is looked for again.
            self._queue.put(None)
        return batch

    def __enter__(self) -> "ParquetSink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.rows:
            return
        self._queue.put(None)
        self._thread.join()
        if kind is not None or self._error is not None:
            self.path.unlink(missing_ok=True)
        if self._error is not None and kind is None:
            raise self._error


def row_group_rows(columns: int) -> int:
    return max(1, min(ROW_GROUP_ROWS, ROW_GROUP_CELLS // columns))


def _told_by_the_system(error: BaseException, path: Path) -> BaseException:
    """The OSError that stands in the text of Polars' error, which has no class of its own for it; or the error."""
    number = re.search(r"\(os error ([0-9]+)\)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1])), str(path)) if number else error
