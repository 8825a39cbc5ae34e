"""``make deploy-check``: everything about the deployment that needs no cluster, a line with its time for each check.

Every subject is a test file of this folder, run by a pytest of its own, some beside each other.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

_HERE = Path(__file__).parent
_AT_ONCE = 3
"""On two cores: the longest of them waits for most of its time."""
_LONG = ("terraform_apply", "image", "terraform_iam", "terraform")


@dataclass(frozen=True)
class Result:
    """What one subject's tests said; ``checks`` are the name and the seconds of each, and whether it passed."""

    subject: str
    seconds: float
    passed: bool
    checks: tuple[tuple[str, float, bool], ...]
    output: str

    def lines(self) -> Iterator[str]:
        for name, seconds, passed in self.checks:
            yield f"{'ok' if passed else 'FAILED':7}{seconds:7.1f} s  {self.subject}: {name}"
        if not self.passed:
            yield self.output


def main() -> int:
    parser = argparse.ArgumentParser(prog="make deploy-check ARGS=", description=__doc__)
    parser.add_argument("subject", nargs="*", help=f"{', '.join(_subjects())} [all]")
    chosen = parser.parse_args().subject or _subjects()
    if unknown := sorted(set(chosen) - set(_subjects())):
        parser.error(f"no subject {', '.join(unknown)}; there are {', '.join(_subjects())}")
    began = time.monotonic()
    results = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for future in as_completed([pool.submit(_run, subject) for subject in chosen]):
            results.append(future.result())
            print(*results[-1].lines(), sep="\n", flush=True)
    checks = sum(len(result.checks) for result in results)
    failed = [result.subject for result in results if not result.passed]
    ending = f"failed: {', '.join(failed)}" if failed else "all passed"
    print(f"{checks} checks of {len(results)} subjects in {time.monotonic() - began:.0f} s: {ending}")
    return 1 if failed else 0


def _subjects() -> list[str]:
    """The longest first, so that the short ones fill the gaps."""
    found = {path.stem.removeprefix("test_") for path in _HERE.glob("test_*.py")}
    return [*_LONG, *sorted(found - set(_LONG))]


def _run(subject: str) -> Result:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="etl-platform-deploy-") as folder:
        report = Path(folder) / "report.xml"
        program = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", str(_HERE / f"test_{subject}.py")]
        done = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        cases = ElementTree.parse(report).getroot().iter("testcase") if report.exists() else ()
        checks = tuple(_check(case) for case in cases)
    return Result(subject, time.monotonic() - began, done.returncode == 0, checks, done.stdout)


def _check(case: ElementTree.Element) -> tuple[str, float, bool]:
    name = case.attrib["name"].removeprefix("test_").replace("_", " ")
    return name, float(case.attrib["time"]), all(case.find(kind) is None for kind in ("failure", "error", "skipped"))


if __name__ == "__main__":
    sys.exit(main())
