"""Which deliveries are to be erased, and where these are found: in reports, in the source and in waiting records."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from urllib.parse import unquote

from etl_platform import object_keys
from etl_platform.deliveries.agency_register import AgencyRegister
from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.routing import Router
from etl_platform.deliveries.waiting import WaitingRecords
from etl_platform.storage.object_store import ObjectStore, StoredVersion


@dataclass(frozen=True)
class Scope:
    """What is to be erased of an agency; without a limit, everything.

    Attributes:
        agency: its partition, by the current name.
        source_key: all versions of this file.
        delivery_ids: these deliveries alone.
        delivered_before: files that arrived earlier (UTC).
    """

    agency: str
    dataset: str | None = None
    source_key: str | None = None
    delivery_ids: frozenset[str] | None = None
    delivered_before: datetime | None = None

    @property
    def is_whole(self) -> bool:
        """Whether whole partitions are erased, with what belongs to no delivery."""
        return self.source_key is None and self.delivery_ids is None and self.delivered_before is None

    @property
    def id_prefix(self) -> str:
        """What the ids of all deliveries begin with, to list less."""
        return next(iter(self.delivery_ids)) if self.delivery_ids is not None and len(self.delivery_ids) == 1 else ""

    def has(self, delivery_id: str, source: ObjectVersion) -> bool:
        if self.source_key is not None and source.key != self.source_key:
            return False
        if self.delivered_before is not None and not (
            source.last_modified and source.last_modified < self.delivered_before
        ):
            return False
        return self.delivery_ids is None or delivery_id in self.delivery_ids


@dataclass(frozen=True)
class FoundDelivery:
    """A delivery to erase.

    Attributes:
        agency: the name under which it is stored; of a renamed agency it can be stored under several.
        dataset: None if it was ignored.
        report: of the arrival; None if it was not reported.
        versions: of the source that are this delivery.
    """

    delivery_id: str
    source: ObjectVersion
    agency: str
    dataset: str | None
    report: Report | None = None
    versions: tuple[StoredVersion, ...] = ()

    @property
    def is_erased(self) -> bool:
        """Whether its tombstone is written; objects may be left."""
        return self.report is not None and self.report.outcome is Outcome.ERASED


class ScopeFinder:
    """Finds the deliveries of one scope in one bucket. Every method raises TransientError if infrastructure fails.

    Args:
        router: with the agencies as they are, and all contracts.
    """

    def __init__(self, store: ObjectStore, bucket: str, router: Router, scope: Scope) -> None:
        self._store, self._bucket, self._router, self.scope = store, bucket, router, scope
        self._ledger = Ledger(store, bucket)

    @cached_property
    def names(self) -> list[str]:
        """The agency's name, and those that it had before."""
        agencies = AgencyRegister(self._store, self._bucket).read()
        former = (name for name in agencies.changes if agencies.current_name(name) == self.scope.agency)
        return sorted({self.scope.agency, *former})

    @cached_property
    def partitions(self) -> list[tuple[str, str]]:
        """Datasets and names of which anything may be stored."""
        if self.scope.dataset is not None:
            datasets = {self.scope.dataset}
        else:
            layers = (*object_keys.LAYERS, "exports", "quarantine/_corrections", "reports/_facts")
            below = (folder for layer in layers for folder in self._store.folders(self._bucket, f"{layer}/"))
            named = {folder.rstrip("/").rpartition("/")[2] for folder in below}
            datasets = {name for name in named if not name.startswith("_")}
        return [(dataset, name) for dataset in sorted(datasets) for name in self.names]

    def deliveries(self) -> list[FoundDelivery]:
        """The deliveries in scope, in order of source key and time."""
        found = {(one.dataset, one.agency, one.delivery_id): one for one in self._reported()}
        by_id: dict[str, list[FoundDelivery]] = defaultdict(list)
        by_etag: dict[tuple[str, str | None], str] = {}
        for one in found.values():
            by_id[one.delivery_id].append(one)
            if one.source.version_id is None:
                by_etag[one.source.key, one.source.etag] = one.delivery_id
        versions: dict[str, list[StoredVersion]] = defaultdict(list)
        for version in self.source_versions():
            if version.is_marker:
                continue
            source = ObjectVersion.of(version.head)
            # An event names an object without versions by its sequencer, which no listing has.
            delivery_id = by_etag.get((source.key, source.etag), source.delivery_id)
            if not self.scope.has(delivery_id, source):
                continue
            dataset = self._router.route(source).route.dataset
            if delivery_id not in by_id:
                if self.scope.dataset not in {None, dataset}:
                    continue
                new = FoundDelivery(delivery_id, source, self.scope.agency, dataset)
                by_id[delivery_id].append(new)
                found[dataset, new.agency, delivery_id] = new
            versions[delivery_id].append(version)
        for waiting in WaitingRecords(self._store, self._bucket).unfinished():
            is_here = waiting.agency in self.names and self.scope.dataset in {None, waiting.dataset}
            if is_here and waiting.delivery_id not in by_id and self.scope.has(waiting.delivery_id, waiting.source):
                new = FoundDelivery(waiting.delivery_id, waiting.source, self.scope.agency, waiting.dataset)
                found[new.dataset, new.agency, new.delivery_id] = new
        with_versions = (_with_versions(one, versions[one.delivery_id]) for one in found.values())
        return sorted(with_versions, key=lambda one: (one.source.key, str(one.source.last_modified), one.delivery_id))

    def source_versions(self) -> Iterator[StoredVersion]:
        """Every stored version below the agency's source folders, or of the one key; delete markers too."""
        for folder in self._source_folders():
            prefix = folder
            if self.scope.source_key is not None:
                if not self.scope.source_key.startswith(folder):
                    continue
                prefix = self.scope.source_key
            for version in self._store.stored_versions(self._bucket, prefix):
                if self.scope.source_key in {None, version.key}:
                    yield version

    def _source_folders(self) -> Iterator[str]:
        if self.scope.source_key is not None:
            # The folder may have no current object, and then no listing of folders shows it.
            for prefix in (self._router.source_prefix, object_keys.FROM_API):
                if self.scope.source_key.startswith(prefix):
                    yield f"{prefix}{self.scope.source_key[len(prefix) :].partition('/')[0]}/"
            return
        for prefix in (self._router.source_prefix, object_keys.FROM_API):
            # A folder whose files were all deleted is in no listing of folders.
            known = {f"{prefix}{spelled}/" for name in self.names for spelled in (name, unquote(name))}
            for folder in sorted({*known, *self._store.folders(self._bucket, prefix)}):
                if object_keys.segment(folder[len(prefix) : -1]) in self.names:
                    yield folder

    def _reported(self) -> Iterator[FoundDelivery]:
        for dataset, name in self.partitions:
            prefix = object_keys.report_prefix(dataset, name) + self.scope.id_prefix
            yield from self._in_scope(self._ledger.reports(prefix), name)
        if self.scope.dataset is None:
            prefix = object_keys.IGNORED_REPORTS + self.scope.id_prefix
            for report in self._ledger.reports(prefix):
                if report.agency in self.names:
                    yield from self._in_scope([report], str(report.agency))

    def _in_scope(self, reports: Sequence[Report], name: str) -> Iterator[FoundDelivery]:
        for report in reports:
            if report.attempt_id is None and self.scope.has(report.delivery_id, report.source):
                yield FoundDelivery(report.delivery_id, report.source, name, report.dataset, report)


def _with_versions(found: FoundDelivery, versions: Sequence[StoredVersion]) -> FoundDelivery:
    return FoundDelivery(found.delivery_id, found.source, found.agency, found.dataset, found.report, tuple(versions))
