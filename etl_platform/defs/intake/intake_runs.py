"""Names and tags of intake runs, and queries over their records: unfinished runs, probes, progress. No decisions."""

import dagster as dg

from etl_platform.queue_work.queues import FILE_EVENTS

JOB_NAME, SENSOR_NAME = FILE_EVENTS.job, FILE_EVENTS.sensor
IGNORED_JOB_NAME = "ignored_files_job"
IGNORED_TAG = "etl_platform/ignored"
"""Tag of its runs. The run queue starts one of them at a time: see dagster.yaml."""
PROGRESS_TAG = "etl_platform/progress"
"""Set by a run as soon as it has finished a delivery."""
ONLY_DELIVERY_TAG = "etl_platform/only_delivery"
"""Set by the sensor on a run that cannot be split: see ``only_delivery``."""
ONLY_AGENCY_TAG = "etl_platform/only_agency"
"""Set by the sensor on a run whose files are all of one agency."""
PROBE_TAG = "etl_platform/probe_of"
"""Set by the sensor on a run that probes a half-open breaker: the number of the run that opened it."""
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def is_requested_by_sensor(run: dg.DagsterRun) -> bool:
    """Whether the sensor requested the run, rather than a person, a backfill or a re-execution in the UI."""
    return run.tags.get("dagster/sensor_name") == SENSOR_NAME and run.parent_run_id is None


def unfinished_runs(instance: dg.DagsterInstance, job_name: str = JOB_NAME) -> list[dg.RunRecord]:
    """The sensor's runs of a job that are queued or running, the newest first."""
    # Not filtered by tag in SQL: among 50,000 runs with the same tag, SQLite needs four times as long.
    found = instance.get_run_records(dg.RunsFilter(job_name=job_name, statuses=UNFINISHED))
    return [record for record in found if is_requested_by_sensor(record.dagster_run)]


def probed_opening(run: dg.DagsterRun) -> int | None:
    """The number of the run that opened the breaker, if this run probes it."""
    value = run.tags.get(PROBE_TAG)
    # Release 0.2 wrote epoch seconds. They are higher than any number, so such a probe is one of the latest opening.
    return None if value is None else int(float(value))


def is_redundant_probe(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether an earlier probe of the same opening is unfinished or failed, so that this run is not needed.

    Two ticks at the same moment, for example of the old and the new daemon during a deployment, may each request a
    probe. The database numbers run records, so both probes agree which one is the first.
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
    """Whether a person cancelled the run. A pod that is stopped does not change the run's status."""
    found = instance.get_run_by_id(run.run_id)
    return found is not None and found.status is dg.DagsterRunStatus.CANCELING


def note_progress(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Record that this run has finished a delivery, so that a later crash of the run does not count as an outage."""
    instance.add_run_tags(run.run_id, {PROGRESS_TAG: "true"})
