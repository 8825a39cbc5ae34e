"""Decisions of reconciliation: discrepancies between what arrived, what is reported and what is stored. Pure.

A listing has key, eTag and time of an object, but not the delivery that it was derived from. So listings decide what is
missing or orphaned, and which few source keys must be inspected by reading their reports and their silver object.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from operator import attrgetter

from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.waiting import Prospect, WaitingDelivery
from etl_platform.object_keys import short_silver_key, silver_key


class Discrepancy(StrEnum):
    """``missing``: a file arrived and has no report. ``failed``: the same, but its message comes again by itself.

    ``stale``: silver does not hold the newest accepted version. ``orphaned``: an object without a report, or a report
    whose object is gone.
    """

    MISSING = "missing"
    FAILED = "failed"
    STALE = "stale"
    ORPHANED = "orphaned"


@dataclass(frozen=True)
class ListedVersion:
    """A source version from a listing, and where it belongs.

    Attributes:
        dataset: None where no contract matches the file.
        delivery_id: of its report; in a bucket without versions it may differ from the listed version's own.
        is_latest: whether its key has no newer version and was not deleted.
    """

    source: ObjectVersion
    agency: str
    dataset: str | None
    delivery_id: str
    is_latest: bool = True

    @property
    def key(self) -> str:
        return self.source.key

    @property
    def last_modified(self) -> datetime:
        assert self.source.last_modified is not None, "a listing has the time of each version"
        return self.source.last_modified


@dataclass(frozen=True)
class PartitionListing:
    """What the bucket holds for one agency and dataset.

    Attributes:
        reported: by delivery id, when the report of its arrival was written.
        replayed: by delivery id, when the latest report of a reprocessing was written.
        replays: by delivery id, how many reports of reprocessings there are.
        bronze, quarantine: by delivery id, key and time of its object.
        silver: by object key, the time of the object.
    """

    dataset: str
    agency: str
    reported: Mapping[str, datetime] = field(default_factory=dict)
    replayed: Mapping[str, datetime] = field(default_factory=dict)
    replays: Mapping[str, int] = field(default_factory=dict)
    bronze: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    quarantine: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    silver: Mapping[str, datetime] = field(default_factory=dict)

    def silver_keys(self, source_key: str) -> list[str]:
        """The listed silver objects that can be of a source key; the short key of release 0.2 comes last."""
        keys = (make(self.dataset, self.agency, source_key) for make in (silver_key, short_silver_key))
        return [key for key in keys if key in self.silver]

    def last_reported_at(self, delivery_id: str) -> datetime:
        first = self.reported[delivery_id]
        return max(first, self.replayed.get(delivery_id, first))


@dataclass(frozen=True)
class Finding:
    """One discrepancy and its reason. ``missing`` is the version to ingest, where that is the repair."""

    kind: Discrepancy
    agency: str
    dataset: str | None
    key: str
    why: str
    since: datetime
    delivery_id: str | None = None
    missing: ObjectVersion | None = None


@dataclass(frozen=True)
class SilverState:
    """A silver object that was looked up; the last four are from its metadata."""

    key: str
    etag: str
    last_modified: datetime
    delivery_id: str | None
    source: str | None = None
    attempt_id: str | None = None
    derived_from: str | None = None


@dataclass(frozen=True)
class ReportedState:
    """The content of all reports of one delivery, its reprocessings included.

    Attributes:
        accepted: of each accepted attempt, its id, and the hash of what its result depends on.
        silver_etags: of the silver objects that were written.
        quarantine: as ``accepted``, of each attempt that names a quarantine.
        has_bronze: whether its bytes were copied to bronze.
    """

    accepted: frozenset[tuple[str | None, str | None]]
    silver_etags: frozenset[str]
    quarantine: frozenset[tuple[str | None, str | None]]
    has_bronze: bool

    @classmethod
    def of(cls, reports: Sequence[Report]) -> "ReportedState":
        accepted = [report for report in reports if report.outcome is Outcome.ACCEPTED]
        etags = {report.written.silver_etag for report in accepted}
        return cls(
            accepted=frozenset((report.attempt_id, report.derived_from) for report in accepted),
            silver_etags=frozenset(etag for etag in etags if etag),
            quarantine=frozenset((r.attempt_id, r.derived_from) for r in reports if r.written.quarantine_key),
            has_bronze=any(report.written.bronze_key for report in reports),
        )

    def made(self, silver: SilverState) -> bool:
        """Whether one of its accepted attempts made a silver object of the delivery."""
        if silver.derived_from is None:
            # Release 0.2 and older ones name a reprocessing only.
            return silver.attempt_id in {attempt_id for attempt_id, _ in self.accepted}
        return (silver.attempt_id, silver.derived_from) in self.accepted


def unreported(
    versions: Iterable[ListedVersion],
    reported: Collection[str],
    settled_before: datetime,
    ignored: Collection[str] = frozenset(),
) -> tuple[list[ListedVersion], list[ListedVersion]]:
    """The versions without a report: those that are missing, and those so new that they may still be processed.

    Args:
        ignored: deliveries that were ignored; they are done in the queue, so they are missing however new they are.
    """
    missing: list[ListedVersion] = []
    in_flight: list[ListedVersion] = []
    for version in versions:
        if version.delivery_id not in reported:
            is_done = version.delivery_id in ignored or version.last_modified <= settled_before
            (missing if is_done else in_flight).append(version)
    return missing, in_flight


def unreported_finding(version: ListedVersion, waiting: WaitingDelivery | None, now: datetime) -> Finding:
    """The finding of a version without a report; ``waiting`` is the record of its failure, if it failed.

    A file whose message comes again is not to be ingested: a second copy of the work would start beside the queue's.
    """
    kind, why = Discrepancy.MISSING, "arrived, but was never processed"
    if waiting is not None:
        kind = Discrepancy.FAILED if waiting.prospect(now) is Prospect.QUEUED else Discrepancy.MISSING
        why = f"{waiting.history}; {waiting.next_try(now)}"
    elif version.dataset is None:
        why = "matches no contract that can be used, and was never recorded as ignored"
    return Finding(
        kind,
        version.agency,
        version.dataset,
        version.key,
        why,
        version.last_modified,
        version.delivery_id,
        version.source if kind is Discrepancy.MISSING else None,
    )


def keys_to_inspect(versions: Sequence[ListedVersion], listing: PartitionListing) -> list[str]:
    """The source keys of a partition for which the listings do not prove that silver holds the right version.

    Each must have one silver object of its own. Silver is written before its report. If silver is not younger than the
    report of the newest version, and younger than every other report of the key, only that version can have written it.
    A key must also be inspected if a version has no report, or if two times are equal.
    """
    keys: list[str] = []
    owners = Counter(silver for key in {version.key for version in versions} for silver in listing.silver_keys(key))
    for key, group in groupby(versions, key=attrgetter("key")):
        delivery_ids = [version.delivery_id for version in group]
        silver = listing.silver_keys(key)
        silver_at = listing.silver[silver[0]] if silver else None
        if not any(delivery_id in listing.reported for delivery_id in delivery_ids):
            if silver_at is not None:
                keys.append(key)
            continue
        newest, *older = delivery_ids
        if (
            silver_at is None
            or len(silver) > 1
            or owners[silver[0]] > 1
            or newest not in listing.bronze
            or any(delivery_id not in listing.reported for delivery_id in delivery_ids)
            or silver_at > listing.last_reported_at(newest)
            or any(listing.last_reported_at(delivery_id) >= silver_at for delivery_id in older)
        ):
            keys.append(key)
    return keys


def inspect_key(
    listing: PartitionListing,
    versions: Sequence[ListedVersion],
    reports: Mapping[str, ReportedState],
    silver: SilverState | None,
    settled_before: datetime,
) -> list[Finding]:
    """The findings of one source key, from its reports and its silver object.

    Args:
        versions: of the key, the newest first.
        reports: by delivery id; versions older than the newest accepted one may be left out.
        silver: the key's object, if there is one. If it is younger than ``settled_before``, it may still be processed.
    """
    findings: list[Finding] = []
    reported = [version for version in versions if version.delivery_id in reports]
    if reported and reports[reported[0].delivery_id].has_bronze and reported[0].delivery_id not in listing.bronze:
        findings.append(_finding(Discrepancy.ORPHANED, reported[0], "bronze of the delivery is gone"))
    accepted = next((version for version in reported if reports[version.delivery_id].accepted), None)
    unfinished = {version.delivery_id for version in versions if version.delivery_id not in listing.reported}
    if silver is not None and (silver.last_modified > settled_before or silver.delivery_id in unfinished):
        return findings
    if accepted is None:
        if silver is not None and silver.delivery_id not in listing.reported:
            findings.append(orphan(listing, silver.key, silver.last_modified))
        elif silver is not None and silver.delivery_id in reports:
            why = "silver is of an attempt without a report, and the delivery was refused; materialize the partition"
            of_attempt = orphan(listing, silver.key, silver.last_modified, silver.delivery_id)
            findings.append(replace(of_attempt, why=why))
    elif silver is None:
        findings.append(_finding(Discrepancy.ORPHANED, accepted, "silver of the accepted delivery is gone"))
    elif silver.etag not in reports[accepted.delivery_id].silver_etags and silver.delivery_id != accepted.delivery_id:
        content = (
            f"delivery {silver.delivery_id}" if silver.delivery_id else "something that the platform did not write"
        )
        findings.append(_finding(Discrepancy.STALE, accepted, f"silver holds {content}"))
    elif silver.delivery_id == accepted.delivery_id and not reports[accepted.delivery_id].made(silver):
        why = "silver is of an attempt without a report, under another contract or release; materialize the partition"
        findings.append(_finding(Discrepancy.STALE, accepted, why))
    return findings


def _finding(kind: Discrepancy, version: ListedVersion, why: str) -> Finding:
    return Finding(kind, version.agency, version.dataset, version.key, why, version.last_modified, version.delivery_id)


def orphan(listing: PartitionListing, key: str, since: datetime, delivery_id: str | None = None) -> Finding:
    return Finding(
        Discrepancy.ORPHANED,
        listing.agency,
        listing.dataset,
        key,
        "no report names this object",
        since,
        delivery_id,
    )


def orphaned_objects(
    listing: PartitionListing, unreported_ids: Collection[str], source_keys: Iterable[str], settled_before: datetime
) -> tuple[list[Finding], list[str]]:
    """Objects of bronze and quarantine without a report, and the silver objects whose source key is not listed.

    Args:
        unreported_ids: deliveries that are missing or in flight; their objects are not orphaned.
        source_keys: those of the partition that are listed.
    """
    findings = [
        orphan(listing, key, written_at, delivery_id)
        for layer in (listing.bronze, listing.quarantine)
        for delivery_id, (key, written_at) in sorted(layer.items())
        if delivery_id not in listing.reported and delivery_id not in unreported_ids and written_at <= settled_before
    ]
    known = {silver for key in source_keys for silver in listing.silver_keys(key)}
    return findings, sorted(listing.silver.keys() - known)
