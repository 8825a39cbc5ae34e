"""The ledger: the store of reports and their amendments, one JSON object each, written once. No decisions."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.report import Amendment, Report
from etl_platform.engine.json_fields import Json
from etl_platform.errors import ObjectMissingError, PreconditionFailedError, ReportError
from etl_platform.storage.object_store import ObjectStore

_READERS = 16
_NO_REPORTS = (object_keys.AMENDMENTS, object_keys.WAITING_REPORTS, object_keys.AGENCY_REGISTER)
T = TypeVar("T", Report, Amendment)


class Ledger:
    """Reports of one bucket. Every method raises ReportError for an object that is not a report it can read.

    Args:
        on_unreadable: for a ledger that only shows reports: called with each unreadable object of ``reports`` and
            ``amendments``, which then leave it out instead of raising. A decision needs every report.
    """

    def __init__(
        self, store: ObjectStore, bucket: str, *, on_unreadable: Callable[[ReportError], None] | None = None
    ) -> None:
        self._store, self._bucket, self._on_unreadable = store, bucket, on_unreadable

    def find(self, dataset: str, agency: str, delivery_id: str, attempt_id: str | None = None) -> Report | None:
        """The report of a delivery, or of one reprocessing of it, if there is one. Ignored objects are not found."""
        try:
            return self._read(object_keys.report_key(dataset, agency, delivery_id, attempt_id), Report.from_json)
        except ObjectMissingError:
            return None

    def put(self, report: Report) -> Report:
        """Write a report if it is absent; returns the stored report."""
        return self._put(_key(report), report, Report.from_json)

    def amend(self, amendment: Amendment) -> Amendment:
        """Write an amendment if it is absent; returns the stored amendment."""
        key = object_keys.amendment_key(
            amendment.dataset, amendment.agency, amendment.delivery_id, amendment.kind, amendment.attempt_id
        )
        return self._put(key, amendment, Amendment.from_json)

    def reports(self, prefix: str = object_keys.REPORTS, since: datetime | None = None) -> list[Report]:
        """The reports under a prefix that were written since then (UTC), in key order."""
        keys = (
            head.key
            for head in self._store.list(self._bucket, prefix)
            if not head.key.startswith(_NO_REPORTS) and (since is None or head.last_modified >= since)
        )
        return self._read_all(keys, Report.from_json)

    def amendments(self, prefix: str = object_keys.AMENDMENTS) -> list[Amendment]:
        """The amendments under a prefix, in key order."""
        return self._read_all((head.key for head in self._store.list(self._bucket, prefix)), Amendment.from_json)

    def _put(self, key: str, value: T, read: Callable[[Json], T]) -> T:
        body = (json.dumps(value.to_json(), ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
        try:
            self._store.write(self._bucket, key, body, if_absent=True)
        except PreconditionFailedError:
            # Another process did the same work at the same time; its report has the same result.
            return self._read(key, read)
        return value

    def _read_all(self, keys: Iterable[str], read: Callable[[Json], T]) -> list[T]:
        wanted = [key for key in keys if key.endswith(".json")]
        with ThreadPoolExecutor(_READERS) as pool:
            found = list(pool.map(lambda key: self._read_or_error(key, read), wanted))
        for unreadable in found:
            if isinstance(unreadable, ReportError):
                if self._on_unreadable is None:
                    raise unreadable
                self._on_unreadable(unreadable)
        return [one for one in found if not isinstance(one, ReportError)]

    def _read_or_error(self, key: str, read: Callable[[Json], T]) -> T | ReportError:
        try:
            return self._read(key, read)
        except ReportError as error:
            return error

    def _read(self, key: str, read: Callable[[Json], T]) -> T:
        try:
            return read(json.loads(self._store.read(self._bucket, key)))
        except ReportError as error:
            raise ReportError(f"s3://{self._bucket}/{key}: {error}") from None
        except (RecursionError, ValueError) as error:
            problem = f"not JSON: {error}; restore an earlier version of the object"
            raise ReportError(f"s3://{self._bucket}/{key}: {problem}") from None


def _key(report: Report) -> str:
    if report.outcome is Outcome.IGNORED:
        return object_keys.ignored_key(report.delivery_id)
    return object_keys.report_key(*report.partition, report.delivery_id, report.attempt_id)
