"""Compares what is listed of one agency, and reads the few reports and objects on which listings do not decide.

No Dagster.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from etl_platform import object_keys
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.reconcile.discrepancies import (
    Finding,
    ListedVersion,
    PartitionListing,
    ReportedState,
    inspect_key,
    keys_to_inspect,
    orphan,
    orphaned_objects,
    unreported,
)
from etl_platform.deliveries.reconcile.inspected_keys import InspectedKeys, fingerprint
from etl_platform.deliveries.reconcile.left_of_erased import left_of_erased, left_of_erased_at
from etl_platform.deliveries.reconcile.listings import AT_ONCE
from etl_platform.deliveries.reconcile.reconciled import DeletedFile, Reconciled
from etl_platform.deliveries.reconcile.silver_states import SilverStates
from etl_platform.storage.object_store import ObjectStore, find_object

_FEW = 16
T = TypeVar("T")


@dataclass(frozen=True)
class AgencyComparison:
    """Compares the agencies of one bucket. Its methods raise TransientError if infrastructure fails.

    Attributes:
        settled_before: as of ``Reconciler``.
        ignored: ids of deliveries that were ignored.
        erased: ids of deliveries that were erased.
        unreported: makes the finding of a version without a report.
    """

    store: ObjectStore
    bucket: str
    settled_before: datetime
    ignored: frozenset[str]
    erased: frozenset[str]
    inspected: InspectedKeys
    unreported: Callable[[ListedVersion], Finding]

    @cached_property
    def _ledger(self) -> Ledger:
        return Ledger(self.store, self.bucket)

    @cached_property
    def _silver(self) -> SilverStates:
        return SilverStates(self.store, self.bucket)

    def compare(
        self, agency: str, versions: Sequence[ListedVersion], found: Mapping[str, PartitionListing]
    ) -> Reconciled:
        """Compare the versions of an agency, the newest of each key first, with its partitions by dataset."""
        listings = {
            dataset: found.get(dataset, PartitionListing(dataset, agency))
            for dataset in sorted({*found, *(version.dataset for version in versions if version.dataset)})
        }
        versions = self._with_reported_ids(versions, listings)
        findings: list[Finding] = []
        deleted: list[DeletedFile] = []
        in_flight = 0
        for dataset, listing in listings.items():
            of_dataset = [version for version in versions if version.dataset == dataset]
            of_partition, unfinished, gone = self._partition(listing, of_dataset)
            findings += of_partition
            in_flight += unfinished
            deleted += [*_deleted(listing, of_dataset), *gone]
        of_no_contract = [version for version in versions if version.dataset is None]
        reported = {delivery_id for listing in listings.values() for delivery_id in listing.reported}
        missing, _ = unreported(of_no_contract, reported | self.ignored, self.settled_before)
        findings += map(self.unreported, missing)
        return Reconciled(tuple(findings), 1, len(versions), in_flight, len(of_no_contract), tuple(deleted))

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
        self, listing: PartitionListing, versions: Sequence[ListedVersion]
    ) -> tuple[list[Finding], int, list[DeletedFile]]:
        """The findings of one partition, how many of its versions are in flight, and files without any version."""
        missing, in_flight = unreported(versions, listing.reported, self.settled_before, self.ignored)
        unreported_ids = {version.delivery_id for version in (*missing, *in_flight)}
        findings = [self.unreported(version) for version in missing]
        by_key = {key: list(group) for key, group in groupby(versions, key=attrgetter("key"))}
        shown = {key: fingerprint(listing, by_key[key]) for key in keys_to_inspect(versions, listing)}
        keys = [key for key in shown if not self.inspected.is_right(shown[key])]
        for key, (found, is_final) in zip(
            keys, _each(lambda key: self._inspect(listing, by_key[key]), keys), strict=True
        ):
            findings += found
            if is_final and not found:
                self.inspected.add(shown[key])
        findings += self._quarantine_findings(listing)
        findings += left_of_erased(listing, versions, self.erased)
        orphans, silver_keys = orphaned_objects(listing, unreported_ids, by_key, self.settled_before)
        findings += orphans
        deleted: list[DeletedFile] = []
        for key, silver in zip(silver_keys, _each(self._silver.read, silver_keys), strict=True):
            if silver and silver.delivery_id in self.erased:
                findings.append(left_of_erased_at(listing, key, silver.last_modified, silver.delivery_id))
            elif silver and silver.delivery_id not in listing.reported and silver.last_modified <= self.settled_before:
                findings.append(orphan(listing, key, silver.last_modified))
            elif silver and silver.delivery_id is not None and silver.delivery_id in listing.reported:
                deleted.append(DeletedFile(listing.agency, listing.dataset, silver.source or key, silver.delivery_id))
        return findings, len(in_flight), deleted

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

    def _inspect(self, listing: PartitionListing, versions: Sequence[ListedVersion]) -> tuple[list[Finding], bool]:
        """The findings of a source key, and whether they stay the same as long as its listing does."""
        source_key = versions[0].key
        silver, findings = self._silver.of(listing, source_key, listing.silver_keys(source_key))
        reports: dict[str, ReportedState] = {}
        for version in versions:
            if version.delivery_id in listing.reported:
                state = reports[version.delivery_id] = self._reported_state(listing, version.delivery_id)
                if state.accepted:
                    break
        ids = {version.delivery_id for version in versions}
        is_final = ids <= listing.reported.keys()
        if listing.silver_keys(source_key):
            # What silver of another delivery is depends on a report that the listing of this key does not show.
            is_final &= silver is not None and silver.delivery_id in ids and silver.last_modified <= self.settled_before
        return [*findings, *inspect_key(listing, versions, reports, silver, self.settled_before)], is_final

    def _reported_state(self, listing: PartitionListing, delivery_id: str) -> ReportedState:
        if delivery_id in listing.replayed:
            prefix = object_keys.report_prefix(listing.dataset, listing.agency, delivery_id)
            reports = self._ledger.reports(prefix)
        else:
            report = self._ledger.find(listing.dataset, listing.agency, delivery_id)
            reports = [] if report is None else [report]
        return ReportedState.of(reports)


def _deleted(listing: PartitionListing, versions: Sequence[ListedVersion]) -> Iterator[DeletedFile]:
    """The files of a partition whose newest version was deleted after it was processed."""
    for key, group in groupby(versions, key=attrgetter("key")):
        of_key = list(group)
        newest = of_key[0]
        if not any(version.is_latest for version in of_key) and newest.delivery_id in listing.reported:
            yield DeletedFile(listing.agency, listing.dataset, key, newest.delivery_id)


def _each(read: Callable[[str], T], keys: Sequence[str]) -> list[T]:
    """What is read of each key; many keys of one agency at the same time. Other agencies are read meanwhile too."""
    if len(keys) <= _FEW:
        return [read(key) for key in keys]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(read, keys))
