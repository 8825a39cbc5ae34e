"""The one-file executable for senders, run where there is nothing besides glibc and zlib: no Python, no network."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from etl_platform.local.samples import build_samples
from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.tools import tool
from etl_platform_tests.unit.making import contract_data, custom, text, typed

_BUILD_WITHIN_S, _RUN_WITHIN_S = 900, 180
_LIBRARIES = ("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libz.so.1")
_MOST_MB = 130


@pytest.fixture(scope="module")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contracts of an installation that is not this checkout, with what must not reach senders."""
    folder = tmp_path_factory.mktemp("an installation") / "contracts"
    shutil.copytree(REPOSITORY / "contracts", folder)
    (folder / "use_of_force.odcs.yaml").unlink()
    (folder / "contacts.yaml").write_text("contacts: []\n", "utf-8")
    computed = typed("length", "integer", customProperties=custom(computed=True))
    things = contract_data([text("name"), computed], customs=custom(transform="installation_hooks:add"))
    (folder / "things.odcs.yaml").write_text(json.dumps(things), "utf-8")
    hook = (
        'import polars as pl\n\ndef add(frame):\n    return frame.with_columns(length=pl.col("name").str.len_chars())\n'
    )
    (folder.parent / "installation_hooks.py").write_text(hook, "utf-8")
    return folder


@pytest.fixture(scope="module")
def root(contracts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder with the executable, the C library and samples, and with no other program."""
    built, root = tmp_path_factory.mktemp("built here"), tmp_path_factory.mktemp("root")
    done = subprocess.run(
        ["make", "check-executable", f"DIST={built}"],
        cwd=REPOSITORY,
        env=os.environ | {"CONTRACTS_DIR": str(contracts), "PYTHONPATH": str(contracts.parent)},
        capture_output=True,
        text=True,
        timeout=_BUILD_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copy(built / "etl-platform-check", root)
    for library in _places(root / "etl-platform-check"):
        target = root / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    (root / "tmp").mkdir()
    # Semaphores of processes that share work.
    (root / "dev" / "shm").mkdir(parents=True)
    for sample in build_samples():
        if sample.dataset == "officer_detail" and sample.outcome in {"accepted", "rejected"}:
            path = root / sample.outcome / Path(sample.key).name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(sample.content)
    return root


def _places(program: Path) -> Iterator[Path]:
    """The dynamic loader and the libraries of this machine."""
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    found = [Path(path) for path in re.findall(r"/\S+", linked) if Path(path) != program]
    yield from found
    (libc,) = (path for path in found if path.name == "libc.so.6")
    yield from (libc.with_name(name) for name in _LIBRARIES if libc.with_name(name).exists())


def command(root: Path, *arguments: str) -> list[str]:
    # In a network namespace of its own there is no interface that is up.
    return [tool("unshare"), "--net", tool("chroot"), str(root), "/etl-platform-check", *arguments]


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(root, *arguments), env={}, capture_output=True, text=True, timeout=_RUN_WITHIN_S, check=False
    )


def test_it_names_its_version_and_the_contracts_of_the_installation(root: Path) -> None:
    done = run(root, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    first, *datasets = done.stdout.splitlines()
    assert first == f"etl-platform-check {version('etl-platform')}"
    assert [line.split()[0] for line in datasets] == [
        "complaints",
        "employment_history",
        "officer_detail",
        "things",
        "traffic_stops",
        "training",
    ]


def test_its_help_has_an_example_and_the_exit_codes(root: Path) -> None:
    done = run(root, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "etl-platform-check file Officer_Detail.csv" in done.stdout
    assert "exit codes: 0" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "first"),
    [
        (("file", "/accepted/Officer_Detail.csv"), 0, "ACCEPTED  Officer_Detail.csv as officer_detail"),
        (("file", "/rejected/Officer_Detail.csv"), 1, "REJECTED  Officer_Detail.csv as officer_detail"),
        (("file", "/accepted/Use_Of_Force.csv"), 2, "etl-platform-check: /accepted/Use_Of_Force.csv does not exist"),
        (("contract", "/accepted"), 2, "etl-platform-check: /accepted has no *.odcs.yaml"),
    ],
)
def test_its_exit_codes_are_those_of_the_wheel(root: Path, arguments: tuple[str, ...], code: int, first: str) -> None:
    done = run(root, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert (done.stdout or done.stderr).startswith(first)


def test_it_has_the_hooks_of_the_contracts(root: Path) -> None:
    (root / "tmp" / "Things.csv").write_text("name\nabc\n", "utf-8")
    done = run(root, "file", "/tmp/Things.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 good, 0 quarantined" in done.stdout


def test_it_writes_page_workbook_and_results(root: Path) -> None:
    wanted = ("--out", "/tmp/out", "--html", "/tmp/verdict.html", "--xlsx", "/tmp/fix.xlsx")
    done = run(root, "file", "/accepted/Officer_Detail.csv", *wanted)
    assert (done.returncode, done.stderr) == (0, "")
    assert "<h2" in (root / "tmp" / "verdict.html").read_text("utf-8")
    assert (root / "tmp" / "fix.xlsx").read_bytes().startswith(b"PK")
    assert (root / "tmp" / "out" / "silver.parquet").read_bytes().startswith(b"PAR1")


def test_several_files_are_checked_in_other_processes(root: Path) -> None:
    done = run(root, "file", "/accepted", "/rejected")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr == ""
    assert "1 accepted, 1 rejected" in done.stdout


def test_the_lines_that_the_page_for_senders_has_for_linux_work(root: Path, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "send" / "install.md").read_text("utf-8")
    (lines,) = re.findall(r"^### On Linux\n\n```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for file in (root / "etl-platform-check", root / "accepted" / "Officer_Detail.csv"):
        shutil.copy(file, tmp_path)
    (tmp_path / "etl-platform-check").chmod(0o644)
    done = subprocess.run(
        ["bash", "-euc", lines], cwd=tmp_path, capture_output=True, text=True, timeout=_RUN_WITHIN_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ACCEPTED")


@pytest.fixture
def page_url(root: Path, tmp_path: Path) -> Iterator[str]:
    """The address that a double click opens in the browser, for which a program stands that writes what it gets."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(
        f'#!/bin/sh\necho "$1 ${{LD_LIBRARY_PATH-}}" > {opened}.part\nmv {opened}.part {opened}\n', "utf-8"
    )
    browser.chmod(0o755)
    environment = {"BROWSER": str(browser), "PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([root / "etl-platform-check"], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    while process.poll() is None and not opened.exists():
        time.sleep(0.01)
    url, _, library_path = opened.read_text("utf-8").strip().partition(" ")
    assert (url, library_path) == (first.split()[-1], "")
    yield url
    process.send_signal(signal.SIGINT)
    process.wait(_RUN_WITHIN_S)
    process.stdout.close()
    assert not list(tmp_path.glob("_MEI*"))


def test_a_double_click_opens_a_page_that_checks_a_file(root: Path, page_url: str) -> None:
    with urlopen(page_url, timeout=_RUN_WITHIN_S) as answer:
        assert "<form" in answer.read().decode()
    content = (root / "rejected" / "Officer_Detail.csv").read_bytes()
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="Officer_Detail.csv"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Origin": page_url.rstrip("/")}
    with urlopen(Request(page_url, head + content + b"\r\n--b--\r\n", headers), timeout=_RUN_WITHIN_S) as answer:
        (title,) = re.findall(r"<title>(.*?)</title>", answer.read().decode())
    assert title == "Rejected: Officer_Detail.csv"


def test_it_can_be_sent_by_a_file_service(root: Path) -> None:
    assert (root / "etl-platform-check").stat().st_size < _MOST_MB * 1_000_000
