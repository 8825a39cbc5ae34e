"""The check ``file_is_on_time`` of every dataset with a cadence, and the daily job that runs it for all agencies."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.check_log import CheckLog
from etl_platform.defs.checks.overdue_files import overdue_event
from etl_platform.defs.datasets.partitions import register_agencies, remove_agencies
from etl_platform.defs.runs.run_policies import retried_if_transient
from etl_platform.defs.runs.schedules import build_schedule
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.reconcile.expected_files import ExpectedFiles
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.cadence import LastFile, Timeliness, judge_timeliness
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.rules.check_names import ON_TIME_CHECK
from etl_platform.object_keys import base_name
from etl_platform.platform import Platform

JOB_NAME = "expected_files_job"


def on_time_spec(contract: Contract) -> Iterator[tuple[str, str]]:
    """Name and description of the check, if the dataset has a cadence."""
    if contract.cadence is not None:
        yield ON_TIME_CHECK, "The agency's next file is not overdue according to the contract's slaProperties."


def build_expected_files() -> dg.Definitions:
    job = _build_job()
    schedule = build_schedule(job, "0 6 * * *", "Looks for overdue files every day at 6:00 UTC.")
    return dg.Definitions(jobs=[job], schedules=[schedule])


def _build_job() -> dg.JobDefinition:
    """One run for all agencies, because starting a run takes longer than checking an agency."""

    @dg.op(name="look_for_overdue_files", out=dg.Out(dg.Nothing))
    def find_overdue_files(
        context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.Output[None]]:
        now, overdue, checked, checks = datetime.now(UTC), [], 0, CheckLog(context)
        cadences = {one.dataset: one.cadence for one in platform.contracts.values() if one.cadence is not None}
        with retried_if_transient(context):
            # A run that began before a person retired an agency may have registered it again.
            retired = platform.agency_register.read().changes
            remove_agencies(context.instance, platform.contract_folder.datasets, retired)
            expected = ExpectedFiles(platform.store, platform.bucket, now)
            for dataset, cadence in cadences.items():
                found = dict(expected.timeliness(dataset, cadence))
                register_agencies(context.instance, {dataset: found})
                for agency, timeliness in found.items():
                    checks.log(dg.AssetKey(["silver", dataset]), agency, [_evaluation(timeliness)])
                    if timeliness.overdue:
                        overdue.append({"agency": agency, "dataset": dataset, "why": timeliness.text})
                checked += len(found)
            context.log_event(overdue_event(overdue))
        context.log.info(f"{checked} partitions checked, {len(overdue)} overdue")
        yield dg.Output(
            None,
            metadata={
                "partitions": checked,
                "overdue": len(overdue),
                **({"overdue_files": table(overdue)} if overdue else {}),
            },
        )

    @dg.job(
        name=JOB_NAME,
        description="Checks for every agency and dataset whether the next file is overdue according to the contract.",
        executor_def=dg.in_process_executor,
    )
    def expected_files_job() -> None:
        find_overdue_files()

    return expected_files_job


def on_time_evaluations(
    platform: Platform, contract: Contract, agency: str, now: datetime, delivered: Report | None = None
) -> list[CheckEvaluation]:
    """The result of the check for one agency; empty if the dataset has no cadence.

    Args:
        delivered: the report of a delivery of the agency. If it is on time, no newer one is looked for.
    """
    cadence = contract.cadence
    if cadence is None:
        return []
    if delivered is not None:
        arrived_at = delivered.source.order.last_modified
        last = LastFile(base_name(delivered.source.key), str(delivered.outcome), arrived_at)
        timeliness = judge_timeliness(cadence, last, now)
        if not timeliness.overdue:
            return [_evaluation(timeliness)]
    found = ExpectedFiles(platform.store, platform.bucket, now).timeliness_of(contract.dataset, cadence, agency)
    if found is not None:
        return [_evaluation(found)]
    text = "No file was ever delivered, so no file is expected."
    return [CheckEvaluation(ON_TIME_CHECK, True, dg.AssetCheckSeverity.WARN, {}, text)]


def _evaluation(timeliness: Timeliness) -> CheckEvaluation:
    return CheckEvaluation(
        ON_TIME_CHECK, not timeliness.overdue, dg.AssetCheckSeverity.WARN, _metadata(timeliness), timeliness.text
    )


def _metadata(timeliness: Timeliness) -> dict[str, dg.MetadataValue]:
    return {
        "last_file": dg.MetadataValue.text(timeliness.last.name),
        "outcome": dg.MetadataValue.text(timeliness.last.outcome),
        "arrived_at": dg.MetadataValue.timestamp(timeliness.last.arrived_at),
        "expected_by": dg.MetadataValue.timestamp(timeliness.expected_by),
    }
