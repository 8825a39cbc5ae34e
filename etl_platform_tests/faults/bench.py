"""Where scenarios are played: a bucket, queues, a proxy, a Dagster home, and processes of the platform on demand.

Every play on a bench sees the same source versions and the same notifications, so that delivery ids, sequencers and
times agree, and nothing has to be explained away when end states are compared.
"""

import json
import os
import shutil
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import dagster as dg
from botocore.exceptions import ClientError

from etl_platform.deliveries.s3_events import parse_message
from etl_platform.local.application_database import Rows, create_application_database
from etl_platform.local.postgres import postgres_server
from etl_platform.local.provision import KEY_ID, KEY_SECRET, REGION, open_clients
from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.faults.end_state import (
    EndState,
    read_end_state,
    stored_versions,
    without_identity,
    written_versions,
)
from etl_platform_tests.faults.processes import Zygote, wait
from etl_platform_tests.faults.proxy import Call, Fault, FaultProxy, Harm, Plan
from etl_platform_tests.faults.scenarios import Arrive, Dropped, FailOnce, Mail, Materialize, Scenario, Step
from etl_platform_tests.isolated_resources import provision_isolated

_ROUNDS = 8
_NOTIFIED_WITHIN_S = _REQUESTED_WITHIN_S = 20.0
_ONE_DRAINER = {"SNS_WORKER_MAX": "1", "EMAIL_MAX_MESSAGES_PER_POLL": "2"}
_ONE_START = threading.Lock()
"""Two servers that start in one process get in each other's way."""

Answer = dict[str, Any] | None


class Bench:
    """Its plays follow one another; ``killed`` counts the processes that died of SIGKILL in the present one."""

    def __init__(
        self,
        work_dir: Path,
        endpoint_url: str,
        name: str = "bench",
        read_timeout_s: int = 2,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """``read_timeout_s`` is short, so that an answer that never comes costs a trial no minute.

        ``settings`` are environment variables of the platform that differ from a bench's own.
        """
        self._settings = dict(settings or {})
        work_dir.mkdir(parents=True, exist_ok=True)
        self._work_dir, self._endpoint_url, self._name = work_dir, endpoint_url, name
        self._read_timeout_s = read_timeout_s
        self._open = ExitStack()
        # In memory where there is some: SQLite's flushes to disk cost more than the work, and no machine loses power.
        memory = Path("/dev/shm")
        self._homes = Path(tempfile.mkdtemp(prefix="etl-platform-", dir=memory if memory.is_dir() else work_dir))
        self.home = self._homes / "dagster_home"
        self._template = self._homes / "template"
        self._bodies: dict[Dropped, str] = {}
        self._mailed: list[str] = []
        self._database_urls: dict[str, str] = {}
        self.killed = 0

    def __enter__(self) -> Self:
        self._open.callback(shutil.rmtree, self._homes)
        self.made = provision_isolated(self._endpoint_url, self._name)
        self.aws = self._open.enter_context(open_clients(self._endpoint_url))
        self.proxy = self._open.enter_context(FaultProxy(self._endpoint_url))
        self.zygote = self.another_zygote()
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

    def another_zygote(self) -> Zygote:
        """For a second process at the same time."""
        zygote = Zygote(self._work_dir)
        self._open.callback(zygote.close)
        return zygote

    def play(self, scenario: Scenario, plan: Plan) -> EndState:
        """From the sources alone to the end; whatever dies on the way is started again.

        The plan sees the last step: what leads up to it is the last step of another scenario.
        """
        self.reset()
        if scenario.attachments and scenario.name not in self._database_urls:
            self._database_urls[scenario.name] = self._application(scenario)
        self._settings["DATABASE_URL"] = self._database_urls.get(scenario.name, "")
        if scenario.erases:
            self._erase_sources(scenario)
        for file in scenario.files:
            self.put(file)
        for step in scenario.steps[:-1]:
            self._step(scenario, step, None)
        self._step(scenario, scenario.steps[-1], plan)
        end = self.end_state()
        return without_identity(end, self._identities(scenario), self._stored(scenario)) if scenario.erases else end

    def _erase_sources(self, scenario: Scenario) -> None:
        """Remove what an earlier play left of the sources, so that they are put anew."""
        for file in scenario.files:
            self._bodies.pop(file, None)
            for item in stored_versions(self.aws, self.made.bucket, file.key):
                self.aws.s3.delete_object(Bucket=self.made.bucket, **item)

    def _identities(self, scenario: Scenario) -> dict[str, str]:
        """What is new in each play of its versions → a name of it."""
        names: dict[str, str] = {}
        for number, file in enumerate(scenario.files):
            (version,) = parse_message(self._bodies[file]).created
            known = (version.delivery_id, version.version_id, version.sequencer)
            names |= {str(text): f"<{place} of {number}>" for place, text in enumerate(known)}
        return names

    def _stored(self, scenario: Scenario) -> dict[str, int]:
        """How many versions and delete markers there are of each key of the agency."""
        agency = scenario.files[0].agency
        listed = stored_versions(self.aws, self.made.bucket, "")
        return dict(Counter(item["Key"] for item in listed if agency in item["Key"]))

    def _application(self, scenario: Scenario) -> str:
        """The URL of a database with the scenario's attachments, which is there as long as the bench."""
        with _ONE_START:
            url = str(self._open.enter_context(postgres_server()).get_uri())
        agency = (10, scenario.files[0].agency, scenario.name)
        create_application_database(url, Rows([agency], [], [], scenario.attachments))
        return url

    def reset(self) -> None:
        """As it was before the first event: the sources alone, nothing in the queues, an empty history."""
        for bucket in (self.made.bucket, self.made.email_bucket):
            versions = written_versions(self.aws, bucket)
            for start in range(0, len(versions), 1_000):
                part: Any = versions[start : start + 1_000]
                self.aws.s3.delete_objects(Bucket=bucket, Delete={"Objects": part, "Quiet": True})
        for url in (*self._queues, self.made.dlq_url, self.made.email_dlq_url):
            self.aws.sqs.purge_queue(QueueUrl=url)
        self._mailed = []
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self._template, self.home)
        self.proxy.forget()
        self.killed = 0

    def put(self, file: Dropped) -> None:
        """Put a source object, once, and keep the notification of it."""
        if file not in self._bodies:
            self._bodies[file] = self._notification(file)

    def announce(self, *files: Dropped, bodies: tuple[str, ...] = ()) -> None:
        """Put the notifications into the queue, word for word as they first came."""
        for body in (*(self._bodies[file] for file in files), *bodies):
            self.aws.sqs.send_message(QueueUrl=self.made.queue_url, MessageBody=body)

    def tick(self, plan: Plan | None = None, zygote: Zygote | None = None) -> list[dict[str, Any]]:
        """One evaluation of the sensor; its run requests, none if it died."""
        answer = self.process({"do": "tick"}, plan, zygote)
        return answer["requests"] if answer else []

    def next_request(self, zygote: Zygote | None = None) -> dict[str, Any]:
        """The request of the first tick that makes one: while a run is unfinished, a file waits a second for others."""
        found: list[dict[str, Any]] = []

        def is_requested() -> bool:
            found.extend(self.tick(zygote=zygote))
            return bool(found)

        wait(is_requested, "a run request", _REQUESTED_WITHIN_S)
        (request,) = found
        return request

    def run(self, request: dict[str, Any], plan: Plan | None = None, zygote: Zygote | None = None) -> Answer:
        return self.process({"do": "run", "request": request}, plan, zygote)

    def work_until_empty(self, tick_plan: Plan | None = None, run_plan: Plan | None = None) -> None:
        """Ticks and runs, each in a process of its own, as long as messages are left."""
        for _ in range(_ROUNDS):
            for request in self.tick(tick_plan):
                self.run(request, run_plan)
            if self._is_empty(self.made.queue_url):
                return
            self.expire()

    def mail(self, *bodies: str) -> None:
        """Put messages into the email queue; their ids are new each time, so their order stands for them."""
        for body in bodies:
            sent = self.aws.sqs.send_message(QueueUrl=self.made.email_queue_url, MessageBody=body)
            self._mailed.append(sent["MessageId"])

    def drain_until_empty(self, plan: Plan | None = None) -> None:
        """Drains of the email queue, each in a process of its own, as long as messages are left."""
        for _ in range(_ROUNDS):
            self.process({"do": "cli", "arguments": ["run", "email_archive_job"]}, plan, also=_ONE_DRAINER)
            if self._is_empty(self.made.email_queue_url):
                return
            self.expire()

    @property
    def _queues(self) -> tuple[str, str]:
        return self.made.queue_url, self.made.email_queue_url

    def _is_empty(self, queue_url: str) -> bool:
        found = self.aws.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]
        return not any(int(n) for name, n in found.items() if name.startswith("ApproximateNumberOf"))

    def expire(self) -> None:
        """Let the visibility timeout of every message end now."""
        for handle in self.proxy.receipt_handles:
            for queue_url in self._queues:
                # Handles of the other queue, of deleted and of re-received messages are refused.
                with suppress(ClientError):
                    self.aws.sqs.change_message_visibility(
                        QueueUrl=queue_url, ReceiptHandle=handle, VisibilityTimeout=0
                    )

    def process(
        self,
        command: dict[str, Any],
        plan: Plan | None = None,
        zygote: Zygote | None = None,
        also: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """One process of the platform, watched by the proxy if there is a plan; its answer unless it died.

        ``also`` are environment variables of this process alone.
        """
        opened, name = tempfile.mkstemp(dir=self._work_dir, suffix=".json")
        os.close(opened)
        answer = Path(name)
        told = {
            "environment": self._environment() | dict(also),
            "answer": str(answer),
            "log": str(self._work_dir / "platform.log"),
        }
        with ExitStack() as watching:
            if plan is not None:
                watching.enter_context(self.proxy.watch(plan))
            status = (zygote or self.zygote).do(command | told)
        self.killed += status == -signal.SIGKILL
        return json.loads(answer.read_text("utf-8")) if status == 0 else None

    def end_state(self) -> EndState:
        return read_end_state(self.aws, self.made, self.home, self._mailed)

    def _step(self, scenario: Scenario, step: Step, plan: Plan | None) -> None:
        if isinstance(step, Arrive):
            self.announce(*step.files, bodies=step.bodies)
            harmed = {"tick_plan": plan} if scenario.target == "tick" else {"run_plan": plan}
            self.work_until_empty(**harmed)
            return
        if isinstance(step, FailOnce):
            self.announce(*step.files)
            self.work_until_empty(run_plan=_refusing_one_copy(plan))
            return
        if isinstance(step, Mail):
            self.mail(*step.bodies)
            self.drain_until_empty(plan)
            return
        command: dict[str, Any] = (
            {"do": "materialize", "partition": step.partition}
            if isinstance(step, Materialize)
            else {"do": "cli", "arguments": [text.format(bucket=self.made.bucket) for text in step.arguments]}
        )
        good = {"success": True} if isinstance(step, Materialize) else {"exit": 0}
        for _ in range(_ROUNDS):
            answer = self.process(command, plan)
            if answer is not None and good.items() <= answer.items():
                return

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
            # A fault must reach the platform: boto3 would hide it by a second try.
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_READ_TIMEOUT_SECONDS": str(self._read_timeout_s),
            # No file waits for others: a run that was killed is unfinished for ever, because no daemon watches it.
            "POLL_INTERVAL_SECONDS": "1",
            "DATA_BUCKET_NAME": self.made.bucket,
            "FILE_EVENTS_QUEUE_URL": self.made.queue_url,
            "FILE_EVENTS_DLQ_URL": self.made.dlq_url,
            "EMAIL_QUEUE_URL": self.made.email_queue_url,
            "EMAIL_DLQ_URL": self.made.email_dlq_url,
            "EMAIL_BUCKET_NAME": self.made.email_bucket,
            "DAGSTER_HOME": str(self.home),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "TMPDIR": str(self._work_dir),
            **self._settings,
        }

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

        wait(arrived, f"the notification of {file.key}", _NOTIFIED_WITHIN_S)
        return found[0]


def _refusing_one_copy(plan: Plan | None) -> Plan:
    """The plan, and a refusal of the first copy that it leaves alone."""
    refused: list[Call] = []

    def both(call: Call) -> Fault | None:
        fault = plan(call) if plan is not None else None
        if fault is None and call.operation == "CopyObject" and not refused:
            refused.append(call)
            return Fault(Harm.SLOW_DOWN)
        return fault

    return both
