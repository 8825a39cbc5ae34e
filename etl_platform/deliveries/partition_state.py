"""What a partition holds now: the rows of its silver objects, and the reports that its asset checks are about.

No Dagster, and no decision about rows.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.ledger import Ledger, PartitionReports
from etl_platform.deliveries.read_cache import ReadCache
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.silver import CurrentObject, Silver, SilverContent
from etl_platform.deliveries.version_order import VersionOrder
from etl_platform.errors import ReportError
from etl_platform.storage.object_store import ObjectHead, ObjectStore

_READERS = 16


@dataclass(frozen=True)
class PartitionContent:
    """The rows of all silver objects of a partition, and a hash that changes if and only if their bytes do."""

    rows: int
    version: str

    @classmethod
    def of(cls, objects: Iterable[tuple[str, SilverContent]]) -> "PartitionContent":
        """``objects`` are silver keys with what they hold."""
        ordered = sorted(objects, key=lambda item: item[0])
        digest = hashlib.sha256("".join(f"{key} {content.sha256}\n" for key, content in ordered).encode())
        return cls(sum(content.rows for _, content in ordered), digest.hexdigest()[:20])


@dataclass(frozen=True)
class JudgedFile:
    """The newest delivery of a source key, as the asset checks of its partition see it.

    Attributes:
        report: of the delivery; if it was reprocessed, of the last reprocessing.
        in_silver: the report of the delivery that silver holds of this source key, if there is one.
    """

    report: Report
    in_silver: Report | None

    @property
    def checked(self) -> Report | None:
        """The report that says which rules were broken.

        If the newest delivery was refused before a row of it was checked, this is the report of what silver holds.
        """
        return self.report if self.report.check.rows else self.in_silver


@dataclass(frozen=True)
class JudgedPartition:
    """All that the asset checks of a partition are about.

    Attributes:
        files: in order of their source keys. Left out are superseded deliveries, which were not judged, and files whose
            rows somebody removed from silver.
        silver_keys: the objects that silver holds.
        last: the delivery that arrived last, whatever became of it.
        unreadable: reports that cannot be read, each as a sentence.
    """

    files: tuple[JudgedFile, ...] = ()
    silver_keys: frozenset[str] = frozenset()
    last: Report | None = None
    unreadable: tuple[str, ...] = ()


class PartitionState:
    """Reads the state of partitions of one data bucket. Every method raises TransientError if infrastructure fails.

    What was read of a partition is kept, so that the next reading costs one listing of its reports, one of its silver,
    and the reports that were written since, except those that ``note`` was given.
    """

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket
        self._ledger, self._silver = Ledger(store, bucket), Silver(store, bucket)
        self._reports: dict[tuple[str, str], PartitionReports] = defaultdict(dict)
        self._objects: dict[tuple[str, str], list[ObjectHead]] = {}
        self._contents: dict[tuple[str, str], SilverContent] = {}
        self._judged: dict[tuple[str, str], tuple[object, JudgedPartition]] = {}
        self._newest_of: dict[tuple[str, ...], str] = {}

    def note(self, report: Report, etag: str) -> None:
        """Note a report that this process has written, with the eTag of its object, so that it is not read again."""
        key = object_keys.report_key(*report.partition, report.delivery_id, report.attempt_id)
        self._reports[report.partition][key, etag] = report.outline

    def content(self, dataset: str, agency: str) -> PartitionContent:
        """What silver holds of a partition. Only objects that no report names with their eTag are read."""
        heads = self._list(dataset, agency)
        for report in self._reports[dataset, agency].values():
            self._note_content(report)
        unknown = [head for head in heads if (head.key, head.etag) not in self._contents]
        if unknown:
            self._contents |= self._read_contents(dataset, agency, unknown)
        found = ((head.key, self._contents.get((head.key, head.etag))) for head in heads)
        return PartitionContent.of((key, content) for key, content in found if content)

    def _note_content(self, report: Report | ReportError) -> None:
        if not isinstance(report, Report):
            return
        written = report.written
        if written.silver_key and written.silver_etag and written.silver_sha256:
            content = SilverContent(report.check.accepted_rows or 0, written.silver_sha256)
            self._contents[written.silver_key, written.silver_etag] = content

    def etags(self, dataset: str, agency: str) -> dict[str, str]:
        """The eTags of the partition's silver objects by key, as they were listed last."""
        return {head.key: head.etag for head in self._objects.get((dataset, agency), ())}

    def _list(self, dataset: str, agency: str) -> list[ObjectHead]:
        """List the reports of a partition and then its silver objects: these are written before their reports."""
        partition = dataset, agency
        self._ledger.read_partition(dataset, agency, self._reports[partition])
        self._objects[partition] = self._silver.objects(dataset, agency)
        return self._objects[partition]

    def _read_contents(
        self, dataset: str, agency: str, heads: Sequence[ObjectHead]
    ) -> dict[tuple[str, str], SilverContent]:
        def content_of(key: str) -> bytes | None:
            current = self._silver.at(key)
            found = None if current is None else current.content or self._reported_content(dataset, agency, current)
            return None if found is None else json.dumps([found.rows, found.sha256]).encode()

        cache = ReadCache(self._store, self._bucket, object_keys.silver_cache_key(dataset, agency))
        contents = cache.read_all(heads, content_of)
        found = zip(heads, contents, strict=True)
        return {(head.key, head.etag): SilverContent(*json.loads(content)) for head, content in found if content}

    def _reported_content(self, dataset: str, agency: str, current: CurrentObject) -> SilverContent | None:
        report = self._report_of(dataset, agency, current)
        if report is None or report.written.silver_sha256 is None:
            return None
        return SilverContent(report.check.accepted_rows or 0, report.written.silver_sha256)

    def _report_of(self, dataset: str, agency: str, current: CurrentObject) -> Report | None:
        return self._ledger.find(dataset, agency, current.delivery_id, current.attempt_id)

    def judged(self, dataset: str, agency: str, *, is_listed: bool = False) -> JudgedPartition:
        """The newest delivery of every source key of a partition. The same object if nothing has changed.

        Args:
            is_listed: use the listings of the last call, whichever it was.
        """
        partition = dataset, agency
        if not is_listed:
            self._list(dataset, agency)
        known, silver = self._reports[partition], self.etags(dataset, agency)
        state = (frozenset(known), silver)
        if partition in self._judged and self._judged[partition][0] == state:
            return self._judged[partition][1]
        reports = sorted((one for one in known.values() if isinstance(one, Report)), key=_processed)
        by_key: dict[str, list[Report]] = defaultdict(list)
        for report in reports:
            if report.outcome in {Outcome.ACCEPTED, Outcome.REJECTED}:
                by_key[report.source.key].append(report)
        with ThreadPoolExecutor(_READERS) as pool:
            files = list(pool.map(lambda key: self._judged_file(by_key[key], silver), sorted(by_key)))
        arrivals = [report for report in reports if report.attempt_id is None]
        judged = JudgedPartition(
            tuple(file for file in files if file is not None),
            frozenset(silver),
            max(arrivals, key=lambda one: one.source.order.last_modified, default=None),
            tuple(sorted(str(one) for one in known.values() if isinstance(one, ReportError))),
        )
        self._judged[partition] = (state, judged)
        return judged

    def _judged_file(self, reports: Sequence[Report], silver: Mapping[str, str]) -> JudgedFile | None:
        """The newest delivery of one source key; None if it was accepted and is no longer in silver.

        Args:
            reports: of all attempts that accepted or refused a version of the key, in the order of processing.
            silver: the eTags of the partition's objects by key.
        """
        newest = self._newest(reports)
        dataset, agency = newest.partition
        keys = (shape(dataset, agency, newest.source.key) for shape in object_keys.SILVER_KEYS)
        key = next((key for key in keys if key in silver), None)
        if newest.outcome is Outcome.ACCEPTED:
            return JudgedFile(newest, newest) if key else None
        return JudgedFile(newest, self._in_silver(reports, key, silver[key]) if key else None)

    def _in_silver(self, reports: Sequence[Report], key: str, etag: str) -> Report | None:
        """The report of what silver holds of a source key."""
        for report in reversed(reports):
            if report.outcome is Outcome.ACCEPTED and report.written.silver_etag == etag:
                return report
        # Its report does not name the object: an older release wrote it, or the agency was renamed.
        dataset, agency = reports[0].partition
        current = self._silver.current(dataset, agency, reports[0].source.key)
        ids = None if current is None else (current.delivery_id, current.attempt_id)
        return next((one for one in reports if (one.delivery_id, one.attempt_id) == ids), None)

    def _newest(self, reports: Sequence[Report]) -> Report:
        # Of versions of unknown order, the one that was processed last comes first.
        last_of = {report.delivery_id: report for report in reports}
        if len(last_of) == 1:
            return reports[-1]
        ids = tuple(last_of)
        if ids not in self._newest_of:
            source = reports[0].source
            order = VersionOrder(self._store, source.bucket, source.key)
            self._newest_of[ids] = order.newest_first(reversed(last_of.values()))[0].delivery_id
        return last_of[self._newest_of[ids]]


def _processed(report: Report) -> tuple[datetime, str, str]:
    """The order of processing; of one moment, always the same."""
    return report.attempt.ended_at, report.delivery_id, report.attempt_id or ""
