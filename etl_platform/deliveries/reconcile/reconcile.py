"""Reconciliation: compares sources, reports and stored objects, one agency at a time. No Dagster.

Sources are listed first and reports last, so that a delivery that is processed meanwhile appears as done, not as
missing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock

from etl_platform import object_keys
from etl_platform.deliveries.agency_register import Agencies, AgencyRegister
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.erased_deliveries import ErasedDeliveries
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.reconcile.agency_comparison import AgencyComparison
from etl_platform.deliveries.reconcile.discrepancies import Finding, ListedVersion, unreported_finding
from etl_platform.deliveries.reconcile.inspected_keys import InspectedKeys
from etl_platform.deliveries.reconcile.listings import AT_ONCE, PartitionFolders, SourceFolders
from etl_platform.deliveries.reconcile.recent_files import RecentFiles
from etl_platform.deliveries.reconcile.reconciled import Reconciled
from etl_platform.deliveries.reconcile.renamed_agencies import rows_under_old_names
from etl_platform.deliveries.routing import Router
from etl_platform.deliveries.waiting import WaitingDelivery, WaitingRecords
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import BrokenContract
from etl_platform.storage.object_store import ObjectHead, ObjectStore

_BATCH_VERSIONS, _VERSIONS_PER_LIST = 5_000, 20
_LISTS_OF_GROUPS = 400
Progress = Callable[[str, int], None]
_GRACE_TIMEOUTS = 6


def default_grace(visibility_timeout_s: int) -> timedelta:
    """How long after its arrival a file may have no report: the time for queue, run and a retry or two."""
    return timedelta(seconds=_GRACE_TIMEOUTS * visibility_timeout_s)


def version_to_ingest(finding: Finding) -> ObjectVersion:
    """The missing version as an event would announce it, but without sequencer and event time."""
    assert finding.missing is not None
    return replace(finding.missing, last_modified=None)


class _Waiting:
    """The records of failed deliveries. Without versioning, key and eTag identify an object in a listing."""

    def __init__(self, records: Sequence[WaitingDelivery]) -> None:
        self._by_id = {record.delivery_id: record for record in records}
        sources = ((record, record.source) for record in records)
        self._by_etag = {(source.key, source.etag): record for record, source in sources if source.version_id is None}

    def of(self, version: ListedVersion) -> WaitingDelivery | None:
        found = self._by_id.get(version.delivery_id)
        if found is None and version.source.version_id is None:
            found = self._by_etag.get((version.key, version.source.etag))
        return found


@dataclass
class Reconciler:
    """Reconciles one data bucket.

    Attributes:
        now: UTC.
        settled_before: anything later (UTC) may still be in progress and is not a finding.
        since: only files that arrived since then (UTC), and no search for objects without a report.
        broken: contracts that are set aside.
    """

    store: ObjectStore
    bucket: str
    contracts: Mapping[str, Contract]
    source_prefix: str
    now: datetime
    settled_before: datetime
    since: datetime | None = None
    broken: Sequence[BrokenContract] = ()
    _waiting: "_Waiting" = field(init=False)
    _agencies: Agencies = field(init=False)
    _router: Router = field(init=False)

    def reconcile(self, agency: str | None = None, progress: Progress | None = None) -> Reconciled:
        """Compare the objects of every agency, or of one.

        Raises:
            TransientError: infrastructure.
        """
        self._waiting = _Waiting(WaitingRecords(self.store, self.bucket).unfinished())
        self._agencies = AgencyRegister(self.store, self.bucket).read()
        self._router = Router(self.contracts, self.source_prefix, self._agencies, self.broken)
        folders: dict[str, list[str]] = defaultdict(list)
        for folder in self.store.folders(self.bucket, self.source_prefix):
            sender = object_keys.segment(folder[len(self.source_prefix) : -1])
            folders[self._agencies.current_name(sender)].append(folder)
        chosen = None if agency is None else self._agencies.current_name(object_keys.partition_of(agency))
        report_progress = progress or (lambda _what, _done: None)
        if self.since is not None:
            agencies = _chosen(folders.keys(), chosen)
            found = self._recent(self.since, {name: folders[name] for name in agencies}, report_progress)
        else:
            found = self._all(chosen, folders, report_progress)
        return self._without_ignored(found)

    def _all(self, chosen: str | None, folders: Mapping[str, Sequence[str]], progress: Progress) -> Reconciled:
        partitions = PartitionFolders(self.store, self.bucket)
        heads = self.store.list(self.bucket, object_keys.IGNORED_REPORTS)
        ignored = frozenset(object_keys.parse_ignored_key(head.key) for head in heads)
        # Under an old name are copies, and rows that were written too late.
        current = {name for name in partitions.layers if self._agencies.current_name(name) == name}
        agencies = _chosen(folders.keys() | current, chosen)
        late = rows_under_old_names(self.store, self.bucket, partitions.layers, self._agencies, self.settled_before)
        total = Reconciled(tuple(one for one in late if chosen in {None, one.agency}))
        inspected = InspectedKeys(self.store, self.bucket)
        erased = frozenset(ErasedDeliveries(self.store, self.bucket).delivery_ids())
        comparison = AgencyComparison(
            self.store, self.bucket, self.settled_before, ignored, erased, inspected, self._unreported
        )
        sources, done = self._sources({name: folders.get(name, ()) for name in agencies}), _DoneAgencies(progress)

        def compare(group: Sequence[str]) -> Reconciled:
            """So many agencies at a time that their listings fit in memory."""
            found = Reconciled()
            for batch in _batches(
                sources.versions(group), max(_BATCH_VERSIONS, _VERSIONS_PER_LIST * partitions.folders)
            ):
                listings = partitions.listings(batch, lists)
                for name, heads in batch.items():
                    versions = [self._version(head, name) for head in heads]
                    found += comparison.compare(name, versions, listings.get(name, {}))
                    done.add()
            return found

        # With many datasets, each group costs thousands of requests, which are made at the same time.
        groups = sources.groups(max(1, min(AT_ONCE, _LISTS_OF_GROUPS // max(1, partitions.folders))))
        with ThreadPoolExecutor(AT_ONCE) as lists, ThreadPoolExecutor(AT_ONCE) as pool:
            total = sum(pool.map(compare, groups), total)
        if chosen is None:
            inspected.save()
        return total

    def _sources(self, folders: Mapping[str, Sequence[str]]) -> SourceFolders:
        return SourceFolders(self.store, self.bucket, self.source_prefix, folders)

    def _recent(self, since: datetime, folders: Mapping[str, Sequence[str]], progress: Progress) -> Reconciled:
        """The files that arrived since then. Objects without a report are not looked for."""
        files = RecentFiles(self.store, self.bucket, since, self.settled_before, self._version)
        found = files.find(self._sources(folders), _DoneAgencies(progress).add)
        findings = (*map(self._unreported, found.unreported), *found.findings)
        return Reconciled(
            tuple(one for one in findings if one.since >= since),
            len(folders),
            found.versions,
            found.in_flight,
            found.without_contract,
        )

    def _version(self, head: ObjectHead, agency: str) -> ListedVersion:
        source = ObjectVersion.of(head)
        dataset = self._router.route(source).route.dataset
        return ListedVersion(source, agency, dataset, source.delivery_id, head.is_latest)

    def _without_ignored(self, found: Reconciled) -> Reconciled:
        """Leave out ignored files whose event had no version id; key and eTag identify their reports."""
        if all(finding.dataset for finding in found.missing):
            return found
        reports = Ledger(self.store, self.bucket).reports(object_keys.IGNORED_REPORTS, self.since)
        sources = [report.source for report in reports]
        ignored = {(source.key, source.etag) for source in sources if source.version_id is None}

        def is_ignored(finding: Finding) -> bool:
            missing = finding.missing
            return (
                missing is not None
                and finding.dataset is None
                and not ignored.isdisjoint({(missing.key, missing.etag), (missing.key, None)})
            )

        return replace(found, findings=tuple(finding for finding in found.findings if not is_ignored(finding)))

    def _unreported(self, version: ListedVersion) -> Finding:
        return unreported_finding(version, self._waiting.of(version), self.now)


class _DoneAgencies:
    """Reports from several threads how many agencies are done."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._lock, self._done = progress, Lock(), 0

    def add(self) -> None:
        with self._lock:
            self._done += 1
            self._progress("agencies", self._done)


def _batches(
    agencies: Iterable[tuple[str, list[ObjectHead]]], least_versions: int
) -> Iterator[dict[str, list[ObjectHead]]]:
    """So many agencies at a time that they have thousands of versions: few requests, and little memory."""
    batch: dict[str, list[ObjectHead]] = {}
    versions = 0
    for agency, heads in agencies:
        batch[agency] = heads
        versions += len(heads)
        if versions >= least_versions:
            yield batch
            batch, versions = {}, 0
    if batch:
        yield batch


def _chosen(agencies: Iterable[str], chosen: str | None) -> list[str]:
    return sorted(name for name in agencies if chosen in {None, name})
