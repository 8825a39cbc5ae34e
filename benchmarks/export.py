"""``make bench-export``: compares the employment-history export of millions of rows with a plain COPY.

It uses a real PostgreSQL server and the emulator. Each contender runs in its own process, the job as on the command
line. COPY to /dev/null is the minimum for reading all rows. Compare the ratios.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from etl_platform.local.application_database import Rows, create_application_database
from etl_platform.local.postgres import postgres_server
from etl_platform.local.stack import Stack

RESULTS = Path(__file__).parent / "EXPORT.md"
ROWS, WITHIN_MIB = 5_000_000, 500
PERIODS_EACH = 5
AGENCY = (10, "nm_albuquerque", "Albuquerque Police Department")
_FILL = """
INSERT INTO officers SELECT n, 10, 'NM' || lpad(n::text, 7, '0') FROM generate_series(1, {officers}) AS n;
INSERT INTO employment_history
SELECT n, (n - 1) / {each} + 1, 'Desert Bend Police Department ' || n % 97, began,
       CASE WHEN n % {each} > 0 THEN ended END, 'NM', 'NM0010' || lpad((n % 97)::text, 3, '0'),
       (ARRAY['Officer', 'Sergeant', 'Captain', 'Wizard'])[n % 4 + 1],
       'FULL_TIME', CASE WHEN n % {each} > 0 THEN 'RESIGNED' END, CASE WHEN n % {each} > 0 THEN n % 2 = 0 END
FROM generate_series(1, {rows}) AS n,
     LATERAL (SELECT DATE '1990-01-01' + ((n - 1) % {each})::int * 700 + (n % 300)::int AS began) AS first,
     LATERAL (SELECT began + 650 AS ended) AS last;
ANALYZE officers, employment_history;
"""
_QUERY = """
      SELECT badge_number, employer, start_date, end_date, state, agency_code, rank, employment_type, separation_reason,
             eligible_for_rehire
      FROM employment_history JOIN officers ON employment_history.officer_id = officers.id WHERE agency_id = 10
      ORDER BY badge_number COLLATE "C", start_date, employer COLLATE "C", employment_history.id
"""
_FLOOR = f"""
import os, psycopg2
with open("/dev/null", "wb") as out:
    psycopg2.connect(os.environ["DATABASE_URL"]).cursor().copy_expert("COPY (" + {_QUERY!r} + ") TO STDOUT", out)
"""
_PLAIN = f"""
import csv, os, psycopg2
with open("/dev/null", "w", encoding="utf-8", newline="") as out:
    cursor = psycopg2.connect(os.environ["DATABASE_URL"]).cursor("rows")
    cursor.itersize = 20_000
    cursor.execute({_QUERY!r})
    csv.writer(out).writerows(cursor)
"""


@dataclass(frozen=True)
class Cost:
    """The cost of one process, including its start."""

    cpu_s: float
    wall_s: float
    peak_mib: float

    def row(self, name: str, floor: "Cost") -> str:
        ratios = f"{self.cpu_s / floor.cpu_s:.1f}× | {self.wall_s / floor.wall_s:.1f}×"
        return f"| {name} | {self.cpu_s:.1f} | {self.wall_s:.1f} | {self.peak_mib:.0f} | {ratios} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-export ARGS=", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows of the agency [{ROWS:,}]")
    rows = parser.parse_args().rows
    job = [sys.executable, "-m", "etl_platform", "run", "employment_history_job", "--", "--agency-id", "10"]
    with tempfile.TemporaryDirectory(prefix="export-") as folder, postgres_server() as server:
        _fill(server.get_uri(), rows)
        with Stack(Path(folder)) as stack:
            environment = {**stack.environment, "DATABASE_URL": server.get_uri()}
            # Use an ephemeral Dagster instance, as in a Kubernetes Job.
            environment.pop("DAGSTER_HOME")
            floor = _cost([sys.executable, "-c", _FLOOR], environment)
            plain = _cost([sys.executable, "-c", _PLAIN], environment)
            first = _cost(job, environment)
            again = _cost(job, environment)
    lines = [
        f"# An export of {rows:,} rows",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"polars {version('polars')}. Made by `make bench-export`: the whole process, imports and upload included, the "
        "server's own work left out.",
        "",
        "| | CPU s | wall s | peak MiB | CPU of COPY | wall of COPY |",
        "|---|---|---|---|---|---|",
        floor.row("psycopg2, COPY to /dev/null", floor),
        plain.row("psycopg2, server-side cursor, csv.writer to /dev/null", floor),
        first.row("employment_history_job: CSV, Parquet, checks, upload", floor),
        again.row("the same again, nothing written", floor),
    ]
    RESULTS.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))
    return 0 if max(first.peak_mib, again.peak_mib) < WITHIN_MIB else 1


def _fill(url: str, rows: int) -> None:
    import psycopg2

    create_application_database(url, Rows((AGENCY,), (), (), ()))
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(_FILL.format(rows=rows, officers=-(-rows // PERIODS_EACH), each=PERIODS_EACH))
    connection.close()


def _cost(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command[1:4])} … failed; its output is above")
    return Cost(used.ru_utime + used.ru_stime, time.monotonic() - started, used.ru_maxrss / 1024)


if __name__ == "__main__":
    sys.exit(main())
