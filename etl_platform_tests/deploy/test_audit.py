"""make audit: what is printed about packages, and that it never passes without having looked."""

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.tools import tool

SCRIPT = REPOSITORY / "infra" / "deploy" / "audit.py"
SOUND: dict[str, Any] = {"name": "attrs", "version": "26.1.0", "vulns": []}
FLAWED: dict[str, Any] = {
    "name": "rsa",
    "version": "4.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["4.1", "4.2"]}, {"id": "PYSEC-2", "fix_versions": []}],
}
SKIPPED: dict[str, Any] = {"name": "polars", "skip_reason": "Dependency not found on PyPI"}


def verdict(*found: dict[str, Any]) -> tuple[int, list[str]]:
    answer: tuple[int, list[str]] = runpy.run_path(str(SCRIPT))["verdict"](found)
    return answer


def test_packages_without_a_known_vulnerability_pass() -> None:
    assert verdict(SOUND) == (0, ["no known vulnerability in 1 packages"])


def test_each_vulnerability_is_a_line_with_what_fixes_it() -> None:
    code, lines = verdict(SOUND, FLAWED)
    assert code == 1
    assert lines[:2] == ["rsa 4.0: PYSEC-1, fixed in 4.1, 4.2", "rsa 4.0: PYSEC-2, not fixed yet"]


def test_a_package_that_was_not_looked_up_does_not_pass() -> None:
    code, lines = verdict(SOUND, SKIPPED)
    assert code == 2
    assert lines[0].startswith("1 of 2 packages were not looked up, because the database does not have them: polars. ")
    assert verdict(FLAWED, SKIPPED)[1][0].startswith("rsa 4.0: PYSEC-1"), "what was found is said all the same"


def test_without_a_network_it_says_so_and_does_not_pass(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"attrs==26.1.0 --hash=sha256:{'0' * 64}\n")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:1"}

    program = [sys.executable, str(SCRIPT), str(requirements)]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("nothing was looked up, because pip-audit failed; is https://pypi.org reachable?")


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    done = subprocess.run([tool("hadolint"), REPOSITORY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
