"""Bronze and silver assets of every dataset, their checks, and the intake job."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import dagster as dg

from etl_platform.defs.checks.check_log import CheckLog
from etl_platform.defs.checks.check_results import check_specs
from etl_platform.defs.checks.expected_files import on_time_spec
from etl_platform.defs.dagster_internals import define_job_of_several_partition_sets
from etl_platform.defs.datasets.broken_contracts import broken_dataset_specs
from etl_platform.defs.datasets.dataset_specs import dataset_specs
from etl_platform.defs.datasets.partitions import agencies_of, partitioned_check
from etl_platform.defs.intake.batch_run import ingest_deliveries
from etl_platform.defs.intake.intake_config import IngestConfig
from etl_platform.defs.intake.intake_runs import JOB_NAME
from etl_platform.defs.intake.partition_runs import run_partition
from etl_platform.defs.runs.failures import as_dagster_failures
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import ContractFolder
from etl_platform.platform import Platform
from etl_platform.settings import Settings

POOL = "intake"


def build_intake_assets(folder: ContractFolder, settings: Settings) -> dg.AssetsDefinition:
    """One multi-asset over all datasets, so that one run can ingest many deliveries of many datasets.

    The API assets that land in bronze are not upstream of it. Dagster reads the data versions of partitioned upstream
    assets before the body runs, which fails in a run without a partition key.
    """
    contracts = folder.good.values()
    specs = [spec for contract in contracts for spec in dataset_specs(contract, settings)]

    @dg.multi_asset(
        name="ingest",
        specs=specs + broken_dataset_specs(folder),
        check_specs=_check_specs(contracts),
        can_subset=True,
        pool=POOL,
    )
    def ingest(
        context: dg.AssetExecutionContext, config: IngestConfig, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        with as_dagster_failures():
            if context.has_partition_key:
                yield from run_partition(context, config.replay, platform)
                return
            if checks := context.selected_asset_check_keys:
                CheckLog(context.op_execution_context).refuse(checks)
            if context.selected_asset_keys:
                ingest_deliveries(context.op_execution_context, config.deliveries, platform)

    return ingest


def build_intake_job(assets: dg.AssetsDefinition, folder: ContractFolder, settings: Settings) -> Any:
    """The asset job over every dataset. The sensor or a person starts it, for deliveries or for a partition."""

    def assets_of(keys: Collection[dg.AssetKey]) -> dg.AssetsDefinition:
        return build_intake_assets(folder.only({key.path[-1] for key in keys}), settings)

    return define_job_of_several_partition_sets(
        JOB_NAME,
        # The run logs the results of the checks of its deliveries. A check that is selected would be planned without a
        # partition, and Dagster would show it as skipped.
        dg.AssetSelection.assets(*assets.keys).without_checks(),
        "Ingests delivered files: copies them to bronze, checks them against their contract, writes silver and "
        "quarantine, and reports.",
        assets_of,
    )


def _check_specs(contracts: Iterable[Contract]) -> list[dg.AssetCheckSpec]:
    return [
        partitioned_check(name, dg.AssetKey(["silver", contract.dataset]), text, agencies_of(contract.dataset))
        for contract in contracts
        for name, text in (*check_specs(contract), *on_time_spec(contract))
    ]
