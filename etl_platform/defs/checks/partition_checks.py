"""The one evaluation of a partition's checks, for a delivery, a re-read and *Execute*. Nothing is logged here."""

from datetime import UTC, datetime

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.check_results import check_evaluations
from etl_platform.defs.checks.expected_files import on_time_evaluation
from etl_platform.deliveries.partition_state import JudgedPartition, PartitionContent, PartitionState
from etl_platform.deliveries.reconcile.expected_files import agency_cadence
from etl_platform.engine.contract.model import Contract
from etl_platform.platform import Platform


class PartitionChecks:
    """Evaluates the checks of partitions from their reports and silver objects. What has not changed is kept."""

    def __init__(self, platform: Platform) -> None:
        self._agencies = platform.agency_register
        self._state = PartitionState(platform.store, platform.bucket)
        self._kept: dict[tuple[str, str], tuple[JudgedPartition, list[CheckEvaluation]]] = {}

    def content(self, dataset: str, agency: str) -> PartitionContent:
        """The rows that silver holds of a partition."""
        return self._state.content(dataset, agency)

    def evaluate(self, contract: Contract, agency: str) -> list[CheckEvaluation]:
        """One result for every check of the dataset, about the partition as it is now.

        Args:
            contract: of one dataset, always the same one.

        Raises:
            TransientError: infrastructure.
        """
        partition = contract.dataset, agency
        judged = self._state.judged(*partition)
        if partition not in self._kept or self._kept[partition][0] is not judged:
            self._kept[partition] = judged, check_evaluations(judged, contract)
        results = self._kept[partition][1]
        cadence = agency_cadence(contract, agency)
        if cadence is None:
            return results
        return [*results, on_time_evaluation(judged.last, cadence, self._agencies, datetime.now(UTC))]
