"""The index of reports by day: an empty object for each report, so that recent reports are found without the others.

The reports are the truth. An entry is written before its report, so a crash leaves an entry without a report, which
readers pass over, and never a report without an entry. Entries of reports that are older than the index, or whose entry
was deleted, are made by ``complete``. Until it ran in this release, there is no answer, and readers list all reports.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from etl_platform import object_keys
from etl_platform.errors import ObjectMissingError
from etl_platform.settings import code_version
from etl_platform.storage.object_store import ObjectHead, ObjectStore, list_folders

_AT_ONCE = 16
CLOCK_DIFFERENCE = timedelta(hours=1)
"""By which S3's clock may differ from ours; ``complete`` takes the day of S3's."""
_WRITTEN_LATE = timedelta(days=1)
"""By which an entry can be younger than its report: ``complete`` runs once a day."""


def list_reports(store: ObjectStore, bucket: str, prefix: str = object_keys.REPORTS) -> Iterator[ObjectHead]:
    """The objects of reports under a prefix, in key order."""
    if prefix == object_keys.REPORTS:
        # The folders beside the reports have as many objects, and many datasets have few.
        neighbours = groupby(sorted(store.folders(bucket, prefix)), key=object_keys.is_report)
        runs = [list(folders) for are_reports, folders in neighbours if are_reports]
        return (head for run in runs for head in list_folders(store.list, bucket, prefix, run[0], run[-1]))
    return store.list(bucket, prefix)


@dataclass(frozen=True)
class ReportEntry:
    """An entry of the index; its report may not exist.

    Attributes:
        day: on which the attempt ended (UTC).
        written_at: when the entry was written; on the same day, unless ``complete`` or a renaming wrote it later.
    """

    report_key: str
    day: date
    written_at: datetime

    @property
    def latest(self) -> datetime:
        """The latest time at which the attempt can have ended (UTC), but for seconds."""
        end_of_day = datetime.combine(self.day, time.max, UTC)
        return self.written_at if self.is_exact else end_of_day

    @property
    def is_exact(self) -> bool:
        """Whether the entry was written together with its report."""
        return self.written_at.date() == self.day


class ReportDays:
    """The index of one bucket. Every method raises TransientError if infrastructure fails."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket

    def add(self, report_key: str, ended_at: datetime) -> None:
        """Add a report that is about to be written; ``ended_at`` is when its attempt ended (UTC)."""
        entry = object_keys.report_day_key(ended_at.astimezone(UTC).date(), report_key)
        # Also over the entry of an attempt that crashed before: readers pass over entries that are too old.
        self._store.write(self._bucket, entry, b"")

    def keys_since(self, since: datetime, prefix: str = object_keys.REPORTS) -> list[str] | None:
        """The keys of ``entries_since`` in order, each once."""
        entries = self.entries_since(since, prefix)
        return None if entries is None else sorted({entry.report_key for entry in entries})

    def entries_since(self, since: datetime, prefix: str = object_keys.REPORTS) -> list[ReportEntry] | None:
        """The entries of all reports under a prefix whose attempts ended since then, and some older ones.

        None if the index is not complete.
        """
        if not self._is_complete():
            return None
        earliest, indexed = since - CLOCK_DIFFERENCE, list(self._days())
        if not indexed:
            # Nothing was ever reported, or somebody deleted the index and left its mark.
            return None
        days = [day for day in indexed if day >= earliest.date()]
        return [entry for entry in self.entries_of(days, prefix) if entry.latest >= earliest]

    def entries_of(self, days: Iterable[date], prefix: str = object_keys.REPORTS) -> list[ReportEntry]:
        """The entries of these days for all reports under a prefix."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [entry for entries in pool.map(lambda day: self._entries(day, prefix), days) for entry in entries]

    def written_since(self, since: datetime) -> list[ReportEntry]:
        """The entries that were written since then, those written first before the others.

        Only of reports that are not older than a day before then. The index need not be complete: what it lacks is
        older than the release that made it.
        """
        days = [day for day in self._days() if day >= (since - _WRITTEN_LATE).date()]
        found = [one for one in self.entries_of(days) if one.written_at >= since]
        return sorted(found, key=lambda one: (one.written_at, one.report_key))

    def complete(self, on_report: Callable[[ObjectHead], object] | None = None) -> int:
        """Add every report that has no entry, and mark the index as complete; returns how many were added.

        Lists all reports and all entries.

        Args:
            on_report: called with each listed report.
        """
        reports: dict[str, date] = {}
        # Reports first: a report that is written meanwhile has its entry already.
        for head in list_reports(self._store, self._bucket):
            reports[head.key] = head.last_modified.date()
            if on_report is not None:
                on_report(head)
        entries = self._store.list(self._bucket, object_keys.REPORT_DAYS)
        indexed = {object_keys.report_of_day_key(head.key) for head in entries}
        missing = [(key, day) for key, day in reports.items() if key not in indexed]
        self._write_all(object_keys.report_day_key(day, key) for key, day in missing)
        if not self._is_complete():
            self._store.write(self._bucket, object_keys.REPORT_DAYS_COMPLETE, _mark())
        return len(missing)

    def _is_complete(self) -> bool:
        """Whether ``complete`` ran in this release: pods of an older one may have written reports without entries."""
        try:
            return self._store.read(self._bucket, object_keys.REPORT_DAYS_COMPLETE) == _mark()
        except ObjectMissingError:
            return False

    def _days(self) -> Iterator[date]:
        folders = self._store.folders(self._bucket, object_keys.REPORT_DAYS)
        return (day for day in map(object_keys.parse_report_day, folders) if day is not None)

    def _entries(self, day: date, prefix: str) -> list[ReportEntry]:
        heads = self._store.list(self._bucket, object_keys.report_day_prefix(day, prefix))
        return [ReportEntry(object_keys.report_of_day_key(head.key), day, head.last_modified) for head in heads]

    def _write_all(self, entries: Iterable[str]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(lambda entry: self._store.write(self._bucket, entry, b""), entries):
                continue


def _mark() -> bytes:
    return json.dumps({"completed_by": code_version()}).encode() + b"\n"
