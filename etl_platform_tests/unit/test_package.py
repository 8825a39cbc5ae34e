"""The package itself: what its import sets before any library is loaded, its version, its type marker."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from etl_platform_tests.unit.making import PROJECT


@pytest.mark.parametrize(("given", "last"), [(None, "narenas:1"), ("narenas:3", "narenas:3")])
def test_the_allocator_is_told_before_polars_is_there_and_the_operator_has_the_last_word(
    given: str | None, last: str
) -> None:
    script = (
        "import os, sys\nimport etl_platform\nassert 'polars' not in sys.modules\nimport polars\n"
        "arenas = [item for item in os.environ['_RJEM_MALLOC_CONF'].split(',') if 'narenas' in item]\n"
        "print(arenas, os.environ['OPENBLAS_NUM_THREADS'])"
    )
    ours = {"_RJEM_MALLOC_CONF", "OPENBLAS_NUM_THREADS"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    if given is not None:
        environment["_RJEM_MALLOC_CONF"] = given
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == [f"['{last}']", "1"]


def test_version_is_printed_without_loading_dagster_or_polars() -> None:
    script = (
        "import sys\nfrom etl_platform.cli.main import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'boto3', 'dagster', 'pandas', 'polars'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"etl-platform {_project_version()}\n"


def test_lock_chart_image_and_changelog_have_the_version_of_the_project() -> None:
    version = _project_version()
    chart = yaml.safe_load((PROJECT / "helm" / "etl-platform" / "Chart.yaml").read_text())
    locked = tomllib.loads((PROJECT / "uv.lock").read_text())["package"]

    assert [package["version"] for package in locked if package["name"] == "etl-platform"] == [version]
    assert (chart["version"], chart["appVersion"]) == (version, version)
    assert f"\nARG VERSION={version}\n" in (PROJECT / "Dockerfile").read_text()
    assert re.findall(r"^## \[(\d[^]]*)\]", (PROJECT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)[0] == version


def test_the_package_is_marked_as_typed() -> None:
    assert (PROJECT / "etl_platform" / "py.typed").is_file()


def _project_version() -> str:
    return str(tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"])


def test_importing_the_engine_starts_no_threads_of_polars() -> None:
    script = """
import os, pkgutil
import etl_platform.engine
for module in pkgutil.walk_packages(etl_platform.engine.__path__, "etl_platform.engine."):
    __import__(module.name)
names = [open(f"/proc/self/task/{thread}/comm").read().strip() for thread in os.listdir("/proc/self/task")]
print([name for name in names if name.startswith("polars-") and name[7:].isdigit()])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
