"""File events from the queue to run requests. No tests."""

import time
from typing import Any

import dagster as dg

from etl_platform.defs.intake.file_arrivals_sensor import run_requests
from etl_platform.platform import Platform

ROSTER = "from_client/nm_albuquerque/Officer_Detail.csv"


def tick(platform: Platform) -> list[dg.RunRequest]:
    return list(run_requests(platform, deadline=time.monotonic() + 10))


def deliveries_of(request: dg.RunRequest) -> list[dict[str, Any]]:
    deliveries: list[dict[str, Any]] = request.run_config["ops"]["ingest"]["config"]["deliveries"]
    return deliveries
