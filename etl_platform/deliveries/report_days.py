"""The index of reports by day: an empty object for each report, so that recent reports are found without the others.

The reports are the truth. An entry is written before its report, so a crash leaves an entry without a report, which
readers pass over, and never a report without an entry. Entries of reports that are older than the index, or whose entry
was deleted, are made by ``complete``. Until that ran once, there is no answer, and readers list all reports.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

from etl_platform import object_keys
from etl_platform.errors import PreconditionFailedError
from etl_platform.storage.object_store import ObjectHead, ObjectStore, find_object

_AT_ONCE = 16
_CLOCK_DIFFERENCE = timedelta(hours=1)
"""By which S3's clock may differ from ours; ``complete`` takes the day of S3's."""


def list_reports(store: ObjectStore, bucket: str, prefix: str = object_keys.REPORTS) -> Iterator[ObjectHead]:
    """The objects of reports under a prefix, in key order."""
    if prefix == object_keys.REPORTS:
        # The folders beside the reports have as many objects.
        prefixes = filter(object_keys.is_report, store.folders(bucket, prefix))
        return (head for folder in prefixes for head in store.list(bucket, folder))
    return store.list(bucket, prefix)


class ReportDays:
    """The index of one bucket. Every method raises TransientError if infrastructure fails."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket

    def add(self, report_key: str, ended_at: datetime) -> None:
        """Add a report that is about to be written; ``ended_at`` is when its attempt ended (UTC)."""
        entry = object_keys.report_day_key(ended_at.astimezone(UTC).date(), report_key)
        try:
            self._store.write(self._bucket, entry, b"", if_absent=True)
        except PreconditionFailedError:
            # An earlier attempt of the same day added it.
            return

    def keys_since(self, since: datetime, prefix: str = object_keys.REPORTS) -> list[str] | None:
        """The keys of all reports under a prefix whose attempts ended since then, in order; and some older ones.

        A key may have no report. None if the index is not complete.
        """
        if find_object(self._store, self._bucket, object_keys.REPORT_DAYS_COMPLETE) is None:
            return None
        first = (since - _CLOCK_DIFFERENCE).date()
        days = [day for day in self._days() if day >= first]
        prefixes = [object_keys.report_day_prefix(day, prefix) for day in days]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return sorted({key for keys in pool.map(self._keys, prefixes) for key in keys})

    def complete(self) -> int:
        """Add every report that has no entry, and mark the index as complete; returns how many were added.

        Lists all reports and all entries.
        """
        # Reports first: a report that is written meanwhile has its entry already.
        reports = {head.key: head.last_modified.date() for head in list_reports(self._store, self._bucket)}
        indexed = set(self._keys(object_keys.REPORT_DAYS))
        missing = [(key, day) for key, day in reports.items() if key not in indexed]
        self._write_all(object_keys.report_day_key(day, key) for key, day in missing)
        if find_object(self._store, self._bucket, object_keys.REPORT_DAYS_COMPLETE) is None:
            self._store.write(self._bucket, object_keys.REPORT_DAYS_COMPLETE, b"{}\n")
        return len(missing)

    def _days(self) -> Iterator[date]:
        folders = self._store.folders(self._bucket, object_keys.REPORT_DAYS)
        return (day for day in map(object_keys.parse_report_day, folders) if day is not None)

    def _keys(self, prefix: str) -> list[str]:
        return [object_keys.report_of_day_key(head.key) for head in self._store.list(self._bucket, prefix)]

    def _write_all(self, entries: Iterable[str]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(lambda entry: self._store.write(self._bucket, entry, b""), entries):
                continue
