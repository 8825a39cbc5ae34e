"""Compares the primary keys of a file with those of other files of its partition, within limits. No Dagster.

Silver is the union of a partition's files, so a row that two files have is there twice: ``Officers.csv`` and
``Officers (1).csv``. The limits keep the cost of a delivery the same, however many files came before.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from etl_platform import object_keys
from etl_platform.deliveries.key_comparison import KeyComparison, SharedKeys
from etl_platform.deliveries.ledger import Ledger
from etl_platform.engine.contract.model import Contract
from etl_platform.errors import ObjectMissingError, PreconditionFailedError, ReportError
from etl_platform.storage.object_store import ObjectHead, ObjectStore

MAX_FILES = 5
MAX_BYTES = 16 << 20
"""Of all silver objects together that are read for one delivery."""
_MAX_LISTED = 1_000
"""One page of S3's listing."""
_COPY_MARK = re.compile(r"^copy-of-|(?:-(?:copy|kopie|copie|copia))?(?:-\d{1,2})?$")


class KeyComparer:
    """Compares files of one data bucket."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket, self._ledger = store, bucket, Ledger(store, bucket)

    def compare(self, silver: Path, silver_key: str, contract: Contract, agency: str) -> KeyComparison | None:
        """Compare a file with the newest others of its partition; those whose names are copies of its name come first.

        Args:
            silver: the good rows of the file.
            silver_key: where they are in the store.
            contract: without a primary key there is nothing to compare.

        Raises:
            TransientError: infrastructure.
        """
        if not contract.primary_key:
            return None
        prefix = object_keys.silver_prefix(contract.dataset, agency)
        listed = islice(self._store.list(self._bucket, prefix), _MAX_LISTED)
        others = [head for head in listed if head.key != silver_key]
        shared: list[SharedKeys] = []
        compared = 0
        for head in _choose(others, silver_key):
            other = silver.with_name("other.parquet")
            try:
                self._store.download(head, other)
            except (ObjectMissingError, PreconditionFailedError):
                # Replaced or removed meanwhile: the delivery that did so compares its own keys.
                continue
            compared += 1
            if rows := _shared_rows(silver, other, contract.primary_key):
                delivery_id = _delivery_id(other)
                source_key = self._source_key(contract.dataset, agency, delivery_id) or head.key
                shared.append(SharedKeys(source_key, head.key, delivery_id, rows))
            other.unlink()
        return KeyComparison(len(others), compared, tuple(shared))

    def _source_key(self, dataset: str, agency: str, delivery_id: str) -> str | None:
        try:
            report = self._ledger.find(dataset, agency, delivery_id) if delivery_id else None
        except ReportError:
            # It is not the report of this delivery, which it must not stop.
            return None
        return report.source.key if report else None


def _choose(others: Iterable[ObjectHead], silver_key: str) -> list[ObjectHead]:
    """The objects to read: copies by name first, then the newest, within the limits."""
    name = _without_copy_mark(silver_key)
    newest_first = sorted(others, key=lambda head: head.last_modified, reverse=True)
    chosen: list[ObjectHead] = []
    left = MAX_BYTES
    for head in sorted(newest_first, key=lambda head: _without_copy_mark(head.key) != name):
        if len(chosen) < MAX_FILES and head.size_bytes <= left:
            chosen.append(head)
            left -= head.size_bytes
    return chosen


def _without_copy_mark(silver_key: str) -> str:
    """The stem of the source file as it is in the silver key, without ``(1)``, ``- Copy`` and their like."""
    slug, _, _ = object_keys.base_name(silver_key).rpartition("-")
    return _COPY_MARK.sub("", slug)


def _shared_rows(silver: Path, other: Path, keys: Sequence[str]) -> int:
    """How many rows of ``silver`` have a key that ``other`` has; 0 if an older contract had other keys."""
    import polars as pl

    schemas = pl.read_parquet_schema(silver), pl.read_parquet_schema(other)
    if not set(keys) <= schemas[1].keys():
        return 0
    same = all(schemas[0][name] == schemas[1][name] for name in keys)
    columns = [pl.col(name) if same else pl.col(name).cast(pl.String) for name in keys]
    mine, theirs = (pl.scan_parquet(path).select(columns) for path in (silver, other))
    found = mine.join(theirs, on=list(keys), how="semi").select(pl.len()).collect(engine="streaming")
    return int(found.item())


def _delivery_id(silver: Path) -> str:
    import polars as pl

    return pl.read_parquet_metadata(silver).get("delivery_id", "")
