"""Real runs under a real daemon that are killed, told to stop, or lose the server that started them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from botocore.exceptions import ClientError

from etl_platform.defs.intake.breaker_state import breaker_status
from etl_platform.defs.runs.stop_signal import stop_event
from etl_platform.local import subreaper
from etl_platform.local.provision import Clients, open_clients
from etl_platform.local.stack import REPOSITORY, Stack
from etl_platform.object_keys import is_report
from etl_platform.settings import Settings
from etl_platform_tests.integration.runs_that_die import CONTRACT

# A Dagster daemon, its code server and its runs keep every core busy: one such stack at a time.
pytestmark = pytest.mark.xdist_group("daemon")
DEADLINE_S = 400.0
S = dg.DagsterRunStatus


@dataclass
class Scene:
    stack: Stack
    aws: Clients
    marks: Path

    def drop(self, name: str, *badges: str) -> str:
        key = f"from_client/st_sample/{name}"
        body = "badge\n" + "".join(f"{badge}\n" for badge in badges)
        self.aws.s3.put_object(Bucket=self.stack.resources.bucket, Key=key, Body=body.encode())
        return key

    def outcomes(self) -> dict[str, str]:
        """Outcome by source key."""
        bucket = self.stack.resources.bucket
        found = self.aws.s3.list_objects_v2(Bucket=bucket, Prefix="reports/").get("Contents", [])
        keys = filter(is_report, (item["Key"] for item in found))
        records = [json.loads(self.aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]
        return {record["source"]["key"]: record["outcome"] for record in records}

    def depth(self, url: str) -> int:
        found = self.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(int(value) for name, value in found.items() if name.startswith("ApproximateNumber"))

    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.stack.dagster_home))

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            self.stack.check()
            log = self.stack.work_dir / "dagster.log"
            assert time.monotonic() < deadline, f"no {what}: {self.outcomes()}\n{log.read_text()[-4_000:]}"
            time.sleep(0.2)

    def end_leases_of_failed_runs(self, instance: dg.DagsterInstance) -> None:
        """What happens when the timeouts and delays of a killed run's messages are over, without the wait for it."""
        for run in instance.get_runs(dg.RunsFilter(statuses=[S.FAILURE])):
            for delivery in run.run_config["ops"]["ingest"]["config"]["deliveries"]:
                # Those that were finished or received again are refused.
                with suppress(ClientError):
                    self.aws.sqs.change_message_visibility(
                        QueueUrl=self.stack.resources.queue_url,
                        ReceiptHandle=delivery["receipt_handle"],
                        VisibilityTimeout=0,
                    )

    def launch(self, *arguments: str) -> None:
        """Put a run of the intake job into the queue of the daemon, as a person does."""
        workspace = ["-w", str(REPOSITORY / "workspace.yaml"), "-j", "s3_data_quality_job"]
        subprocess.run(
            [Path(sys.executable).with_name("dagster"), "job", "launch", *workspace, *arguments],
            env=self.stack.environment,
            cwd=self.stack.work_dir,
            check=True,
            capture_output=True,
            timeout=120,
        )

    def waiting(self, count: int) -> int:
        """The process id of the run in which ``count`` hooks wait."""
        self.wait(lambda: len(list(self.marks.glob("waiting-*"))) >= count, f"{count} hooks that wait")
        (pid,) = {int(mark.name.split("-")[1]) for mark in self.marks.glob("waiting-*")}
        return pid


@contextmanager
def scene(tmp_path: Path, *, max_receives: int = 20, **settings: object) -> Iterator[Scene]:
    contracts, marks = tmp_path / "contracts", tmp_path / "marks"
    contracts.mkdir()
    marks.mkdir()
    (contracts / "badges.odcs.yaml").write_text(CONTRACT)
    variables = {name.upper(): str(value) for name, value in settings.items()}
    variables |= {"CONTRACTS_DIR": str(contracts), "MARKS": str(marks), "PYTHONPATH": str(REPOSITORY)}
    with (
        Stack(tmp_path / "stack", poll_interval_s=1, settings=variables) as stack,
        open_clients(stack.emulator.endpoint_url) as aws,
    ):
        made = stack.resources
        arn = aws.sqs.get_queue_attributes(QueueUrl=made.dlq_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": max_receives})
        aws.sqs.set_queue_attributes(QueueUrl=made.queue_url, Attributes={"RedrivePolicy": redrive})
        yield Scene(stack, aws, marks)


@pytest.mark.slow(reason="a file kills run after run until it has one to itself")
def test_a_file_that_kills_its_run_takes_nobody_with_it(tmp_path: Path) -> None:
    with scene(tmp_path, max_receives=5, visibility_timeout_seconds=600, max_runs_in_flight=3) as here:
        made = here.stack.resources
        good = {here.drop(f"Badges_{number:02d}.csv", f"B{number}") for number in range(5)}
        poison = here.drop("Badges_poison.csv", "POISON")

        here.wait(lambda: here.depth(made.queue_url) >= 6, "messages")
        # Opened before the daemon starts: two that make the same tables at once are in each other's way.
        with here.instance() as instance:
            here.stack.start_daemon()

            def is_dead() -> bool:
                here.end_leases_of_failed_runs(instance)
                return here.depth(made.dlq_url) == 1

            here.wait(is_dead, "dead letter")
        here.wait(lambda: here.outcomes().keys() >= good, "reports of the good files")

        assert here.outcomes() == dict.fromkeys(good, "accepted")
        (dead,) = here.aws.sqs.receive_message(QueueUrl=made.dlq_url, MaxNumberOfMessages=10)["Messages"]
        assert poison in dead["Body"]
        here.wait(lambda: here.depth(made.queue_url) == 0, "empty queue")
        with here.instance() as instance:
            runs = instance.get_runs()
            here.wait(lambda: all(run.is_finished for run in instance.get_runs()), "ended runs")
            status = breaker_status(instance, Settings())
    sizes = [int(run.tags["etl_platform/deliveries"]) for run in runs if run.status is S.FAILURE]
    assert sizes[-1] == 6, "at first they all travelled together"
    assert sizes[0] == 1, "in the end it travelled alone"
    assert len(sizes) == 5, "once per receive"
    assert (status.state, status.active) == ("closed", False)
    assert not [run for run in runs if "etl_platform/probe_of" in run.tags], "the breaker never opened"


def test_a_run_told_to_stop_ends_what_it_began_and_gives_the_rest_back(tmp_path: Path) -> None:
    """With a timeout of ten minutes only what was given back is retried within this test."""
    with scene(tmp_path, sns_worker_max=2, visibility_timeout_seconds=600) as here:
        made = here.stack.resources
        keys = {here.drop(f"Badges_{number}.csv", "WAIT", str(number)) for number in range(5)}
        here.wait(lambda: here.depth(made.queue_url) >= 5, "messages")
        here.stack.start_daemon()

        pid = here.waiting(2)
        os.kill(pid, signal.SIGTERM)
        (here.marks / "go").touch()
        here.wait(lambda: here.outcomes().keys() == keys, "reports")
        here.wait(lambda: here.depth(made.queue_url) == 0, "empty queue")

        with here.instance() as instance:
            here.wait(lambda: all(run.is_finished for run in instance.get_runs()), "ended runs")
            runs = instance.get_runs()
            outcomes = here.outcomes()
            logged = [entry.message for run in runs[-1:] for entry in instance.all_logs(run.run_id)]
    assert outcomes == dict.fromkeys(keys, "accepted")
    assert {run.status for run in runs} == {S.SUCCESS}
    assert any("the run was stopped: 3 deliveries return to the queue" in message for message in logged)
    assert len(runs) >= 2


def test_a_run_that_was_killed_together_with_its_server_is_found_and_its_file_done(tmp_path: Path) -> None:
    """Else it would count as in flight for twelve hours."""
    with scene(tmp_path, visibility_timeout_seconds=10, max_runs_in_flight=1) as here:
        key = here.drop("Badges.csv", "WAIT")
        here.stack.start_daemon()
        here.waiting(1)
        assert here.stack.dagster_pid is not None
        subreaper.signal_each(subreaper.descendants(here.stack.dagster_pid), signal.SIGKILL)
        (here.marks / "go").touch()

        here.stack.start_daemon()
        here.wait(lambda: here.outcomes() == {key: "accepted"}, "report")

        with here.instance() as instance:
            here.wait(lambda: all(run.is_finished for run in instance.get_runs()), "ended runs")
            # At its hour a schedule's run would stand among them.
            runs = instance.get_runs(dg.RunsFilter(job_name="s3_data_quality_job"))
            assert [run.status for run in runs] == [S.SUCCESS, S.FAILURE]


@pytest.mark.slow(reason="two runs are killed, redelivered and repeated")
def test_a_run_without_a_queue_that_was_killed_is_started_again_by_dagster(tmp_path: Path) -> None:
    """Of the same job: the queue redelivers the files of its own runs, so those are not started again."""
    with scene(tmp_path, visibility_timeout_seconds=10, max_runs_in_flight=1) as here, here.instance() as instance:
        key = here.drop("Badges.csv", "WAIT")
        here.stack.start_daemon()
        os.kill(here.waiting(1), signal.SIGKILL)
        (here.marks / "go").touch()
        here.wait(lambda: here.outcomes() == {key: "accepted"}, "report of the redelivered file")
        for mark in here.marks.iterdir():
            mark.unlink()

        here.launch("--tags", json.dumps({"dagster/partition": "st_sample"}))
        os.kill(here.waiting(1), signal.SIGKILL)
        (here.marks / "go").touch()
        here.wait(lambda: any(run.parent_run_id and run.is_success for run in instance.get_runs()), "repeated run")

        again, killed, *of_the_queue = instance.get_runs(dg.RunsFilter(job_name="s3_data_quality_job"))
        assert (killed.status, killed.tags["dagster/will_retry"]) == (S.FAILURE, "true")
        assert (again.status, again.parent_run_id) == (S.SUCCESS, killed.run_id)
        assert [run.status for run in of_the_queue] == [S.SUCCESS, S.FAILURE]
        assert [run.parent_run_id for run in of_the_queue] == [None, None], "another receive, not another run"
        assert of_the_queue[1].tags["dagster/will_retry"] == "false"
        assert {run.tags.get("dagster/priority") for run in of_the_queue} == {"1"}


def test_signals_are_dagsters_again_after_the_work() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_event() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
    assert signal.getsignal(signal.SIGTERM) is before
