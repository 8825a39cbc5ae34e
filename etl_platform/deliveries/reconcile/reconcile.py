"""Reconciliation: source listing against reports against what is held, one agency at a time. No Dagster.

Sources are listed first and reports last, so that work that goes on meanwhile looks finished rather than lost.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Outcome, delivery_id
from etl_platform.deliveries.ledger import Ledger, Record
from etl_platform.deliveries.reconcile.discrepancies import (
    Discrepancy,
    Finding,
    Held,
    PartitionListing,
    Recorded,
    Silver,
    SourceVersion,
    doubtful,
    missing_of,
    orphan,
    settle,
    split_unrecorded,
    unspoken,
)
from etl_platform.deliveries.routing import route
from etl_platform.deliveries.s3_events import ObjectCreated
from etl_platform.engine.contract.model import Contract
from etl_platform.storage.object_store import ObjectHead, ObjectStore, find_object

_AGENCIES_AT_ONCE = 16
_GRACE_TIMEOUTS = 6


def default_grace(visibility_timeout_s: int) -> timedelta:
    """How long after its arrival a file without a record may still be on its way: queue, run and a retry or two."""
    return timedelta(seconds=_GRACE_TIMEOUTS * visibility_timeout_s)


@dataclass(frozen=True)
class Reconciled:
    """What was found, and how much was looked at. ``ignored`` are versions that no contract knows."""

    findings: tuple[Finding, ...] = ()
    agencies: int = 0
    versions: int = 0
    in_flight: int = 0
    ignored: int = 0

    @property
    def missing(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.kind is Discrepancy.MISSING]

    def __add__(self, other: "Reconciled") -> "Reconciled":
        return Reconciled(
            self.findings + other.findings,
            self.agencies + other.agencies,
            self.versions + other.versions,
            self.in_flight + other.in_flight,
            self.ignored + other.ignored,
        )


def event_of(finding: Finding) -> ObjectCreated:
    """What S3 would have said of a missing version; only the sequencer is not known to a listing."""
    version = finding.version
    assert version is not None
    return ObjectCreated(version.bucket, version.key, version.version_id, version.etag, version.size_bytes)


@dataclass
class Reconciler:
    """Reconciles one data bucket.

    Attributes:
        settled_before: what happened later (UTC) may be work in progress and is no finding.
        since: leave out versions and objects that are older (UTC).
    """

    store: ObjectStore
    bucket: str
    contracts: Mapping[str, Contract]
    source_prefix: str
    settled_before: datetime
    since: datetime | None = None
    _ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self._ledger = Ledger(self.store, self.bucket)

    def look(self, agency: str | None = None, progress: Callable[[str, int], None] | None = None) -> Reconciled:
        """Go through every agency, or one.

        Raises:
            TransientError: infrastructure.
        """
        folders: dict[str, list[str]] = defaultdict(list)
        for folder in self.store.folders(self.bucket, self.source_prefix):
            folders[object_keys.segment(folder[len(self.source_prefix) : -1])].append(folder)
        held = self._layers_held()
        ignored = self.store.list(self.bucket, object_keys.IGNORED_REPORTS)
        traces = frozenset(object_keys.parse_ignored_key(head.key) for head in ignored)
        agencies = sorted(folders.keys() | held.keys())
        if agency is not None:
            agencies = [name for name in agencies if name == object_keys.segment(agency)]
        total = Reconciled()
        with ThreadPoolExecutor(_AGENCIES_AT_ONCE) as pool:
            looks = pool.map(lambda a: self._agency(a, folders.get(a, ()), held.get(a, {}), traces), agencies)
            for done, found in enumerate(looks, start=1):
                total += found
                if progress:
                    progress("agencies", done)
        return self._without_traced(total)

    def _layers_held(self) -> Mapping[str, Mapping[str, set[str]]]:
        """Per agency and dataset the layers that hold anything."""
        held: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for layer in object_keys.LAYERS:
            datasets = filter(object_keys.parse_folder, self.store.folders(self.bucket, f"{layer}/"))
            folders = (folder for dataset in datasets for folder in self.store.folders(self.bucket, dataset))
            for found in map(object_keys.parse_folder, folders):
                if found is not None and found.agency is not None:
                    held[found.agency][found.dataset].add(layer)
        return held

    def _agency(
        self, agency: str, folders: Sequence[str], held: Mapping[str, set[str]], traces: frozenset[str]
    ) -> Reconciled:
        versions = [
            self._version(head, agency) for folder in folders for head in self.store.versions(self.bucket, folder)
        ]
        listings = {
            dataset: self._listing(dataset, agency, held.get(dataset, ()))
            for dataset in sorted({*held, *(v.dataset for v in versions if v.dataset)})
        }
        versions = self._identified(versions, listings)
        unrouted = [version for version in versions if version.dataset is None]
        findings: list[Finding] = []
        in_flight = 0
        for dataset, listing in listings.items():
            own = [version for version in versions if version.dataset == dataset]
            found, waiting = self._partition(listing, own)
            findings += found
            in_flight += waiting
        recorded = {identity for listing in listings.values() for identity in listing.final}
        untraced, _ = split_unrecorded(unrouted, recorded | traces, self.settled_before)
        findings += [missing_of(version) for version in untraced]
        if self.since is not None:
            findings = [finding for finding in findings if finding.since >= self.since]
        return Reconciled(tuple(findings), 1, len(versions), in_flight, len(unrouted))

    def _version(self, head: ObjectHead, agency: str) -> SourceVersion:
        where = route(head.key, head.size_bytes, self.contracts, self.source_prefix)
        return SourceVersion(
            head.bucket,
            head.key,
            head.version_id,
            head.etag,
            head.size_bytes,
            head.last_modified,
            agency,
            where.contract.dataset if where.contract else None,
            delivery_id(head.bucket, head.key, head.version_id or head.etag),
        )

    def _without_traced(self, found: Reconciled) -> Reconciled:
        """Leave out ignored files whose event named no version: their traces are known by key and eTag."""
        if all(finding.dataset for finding in found.missing):
            return found
        sources = [record["source"] for record in self._ledger.read(object_keys.IGNORED_REPORTS)]
        traced = {(source["key"], source["etag"]) for source in sources if source["version_id"] is None}

        def is_traced(finding: Finding) -> bool:
            version = finding.version
            return (
                version is not None
                and version.dataset is None
                and not traced.isdisjoint({(version.key, version.etag), (version.key, None)})
            )

        return replace(found, findings=tuple(finding for finding in found.findings if not is_traced(finding)))

    def _listing(self, dataset: str, agency: str, layers: Collection[str]) -> PartitionListing:
        """Reports are listed last."""
        silver: dict[str, Held] = {}
        named: dict[str, dict[str, tuple[str, datetime]]] = {"bronze": {}, "quarantine": {}}
        final: dict[str, datetime] = {}
        later: dict[str, datetime] = {}
        for layer in (name for name in object_keys.LAYERS if name in layers):
            for head in self.store.list(self.bucket, object_keys.partition_prefix(layer, dataset, agency)):
                whose = object_keys.parse_delivery_object(head.key)
                if layer == "silver":
                    silver[head.key] = Held(head.etag, head.last_modified)
                elif whose is None:
                    continue
                elif layer != "reports":
                    named[layer][whose.delivery_id] = (head.key, head.last_modified)
                elif whose.attempt_id is None:
                    final[whose.delivery_id] = head.last_modified
                else:
                    at = later.get(whose.delivery_id, head.last_modified)
                    later[whose.delivery_id] = max(at, head.last_modified)
        return PartitionListing(dataset, agency, final, later, named["bronze"], named["quarantine"], silver)

    def _identified(
        self, versions: Sequence[SourceVersion], listings: Mapping[str, PartitionListing]
    ) -> list[SourceVersion]:
        """Versions of an unversioned bucket under the ids of their records.

        An event names them by sequencer, which a listing does not know: key and eTag must tell.
        """
        datasets = {v.dataset for v in versions if v.dataset and v.version_id is None}
        known: dict[tuple[str, str | None], str] = {}
        for dataset in datasets:
            for record in self._ledger.read(object_keys.report_prefix(dataset, listings[dataset].agency)):
                source = record["source"]
                if source["version_id"] is None:
                    known[source["key"], source["etag"]] = record["delivery_id"]
        return [
            replace(v, delivery_id=known.get((v.key, v.etag), v.delivery_id)) if v.version_id is None else v
            for v in versions
        ]

    def _partition(self, listing: PartitionListing, versions: Sequence[SourceVersion]) -> tuple[list[Finding], int]:
        """Findings of one partition, and how many of its versions are in flight."""
        missing, in_flight = split_unrecorded(versions, listing.final, self.settled_before)
        unrecorded = {version.delivery_id for version in (*missing, *in_flight)}
        findings = [missing_of(version) for version in missing]
        by_key = {key: list(group) for key, group in groupby(versions, key=attrgetter("key"))}
        for key in doubtful(versions, listing):
            findings += self._settled(listing, by_key[key])
        objects, unexplained = unspoken(listing, unrecorded, by_key, self.settled_before)
        findings += objects
        for key in unexplained:
            silver = self._silver(key)
            if silver and silver.delivery_id not in listing.final and silver.last_modified <= self.settled_before:
                findings.append(orphan(listing, key, silver.last_modified))
        return findings, len(in_flight)

    def _settled(self, listing: PartitionListing, versions: Sequence[SourceVersion]) -> list[Finding]:
        if self.since is not None and versions[0].last_modified < self.since:
            return []
        silver = self._silver(object_keys.silver_key(listing.dataset, listing.agency, versions[0].key))
        records: dict[str, Recorded] = {}
        for version in versions:
            if version.delivery_id in listing.final:
                recorded = records[version.delivery_id] = self._recorded(listing, version.delivery_id)
                if recorded.silver_etags:
                    break
        return settle(listing, versions, records, silver, self.settled_before)

    def _recorded(self, listing: PartitionListing, identity: str) -> Recorded:
        dataset, agency = listing.dataset, listing.agency
        records: list[Record] = []
        if identity in listing.later:
            records = self._ledger.read(object_keys.report_prefix(dataset, agency, identity))
        elif (record := self._ledger.find(dataset, agency, identity)) is not None:
            records = [record]
        etags = [r["written"].get("silver_etag") for r in records if r["outcome"] == Outcome.ACCEPTED]
        bronze = any(r["written"].get("bronze_key") for r in records)
        return Recorded(frozenset(etag for etag in etags if etag), bronze)

    def _silver(self, key: str) -> Silver | None:
        head = find_object(self.store, self.bucket, key)
        return None if head is None else Silver(head.etag, head.last_modified, head.metadata.get("delivery-id"))
