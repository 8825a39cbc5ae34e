"""Which agencies there are and what they sent, from reports. No Dagster."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from etl_platform import object_keys
from etl_platform.deliveries.agency_register import Agencies, AgencyChange
from etl_platform.deliveries.last_deliveries import LastDelivery
from etl_platform.engine.near_names import nearest
from etl_platform.storage.object_store import ObjectStore


@dataclass(frozen=True)
class AgencyOverview:
    """One agency.

    Attributes:
        last_file: name of the file that was reported last, of the newest files of each dataset; None without a report.
        reported_at: when that was (UTC).
        change: its retirement or renaming; None while it is active.
        near: a sender with a similar name, if this agency only has an overlay.
    """

    agency: str
    datasets: tuple[str, ...]
    last_file: str | None
    reported_at: datetime | None
    change: AgencyChange | None
    near: str | None = None

    @property
    def state(self) -> str:
        if self.change or self.last_file:
            return str(self.change or "active")
        return "an overlay, but no file yet" + (f"; did you mean {self.near}?" if self.near else "")


def senders(store: ObjectStore, bucket: str, agencies: Agencies) -> Mapping[str, set[str]]:
    """By dataset, the active agencies that ever sent it, also those whose files were all refused."""
    found: dict[str, set[str]] = {}
    for dataset in _datasets(store, bucket):
        if sent := senders_of(store, bucket, dataset, agencies):
            found[dataset] = sent
    return found


def senders_of(store: ObjectStore, bucket: str, dataset: str, agencies: Agencies) -> set[str]:
    """The active agencies that ever sent a dataset, also those whose files were all refused."""
    folders = map(object_keys.parse_folder, store.folders(bucket, object_keys.report_prefix(dataset)))
    return {one.agency for one in folders if one is not None and one.agency and agencies.is_active(one.agency)}


def is_known(store: ObjectStore, bucket: str, source_prefix: str, agency: str) -> bool:
    """Whether the agency has a folder for its files, or a report of a file."""
    folders = (folder[len(source_prefix) : -1] for folder in store.folders(bucket, source_prefix))
    if agency in map(object_keys.segment, folders):
        return True
    prefixes = (object_keys.report_prefix(dataset, agency) for dataset in _datasets(store, bucket))
    return any(True for prefix in prefixes for _ in store.list(bucket, prefix))


def overview(
    last_deliveries: Iterable[LastDelivery], agencies: Agencies, overlays: Collection[str] = ()
) -> list[AgencyOverview]:
    """Every agency that has a report or an overlay, or was retired or renamed, by name.

    Args:
        last_deliveries: of each partition.
        overlays: the agencies with overlays; one that sends nothing may be misspelt.
    """
    of_agency: dict[str, list[LastDelivery]] = defaultdict(list)
    for one in last_deliveries:
        of_agency[one.agency].append(one)
    sent = set(of_agency)
    names = sorted(sent | agencies.changes.keys() | set(overlays))
    found = [_one(name, of_agency[name], agencies) for name in names]
    return [one if one.last_file or one.change else replace(one, near=nearest(one.agency, sent)) for one in found]


def _one(agency: str, delivered: Sequence[LastDelivery], agencies: Agencies) -> AgencyOverview:
    last = max(delivered, key=lambda one: (one.reported_at, one.delivery_id), default=None)
    return AgencyOverview(
        agency,
        tuple(sorted(one.dataset for one in delivered)),
        object_keys.base_name(last.source_key) if last else None,
        last.reported_at if last else None,
        agencies.changes.get(agency),
    )


def _datasets(store: ObjectStore, bucket: str) -> Iterator[str]:
    return (
        folder.dataset for folder in map(object_keys.parse_folder, store.folders(bucket, object_keys.REPORTS)) if folder
    )
