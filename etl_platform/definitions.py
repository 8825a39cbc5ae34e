"""The code location: the explicit list of subjects, nothing else."""

from typing import Any

import dagster as dg

from etl_platform.defs.api_ingestion import build_api_ingestion
from etl_platform.defs.attachments import build_attachments, build_attachments_job
from etl_platform.defs.breaker_state import build_breaker_reset_job
from etl_platform.defs.email_archive import build_email_asset, build_email_job, build_email_sensor
from etl_platform.defs.employment_history import build_employment_history_assets, build_employment_history_job
from etl_platform.defs.expected_files import build_expected_files_job, build_on_time_checks
from etl_platform.defs.file_arrivals_sensor import build_file_arrivals_sensor
from etl_platform.defs.intake_assets import build_intake_assets, build_intake_job
from etl_platform.defs.reconciliation import build_reconcile_job
from etl_platform.defs.run_logs import run_loggers
from etl_platform.defs.scaffolded import load_scaffolded
from etl_platform.engine.contract.contract_folder import load_contracts
from etl_platform.platform import Platform
from etl_platform.rest_apis.source_folder import load_sources
from etl_platform.settings import Settings, load_settings


def build_defs(settings: Settings | None = None, **resource_overrides: Any) -> dg.Definitions:
    """All definitions. Loads offline and without credentials.

    Raises:
        SettingsError, ContractError: naming what is wrong and where.
    """
    settings = settings or load_settings()
    contracts = load_contracts(settings.contracts_dir)
    intake_job = build_intake_job(contracts)
    reconcile_job, reconcile_schedule = build_reconcile_job()
    expected_files_job, expected_files_schedule = build_expected_files_job(contracts)
    email_job = build_email_job()
    employment_history_job, employment_history_schedule = build_employment_history_job()
    apis = build_api_ingestion(load_sources(settings.api_sources_dir, contracts))
    subjects = dg.Definitions(
        assets=[
            build_intake_assets(contracts, apis.datasets),
            build_attachments(),
            build_email_asset(),
            build_employment_history_assets(),
            *apis.assets,
        ],
        asset_checks=build_on_time_checks(contracts),
        jobs=[
            intake_job,
            build_breaker_reset_job(),
            reconcile_job,
            expected_files_job,
            build_attachments_job(),
            email_job,
            employment_history_job,
            apis.job,
        ],
        schedules=[reconcile_schedule, expected_files_schedule, employment_history_schedule, apis.schedule],
        sensors=[
            build_file_arrivals_sensor(intake_job, settings.poll_interval_seconds),
            build_email_sensor(email_job, settings),
        ],
        # The steps of a run share files on local disk.
        executor=dg.in_process_executor,
        resources={"platform": Platform(settings, contracts), **resource_overrides},
        loggers=run_loggers(),
    )
    return dg.Definitions.merge(subjects, load_scaffolded())


defs = build_defs()
