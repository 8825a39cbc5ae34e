"""The last delivery of each partition, kept in one object: what is asked about all agencies does not list all reports.

The reports are the truth. The object says until when it was made; reports written since are found by the index of
reports by day. If one of the two is lost, all reports are listed again. Two writers at once cost requests only.
"""

import gzip
import json
import logging
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import TypeAlias

from etl_platform import object_keys
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.report_days import CLOCK_DIFFERENCE, ReportDays, ReportEntry, list_reports
from etl_platform.errors import ObjectMissingError, PreconditionFailedError, ReportError, TransientError
from etl_platform.storage.object_store import ObjectHead, ObjectStore, find_object

_AT_ONCE = 16
_FEW = 16
"""So many reports are read one by one, and found again without a new object."""
_FORMAT = 1
_DAY = timedelta(days=1)
"""How long an attempt may take from its end to the entry of its report, at most."""
log = logging.getLogger(__name__)
Partition: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class LastDelivery:
    """The delivery of a partition that arrived last, whatever became of it. Times are UTC.

    Attributes:
        reported_at: when the attempt ended that the report is about.
    """

    dataset: str
    agency: str
    delivery_id: str
    source_key: str
    outcome: str
    arrived_at: datetime
    reported_at: datetime

    @classmethod
    def of(cls, report: Report) -> "LastDelivery":
        arrived_at = report.source.last_modified or report.attempt.ended_at
        source = report.delivery_id, report.source.key, str(report.outcome)
        return cls(*report.partition, *source, arrived_at, report.attempt.ended_at)

    @property
    def partition(self) -> Partition:
        return self.dataset, self.agency


@dataclass(frozen=True)
class _Kept:
    """What the object holds; ``etag`` is None without an object.

    Attributes:
        read_to: when the newest report in it was written, or the entry of that (UTC). It is S3's time, so a process
            whose clock is wrong hides nothing.
    """

    etag: str | None = None
    read_to: datetime | None = None
    deliveries: Mapping[Partition, LastDelivery] = field(default_factory=dict)


class _Candidates:
    """Of a listing of all reports: those that can be about a newer file than the known one.

    A report is younger than its file, so an older report cannot be about a newer file.

    Attributes:
        newest: when the newest report was written (UTC).
        later: by partition, when each of these reports was written, and its delivery id.
        listed: the partitions whose known delivery has a report.
    """

    def __init__(self, kept: _Kept) -> None:
        self.kept = kept
        self.newest: datetime | None = None
        self.later: dict[Partition, list[tuple[datetime, str]]] = defaultdict(list)
        self.listed: set[Partition] = set()

    def add(self, head: ObjectHead) -> None:
        parsed = object_keys.parse_delivery_object(head.key)
        if parsed is None or parsed.attempt_id is not None:
            return
        self.newest = head.last_modified if self.newest is None else max(self.newest, head.last_modified)
        partition = parsed.dataset, parsed.agency
        known = self.kept.deliveries.get(partition)
        if known is not None and parsed.delivery_id == known.delivery_id:
            self.listed.add(partition)
        elif known is None or head.last_modified > known.arrived_at:
            self.later[partition].append((head.last_modified, parsed.delivery_id))

    @property
    def partitions(self) -> list[Partition]:
        return sorted(self.kept.deliveries.keys() | self.later.keys())


class LastDeliveries:
    """The last deliveries of one bucket. Every method raises TransientError if infrastructure fails.

    Args:
        now: UTC; nothing that was written later counts as read.
    """

    def __init__(self, store: ObjectStore, bucket: str, now: datetime) -> None:
        self._store, self._bucket, self._now = store, bucket, now
        self._ledger, self._days = Ledger(store, bucket), ReportDays(store, bucket)

    def read(self) -> Mapping[Partition, LastDelivery]:
        """By dataset and agency, every partition that has a report; reads the reports since it was last read.

        Raises:
            ReportError: one of these reports cannot be read.
        """
        kept = self._load()
        entries = self._new_entries(kept)
        if entries is None:
            candidates = _Candidates(kept)
            for head in list_reports(self._store, self._bucket):
                candidates.add(head)
            return self._made_again(candidates)
        new = self._reports_of({entry.report_key for entry in entries})
        found = _merged(kept.deliveries, new)
        if len(new) > _FEW:
            self._save(found, max(entry.written_at for entry in entries), kept.etag)
        return found

    def partitions(self) -> set[Partition]:
        """Every partition that has a report, and perhaps some with a report in progress. Reads no report."""
        kept = self._load()
        entries = self._new_entries(kept)
        if entries is None:
            return self._folders()
        new = _arrivals(entry.report_key for entry in entries)
        return {*kept.deliveries, *((one.dataset, one.agency) for one in new)}

    def _folders(self) -> set[Partition]:
        """The partitions by their folders: a request for each dataset."""
        found = map(object_keys.parse_folder, self._store.folders(self._bucket, object_keys.REPORTS))
        prefixes = [object_keys.report_prefix(one.dataset) for one in found if one is not None]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            folders = pool.map(lambda prefix: list(self._store.folders(self._bucket, prefix)), prefixes)
            parsed = map(object_keys.parse_folder, chain.from_iterable(folders))
            return {(one.dataset, one.agency) for one in parsed if one is not None and one.agency is not None}

    def _new_entries(self, kept: _Kept) -> list[ReportEntry] | None:
        """The entries of reports that may not be in the object; None if all reports must be listed to know them."""
        if kept.read_to is None or kept.read_to > self._now + CLOCK_DIFFERENCE:
            # A clock was ahead. What was written since it was corrected would not be found.
            return None
        since = kept.read_to - CLOCK_DIFFERENCE
        entries = self._days.entries_since(kept.read_to - _DAY) or ()
        # The newest report that was read has an entry, unless somebody deleted the index by day.
        return [entry for entry in entries if entry.written_at >= since] or None

    def complete_index(self) -> int:
        """Complete the index of reports by day and this object from one listing of all reports.

        Returns how many reports had no entry in the index.
        """
        candidates = _Candidates(self._load())
        added = self._days.complete(candidates.add)
        try:
            self._made_again(candidates)
        except ReportError as error:
            # Only ``read`` needs it, and raises this error too.
            log.warning("the last deliveries are not made again", extra={"error": str(error)})
        return added

    def _made_again(self, candidates: "_Candidates") -> Mapping[Partition, LastDelivery]:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            last = pool.map(lambda one: self._last(one, candidates), candidates.partitions)
            found = {one.partition: one for one in last if one is not None}
        if candidates.newest is not None:
            self._save(found, candidates.newest, candidates.kept.etag)
        return found

    def read_again(self, known: LastDelivery, read_at: datetime) -> LastDelivery:
        """The last delivery of a partition, with what was reported since it was read (UTC); two listings."""
        since = read_at - CLOCK_DIFFERENCE
        days = {since.date(), (since + _DAY).date()}
        entries = self._days.entries_of(days, object_keys.report_prefix(*known.partition))
        new = self._reports_of({entry.report_key for entry in entries if entry.written_at >= since})
        return _merged({known.partition: known}, new)[known.partition]

    def _reports_of(self, report_keys: Iterable[str]) -> list[Report]:
        """The reports of arrivals among these. A report may not exist: its attempt is in progress, or crashed."""
        arrivals = _arrivals(sorted(report_keys))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(lambda one: self._ledger.find(one.dataset, one.agency, one.delivery_id), arrivals)
            return [report for report in found if report is not None]

    def _last(self, partition: Partition, candidates: "_Candidates") -> LastDelivery | None:
        """The last delivery of a partition; reads only reports that can be about a newer file than the known one."""
        last = candidates.kept.deliveries.get(partition)
        if last is not None and partition not in candidates.listed:
            # Somebody deleted its report.
            return self._last_of_all(partition)
        newest_first = iter(sorted(candidates.later.get(partition, ()), reverse=True))
        for reported_at, delivery_id in islice(newest_first, _FEW):
            if last is not None and reported_at <= last.arrived_at:
                return last
            report = self._ledger.find(*partition, delivery_id)
            if report is not None:
                last = _newer(last, LastDelivery.of(report))
        # Many files that had arrived before the first of them was processed.
        return last if next(newest_first, None) is None else self._last_of_all(partition)

    def _last_of_all(self, partition: Partition) -> LastDelivery | None:
        reports = self._ledger.reports(object_keys.report_prefix(*partition))
        return _merged({}, [one for one in reports if one.attempt_id is None]).get(partition)

    def _load(self) -> _Kept:
        key = object_keys.LAST_DELIVERIES
        head = find_object(self._store, self._bucket, key)
        if head is None:
            return _Kept()
        try:
            header, *lines = gzip.decompress(self._store.read(self._bucket, key)).splitlines()
            about = json.loads(header)
            if about["format"] != _FORMAT:
                return _Kept(head.etag)
            deliveries = (_from_json(json.loads(line)) for line in lines)
            return _Kept(
                head.etag, datetime.fromisoformat(about["read_to"]), {one.partition: one for one in deliveries}
            )
        except ObjectMissingError:
            return _Kept()
        except (OSError, EOFError, KeyError, TypeError, ValueError, zlib.error) as error:
            log.warning("the last deliveries cannot be read and are made again", extra={"error": str(error)})
            return _Kept(head.etag)

    def _save(self, deliveries: Mapping[Partition, LastDelivery], read_to: datetime, etag: str | None) -> None:
        header = {"format": _FORMAT, "read_to": min(read_to, self._now).isoformat()}
        lines = b"".join(_lines(header, deliveries.values()))
        body = gzip.compress(lines, 1, mtime=0)
        try:
            self._store.write(self._bucket, object_keys.LAST_DELIVERIES, body, if_absent=etag is None, if_match=etag)
        except PreconditionFailedError:
            # Another process wrote it meanwhile, or discarded it.
            return
        except TransientError as error:
            log.warning("the last deliveries are not written", extra={"error": str(error)})


def _arrivals(report_keys: Iterable[str]) -> list[object_keys.DeliveryObject]:
    """The reports that are neither of a reprocessing nor of an ignored file."""
    parsed = map(object_keys.parse_delivery_object, report_keys)
    return [one for one in parsed if one is not None and one.attempt_id is None]


def _merged(known: Mapping[Partition, LastDelivery], reports: Iterable[Report]) -> dict[Partition, LastDelivery]:
    found = dict(known)
    for one in map(LastDelivery.of, reports):
        found[one.partition] = _newer(found.get(one.partition), one)
    return found


def _newer(one: LastDelivery | None, other: LastDelivery) -> LastDelivery:
    """Of two files that arrived in the same second, the one that was reported last."""
    if one is None:
        return other
    return max(one, other, key=lambda it: (it.arrived_at, it.reported_at, it.delivery_id))


def _lines(header: Mapping[str, object], deliveries: Iterable[LastDelivery]) -> Iterator[bytes]:
    yield json.dumps(header).encode() + b"\n"
    for one in deliveries:
        times = one.arrived_at.isoformat(), one.reported_at.isoformat()
        yield json.dumps([*one.partition, one.delivery_id, one.source_key, one.outcome, *times]).encode() + b"\n"


def _from_json(parts: Sequence[str]) -> LastDelivery:
    dataset, agency, delivery_id, source_key, outcome, *times = parts
    arrived_at, reported_at = map(datetime.fromisoformat, times)
    return LastDelivery(dataset, agency, delivery_id, source_key, outcome, arrived_at, reported_at)
