"""The import rules of pyproject.toml, tried on a copy of the package with one stray module at a time."""

import ast
import json
import os
import pkgutil
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import dagster
import pytest

from etl_platform_tests.unit.making import PROJECT

BIN = Path(sys.executable).parent
PACKAGE = PROJECT / "etl_platform"
LAYERS = "layers: each imports only what stands below it"
ENGINE_LAYERS = "layers of the engine"
DAGSTER = "Dagster lives in defs"
OUTSIDE = "only these modules reach outside: AWS, network, database, clock, environment"
SAME_SUBJECT = {
    "api_ingestion": {"cli/jobs", "defs"},
    "attachments": {"cli/jobs", "defs"},
    "check": {"cli", "engine"},
    "daily_counts": {"defs/operations", "deliveries"},
    "doctor": {".", "cli"},
    "email_archive": {"cli/jobs", "defs"},
    "employment_history": {"cli/jobs", "defs"},
    "erase": {"cli", "deliveries/erasure"},
    "errors": {".", "engine"},
    "expected_files": {"defs/checks", "deliveries/reconcile"},
    "history": {"cli", "deliveries"},
    "ignored_files": {"defs/intake", "deliveries"},
    "intake": {"cli/jobs", "deliveries"},
    "overview": {"cli", "defs/operations"},
    "overview_page": {"defs/operations", "gateway"},
    "quarantine": {"cli", "deliveries/replay"},
    "reconcile": {"cli", "deliveries/reconcile"},
    "retention": {"cli/jobs", "defs/operations", "deliveries/erasure", "engine/contract"},
    "stuck": {"cli", "deliveries"},
}
"""Names that several modules have, with their folders: each is one subject, once in each layer."""


class Copy:
    """A copy of the package and its rules, to which a test may add a module."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(PACKAGE, root / "etl_platform", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(PROJECT / "pyproject.toml", root)
        self.added: list[Path] = []

    def add(self, module: str, text: str) -> None:
        path = self.root / "etl_platform" / module
        assert not path.exists(), f"{module} exists, so it is not a stray module"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        self.added.append(path)

    def broken_contracts(self) -> list[str]:
        """Names of the contracts that lint-imports reports as broken."""
        done = subprocess.run(
            [BIN / "lint-imports", "--no-logo"],
            cwd=self.root,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            capture_output=True,
            text=True,
            check=False,
        )
        broken = [line.split(" BROKEN")[0] for line in done.stdout.splitlines() if " BROKEN" in line]
        assert bool(broken) == (done.returncode != 0), done.stdout + done.stderr
        return broken


@pytest.fixture(scope="module")
def one_copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copy"))


@pytest.fixture
def copy(one_copy: Copy) -> Iterator[Copy]:
    yield one_copy
    while one_copy.added:
        one_copy.added.pop().unlink()


def test_the_package_as_it_is_keeps_every_import_rule(copy: Copy) -> None:
    assert copy.broken_contracts() == []


@pytest.mark.parametrize(
    ("module", "text", "contract"),
    [
        ("stray.py", "", LAYERS),
        ("stray/__init__.py", "", LAYERS),
        ("engine/stray.py", "", ENGINE_LAYERS),
        ("engine/rules/stray.py", "import etl_platform.settings\n", LAYERS),
        ("deliveries/stray.py", "import etl_platform.defs.datasets.partitions\n", LAYERS),
        ("deliveries/stray.py", "import dagster\n", DAGSTER),
        ("engine/reading/stray.py", "import dagster\n", DAGSTER),
        ("cli/stray.py", "from dagster import DagsterInstance\n", DAGSTER),
        ("deliveries/stray.py", "import boto3\n", OUTSIDE),
        ("deliveries/reconcile/stray.py", "from time import time\n", OUTSIDE),
        ("engine/rules/stray.py", "import random\n", OUTSIDE),
        ("emails/stray.py", "import os\n", OUTSIDE),
        ("attachments/stray.py", "import socket\n", OUTSIDE),
        ("deliveries/stray.py", "def fetch() -> None:\n    import httpx\n", OUTSIDE),
    ],
)
def test_a_stray_module_breaks_the_rule_that_it_violates(copy: Copy, module: str, text: str, contract: str) -> None:
    copy.add(module, text)
    assert contract in copy.broken_contracts()


CLOCK = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
READ_THE_CLOCK = {
    "cli",
    "defs",
    "doctor.py",
    "gateway",
    "local",
    "engine/check_contracts.py",
    "engine/web_check/local_server.py",
    "platform.py",
}
IMPORT_BY_NAME = {"__import__", "import_module", "importlib.import_module"}


def _used(text: str, names: set[str]) -> set[str]:
    """Which of these names a module uses, also as the end of a longer one such as ``datetime.datetime.now``."""
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute | ast.Name))
    used = {ast.unparse(node) for node in nodes}
    return {name for name in names if any(f".{found}".endswith(f".{name}") for found in used)}


def _users(names: set[str]) -> set[str]:
    paths = {path.relative_to(PACKAGE): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
    return {path.as_posix() for path, text in paths.items() if _used(text, names)}


def test_only_edges_read_the_clock_through_datetime_which_no_import_shows() -> None:
    assert _used("import datetime\n\nAT = datetime.datetime.now(datetime.UTC)\n", CLOCK) == {"datetime.now"}
    assert {name for name in _users(CLOCK) if not {name, name.split("/")[0]} & READ_THE_CLOCK} == set()


def test_only_hooks_are_imported_by_a_name_that_import_rules_do_not_see() -> None:
    assert _used("from importlib import import_module\n\nimport_module('boto3')\n", IMPORT_BY_NAME)
    assert _users(IMPORT_BY_NAME) == {"engine/rules/hook.py"}


def _ruff(path: str, text: str) -> set[str]:
    """Codes of ruff's findings in a file of this path with this text."""
    done = subprocess.run(
        [BIN / "ruff", "check", "--output-format", "json", "--stdin-filename", PROJECT / path, "-"],
        input=text,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    return {finding["code"] for finding in json.loads(done.stdout)}


@pytest.mark.parametrize(
    "text",
    ["from dagster._core.errors import DagsterError\n", "import dagster as dg\n\nprint(dg._check)\n"],
    ids=["import", "attribute"],
)
def test_private_parts_of_dagster_are_refused_outside_their_module(text: str) -> None:
    assert "TID251" in _ruff("etl_platform/defs/stray.py", text)
    assert "TID251" not in _ruff("etl_platform/defs/dagster_internals.py", text)


def test_every_private_module_of_the_installed_dagster_is_refused() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]
    banned = set(settings["flake8-tidy-imports"]["banned-api"])
    private = {f"dagster.{module.name}" for module in pkgutil.iter_modules(dagster.__path__) if module.name[0] == "_"}
    assert private - {"dagster.__main__"} <= banned, "add what is missing to banned-api in pyproject.toml"


def test_a_folder_without_init_is_refused_because_import_rules_would_not_see_it() -> None:
    assert "INP001" in _ruff("etl_platform/stray/module.py", "")
    assert "INP001" not in _ruff("etl_platform/defs/assets/example.py", ""), "as dg scaffolds it"


def test_modules_share_a_name_only_if_they_are_about_one_subject() -> None:
    folders: dict[str, list[str]] = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        if path.stem not in {"__init__", "__main__"}:
            folders[path.stem].append(path.parent.relative_to(PACKAGE).as_posix())
    assert {name: set(found) for name, found in folders.items() if len(found) > 1} == SAME_SUBJECT


def test_modules_that_share_a_name_are_in_different_rooms() -> None:
    rooms = {name: {folder.split("/")[0] for folder in folders} for name, folders in SAME_SUBJECT.items()}
    assert {name: len(found) for name, found in rooms.items()} == {name: len(SAME_SUBJECT[name]) for name in rooms}


def test_the_root_holds_at_most_ten_modules() -> None:
    modules = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
    assert len(modules) <= 10, f"move one of {modules} into the package of its subject"
