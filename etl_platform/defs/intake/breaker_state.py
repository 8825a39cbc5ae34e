"""The state of the circuit breaker, read from Dagster's run records, and the job that resets it.

Run records are shared by the whole cluster and survive restarts, so the breaker needs no store of its own. This module
turns them into events; deliveries/circuit_breaker.py computes the state.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg

from etl_platform.defs.intake.intake_runs import (
    JOB_NAME,
    ONLY_AGENCY_TAG,
    ONLY_DELIVERY_TAG,
    PROGRESS_TAG,
    is_requested_by_sensor,
    probed_opening,
)
from etl_platform.defs.runs.run_tags import BY_TAG
from etl_platform.deliveries.circuit_breaker import (
    Breaker,
    BreakerStatus,
    Event,
    Limits,
    Progressed,
    Reset,
    RunEvent,
    RunFailed,
    cooldown_remaining_s,
    fold,
    only_failing_agencies,
    status_of,
)
from etl_platform.platform import Platform
from etl_platform.queue_work.lease import MAX_RETRY_DELAY_S
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.settings import Settings

RESET_JOB_NAME = "breaker_reset_job"
_FIRST_PAGE = 10


def breaker_status(instance: dg.DagsterInstance, settings: Settings) -> BreakerStatus:
    """The breaker now, as people and monitors see it."""
    now, limits = time.time(), limits_of(settings)
    return status_of(read_breaker(instance, limits, now), now, limits, held_agencies(instance, limits, now, []))


def limits_of(settings: Settings) -> Limits:
    return Limits(settings.circuit_breaker_max_failures, settings.circuit_breaker_cooldown_seconds)


def read_breaker(instance: dg.DagsterInstance, limits: Limits, now: float) -> Breaker:
    """The breaker at ``now`` (epoch seconds). The cost does not grow with the number of runs in history."""
    resets = [RunEvent(record.storage_id, _ended_at(record), Reset()) for record in _resets(instance)]
    return fold([*resets, *_since_progress(instance, limits)], now, limits)


def held_agencies(
    instance: dg.DagsterInstance, limits: Limits, now: float, in_flight: Sequence[dg.DagsterRun]
) -> dict[str, int]:
    """The agencies of which only failures are known, each with the number of retried messages that may start.

    The number is 0 during a cooldown and while a run of the agency is in flight, otherwise 1.
    """
    since = datetime.fromtimestamp(now - MAX_RETRY_DELAY_S, UTC)
    resets = [RunEvent(record.storage_id, _ended_at(record), Reset()) for record in _resets(instance)]
    runs = [*resets, *_events(_failures(instance, since, limits))]
    suspects = only_failing_agencies(runs, limits)
    if not suspects:
        return {}
    runs += [done for agency in suspects for done in _events(_successes_of(instance, agency, since))]
    busy = {run.tags.get(ONLY_AGENCY_TAG) for run in in_flight}
    held = only_failing_agencies(runs, limits)
    return {
        agency: int(agency not in busy and cooldown_remaining_s(at, now, limits) <= 0) for agency, at in held.items()
    }


def _resets(instance: dg.DagsterInstance) -> Iterator[dg.RunRecord]:
    # Not filtered by status in SQL: SQLite would choose the index over statuses and read every successful run.
    records = instance.get_run_records(dg.RunsFilter(job_name=RESET_JOB_NAME), limit=10)
    return (record for record in records if record.dagster_run.status is dg.DagsterRunStatus.SUCCESS)


def _since_progress(instance: dg.DagsterInstance, limits: Limits) -> Iterator[RunEvent]:
    """The latest run that finished a delivery, and the failed runs that were requested after it.

    A success alone is not enough: a run whose messages were all taken over by another run has used no outside system.
    Older runs are not read: a delivery fails at most max_receives times, so max_failures deliveries are among them.
    """
    filters, cursor = dg.RunsFilter(job_name=JOB_NAME, exclude_subruns=True), None
    for limit in (_FIRST_PAGE, FILE_EVENTS.max_receives * limits.max_failures):
        page = instance.get_run_records(filters, limit=limit, cursor=cursor)
        for run in _events(page):
            yield run
            if isinstance(run.event, Progressed):
                return
        if len(page) < limit:
            return
        cursor = page[-1].dagster_run.run_id


def _failures(instance: dg.DagsterInstance, since: datetime, limits: Limits) -> Sequence[dg.RunRecord]:
    """Failed runs of the intake since then, without backfills."""
    failure = [dg.DagsterRunStatus.FAILURE]
    filters = dg.RunsFilter(job_name=JOB_NAME, statuses=failure, updated_after=since, exclude_subruns=True)
    return instance.get_run_records(filters, limit=FILE_EVENTS.max_receives * limits.max_failures)


def _successes_of(instance: dg.DagsterInstance, agency: str, since: datetime) -> Sequence[dg.RunRecord]:
    success, tags = [dg.DagsterRunStatus.SUCCESS], {ONLY_AGENCY_TAG: agency}
    filters = dg.RunsFilter(job_name=JOB_NAME, statuses=success, updated_after=since, tags=tags)
    return instance.get_run_records(filters, limit=_FIRST_PAGE)


def _events(records: Iterable[dg.RunRecord]) -> Iterator[RunEvent]:
    """The runs that say something about the systems that runs need."""
    for record in records:
        if is_requested_by_sensor(record.dagster_run) and (event := _event(record.dagster_run)):
            yield RunEvent(record.storage_id, _ended_at(record), event)


def _event(run: dg.DagsterRun) -> Event | None:
    agency = run.tags.get(ONLY_AGENCY_TAG)
    if PROGRESS_TAG in run.tags:
        return Progressed(agency)
    # A run that was stopped before it began, for example with its pod, is no sign that an outside system failed.
    was_stopped = run.tags.get("dagster/failure_reason") == "UNEXPECTED_TERMINATION"
    if run.status is not dg.DagsterRunStatus.FAILURE or was_stopped:
        return None
    return RunFailed(run.run_id, run.tags.get(ONLY_DELIVERY_TAG), probed_opening(run), agency)


def _ended_at(record: dg.RunRecord) -> float:
    return record.update_timestamp.timestamp() if record.end_time is None else record.end_time


def build_breaker_reset() -> dg.Definitions:
    return dg.Definitions(jobs=[_build_job()])


def _build_job() -> dg.JobDefinition:
    """The job whose successful end closes the breaker. Its runs record who closed the breaker, and when."""

    @dg.op(name="reset_breaker")
    def reset(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
        status = breaker_status(context.instance, platform.settings)
        context.log.info(f"{status}. From now on, earlier failures no longer count.")

    @dg.job(
        name=RESET_JOB_NAME,
        description="Closes the circuit breaker, so that the next tick receives messages again. "
        "Fix the cause of the failures first.",
        executor_def=dg.in_process_executor,
    )
    def breaker_reset_job() -> None:
        reset()

    return breaker_reset_job


def reset_breaker(instance: dg.DagsterInstance, settings: Settings, *, by: str) -> bool:
    """Run the reset job in this process and return whether it succeeded. ``by`` becomes a tag of the run."""
    result = _build_job().execute_in_process(
        instance=instance,
        resources={"platform": Platform(settings)},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        tags={BY_TAG: by},
        raise_on_error=False,
    )
    return result.success
