"""Batches → one Parquet file on local disk, encoded on a separate thread."""

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
"""A row group is in memory until it is encoded, so wide tables have fewer rows in each."""
_ZSTD_LEVEL = 2
"""Level 2 gives the file size of Polars' default, 3, with a seventh less CPU; level 1 gives 9 % larger files."""
_QUEUED_BATCHES = 2


class ParquetSink:
    """Writes batches as they arrive; the queued batches bound the memory.

    Use as a context manager: the file is complete when the block ends, and is removed if the block fails. Without rows
    there is no file. ``metadata`` is written into the file's footer.

    Raises:
        OSError: the disk is full, or the folder cannot be written; from ``write`` or at the end of the block.
    """

    def __init__(self, path: Path, schema: pl.Schema, metadata: Mapping[str, str] | None = None) -> None:
        self.path, self.rows = path, 0
        self._schema, self._metadata = schema, dict(metadata or {})
        self._queue: Queue[pl.DataFrame | None] = Queue(_QUEUED_BATCHES)
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
        except BaseException as error:  # noqa: BLE001 - the edge of a thread: raised again in the caller's thread
            self._error = _as_os_error(error, self.path)
            while self._next() is not None:
                pass

    def _next(self) -> pl.DataFrame | None:
        batch = self._queue.get()
        if batch is None:
            # Put the end marker back: if the write fails after it was read, the error handler reads it again.
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
    """Rows of a row group in a file with this number of columns."""
    return max(1, min(ROW_GROUP_ROWS, ROW_GROUP_CELLS // columns))


def _as_os_error(error: BaseException, path: Path) -> BaseException:
    """The OSError in the message of a Polars error, which has no class for it; else the error itself."""
    number = re.search(r"\(os error ([0-9]+)\)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1])), str(path)) if number else error
