"""The one evaluation of a partition's checks, for a delivery, a re-read and *Execute*. Nothing is logged here."""

from datetime import UTC, datetime

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.check_results import check_evaluations
from etl_platform.defs.checks.expected_files import on_time_evaluation
from etl_platform.deliveries.foreign_key_lookup import ForeignKeyLookup, ForeignKeyResult
from etl_platform.deliveries.partition_state import JudgedPartition, PartitionContent, PartitionState
from etl_platform.deliveries.reconcile.expected_files import agency_cadence
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.rules.check_names import FOREIGN_KEYS_CHECK
from etl_platform.platform import Platform


class PartitionChecks:
    """Evaluates the checks of partitions from their reports and silver objects. What has not changed is kept."""

    def __init__(self, platform: Platform) -> None:
        self._agencies = platform.agency_register
        self._state = PartitionState(platform.store, platform.bucket)
        self._foreign_keys = ForeignKeyLookup(platform.store, platform.bucket)
        self._kept: dict[tuple[str, str], tuple[JudgedPartition, list[ForeignKeyResult], list[CheckEvaluation]]] = {}

    def content(self, dataset: str, agency: str) -> PartitionContent:
        """The rows that silver holds of a partition."""
        return self._state.content(dataset, agency)

    def etags(self, dataset: str, agency: str) -> dict[str, str]:
        """The eTags of the partition's silver objects by key, as ``content`` or ``evaluate`` listed them last."""
        return self._state.etags(dataset, agency)

    def note(self, report: Report, etag: str) -> None:
        """Note a report that this process has written, with the eTag of its object, so that it is not read again."""
        self._state.note(report, etag)

    def evaluate(self, contract: Contract, agency: str, *, is_listed: bool = False) -> list[CheckEvaluation]:
        """One result for every check of the dataset, about the partition as it is now.

        Args:
            contract: of one dataset, always the same one.
            is_listed: as the partition was when ``content`` was read.

        Raises:
            TransientError: infrastructure.
        """
        partition = contract.dataset, agency
        judged = self._state.judged(*partition, is_listed=is_listed)
        found = self._foreign_keys.evaluate(contract, agency)
        if partition not in self._kept or self._kept[partition][0] is not judged or self._kept[partition][1] != found:
            self._kept[partition] = judged, found, check_evaluations(judged, contract, found)
        results = self._kept[partition][2]
        cadence = agency_cadence(contract, agency)
        if cadence is None:
            return results
        return [*results, on_time_evaluation(judged.last, cadence, self._agencies, datetime.now(UTC))]

    def foreign_keys(self, contract: Contract, agency: str) -> list[CheckEvaluation]:
        """The results of ``evaluate`` that depend on silver of other datasets."""
        return [one for one in self.evaluate(contract, agency) if one.name == FOREIGN_KEYS_CHECK]

    def has_current_foreign_keys(self, contract: Contract, agency: str) -> bool:
        """Whether nothing has changed for the foreign keys since ``evaluate``, or the agency has no silver of them."""
        partition = contract.dataset, agency
        found = self._foreign_keys.evaluate(contract, agency)
        if partition in self._kept:
            return self._kept[partition][1] == found
        return not any(result.objects or result.problem for result in found)
