"""What arrived against what is recorded against what is held, from listings alone as far as they go. Pure.

A listing tells key, eTag and time, not which delivery an object was made of. So the listings decide what is missing
and what is orphaned, and name the few source keys of which records must be read before anybody can tell.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from operator import attrgetter

from etl_platform.object_keys import silver_key


class Discrepancy(StrEnum):
    """``missing``: arrived, no record. ``stale``: silver is not of the newest accepted version.

    ``orphaned``: an object that no record speaks of, or a record whose object is gone.
    """

    MISSING = "missing"
    STALE = "stale"
    ORPHANED = "orphaned"


@dataclass(frozen=True)
class SourceVersion:
    """One version of a source key as listed. ``dataset`` is None where no contract knows the file."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size_bytes: int
    last_modified: datetime
    agency: str
    dataset: str | None
    delivery_id: str


@dataclass(frozen=True)
class Held:
    """An object of silver as listed."""

    etag: str
    last_modified: datetime


@dataclass(frozen=True)
class PartitionListing:
    """What the bucket holds for one agency and dataset.

    Attributes:
        final: delivery ids with a final record; per id when the record was written.
        later: per delivery id, when the latest record of a reprocessing was written.
        bronze, quarantine: per delivery id, key and time of its object.
        silver: by object key.
    """

    dataset: str
    agency: str
    final: Mapping[str, datetime] = field(default_factory=dict)
    later: Mapping[str, datetime] = field(default_factory=dict)
    bronze: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    quarantine: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    silver: Mapping[str, Held] = field(default_factory=dict)

    def recorded_at(self, delivery_id: str) -> datetime:
        """When its latest record was written."""
        first = self.final[delivery_id]
        return max(first, self.later.get(delivery_id, first))


@dataclass(frozen=True)
class Finding:
    """One thing that is amiss, and what to do about it. ``version`` is there where ingesting it mends it."""

    kind: Discrepancy
    agency: str
    dataset: str | None
    key: str
    why: str
    since: datetime
    delivery_id: str | None = None
    version: SourceVersion | None = None


@dataclass(frozen=True)
class Silver:
    """What is known of a silver object after a look; ``delivery_id`` is the one that its metadata names."""

    etag: str
    last_modified: datetime
    delivery_id: str | None


@dataclass(frozen=True)
class Recorded:
    """What the records of one delivery say together, the reprocessings included.

    ``silver_etags`` is empty where no attempt was accepted; ``bronze`` is whether its bytes were kept.
    """

    silver_etags: frozenset[str]
    bronze: bool


def split_unrecorded(
    versions: Iterable[SourceVersion], recorded: Collection[str], settled_before: datetime
) -> tuple[list[SourceVersion], list[SourceVersion]]:
    """Versions without a record: those that are missing, and those that arrived so lately that work may be going on."""
    missing: list[SourceVersion] = []
    in_flight: list[SourceVersion] = []
    for version in versions:
        if version.delivery_id not in recorded:
            (missing if version.last_modified <= settled_before else in_flight).append(version)
    return missing, in_flight


def missing_of(version: SourceVersion) -> Finding:
    why = "arrived, but no event of it was worked off" if version.dataset else "arrived without leaving a trace"
    return Finding(
        Discrepancy.MISSING,
        version.agency,
        version.dataset,
        version.key,
        why,
        version.last_modified,
        version.delivery_id,
        version,
    )


def doubtful(versions: Sequence[SourceVersion], listing: PartitionListing) -> list[str]:
    """Source keys of a partition of which the listings alone cannot say that silver holds the right version.

    Silver is written first, its record next. So if silver is no younger than the newest version's record and younger
    than every other record of the key, then nobody but that version's work wrote it. Where a version has no record,
    or two times are equal, the records decide.
    """
    found: list[str] = []
    for key, group in groupby(versions, key=attrgetter("key")):
        ids = [version.delivery_id for version in group]
        if not any(identity in listing.final for identity in ids):
            if silver_key(listing.dataset, listing.agency, key) in listing.silver:
                found.append(key)
            continue
        silver = listing.silver.get(silver_key(listing.dataset, listing.agency, key))
        newest, *older = ids
        if (
            silver is None
            or newest not in listing.bronze
            or any(identity not in listing.final for identity in ids)
            or silver.last_modified > listing.recorded_at(newest)
            or any(listing.recorded_at(identity) >= silver.last_modified for identity in older)
        ):
            found.append(key)
    return found


def settle(
    listing: PartitionListing,
    versions: Sequence[SourceVersion],
    records: Mapping[str, Recorded],
    silver: Silver | None,
    settled_before: datetime,
) -> list[Finding]:
    """The last word on one doubtful source key.

    Args:
        versions: of the key, the newest first.
        records: of the versions that have one, by delivery id; older ones than the newest accepted may be left out.
        silver: of the key, if there is an object; one that is younger than ``settled_before`` is somebody's work.
    """
    key = silver_key(listing.dataset, listing.agency, versions[0].key)
    findings: list[Finding] = []
    recorded = [version for version in versions if version.delivery_id in records]
    if recorded and records[recorded[0].delivery_id].bronze and recorded[0].delivery_id not in listing.bronze:
        findings.append(_about(Discrepancy.ORPHANED, recorded[0], "the record speaks of bronze, which is gone"))
    right = next((version for version in recorded if records[version.delivery_id].silver_etags), None)
    unfinished = {version.delivery_id for version in versions if version.delivery_id not in listing.final}
    if silver is not None and (silver.last_modified > settled_before or silver.delivery_id in unfinished):
        return findings
    if right is None:
        if silver is not None and silver.delivery_id not in listing.final:
            findings.append(orphan(listing, key, silver.last_modified))
    elif silver is None:
        findings.append(_about(Discrepancy.ORPHANED, right, "the record says accepted, but silver is gone"))
    elif silver.etag not in records[right.delivery_id].silver_etags and silver.delivery_id != right.delivery_id:
        what = f"delivery {silver.delivery_id}" if silver.delivery_id else "something that the platform did not write"
        findings.append(_about(Discrepancy.STALE, right, f"silver holds {what}"))
    return findings


def _about(kind: Discrepancy, version: SourceVersion, why: str) -> Finding:
    return Finding(kind, version.agency, version.dataset, version.key, why, version.last_modified, version.delivery_id)


def orphan(listing: PartitionListing, key: str, since: datetime, delivery_id: str | None = None) -> Finding:
    return Finding(
        Discrepancy.ORPHANED,
        listing.agency,
        listing.dataset,
        key,
        "no record speaks of this object",
        since,
        delivery_id,
    )


def unspoken(
    listing: PartitionListing, unrecorded: Collection[str], source_keys: Iterable[str], settled_before: datetime
) -> tuple[list[Finding], list[str]]:
    """Objects without a record, and silver objects whose source key is not listed any more.

    Args:
        unrecorded: delivery ids that are missing or in flight; what they wrote so far is theirs.
        source_keys: those of the partition that are listed.
    """
    findings = [
        orphan(listing, key, written, identity)
        for layer in (listing.bronze, listing.quarantine)
        for identity, (key, written) in sorted(layer.items())
        if identity not in listing.final and identity not in unrecorded and written <= settled_before
    ]
    known = {silver_key(listing.dataset, listing.agency, key) for key in source_keys}
    return findings, sorted(listing.silver.keys() - known)
