"""``EventLog`` on Dagster: what an intake run logs of its deliveries."""

from collections.abc import Collection, Mapping

import dagster as dg

from etl_platform.defs.delivery_events import delivery_events
from etl_platform.defs.event_log_lookup import is_logged
from etl_platform.defs.ignored_files import ignored_event
from etl_platform.defs.intake_runs import note_progress
from etl_platform.defs.partitions import register_agencies
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.model import Contract


class DagsterEventLog:
    """The event log of one run."""

    def __init__(self, context: dg.AssetExecutionContext, contracts: Mapping[str, Contract]) -> None:
        self._context, self._contracts = context, contracts

    def register_agencies(self, senders: Mapping[str, Collection[str]]) -> None:
        register_agencies(self._context.instance, senders)

    def is_logged(self, report: Report) -> bool:
        return is_logged(self._context.instance, report)

    def log_delivery(self, report: Report, outcome: Outcome, *, repeated: bool = False) -> None:
        contract = self._contracts[report.partition[0]]
        for event in delivery_events(report, outcome, contract, repeated=repeated):
            self._context.log_event(event)

    def log_ignored(self, report: Report) -> None:
        self._context.log.info(f"{report.outcome} {report.source.key} ({report.delivery_id})")
        if event := ignored_event(report):
            self._context.log_event(event)

    def note_progress(self) -> None:
        note_progress(self._context.instance, self._context.run)
