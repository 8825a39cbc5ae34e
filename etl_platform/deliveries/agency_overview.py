"""Which agencies there are and what they sent, from the keys of reports. No Dagster."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from etl_platform import object_keys
from etl_platform.deliveries.agency_register import Agencies, AgencyChange
from etl_platform.deliveries.ledger import Ledger
from etl_platform.storage.object_store import ObjectHead, ObjectStore

_READERS = 16


@dataclass(frozen=True)
class AgencyOverview:
    """One agency.

    Attributes:
        last_file: name of the file whose report was written last; None without a report.
        reported_at: when that report was written (UTC).
        change: its retirement or renaming; None while it is active.
    """

    agency: str
    datasets: tuple[str, ...]
    last_file: str | None
    reported_at: datetime | None
    change: AgencyChange | None

    @property
    def state(self) -> str:
        return str(self.change) if self.change else "active"


def senders(store: ObjectStore, bucket: str, agencies: Agencies) -> Mapping[str, set[str]]:
    """By dataset, the active agencies that ever sent it, also those whose files were all refused."""
    found: dict[str, set[str]] = defaultdict(set)
    for dataset in _datasets(store, bucket):
        for folder in store.folders(bucket, object_keys.report_prefix(dataset)):
            parsed = object_keys.parse_folder(folder)
            if parsed is not None and parsed.agency is not None and agencies.is_active(parsed.agency):
                found[dataset].add(parsed.agency)
    return found


def is_known(store: ObjectStore, bucket: str, source_prefix: str, agency: str) -> bool:
    """Whether the agency has a folder for its files, or a report of a file."""
    folders = (folder[len(source_prefix) : -1] for folder in store.folders(bucket, source_prefix))
    if agency in map(object_keys.segment, folders):
        return True
    prefixes = (object_keys.report_prefix(dataset, agency) for dataset in _datasets(store, bucket))
    return any(True for prefix in prefixes for _ in store.list(bucket, prefix))


def overview(store: ObjectStore, bucket: str, agencies: Agencies) -> list[AgencyOverview]:
    """Every agency that has a report, or was retired or renamed, by name.

    Lists all reports, and reads one for each agency.
    """
    latest: dict[str, dict[str, ObjectHead]] = defaultdict(dict)
    with ThreadPoolExecutor(_READERS) as pool:
        for found in pool.map(lambda dataset: _latest(store, bucket, dataset), _datasets(store, bucket)):
            for agency, (dataset, head) in found.items():
                latest[agency][dataset] = head
        names = sorted(latest.keys() | agencies.changes.keys())
        return list(pool.map(lambda name: _one(store, bucket, name, latest[name], agencies), names))


def _datasets(store: ObjectStore, bucket: str) -> Iterator[str]:
    return (
        folder.dataset for folder in map(object_keys.parse_folder, store.folders(bucket, object_keys.REPORTS)) if folder
    )


def _latest(store: ObjectStore, bucket: str, dataset: str) -> Mapping[str, tuple[str, ObjectHead]]:
    """By agency, the newest report of an arrival."""
    found: dict[str, tuple[str, ObjectHead]] = {}
    for head in store.list(bucket, object_keys.report_prefix(dataset)):
        parsed = object_keys.parse_delivery_object(head.key)
        if parsed is None or parsed.attempt_id is not None:
            continue
        known = found.get(parsed.agency)
        if known is None or head.last_modified >= known[1].last_modified:
            found[parsed.agency] = dataset, head
    return found


def _one(
    store: ObjectStore, bucket: str, agency: str, latest: Mapping[str, ObjectHead], agencies: Agencies
) -> AgencyOverview:
    name: str | None = None
    head = max(latest.values(), key=lambda found: found.last_modified, default=None)
    if head is not None:
        parsed = object_keys.parse_delivery_object(head.key)
        assert parsed is not None
        report = Ledger(store, bucket).find(parsed.dataset, agency, parsed.delivery_id)
        name = object_keys.base_name(report.source.key) if report else None
    change = agencies.changes.get(agency)
    return AgencyOverview(agency, tuple(sorted(latest)), name, head.last_modified if head else None, change)
