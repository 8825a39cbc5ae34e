"""The ledger: the store of reports and their amendments, one JSON object each, written once. No decisions."""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias, TypeVar

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.read_cache import FEW, ReadCache
from etl_platform.deliveries.report import Amendment, Report
from etl_platform.deliveries.report_days import ReportDays, list_reports
from etl_platform.errors import ObjectMissingError, PreconditionFailedError, ReportError
from etl_platform.storage.object_store import ObjectHead, ObjectStore

_READERS = 16
T = TypeVar("T", Report, Amendment)
PartitionReports: TypeAlias = dict[tuple[str, str], Report | ReportError]
"""The outlines of a partition's reports, by key and eTag."""


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
        self._days = ReportDays(store, bucket)

    def find(self, dataset: str, agency: str, delivery_id: str, attempt_id: str | None = None) -> Report | None:
        """The report of a delivery, or of one reprocessing of it, if there is one. Ignored objects are not found."""
        try:
            return self._read(object_keys.report_key(dataset, agency, delivery_id, attempt_id), Report)
        except ObjectMissingError:
            return None

    def put(self, report: Report) -> Report:
        """Write a report if it is absent; returns the stored report."""
        return self.put_with_etag(report)[0]

    def put_with_etag(self, report: Report) -> tuple[Report, str | None]:
        """As ``put``; with the eTag of its object if it was absent."""
        key = _key(report)
        self._days.add(key, report.attempt.ended_at)
        return self._put(key, report)

    def bury(self, tombstone: Report) -> None:
        """Write the tombstone of an erased delivery over its report; older versions of the object stay in the store."""
        key = _key(tombstone)
        if tombstone.tombstone is not None and tombstone.tombstone.outcome is None:
            # The entry of a report that was there stays: a new one would look like a new report.
            self._days.add(key, tombstone.attempt.ended_at)
        self._store.write(self._bucket, key, _body(tombstone))

    def amend(self, amendment: Amendment) -> Amendment:
        """Write an amendment if it is absent; returns the stored amendment."""
        key = object_keys.amendment_key(
            amendment.dataset, amendment.agency, amendment.delivery_id, amendment.kind, amendment.attempt_id
        )
        return self._put(key, amendment)[0]

    def reports(
        self, prefix: str = object_keys.REPORTS, since: datetime | None = None, agency: str | None = None
    ) -> list[Report]:
        """The reports under a prefix whose attempts ended since then (UTC), in key order.

        With ``since``, the cost depends on the days since then and on their reports, if the index of reports by day is
        complete. Otherwise all reports are listed.

        Args:
            agency: leave out reports of other agencies.
        """
        if since is None:
            return [one for one in self._all_reports(prefix) if agency in {None, one.agency}]
        keys = self._days.keys_since(since, prefix)
        if keys is None:
            listed = list_reports(self._store, self._bucket, prefix)
            keys = [head.key for head in listed if head.last_modified >= since]
        found = self._read_all((key for key in keys if agency is None or _may_be_of(key, agency)), Report)
        return [one for one in found if one.attempt.ended_at >= since and agency in {None, one.agency}]

    def outlines(self, keys: Collection[str]) -> dict[str, Report | ReportError | None]:
        """Reports by key, as outlines with their changes; None if absent, an error if unreadable."""

        def read(key: str) -> Report | ReportError | None:
            found = self._parse_or_error(key, self._body(key), Report)
            return replace(found.outline, changes=found.changes) if isinstance(found, Report) else found

        with ThreadPoolExecutor(_READERS) as pool:
            return dict(zip(keys, pool.map(read, keys), strict=True))

    def read_partition(self, dataset: str, agency: str, known: PartitionReports) -> None:
        """Bring ``known`` up to date with the reports of a partition: only those that it lacks are read.

        A report that cannot be read is kept as its error.
        """
        heads = self._listed(object_keys.report_prefix(dataset, agency))
        new = [head for head in heads if (head.key, head.etag) not in known]
        for gone in known.keys() - {(head.key, head.etag) for head in heads}:
            del known[gone]
        if not new:
            return
        cache = ReadCache(self._store, self._bucket, object_keys.report_cache_key(dataset, agency))
        # The cache is of the whole partition.
        wanted = heads if len(new) > FEW else new
        for head, body in zip(wanted, cache.read_all(wanted, self._body), strict=True):
            if (head.key, head.etag) not in known:
                found = self._parse_or_error(head.key, body, Report)
                if found is not None:
                    known[head.key, head.etag] = found.outline if isinstance(found, Report) else found

    def _listed(self, prefix: str) -> list[ObjectHead]:
        return [head for head in list_reports(self._store, self._bucket, prefix) if head.key.endswith(".json")]

    def _all_reports(self, prefix: str) -> list[Report]:
        heads = self._listed(prefix)
        folder = object_keys.parse_folder(prefix)
        if folder is None or folder.agency is None:
            return self._read_all((head.key for head in heads), Report)
        cache = ReadCache(self._store, self._bucket, object_keys.report_cache_key(folder.dataset, folder.agency))
        return self._cached(heads, cache, Report)

    def _cached(self, heads: Sequence[ObjectHead], cache: ReadCache, kind: type[T]) -> list[T]:
        bodies = cache.read_all(heads, self._body)
        found = [self._parse_or_error(head.key, body, kind) for head, body in zip(heads, bodies, strict=True)]
        return self._readable(found, kind)

    def amendments(self, prefix: str = object_keys.AMENDMENTS) -> list[Amendment]:
        """The amendments under a prefix, in key order."""
        return self._read_all((head.key for head in self._store.list(self._bucket, prefix)), Amendment)

    def successors(self, dataset: str, agency: str) -> list[Amendment]:
        """The amendments of a partition that name the successor of a delivery, in key order."""
        listed = self._store.list(self._bucket, object_keys.amendments_prefix(dataset, agency))
        heads = [head for head in listed if object_keys.is_successor(head.key)]
        cache = ReadCache(self._store, self._bucket, object_keys.successor_cache_key(dataset, agency))
        return self._cached(heads, cache, Amendment)

    def _put(self, key: str, value: T) -> tuple[T, str | None]:
        try:
            return value, self._store.write(self._bucket, key, _body(value), if_absent=True)
        except PreconditionFailedError:
            # Another process did the same work at the same time; its report has the same result.
            return self._read(key, type(value)), None

    def _read_all(self, keys: Iterable[str], kind: type[T]) -> list[T]:
        wanted = [key for key in keys if key.endswith(".json")]
        with ThreadPoolExecutor(_READERS) as pool:
            found = list(pool.map(lambda key: self._parse_or_error(key, self._body(key), kind), wanted))
        return self._readable(found, kind)

    def _readable(self, found: Iterable[T | ReportError | None], kind: type[T]) -> list[T]:
        readable: list[T] = []
        for one in found:
            if isinstance(one, kind):
                readable.append(one)
            elif isinstance(one, ReportError):
                if self._on_unreadable is None:
                    raise one
                self._on_unreadable(one)
        return readable

    def _body(self, key: str) -> bytes | None:
        """The object; None if it does not exist: the index has keys of reports that a crash prevented."""
        try:
            return self._store.read(self._bucket, key)
        except ObjectMissingError:
            return None

    def _parse_or_error(self, key: str, body: bytes | None, kind: type[T]) -> T | ReportError | None:
        try:
            return None if body is None else self._parse(key, body, kind)
        except ReportError as error:
            return error

    def _read(self, key: str, kind: type[T]) -> T:
        return self._parse(key, self._store.read(self._bucket, key), kind)

    def _parse(self, key: str, body: bytes, kind: type[T]) -> T:
        try:
            return kind.from_json(json.loads(body))
        except ReportError as error:
            raise ReportError(f"s3://{self._bucket}/{key}: {error}") from None
        except (RecursionError, ValueError) as error:
            problem = f"not JSON: {error}; restore an earlier version of the object"
            raise ReportError(f"s3://{self._bucket}/{key}: {problem}") from None


def _may_be_of(key: str, agency: str) -> bool:
    """Whether a report can be about an agency; the key of an ignored object does not name one."""
    parsed = object_keys.parse_delivery_object(key)
    return parsed is None or parsed.agency == agency


def _body(value: Report | Amendment) -> bytes:
    return (json.dumps(value.to_json(), ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def _key(report: Report) -> str:
    if report.outcome is Outcome.IGNORED or report.dataset is None:
        return object_keys.ignored_key(report.delivery_id)
    return object_keys.report_key(*report.partition, report.delivery_id, report.attempt_id)
