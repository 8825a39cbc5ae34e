"""``python -m benchmarks.fuzz``: thousands of damaged files through the engine, each in a watched process.

Every file must end as an outcome or a named rejection, within seconds and bounded memory, with sums that add up; where
Python's strict csv reads a damaged text as well, both must have read the same cells. One that fails is kept on disk.
"""

import argparse
import codecs
import csv
import io
import json
import os
import re
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
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.mutate import CONTRACT, Case, make_case

HANG_S = 10.0
"""Of CPU, since others may need the machine too; one that uses none has as long as six of these."""
PEAK_MIB = 800
_ADDRESS_SPACE = 8 << 30
CODES = frozenset(
    {"empty_file", "no_rows", "no_header_match", "missing_column", "ambiguous_column", "no_good_rows", "zip_members"}
    | {"too_many_bad_rows", "too_many_columns", "unclosed_quote", "row_too_long", "encoding_undecidable", "zip_bomb"}
    | {"not_tabular", "workbook_damaged", "workbook_too_large", "workbook_uncalculated", "ambiguous_sheet"}
    | {"archive_damaged", "archive_nested", "encrypted", "zip_unsafe"}
)
_CHUNKS = ((1_500, 50), (30_000, 700), (1 << 40, 12 << 20))
"""Sizes of a chunk for files up to a size."""


@dataclass
class Tally:
    """What became of the files so far."""

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


def examine(case: Case, number: int, folder: Path) -> tuple[str, bool]:
    """Run one file through ``check_file`` and ``profile_file``.

    Returns:
        The outcome or rejection's code, and whether the cells were compared with Python's strict csv.

    Raises:
        AssertionError: what does not add up.
    """
    from etl_platform.engine.check import check_file, profile_file, write_report
    from etl_platform.engine.reading import text_table

    contract = _contract()
    # Tiny chunks take long, so they are for small files.
    text_table.CHUNK_BYTES = next(size for limit, size in _CHUNKS[min(number % 5, 2) :] if case.unpacked < limit)
    path = folder / "case"
    path.write_bytes(case.content)
    result = check_file(path, contract, folder)
    _sums_add_up(result, folder)
    write_report(result, folder)
    if case.rows is not None:
        assert result.accepted_rows == case.rows, f"{case.rows} good rows, {result.accepted_rows} accepted"
    profiled = profile_file(path)
    assert not profiled.errors or profiled.errors[0].code in CODES, profiled.errors
    compared = case.text and _cells_agree(path, contract, result)
    return (result.errors[0].code if result.errors else str(result.outcome)), compared


@cache
def _contract() -> Any:
    from etl_platform.engine.contract.contract_reader import parse_contract

    return parse_contract(CONTRACT, "fuzz.odcs.yaml")


def _sums_add_up(result: Any, folder: Path) -> None:
    import polars as pl

    from etl_platform.engine.split import QUARANTINE, SILVER

    codes = {error.code for error in result.errors}
    assert codes <= CODES, f"unknown codes {codes - CODES}"
    assert bool(codes) == (str(result.outcome) == "rejected")
    assert result.rows == result.accepted_rows + result.quarantined_rows
    assert (folder / SILVER).exists() == (not codes)
    assert (folder / QUARANTINE).exists() == (result.quarantined_rows > 0)
    if not codes:
        assert pl.read_parquet(folder / SILVER).height == result.accepted_rows
    if result.quarantined_rows:
        reasons = pl.read_parquet(folder / QUARANTINE)["reasons"]
        assert len(reasons) == result.quarantined_rows
        assert reasons.null_count() == 0
        assert dict(Counter(";".join(reasons).split(";"))) == result.reasons
    assert all(part.nulls <= result.rows for part in result.profile.values())
    json.dumps(result.to_json(), allow_nan=False)


def _cells_agree(path: Path, contract: Any, result: Any) -> bool:
    """Whether Python's strict csv reads the text too; then it must have read the same cells on the same lines."""
    from etl_platform.engine.reading import text_table
    from etl_platform.engine.reading.open_table import open_table

    dialect, codes = result.dialect, {error.code for error in result.errors}
    if not dialect or codes - {"no_good_rows", "unclosed_quote"}:
        return False
    try:
        text = re.sub(r"(?<=[\r\n])\ufeff+", "", _decoded(path.read_bytes(), dialect.encoding))
        rows = _strict_rows(text, dialect.delimiter)
    except (ValueError, csv.Error):
        return False
    header_ends = dialect.header_line + dialect.header_lines - 1
    if any("\n" in cell for line, cells in rows if line <= header_ends for cell in cells):
        return False
    if "unclosed_quote" in codes:
        # A stray quote may look unclosed where a chunk ends; in one chunk there is no excuse.
        assert path.stat().st_size > text_table.CHUNK_BYTES, "Python's csv finds every quote closed"
        return False
    table = open_table(path, contract)
    width = len(table.header)
    ours = [row[: width + 1] for batch in table.batches() for row in batch.rows()]
    left_out = {item.line for item in table.describe().dropped}
    expected = [
        (*(cell or None for cell in cells[:width]), *[None] * (width - len(cells)), line)
        for line, cells in rows
        if line > header_ends and line not in left_out and not _is_blank(cells, width)
    ]
    assert ours == expected, _first_difference(ours, expected)
    return True


def _decoded(content: bytes, encoding: str) -> str:
    """The text, each line UTF-8 or else western where the engine says so: on trial are cells, not letters."""
    from etl_platform.engine.reading.encodings import western_text

    if not encoding.endswith("cp1252"):
        return content.decode(encoding).removeprefix("\ufeff").rstrip("\x1a")
    text = ""
    for line in content.removeprefix(codecs.BOM_UTF8).splitlines(keepends=True):
        try:
            text += line.decode()
        except UnicodeDecodeError:
            text += western_text(line)[0]
    return text.rstrip("\x1a")


def _strict_rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    csv.field_size_limit(2**31 - 1)
    strict = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, line = [], 1
    for cells in strict:
        rows.append((line, cells))
        line = strict.line_num + 1
    return rows


def _is_blank(cells: list[str], width: int) -> bool:
    return not any(cells) or (len(cells) == 1 < width and not cells[0].strip())


def _first_difference(ours: list[Any], expected: list[Any]) -> str:
    pairs = zip([*ours, *[None] * len(expected)], [*expected, *[None] * len(ours)], strict=False)
    one, other = next((a, b) for a, b in pairs if a != b)
    return f"read {str(one)[:300]} where Python's csv reads {str(other)[:300]}"


def work(seed: int) -> None:
    """A worker: numbers come in, findings go out, a line each."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    for line in sys.stdin:
        number = int(line)
        case, began, failure, outcome, compared = make_case(seed, number), time.monotonic(), "", "", False
        with tempfile.TemporaryDirectory(prefix="etl-platform-fuzz-") as folder:
            try:
                outcome, compared = examine(case, number, Path(folder))
            except BaseException as error:  # noqa: BLE001 - finding these is what it is for
                where = traceback.extract_tb(error.__traceback__)[-1]
                failure = f"{type(error).__name__}: {str(error)[:400]} ({where.filename}:{where.lineno})"
                outcome = "FAILED"
        found = {
            "outcome": outcome,
            "failure": failure,
            "compared": compared,
            "story": case.story,
            "bytes": len(case.content),
            "seconds": time.monotonic() - began,
            "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(found), flush=True)


def _answers(process: "subprocess.Popen[str]") -> bool:
    """Wait for a line of a worker; False if it is still busy after HANG_S."""
    began, deadline = _cpu_s(process.pid), time.monotonic() + 6 * HANG_S
    while not select.select([process.stdout], [], [], 0.5)[0]:
        if _cpu_s(process.pid) - began > HANG_S or time.monotonic() > deadline:
            return False
    return True


def _cpu_s(pid: int) -> float:
    """User and system time of a process; https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


class Worker:
    """A process that is ended when a file hangs, and begun anew after one that broke it or filled its memory."""

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
        ready = _answers(process)
        line = process.stdout.readline() if ready else ""
        if not line:
            self.end()
            why = f"died with {process.returncode}" if ready else f"still busy after {HANG_S:.0f} s"
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
        f"{tally.compared:,} compared cell by cell with Python's csv; slowest {slow:.2f} s ({number}: {story}); "
        f"peak memory {tally.peak_mib:.0f} MiB; {len(tally.failures)} failed.",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", type=int, help="one file, by its number")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.seed)
        return 0
    only = arguments.only
    numbers = range(arguments.files) if only is None else range(only, only + 1)
    began = time.monotonic()
    tally = fuzz(arguments.seed, numbers, arguments.workers)
    print(table(tally, time.monotonic() - began))
    if tally.failures:
        kept = Path(tempfile.mkdtemp(prefix="etl-platform-fuzz-failures-"))
        for number, why in sorted(tally.failures):
            (kept / str(number)).write_bytes(make_case(arguments.seed, number).content)
            print(f"{kept / str(number)}: {why}")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
