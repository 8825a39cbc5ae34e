"""Which files are overdue, from the last delivery of each partition. No Dagster."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path

from etl_platform.deliveries.agency_register import Agencies, AgencyRegister
from etl_platform.deliveries.last_deliveries import LastDeliveries, LastDelivery
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.cadence import Cadence, LastFile, Timeliness, judge_timeliness
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.overlays.overlay_folder import agencies_of, for_agency, list_overlays
from etl_platform.object_keys import base_name
from etl_platform.storage.object_store import ObjectStore


class ExpectedFiles:
    """The expected files of one data bucket. Every method raises TransientError if infrastructure fails.

    Args:
        now: UTC.
    """

    def __init__(self, store: ObjectStore, bucket: str, now: datetime) -> None:
        self._store, self._bucket, self._now = store, bucket, now
        self._last_deliveries, self._cadences = LastDeliveries(store, bucket, now), AgencyCadences()

    def timeliness(self, contract: Contract) -> Iterator[tuple[str, Timeliness]]:
        """The timeliness of every active agency that ever delivered the dataset, by name.

        Nothing if the contract has no cadence.
        """
        if contract.cadence is None:
            return
        for agency, last in self._by_dataset[contract.dataset].items():
            cadence = self._cadences.of(contract, agency)
            if cadence is not None and self._agencies.is_active(agency):
                yield agency, self._judge(last, cadence)

    def timeliness_of_all(self, contracts: Mapping[str, Contract]) -> list[tuple[str, str, Timeliness]]:
        """Dataset, agency and timeliness of every expected file, in this order."""
        return [
            (dataset, agency, one)
            for dataset, contract in sorted(contracts.items())
            for agency, one in self.timeliness(contract)
        ]

    def read_again(self, contract: Contract, agency: str) -> Timeliness | None:
        """The timeliness of one agency, with what was reported meanwhile.

        None if it had not delivered the dataset, or no file of it is expected.
        """
        known, cadence = self._by_dataset[contract.dataset].get(agency), agency_cadence(contract, agency)
        if known is None or cadence is None:
            return None
        return self._judge(self._last_deliveries.read_again(known, self._now), cadence)

    @cached_property
    def _agencies(self) -> Agencies:
        return AgencyRegister(self._store, self._bucket).read()

    @cached_property
    def _by_dataset(self) -> Mapping[str, Mapping[str, LastDelivery]]:
        """By dataset and agency, both in order."""
        found: dict[str, dict[str, LastDelivery]] = defaultdict(dict)
        for (dataset, agency), last in sorted(self._last_deliveries.read().items()):
            found[dataset][agency] = last
        return found

    def _judge(self, last: LastDelivery, cadence: Cadence) -> Timeliness:
        file = LastFile(base_name(last.source_key), last.outcome, last.arrived_at)
        return judge_timeliness(cadence, file, self._now)


class AgencyCadences:
    """``agency_cadence`` for many agencies: the overlays are listed once, since most agencies have none."""

    def __init__(self) -> None:
        self._overlays: dict[Path, Mapping[str, Sequence[str]]] = {}

    def of(self, contract: Contract, agency: str) -> Cadence | None:
        folder = Path(contract.path).parent
        if folder not in self._overlays:
            self._overlays[folder] = agencies_of(list_overlays(folder))
        has_overlay = agency in self._overlays[folder].get(contract.dataset, ())
        return agency_cadence(contract, agency) if has_overlay else contract.cadence


def agency_cadence(contract: Contract, agency: str) -> Cadence | None:
    """How often a file of an agency is expected: as its overlay has it, else as the contract has it."""
    try:
        return for_agency(contract, agency).cadence
    except ContractError:
        # The error is shown where files wait for it; they are still expected.
        return contract.cadence


def timeliness_of(last: Report, cadence: Cadence, now: datetime) -> Timeliness:
    """The timeliness of an agency, by the report of the file that arrived last; ``now`` is UTC."""
    name, arrived_at = base_name(last.source.key), last.source.order.last_modified
    return judge_timeliness(cadence, LastFile(name, str(last.outcome), arrived_at), now)
