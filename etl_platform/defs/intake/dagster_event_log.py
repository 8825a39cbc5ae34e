"""``EventLog`` on Dagster: what an intake run logs of its deliveries."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.check_log import CheckLog
from etl_platform.defs.checks.check_results import check_evaluations, check_specs, file_evaluation
from etl_platform.defs.checks.expected_files import on_time_evaluations
from etl_platform.defs.dagster_internals import one_transaction
from etl_platform.defs.datasets.partitions import register_agencies
from etl_platform.defs.intake.delivery_events import bronze_event, silver_event
from etl_platform.defs.intake.event_log_lookup import is_logged
from etl_platform.defs.intake.ignored_files import ignored_event
from etl_platform.defs.intake.intake_runs import note_progress
from etl_platform.defs.intake.silver_log import log_silver
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.partition_state import PartitionState
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.rules.check_names import FILE_CHECK
from etl_platform.platform import Platform


class DagsterEventLog:
    """The event log of one run."""

    def __init__(self, context: dg.OpExecutionContext, platform: Platform) -> None:
        self._context, self._platform = context, platform
        self._state = PartitionState(platform.store, platform.bucket)
        self._checks = CheckLog(context)

    def register_agencies(self, senders: Mapping[str, Collection[str]]) -> None:
        register_agencies(self._context.instance, senders)

    def is_logged(self, report: Report) -> bool:
        return is_logged(self._context.instance, report)

    def log_delivery(self, report: Report, outcome: Outcome, *, repeated: bool = False) -> None:
        with one_transaction(self._context.instance):
            self._context.log_event(bronze_event(report, outcome, repeated=repeated))
        silver = self._log_silver(report) if outcome is Outcome.ACCEPTED else None
        if outcome in {Outcome.ACCEPTED, Outcome.REJECTED}:
            self._log_checks(report, silver)

    def _log_silver(self, report: Report) -> dg.EventLogRecord | None:
        dataset, agency = report.partition
        contract = self._platform.contracts[dataset]
        return log_silver(
            self._context,
            lambda: self._state.content(dataset, agency),
            lambda content: silver_event([report], contract, content),
        )

    def _log_checks(self, report: Report, silver: dg.EventLogRecord | None) -> None:
        dataset, agency = report.partition
        contract = self._platform.contracts[dataset]
        asset = dg.AssetKey(["silver", dataset])
        judged = self._state.judged_file(report)
        if judged.checked is not None:
            results = check_evaluations([judged], contract)
        else:
            results = [file_evaluation([judged.report]), *self._missing_results(asset, agency, contract)]
        results += on_time_evaluations(self._platform, contract, agency, datetime.now(UTC), report)
        self._checks.log(asset, agency, results, silver)

    def _missing_results(self, asset: dg.AssetKey, agency: str, contract: Contract) -> list[CheckEvaluation]:
        """Results of the checks of rows that have none, for a file without any row.

        Such a file says nothing about rows. So the results that are shown stay: they are about other files of the
        agency. The partition is evaluated only where there are none, because that reads all of its reports.
        """
        keys = {dg.AssetCheckKey(asset, name) for name, _ in check_specs(contract) if name != FILE_CHECK}
        missing = {key.name for key in self._checks.without_result(keys, agency)}
        if not missing:
            return []
        files = self._state.judged_files(contract.dataset, agency)
        return [one for one in check_evaluations(files, contract) if one.name in missing]

    def log_ignored(self, report: Report) -> None:
        why = "; ".join(f"{error.code}: {error.message}" for error in report.check.errors)
        self._context.log.info(f"{report.outcome} {report.source.key} ({report.delivery_id}): {why}")
        if event := ignored_event(report):
            self._context.log_event(event)

    def note_progress(self) -> None:
        note_progress(self._context.instance, self._context.run)
