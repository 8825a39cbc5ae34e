"""``EventLog`` on Dagster: what an intake run logs of its deliveries."""

import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import dagster as dg

from etl_platform.defs.checks.check_log import CheckLog
from etl_platform.defs.checks.check_results import check_evaluations
from etl_platform.defs.checks.expected_files import on_time_evaluations
from etl_platform.defs.datasets.partitions import register_agencies
from etl_platform.defs.intake.delivery_events import bronze_event, silver_event
from etl_platform.defs.intake.event_log_lookup import is_logged
from etl_platform.defs.intake.ignored_files import ignored_event
from etl_platform.defs.intake.intake_runs import note_progress
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.partition_state import PartitionState
from etl_platform.deliveries.report import Report
from etl_platform.platform import Platform

_MAX_ROUNDS = 5


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
        self._context.log_event(bronze_event(report, outcome, repeated=repeated))
        if outcome is Outcome.ACCEPTED:
            self._log_silver(report)
        if outcome in {Outcome.ACCEPTED, Outcome.REJECTED}:
            self._log_checks(report)

    def _log_silver(self, report: Report) -> None:
        """Log the materialization of silver, again if another run did so while the content was read.

        Otherwise the latest materialization would be about what the partition held before the other run wrote to it.
        """
        dataset, agency = report.partition
        for _ in range(_MAX_ROUNDS):
            read_at = time.time()
            content = self._state.content(dataset, agency)
            event = silver_event(report, self._platform.contracts[dataset], content)
            self._context.log_event(event)
            wanted = dg.AssetRecordsFilter(event.asset_key, asset_partitions=[agency])
            latest = self._context.instance.fetch_materializations(wanted, limit=2).records
            if not any(one.run_id != self._context.run.run_id and one.timestamp >= read_at for one in latest):
                return

    def _log_checks(self, report: Report) -> None:
        dataset, agency = report.partition
        contract = self._platform.contracts[dataset]
        results = check_evaluations([self._state.judged_file(report)], contract)
        results += on_time_evaluations(self._platform, contract, agency, datetime.now(UTC), report)
        self._checks.log(dg.AssetKey(["silver", dataset]), agency, results)

    def log_ignored(self, report: Report) -> None:
        self._context.log.info(f"{report.outcome} {report.source.key} ({report.delivery_id})")
        if event := ignored_event(report):
            self._context.log_event(event)

    def note_progress(self) -> None:
        note_progress(self._context.instance, self._context.run)
