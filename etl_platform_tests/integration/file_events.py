"""File events from the queue to run requests. No tests."""

import time
from typing import Any

import dagster as dg

from etl_platform.definitions import build_defs
from etl_platform.defs.intake.file_arrivals_sensor import run_requests
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import FILE_EVENTS

ROSTER = "from_client/nm_albuquerque/Officer_Detail.csv"


def tick(platform: Platform) -> list[dg.RunRequest]:
    return list(run_requests(platform, deadline=time.monotonic() + 10))


def deliveries_of(request: dg.RunRequest) -> list[dict[str, Any]]:
    deliveries: list[dict[str, Any]] = request.run_config["ops"]["ingest"]["config"]["deliveries"]
    return deliveries


def execute(instance: dg.DagsterInstance, platform: Platform, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """The run of a request, in this process and over this platform."""
    job = build_defs(platform.settings, platform=platform).resolve_job_def(request.job_name or FILE_EVENTS.job)
    return job.execute_in_process(instance=instance, run_config=request.run_config, raise_on_error=False)
