"""``ignored_files_job``: records files of no dataset, apart from the intake, so that no file waits for them."""

from typing import Any

import dagster as dg

from etl_platform.defs.intake.batch_run import ingest_deliveries
from etl_platform.defs.intake.intake_config import IngestConfig
from etl_platform.defs.intake.intake_runs import IGNORED_JOB_NAME
from etl_platform.defs.runs.failures import as_dagster_failures
from etl_platform.platform import Platform


def build_ignored_files_job(platform: Any) -> dg.JobDefinition:
    """The job that the sensor starts for messages without a file of a dataset. It has no assets to materialize.

    It gets its resource here: otherwise Dagster copies the sensor to bind it, with a warning about a beta feature.
    """

    @dg.op(name="record_ignored_files")
    def record(context: dg.OpExecutionContext, config: IngestConfig, platform: dg.ResourceParam[Platform]) -> None:
        with as_dagster_failures():
            ingest_deliveries(context, config.deliveries, platform)

    @dg.job(
        name=IGNORED_JOB_NAME,
        description="Records files without a contract or without an agency folder, with the reason. A file that has a "
        "contract now is ingested.",
        executor_def=dg.in_process_executor,
        resource_defs={"platform": platform},
    )
    def ignored_files_job() -> None:
        # The same run config as the intake's.
        record.alias("ingest")()

    return ignored_files_job
