"""Reconciliation of the files that arrived since a time: a few requests for each, whatever came before. No Dagster.

The source's versions are listed whole, because S3 lists by key and not by time. Nothing else is listed whole.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from types import MappingProxyType

from etl_platform import object_keys
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.reconcile.discrepancies import (
    Finding,
    ListedVersion,
    PartitionListing,
    ReportedState,
    inspect_key,
    unreported,
)
from etl_platform.deliveries.reconcile.listings import AT_ONCE, SourceFolders
from etl_platform.deliveries.reconcile.silver_states import SilverStates
from etl_platform.deliveries.report_days import ReportDays, list_reports
from etl_platform.object_keys import short_silver_key, silver_key
from etl_platform.storage.object_store import ObjectHead, ObjectStore, find_object


@dataclass(frozen=True)
class RecentFindings:
    """What was found; ``unreported`` are the versions without a report that are not in flight.

    Attributes:
        versions, without_contract: how many files were compared, and how many of them no contract matches.
    """

    unreported: Sequence[ListedVersion]
    findings: Sequence[Finding]
    in_flight: int
    versions: int
    without_contract: int


class RecentFiles:
    """The files of one bucket that arrived since then (UTC).

    Args:
        settled_before: as of ``Reconciler``.
        route: finds the dataset of a listed version of an agency.
    """

    def __init__(
        self,
        store: ObjectStore,
        bucket: str,
        since: datetime,
        settled_before: datetime,
        route: Callable[[ObjectHead, str], ListedVersion],
    ) -> None:
        self._store, self._bucket, self._route = store, bucket, route
        self._since, self._settled_before = since, settled_before
        self._ledger, self._silver = Ledger(store, bucket), SilverStates(store, bucket)

    def find(self, sources: SourceFolders, on_agency: Callable[[], None]) -> RecentFindings:
        """Compare the recent files below the source folders; ``on_agency`` is called as often as an agency is listed.

        Raises:
            TransientError: infrastructure.
        """

        def recent_keys(group: Sequence[str]) -> list[list[ListedVersion]]:
            found: list[list[ListedVersion]] = []
            for agency, heads in sources.versions(group):
                found += self._recent_keys(agency, heads)
                on_agency()
            return found

        with ThreadPoolExecutor(AT_ONCE) as pool:
            keys = [key for of_group in pool.map(recent_keys, sources.groups()) for key in of_group]
            recent = [version for key in keys for version in key if self._is_recent(version)]
            without = [version for version in recent if version.dataset is None]
            reports = self._reports_by_delivery() if without else {}
            is_done = list(pool.map(lambda version: self._is_done(version, reports), without))
            inspected = list(pool.map(self._inspect, [key for key in keys if key[0].dataset]))
        open_ones = [version for version, done in zip(without, is_done, strict=True) if not done]
        missing, _ = unreported(open_ones, (), self._settled_before)
        return RecentFindings(
            [*missing, *(version for found, _, _ in inspected for version in found)],
            [finding for _, _, findings in inspected for finding in findings],
            sum(in_flight for _, in_flight, _ in inspected),
            len(recent),
            len(without),
        )

    def _is_recent(self, version: ListedVersion) -> bool:
        return version.last_modified >= self._since

    def _recent_keys(self, agency: str, listed: Sequence[ObjectHead]) -> list[list[ListedVersion]]:
        """The source keys of an agency that have a recent version, each with all its versions, the newest first."""
        keys = [list(heads) for _, heads in groupby(listed, key=attrgetter("key"))]
        recent = [heads for heads in keys if any(head.last_modified >= self._since for head in heads)]
        routed = [[self._route(head, agency) for head in heads] for heads in recent]
        unversioned = {key[0].dataset for key in routed if key[0].dataset and key[0].source.version_id is None}
        known = {same: found for name in unversioned for same, found in self._reported_ids(name, agency).items()}
        return [[_with_id(version, known) for version in key] for key in routed]

    def _reported_ids(self, dataset: str, agency: str) -> dict[tuple[str, str | None], str]:
        """Delivery ids of recent reports of objects without a version id, by key and eTag."""
        reports = self._ledger.reports(object_keys.report_prefix(dataset, agency), self._since)
        sources = ((report.source, report.delivery_id) for report in reports)
        return {(source.key, source.etag): found for source, found in sources if source.version_id is None}

    def _reports_by_delivery(self) -> dict[str, str]:
        """By delivery id, the keys of recent reports of all datasets; a report may not exist."""
        keys = ReportDays(self._store, self._bucket).keys_since(self._since)
        if keys is None:
            keys = [head.key for head in list_reports(self._store, self._bucket)]
        parsed = ((object_keys.parse_delivery_object(key), key) for key in keys)
        return {one.delivery_id: key for one, key in parsed if one is not None and one.attempt_id is None}

    def _is_done(self, version: ListedVersion, reports: Mapping[str, str] = MappingProxyType({})) -> bool:
        """Whether a file was ignored, or ingested under a contract that is gone.

        Args:
            reports: as of ``_reports_by_delivery``.
        """
        keys = [object_keys.ignored_key(version.delivery_id), reports.get(version.delivery_id)]
        return any(key is not None and find_object(self._store, self._bucket, key) is not None for key in keys)

    def _inspect(self, versions: Sequence[ListedVersion]) -> tuple[list[ListedVersion], int, list[Finding]]:
        """Inspect one source key: its versions without a report, the number of those in flight, and other findings."""
        dataset, agency = versions[0].dataset, versions[0].agency
        assert dataset is not None, "only the files of a contract belong to a partition"
        source_key = versions[0].key
        silver_keys = [make(dataset, agency, source_key) for make in (silver_key, short_silver_key)]
        silver, further = self._silver.of(PartitionListing(dataset, agency), source_key, silver_keys)
        states: dict[str, ReportedState] = {}
        visited: list[ListedVersion] = []
        for version in versions:
            if not self._is_recent(version) and any(state.accepted for state in states.values()):
                break
            visited.append(version)
            reports = self._ledger.reports(object_keys.report_prefix(dataset, agency, version.delivery_id))
            if any(not report.is_replay for report in reports):
                states[version.delivery_id] = ReportedState.of(reports)
        bronze = {known: ("", self._since) for known in states if self._has_bronze(dataset, agency, known)}
        reported = set(states)
        if silver is not None and silver.delivery_id and silver.delivery_id not in states:
            # Of an older version, which the source may no longer have.
            known = self._ledger.find(dataset, agency, silver.delivery_id)
            reported |= {silver.delivery_id} if known else set()
        listing = PartitionListing(dataset, agency, reported=dict.fromkeys(reported, self._since), bronze=bronze)
        recent = [version for version in visited if self._is_recent(version)]
        without = [version for version in recent if version.delivery_id not in states]
        ignored = {version.delivery_id for version in without if self._is_done(version)}
        missing, in_flight = unreported(recent, states, self._settled_before, ignored)
        findings = inspect_key(listing, visited, states, silver, self._settled_before)
        return missing, len(in_flight), [*further, *findings]

    def _has_bronze(self, dataset: str, agency: str, delivery_id: str) -> bool:
        folder = f"{object_keys.bronze_prefix(dataset, agency)}{delivery_id}/"
        return any(True for _ in self._store.list(self._bucket, folder))


def _with_id(version: ListedVersion, known: Mapping[tuple[str, str | None], str]) -> ListedVersion:
    """The version with the delivery id of its report, if it has no version id; see ``Reconciler``."""
    if version.source.version_id is not None:
        return version
    return replace(version, delivery_id=known.get((version.key, version.source.etag), version.delivery_id))
