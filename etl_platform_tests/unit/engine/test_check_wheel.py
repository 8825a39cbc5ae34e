"""The small distribution ``etl-platform-check``: what it contains, and that it decides as the platform does.

The slow tests install it into a fresh environment, for which they need the package index.
"""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from openpyxl import Workbook

from etl_platform_tests.unit.making import CONTRACTS, PROJECT, contract_data, custom, text, typed

PACKAGING = PROJECT / "packaging" / "etl-platform-check"
UV = Path(sys.executable).with_name("uv")
HEADER = ("officer_id", "last_name", "first_name", "hire_date", "dob", "employment_status")
installs_packages = pytest.mark.slow(reason="it installs packages from the index into a fresh environment")
# One worker, so that the wheel is built and installed once.
pytestmark = pytest.mark.xdist_group("check wheel")
ROWS = (
    ("A1", "Doe", "Jo", "2001-02-03", "1970-01-01", "ACTIVE"),
    ("A2", "Roe", "Al", "2001-99-03", "1971-01-01", "ACTIVE"),
    ("A2", "Poe", "Em", "2001-02-03", "1972-01-01", "GONE"),
)


def test_every_import_of_the_engine_is_a_dependency_of_the_small_distribution() -> None:
    hook = tomllib.loads((PACKAGING / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["metadata"]["hooks"]
    distributions = packages_distributions()
    imported = {
        distribution.lower().replace("_", "-")
        for path in (PROJECT / "etl_platform" / "engine").rglob("*.py")
        for name in _imports(path)
        if name not in sys.stdlib_module_names and name != "etl_platform"
        for distribution in distributions[name]
    }
    # Its JSON schema is read from the installed package, which is never imported.
    data_only = {"open-data-contract-standard"}
    assert imported | data_only == {*hook["custom"]["dependencies"], *hook["custom"]["pandas"]}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).partition(".")[0])
    return names


def test_the_recipe_for_windows_and_macos_has_the_same_pyinstaller_as_the_lock() -> None:
    groups = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    page = (PROJECT / "docs" / "onboard" / "hand-out-the-check.md").read_text("utf-8")
    assert re.findall(r'"(pyinstaller[^"]*)"', page) == groups["executable"]


def build(folder: Path, contracts: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [UV, "build", "--wheel", "--no-build-isolation", "--offline", "--quiet", "--out-dir", folder]
    environment = {name: value for name, value in os.environ.items() if name != "CONTRACTS_DIR"}
    if contracts:
        environment["CONTRACTS_DIR"] = str(contracts)
    command += ["--python", sys.executable, PACKAGING]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment with the wheel, made as the page for senders says."""
    folder = tmp_path_factory.mktemp("fresh")
    (folder / wheel.name).symlink_to(wheel)
    page = (PROJECT / "docs" / "send" / "install.md").read_text("utf-8")
    (lines,) = re.findall(r"^On macOS and Linux:\n\n```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    write_csv(folder / "Officer_Detail.csv", (HEADER, *ROWS))
    # Without the folder of this environment, whose python3 has the platform.
    path = os.pathsep.join([str(Path(sys.base_prefix) / "bin"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", lines],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ACCEPTED" in done.stdout
    return folder / "check" / "bin"


def test_it_has_the_contracts_of_an_installation_and_nothing_else_of_their_folder(tmp_path: Path) -> None:
    folder = tmp_path / "contracts of us"
    kept = ("a.odcs.yaml", "references/codes.csv", "agencies/nm_albuquerque/a.yaml")
    left_out = (
        "contacts.yaml",
        ".env",
        "a.odcs.yaml.orig",
        "references/codes.csv~",
        ".git/a.odcs.yaml",
        "notes/b.odcs.yaml",
    )
    for name in (*kept, *left_out):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x", "utf-8")
    assert build(tmp_path / "dist", folder).returncode == 0
    (built,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        shipped = {name.partition("/shipped/contracts/")[2] for name in archive.namelist()} - {""}
    assert shipped == set(kept)


def test_a_folder_without_contracts_is_not_built_into_a_wheel(tmp_path: Path) -> None:
    assert build(tmp_path, tmp_path / "nowhere").returncode != 0
    assert list(tmp_path.glob("*.whl")) == []


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Without this checkout on the path, and without settings."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "CONTRACTS_DIR"}}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def platform(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-P", "-m", "etl_platform", *arguments, folder=folder)


def test_it_shares_no_file_with_the_platform_so_that_both_can_be_installed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"etl_platform_check"}
    found = (path for path in (PROJECT / "etl_platform" / "engine").rglob("*.*") if path.suffix != ".pyc")
    engine = {str(path.relative_to(PROJECT / "etl_platform")) for path in found}
    assert {path for path in engine if not path.endswith(".py")}, "the templates of pages"
    assert engine <= {name.removeprefix("etl_platform_check/") for name in names}


@installs_packages
def test_a_fresh_environment_has_no_aws_no_dagster_and_no_database(scripts: Path, tmp_path: Path) -> None:
    listed = subprocess.run(
        [UV, "pip", "list", "--format", "json", "--python", scripts / "python"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {entry["name"] for entry in json.loads(listed.stdout)}
    assert {"etl-platform-check", "polars"} <= names
    assert names.isdisjoint({"etl-platform", "boto3", "dagster", "obstore", "pandas", "sqlalchemy"})


def write_csv(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    path.write_text("".join(",".join(row) + "\n" for row in rows), "utf-8")
    return path


def write_workbook(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


@installs_packages
@pytest.mark.parametrize(
    ("name", "rows", "code"),
    [
        ("Officer_Detail.csv", (HEADER, *ROWS), 0),
        ("Officer_Detail.csv", (HEADER[1:], *(row[1:] for row in ROWS)), 1),
        ("Officer_Detail.xlsx", (HEADER, *ROWS), 0),
    ],
)
def test_it_gives_the_report_the_files_and_the_text_of_the_platform(
    scripts: Path, tmp_path: Path, name: str, rows: Sequence[Sequence[str]], code: int
) -> None:
    file = (write_workbook if name.endswith(".xlsx") else write_csv)(tmp_path / name, rows)
    small = run(scripts / "etl-platform-check", "file", file, "--out", "small", folder=tmp_path)
    full = platform("check", file, "--out", "full", folder=tmp_path)
    assert (small.returncode, full.returncode) == (code, code), small.stderr + full.stderr
    assert small.stdout == full.stdout
    written = sorted(path.name for path in (tmp_path / "full").iterdir())
    assert sorted(path.name for path in (tmp_path / "small").iterdir()) == written
    for result in written:
        one, other = (without_time((tmp_path / folder / result).read_bytes()) for folder in ("small", "full"))
        assert one == other, result
    for program, page in ((scripts / "etl-platform-check", "small.html"), (None, "full.html")):
        arguments = ("file" if program else "check", file, "--html", page)
        run(program, *arguments, folder=tmp_path) if program else platform(*arguments, folder=tmp_path)
    one, other = (without_time((tmp_path / page).read_bytes()) for page in ("small.html", "full.html"))
    assert one == other
    assert b"<h2" in one


def without_time(content: bytes) -> bytes:
    """Without the time of the check."""
    return re.sub(rb'"checked_at": "[^"]*"|\d\d:\d\d UTC', b"", content)


@installs_packages
def test_it_checks_contracts_as_the_platform_does(scripts: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.odcs.yaml"
    broken.write_text((CONTRACTS / "training.odcs.yaml").read_text("utf-8").replace("v3.2.0", "v9"), "utf-8")
    for path, code in ((CONTRACTS, 0), (broken, 2)):
        small = run(scripts / "etl-platform-check", "contract", path, folder=tmp_path)
        full = platform("contract", "check", path, folder=tmp_path)
        assert (small.returncode, small.stdout, small.stderr) == (code, full.stdout, full.stderr)


@installs_packages
def test_a_hook_over_pandas_names_what_to_install(scripts: Path, tmp_path: Path) -> None:
    computed = typed("b", "integer", customProperties=custom(computed=True))
    contract = contract_data([text("a"), computed], customs=custom(transform="mine:hook", transformFrame="pandas"))
    path = tmp_path / "things.odcs.yaml"
    path.write_text(json.dumps(contract), "utf-8")
    done = run(scripts / "etl-platform-check", "contract", path, folder=tmp_path)
    assert done.returncode == 2
    assert "pandas is not installed; run: pip install pandas" in done.stderr
