"""``file_is_on_time`` of every dataset with a cadence: the check, and the job that looks at all agencies each day."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import dagster as dg

from etl_platform.defs.delivery_events import table
from etl_platform.defs.failures import as_dagster_failures
from etl_platform.defs.partitions import partitioned_check, register_agencies
from etl_platform.deliveries.reconcile.expected_files import timeliness
from etl_platform.engine.contract.cadence import Timeliness
from etl_platform.engine.contract.model import Contract
from etl_platform.platform import Platform

CHECK = "file_is_on_time"
JOB_NAME = "expected_files_job"


def on_time_keys(contracts: Mapping[str, Contract]) -> list[dg.AssetCheckKey]:
    return [_key(contract.dataset) for contract in contracts.values() if contract.cadence is not None]


def build_on_time_checks(contracts: Mapping[str, Contract]) -> list[dg.AssetChecksDefinition]:
    """The checks as a person runs them on one partition; none where no contract has a cadence."""
    about = "The agency's next file is not overdue by the contract's slaProperties."
    specs = [
        partitioned_check(CHECK, dg.AssetKey(["silver", contract.dataset]), about)
        for contract in contracts.values()
        if contract.cadence is not None
    ]
    if not specs:
        return []

    @dg.multi_asset_check(name="expected_files", specs=specs, can_subset=True)
    def expected_files(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.AssetCheckResult]:
        with as_dagster_failures():
            agency, now = context.partition_key, datetime.now(UTC)
            for key in sorted(context.selected_asset_check_keys):
                found = dict(_standings(platform, key.asset_key.path[-1], now, agency)).get(agency)
                yield dg.AssetCheckResult(
                    asset_key=key.asset_key,
                    check_name=key.name,
                    passed=found is None or not found.overdue,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=found.text if found else "Nothing was ever delivered, so nothing is expected.",
                    metadata=_metadata(found) if found else {},
                )

    return [expected_files]


def build_expected_files_job(contracts: Mapping[str, Contract]) -> tuple[dg.JobDefinition, dg.ScheduleDefinition]:
    """One run for all agencies: a run a partition would cost its start each time."""
    datasets = [key.asset_key.path[-1] for key in on_time_keys(contracts)]

    @dg.op(name="look_for_overdue_files", out=dg.Out(dg.Nothing))
    def look(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> Iterator[dg.Output[None]]:
        now, overdue, looked_at = datetime.now(UTC), [], 0
        with as_dagster_failures():
            for dataset in datasets:
                found = dict(_standings(platform, dataset, now))
                register_agencies(context.instance, set(found))
                for agency, standing in found.items():
                    # Dagster takes check results here as from an asset's body; the signature leaves them out.
                    context.log_event(_evaluation(dataset, agency, standing))  # type: ignore[arg-type]
                    if standing.overdue:
                        overdue.append({"agency": agency, "dataset": dataset, "why": standing.text})
                looked_at += len(found)
        context.log.info(f"{looked_at} partitions, {len(overdue)} overdue")
        yield dg.Output(
            None,
            metadata={
                "partitions": looked_at,
                "overdue": len(overdue),
                **({"overdue_files": table(overdue)} if overdue else {}),
            },
        )

    @dg.job(
        name=JOB_NAME,
        description="Says of every agency and dataset whether the next file is overdue by its contract.",
        executor_def=dg.in_process_executor,
    )
    def expected_files_job() -> None:
        look()

    schedule = dg.ScheduleDefinition(
        job=expected_files_job,
        cron_schedule="0 6 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return expected_files_job, schedule


def _standings(
    platform: Platform, dataset: str, now: datetime, agency: str | None = None
) -> Iterator[tuple[str, Timeliness]]:
    cadence = platform.contracts[dataset].cadence
    assert cadence is not None
    return timeliness(platform.store, platform.bucket, dataset, cadence, now, agency=agency)


def _key(dataset: str) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(dg.AssetKey(["silver", dataset]), CHECK)


def _evaluation(dataset: str, agency: str, standing: Timeliness) -> dg.AssetCheckEvaluation:
    key = _key(dataset)
    return dg.AssetCheckEvaluation(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not standing.overdue,
        severity=dg.AssetCheckSeverity.WARN,
        description=standing.text,
        metadata=_metadata(standing),
        partition=agency,
    )


def _metadata(standing: Timeliness) -> dict[str, dg.MetadataValue]:
    return {
        "last_file": dg.MetadataValue.text(standing.last.name),
        "outcome": dg.MetadataValue.text(standing.last.outcome),
        "arrived_at": dg.MetadataValue.timestamp(standing.last.arrived_at),
        "expected_by": dg.MetadataValue.timestamp(standing.expected_by),
    }
