"""The employment-history export: its asset and checks, its job, and a monthly schedule with one run per agency."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from etl_platform.defs.datasets.dataset_specs import column_schema
from etl_platform.defs.datasets.partitions import add_partitions, agencies, partitioned_check
from etl_platform.defs.runs.failures import skip_unless_set
from etl_platform.defs.runs.run_policies import retried_if_transient
from etl_platform.defs.runs.run_progress import RunProgress
from etl_platform.defs.sources import APPLICATION_DATABASE
from etl_platform.defs.table_metadata import table
from etl_platform.employment.checks import DESCRIPTIONS, Finding
from etl_platform.engine.contract.model import Contract
from etl_platform.errors import SettingsError
from etl_platform.platform import Platform

if TYPE_CHECKING:
    from etl_platform.employment.export import EmploymentHistoryExport, ExportResult

JOB_NAME = "employment_history_job"
ASSET = dg.AssetKey(["exports", "employment_history"])


def make_export(platform: Platform) -> "EmploymentHistoryExport":
    """An export from the platform's database to its bucket, with the ranks of the contract ``employment_history``.

    Raises:
        SettingsError: a setting is missing, or the contract does not exist.
    """
    from etl_platform.employment.export import EmploymentHistoryExport

    ranks = _contract(platform).column("rank").known_values
    return EmploymentHistoryExport(platform.database, platform.store, platform.bucket, ranks)


def build_employment_history() -> dg.Definitions:
    job = dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.assets(ASSET),
        description="Exports an agency's employment history from the application database as CSV and Parquet.",
    )
    return dg.Definitions(assets=[_build_asset()], jobs=[job], schedules=[_build_schedule(job)])


def _build_asset() -> dg.AssetsDefinition:
    asset = dg.AssetSpec(
        ASSET,
        deps=[APPLICATION_DATABASE],
        description="An agency's periods of service from the application database, as CSV for a spreadsheet and as "
        "Parquet.\n\nOne row per officer, employer and start date.",
        group_name="exports",
        kinds={"postgres", "csv", "parquet", "s3"},
        partitions_def=agencies,
        skippable=True,
    )
    checks = [partitioned_check(check.value, ASSET, text, agencies) for check, text in DESCRIPTIONS.items()]

    @dg.multi_asset(name="export_employment_history", specs=[asset], check_specs=checks)
    def export_employment_history(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        with retried_if_transient(context):
            with RunProgress(context, "exported") as progress:
                exported = make_export(platform).export(
                    context.partition_key, lambda rows: progress(rows, f"{rows:,} rows")
                )
            context.log.info(exported.summary)
            if exported.objects:
                metadata = _metadata(exported, _contract(platform))
                version = dg.DataVersion(exported.objects[0].sha256)
                yield dg.MaterializeResult(asset_key=ASSET, metadata=metadata, data_version=version)
            else:
                nothing = {"summary": exported.summary}
                context.log_event(dg.AssetObservation(ASSET, metadata=nothing, partition=exported.agency))
            yield from (_check_result(finding, _contract(platform)) for finding in exported.findings)

    return export_employment_history


def _build_schedule(job: Any) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="employment_history_schedule",
        job=job,
        cron_schedule="0 7 1 * *",
        description="Starts one run per agency of the application database on the first day of each month.",
    )
    def employment_history_schedule(
        context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
    ) -> list[dg.RunRequest] | dg.SkipReason:
        if skipped := skip_unless_set(JOB_NAME, lambda: (platform.bucket, platform.database)):
            return skipped
        known = platform.agency_register.read()
        partitions = sorted({a.partition for a in platform.database.agencies() if known.is_active(a.partition)})
        add_partitions(context.instance, agencies, partitions)
        day = f"{context.scheduled_execution_time:%Y-%m-%d}"
        return [dg.RunRequest(run_key=f"{agency}@{day}", partition_key=agency) for agency in partitions]

    return employment_history_schedule


def _contract(platform: Platform) -> Contract:
    contract = platform.contract_folder.find(ASSET.path[-1])
    if contract is None:
        raise SettingsError(
            "CONTRACTS_DIR has no contract employment_history, which describes the export: add that contract"
        )
    return contract


def _metadata(exported: "ExportResult", contract: Contract) -> dict[str, Any]:
    objects = [
        {"key": item.key, "size_bytes": item.size_bytes, "sha256": item.sha256, "written": item.written}
        for item in exported.objects
    ]
    return {
        "summary": exported.summary,
        "dagster/partition_row_count": exported.rows,
        "dagster/column_schema": column_schema(contract),
        "objects": table(objects),
        **{finding.check.name.lower(): finding.rows for finding in exported.findings},
    }


def _check_result(finding: Finding, contract: Contract) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"rows": finding.rows}
    if finding.first_rows:
        metadata["first_rows_of_the_csv"] = ", ".join(map(str, finding.first_rows))
    if finding.values and not contract.column("rank").masked:
        metadata["values"] = table([{"value": value[:60], "rows": rows} for value, rows in finding.values.items()])
    return dg.AssetCheckResult(
        asset_key=ASSET,
        check_name=finding.check.value,
        passed=not finding.rows,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )
