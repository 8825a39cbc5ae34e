"""Run records of ended runs, written without running anything. No tests."""

import uuid
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventType

from etl_platform.defs.intake.breaker_state import read_breaker
from etl_platform.deliveries.circuit_breaker import Limits, Phase
from etl_platform_tests.dagster.workshop import JOB

LIMITS = Limits(max_failures=5, cooldown_s=60)
SENSOR = {"dagster/sensor_name": "file_arrivals_sensor"}
PROGRESS = {"etl_platform/progress": "true"}
_ENDS = {
    dg.DagsterRunStatus.SUCCESS: DagsterEventType.PIPELINE_SUCCESS,
    dg.DagsterRunStatus.FAILURE: DagsterEventType.PIPELINE_FAILURE,
    dg.DagsterRunStatus.CANCELED: DagsterEventType.PIPELINE_CANCELED,
}
SUCCESS, FAILURE, CANCELED = _ENDS


class History:
    """Runs that ended at given seconds; each test begins with none."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def run(
        self,
        end: float | None,
        status: dg.DagsterRunStatus = FAILURE,
        *,
        job: str = JOB,
        tags: dict[str, str] = SENSOR,
        parent: str | None = None,
        config: dict[str, Any] = MappingProxyType({}),  # type: ignore[assignment]
    ) -> str:
        """Add a run that ended so; with ``end`` None, one that is under way."""
        run_id = str(uuid.uuid4())
        run = dg.DagsterRun(
            job_name=job,
            run_id=run_id,
            status=dg.DagsterRunStatus.STARTED,
            tags=tags,
            run_config=dict(config),
            parent_run_id=parent,
            root_run_id=parent,
        )
        self.instance.add_run(run)
        if end is not None:
            event = DagsterEvent(_ENDS[status].value, job)
            self.instance.run_storage.handle_run_event(run_id, event, datetime.fromtimestamp(end, UTC))
        return run_id

    def phase(self, now: float) -> Phase:
        return read_breaker(self.instance, LIMITS, now).phase

    def failures(self, now: float) -> int:
        return len(read_breaker(self.instance, LIMITS, now).failures)
