"""Which files are overdue, from the last delivery of each agency in the ledger. No Dagster.

The index of reports by day has the last delivery of most partitions. Only the reports of partitions that have been
quiet for longer are listed, so the cost depends on the number of partitions and not on all that they ever sent.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from etl_platform import object_keys
from etl_platform.deliveries.agency_register import Agencies, AgencyRegister
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.report_days import ReportDays
from etl_platform.engine.contract.cadence import Cadence, LastFile, Timeliness, judge_timeliness
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.overlays.overlay_folder import for_agency
from etl_platform.storage.object_store import ObjectStore

_WINDOW = timedelta(days=40)
"""Longer than a month, so that it contains the last delivery of a partition with a monthly file."""
_READERS = 16


@dataclass(frozen=True)
class _Reported:
    """A delivery that was reported, at ``latest`` at the latest (UTC), or exactly then."""

    latest: datetime
    is_exact: bool
    delivery_id: str


class ExpectedFiles:
    """The expected files of one data bucket. Every method raises TransientError if infrastructure fails.

    Args:
        now: UTC.
    """

    def __init__(self, store: ObjectStore, bucket: str, now: datetime) -> None:
        self._store, self._bucket, self._now = store, bucket, now
        self._ledger = Ledger(store, bucket)

    def timeliness(self, contract: Contract) -> Iterator[tuple[str, Timeliness]]:
        """The timeliness of every active agency that ever delivered the dataset. Usually reads one report of each.

        Nothing if the contract has no cadence.
        """
        if contract.cadence is None:
            return
        dataset = contract.dataset
        folders = self._store.folders(self._bucket, object_keys.report_prefix(dataset))
        parsed = (object_keys.parse_folder(folder) for folder in folders)
        agencies = [one.agency for one in parsed if one and one.agency and self._agencies.is_active(one.agency)]
        with ThreadPoolExecutor(_READERS) as pool:
            found = pool.map(lambda agency: self._last_or_listed(contract, agency), agencies)
            yield from ((agency, one) for agency, one in zip(agencies, found, strict=True) if one is not None)

    def of_agency(self, contract: Contract, agency: str) -> Timeliness | None:
        """The timeliness of one agency; None if it never delivered the dataset, or the contract has no cadence."""
        cadence = agency_cadence(contract, agency)
        return None if cadence is None else self._listed(contract.dataset, agency, cadence)

    @cached_property
    def _agencies(self) -> Agencies:
        return AgencyRegister(self._store, self._bucket).read()

    @cached_property
    def _recent(self) -> Mapping[tuple[str, str], Sequence[_Reported]]:
        """By dataset and agency, the deliveries of the window; nothing if the index is not complete."""
        found: dict[tuple[str, str], list[_Reported]] = defaultdict(list)
        for entry in ReportDays(self._store, self._bucket).entries_since(self._now - _WINDOW) or ():
            parsed = object_keys.parse_delivery_object(entry.report_key)
            if parsed is not None and parsed.attempt_id is None:
                reported = _Reported(entry.latest, entry.is_exact, parsed.delivery_id)
                found[parsed.dataset, parsed.agency].append(reported)
        return found

    def _last_or_listed(self, contract: Contract, agency: str) -> Timeliness | None:
        dataset, cadence = contract.dataset, agency_cadence(contract, agency)
        if cadence is None:
            return None
        last = self._last(dataset, agency, cadence, self._recent.get((dataset, agency), ()))
        if last is None or last.last.arrived_at < self._now - _WINDOW:
            # An old file that was reported late can hide a newer one that was reported before the window.
            return self._listed(dataset, agency, cadence)
        return last

    def _listed(self, dataset: str, agency: str, cadence: Cadence) -> Timeliness | None:
        heads = self._store.list(self._bucket, object_keys.report_prefix(dataset, agency))
        parsed = ((head.last_modified, object_keys.parse_delivery_object(head.key)) for head in heads)
        reported = [_Reported(at, True, one.delivery_id) for at, one in parsed if one and one.attempt_id is None]
        return self._last(dataset, agency, cadence, reported)

    def _last(self, dataset: str, agency: str, cadence: Cadence, reported: Sequence[_Reported]) -> Timeliness | None:
        """The timeliness by the newest of these deliveries; None if none of them has a report."""
        latest: Timeliness | None = None
        for one in sorted(reported, key=lambda one: (one.latest, one.delivery_id), reverse=True):
            # A report is younger than its file, so an older report cannot be about a newer file.
            if latest is not None and (one.latest <= latest.last.arrived_at or (one.is_exact and not latest.overdue)):
                break
            report = self._ledger.find(dataset, agency, one.delivery_id)
            if report is None:
                continue
            if latest is None or report.source.order.last_modified > latest.last.arrived_at:
                latest = timeliness_of(report, cadence, self._now)
        return latest


def agency_cadence(contract: Contract, agency: str) -> Cadence | None:
    """How often a file of an agency is expected: as its overlay has it, else as the contract has it."""
    try:
        return for_agency(contract, agency).cadence
    except ContractError:
        # The error is shown where files wait for it; they are still expected.
        return contract.cadence


def timeliness_of(last: Report, cadence: Cadence, now: datetime) -> Timeliness:
    """The timeliness of an agency, by the report of the file that arrived last; ``now`` is UTC."""
    name, arrived_at = object_keys.base_name(last.source.key), last.source.order.last_modified
    return judge_timeliness(cadence, LastFile(name, str(last.outcome), arrived_at), now)
