"""The chart as `helm template` renders it here, with a stub in the place of the official dagster chart."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.tools import tool

CHART = REPOSITORY / "helm" / "etl-platform"
RELEASE, NAMESPACE = "etl-platform", "file-processing"
_STUB = Path(__file__).parent / "stub_chart"

Rendered = dict[str, Any]


def _default_kubernetes() -> str:
    variables = REPOSITORY / "infra" / "file_processing" / "terraform" / "variables.tf"
    found = re.search(r'variable "kubernetes_version" {[^}]+?default += "([0-9.]+)"', variables.read_text())
    assert found
    return f"{found[1]}.0"


KUBERNETES = _default_kubernetes()
"""The version that Terraform sets up by default."""


def copy_chart(folder: Path) -> Path:
    """A copy of the chart in ``folder`` that has its dependency: the stub."""
    chart = folder / "etl-platform"
    shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("charts", "Chart.lock"))
    shutil.copytree(_STUB, chart / "charts" / "dagster")
    return chart


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("helm"), *map(str, arguments)], capture_output=True, text=True, check=False)


def template(
    chart: Path, values: Sequence[Path] = (), settings: Mapping[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """``helm template`` of a copied chart; ``settings`` are values by their path."""
    options: list[str | Path] = []
    for path in values:
        options += ["--values", path]
    for name, value in (settings or {}).items():
        options += ["--set-json", f"{name}={json.dumps(value)}"]
    fixed = ("--namespace", NAMESPACE, "--kube-version", KUBERNETES)
    return helm("template", RELEASE, chart, *fixed, *options)


def objects(text: str) -> list[Rendered]:
    return [item for item in yaml.safe_load_all(text) if item]


def one(rendered: Sequence[Rendered], kind: str, name: str) -> Rendered:
    (found,) = [item for item in rendered if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def dagster_yaml(rendered: Sequence[Rendered]) -> str:
    """The instance's configuration, as every pod of Dagster finds it in its DAGSTER_HOME."""
    text: str = one(rendered, "ConfigMap", f"{RELEASE}-dagster-instance")["data"]["dagster.yaml"]
    return text
