"""``make deploy-check``: everything about the deployment that needs no cluster, a line with its time for each check.

Every subject is a test file of this folder, run by a pytest of its own, some beside each other.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

_HERE = Path(__file__).parent
_AT_ONCE = 3
"""On two cores: the longest of them waits for most of its time."""
_LONG = ("terraform_apply", "image", "executable", "terraform_iam", "terraform")


@dataclass
class Check:
    """One test with all its cases."""

    cases: int = 0
    seconds: float = 0.0
    passed: bool = True


@dataclass(frozen=True)
class Result:
    """What one subject's tests said, by their names."""

    subject: str
    passed: bool
    checks: Mapping[str, Check]
    output: str

    def lines(self) -> Iterator[str]:
        for name, check in self.checks.items():
            cases = f" ({check.cases} cases)" if check.cases > 1 else ""
            yield f"{'ok' if check.passed else 'FAILED':7}{check.seconds:6.1f} s  {self.subject}: {name}{cases}"
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
    checks = sum(check.cases for result in results for check in result.checks.values())
    failed = [result.subject for result in results if not result.passed]
    ending = f"failed: {', '.join(failed)}" if failed else "all passed"
    print(f"{checks} checks of {len(results)} subjects in {time.monotonic() - began:.0f} s: {ending}")
    return 1 if failed else 0


def _subjects() -> list[str]:
    """The longest first, so that the short ones fill the gaps."""
    found = {path.stem.removeprefix("test_") for path in _HERE.glob("test_*.py")}
    return [*_LONG, *sorted(found - set(_LONG))]


def _run(subject: str) -> Result:
    with tempfile.TemporaryDirectory(prefix="etl-platform-deploy-") as folder:
        report = Path(folder) / "report.xml"
        program = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", str(_HERE / f"test_{subject}.py")]
        done = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        # Without a report pytest itself broke; its output says how.
        cases = ElementTree.parse(report).getroot().iter("testcase") if report.exists() else ()
        return Result(subject, done.returncode == 0, _checks(cases), done.stdout)


def _checks(cases: Iterable[ElementTree.Element]) -> dict[str, Check]:
    checks: dict[str, Check] = {}
    for case in cases:
        name = case.attrib["name"].partition("[")[0].removeprefix("test_").replace("_", " ")
        check = checks.setdefault(name, Check())
        check.cases += 1
        check.seconds += float(case.attrib["time"])
        check.passed &= all(case.find(kind) is None for kind in ("failure", "error", "skipped"))
    return checks


if __name__ == "__main__":
    sys.exit(main())
