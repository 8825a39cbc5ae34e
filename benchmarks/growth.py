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
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.growth_contracts import CONTRACTS, cpu_seconds, write_contracts
from benchmarks.growth_store import PAGE, GrowthStore, Stored
from etl_platform import object_keys
from etl_platform.aws.clients import parse_aws_time
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
_ENTRY = (
    "<Contents><Key>reports/officer_detail/agency=a00001/{0:020x}.json</Key><ETag>&quot;{0:032x}&quot;</ETag>"
    "<LastModified>2026-11-01T00:00:00.000Z</LastModified><Size>4000</Size></Contents>"
)


@dataclass(frozen=True)
class Cost:
    """What one command cost; CPU and elapsed time are without the parsing of listings, which had ``listed`` objects."""

    requests: int
    listed: int
    cpu_s: float
    elapsed_s: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-growth ARGS=", description=__doc__)
    parser.add_argument("--deliveries", nargs="*", type=int, default=DELIVERIES, help="histories to measure")
    parser.add_argument("--agencies", nargs="*", type=int, default=AGENCIES, help="numbers of agencies to measure")
    parser.add_argument("--contracts", nargs="*", type=int, default=CONTRACTS, help="numbers of contracts to measure")
    arguments = parser.parse_args()
    page_s = _page_seconds()
    parts = [_heading(page_s)]
    usual = min(arguments.contracts)
    history = {f"{number:,}": _commands(number, USUAL_AGENCIES, usual) for number in arguments.deliveries}
    parts.append(_section(f"Deliveries, of {USUAL_AGENCIES} agencies", history, page_s))
    most = arguments.deliveries[min(1, len(arguments.deliveries) - 1)]
    agencies = {f"{number:,}": _commands(most, number, usual) for number in arguments.agencies}
    parts.append(_section(f"Agencies, with {most:,} deliveries", agencies, page_s))
    datasets = {f"{number:,}": _commands(most, USUAL_AGENCIES, number) for number in arguments.contracts}
    parts.append(_section(f"Contracts, with {most:,} deliveries of {USUAL_AGENCIES} agencies", datasets, page_s))
    partitions = {f"{number:,}": _partition(number) for number in PARTITION_FILES}
    parts.append(_section("Files of one partition", partitions, page_s))
    contracts = {f"{number:,}": cpu_seconds(number) for number in arguments.contracts}
    parts.append(_contracts_section(contracts))
    text = "\n".join(parts)
    print(text)
    RESULTS.write_text(text, "utf-8")
    return 0


def _commands(deliveries: int, agencies: int, contracts_number: int) -> dict[str, Cost]:
    """Every command over a history: 50 deliveries a day until today."""
    store, now = GrowthStore(), datetime.now(UTC).replace(microsecond=0)
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        write_contracts(Path(folder, "contracts"), contracts_number)
        platform = _platform(store, Path(folder))
        datasets = sorted(platform.contracts)
        store.seed(_history(deliveries, agencies, datasets, now))
        LastDeliveries(store, BUCKET, now).complete_index()
        recent = next(iter(LastDeliveries(store, BUCKET, now).read().values()))

        def overdue() -> None:
            expected = ExpectedFiles(store, BUCKET, now)
            for contract in platform.contracts.values():
                list(expected.timeliness(contract))

        def command(*words: str) -> Callable[[], None]:
            return lambda: _run(platform, *words)

        measured = {
            "`status --since 24h`": command("status", "--since", "24h"),
            "`status --since 24h --agency A`": command("status", "--since", "24h", "--agency", "a00000"),
            "`history --agency A`, for the first time": command("history", "--agency", "a00000"),
            "`history --agency A`, again": command("history", "--agency", "a00000"),
            "`quarantine --agency A`": command("quarantine", "--agency", "a00000", "--dataset", datasets[0]),
            "`diff` of a delivery of the last days": lambda: find_delivery(store, BUCKET, recent.delivery_id, now),
            "`agency list`": command("agency", "list"),
            "`expected_files_job`, `status --stuck`": overdue,
            "`reconcile --since 1d`": command("reconcile", "--since", "1d"),
            "`reconcile`, for the first time": command("reconcile"),
            "`reconcile`, `reconcile_job`": command("reconcile"),
            "`index`": command("index"),
        }
        return {name: _cost(store, call) for name, call in measured.items()}


def _partition(files: int) -> dict[str, Cost]:
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
        "rows and version after a delivery": content,
        "a partition read again, nothing changed": _cost(store, read_again),
        "its checks": _cost(store, lambda: PartitionState(store, BUCKET).judged(*partition)),
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
    if code not in {GOOD, BAD}:
        # Interrupted, or an error: what it cost until then is no measurement.
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
        at = now - timedelta(days=1) * (number / PER_DAY) - timedelta(hours=1)
        agency, dataset = f"a{number % agencies:05}", datasets[(number + number // agencies) % len(datasets)]
        objects |= _delivery(number, agency, dataset, at.replace(microsecond=0))
    return objects


def _delivery(number: int, agency: str, dataset: str, at: datetime) -> dict[str, Stored]:
    name = f"{''.join(word.title() + '_' for word in dataset.split('_')).rstrip('_')}_{at:%Y-%m-%d}_{number}.csv"
    etag = f"{number:032x}"
    source = ObjectVersion(BUCKET, f"from_client/{agency}/{name}", f"v-{etag}", etag, 1_000, f"{number:016X}", at)
    is_good = number % 10 != 0
    bronze = object_keys.bronze_key(dataset, agency, source.delivery_id, name)
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


def _heading(page_s: float) -> str:
    about = f"{datetime.now(UTC).date()}, {os.cpu_count()} cores, Python {machine.python_version()}."
    return f"""# Cost as history grows

{about} Each cell has the requests to the object store, the CPU seconds of the client, and the seconds that it took.

The store is in memory and answers after {REQUEST_S * 1_000:.0f} ms. For each 1,000 listed objects,
{page_s * 1_000:.0f} ms are added, in which botocore parses them. Each history has {PER_DAY} deliveries a day, and every
tenth is refused. *Slope* is how many times the last column costs the first, in requests.
"""


def _section(title: str, columns: Mapping[str, Mapping[str, Cost]], page_s: float) -> str:
    names = list(columns)
    lines = [f"## {title}\n", f"| | {' | '.join(names)} | slope |", f"|---|{'---|' * len(names)}---|"]
    for command in columns[names[0]]:
        costs = [columns[name][command] for name in names]
        cells = [_cell(cost, cost.listed / PAGE * page_s) for cost in costs]
        slope = costs[-1].requests / max(1, costs[0].requests)
        lines.append(f"| {command} | {' | '.join(cells)} | {slope:.1f} |")
    return "\n".join(lines) + "\n"


def _cell(cost: Cost, parsing_s: float) -> str:
    return f"{cost.requests:,} · {cost.cpu_s + parsing_s:.1f} · {cost.elapsed_s + parsing_s:.1f}"


def _contracts_section(columns: Mapping[str, Mapping[str, float]]) -> str:
    names = list(columns)
    head = [
        "## Contracts, read and loaded",
        "",
        "CPU seconds of a process, imports included; of a tick, without what its process has loaded before. *Slope* is "
        "how many times the last column costs the first.",
        "",
        f"| | {' | '.join(names)} | slope |",
        f"|---|{'---|' * len(names)}---|",
    ]
    for step in columns[names[0]]:
        costs = [columns[name][step] for name in names]
        head.append(f"| {step} | {' | '.join(f'{cost:.1f}' for cost in costs)} | {costs[-1] / costs[0]:.1f} |")
    return "\n".join(head) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
