"""``make fuzz``: checks thousands of damaged files with the engine, in supervised processes.

Every file must end with an outcome or a known rejection code, within seconds and bounded memory, with counts that add
up. Rows that the damage did not touch must be in silver as they were, or be named. Failing files are kept.
"""

import argparse
import json
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.examine import examine
from benchmarks.mutate import make_case

HANG_S = 10.0
"""CPU seconds per file, because the machine may be busy; the limit of wall time is six times as long."""
PEAK_MIB = 800
_ADDRESS_SPACE = 8 << 30


@dataclass
class Tally:
    """Outcomes, failures and costs of the files so far."""

    files: int = 0
    bytes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)
    slowest: tuple[float, int, str] = (0.0, 0, "")
    peak_mib: float = 0.0
    compared: int = 0

    def add(self, number: int, found: dict[str, Any]) -> None:
        self.files += 1
        self.bytes += found["bytes"]
        self.outcomes[found["outcome"]] += 1
        self.compared += found["compared"]
        self.slowest = max(self.slowest, (found["seconds"], number, found["story"]))
        self.peak_mib = max(self.peak_mib, found["mib"])
        if found["failure"]:
            self.failures.append((number, found["failure"]))


def work(seed: int) -> None:
    """A worker process: reads case numbers from stdin and writes a line of JSON for each."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    for line in sys.stdin:
        number = int(line)
        case, started, failure, outcome, compared = make_case(seed, number), time.monotonic(), "", "", False
        with tempfile.TemporaryDirectory(prefix="etl-platform-fuzz-") as folder:
            try:
                outcome, compared = examine(case, number, Path(folder))
            except BaseException as error:  # noqa: BLE001 - every exception is a finding
                where = traceback.extract_tb(error.__traceback__)[-1]
                failure = f"{type(error).__name__}: {str(error)[:400]} ({where.filename}:{where.lineno})"
                outcome = "FAILED"
        found = {
            "outcome": outcome,
            "failure": failure,
            "compared": compared,
            "story": case.story,
            "bytes": len(case.content),
            "seconds": time.monotonic() - started,
            "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(found), flush=True)


def _has_output(process: "subprocess.Popen[str]") -> bool:
    """Wait for a line of a worker; False if it is still busy after HANG_S."""
    used_before, deadline = _cpu_s(process.pid), time.monotonic() + 6 * HANG_S
    while not select.select([process.stdout], [], [], 0.5)[0]:
        if _cpu_s(process.pid) - used_before > HANG_S or time.monotonic() > deadline:
            return False
    return True


def _cpu_s(pid: int) -> float:
    """User and system time of a process; https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


class Worker:
    """A worker process that is killed if a file hangs, and restarted after a crash or too much memory."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._process: subprocess.Popen[str] | None = None

    def run(self, number: int) -> dict[str, Any]:
        if self._process is None:
            command = [sys.executable, "-m", "benchmarks.fuzz", "--seed", str(self._seed), "--worker"]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=os.environ | {"POLARS_MAX_THREADS": "1"},
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        print(number, file=process.stdin, flush=True)
        ready = _has_output(process)
        line = process.stdout.readline() if ready else ""
        if not line:
            self.end()
            why = f"ended with exit code {process.returncode}" if ready else f"still busy after {HANG_S:.0f} s"
            case = make_case(self._seed, number)
            return {"outcome": "FAILED", "failure": why, "compared": False, "story": case.story,
                    "bytes": len(case.content), "seconds": HANG_S, "mib": 0.0}  # fmt: skip
        found: dict[str, Any] = json.loads(line)
        if found["mib"] > PEAK_MIB:
            self.end()
            found["failure"] = found["failure"] or f"peak memory {found['mib']:.0f} MiB"
        return found

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def fuzz(seed: int, numbers: range, workers: int) -> Tally:
    tally = Tally()

    def share(offset: int) -> None:
        worker = Worker(seed)
        for number in numbers[offset::workers]:
            tally.add(number, worker.run(number))
            if tally.files % 1_000 == 0:
                print(f"{tally.files:,} files, {len(tally.failures)} failed", file=sys.stderr)
        worker.end()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(share, range(workers)))
    return tally


def table(tally: Tally, seconds: float) -> str:
    lines = ["| outcome | files |", "|---|---|"]
    lines += [f"| {outcome} | {times:,} |" for outcome, times in tally.outcomes.most_common()]
    slow, number, story = tally.slowest
    lines += [
        "",
        f"{tally.files:,} files, {tally.bytes / 1e6:,.0f} MB, {seconds:,.0f} s ({tally.files / seconds:.0f} a second); "
        f"{tally.compared:,} compared with the rows before the damage; slowest {slow:.2f} s ({number}: {story}); "
        f"peak memory {tally.peak_mib:.0f} MiB; {len(tally.failures)} failed.",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=", description=__doc__)
    parser.add_argument("--files", type=int, default=20_000, help="number of files [20,000]")
    parser.add_argument("--seed", type=int, default=7, help="of the generated files [7]")
    parser.add_argument("--workers", type=int, default=1, help="concurrent processes [1]")
    parser.add_argument("--only", type=int, help="one file, by its number")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.seed)
        return 0
    only = arguments.only
    numbers = range(arguments.files) if only is None else range(only, only + 1)
    started = time.monotonic()
    tally = fuzz(arguments.seed, numbers, arguments.workers)
    print(table(tally, time.monotonic() - started))
    if tally.failures:
        folder = Path(tempfile.mkdtemp(prefix="etl-platform-fuzz-failures-"))
        for number, why in sorted(tally.failures):
            (folder / str(number)).write_bytes(make_case(arguments.seed, number).content)
            print(f"{folder / str(number)}: {why}")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
