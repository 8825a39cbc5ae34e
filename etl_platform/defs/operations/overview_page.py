"""The job ``overview_page_job`` and its hourly schedule: the page that the gateway serves as ``/overview``."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from etl_platform import object_keys
from etl_platform.defs.operations.overview import read_overview
from etl_platform.defs.runs.run_policies import retried_if_transient
from etl_platform.defs.runs.schedules import build_schedule
from etl_platform.deliveries.overview.facts import DAYS, overdue_now, read_facts
from etl_platform.deliveries.overview.page import overview_page
from etl_platform.platform import Platform
from etl_platform.settings import Settings

JOB_NAME = "overview_page_job"


def build_overview_page(settings: Settings) -> dg.Definitions:
    """The schedule is on if the gateway serves the page."""
    job = _build_job()
    is_served = settings.gateway_overview_access is not None
    status = dg.DefaultScheduleStatus.RUNNING if is_served else dg.DefaultScheduleStatus.STOPPED
    description = "Writes the gateway's page of all agencies every hour, if GATEWAY_OVERVIEW_ACCESS is set."
    return dg.Definitions(jobs=[job], schedules=[build_schedule(job, "10 * * * *", description, status=status)])


def _build_job() -> dg.JobDefinition:
    @dg.op(name="write_overview_page", out=dg.Out(dg.Nothing))
    def write_overview_page(
        context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.Output[None]]:
        now, store, bucket = datetime.now(UTC), platform.store, platform.bucket
        with retried_if_transient(context):
            # expected_files_job looks once a day; a page of this hour has the files that are overdue now.
            overdue = overdue_now(store, bucket, platform.contracts, now)
            state = replace(read_overview(context.instance, platform, now), overdue=overdue)
            facts = read_facts(store, bucket, platform.contracts, state, now, days=DAYS)
            store.write(bucket, object_keys.OVERVIEW_PAGE, overview_page(facts).encode())
        for error in facts.unreadable:
            context.log.warning(f"not on the page: {error}")
        metadata: dict[str, Any] = {"refused": len(facts.refused), "obstacles": len(state.obstacles)}
        yield dg.Output(None, metadata=metadata | {"page": f"s3://{bucket}/{object_keys.OVERVIEW_PAGE}"})

    @dg.job(
        name=JOB_NAME,
        description="Writes the page of all agencies to the bucket; the gateway serves it as /overview.",
        executor_def=dg.in_process_executor,
    )
    def overview_page_job() -> None:
        write_overview_page()

    return overview_page_job
