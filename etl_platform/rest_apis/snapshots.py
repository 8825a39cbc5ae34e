"""A snapshot under construction: records merged by key in a file on local disk, in any number, and its CSV.

SQLite keeps them, so that memory does not grow with the snapshot: https://www.sqlite.org/lang_upsert.html
"""

import csv
import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_AT_ONCE = 5_000

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode

Cells = Mapping[str, str]
"""The cells of a record that are not empty, by field."""


@dataclass(frozen=True)
class Row:
    """``place`` is where it stands among rows of the same key; the highest stays, of equal ones the last."""

    key: str
    cells: Cells
    place: int | float | str = 0


class SnapshotRows:
    """Rows by key. One process, one thread; the file is scratch and goes with its folder."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE rows (key TEXT PRIMARY KEY, place, cells TEXT NOT NULL) WITHOUT ROWID")

    def merge(self, rows: Iterable[Row]) -> None:
        made = ((row.key, row.place, _encode(row.cells)) for row in rows)
        self._database.executemany(
            "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET place = excluded.place, "
            "cells = excluded.cells WHERE excluded.place >= rows.place AND excluded.cells <> rows.cells",
            made,
        )

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM rows").fetchone()[0])

    @property
    def writes(self) -> int:
        """Rows that were new or changed, so far."""
        return self._database.total_changes

    def write(self, path: Path, header: list[str]) -> None:
        """Every row in the order of its key: UTF-8, commas, every cell in quotes, so that no reader has to guess."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerow(header)
            for (text,) in self._database.execute("SELECT cells FROM rows ORDER BY key"):
                cells = json.loads(text)
                writer.writerow([cells.get(field, "") for field in header])


@contextmanager
def snapshot_rows(folder: Path) -> Iterator[SnapshotRows]:
    """An empty one, in a file of this folder."""
    database = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
    try:
        # Nothing of it outlives this process: no journal, no waiting for the disk, 16 MiB of cache.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-16384"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("BEGIN")
        yield SnapshotRows(database)
    finally:
        database.close()


def read_header(path: Path) -> list[str]:
    """The header of a snapshot's CSV."""
    with _reader(path) as lines:
        return next(lines, [])


def read_rows(path: Path, row_of: Callable[[dict[str, str]], Row]) -> Iterator[Row]:
    """The rows of a snapshot's CSV."""
    with _reader(path) as lines:
        header = next(lines, [])
        for line in lines:
            yield row_of({field: text for field, text in zip(header, line, strict=True) if text})


@contextmanager
def _reader(path: Path) -> Iterator[Iterator[list[str]]]:
    # A nested value may be longer than the 128 KiB that Python's reader takes for a mistake.
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8", newline="") as file:
        yield csv.reader(file)
