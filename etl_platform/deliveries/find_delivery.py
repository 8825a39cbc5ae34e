"""Finds the report of a delivery by its id alone. No decision."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from etl_platform import object_keys
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import Report
from etl_platform.storage.object_store import ObjectStore

_AT_ONCE = 16


def find_delivery(store: ObjectStore, bucket: str, delivery_id: str) -> Report | None:
    """The report of a delivery; if it was reprocessed, of the last reprocessing. None if no partition has one.

    It costs one request for each partition, because the id does not name its partition.

    Raises:
        ReportError, TransientError: the report cannot be read.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda prefix: list(store.list(bucket, f"{prefix}{delivery_id}.")), _partitions(store, bucket))
        prefix = next((f"{heads[0].key.rpartition('/')[0]}/{delivery_id}." for heads in found if heads), None)
    reports = Ledger(store, bucket).reports(prefix) if prefix else []
    return max(reports, key=lambda report: report.attempt.ended_at, default=None)


def _partitions(store: ObjectStore, bucket: str) -> Iterator[str]:
    for dataset in store.folders(bucket, object_keys.REPORTS):
        if object_keys.parse_folder(dataset):
            yield from store.folders(bucket, dataset)
