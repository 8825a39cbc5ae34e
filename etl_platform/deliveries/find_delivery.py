"""Finds the report of a delivery by its id alone. No decision."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from etl_platform import object_keys
from etl_platform.deliveries.last_deliveries import LastDeliveries
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.report_days import ReportDays
from etl_platform.storage.object_store import ObjectStore

_AT_ONCE = 16
_RECENT = timedelta(days=40)
"""Longer than a month, so that it contains the last monthly file."""


def find_delivery(store: ObjectStore, bucket: str, delivery_id: str, now: datetime) -> Report | None:
    """The report of a delivery; if it was reprocessed, of the last reprocessing; also of an ignored file.
    None if there is none.

    A recent one costs a request for each of 40 days. An older one costs a request for each partition, because the id
    does not name it.

    Raises:
        ReportError, TransientError: the report cannot be read.
    """
    reports = Ledger(store, bucket)
    for prefix in _prefixes(store, bucket, delivery_id, now):
        if found := reports.reports(prefix):
            return max(found, key=lambda report: report.attempt.ended_at)
    ignored = reports.reports(object_keys.ignored_key(delivery_id))
    return ignored[0] if ignored else None


def _prefixes(store: ObjectStore, bucket: str, delivery_id: str, now: datetime) -> Iterator[str]:
    """Prefixes under which the delivery may have reports, the likely ones first."""
    for key in ReportDays(store, bucket).keys_since(now - _RECENT) or ():
        parsed = object_keys.parse_delivery_object(key)
        if parsed is not None and parsed.delivery_id == delivery_id:
            yield object_keys.report_prefix(parsed.dataset, parsed.agency, delivery_id)
    partitions = LastDeliveries(store, bucket, now).partitions()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        prefixes = [object_keys.report_prefix(*partition, delivery_id) for partition in sorted(partitions)]
        found = pool.map(lambda prefix: any(True for _ in store.list(bucket, prefix)), prefixes)
        yield from (prefix for prefix, exists in zip(prefixes, found, strict=True) if exists)
