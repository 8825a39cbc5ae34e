"""``make bench``: the engine beside its peers on one generated file; the table goes to RESULTS.md as well."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.contenders import CONTENDERS
from benchmarks.generate import write

RESULTS = Path(__file__).parent / "RESULTS.md"
ABOUT = {
    "duckdb_typed": "DuckDB, CSV to typed Parquet, no check",
    "ours": "etl-platform check",
    "polars_whole": "Polars streaming, the whole job",
    "duckdb_whole": "DuckDB, the whole job",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    parser.add_argument("--rows", type=int, default=9_500_000, help="rows of the file [9,500,000, about 1.4 GB]")
    parser.add_argument("--only", nargs="*", choices=list(CONTENDERS), default=list(CONTENDERS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="etl-platform-bench-") as folder:
        path = Path(folder) / "officers.csv"
        print(f"generating {arguments.rows:,} rows …", file=sys.stderr)
        write(path, arguments.rows)
        size = path.stat().st_size
        found = {}
        for name in arguments.only:
            print(f"running {ABOUT[name]} …", file=sys.stderr)
            found[name] = measure(name, path, Path(folder) / name)
    text = report(found, arguments.rows, size)
    print(text)
    if arguments.only == list(CONTENDERS):
        RESULTS.write_text(text, "utf-8")
    whole = [(item["good"], item["bad"]) for name, item in found.items() if name != "duckdb_typed"]
    return 0 if len(set(whole)) <= 1 else 1


def measure(name: str, path: Path, folder: Path) -> dict[str, Any]:
    """CPU and wall seconds, peak MiB of the process, and what it counted."""
    folder.mkdir()
    command = [sys.executable, "-m", "benchmarks.contenders", name, str(path), str(folder)]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{name} failed")
    return {
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": time.monotonic() - began,
        "mib": usage.ru_maxrss / 1024,
        **json.loads(output),
    }


def report(found: dict[str, dict[str, Any]], rows: int, size: int) -> str:
    mine = found.get("ours")
    versions = ", ".join(f"{name} {version(name)}" for name in ("etl-platform", "polars", "duckdb"))
    lines = [
        "# Engine benchmark",
        "",
        f"{rows:,} rows, {size / 1e9:.2f} GB; {os.cpu_count()} cores, {platform.machine()}, Python "
        f"{platform.python_version()}; {versions}; {datetime.now(UTC):%Y-%m-%d}. Read the ratios.",
        "",
        "| | CPU s | wall s | peak MiB | good | bad | our CPU | our wall |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, item in found.items():
        ratios = f"{mine['cpu'] / item['cpu']:.2f}× | {mine['wall'] / item['wall']:.2f}×" if mine else "|"
        lines.append(
            f"| {ABOUT[name]} | {item['cpu']:.1f} | {item['wall']:.1f} | {item['mib']:.0f} "
            f"| {item['good']:,} | {item['bad']:,} | {ratios} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
