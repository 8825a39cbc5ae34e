"""The ``dg`` command in a copy of this project: what it scaffolds is part of the code location."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow(reason="every dg command loads the code location in a process of its own"),
    # One worker, so that the project is copied and listed once.
    pytest.mark.xdist_group("dg"),
]
PROJECT = Path(__file__).parents[2]
DG = Path(sys.executable).with_name("dg")
USE_SILVER = (PROJECT / "docs" / "extend" / "use-silver.md").read_text("utf-8")
GREETER = """import dagster as dg


class Greeter(dg.Component, dg.Model, dg.Resolvable):
    name: str

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        return dg.Definitions(assets=[dg.AssetSpec(self.name)])
"""


def start_dg(project: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    return subprocess.Popen(
        [DG, *arguments],
        cwd=project,
        env=environment | {"PYTHONPATH": str(project)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output_of(process: "subprocess.Popen[str]") -> str:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output + errors
    return output


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``dg list defs`` finds after an asset, a schedule, a sensor and a component were scaffolded."""
    project = tmp_path_factory.mktemp("project")
    for name in ("etl_platform", "contracts", "api_sources"):
        shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", project)
    commands = [
        ("dagster.asset", "assets/scaffolded_asset.py"),
        ("dagster.schedule", "scaffolded_schedule.py"),
        ("dagster.sensor", "scaffolded_sensor.py"),
        ("inline-component", "--typename", "Greeter", "greetings"),
    ]
    for process in [start_dg(project, "scaffold", "defs", *command) for command in commands]:
        output_of(process)
    defs = project / "etl_platform" / "defs"
    # The scaffolded schedule targets all assets, and one run cannot have several kinds of partitions.
    schedule = defs / "scaffolded_schedule.py"
    schedule.write_text(schedule.read_text().replace('target="*"', 'target="scaffolded_asset"'))
    (defs / "greetings" / "greeter.py").write_text(GREETER)
    component = defs / "greetings" / "defs.yaml"
    component.write_text(component.read_text().replace("attributes: {}", "attributes: {name: greeting}"))
    blocks = re.findall(r"^```python\n(.*?)^```$", USE_SILVER, re.MULTILINE | re.DOTALL)
    (example,) = (block for block in blocks if "def officers_per_rank" in block)
    (defs / "officers_per_rank.py").write_text(example)
    found: dict[str, Any] = json.loads(output_of(start_dg(project, "list", "defs", "--json")))
    return found


def names(listed: dict[str, Any], kind: str) -> set[str]:
    return {item.get("name") or item["asset_key"] for item in listed[kind]}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("assets", "scaffolded_asset"),
        ("schedules", "scaffolded_schedule"),
        ("sensors", "scaffolded_sensor"),
        ("assets", "greeting"),
        ("assets", "officers_per_rank"),
        ("sensors", "default_automation_condition_sensor"),
    ],
    ids=["asset", "schedule", "sensor", "component", "asset over silver", "sensor of its automation"],
)
def test_what_dg_scaffolds_is_in_the_code_location(listed: dict[str, Any], kind: str, name: str) -> None:
    assert name in names(listed, kind)


def test_the_platforms_own_definitions_are_still_there(listed: dict[str, Any]) -> None:
    assert names(listed, "assets") >= {"bronze/officer_detail", "silver/officer_detail", "email_archive"}
    assert "s3_data_quality_job" in names(listed, "jobs")
    assert {"file_arrivals_sensor", "email_arrivals_sensor"} < names(listed, "sensors")
