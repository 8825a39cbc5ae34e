"""Intake runs in Dagster's run records: their names and tags, and which are under way. No decisions."""

from collections.abc import Sequence

import dagster as dg

from etl_platform.queue_work.queues import FILE_EVENTS

JOB_NAME, SENSOR_NAME = FILE_EVENTS.job, FILE_EVENTS.sensor
PROGRESS_TAG = "etl_platform/progress"
"""Set by the run itself, as soon as it has finished a delivery."""
ONLY_DELIVERY_TAG = "etl_platform/only_delivery"
PROBE_TAG = "etl_platform/probe_of"
"""On a run that probes a half-open breaker: when that breaker opened, so that an opening's probes share a value."""
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def is_sensors_own(run: dg.DagsterRun) -> bool:
    """Asked for by the sensor: not by hand, for a partition, or started again from the UI."""
    return run.tags.get("dagster/sensor_name") == SENSOR_NAME and run.parent_run_id is None


def runs_in_flight(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """The sensor's runs that wait or work."""
    # Not by tag in SQL: among 50,000 runs with the same tag SQLite needs four times as long.
    found = instance.get_runs(dg.RunsFilter(job_name=JOB_NAME, statuses=UNFINISHED))
    return [run for run in found if is_sensors_own(run)]


def probes(runs: Sequence[dg.DagsterRun], opened_at: float | None) -> list[dg.DagsterRun]:
    """Those of the runs that probe the breaker that opened at this time."""
    return [run for run in runs if opened_at is not None and run.tags.get(PROBE_TAG) == probe_value(opened_at)]


def probe_value(opened_at: float) -> str:
    return repr(opened_at)


def is_spare_probe(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether another probe of the same opening came first and has not ended without a verdict.

    Two ticks at the same moment (the old and the new daemon of a deployment) may each ask for a probe. Run records
    are numbered by the database, so all of them agree which one is the first.
    """
    value = run.tags.get(PROBE_TAG)
    if value is None:
        return False
    same = instance.get_run_records(dg.RunsFilter(job_name=JOB_NAME, tags={PROBE_TAG: value}), ascending=True)
    for record in same:
        other = record.dagster_run
        if other.run_id == run.run_id:
            return False
        if not other.is_finished or other.status is dg.DagsterRunStatus.FAILURE:
            return True
    return False


def is_being_cancelled(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a person asked for the run's end; a pod that goes away leaves its status as it is."""
    found = instance.get_run_by_id(run.run_id)
    return found is not None and found.status is dg.DagsterRunStatus.CANCELING


def note_progress(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Write down that this run has finished a delivery: should it die later, its end is no sign of an outage."""
    instance.add_run_tags(run.run_id, {PROGRESS_TAG: "true"})
