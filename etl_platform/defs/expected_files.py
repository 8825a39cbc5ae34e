"""The check ``file_is_on_time`` of every dataset with a cadence, and the daily job that runs it for all agencies."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import dagster as dg

from etl_platform.defs.failures import as_dagster_failures
from etl_platform.defs.overdue_files import overdue_event
from etl_platform.defs.partitions import agencies_of, partitioned_check, register_agencies, remove_agencies
from etl_platform.defs.run_policies import retried_if_transient
from etl_platform.defs.schedules import build_schedule
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.reconcile.expected_files import timeliness as find_timeliness
from etl_platform.engine.contract.cadence import Timeliness
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.rules.check_names import ON_TIME_CHECK
from etl_platform.platform import Platform

JOB_NAME = "expected_files_job"


def on_time_keys(contracts: Mapping[str, Contract]) -> list[dg.AssetCheckKey]:
    return [_key(contract.dataset) for contract in contracts.values() if contract.cadence is not None]


def build_expected_files(contracts: Mapping[str, Contract]) -> dg.Definitions:
    job = _build_job(contracts)
    schedule = build_schedule(job, "0 6 * * *", "Looks for overdue files every day at 6:00 UTC.")
    return dg.Definitions(asset_checks=_build_checks(contracts), jobs=[job], schedules=[schedule])


def _build_checks(contracts: Mapping[str, Contract]) -> list[dg.AssetChecksDefinition]:
    """The checks for a run on one partition; empty if no contract has a cadence."""
    about = "The agency's next file is not overdue according to the contract's slaProperties."
    specs = [
        partitioned_check(
            ON_TIME_CHECK, dg.AssetKey(["silver", contract.dataset]), about, agencies_of(contract.dataset)
        )
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
                found = dict(_timeliness(platform, key.asset_key.path[-1], now, agency)).get(agency)
                yield dg.AssetCheckResult(
                    asset_key=key.asset_key,
                    check_name=key.name,
                    passed=found is None or not found.overdue,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=found.text if found else "No file was ever delivered, so no file is expected.",
                    metadata=_metadata(found) if found else {},
                )

    return [expected_files]


def _build_job(contracts: Mapping[str, Contract]) -> dg.JobDefinition:
    """One run for all agencies, because starting a run takes longer than checking an agency."""
    datasets = [key.asset_key.path[-1] for key in on_time_keys(contracts)]

    @dg.op(name="look_for_overdue_files", out=dg.Out(dg.Nothing))
    def find_overdue_files(
        context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.Output[None]]:
        now, overdue, checked = datetime.now(UTC), [], 0
        with retried_if_transient(context):
            # A run that began before a person retired an agency may have registered it again.
            remove_agencies(context.instance, contracts, platform.agency_register.read().changes)
            for dataset in datasets:
                found = dict(_timeliness(platform, dataset, now))
                register_agencies(context.instance, {dataset: found})
                for agency, timeliness in found.items():
                    # Dagster accepts check results here, as in an asset's body; only the signature lacks them.
                    context.log_event(_evaluation(dataset, agency, timeliness))  # type: ignore[arg-type]
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


def _timeliness(
    platform: Platform, dataset: str, now: datetime, agency: str | None = None
) -> Iterator[tuple[str, Timeliness]]:
    cadence = platform.contracts[dataset].cadence
    assert cadence is not None
    return find_timeliness(platform.store, platform.bucket, dataset, cadence, now, agency=agency)


def _key(dataset: str) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(dg.AssetKey(["silver", dataset]), ON_TIME_CHECK)


def _evaluation(dataset: str, agency: str, timeliness: Timeliness) -> dg.AssetCheckEvaluation:
    key = _key(dataset)
    return dg.AssetCheckEvaluation(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not timeliness.overdue,
        severity=dg.AssetCheckSeverity.WARN,
        description=timeliness.text,
        metadata=_metadata(timeliness),
        partition=agency,
    )


def _metadata(timeliness: Timeliness) -> dict[str, dg.MetadataValue]:
    return {
        "last_file": dg.MetadataValue.text(timeliness.last.name),
        "outcome": dg.MetadataValue.text(timeliness.last.outcome),
        "arrived_at": dg.MetadataValue.timestamp(timeliness.last.arrived_at),
        "expected_by": dg.MetadataValue.timestamp(timeliness.expected_by),
    }
