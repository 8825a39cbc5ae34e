"""Ignored files that a person must look at, and which of them still wait. No Dagster.

Companions of a file, files that systems add, transfers in progress and folder markers are expected; they never wait.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from etl_platform import object_keys
from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.routing import NEEDS_A_PERSON, RoutedObject
from etl_platform.errors import UnsafeKeyError
from etl_platform.storage.object_store import ObjectStore, find_object

_LOOKUPS_AT_ONCE = 8


@dataclass(frozen=True)
class IgnoredFile:
    """One version of an object that was ignored.

    Attributes:
        why: code and message.
        ignored_at: UTC.
    """

    version: ObjectVersion
    agency: str | None
    why: str
    ignored_at: datetime


def file_to_look_at(report: Report) -> IgnoredFile | None:
    """The ignored file of a report; None if nobody needs to look at it."""
    errors = [error for error in report.check.errors if error.code in NEEDS_A_PERSON]
    if not errors:
        return None
    return IgnoredFile(report.source, report.agency, str(errors[0]), report.attempt.ended_at)


def without_ingested(reports: Iterable[Report]) -> list[Report]:
    """Without the reports of ignored files that were ingested since: they name what is no longer to be done."""
    reports = list(reports)
    ingested = [report for report in reports if report.outcome is not Outcome.IGNORED]
    deliveries = {report.delivery_id for report in ingested}
    # A bucket without versions gives an ignored file another identity than the ingested one.
    done = {report.source.key: report.attempt.ended_at for report in sorted(ingested, key=lambda r: r.attempt.ended_at)}

    def is_finished(ignored: "Report") -> bool:
        at = done.get(ignored.source.key)
        return ignored.delivery_id in deliveries or (at is not None and at > ignored.attempt.ended_at)

    return [report for report in reports if report.outcome is not Outcome.IGNORED or not is_finished(report)]


class IgnoredFiles:
    """Ignored files, compared with what the bucket holds now."""

    def __init__(self, store: ObjectStore, bucket: str, route: Callable[[ObjectVersion], RoutedObject]) -> None:
        self._store, self._bucket, self._route = store, bucket, route

    def still_waiting(self, files: Iterable[IgnoredFile]) -> list[IgnoredFile]:
        """Those that were neither ingested since, nor deleted or replaced by the sender; in the same order.

        Each file costs one to three HEAD requests, so pass recent ones only.

        Raises:
            TransientError: infrastructure.
        """
        with ThreadPoolExecutor(_LOOKUPS_AT_ONCE) as pool:
            return [file for file in pool.map(self._if_waiting, files) if file is not None]

    def _if_waiting(self, file: IgnoredFile) -> IgnoredFile | None:
        version = file.version
        try:
            now = find_object(self._store, version.bucket, version.key)
        except UnsafeKeyError:
            # No folder of a local store can hold such a key.
            return None
        if now is None or (version.version_id or now.version_id) != now.version_id:
            return None
        found = self._route(version).route
        if found.dataset is None or found.agency is None:
            # The reason may have changed since: a contract in error was removed, or an agency retired.
            is_same = found.ignored is None or file.why.startswith(f"{found.ignored.code}: ")
            return file if is_same else replace(file, why=str(found.ignored))
        # An event that lacked the version, or a bucket without versions, gives the same object two identities.
        for identity in dict.fromkeys((version.delivery_id, ObjectVersion.of(now, version.sequencer).delivery_id)):
            report = object_keys.report_key(found.dataset, found.agency, identity)
            if find_object(self._store, self._bucket, report) is not None:
                return None
        why = f"the contract {found.dataset} matches it now; run etl-platform reconcile --repair"
        return replace(file, agency=found.agency, why=why)
