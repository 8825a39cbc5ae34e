"""Reconciliation: compares sources, reports and stored objects, one agency at a time. No Dagster.

Sources are listed first and reports last, so that a delivery that is processed meanwhile appears as done, not as
missing.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from etl_platform import object_keys
from etl_platform.deliveries.agency_register import Agencies, AgencyRegister
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.reconcile.discrepancies import (
    Discrepancy,
    Finding,
    ListedVersion,
    PartitionListing,
    ReportedState,
    inspect_key,
    keys_to_inspect,
    orphan,
    orphaned_objects,
    unreported,
    unreported_finding,
)
from etl_platform.deliveries.reconcile.recent_files import RecentFiles
from etl_platform.deliveries.reconcile.renamed_agencies import rows_under_old_names
from etl_platform.deliveries.reconcile.silver_states import SilverStates
from etl_platform.deliveries.routing import Router
from etl_platform.deliveries.waiting import WaitingDelivery, WaitingRecords
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import BrokenContract
from etl_platform.storage.object_store import ObjectHead, ObjectStore, find_object

_AT_ONCE = 16
Progress = Callable[[str, int], None]
_GRACE_TIMEOUTS = 6


def default_grace(visibility_timeout_s: int) -> timedelta:
    """How long after its arrival a file may have no report: the time for queue, run and a retry or two."""
    return timedelta(seconds=_GRACE_TIMEOUTS * visibility_timeout_s)


@dataclass(frozen=True)
class Reconciled:
    """The findings, and how much was compared. ``ignored`` are versions whose names are ignored."""

    findings: tuple[Finding, ...] = ()
    agencies: int = 0
    versions: int = 0
    in_flight: int = 0
    ignored: int = 0

    @property
    def missing(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.kind is Discrepancy.MISSING]

    @property
    def counts(self) -> Counter[Discrepancy]:
        return Counter(finding.kind for finding in self.findings)

    @property
    def summary(self) -> str:
        """The counts of all kinds, for people."""
        return ", ".join(f"{self.counts[kind]:,} {kind}" for kind in Discrepancy)

    def __add__(self, other: "Reconciled") -> "Reconciled":
        return Reconciled(
            self.findings + other.findings,
            self.agencies + other.agencies,
            self.versions + other.versions,
            self.in_flight + other.in_flight,
            self.ignored + other.ignored,
        )


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
    _ledger: Ledger = field(init=False)
    _silver: SilverStates = field(init=False)
    _waiting: "_Waiting" = field(init=False)
    _agencies: Agencies = field(init=False)

    def __post_init__(self) -> None:
        self._ledger, self._silver = Ledger(self.store, self.bucket), SilverStates(self.store, self.bucket)

    def reconcile(self, agency: str | None = None, progress: Progress | None = None) -> Reconciled:
        """Compare the objects of every agency, or of one.

        Raises:
            TransientError: infrastructure.
        """
        self._waiting = _Waiting(WaitingRecords(self.store, self.bucket).unfinished())
        self._agencies = AgencyRegister(self.store, self.bucket).read()
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
        layers = self._layers_by_partition()
        heads = self.store.list(self.bucket, object_keys.IGNORED_REPORTS)
        ignored = frozenset(object_keys.parse_ignored_key(head.key) for head in heads)
        # Under an old name are copies, and rows that were written too late.
        current = {name for name in layers if self._agencies.current_name(name) == name}
        agencies = _chosen(folders.keys() | current, chosen)
        late = rows_under_old_names(self.store, self.bucket, layers, self._agencies, self.settled_before)
        total = Reconciled(tuple(one for one in late if chosen in {None, one.agency}))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(lambda a: self._agency(a, folders.get(a, ()), layers.get(a, {}), ignored), agencies)
            for done, one in enumerate(found, start=1):
                total += one
                progress("agencies", done)
        return total

    def _recent(self, since: datetime, folders: Mapping[str, Sequence[str]], progress: Progress) -> Reconciled:
        """The files that arrived since then. Objects without a report are not looked for."""
        files = RecentFiles(self.store, self.bucket, since, self.settled_before, self._version)
        found = files.find(folders, progress)
        findings = (*map(self._unreported, found.unreported), *found.findings)
        return Reconciled(
            tuple(one for one in findings if one.since >= since),
            len(folders),
            found.versions,
            found.in_flight,
            found.without_contract,
        )

    def _layers_by_partition(self) -> Mapping[str, Mapping[str, set[str]]]:
        """By agency and dataset, the layers that have objects."""
        layers: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for layer in object_keys.LAYERS:
            datasets = filter(object_keys.parse_folder, self.store.folders(self.bucket, f"{layer}/"))
            folders = (folder for dataset in datasets for folder in self.store.folders(self.bucket, dataset))
            for found in map(object_keys.parse_folder, folders):
                if found is not None and found.agency is not None:
                    layers[found.agency][found.dataset].add(layer)
        return layers

    def _agency(
        self, agency: str, folders: Sequence[str], layers: Mapping[str, set[str]], ignored: frozenset[str]
    ) -> Reconciled:
        versions = [
            self._version(head, agency) for folder in folders for head in self.store.versions(self.bucket, folder)
        ]
        listings = {
            dataset: self._listing(dataset, agency, layers.get(dataset, ()))
            for dataset in sorted({*layers, *(version.dataset for version in versions if version.dataset)})
        }
        versions = self._with_reported_ids(versions, listings)
        findings: list[Finding] = []
        in_flight = 0
        for dataset, listing in listings.items():
            of_partition, unfinished = self._partition(listing, [v for v in versions if v.dataset == dataset], ignored)
            findings += of_partition
            in_flight += unfinished
        of_no_contract = [version for version in versions if version.dataset is None]
        reported = {delivery_id for listing in listings.values() for delivery_id in listing.reported}
        missing, _ = unreported(of_no_contract, reported | ignored, self.settled_before)
        findings += map(self._unreported, missing)
        return Reconciled(tuple(findings), 1, len(versions), in_flight, len(of_no_contract))

    def _version(self, head: ObjectHead, agency: str) -> ListedVersion:
        source = ObjectVersion.of(head)
        router = Router(self.contracts, self.source_prefix, self._agencies, self.broken)
        dataset = router.route(source).route.dataset
        return ListedVersion(source, agency, dataset, source.delivery_id)

    def _without_ignored(self, found: Reconciled) -> Reconciled:
        """Leave out ignored files whose event had no version id; key and eTag identify their reports."""
        if all(finding.dataset for finding in found.missing):
            return found
        reports = self._ledger.reports(object_keys.IGNORED_REPORTS, self.since)
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

    def _listing(self, dataset: str, agency: str, layers: Collection[str]) -> PartitionListing:
        """The partition's objects. LAYERS ends with the reports, so they are listed last."""
        silver: dict[str, datetime] = {}
        by_delivery: dict[str, dict[str, tuple[str, datetime]]] = {"bronze": {}, "quarantine": {}}
        reported: dict[str, datetime] = {}
        replayed: dict[str, datetime] = {}
        for layer in (name for name in object_keys.LAYERS if name in layers):
            for head in self.store.list(self.bucket, object_keys.partition_prefix(layer, dataset, agency)):
                parsed = object_keys.parse_delivery_object(head.key)
                if layer == "silver":
                    silver[head.key] = head.last_modified
                elif parsed is None:
                    continue
                elif layer != "reports":
                    by_delivery[layer][parsed.delivery_id] = (head.key, head.last_modified)
                elif parsed.attempt_id is None:
                    reported[parsed.delivery_id] = head.last_modified
                else:
                    latest = replayed.get(parsed.delivery_id, head.last_modified)
                    replayed[parsed.delivery_id] = max(latest, head.last_modified)
        return PartitionListing(
            dataset, agency, reported, replayed, by_delivery["bronze"], by_delivery["quarantine"], silver
        )

    def _with_reported_ids(
        self, versions: Sequence[ListedVersion], listings: Mapping[str, PartitionListing]
    ) -> list[ListedVersion]:
        """The versions of a bucket without versioning, with the delivery ids of their reports.

        Events identify such an object by its sequencer, which a listing does not have. Key and eTag identify it here.
        """
        datasets = {v.dataset for v in versions if v.dataset and v.source.version_id is None}
        known: dict[tuple[str, str | None], str] = {}
        for dataset in datasets:
            for report in self._ledger.reports(object_keys.report_prefix(dataset, listings[dataset].agency)):
                if report.source.version_id is None:
                    known[report.source.key, report.source.etag] = report.delivery_id
        return [
            replace(v, delivery_id=known.get((v.key, v.source.etag), v.delivery_id))
            if v.source.version_id is None
            else v
            for v in versions
        ]

    def _partition(
        self, listing: PartitionListing, versions: Sequence[ListedVersion], ignored: frozenset[str]
    ) -> tuple[list[Finding], int]:
        """The findings of one partition, and how many of its versions are in flight."""
        missing, in_flight = unreported(versions, listing.reported, self.settled_before, ignored)
        unreported_ids = {version.delivery_id for version in (*missing, *in_flight)}
        findings = [self._unreported(version) for version in missing]
        by_key = {key: list(group) for key, group in groupby(versions, key=attrgetter("key"))}
        for key in keys_to_inspect(versions, listing):
            findings += self._inspect(listing, by_key[key])
        findings += self._quarantine_findings(listing)
        orphans, silver_keys = orphaned_objects(listing, unreported_ids, by_key, self.settled_before)
        findings += orphans
        for key in silver_keys:
            silver = self._silver.read(key)
            if silver and silver.delivery_id not in listing.reported and silver.last_modified <= self.settled_before:
                findings.append(orphan(listing, key, silver.last_modified))
        return findings, len(in_flight)

    def _quarantine_findings(self, listing: PartitionListing) -> list[Finding]:
        """Quarantine of attempts without a report. Quarantine is written before its report, so few are looked up."""
        findings: list[Finding] = []
        for delivery_id, (key, written_at) in sorted(listing.quarantine.items()):
            if delivery_id not in listing.reported or written_at > self.settled_before:
                continue
            if written_at <= listing.last_reported_at(delivery_id):
                continue
            head = find_object(self.store, self.bucket, key)
            if head is None or "made-of" not in head.metadata:
                continue
            made = head.metadata.get("attempt"), head.metadata["made-of"]
            if made not in self._reported_state(listing, delivery_id).quarantine:
                why = "quarantine is of an attempt without a report; materialize the partition"
                findings.append(replace(orphan(listing, key, written_at, delivery_id), why=why))
        return findings

    def _unreported(self, version: ListedVersion) -> Finding:
        return unreported_finding(version, self._waiting.of(version), self.now)

    def _inspect(self, listing: PartitionListing, versions: Sequence[ListedVersion]) -> list[Finding]:
        source_key = versions[0].key
        silver, findings = self._silver.of(listing, source_key, listing.silver_keys(source_key))
        reports: dict[str, ReportedState] = {}
        for version in versions:
            if version.delivery_id in listing.reported:
                state = reports[version.delivery_id] = self._reported_state(listing, version.delivery_id)
                if state.accepted:
                    break
        return [*findings, *inspect_key(listing, versions, reports, silver, self.settled_before)]

    def _reported_state(self, listing: PartitionListing, delivery_id: str) -> ReportedState:
        if delivery_id in listing.replayed:
            prefix = object_keys.report_prefix(listing.dataset, listing.agency, delivery_id)
            reports = self._ledger.reports(prefix)
        else:
            report = self._ledger.find(listing.dataset, listing.agency, delivery_id)
            reports = [] if report is None else [report]
        return ReportedState.of(reports)


def _chosen(agencies: Iterable[str], chosen: str | None) -> list[str]:
    return sorted(name for name in agencies if chosen in {None, name})
