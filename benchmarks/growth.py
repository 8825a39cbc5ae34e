"""``make bench-growth``: requests and time of commands and jobs as history, agencies, files and contracts grow.

The object store is in memory, counts requests and takes 20 ms for each, as S3 does. Every history has the same
deliveries in its last days, so what asks for recent ones must cost the same. A page of a listing takes CPU time in the
client, which the bench measures and adds.
"""

import argparse
import contextlib
import io
import json
import os
import platform as machine
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.growth_contracts import CONTRACTS, cpu_seconds, write_contracts
from benchmarks.growth_store import PAGE, GrowthStore, Stored
from benchmarks.growth_table import SAME, SAME_REQUESTS, SAME_S, Cost, Growth, Row, costs_section, seconds_section
from etl_platform import object_keys
from etl_platform.aws.clients import parse_aws_time
from etl_platform.deliveries import stuck
from etl_platform.deliveries.delivery import Cause, ObjectVersion, Outcome
from etl_platform.deliveries.find_delivery import find_delivery
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.last_deliveries import LastDeliveries
from etl_platform.deliveries.partition_state import PartitionState
from etl_platform.deliveries.reconcile.expected_files import ExpectedFiles
from etl_platform.deliveries.report import Attempt, Report, Trigger, WrittenObjects
from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.platform import Platform
from etl_platform.settings import Settings

RESULTS = Path(__file__).parent / "GROWTH.md"
BUCKET = "growth"
T = TypeVar("T")
DELIVERIES, AGENCIES = (2_000, 20_000, 200_000), (10, 1_000, 5_000)
USUAL_AGENCIES, PER_DAY = 100, 50
REQUEST_S = 0.02
PARTITION_FILES = (100, 400)
_CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: things
version: 1.0.0
status: active
schema: [{name: things, properties: [{name: ident, logicalType: string}]}]
"""
_ABOUT_CONTRACTS = "CPU seconds of a process, imports included; of a tick, without what its process has loaded before."
_ENTRY = (
    "<Contents><Key>reports/officer_detail/agency=a00001/{0:020x}.json</Key><ETag>&quot;{0:032x}&quot;</ETag>"
    "<LastModified>2026-11-01T00:00:00.000Z</LastModified><Size>4000</Size></Contents>"
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-growth ARGS=", description=__doc__)
    parser.add_argument("--deliveries", nargs="*", type=int, default=DELIVERIES, help="histories to measure")
    parser.add_argument("--agencies", nargs="*", type=int, default=AGENCIES, help="numbers of agencies to measure")
    parser.add_argument("--contracts", nargs="*", type=int, default=CONTRACTS, help="numbers of contracts to measure")
    arguments = parser.parse_args()
    page_s, began, sections = _page_seconds(), time.perf_counter(), []
    for section in _sections(arguments, page_s):
        print(section, flush=True)
        sections.append(section)
    RESULTS.write_text("\n".join([_heading(page_s, time.perf_counter() - began), *sections]), "utf-8")
    return 0


def _sections(arguments: argparse.Namespace, page_s: float) -> Iterator[str]:
    usual, most = min(arguments.contracts), arguments.deliveries[min(1, len(arguments.deliveries) - 1)]
    costs = _each("deliveries", arguments.deliveries, lambda number: _commands(number, USUAL_AGENCIES, usual))
    yield costs_section(f"Deliveries, of {USUAL_AGENCIES} agencies", costs, page_s)
    costs = _each("agencies", arguments.agencies, lambda number: _commands(most, number, usual))
    yield costs_section(f"Agencies, with {most:,} deliveries", costs, page_s)
    costs = _each("contracts", arguments.contracts, lambda number: _commands(most, USUAL_AGENCIES, number))
    yield costs_section(f"Contracts, with {most:,} deliveries of {USUAL_AGENCIES} agencies", costs, page_s)
    costs = _each("files of a partition", PARTITION_FILES, _partition)
    yield costs_section("Files of one partition", costs, page_s)
    seconds = _each("contracts loaded", arguments.contracts, cpu_seconds)
    yield seconds_section("Contracts, read and loaded", _ABOUT_CONTRACTS, seconds)


def _each(what: str, numbers: Sequence[int], measure: Callable[[int], T]) -> dict[str, T]:
    """What is measured for each number. All take minutes, so stderr has how long each took."""
    found: dict[str, T] = {}
    for number in numbers:
        began = time.perf_counter()
        found[f"{number:,}"] = measure(number)
        print(f"{number:,} {what}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return found


def _commands(deliveries: int, agencies: int, contracts_number: int) -> dict[str, Row]:
    """Every command over a history: 50 deliveries a day until today."""
    store, now = GrowthStore(), datetime.now(UTC).replace(microsecond=0)
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        write_contracts(Path(folder, "contracts"), contracts_number)
        platform = _platform(store, Path(folder))
        datasets = sorted(platform.contracts)
        store.seed(_history(deliveries, agencies, datasets, now))
        LastDeliveries(store, BUCKET, now).complete_index()
        newest, oldest = (_source(number, agencies, datasets, now)[2].delivery_id for number in (0, deliveries - 1))

        def overdue() -> None:
            expected = ExpectedFiles(store, BUCKET, now)
            for contract in platform.contracts.values():
                list(expected.timeliness(contract))

        def command(*words: str) -> Callable[[], None]:
            return lambda: _run(platform, *words)

        def find(delivery_id: str) -> Callable[[], object]:
            return lambda: find_delivery(store, BUCKET, delivery_id, now)

        agency, page = ("--agency", "a00000"), str(Path(folder, "overview.html"))
        measured: dict[str, tuple[Growth, Callable[[], object]]] = {
            "`status --since 24h`": (Growth.ASKED, command("status", "--since", "24h")),
            "`status --since 24h --agency A`": (Growth.ASKED, command("status", "--since", "24h", *agency)),
            "`status --stuck`, its questions to the bucket": (Growth.ASKED, lambda: _stuck(platform, now)),
            "`history --agency A`, for the first time": (Growth.ASKED, command("history", *agency)),
            "`history --agency A`, again": (Growth.ASKED, command("history", *agency)),
            "`quarantine --agency A`": (Growth.ASKED, command("quarantine", *agency, "--dataset", datasets[0])),
            "`diff` of a delivery of today": (Growth.ASKED, find(newest)),
            "`diff` of the oldest delivery": (Growth.ALL, find(oldest)),
            "`agency list`": (Growth.ASKED, command("agency", "list")),
            "`expected_files_job`": (Growth.ASKED, overdue),
            "overview, its questions to the bucket": (Growth.ASKED, platform.intake.waiting.unfinished),
            "`overview`, for the first time": (Growth.ASKED, command("overview", "--html", page)),
            "`overview`, again": (Growth.ASKED, command("overview", "--html", page)),
            "`reconcile --since 1d`": (Growth.ALL, command("reconcile", "--since", "1d")),
            "`reconcile`, for the first time": (Growth.ALL, command("reconcile")),
            "`reconcile`, `reconcile_job`": (Growth.ALL, command("reconcile")),
            "`index`": (Growth.ALL, command("index")),
        }
        return {name: (growth, _cost(store, call)) for name, (growth, call) in measured.items()}


def _stuck(platform: Platform, now: datetime) -> None:
    stuck.failed_deliveries(platform.intake.waiting.unfinished(), now, lambda: 0)
    stuck.ignored_files(platform.store, BUCKET, platform.intake.router().route, now)
    stuck.overdue_files(platform.store, BUCKET, platform.contracts, now)


def _partition(files: int) -> dict[str, Row]:
    """A partition of many source keys, read again after nothing has changed, and its content."""
    store = GrowthStore()
    contract = parse_contract(_CONTRACT, "growth.odcs.yaml", {})
    intake = Intake(store, {"things": contract}, BUCKET, "from_client/", lambda: datetime.now(UTC))
    partition, state = ("things", "a"), PartitionState(store, BUCKET)

    def deliver(number: int) -> None:
        key = f"from_client/a/{number:05}/Things.csv"
        store.write(BUCKET, key, b"ident\na\n")
        intake.ingest(intake.route(ObjectVersion.of(store.head(BUCKET, key))), Trigger(Cause.EVENT))

    def read_again() -> None:
        list(intake.reprocess(*partition, Trigger(Cause.REPROCESS)))

    for number in range(files):
        deliver(number)
    read_again()
    read_again()
    state.content(*partition)
    deliver(files)
    content = _cost(store, lambda: state.content(*partition))
    read_again()
    return {
        "rows and version after a delivery": (Growth.ASKED, content),
        "a partition read again, nothing changed": (Growth.ASKED, _cost(store, read_again)),
        "its checks": (Growth.ASKED, _cost(store, lambda: PartitionState(store, BUCKET).judged(*partition))),
    }


def _platform(store: GrowthStore, folder: Path) -> Platform:
    platform = Platform(
        replace(
            Settings.from_environment({}),
            data_bucket_name=BUCKET,
            local_s3_root=folder,
            contracts_dir=folder / "contracts",
        )
    )
    platform.__dict__["store"] = store
    return platform


def _run(platform: Platform, *words: str) -> None:
    """A command of etl-platform on this platform; its output is thrown away."""
    from unittest.mock import patch

    from etl_platform.cli.main import main as run

    with patch("etl_platform.platform.Platform", lambda _settings: platform), contextlib.redirect_stdout(io.StringIO()):
        code = run(list(words))
    if code not in ({GOOD} if words[0] == "reconcile" else {GOOD, BAD}):
        # Interrupted, an error, or a history in which something is missing: what it cost is no measurement.
        raise SystemExit(f"{' '.join(words)} ended with exit code {code}")


def _cost(store: GrowthStore, call: Callable[[], Any]) -> Cost:
    store.calls, store.listed, store.request_s = Counter(), 0, REQUEST_S
    began, cpu_before = time.perf_counter(), time.process_time()
    call()
    cost = Cost(store.calls.total(), store.listed, time.process_time() - cpu_before, time.perf_counter() - began)
    store.request_s = 0.0
    return cost


def _history(deliveries: int, agencies: int, datasets: Sequence[str], now: datetime) -> dict[str, Stored]:
    """Bronze, silver, report and source of each delivery; every tenth was refused."""
    objects: dict[str, Stored] = {}
    for number in range(deliveries):
        objects |= _delivery(number, *_source(number, agencies, datasets, now))
    return objects


def _source(number: int, agencies: int, datasets: Sequence[str], now: datetime) -> tuple[str, str, ObjectVersion]:
    """Agency, dataset and source version of a delivery; 0 is the newest."""
    at = (now - timedelta(days=1) * (number / PER_DAY) - timedelta(hours=1)).replace(microsecond=0)
    agency, dataset = f"a{number % agencies:05}", datasets[(number + number // agencies) % len(datasets)]
    name = f"{''.join(word.title() + '_' for word in dataset.split('_')).rstrip('_')}_{at:%Y-%m-%d}_{number}.csv"
    key, etag = f"from_client/{agency}/{name}", f"{number:032x}"
    return agency, dataset, ObjectVersion(BUCKET, key, f"v-{etag}", etag, 1_000, f"{number:016X}", at)


def _delivery(number: int, agency: str, dataset: str, source: ObjectVersion) -> dict[str, Stored]:
    etag, is_good, at = f"{number:032x}", number % 10 != 0, source.order.last_modified
    bronze = object_keys.bronze_key(dataset, agency, source.delivery_id, object_keys.base_name(source.key))
    silver = object_keys.silver_key(dataset, agency, source.key)
    report = Report(
        delivery_id=source.delivery_id,
        outcome=Outcome.ACCEPTED if is_good else Outcome.REJECTED,
        source=source,
        attempt=Attempt(Trigger(Cause.EVENT), at, at + timedelta(seconds=2), at),
        agency=agency,
        dataset=dataset,
        written=WrittenObjects(bronze, silver if is_good else None, etag if is_good else None),
    )

    def body() -> bytes:
        return json.dumps(report.to_json()).encode()

    later = at + timedelta(seconds=2)
    found = {
        source.key: Stored(etag, at, bytes, {}),
        bronze: Stored(etag, later, bytes, {}),
        object_keys.report_key(dataset, agency, source.delivery_id): Stored(etag, later, body, {}),
    }
    entry = object_keys.report_day_key(later.date(), object_keys.report_key(dataset, agency, source.delivery_id))
    found[entry] = Stored(etag, later, bytes, {})
    if is_good:
        metadata = {"source": object_keys.metadata_text(source.key), "delivery-id": source.delivery_id}
        metadata |= {"last-modified": at.isoformat(), "sequencer": str(source.sequencer), "rows": "10", "sha256": etag}
        found[silver] = Stored(etag, at + timedelta(seconds=1), bytes, metadata)
    return found


def _page_seconds() -> float:
    """The CPU time in which botocore parses one page of 1,000 keys."""
    from botocore.parsers import ResponseParserFactory
    from botocore.session import get_session

    shape = get_session().get_service_model("s3").operation_model("ListObjectsV2").output_shape
    page = f"<ListBucketResult>{''.join(_ENTRY.format(number) for number in range(PAGE))}</ListBucketResult>".encode()
    assert shape is not None
    factory = ResponseParserFactory()
    factory.set_parser_defaults(timestamp_parser=parse_aws_time)
    parser, began = factory.create_parser("rest-xml"), time.process_time()
    for _ in range(5):
        parser.parse({"body": page, "headers": {}, "status_code": 200}, shape)
    return (time.process_time() - began) / 5


def _heading(page_s: float, took_s: float) -> str:
    return f"""# Cost as history grows

{datetime.now(UTC).date()}, {os.cpu_count()} cores, Python {machine.python_version()}, {took_s / 60:.0f} minutes. Each
cell has the requests to the object store, the CPU seconds of the client, and the seconds that it took.

The store is in memory and answers after {REQUEST_S * 1_000:.0f} ms. {page_s * 1_000:.0f} ms are added for each
1,000 listed objects, in which botocore parses them. Histories have {PER_DAY} deliveries a day; every tenth is refused.

The last column compares the last number with the first. *Flat* is at most {SAME} times the requests or
{SAME_REQUESTS} more, and at most {SAME_S} s of CPU more. *With what is asked*: the command prints or checks all that
grows here, such as the agency's own history. *With all*: it lists what nobody asked about, 1,000 objects a request.
"""


if __name__ == "__main__":
    raise SystemExit(main())
