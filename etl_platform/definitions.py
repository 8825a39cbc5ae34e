"""The code location: merges the definitions that the modules in defs/ build. Nothing else belongs here."""

from collections.abc import Collection, Sequence
from typing import Any

import dagster as dg

from etl_platform.defs.api_ingestion import build_api_ingestion
from etl_platform.defs.attachments import build_attachments
from etl_platform.defs.checks.expected_files import build_expected_files
from etl_platform.defs.checks.overdue_files import build_overdue_files
from etl_platform.defs.contracts.contract_checks import Declaration, build_contract_checks, declarations, warn_of_errors
from etl_platform.defs.contracts.contracts_sensor import build_contracts_sensor
from etl_platform.defs.email_archive import build_email_archive
from etl_platform.defs.employment_history import build_employment_history
from etl_platform.defs.intake.breaker_state import build_breaker_reset
from etl_platform.defs.intake.file_arrivals_sensor import build_file_arrivals_sensor
from etl_platform.defs.intake.ignored_files import build_ignored_files
from etl_platform.defs.intake.ignored_files_job import build_ignored_files_job
from etl_platform.defs.intake.intake_assets import build_intake_assets, build_intake_job
from etl_platform.defs.operations.notifications import build_notifications
from etl_platform.defs.operations.overview import build_overview
from etl_platform.defs.operations.overview_page import build_overview_page
from etl_platform.defs.operations.reconciliation import build_reconciliation
from etl_platform.defs.operations.retention import build_retention
from etl_platform.defs.platform_resource import build_platform_resource
from etl_platform.defs.run_logs import run_loggers
from etl_platform.defs.scaffolded import load_scaffolded
from etl_platform.defs.silver_io_manager import SilverIOManager
from etl_platform.defs.sources import build_sources
from etl_platform.engine.contract_folder import ContractFolder, read_folder
from etl_platform.rest_apis.source_folder import read_sources
from etl_platform.settings import Settings, load_settings


def build_defs(
    settings: Settings | None = None,
    folder: ContractFolder | None = None,
    datasets: Collection[str] | None = None,
    **resource_overrides: Any,
) -> dg.Definitions:
    """All definitions. They load without network and credentials.

    Args:
        folder: the contracts, if they were read before.
        datasets: the only ones whose assets are built, for a run in this process. The others take 3 ms each.

    Raises:
        SettingsError: a setting is invalid.
        ContractError: the folder of contracts, or of declared APIs, cannot be read.
    """
    settings = settings or load_settings()
    folder = folder or read_folder(settings.contracts_dir)
    apis = read_sources(settings.api_sources_dir, folder)
    built = folder if datasets is None else folder.only(datasets)
    declared = declarations(built, apis, folder.datasets)
    warn_of_errors(declared)
    resources = {
        "platform": build_platform_resource(settings, folder),
        # For assets that load silver.
        "silver_io_manager": SilverIOManager.of(settings),
        **resource_overrides,
    }
    return dg.Definitions.merge(
        _build_intake(built, settings, declared, resources["platform"]),
        build_contract_checks(declared),
        build_breaker_reset(),
        build_expected_files(),
        build_reconciliation(),
        build_retention(),
        build_api_ingestion(apis.good),
        build_attachments(),
        build_employment_history(),
        build_email_archive(settings),
        build_sources(settings, apis.good),
        build_ignored_files(),
        build_overdue_files(),
        build_overview(),
        build_overview_page(settings),
        build_notifications(),
        load_scaffolded(),
        dg.Definitions(
            resources=resources,
            # The steps of a run share files on local disk.
            executor=dg.in_process_executor,
            loggers=run_loggers(),
        ),
    )


def _build_intake(
    folder: ContractFolder, settings: Settings, declared: Sequence[Declaration], platform: Any
) -> dg.Definitions:
    ignored_job = build_ignored_files_job(platform)
    if not folder.all:
        return dg.Definitions(jobs=[ignored_job])
    assets = build_intake_assets(folder, settings)
    job = build_intake_job(assets, folder, settings)
    sensors = [
        build_file_arrivals_sensor([job, ignored_job]),
        build_contracts_sensor(job, declared, settings.poll_interval_seconds),
    ]
    return dg.Definitions(assets=[assets], jobs=[job, ignored_job], sensors=sensors)


@dg.definitions
def defs() -> dg.Definitions:
    """Called by Dagster. A command imports this module too, but builds only what its job needs."""
    return build_defs()
