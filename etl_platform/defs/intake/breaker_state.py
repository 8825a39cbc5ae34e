"""The state of the circuit breaker, read from Dagster's run records, and the job that resets it.

Run records are shared by the whole cluster and survive restarts, so the breaker needs no store of its own. This module
turns them into events; deliveries/circuit_breaker.py computes the state.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg

from etl_platform.defs.intake.intake_runs import (
    JOB_NAME,
    ONLY_AGENCY_TAG,
    ONLY_DELIVERY_TAG,
    PROBE_TAG,
    PROGRESS_TAG,
    is_requested_by_sensor,
)
from etl_platform.defs.runs.run_tags import BY_TAG
from etl_platform.deliveries.circuit_breaker import (
    Breaker,
    BreakerStatus,
    Event,
    Limits,
    Progressed,
    Reset,
    RunFailed,
    fold,
    in_order,
    latest_time,
    only_failing_agencies,
    status_of,
)
from etl_platform.platform import Platform
from etl_platform.queue_work.lease import MAX_RETRY_DELAY_S
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.settings import Settings

RESET_JOB_NAME = "breaker_reset_job"
_PAGES = (10, 100)


def breaker_status(instance: dg.DagsterInstance, settings: Settings) -> BreakerStatus:
    """The breaker now, as people and monitors see it."""
    now, limits = time.time(), limits_of(settings)
    return status_of(read_breaker(instance, limits, now), now, limits)


def limits_of(settings: Settings) -> Limits:
    return Limits(settings.circuit_breaker_max_failures, settings.circuit_breaker_cooldown_seconds)


def read_breaker(instance: dg.DagsterInstance, limits: Limits, now: float) -> Breaker:
    """The breaker at ``now`` (epoch seconds). The cost does not grow with the number of runs in history."""
    latest = latest_time(now, limits)
    resets = [(record.storage_id, _ended_at(record), Reset()) for record in _resets(instance)]
    closing: list[tuple[int, float, Event]] = [*resets, *_latest_progress(instance, latest)]
    is_jump = any(at > latest for _, at, _ in closing)
    since = 0.0 if is_jump else max((at for _, at, _ in closing), default=0.0)
    # A reset also ends what has a later time because a clock was ahead.
    last_reset = max((number for number, _, _ in resets), default=0)
    failures = [failed for failed in _failures(instance, since, limits) if failed[0] > last_reset]
    return fold(in_order([*closing, *failures], now, limits), now, limits)


def held_agencies(
    instance: dg.DagsterInstance, limits: Limits, now: float, in_flight: Sequence[dg.DagsterRun]
) -> dict[str, int]:
    """The agencies of which only failures are known, each with the number of retried messages that may start.

    The number is 0 during a cooldown and while a run of the agency is in flight, otherwise 1.
    """
    since = now - MAX_RETRY_DELAY_S
    resets = [(_ended_at(record), Reset()) for record in _resets(instance)]
    events = [*resets, *((at, event) for _, at, event in _failures(instance, since, limits))]
    suspects = only_failing_agencies(events, limits)
    if not suspects:
        return {}
    events += [done for agency in suspects for done in _progress_of(instance, agency, since)]
    busy = {run.tags.get(ONLY_AGENCY_TAG) for run in in_flight}
    held = only_failing_agencies(events, limits)
    return {agency: int(agency not in busy and now >= at + limits.cooldown_s) for agency, at in held.items()}


def _progress_of(instance: dg.DagsterInstance, agency: str, since: float) -> Iterator[tuple[float, Event]]:
    filters = dg.RunsFilter(
        job_name=JOB_NAME,
        statuses=[dg.DagsterRunStatus.SUCCESS],
        updated_after=datetime.fromtimestamp(since, UTC),
        tags={ONLY_AGENCY_TAG: agency},
    )
    for record in instance.get_run_records(filters, limit=_PAGES[0], order_by="update_timestamp"):
        if PROGRESS_TAG in record.dagster_run.tags and is_requested_by_sensor(record.dagster_run):
            yield _ended_at(record), Progressed(agency)


def _resets(instance: dg.DagsterInstance) -> Iterator[dg.RunRecord]:
    # Not filtered by status in SQL: SQLite would choose the index over statuses and read every successful run.
    records = instance.get_run_records(dg.RunsFilter(job_name=RESET_JOB_NAME), limit=10)
    return (record for record in records if record.dagster_run.status is dg.DagsterRunStatus.SUCCESS)


def _latest_progress(instance: dg.DagsterInstance, latest: float) -> list[tuple[int, float, Event]]:
    """The end of the latest successful run that finished a delivery.

    Success alone is not enough: a run whose messages were all taken over by another run has used no outside system. If
    none of the latest hundred successful runs qualifies, older ones are not read. Of runs that ended after ``latest``,
    because a clock was ahead, the one with the highest number counts as well.
    """
    found: list[tuple[int, float, Event]] = []
    before: datetime | None = None
    for limit in _PAGES:
        page = _ended(instance, dg.DagsterRunStatus.SUCCESS, limit, before=before)
        for record in page:
            if PROGRESS_TAG in record.dagster_run.tags and is_requested_by_sensor(record.dagster_run):
                found.append((record.storage_id, _ended_at(record), Progressed()))
                if _ended_at(record) <= latest:
                    return found
        if len(page) < limit:
            return found
        before = page[-1].update_timestamp
    return [*found, (page[-1].storage_id, _ended_at(page[-1]), Progressed())]


def _failures(instance: dg.DagsterInstance, since: float, limits: Limits) -> Iterator[tuple[int, float, Event]]:
    # A delivery fails at most max_receives times, so this many runs are enough to find max_failures deliveries.
    window = FILE_EVENTS.max_receives * limits.max_failures
    after = datetime.fromtimestamp(since, UTC)
    for record in _ended(instance, dg.DagsterRunStatus.FAILURE, window, after=after):
        run = record.dagster_run
        # A run that was stopped before it began, for example with its pod, is no sign that an outside system failed.
        if not is_requested_by_sensor(run) or run.tags.get("dagster/failure_reason") == "UNEXPECTED_TERMINATION":
            continue
        probe_of = run.tags.get(PROBE_TAG)
        agency = run.tags.get(ONLY_AGENCY_TAG)
        failed = RunFailed(
            run.run_id, run.tags.get(ONLY_DELIVERY_TAG), None if probe_of is None else float(probe_of), agency
        )
        yield record.storage_id, _ended_at(record), Progressed(agency) if PROGRESS_TAG in run.tags else failed


def _ended(
    instance: dg.DagsterInstance,
    status: dg.DagsterRunStatus,
    limit: int,
    *,
    after: datetime | None = None,
    before: datetime | None = None,
) -> Sequence[dg.RunRecord]:
    """Runs of the intake job that ended with this status, without backfills, the latest end first.

    One status at a time, so that the query can use Dagster's index over status and time of update.
    """
    filters = dg.RunsFilter(
        job_name=JOB_NAME, statuses=[status], updated_after=after, updated_before=before, exclude_subruns=True
    )
    return instance.get_run_records(filters, limit=limit, order_by="update_timestamp")


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
