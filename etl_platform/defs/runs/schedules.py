"""Schedules that start one run at a time, and skip with a sentence while settings of their job are missing."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from etl_platform.defs.runs.failures import skip_unless_set
from etl_platform.defs.runs.run_policies import BEFORE_BACKFILLS
from etl_platform.platform import Platform


def build_schedule(
    job: Any,
    cron_schedule: str,
    description: str,
    *,
    name: str | None = None,
    status: dg.DefaultScheduleStatus = dg.DefaultScheduleStatus.RUNNING,
    run_config: Mapping[str, Any] | None = None,
) -> dg.ScheduleDefinition:
    """A schedule of a job that works on the data bucket. Its name is by default that of the job and ``_schedule``."""

    @dg.schedule(
        name=name or f"{job.name}_schedule",
        job=job,
        cron_schedule=cron_schedule,
        description=description,
        default_status=status,
    )
    def daily(platform: dg.ResourceParam[Platform]) -> dg.RunRequest | dg.SkipReason:
        return skip_unless_set(job.name, lambda: platform.bucket) or dg.RunRequest(
            run_config=run_config or {}, tags=BEFORE_BACKFILLS
        )

    return daily
