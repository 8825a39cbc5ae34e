"""The local stack behind the fault proxy, with shuffled receives, and what its bucket and queues show. No tests."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import dagster as dg

from etl_platform.local import subreaper
from etl_platform.local.emulator import Emulator, listen_on_loopback
from etl_platform.local.processes import last_lines
from etl_platform.local.provision import Clients, open_clients
from etl_platform.local.stack import REPOSITORY, Stack, inherited_environment
from etl_platform.object_keys import is_report
from etl_platform_tests.fairness.dataset import CONTRACT, DATASET, small_file
from etl_platform_tests.faults.proxy import FaultProxy
from etl_platform_tests.integration.dagster_ui import DagsterUi

DEADLINE_S = 900.0
_LOOK_S = 0.25
_PUTTERS = 16
_SHUFFLED = Path(__file__).parent / "shuffled_receives"


class _ProxiedStack(Stack):
    """A stack whose Dagster reaches AWS through the proxy."""

    proxy_url = ""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"AWS_ENDPOINT_URL": self.proxy_url}


@dataclass
class Scene:
    """A running stack.

    Attributes:
        marks: the folder in which the contract's hook leaves a file as it kills its run.
        reported_at: by source key, when its report was seen, in epoch seconds.
    """

    stack: _ProxiedStack
    proxy: FaultProxy
    aws: Clients
    marks: Path
    reported_at: dict[str, float] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    _read: set[str] = field(default_factory=set)

    def put(self, files: Mapping[str, bytes]) -> None:
        """Put files below the source prefix, in random order."""
        names = Random(len(files)).sample(sorted(files), len(files))

        def put(name: str) -> None:
            self.aws.s3.put_object(Bucket=self.stack.resources.bucket, Key=f"from_client/{name}", Body=files[name])

        with ThreadPoolExecutor(_PUTTERS) as pool:
            list(pool.map(put, names))

    def look(self) -> None:
        """Read the reports that are new."""
        bucket = self.stack.resources.bucket
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"reports/{DATASET}/")
        found = {item["Key"] for page in pages for item in page.get("Contents", [])}
        now = time.time()
        for key in sorted(found - self._read):
            self._read.add(key)
            if is_report(key):
                report = json.loads(self.aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
                name = report["source"]["key"].removeprefix("from_client/")
                self.reported_at.setdefault(name, now)
                self.outcomes[name] = report["outcome"]

    def wait_for_reports(self, names: Collection[str]) -> float:
        """Wait until all of these files are reported; the time of the last report."""

        def is_done() -> bool:
            self.look()
            return self.reported_at.keys() >= set(names)

        self.wait(is_done, "reports")
        return max(self.reported_at[name] for name in names)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            self.stack.check()
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"no {what} within {DEADLINE_S:.0f} s\n{last_lines(self.stack.work_dir / 'dagster.log')}"
                )
            time.sleep(_LOOK_S)

    def wait_until_idle(self) -> None:
        with self.instance() as instance:
            self.wait(lambda: all(run.is_finished for run in instance.get_runs()), "end of the runs")

    def warm_up(self) -> None:
        """Wait until the daemon has recorded a file."""
        self.put({"warm_up/Badges.csv": small_file("B0")})
        self.wait_for_reports(["warm_up/Badges.csv"])
        self.wait_until_idle()

    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.stack.dagster_home))

    def start_ui(self) -> DagsterUi:
        with listen_on_loopback() as free:
            port = free.getsockname()[1]
        return DagsterUi(self.stack.start_ui(port))

    def dead_letters(self) -> int:
        url = self.stack.resources.dlq_url
        found = self.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(int(value) for name, value in found.items() if name.startswith("ApproximateNumber"))

    def peak_mib(self) -> float:
        """The largest memory of any process of Dagster so far, in MiB."""
        assert self.stack.dagster_pid is not None
        return max(map(_peak_mib, subreaper.descendants(self.stack.dagster_pid)), default=0.0)


def _peak_mib(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0]) / 1_024 if peaks else 0.0


@contextmanager
def open_scene(*, max_receives: int = 20, settings: Mapping[str, str]) -> Iterator[Scene]:
    """A stack with default settings but these; Dagster is not started yet."""
    with ExitStack() as contexts:
        folder = Path(tempfile.mkdtemp(prefix="fairness-"))
        contexts.callback(shutil.rmtree, folder, ignore_errors=True)
        contracts, marks = folder / "contracts", folder / "marks"
        for made in (contracts, marks):
            made.mkdir()
        (contracts / f"{DATASET}.odcs.yaml").write_text(CONTRACT, "utf-8")
        ours = {"CONTRACTS_DIR": str(contracts), "MARKS": str(marks), "PYTHONPATH": str(REPOSITORY)}
        stack = _ProxiedStack(folder / "stack", poll_interval_s=30, settings=ours | dict(settings))
        shuffled = inherited_environment() | {"PYTHONPATH": str(_SHUFFLED)}
        stack.emulator = Emulator(folder / "stack", environment=shuffled)
        contexts.enter_context(stack)
        proxy = contexts.enter_context(FaultProxy(stack.emulator.endpoint_url))
        stack.proxy_url = proxy.url
        aws = contexts.enter_context(open_clients(stack.emulator.endpoint_url))
        made = stack.resources
        arn = aws.sqs.get_queue_attributes(QueueUrl=made.dlq_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": max_receives})
        aws.sqs.set_queue_attributes(QueueUrl=made.queue_url, Attributes={"RedrivePolicy": redrive})
        yield Scene(stack, proxy, aws, marks)


def agencies(count: int, prefix: str = "st_good") -> Sequence[str]:
    return [f"{prefix}_{number:02}" for number in range(count)]
