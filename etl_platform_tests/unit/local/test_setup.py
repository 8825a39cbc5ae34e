"""``make setup``: its steps, and the one line with which it ends if something is missing. Nothing is downloaded.

What uv and pip print here is what they printed, in a namespace without a network and on a full disk.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from etl_platform_tests.unit.making import PROJECT

NO_NETWORK = """\
Resolved 181 packages in 8ms
error: Failed to download `httpx==0.28.1`
  cause: Request failed after 3 retries in 3.7s
  cause: error sending request for url (https://files.pythonhosted.org/packages/httpx-0.28.1-py3-none-any.whl)
  cause: client error (Connect)
  cause: dns error
  cause: failed to lookup address information: Temporary failure in name resolution
"""
NO_PROXY = """\
error: Failed to download `jsonschema==4.26.0`
  cause: client error (Connect)
  cause: tunnel error: failed to create underlying connection
  cause: tcp connect error
  cause: Connection refused (os error 111)
"""
FULL_DISK = """\
 Downloaded polars-runtime-32
error: Failed to install: pydantic_core-2.50.4-cp311-cp311-manylinux2014_x86_64.whl (pydantic-core==2.50.4)
  cause: failed to copy file from /cache/a to /here/.tmpafobPB: No space left on device (os error 28)
"""
COMPANY_PROXY = """\
error: Failed to fetch: `https://pypi.org/simple/httpx/`
  cause: client error (Connect)
  cause: invalid peer certificate: UnknownIssuer
"""
FOREIGN_FILES = "error: failed to remove directory `/here/.venv`: Permission denied (os error 13)\n"
OTHER_LOCK = "error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided.\n"
UNKNOWN = "error: Something of a kind that nobody has met\n"
PIP_OFFLINE = """\
WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError': /simple/uv/
ERROR: Could not find a version that satisfies the requirement uv==0.13.9 (from versions: none)
ERROR: No matching distribution found for uv==0.13.9
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    script = tmp_path / "infra" / "local" / "setup.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(PROJECT / "infra" / "local" / "setup.sh", script)
    stand_in(tmp_path, "python3", f'exec {sys.executable} "$@"')
    return tmp_path


def stand_in(checkout: Path, name: str, body: str) -> None:
    """A program that is found before those of the machine."""
    program = checkout / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    program.chmod(0o755)


def prints(text: str, code: int) -> str:
    return f"cat >&2 <<'END'\n{text}END\nexit {code}"


def setup(checkout: Path, part: str = "platform", **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {"PATH": f"{checkout}/bin:/usr/bin:/bin", "UV_VERSION": "0.13.9", **environment}
    program = [checkout / "infra" / "local" / "setup.sh", part]
    return subprocess.run(program, env=settings, capture_output=True, text=True, timeout=60, check=False)


def problem(checkout: Path, part: str = "platform", **environment: str) -> str:
    """The one line of a failure."""
    done = setup(checkout, part, **environment)
    assert done.returncode == 1, done.stdout
    (line,) = done.stderr.splitlines()
    return line


def test_each_step_says_what_it_installs_and_downloads_are_shown(checkout: Path) -> None:
    progress = "Resolved 181 packages in 8ms\nDownloading polars-runtime-32 (51.4MiB)\n + polars==2.1.0\n"
    stand_in(checkout, "uv", prints(progress, 0))
    done = setup(checkout)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first.startswith("make setup: step 2 of 3: platform and tools into .venv (about ")
    assert second == "Downloading polars-runtime-32 (51.4MiB)"
    done = setup(checkout, "emulator")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("make setup: step 3 of 3: AWS emulator into .emulator (about ")


@pytest.mark.parametrize(
    ("printed", "line"),
    [
        (NO_NETWORK, "the package index cannot be reached (failed to lookup address information: Temporary failure in"),
        (NO_PROXY, "the package index cannot be reached (Connection refused (os error 111)); check the network"),
        (FULL_DISK, "the disk of "),
        (
            COMPANY_PROXY,
            "the certificate of the package index is not trusted (invalid peer certificate: UnknownIssuer)",
        ),
        (FOREIGN_FILES, "a file cannot be written (failed to remove directory `/here/.venv`: Permission denied"),
        (OTHER_LOCK, "uv.lock does not fit pyproject.toml"),
        (UNKNOWN, "this step failed: Something of a kind that nobody has met"),
    ],
)
@pytest.mark.parametrize("part", ["platform", "emulator"])
def test_a_step_that_fails_ends_with_its_cause(checkout: Path, part: str, printed: str, line: str) -> None:
    stand_in(checkout, "uv", prints(printed, 2))
    assert problem(checkout, part).startswith(f"make setup: {line}")


def test_a_python_that_is_missing_too_old_or_broken_is_named(checkout: Path) -> None:
    assert problem(checkout, PYTHON="python9").startswith(
        "make setup: there is no python9; install Python 3.11 or newer"
    )
    stand_in(checkout, "python3", 'case "$2" in *print*) echo 3.9 ;; *) exit 1 ;; esac')
    assert problem(checkout).startswith("make setup: python3 is Python 3.9, and 3.11 or newer is needed; install it")
    stand_in(checkout, "python3", "echo 'pyenv: python3: command not found' >&2; exit 127")
    assert problem(checkout).startswith("make setup: python3 does not start: pyenv: python3: command not found; name")


def test_without_uv_a_python_without_venv_or_without_network_is_named(checkout: Path) -> None:
    without_venv = f'case "$*" in *ensurepip*) exit 1 ;; *) exec {sys.executable} "$@" ;; esac'
    stand_in(checkout, "python3", without_venv)
    assert problem(checkout) == (
        "make setup: python3 has no module venv; install it (Debian and Ubuntu: apt-get install python3-venv), "
        "or install uv"
    )
    pip = prints(PIP_OFFLINE, 1).replace("'", "'\\''")
    makes_environment = f"mkdir -p .venv/bin; printf '%s' '#!/bin/sh\n{pip}' > .venv/bin/pip; chmod +x .venv/bin/pip"
    is_venv = f'case "$*" in "-m venv .venv") {makes_environment} ;; *) exec {sys.executable} "$@" ;; esac'
    stand_in(checkout, "python3", is_venv)
    done = setup(checkout)
    assert done.returncode == 1
    assert done.stdout.startswith("make setup: step 1 of 3: uv 0.13.9")
    assert done.stderr.startswith("make setup: the package index cannot be reached (No matching distribution found for")


def test_a_disk_with_too_little_room_is_found_before_anything_is_downloaded(checkout: Path) -> None:
    stand_in(checkout, "df", "echo 'Filesystem 1024-blocks Used Available'; echo '/dev/vda 1000000 600000 400000'")
    assert problem(checkout) == (
        f"make setup: 1500 MB are needed in {checkout}, and 390 MB are free; "
        "make room, or move the folder to another disk"
    )


def test_the_makefile_names_the_version_of_uv_and_the_interpreter(checkout: Path) -> None:
    shutil.copy(PROJECT / "Makefile", checkout)
    for name in ("pyproject.toml", "uv.lock"):
        (checkout / name).touch()
    environment = {"PATH": f"{checkout}/bin:/usr/bin:/bin", "HOME": str(checkout)}
    done = subprocess.run(
        ["make", "setup", "PYTHON=python9"], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("make setup: there is no python9; install Python 3.11 or newer")
