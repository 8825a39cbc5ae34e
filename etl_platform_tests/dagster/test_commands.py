"""Dagster's own commands against the project's workspace, as people type them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import yaml

from etl_platform.local.stack import QUIET
from etl_platform_tests.integration.deliveries import as_csv, officers

# The commands build on what the first of them leaves, so one worker runs them.
pytestmark = pytest.mark.xdist_group("dagster commands")
PROJECT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
AGENCY = "nm_albuquerque"


@dataclass(frozen=True)
class Desk:
    """A person's terminal in the project: a DAGSTER_HOME with the project's dagster.yaml, a local root."""

    home: Path
    root: Path

    @property
    def config(self) -> Path:
        return self.home.parent / "run.yaml"

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        environment = {
            **kept,
            "PATH": f"{BIN}{os.pathsep}{os.defpath}",
            "DAGSTER_HOME": str(self.home),
            "LOCAL_S3_ROOT": str(self.root),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "COLUMNS": "200",
            "PYTHONWARNINGS": QUIET,
        }
        program, *arguments = command
        return subprocess.run(
            [BIN / program, *arguments],
            env=environment,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def materialized(self, *path: str) -> Sequence[dg.EventLogRecord]:
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            return instance.fetch_materializations(dg.AssetKey(path), limit=10).records


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    home, root = folder / "home", folder / "root"
    home.mkdir()
    shutil.copyfile(PROJECT / "dagster.yaml", home / "dagster.yaml")
    return Desk(home, root)


@pytest.fixture(scope="module")
def executed(desk: Desk) -> subprocess.CompletedProcess[str]:
    """``dagster job execute`` of one delivery, as the README shows it."""
    key = f"from_client/{AGENCY}/Officer_Detail.csv"
    (desk.root / key).parent.mkdir(parents=True)
    (desk.root / key).write_bytes(as_csv(officers("A", 6, bad=2)))
    deliveries = [{"bucket": "local", "key": key}]
    desk.config.write_text(yaml.safe_dump({"ops": {"ingest": {"config": {"deliveries": deliveries}}}}))
    return desk.run(
        "dagster", "job", "execute", "-m", "etl_platform.definitions", "-j", "s3_data_quality_job", "-c", desk.config
    )


def test_dagster_job_execute_takes_a_delivery_in(desk: Desk, executed: subprocess.CompletedProcess[str]) -> None:
    assert executed.returncode == 0, executed.stderr[-3_000:]
    (done,) = [line for line in executed.stderr.splitlines() if '"message": "delivery done"' in line]
    assert json.loads(done)["outcome"] == "accepted"
    *_, oldest = desk.materialized("silver", "officer_detail")
    assert oldest.partition_key == AGENCY
    assert len(list((desk.root / "silver").rglob("*.parquet"))) == 1
    assert len(list((desk.root / "quarantine").rglob("*.parquet"))) == 1


def test_dagster_job_execute_prints_only_log_lines(executed: subprocess.CompletedProcess[str]) -> None:
    """No warning of Dagster that it prefers ``dg``, which a deployment does not have."""
    assert executed.stdout == ""
    assert [line for line in executed.stderr.splitlines() if not line.startswith('{"time": ')] == []


def test_the_image_hides_dagsters_warnings_as_the_local_stack_does() -> None:
    assert f"PYTHONWARNINGS={QUIET}" in (PROJECT / "Dockerfile").read_text("utf-8")


def test_dg_launch_reads_a_partition_again(desk: Desk, executed: subprocess.CompletedProcess[str]) -> None:
    assert executed.returncode == 0, executed.stderr[-3_000:]
    before = len(desk.materialized("silver", "officer_detail"))
    chosen = "key:bronze/officer_detail or key:silver/officer_detail"

    done = desk.run("dg", "launch", "--assets", chosen, "--partition", AGENCY)

    assert done.returncode == 0, done.stderr[-3_000:]
    assert "Warning" not in done.stderr
    newest, *older = desk.materialized("silver", "officer_detail")
    assert len(older) == before
    assert newest.partition_key == AGENCY
    reports = list((desk.root / "reports" / "officer_detail").rglob("*.json"))
    assert len(reports) == 2, "the first one and that of the reprocessing"


def test_dg_launch_takes_a_delivery_in_a_second_time(desk: Desk, executed: subprocess.CompletedProcess[str]) -> None:
    assert executed.returncode == 0, executed.stderr[-3_000:]

    done = desk.run("dg", "launch", "--job", "s3_data_quality_job", "--config", str(desk.config))

    assert done.returncode == 0, done.stderr[-3_000:]
    assert "1 delivery: 1 duplicate" in done.stderr


def test_dg_list_defs_lists_every_asset_check_job_and_sensor(desk: Desk) -> None:
    done = desk.run("dg", "list", "defs", "--json")

    assert done.returncode == 0, done.stderr[-3_000:]
    found = json.loads(done.stdout)
    names = json.dumps(found)
    for name in ("silver/officer_detail", "bronze/training", "s3_data_quality_job", "file_arrivals_sensor"):
        assert name in names
    assert "file_is_readable_and_complete" in names


def test_dg_check_defs_accepts_the_project(desk: Desk) -> None:
    done = desk.run("dg", "check", "defs")

    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]


def test_dg_check_toml_accepts_the_project(desk: Desk) -> None:
    done = desk.run("dg", "check", "toml")

    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
