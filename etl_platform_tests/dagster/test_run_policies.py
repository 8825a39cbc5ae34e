"""Which runs go first, and which runs and steps Dagster repeats, under the dagster.yaml of the project."""

import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.events import RunFailureReason
from dagster._core.execution.retries import auto_reexecution_should_retry_run
from dagster._core.launcher import LaunchRunContext
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from etl_platform.definitions import build_defs
from etl_platform.defs.runs.failures import failure_reason
from etl_platform.defs.runs.run_policies import NOT_REPEATED, STEP_RETRIES, retried_if_transient
from etl_platform.errors import SettingsError, TransientError
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform_tests.dagster.ticks import CountedQueue, tick

PROJECT = Path(__file__).parents[2]
SETTINGS = Settings()
DAILY = ("reconcile_job_schedule", "expected_files_job_schedule")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    home = tmp_path_factory.mktemp("home")
    shutil.copy(PROJECT / "dagster.yaml", home)
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def of_the_sensor(instance: dg.DagsterInstance) -> Mapping[str, str]:
    (request,) = tick(instance, CountedQueue("nm_albuquerque")).run_requests
    return dict(request.tags)


def of_the_email_sensor(instance: dg.DagsterInstance) -> Mapping[str, str]:
    platform: Any = Platform(SETTINGS)
    platform.email_archive = SimpleNamespace(queue=SimpleNamespace(depth=lambda: (3, 0)))
    sensor = build_defs(SETTINGS).resolve_sensor_def("email_arrivals_sensor")
    with dg.build_sensor_context(instance=instance, resources={"platform": platform}) as context:
        (request,) = sensor.evaluate_tick(context).run_requests or []
    return dict(request.tags)


def of_the_schedule(instance: dg.DagsterInstance, name: str, root: Path) -> Mapping[str, str]:
    settings = Settings(local_s3_root=root)
    schedule = build_defs(settings).resolve_schedule_def(name)
    with dg.build_schedule_context(instance=instance, resources={"platform": Platform(settings)}) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or []
    return dict(request.tags)


def of_a_person_or_backfill() -> Mapping[str, str]:
    return {}


def run_with(tags: Mapping[str, str]) -> dg.DagsterRun:
    return dg.DagsterRun("a_job", str(uuid.uuid4()), status=dg.DagsterRunStatus.FAILURE, tags=dict(tags))


def in_the_order_of_the_queue(*runs: dg.DagsterRun) -> list[dg.DagsterRun]:
    return QueuedRunCoordinatorDaemon(interval_seconds=1)._priority_sort(runs)


@pytest.mark.parametrize("of_a_sensor", [of_the_sensor, of_the_email_sensor])
def test_what_arrives_goes_before_a_backfill_that_was_queued_earlier(
    instance: dg.DagsterInstance, of_a_sensor: Callable[[dg.DagsterInstance], Mapping[str, str]]
) -> None:
    backfill, arrival = run_with(of_a_person_or_backfill()), run_with(of_a_sensor(instance))
    assert in_the_order_of_the_queue(backfill, arrival) == [arrival, backfill]


@pytest.mark.parametrize("name", DAILY)
def test_daily_jobs_are_not_kept_waiting_by_files_that_arrive_later(
    instance: dg.DagsterInstance, name: str, tmp_path: Path
) -> None:
    daily, arrival = run_with(of_the_schedule(instance, name, tmp_path)), run_with(of_the_sensor(instance))
    assert in_the_order_of_the_queue(daily, arrival) == [daily, arrival]


def is_repeated(instance: dg.DagsterInstance, tags: Mapping[str, str], reason: RunFailureReason | None) -> bool:
    """What Dagster decides about a failed run. A run whose process was killed has no reason."""
    run = run_with(tags)
    instance.add_run(run)
    return auto_reexecution_should_retry_run(instance, run, reason)


@pytest.mark.parametrize("of_a_sensor", [of_the_sensor, of_the_email_sensor])
def test_a_run_of_a_queue_is_never_repeated_by_dagster(
    instance: dg.DagsterInstance, of_a_sensor: Callable[[dg.DagsterInstance], Mapping[str, str]]
) -> None:
    tags = of_a_sensor(instance)
    assert not any(is_repeated(instance, tags, reason) for reason in (None, *RunFailureReason))


@pytest.mark.parametrize("name", DAILY)
def test_a_daily_run_that_crashed_is_repeated(instance: dg.DagsterInstance, name: str, tmp_path: Path) -> None:
    assert is_repeated(instance, of_the_schedule(instance, name, tmp_path), None)


@pytest.mark.parametrize(
    ("reason", "repeated"),
    [(None, True), (RunFailureReason.START_TIMEOUT, True), (RunFailureReason.STEP_FAILURE, False)],
)
def test_a_run_of_a_person_or_backfill_is_repeated_after_a_crash_but_not_after_an_error(
    instance: dg.DagsterInstance, reason: RunFailureReason | None, repeated: bool
) -> None:
    assert is_repeated(instance, of_a_person_or_backfill(), reason) is repeated


def run_step(body: Callable[[int], None], tags: Mapping[str, str] | None = None) -> dg.ExecuteInProcessResult:
    """A run of one step whose attempts, counted from 0, do not wait for each other."""

    @dg.op
    def step(context: dg.OpExecutionContext) -> None:
        with retried_if_transient(context, first_wait_s=0):
            body(context.retry_number)

    @dg.job
    def step_job() -> None:
        step()

    return step_job.execute_in_process(raise_on_error=False, tags=dict(tags or {}))


def attempts(result: dg.ExecuteInProcessResult) -> int:
    return 1 + sum(event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY for event in result.all_events)


def reason_of(result: dg.ExecuteInProcessResult) -> str:
    (event,) = result.filter_events(lambda item: item.is_step_failure)
    return failure_reason(event)


def fails_while(fails: Callable[[int], bool], error: BaseException) -> Callable[[int], None]:
    def body(attempt: int) -> None:
        if fails(attempt):
            raise error

    return body


def test_a_step_is_repeated_after_a_transient_error() -> None:
    result = run_step(fails_while(lambda attempt: attempt < 2, TransientError("the database is restarting")))

    assert result.success
    assert attempts(result) == 3


def test_a_step_that_reported_before_its_error_reports_again() -> None:
    """As ``attachments`` does: what was copied is recorded, then the copies that failed are tried again."""

    @dg.asset(check_specs=[dg.AssetCheckSpec("all_copied", asset="files")])
    def files(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        with retried_if_transient(context, first_wait_s=0):
            done = context.retry_number > 0
            check = dg.AssetCheckResult(check_name="all_copied", passed=done)
            yield dg.MaterializeResult(metadata={"attempt": context.retry_number}, check_results=[check])
            if not done:
                raise TransientError("1 of 12 was not copied")

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([files], instance=instance, raise_on_error=False)
        reported = instance.fetch_materializations(files.key, limit=10).records

    assert result.success
    assert [
        record.asset_materialization.metadata["attempt"].value for record in reported if record.asset_materialization
    ] == [1, 0]
    assert [check.passed for check in result.get_asset_check_evaluations()] == [False, True]


def test_a_step_that_keeps_failing_ends_with_the_error_itself() -> None:
    result = run_step(fails_while(lambda _: True, TransientError("the database is down")))

    assert not result.success
    assert attempts(result) == 1 + STEP_RETRIES
    assert reason_of(result) == "TransientError: the database is down"


@pytest.mark.parametrize(
    "error",
    [SettingsError("DATABASE_URL not set"), ZeroDivisionError(), dg.Failure("2 missing", allow_retries=False)],
    ids=["permanent", "a bug", "a finding"],
)
def test_a_step_is_not_repeated_after_an_error_that_would_come_again(error: Exception) -> None:
    assert attempts(run_step(fails_while(lambda _: True, error))) == 1


def test_a_step_that_a_person_terminated_is_not_repeated() -> None:
    assert attempts(run_step(fails_while(lambda _: True, dg.DagsterExecutionInterruptedError()))) == 1


def test_a_step_of_a_command_is_not_repeated_because_a_person_waits() -> None:
    result = run_step(fails_while(lambda _: True, TransientError("the database is down")), NOT_REPEATED)

    assert attempts(result) == 1
    assert reason_of(result) == "TransientError: the database is down"


class LaunchersThatMeet(dg.DefaultRunLauncher):
    """Starts of runs that only end when two of them are in progress."""

    meeting = threading.Barrier(2, timeout=20)

    def launch_run(self, context: LaunchRunContext) -> None:
        self.meeting.wait()


def test_the_start_of_a_run_does_not_wait_for_the_start_of_another(tmp_path: Path) -> None:
    """Starting a run takes seconds, so that an arriving file would wait for each run that was queued before."""
    config = yaml.safe_load((PROJECT / "dagster.yaml").read_text("utf-8"))
    config["run_launcher"] = {"module": __name__, "class": LaunchersThatMeet.__name__}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config), "utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "all"), "a_job")
        runs = [run_with({}).with_job_origin(origin).with_status(dg.DagsterRunStatus.QUEUED) for _ in range(2)]
        for run in runs:
            instance.add_run(run)
        workspace: Any = SimpleNamespace(instance=instance, create_request_context=lambda: None)

        list(QueuedRunCoordinatorDaemon(interval_seconds=1).run_iteration(workspace))

        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.STARTING] * 2
