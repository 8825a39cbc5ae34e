"""The check ``file_is_on_time`` of every dataset with a cadence, and the daily job that runs it for all agencies."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.check_log import CheckLog
from etl_platform.defs.checks.overdue_files import overdue_event
from etl_platform.defs.datasets.partitions import register_agencies, remove_agencies
from etl_platform.defs.runs.run_policies import retried_if_transient
from etl_platform.defs.runs.schedules import build_schedule
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.agency_register import AgencyRegister
from etl_platform.deliveries.reconcile.expected_files import ExpectedFiles, timeliness_of
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.cadence import Cadence, Timeliness
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.rules.check_names import ON_TIME_CHECK
from etl_platform.notifications.find_events import OverdueFile
from etl_platform.notifications.overdue_list import write_overdue
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
        now, overdue, late, checked, checks = datetime.now(UTC), [], list[OverdueFile](), 0, CheckLog(context)
        contracts = [contract for contract in platform.contracts.values() if contract.cadence is not None]
        with retried_if_transient(context):
            # A run that began before a person retired an agency may have registered it again.
            retired = platform.agency_register.read().changes
            remove_agencies(context.instance, platform.contract_folder.datasets, retired)
            expected = ExpectedFiles(platform.store, platform.bucket, now)
            for contract in contracts:
                dataset = contract.dataset
                found = dict(expected.timeliness(contract))
                register_agencies(context.instance, {dataset: found})
                for agency, timeliness in found.items():
                    read_again = partial(expected.read_again, contract, agency)
                    checks.log(dg.AssetKey(["silver", dataset]), agency, _evaluation_of(timeliness, read_again))
                    if timeliness.overdue:
                        overdue.append({"agency": agency, "dataset": dataset, "why": timeliness.text})
                        late.append(_overdue_file(dataset, agency, timeliness))
                checked += len(found)
            write_overdue(platform.store, platform.bucket, late, now)
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


def _overdue_file(dataset: str, agency: str, timeliness: Timeliness) -> OverdueFile:
    last = timeliness.last
    return OverdueFile(dataset, agency, last.name, last.arrived_at, timeliness.expected_by)


def on_time_evaluation(
    last: Report | None, cadence: Cadence, agencies: AgencyRegister, now: datetime
) -> CheckEvaluation:
    """The result of the check for one agency.

    Args:
        last: the report of the file that arrived last.
        agencies: read only if the next file is overdue.
        now: UTC.
    """
    if last is None:
        return _nothing_expected("No file was ever delivered")
    timeliness = timeliness_of(last, cadence, now)
    if timeliness.overdue and last.agency and not agencies.read().is_active(last.agency):
        return _nothing_expected("The agency was retired or renamed")
    return _evaluation(timeliness)


def _evaluation_of(
    first: Timeliness, read_again: Callable[[], Timeliness | None]
) -> Callable[[], list[CheckEvaluation]]:
    """The evaluation of an agency whose timeliness was just read.

    A file that arrives meanwhile can only end that the next one is overdue. So only then is it read again.
    """
    latest: Timeliness | None = None

    def evaluate() -> list[CheckEvaluation]:
        nonlocal latest
        latest = first if latest is None or not latest.overdue else read_again() or latest
        return [_evaluation(latest)]

    return evaluate


def _nothing_expected(why: str) -> CheckEvaluation:
    return CheckEvaluation(ON_TIME_CHECK, True, dg.AssetCheckSeverity.WARN, {}, f"{why}, so no file is expected.")


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
