"""The body of an intake run of one partition: an agency's files are read again, or only its checks are evaluated."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.check_log import CheckLog
from etl_platform.defs.checks.partition_checks import PartitionChecks
from etl_platform.defs.checks.referring_checks import log_referring_checks
from etl_platform.defs.datasets.delivery_metadata import bronze_metadata, columns_of
from etl_platform.defs.datasets.lineage import header_schema
from etl_platform.defs.datasets.partitions import latest_materialization
from etl_platform.defs.datasets.versions import bronze_version
from etl_platform.defs.intake.delivery_events import silver_event
from etl_platform.defs.intake.intake_config import ReplayConfig
from etl_platform.defs.intake.silver_log import log_silver
from etl_platform.defs.intake.unchanged_partitions import log_unchanged
from etl_platform.defs.runs.run_tags import note_outcomes
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.ingest_batch import outcomes_text
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.report import Trigger
from etl_platform.platform import Platform

Results = Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]


def run_partition(context: dg.AssetExecutionContext, replay: ReplayConfig, platform: Platform) -> Results:
    """Read an agency's bronze of every selected dataset again under today's contract, and evaluate its checks.

    Raises:
        ContractError: the contract of a dataset is in error.
    """
    planned = context.selected_asset_check_keys
    datasets = {key.path[1] for key in context.selected_asset_keys} | {key.asset_key.path[1] for key in planned}
    check_log = CheckLog(context.op_execution_context, planned)
    outcomes: Counter[str] = Counter()
    written: set[tuple[str, str]] = set()
    for dataset in sorted(datasets):
        partition = _Partition(context, platform, check_log, dataset)
        if partition.is_selected:
            yield from partition.read_again(replay, outcomes)
            written.add((dataset, context.partition_key))
        else:
            yield from partition.execute_checks()
    log_referring_checks(context.op_execution_context, check_log, PartitionChecks(platform), platform, written)
    note_outcomes(context.instance, context.run, {context.partition_key}, datasets, outcomes_text(outcomes))


class _Partition:
    """One dataset in the run of a partition."""

    def __init__(
        self, context: dg.AssetExecutionContext, platform: Platform, check_log: CheckLog, dataset: str
    ) -> None:
        self._context, self._platform, self._check_log, self._dataset = context, platform, check_log, dataset
        contract = platform.contract_folder.find(dataset)
        assert contract is not None, "the definitions were made from the same contracts"
        self._agency, self._contract = context.partition_key, contract
        self._bronze, self._silver = dg.AssetKey(["bronze", dataset]), dg.AssetKey(["silver", dataset])
        self._checks = PartitionChecks(platform)

    @property
    def is_selected(self) -> bool:
        """Whether assets are to be materialized, not only checks to be evaluated."""
        return not {self._bronze, self._silver}.isdisjoint(self._context.selected_asset_keys)

    def execute_checks(self) -> Results:
        """Evaluate the selected checks from the reports. Nothing else is read or written."""
        evaluations = self._planned()
        yield from (one.result(self._silver) for one in evaluations)
        self._check_log.log(self._silver, self._agency, self._planned, yielded=evaluations, exact=True)

    def read_again(self, replay: ReplayConfig, outcomes: Counter[str]) -> Results:
        # Dagster would show the planned checks of a run that dies as "execution failed". They get the current results
        # before the work begins.
        self._check_log.log(self._silver, self._agency, self._planned)
        trigger = Trigger(Cause.REPROCESS, self._context.run.run_id, by=replay.by)
        results = list(
            self._platform.intake.reprocess(
                self._dataset, self._agency, trigger, replay.delivery_ids, only_outdated=replay.only_outdated
            )
        )
        self._platform.finished += results
        outcomes.update(str(result.outcome) for result in results)
        if results:
            self._log_lines(results)
            yield from self._materializations(results)
        else:
            self._log_nothing_to_read()
        planned = self._planned()
        yield from (one.result(self._silver) for one in planned)
        evaluate = self._evaluate if results else self._planned
        self._check_log.log(self._silver, self._agency, evaluate, yielded=planned, exact=True)

    def _log_nothing_to_read(self) -> None:
        """Tell an agency that never sent the dataset from one whose files were gone before they were read."""
        if latest_materialization(self._context.instance, self._bronze, self._agency) is None:
            self._context.log.warning(f"{self._agency} has not delivered any {self._dataset} yet")
            return
        for key in {self._bronze, self._silver} & self._context.selected_asset_keys:
            log_unchanged(self._context, key, "Bronze holds no file of this agency, so nothing was read.")

    def _log_lines(self, results: Sequence[DeliveryResult]) -> None:
        """The partition has one event for all of its files, so each file has a line in the log."""
        for result in results:
            delivery_id, outcome = result.report.delivery_id, result.outcome
            about = {"agency": self._agency, "dataset": self._dataset, "delivery_id": delivery_id, "outcome": outcome}
            self._context.log.info(f"delivery {delivery_id} is {outcome}", extra=about)

    def _materializations(self, results: Sequence[DeliveryResult]) -> Iterator[dg.MaterializeResult[Any]]:
        reports = [result.report for result in results]
        accepted = [result.report for result in results if result.outcome is Outcome.ACCEPTED]
        if self._bronze in self._context.selected_asset_keys:
            metadata = bronze_metadata(reports) | header_schema(columns_of(reports)) | {"files": len(reports)}
            yield dg.MaterializeResult(asset_key=self._bronze, metadata=metadata, data_version=bronze_version(reports))
        is_selected = self._silver in self._context.selected_asset_keys
        # Reading bronze again writes silver, whichever of the two was selected.
        if accepted and (is_selected or not all(result.repeated for result in results)):
            log_silver(
                self._context,
                lambda: self._checks.content(self._dataset, self._agency),
                lambda content: [silver_event(accepted, self._contract, content)],
            )
        elif is_selected:
            log_unchanged(self._context, self._silver, "No file was accepted, so silver is as it was.")

    def _evaluate(self) -> list[CheckEvaluation]:
        return self._checks.evaluate(self._contract, self._agency)

    def _planned(self) -> list[CheckEvaluation]:
        """The results of the selected checks."""
        names = {key.name for key in self._context.selected_asset_check_keys if key.asset_key == self._silver}
        return [one for one in self._evaluate() if one.name in names] if names else []
