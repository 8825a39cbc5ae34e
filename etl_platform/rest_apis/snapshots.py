"""A snapshot under construction: rows merged by key in a local SQLite file, and its CSV.

SQLite keeps memory constant for snapshots of any size: https://www.sqlite.org/lang_upsert.html
"""

import csv
import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode

Cells = Mapping[str, str]
"""The non-empty cells of a record, by field."""


@dataclass(frozen=True)
class Row:
    """One row. Of rows with the same key the highest ``version`` is kept; of equal versions, the last one."""

    key: str
    cells: Cells
    version: int | float | str = 0


class SnapshotRows:
    """Rows by key, for one thread. The SQLite file is temporary."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE rows (key TEXT PRIMARY KEY, version, cells TEXT NOT NULL) WITHOUT ROWID")

    def merge(self, rows: Iterable[Row]) -> None:
        self._database.executemany(
            "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET version = excluded.version, "
            "cells = excluded.cells WHERE excluded.version >= rows.version AND excluded.cells <> rows.cells",
            ((row.key, row.version, _encode(row.cells)) for row in rows),
        )

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM rows").fetchone()[0])

    @property
    def writes(self) -> int:
        """Number of rows inserted or changed so far."""
        return self._database.total_changes

    def write(self, path: Path, header: list[str]) -> None:
        """Write all rows by key, as UTF-8 with commas; every cell is quoted, so that the dialect is unambiguous."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerow(header)
            for (text,) in self._database.execute("SELECT cells FROM rows ORDER BY key"):
                cells = json.loads(text)
                writer.writerow([cells.get(field, "") for field in header])


@contextmanager
def snapshot_rows(folder: Path) -> Iterator[SnapshotRows]:
    """Empty rows, stored in a SQLite file in ``folder``."""
    database = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
    try:
        # The file is temporary, so it needs no journal and no sync; the cache has 16 MiB.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-16384"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("BEGIN")
        yield SnapshotRows(database)
    finally:
        database.close()


def read_header(path: Path) -> list[str]:
    with _reader(path) as lines:
        return next(lines, [])


def read_rows(path: Path, to_row: Callable[[dict[str, str]], Row]) -> Iterator[Row]:
    """The rows of a snapshot's CSV; ``to_row`` converts the non-empty cells of one line."""
    with _reader(path) as lines:
        header = next(lines, [])
        for line in lines:
            yield to_row({field: text for field, text in zip(header, line, strict=True) if text})


@contextmanager
def _reader(path: Path) -> Iterator[Iterator[list[str]]]:
    # A nested value may be longer than 128 KiB, the default limit of Python's reader.
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8", newline="") as file:
        yield csv.reader(file)
