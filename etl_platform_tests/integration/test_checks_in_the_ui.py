"""The UI shows of every check and agency what the latest report says: real daemon, webserver, runs and kills."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etl_platform.local.provision import Clients, open_clients
from etl_platform.local.stack import REPOSITORY, Stack
from etl_platform_tests.integration.dagster_ui import DagsterUi
from etl_platform_tests.integration.runs_that_die import CONTRACT

# A Dagster daemon, its code server and its runs keep every core busy: one such stack at a time.
pytestmark = pytest.mark.xdist_group("daemon")
DEADLINE_S = 400.0
BRONZE, SILVER = ("bronze", "badges"), ("silver", "badges")
SIZE = "      - {name: size, description: A number., logicalType: integer}\n      - {name: length,"
SLA = "slaProperties:\n  - {property: frequency, value: 1, unit: m}\nschema:"
UNFINISHED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
FILES = {
    "clean": "badge,size\nA,1\nB,2\n",
    "dirty": "badge,size\nA,1\nB,many\n",
    "refused": "size\n1\n",
    "held": "badge,size\nWAIT,1\nB,many\n",
}
FAILURES = {
    "clean": set[str](),
    "dirty": {"size__type"},
    "refused": {"file_is_readable_and_complete"},
    "held": {"size__type"},
}


@dataclass
class Scene:
    """The stack as sender and person on call use it, and what must be shown by now."""

    stack: Stack
    ui: DagsterUi
    aws: Clients
    marks: Path
    expected: dict[str, set[str]] = field(default_factory=dict)

    def send(self, kinds: Mapping[str, str]) -> None:
        """Put one file for each agency and wait for its report."""
        for agency, kind in kinds.items():
            self.put(agency, FILES[kind])
            self.expected[agency] = FAILURES[kind]
        self.wait(lambda: len(self.reports()) >= len(self.expected), "reports")

    def put(self, agency: str, content: str, name: str = "Badges.csv") -> str:
        key = f"from_client/{agency}/{name}"
        self.aws.s3.put_object(Bucket=self.stack.resources.bucket, Key=key, Body=content.encode())
        return key

    def reports(self) -> list[str]:
        listed = self.aws.s3.list_objects_v2(Bucket=self.stack.resources.bucket, Prefix="reports/badges/")
        return [item["Key"] for item in listed.get("Contents", [])]

    def shown(self) -> dict[str, set[str]]:
        """By agency, the checks that are shown as failed. Any other status than those two is an error."""
        checks = self.ui.checks(SILVER)
        assert set(checks) > {"file_is_readable_and_complete", "size__type", "file_is_on_time"}
        found: dict[str, set[str]] = {agency: set() for agency in self.expected}
        for name, check in checks.items():
            for agency in self.expected:
                status = check.partitions.get(agency, "MISSING")
                if status == "FAILED":
                    found[agency].add(name)
                elif status != "SUCCEEDED":
                    found[agency].add(f"{name} is {status}")
        return found

    def is_as_expected(self) -> bool:
        return self.shown() == self.expected

    def wait_until_shown(self) -> None:
        self.wait(self.is_as_expected, "statuses of the latest reports")

    def finish(self, run_id: str, instance: dg.DagsterInstance) -> dg.DagsterRun:
        self.wait(lambda: self.run(run_id, instance).is_finished, f"end of run {run_id}")
        return self.run(run_id, instance)

    def run(self, run_id: str, instance: dg.DagsterInstance) -> dg.DagsterRun:
        found = instance.get_run_by_id(run_id)
        assert found
        return found

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            self.stack.check()
            if time.monotonic() > deadline:
                log = (self.stack.work_dir / "dagster.log").read_text()[-4_000:]
                pytest.fail(f"no {what}: {self.shown()} instead of {self.expected}\n{log}")
            time.sleep(0.3)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    marks, contracts = tmp_path / "marks", tmp_path / "contracts"
    marks.mkdir()
    contracts.mkdir()
    text = CONTRACT.replace("      - {name: length,", SIZE).replace("schema:", SLA)
    (contracts / "badges.odcs.yaml").write_text(text, "utf-8")
    settings = {"CONTRACTS_DIR": str(contracts), "MARKS": str(marks), "PYTHONPATH": str(REPOSITORY)}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        Stack(tmp_path / "stack", poll_interval_s=1, settings=settings) as stack,
        open_clients(stack.emulator.endpoint_url) as aws,
    ):
        yield Scene(stack, DagsterUi(stack.start_ui(port)), aws, marks)


def test_every_check_shows_what_the_latest_report_of_its_agency_says(scene: Scene) -> None:
    (scene.marks / "go").touch()
    orders = list(permutations(("clean", "dirty", "refused")))
    for turn in range(3):
        scene.send({f"st_{number}_{order[turn]}": order[turn] for number, order in enumerate(orders)})
        scene.wait_until_shown()
    with dg.DagsterInstance.from_config(str(scene.stack.dagster_home)) as instance:
        for step in (
            _send_a_clean_file_beside_a_dirty_one,
            _read_all_again,
            _read_one_again,
            _take_a_file_in_by_hand,
            _execute_checks,
            _kill_a_run,
        ):
            step(scene, instance)
            assert scene.is_as_expected(), step.__name__


def _send_a_clean_file_beside_a_dirty_one(scene: Scene, instance: dg.DagsterInstance) -> None:
    """Both are of one agency, so its check is about both: after the delivery, and when it is executed."""
    reports = len(scene.reports())
    scene.put("st_1_dirty", "badge,size\nC,1\n", "Badges_2.csv")
    scene.wait(lambda: len(scene.reports()) > reports, "report of the second file")
    scene.wait(lambda: not instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED)), "end of the runs")
    assert scene.is_as_expected()
    run = scene.ui.launch(checks=[(SILVER, name) for name in scene.ui.checks(SILVER)], partition="st_1_dirty")
    assert scene.finish(run, instance).is_success


def _read_all_again(scene: Scene, _instance: dg.DagsterInstance) -> None:
    backfill = scene.ui.backfill(["st_0_clean", "st_0_dirty", "st_0_refused"], [BRONZE, SILVER])
    scene.wait(lambda: scene.ui.backfill_status(backfill) not in {"REQUESTED", "CANCELING"}, "end of the backfill")
    assert scene.ui.backfill_status(backfill) == "COMPLETED_SUCCESS"


def _read_one_again(scene: Scene, instance: dg.DagsterInstance) -> None:
    """As *Materialize* does: with every check of the assets."""
    checks = [(SILVER, name) for name in scene.ui.checks(SILVER)]
    run = scene.ui.launch(assets=[BRONZE, SILVER], checks=checks, partition="st_1_dirty")
    assert scene.finish(run, instance).is_success


def _take_a_file_in_by_hand(scene: Scene, instance: dg.DagsterInstance) -> None:
    """The sensor may take it, too. Then one of the two finds it done."""
    delivery = {"bucket": scene.stack.resources.bucket, "key": scene.put("st_by_hand", FILES["dirty"])}
    config = {"ops": {"ingest": {"config": {"deliveries": [delivery]}}}}
    scene.expected["st_by_hand"] = FAILURES["dirty"]
    run = scene.ui.launch("s3_data_quality_job", config=config)
    assert scene.finish(run, instance).is_success
    scene.wait_until_shown()


def _execute_checks(scene: Scene, instance: dg.DagsterInstance) -> None:
    before = _objects(scene)
    one = scene.ui.launch(checks=[(SILVER, "size__type")], partition="st_1_dirty")
    assert scene.finish(one, instance).is_success
    assert scene.is_as_expected()
    latest = {name: check.latest for name, check in scene.ui.checks(SILVER).items()}
    every = scene.ui.launch(checks=[(SILVER, name) for name in latest])
    assert scene.finish(every, instance).is_success
    assert {name: check.latest for name, check in scene.ui.checks(SILVER).items()} == latest
    messages = [entry.user_message for entry in instance.all_logs(every)]
    assert [message for message in messages if message.startswith("Nothing was evaluated")]
    assert _objects(scene) == before


def _kill_a_run(scene: Scene, instance: dg.DagsterInstance) -> None:
    """The run of a partition is killed while it works, with all checks planned."""
    scene.send({"st_held": "held"})
    scene.wait_until_shown()
    (scene.marks / "go").unlink()
    seen = set(scene.marks.glob("waiting-*"))
    checks = [(SILVER, name) for name in scene.ui.checks(SILVER)]
    run = scene.ui.launch(assets=[BRONZE, SILVER], checks=checks, partition="st_held")
    scene.wait(lambda: bool(set(scene.marks.glob("waiting-*")) - seen), "a hook that waits")
    (mark,) = set(scene.marks.glob("waiting-*")) - seen
    os.kill(int(mark.name.split("-")[1]), signal.SIGKILL)
    assert not scene.finish(run, instance).is_success


def _objects(scene: Scene) -> dict[str, Any]:
    listed = scene.aws.s3.list_objects_v2(Bucket=scene.stack.resources.bucket)
    return {item["Key"]: item["ETag"] for item in listed["Contents"]}
