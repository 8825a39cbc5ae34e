"""``make bench-burst``: 1,000 small files of 100 agencies at once, and a sensor tick with a long history of runs.

It uses the whole local stack: emulator, PostgreSQL as Dagster's storage, daemon, sensor, queued runs. For comparison it
measures one run per file, as most deployments do, on a sample. Compare the ratio.
"""

import argparse
import os
import platform as machine
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from textwrap import indent

from benchmarks.dagster_api import DagsterApi
from etl_platform import object_keys
from etl_platform.local.emulator import LOOPBACK
from etl_platform.local.postgres import postgres_server
from etl_platform.local.provision import Clients, open_clients
from etl_platform.local.stack import Stack

RESULTS = Path(__file__).parent / "BURST.md"
AGENCIES, ROWS, PUTTERS, SAMPLE, MESSAGES = 100, 40, 8, 20, 1_000
WITHIN_S, TICK_WITHIN_S = 90.0, 10.0
FEW_RULES, MANY_RULES = 5, 17
_DEADLINE_S, _POLL_S = 900.0, 0.25
_COPY_RUN = """
WITH made AS (SELECT number, gen_random_uuid()::text AS id FROM generate_series(1, :copies) AS number),
copied AS (
  INSERT INTO runs (run_id, snapshot_id, pipeline_name, mode, status, run_body, create_timestamp, update_timestamp,
                    start_time, end_time)
  SELECT made.id, snapshot_id, pipeline_name, mode, status, replace(run_body, run_id, made.id),
         create_timestamp - number * interval '1 minute', update_timestamp - number * interval '1 minute',
         start_time - number * 60, end_time - number * 60
  FROM runs CROSS JOIN made WHERE run_id = :run_id
)
INSERT INTO run_tags (run_id, key, value)
SELECT made.id, key, value FROM run_tags CROSS JOIN made WHERE run_id = :run_id
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-burst ARGS=", description=__doc__)
    parser.add_argument("--files", type=int, default=1_000, help="files uploaded at once [1,000]")
    parser.add_argument("--history", type=int, default=50_000, help="runs in the history during the tick [50,000]")
    arguments = parser.parse_args()
    lines = [_heading(arguments.files)]
    print(lines[0])
    bursts: list[Burst] = []
    for rules in (FEW_RULES, MANY_RULES):
        with _local_stack(rules) as local:
            bursts.append(_measure(local, rules, arguments.files))
            lines.append(bursts[-1].row)
            print(lines[-1], flush=True)
            if rules == MANY_RULES:
                tick_s = _tick_s(local, arguments.history)
    lines.append(f"\nA tick of the sensor with {MESSAGES:,} messages and {arguments.history:,} runs: {tick_s:.1f} s")
    print(lines[-1])
    RESULTS.write_text("\n".join(lines) + "\n", "utf-8")
    return 0 if bursts[0].seconds <= WITHIN_S and tick_s <= TICK_WITHIN_S else 1


@dataclass(frozen=True)
class Burst:
    """``seconds`` from the first put to the last report; ``a_run_each_s``: the same files with one run per file.

    ``ended_s``: from the first put until every run has logged its files and ended.
    """

    rules: int
    seconds: float
    ended_s: float
    runs: int
    a_run_each_s: float

    @property
    def row(self) -> str:
        ratio = self.a_run_each_s / self.seconds
        figures = [f"{self.seconds:.0f} s", f"{self.ended_s:.0f} s", self.runs, f"{self.a_run_each_s:,.0f} s"]
        return f"| {self.rules} | {' | '.join(map(str, figures))} | {ratio:.0f}× |"


@dataclass(frozen=True)
class _Local:
    stack: Stack
    aws: Clients
    postgres_url: str
    dagster: DagsterApi

    @property
    def bucket(self) -> str:
        return self.stack.resources.bucket

    def put(self, keys: Sequence[str]) -> None:
        def put(number: int) -> None:
            self.aws.s3.put_object(Bucket=self.bucket, Key=keys[number], Body=file_text(number).encode())

        with ThreadPoolExecutor(PUTTERS) as pool:
            for done in [pool.submit(put, number) for number in range(len(keys))]:
                done.result()

    def wait_for(self, reports: int) -> None:
        deadline = time.monotonic() + _DEADLINE_S
        while (found := self._reports()) < reports:
            self.stack.check()
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"only {found:,} of {reports:,} reports after {_DEADLINE_S:.0f} s; see dagster.log of the stack"
                )
            time.sleep(_POLL_S)

    def stop_sensor(self) -> None:
        """Stop the sensor, and wait until its tick has ended."""
        self.dagster.stop_sensor()
        while self.dagster.is_ticking():
            self.stack.check()
            time.sleep(_POLL_S)

    def wait_for_runs(self) -> None:
        """Wait until every run has ended: after their reports, runs still log events."""
        while self.dagster.unfinished_runs():
            self.stack.check()
            time.sleep(_POLL_S)

    def waiting_messages(self) -> int:
        name = "ApproximateNumberOfMessages"
        found = self.aws.sqs.get_queue_attributes(QueueUrl=self.stack.resources.queue_url, AttributeNames=[name])
        return int(found["Attributes"][name])

    def _reports(self) -> int:
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=object_keys.REPORTS)
        return sum(object_keys.is_report(item["Key"]) for page in pages for item in page.get("Contents", []))


def _heading(files: int) -> str:
    return (
        f"# A burst of {files:,} files\n\n"
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {machine.python_version()}, "
        f"dagster {version('dagster')}. Each file has {ROWS} rows; every check of every file is logged.\n\n"
        "| rules | first put to last report | to the end of the last run | runs | a run for each file, from "
        f"{SAMPLE} | ratio |\n|---|---|---|---|---|---|"
    )


def contract_text(rules: int) -> str:
    """A contract of officers and hours with this number of rules: three for the officer, two for each hours column."""
    officer = 'required: true, unique: true, logicalTypeOptions: {pattern: "^OFF-[0-9]{6}$"}'
    properties = [f"{{name: officer_id, logicalType: string, {officer}}}"]
    for number in range((rules - 3) // 2):
        hours = "logicalType: number, logicalTypeOptions: {minimum: 0, maximum: 400}"
        properties.append(f"{{name: hours_{number}, {hours}}}")
    return (
        "apiVersion: v3.1.0\nkind: DataContract\nid: hours\nname: Hours\nversion: 1.0.0\nstatus: active\nschema:\n"
        "  - name: hours\n    physicalName: Hours.csv\n    dataGranularityDescription: One row per officer.\n"
        "    properties:\n" + indent("\n".join(f"- {text}" for text in properties), " " * 6) + "\n"
    )


def file_text(number: int) -> str:
    """A small file; every tenth has a bad row, so that a quarantine is written, too."""
    columns = (MANY_RULES - 3) // 2
    lines = ["officer_id," + ",".join(f"hours_{column}" for column in range(columns))]
    for row in range(ROWS):
        hours = ",".join(str((row * 7 + column) % 400) for column in range(columns))
        lines.append(f"{'off ' if number % 10 == row == 0 else 'OFF-'}{number:03}{row:03},{hours}")
    return "\n".join(lines) + "\n"


@contextmanager
def _local_stack(rules: int) -> Iterator[_Local]:
    with ExitStack() as contexts:
        folder = Path(contexts.enter_context(tempfile.TemporaryDirectory(prefix="burst-")))
        contracts = folder / "contracts"
        contracts.mkdir()
        (contracts / "hours.odcs.yaml").write_text(contract_text(rules), "utf-8")
        server = contexts.enter_context(postgres_server())
        settings = {"CONTRACTS_DIR": str(contracts)}
        stack = contexts.enter_context(Stack(folder / "stack", postgres_url=server.get_uri(), settings=settings))
        aws = contexts.enter_context(open_clients(stack.emulator.endpoint_url))
        with socket.create_server((LOOPBACK, 0)) as free:
            port = free.getsockname()[1]
        yield _Local(stack, aws, server.get_uri(), DagsterApi(stack.start_ui(port)))


def _measure(local: _Local, rules: int, files: int) -> Burst:
    local.put(["from_client/warm/Hours.csv"])
    local.wait_for(1)
    keys = [f"from_client/agency_{number % AGENCIES:03}/{number // AGENCIES:03}/Hours.csv" for number in range(files)]
    runs, started = local.dagster.runs(), time.monotonic()
    local.put(keys)
    local.wait_for(1 + files)
    seconds = time.monotonic() - started
    local.wait_for_runs()
    ended_s, runs = time.monotonic() - started, local.dagster.runs() - runs
    return Burst(rules, seconds, ended_s, runs, _a_run_each_s(local, 1 + files) * files / SAMPLE)


def _a_run_each_s(local: _Local, reports: int) -> float:
    """Seconds from the launch of the first run of a sample to the last report. The sensor is stopped for it."""
    local.stop_sensor()
    keys = [f"from_client/sample_{number:03}/Hours.csv" for number in range(SAMPLE)]
    local.put(keys)
    started = time.monotonic()
    for key in keys:
        deliveries = [{"bucket": local.bucket, "key": key}]
        local.dagster.launch("s3_data_quality_job", {"ops": {"ingest": {"config": {"deliveries": deliveries}}}})
    local.wait_for(reports + SAMPLE)
    return time.monotonic() - started


def _tick_s(local: _Local, history: int) -> float:
    """Seconds of a sensor tick that receives waiting messages, with this number of runs in the history."""
    local.stop_sensor()
    local.wait_for_runs()
    # Events of the files whose runs were launched by hand.
    local.aws.sqs.purge_queue(QueueUrl=local.stack.resources.queue_url)
    _lengthen_history(local.postgres_url, history)
    local.put([f"from_client/agency_{number % AGENCIES:03}/tick_{number}/Hours.csv" for number in range(MESSAGES)])
    # Events of the last files may still be on their way; a tick that waits for them would be measured.
    while local.waiting_messages() < MESSAGES:
        local.stack.check()
        time.sleep(_POLL_S)
    before, deadline = local.dagster.last_tick(), time.monotonic() + _DEADLINE_S
    local.dagster.start_sensor()
    while (tick := local.dagster.last_tick()) is None or tick == before:
        local.stack.check()
        if time.monotonic() > deadline:
            raise SystemExit(f"no tick of the sensor started runs within {_DEADLINE_S:.0f} s")
        time.sleep(_POLL_S)
    return tick.seconds


def _lengthen_history(postgres_url: str, runs: int) -> None:
    """Copy the existing runs with their tags, each a minute older than the previous one."""
    import sqlalchemy as sa

    with sa.create_engine(postgres_url).begin() as connection:
        ids = connection.execute(sa.text("SELECT run_id FROM runs WHERE status = 'SUCCESS'")).scalars().all()
        for run_id in ids:
            connection.execute(sa.text(_COPY_RUN), {"run_id": run_id, "copies": -(-runs // len(ids))})


if __name__ == "__main__":
    sys.exit(main())
