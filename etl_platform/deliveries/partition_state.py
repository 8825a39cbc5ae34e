"""What a partition holds now: the rows of its silver objects, and the reports that its asset checks are about.

No Dagster, and no decision about rows.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.read_cache import ReadCache
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.silver import CurrentObject, Silver, SilverContent
from etl_platform.deliveries.version_order import VersionOrder
from etl_platform.storage.object_store import ObjectStore

_READERS = 16


@dataclass(frozen=True)
class PartitionContent:
    """The rows of all silver objects of a partition, and a hash that changes if and only if their bytes do."""

    rows: int
    version: str

    @classmethod
    def of(cls, objects: Iterable[tuple[str, SilverContent]]) -> "PartitionContent":
        """``objects`` are silver keys with what they hold."""
        held = sorted(objects, key=lambda item: item[0])
        digest = hashlib.sha256("".join(f"{key} {content.sha256}\n" for key, content in held).encode())
        return cls(sum(content.rows for _, content in held), digest.hexdigest()[:20])


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


class PartitionState:
    """Reads the state of partitions of one data bucket.

    Every method raises TransientError if infrastructure fails, and ReportError for a report that it cannot read.
    """

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket
        self._ledger, self._silver = Ledger(store, bucket), Silver(store, bucket)

    def content(self, dataset: str, agency: str) -> PartitionContent:
        """What silver holds of a partition: one request to list 1,000 objects, and a few for those that changed."""

        def content_of(key: str) -> bytes | None:
            current = self._silver.at(key)
            found = None if current is None else current.content or self._reported_content(dataset, agency, current)
            return None if found is None else json.dumps([found.rows, found.sha256]).encode()

        heads = self._silver.objects(dataset, agency)
        cache = ReadCache(self._store, self._bucket, object_keys.silver_cache_key(dataset, agency))
        contents = cache.read_all(heads, content_of)
        held = ((head.key, content) for head, content in zip(heads, contents, strict=True) if content)
        return PartitionContent.of((key, SilverContent(*json.loads(content))) for key, content in held)

    def _reported_content(self, dataset: str, agency: str, current: CurrentObject) -> SilverContent | None:
        report = self._report_of(dataset, agency, current)
        if report is None or report.written.silver_sha256 is None:
            return None
        return SilverContent(report.check.accepted_rows or 0, report.written.silver_sha256)

    def _report_of(self, dataset: str, agency: str, current: CurrentObject) -> Report | None:
        return self._ledger.find(dataset, agency, current.delivery_id, current.attempt_id)

    def judged_file(self, report: Report) -> JudgedFile:
        """A delivery that was accepted or refused, or the newer one that silver holds by now instead."""
        in_silver = self._in_silver(report)
        if in_silver is not None and self._order(report).is_newer(in_silver.source.order, report.source.order):
            return JudgedFile(in_silver, in_silver)
        return JudgedFile(report, in_silver)

    def judged_files(self, dataset: str, agency: str) -> list[JudgedFile]:
        """The newest delivery of every source key of a partition, in order of their keys.

        A delivery that a newer one superseded was not judged, and is left out.
        """
        by_key: dict[str, dict[str, Report]] = defaultdict(dict)
        reports = self._ledger.reports(object_keys.report_prefix(dataset, agency))
        for report in sorted(reports, key=lambda report: report.attempt.ended_at):
            if report.outcome in {Outcome.ACCEPTED, Outcome.REJECTED}:
                by_key[report.source.key][report.delivery_id] = report
        # Of versions of unknown order, the one that was processed last comes first.
        reports_of = [list(reversed(by_key[key].values())) for key in sorted(by_key)]
        with ThreadPoolExecutor(_READERS) as pool:
            newest = list(pool.map(self._newest, reports_of))
            return list(pool.map(self.judged_file, newest))

    def _newest(self, reports: Sequence[Report]) -> Report:
        return self._order(reports[0]).newest_first(reports)[0]

    def _order(self, report: Report) -> VersionOrder:
        return VersionOrder(self._store, report.source.bucket, report.source.key)

    def _in_silver(self, report: Report) -> Report | None:
        if report.outcome is Outcome.ACCEPTED:
            return report
        dataset, agency = report.partition
        current = self._silver.current(dataset, agency, report.source.key)
        return None if current is None else self._report_of(dataset, agency, current)
