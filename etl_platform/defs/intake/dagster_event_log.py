"""``EventLog`` on Dagster: what an intake run logs of its deliveries."""

from collections.abc import Collection, Mapping, Sequence

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.check_log import CheckLog
from etl_platform.defs.checks.partition_checks import PartitionChecks
from etl_platform.defs.checks.referring_checks import log_referring_checks
from etl_platform.defs.dagster_internals import one_transaction
from etl_platform.defs.datasets.partitions import register_agencies
from etl_platform.defs.intake.delivery_events import bronze_event, silver_event
from etl_platform.defs.intake.event_log_lookup import is_logged
from etl_platform.defs.intake.ignored_files import ignored_event
from etl_platform.defs.intake.intake_runs import note_progress
from etl_platform.defs.intake.silver_log import log_silver
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.ingest_batch import LoggedDelivery
from etl_platform.deliveries.report import Report
from etl_platform.errors import TransientError
from etl_platform.platform import Platform


class DagsterEventLog:
    """The event log of one run."""

    def __init__(self, context: dg.OpExecutionContext, platform: Platform) -> None:
        self._context, self._platform = context, platform
        self._checks, self._check_log = PartitionChecks(platform), CheckLog(context)
        # Partitions of which other runs delivered files while this one logged: verdicts hold, counts may not.
        self._behind: set[tuple[str, str]] = set()
        self._written: set[tuple[str, str]] = set()

    def register_agencies(self, senders: Mapping[str, Collection[str]]) -> None:
        register_agencies(self._context.instance, senders)

    def is_logged(self, report: Report) -> bool:
        return is_logged(self._context.instance, report)

    def log_deliveries(self, deliveries: Sequence[LoggedDelivery]) -> Mapping[str, str]:
        """Log events of bronze and silver for each delivery, and one result of each check for all of them."""
        for one in deliveries:
            if one.report_etag is not None:
                self._checks.note(one.report, one.report_etag)
        with one_transaction(self._context.instance):
            for one in deliveries:
                self._context.log_event(bronze_event(one.report, one.outcome, repeated=one.repeated))
        accepted = [one.report for one in deliveries if one.outcome is Outcome.ACCEPTED]
        silver = self._log_silver(accepted) if accepted else None
        if any(one.outcome in {Outcome.ACCEPTED, Outcome.REJECTED} for one in deliveries):
            return self._log_checks(deliveries[0].report.partition, silver)
        return {}

    def _log_silver(self, accepted: Sequence[Report]) -> dg.EventLogRecord | None:
        dataset, agency = accepted[0].partition
        self._written.add(accepted[0].partition)
        contract = self._platform.contracts[dataset]
        return log_silver(
            self._context,
            lambda: self._checks.content(dataset, agency),
            lambda content: [silver_event([report], contract, content) for report in accepted],
        )

    def _log_checks(
        self, partition: tuple[str, str], silver: dg.EventLogRecord | None = None, *, exact: bool = False
    ) -> Mapping[str, str]:
        """Log the checks of the whole partition as it is now, whichever of its files was delivered.

        Returns:
            The eTags of its silver objects by key, as they were listed after logging.
        """
        dataset, agency = partition
        # The listing from which rows were just counted is enough for a first result: after it is logged, the partition
        # is listed and evaluated again.
        is_listed = iter([silver is not None])

        def evaluate() -> list[CheckEvaluation]:
            return self._checks.evaluate(self._platform.contracts[dataset], agency, is_listed=next(is_listed, False))

        is_current = self._check_log.log(dg.AssetKey(["silver", dataset]), agency, evaluate, exact=exact, latest=silver)
        if is_current:
            self._behind.discard(partition)
        else:
            self._behind.add(partition)
        return self._checks.etags(dataset, agency)

    def finish(self) -> None:
        log_referring_checks(self._context, self._check_log, self._checks, self._platform, self._written)
        for partition in sorted(self._behind):
            try:
                self._log_checks(partition, exact=True)
            except TransientError as error:
                # The verdicts hold, and every delivery is done.
                self._context.log.warning(
                    f"the counts of the checks of {' of '.join(partition)} are not current until the next file or "
                    f"until the partition is materialized: {error}"
                )

    def log_ignored(self, report: Report) -> None:
        why = "; ".join(f"{error.code}: {error.message}" for error in report.check.errors)
        self._context.log.info(f"{report.outcome} {report.source.key} ({report.delivery_id}): {why}")
        if event := ignored_event(report):
            self._context.log_event(event)

    def note_progress(self) -> None:
        note_progress(self._context.instance, self._context.run)
