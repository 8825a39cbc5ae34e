"""One trial: a scenario, a fault at one of its calls, everything started again, and what is left compared.

Every trial of a bench sees the same source versions and the same notifications, so that delivery ids, sequencers and
times agree, and nothing has to be explained away when end states are compared.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import dagster as dg
from botocore.exceptions import ClientError

from etl_platform.core.events import parse_message
from etl_platform.local.provision import KEY_ID, KEY_SECRET, REGION, open_clients, provision
from etl_platform.local.stack import REPOSITORY, inherited_environment
from etl_platform_tests.faults.end_state import EndState, read_end_state, written_versions
from etl_platform_tests.faults.proxy import Call, Fault, FaultProxy, Harm, Moment, Plan
from etl_platform_tests.faults.scenarios import Arrive, Dropped, Materialize, Scenario, Step

_ROUNDS = 8
_PROCESS_DEADLINE_S = 60.0
_NOTIFIED_WITHIN_S = 20.0


@dataclass(frozen=True)
class Undisturbed:
    """What a scenario does and leaves when nobody interferes."""

    calls: tuple[Call, ...]
    end: EndState


@dataclass(frozen=True)
class Trial:
    """``landed``: the proxy saw the call, and what was to be killed died of it."""

    scenario: str
    call: Call
    fault: Fault
    landed: bool
    differences: tuple[str, ...]
    runs: int

    @property
    def survived(self) -> bool:
        return self.landed and not self.differences

    def __str__(self) -> str:
        what = f"{self.scenario}: {self.fault.harm} {self.fault.moment} call {self.call.number} ({self.call})"
        if not self.landed:
            return f"{what}: did not land"
        return f"{what}: " + ("survived" if self.survived else "; ".join(self.differences))


class Zygote:
    """The harness's end of zygote.py: one child at a time."""

    def __init__(self, work_dir: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "etl_platform_tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=work_dir,
            env=inherited_environment() | {"PYTHONPATH": str(REPOSITORY), "OPENBLAS_NUM_THREADS": "1"},
            text=True,
            bufsize=1,
        )
        self.child: int | None = None
        self._read()

    def do(self, command: dict[str, Any]) -> int:
        """Run one command in a child; its exit code, negative for a signal."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self.child = int(self._read()["pid"])
        status = int(self._read()["status"])
        self.child = None
        return status

    def kill(self) -> None:
        """SIGKILL the child and wait until it has gone."""
        # A child may call before its process id has been read.
        _wait(lambda: self.child is not None, "a process to kill")
        pid = self.child
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        _wait(lambda: _is_gone(pid), "the end of a killed process")

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(_PROCESS_DEADLINE_S)
        self._process.stdout.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], _PROCESS_DEADLINE_S)
        line = self._process.stdout.readline() if readable else ""
        if not line:
            self._process.kill()
            raise AssertionError(f"no answer from the zygote within {_PROCESS_DEADLINE_S:.0f} s")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Bench:
    """A bucket, queues, a proxy and a zygote of its own; scenarios run on it one after the other."""

    def __init__(self, work_dir: Path, endpoint_url: str, name: str = "bench", max_attempts: int = 1) -> None:
        work_dir.mkdir(parents=True, exist_ok=True)
        self._work_dir, self._endpoint_url, self._name = work_dir, endpoint_url, name
        self._max_attempts = max_attempts
        self._open = ExitStack()
        # In memory where there is some: SQLite's flushes to disk cost more than the work, and no machine loses power.
        memory = Path("/dev/shm")
        self._homes = Path(tempfile.mkdtemp(prefix="etl-platform-", dir=memory if memory.is_dir() else work_dir))
        self._home = self._homes / "dagster_home"
        self._bodies: dict[Dropped, str] = {}
        self._runs = 0
        self._killed = 0

    def __enter__(self) -> Self:
        self._open.callback(shutil.rmtree, self._homes)
        self.made = provision(
            self._endpoint_url,
            bucket=f"b-{self._name}",
            topic=f"t-{self._name}",
            queue=f"q-{self._name}",
            dead_letter_queue=f"d-{self._name}",
        )
        self.aws = self._open.enter_context(open_clients(self._endpoint_url))
        self.proxy = self._open.enter_context(FaultProxy(self._endpoint_url))
        self.zygote = Zygote(self._work_dir)
        self._open.callback(self.zygote.close)
        self._template = self._homes / "template"
        self._template.mkdir()
        shutil.copy(REPOSITORY / "dagster.yaml", self._template)
        with dg.DagsterInstance.from_config(str(self._template)) as instance:
            instance.get_run_records(limit=1)
            instance.get_dynamic_partitions("agencies")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def undisturbed(self, scenario: Scenario) -> Undisturbed:
        """Put the scenario's files, once, and run it without a fault."""
        for file in scenario.files:
            if file not in self._bodies:
                self._bodies[file] = self._notification(file)
        end = self._play(scenario, lambda _call: None)
        assert self._killed == 0
        return Undisturbed(tuple(self.proxy.calls), end)

    def trial(self, scenario: Scenario, undisturbed: Undisturbed, call: Call, harm: Harm, moment: Moment) -> Trial:
        """Do ``harm`` to the call of that number, start everything again, and compare."""
        struck: list[Call] = []
        fault = Fault(harm, moment, lambda _call: self.zygote.kill())

        def plan(found: Call) -> Fault | None:
            if found.number != call.number:
                return None
            struck.append(found)
            return fault

        end = self._play(scenario, plan)
        landed = len(struck) == 1 and self._killed == (harm is Harm.KILL)
        differences = tuple(end.differences(undisturbed.end))
        return Trial(scenario.name, struck[0] if struck else call, fault, landed, differences, self._runs)

    def _play(self, scenario: Scenario, plan: Plan) -> EndState:
        self._reset()
        for step in scenario.steps:
            self._step(scenario, step, plan)
        return read_end_state(self.aws, self.made, self._home)

    def _step(self, scenario: Scenario, step: Step, plan: Plan) -> None:
        if isinstance(step, Arrive):
            for body in (*(self._bodies[file] for file in step.files), *step.bodies):
                self.aws.sqs.send_message(QueueUrl=self.made.queue_url, MessageBody=body)
            self._work_until_empty(scenario, plan)
            return
        command: dict[str, Any] = (
            {"do": "materialize", "partition": step.partition}
            if isinstance(step, Materialize)
            else {"do": "cli", "arguments": [text.format(bucket=self.made.bucket) for text in step.arguments]}
        )
        good = {"success": True} if isinstance(step, Materialize) else {"exit": 0}
        for _ in range(_ROUNDS):
            _, answer = self._process(command, plan)
            if answer is not None and good.items() <= answer.items():
                return

    def _work_until_empty(self, scenario: Scenario, plan: Plan) -> None:
        """Ticks and runs, each in a process of its own, as long as messages are left."""
        for _ in range(_ROUNDS):
            _, tick = self._process({"do": "tick"}, plan if scenario.target == "tick" else None)
            for request in tick["requests"] if tick else []:
                self._process({"do": "run", "request": request}, plan if scenario.target == "run" else None)
            found = self.aws.sqs.get_queue_attributes(QueueUrl=self.made.queue_url, AttributeNames=["All"])
            if not any(int(n) for name, n in found["Attributes"].items() if name.startswith("ApproximateNumberOf")):
                return
            self._expire()

    def _process(self, command: dict[str, Any], plan: Plan | None) -> tuple[int, dict[str, Any] | None]:
        """One process of the platform: its exit code and, unless it died, its answer."""
        answer = self._work_dir / "answer.json"
        answer.unlink(missing_ok=True)
        told = {
            "environment": self._environment(),
            "answer": str(answer),
            "log": str(self._work_dir / "platform.log"),
        }
        with ExitStack() as watching:
            if plan is not None:
                watching.enter_context(self.proxy.watch(plan))
                self._runs += 1
            status = self.zygote.do(command | told)
        self._killed += status == -signal.SIGKILL
        return status, json.loads(answer.read_text("utf-8")) if status == 0 else None

    def _environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.proxy.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": KEY_SECRET,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": str(self._max_attempts),
            "DATA_BUCKET_NAME": self.made.bucket,
            "FILE_EVENTS_QUEUE_URL": self.made.queue_url,
            "FILE_EVENTS_DLQ_URL": self.made.dlq_url,
            "DAGSTER_HOME": str(self._home),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "TMPDIR": str(self._work_dir),
        }

    def _reset(self) -> None:
        """As it was before the first event: the sources alone, nothing in the queues, an empty history."""
        versions = written_versions(self.aws, self.made.bucket)
        for start in range(0, len(versions), 1_000):
            part: Any = versions[start : start + 1_000]
            self.aws.s3.delete_objects(Bucket=self.made.bucket, Delete={"Objects": part, "Quiet": True})
        for url in (self.made.queue_url, self.made.dlq_url):
            self.aws.sqs.purge_queue(QueueUrl=url)
        shutil.rmtree(self._home, ignore_errors=True)
        shutil.copytree(self._template, self._home)
        self.proxy.forget()
        self._runs = self._killed = 0

    def _expire(self) -> None:
        """Let the visibility timeout of every message end now."""
        for handle in self.proxy.receipt_handles:
            # Handles of deleted and of re-received messages are refused.
            with suppress(ClientError):
                self.aws.sqs.change_message_visibility(
                    QueueUrl=self.made.queue_url, ReceiptHandle=handle, VisibilityTimeout=0
                )

    def _notification(self, file: Dropped) -> str:
        """Put the object; the message about it, as it came to the queue."""
        version = self.aws.s3.put_object(Bucket=self.made.bucket, Key=file.key, Body=file.content)["VersionId"]
        found: list[str] = []

        def arrived() -> bool:
            answer = self.aws.sqs.receive_message(QueueUrl=self.made.queue_url, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                self.aws.sqs.delete_message(QueueUrl=self.made.queue_url, ReceiptHandle=message["ReceiptHandle"])
                created = parse_message(message["Body"]).created
                found.extend(message["Body"] for event in created if event.version_id == version)
            return bool(found)

        _wait(arrived, f"the notification of {file.key}", _NOTIFIED_WITHIN_S)
        return found[0]


Strike = tuple[Call, Harm, Moment]


def strikes(undisturbed: Undisturbed, harms: Sequence[Harm]) -> list[Strike]:
    """Every harm to every call, before it is done and after; only an answer can be cut."""
    return [
        (call, harm, moment)
        for harm in harms
        for call in undisturbed.calls
        for moment in Moment
        if harm is not Harm.TRUNCATED or moment is Moment.AFTER
    ]


def _wait(condition: Callable[[], bool], what: str, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {within_s:.0f} s"
        time.sleep(0.005)


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True
