"""``make bench``: compares the engine with other libraries, and writes each section that was run to RESULTS.md.

The long section on polluted files is in POLLUTION.md.

Each contender runs in its own process, one after the other. Compare the ratios: seconds depend on the machine.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import pollock as pollock_files
from benchmarks import pollution as polluted
from benchmarks.contenders import CONTRACT
from benchmarks.generate import write
from benchmarks.reading import READERS, WRONG, run, table

RESULTS = Path(__file__).parent / "RESULTS.md"
POLLUTION = Path(__file__).parent / "POLLUTION.md"
ABOUT = {
    "duckdb_typed": "DuckDB, CSV to typed Parquet, no check",
    "ours": "etl-platform check",
    "polars_whole": "Polars streaming, the whole job",
    "duckdb_whole": "DuckDB, the whole job",
    "duckdb_apart": "DuckDB, the whole job, histogram in a query of its own",
}
TURNS = 3
SMALL_ROWS, SMALL_RUNS = 10_000, 5
SMALL_COMMANDS = {
    "etl-platform check": [sys.executable, "-m", "etl_platform", "check", "{file}", "--contract", str(CONTRACT)],
    "Polars, the whole job": [sys.executable, "-m", "benchmarks.contenders", "polars_whole", "{file}", "{folder}"],
    "DuckDB, the whole job": [sys.executable, "-m", "benchmarks.contenders", "duckdb_whole", "{file}", "{folder}"],
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    parser.add_argument("--rows", type=int, default=9_500_000, help="rows of the large file [9,500,000, about 1.4 GB]")
    parser.add_argument(
        "--huge", type=int, default=47_500_000, help="rows of the file of the memory section [47,500,000, 6.9 GB]"
    )
    parser.add_argument("--only", nargs="*", choices=list(SECTIONS), default=list(SECTIONS), help="sections [all]")
    parser.add_argument("--files", type=int, default=20_000, help="files of the section pollution [20,000]")
    parser.add_argument(
        "--pollock", type=Path, metavar="FOLDER", help="files of the Pollock benchmark; without it that section is kept"
    )
    arguments = parser.parse_args()
    good = True
    for name in arguments.only:
        if name == pollock.__name__ and arguments.pollock is None:
            continue
        text, fine = SECTIONS[name](arguments)
        print(text, flush=True)
        _write_section(text, POLLUTION if name == pollution.__name__ else RESULTS)
        good = good and fine
    return 0 if good else 1


def _write_section(text: str, page: Path) -> None:
    """Replace one section of a page, or add it at the end. Each names its date and versions."""
    title, body = text.split("\n", 1)
    versions = ", ".join(f"{name} {version(name)}" for name in ("etl-platform", "polars", "duckdb"))
    made = (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, "
        f"Python {platform.python_version()}, {versions}."
    )
    section = f"{title}\n\n{made}\n\n{body.strip()}\n"
    heading, *sections = re.split(r"(?m)^(?=## )", page.read_text("utf-8"))
    places = [place for place, old in enumerate(sections) if old.partition("\n")[0] == title]
    if places:
        sections[places[0]] = section
    else:
        sections.append(section)
    page.write_text(heading + "\n".join(old.strip() + "\n" for old in sections), "utf-8")


def engine(arguments: argparse.Namespace) -> tuple[str, bool]:
    """All contenders on one large file; those that check rules must count the same rows."""
    with tempfile.TemporaryDirectory(prefix="etl-platform-bench-") as folder:
        path = _generated(Path(folder), arguments.rows)
        size = path.stat().st_size
        turns = [{name: measure(name, path, Path(folder) / name) for name in ABOUT} for _ in range(TURNS)]
    found = {
        name: turns[-1][name] | {key: statistics.median(turn[name][key] for turn in turns) for key in ("cpu", "wall")}
        for name in ABOUT
    }
    mine = found["ours"]
    lines = [
        "## The whole job",
        "",
        f"{arguments.rows:,} rows, {size / 1e9:.2f} GB; seconds are medians of {TURNS} turns.",
        "",
        "| | CPU s | wall s | peak MiB | good | bad | Parquet MB | our CPU | our wall | our size |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, item in found.items():
        ratios = " | ".join(f"{mine[key] / item[key]:.2f}×" for key in ("cpu", "wall", "bytes"))
        lines.append(
            f"| {ABOUT[name]} | {item['cpu']:.1f} | {item['wall']:.1f} | {item['mib']:.0f} "
            f"| {item['good']:,} | {item['bad']:,} | {item['bytes'] / 1e6:.1f} | {ratios} |"
        )
    pruned = f"{mine['groups']} row groups, statistics in {mine['statistics']} of {mine['column_chunks']} column chunks"
    whole = {(item["good"], item["bad"]) for name, item in found.items() if name != "duckdb_typed"}
    return "\n".join([*lines, "", f"Silver: {pruned}.", ""]), len(whole) == 1


def memory(arguments: argparse.Namespace) -> tuple[str, bool]:
    """Peak memory of the engine on a file that is five times as large."""
    with tempfile.TemporaryDirectory(prefix="etl-platform-bench-") as folder:
        path = _generated(Path(folder), arguments.huge)
        size = path.stat().st_size
        found = measure("ours", path, Path(folder) / "ours")
    text = (
        "## Memory\n\n"
        f"{arguments.huge:,} rows, {size / 1e9:.2f} GB: peak {found['mib']:.0f} MiB, {found['cpu']:.1f} CPU s, "
        f"{found['wall']:.1f} s; {found['good']:,} good, {found['bad']:,} bad.\n"
    )
    return text, found["good"] + found["bad"] == arguments.huge


def small(_arguments: argparse.Namespace) -> tuple[str, bool]:
    """A small file, for which most of the time is the start of Python."""
    with tempfile.TemporaryDirectory(prefix="etl-platform-bench-") as folder:
        path = _generated(Path(folder), SMALL_ROWS)
        walls: dict[str, list[float]] = {name: [] for name in SMALL_COMMANDS}
        for turn in range(SMALL_RUNS):
            for number, (name, command) in enumerate(SMALL_COMMANDS.items()):
                out = Path(folder) / f"{turn}-{number}"
                out.mkdir()
                filled = [part.format(file=path, folder=out) for part in command]
                started = time.monotonic()
                subprocess.run(filled, stdout=subprocess.DEVNULL, check=True)
                walls[name].append(time.monotonic() - started)
        size = path.stat().st_size
    lines = [f"## A small file\n\n{SMALL_ROWS:,} rows, {size / 1e6:.1f} MB, start of Python included.\n"]
    lines += [f"| | wall s, median of {SMALL_RUNS} | our wall |", "|---|---|---|"]
    mine = statistics.median(walls["etl-platform check"])
    for name, seconds in walls.items():
        median = statistics.median(seconds)
        lines.append(f"| {name} | {median:.2f} | {mine / median:.2f}× |")
    return "\n".join([*lines, ""]), True


def reading(_arguments: argparse.Namespace) -> tuple[str, bool]:
    """Awkward files with the default options of each reader; the engine must read none of them wrong silently."""
    found = run()
    wrong = [item.file for item in found if item.reader == OURS and item.verdict == WRONG]
    return f"## Awkward files\n\n{table(found)}", not wrong


def pollution(arguments: argparse.Namespace) -> tuple[str, bool]:
    """Polluted files of the shipped contracts; silver must not hold a row that the clean table does not have."""
    started = time.monotonic()
    verdicts = polluted.run(seed=7, files=arguments.files, workers=os.cpu_count() or 1, only=None)
    text = polluted.report(verdicts, time.monotonic() - started)
    return f"## Verdicts\n\n{text}\n", not polluted.wrong(verdicts)


def pollock(arguments: argparse.Namespace) -> tuple[str, bool]:
    """The files of the Pollock benchmark beside other readers."""
    files, tallies = pollock_files.run(arguments.pollock, step=1)
    return f"## Pollock\n\n{pollock_files.table(files, tallies)}", True


OURS = next(iter(READERS))
Section = Callable[[argparse.Namespace], tuple[str, bool]]
SECTIONS: dict[str, Section] = {
    function.__name__: function for function in (engine, memory, small, reading, pollution, pollock)
}


def _generated(folder: Path, rows: int) -> Path:
    path = folder / "officers.csv"
    print(f"generating {rows:,} rows …", file=sys.stderr)
    write(path, rows)
    return path


def measure(name: str, path: Path, folder: Path) -> dict[str, Any]:
    """CPU and wall seconds, peak MiB of the process, and the rows that it counted."""
    print(f"running {ABOUT[name]} …", file=sys.stderr)
    folder.mkdir()
    command = [sys.executable, "-m", "benchmarks.contenders", name, str(path), str(folder)]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{name} failed with status {os.waitstatus_to_exitcode(status)}; its output is above")
    wall = time.monotonic() - started
    written = _written(folder)
    shutil.rmtree(folder)
    return {
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": wall,
        "mib": usage.ru_maxrss / 1024,
        **json.loads(output),
        **written,
    }


def _written(folder: Path) -> dict[str, int]:
    """Size, row groups and statistics of the Parquet file of good rows, read by DuckDB."""
    import duckdb

    path = next(
        folder / f"{name}.parquet" for name in ("silver", "good", "typed") if (folder / f"{name}.parquet").exists()
    )
    query = (
        "SELECT count(DISTINCT row_group_id), count(*), count(*) FILTER (stats_null_count IS NOT NULL AND "
        "(stats_min_value IS NOT NULL OR stats_null_count = row_group_num_rows)) FROM parquet_metadata(?)"
    )
    # Use a separate connection, because the awkward files are read with DuckDB's default one.
    with duckdb.connect() as database:
        groups, chunks, statistics_ = database.execute(query, [str(path)]).fetchone()
    return {"bytes": path.stat().st_size, "groups": groups, "column_chunks": chunks, "statistics": statistics_}


if __name__ == "__main__":
    sys.exit(main())
