"""``make bench-drift ARGS='--cost ROWS'``: CPU of a file's way through intake over S3, compared and not compared.

The two are measured in pairs, one after the other in changing order, so that the load of the machine is in both.
"""

import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.clean_tables import DATASETS, large_table
from etl_platform.deliveries.delivery import Cause, ObjectVersion
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.report import Trigger
from etl_platform.engine.contract.drift_limits import DriftLimits
from etl_platform.engine.contract_folder import load_contract
from etl_platform.engine.drift.comparison import KEPT
from etl_platform.local.emulator import Emulator
from etl_platform.local.provision import provision
from etl_platform.settings import Settings
from etl_platform.storage.s3_store import S3Store

_CONTRACTS = Path(__file__).parents[1] / "contracts"
_FIRST_ROWS = 200
_ENVIRONMENT = {"AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1"}
Measured = Callable[[str, bytes], float]


def print_costs(rows: int, pairs: int) -> None:
    """One line for each shipped contract: CPU with and without the comparison."""
    with _s3() as (store, bucket):
        sums = [0.0, 0.0]
        for dataset in DATASETS:
            contract = load_contract(_CONTRACTS / f"{dataset}.odcs.yaml")
            without = replace(contract, drift_limits=DriftLimits(severity=None))
            measured = [
                partial(
                    _cpu_s, Intake(store, {dataset: one}, bucket, "from_client/", partial(datetime.now, UTC)), store
                )
                for one in (contract, without)
            ]
            spent = _spent(dataset, rows, pairs, [partial(one, bucket) for one in measured])
            sums = [total + one for total, one in zip(sums, spent, strict=True)]
            _print(dataset, spent, pairs)
        _print("in all", sums, pairs * len(DATASETS))


def _spent(dataset: str, rows: int, pairs: int, measured: list[Measured]) -> list[float]:
    spent = [0.0, 0.0]
    # A full index first, of small files.
    for number in range(KEPT + 1 + pairs):
        is_first = number <= KEPT
        table = large_table(number, dataset, min(rows, _FIRST_ROWS) if is_first else rows)
        for place in (0, 1) if number % 2 else (1, 0):
            seconds = measured[place](f"from_client/agency_{place}/{table.name}", table.text().encode())
            spent[place] += 0 if is_first else seconds
    return spent


def _cpu_s(intake: Intake, store: S3Store, bucket: str, key: str, content: bytes) -> float:
    """CPU seconds of this process for one file; the emulator is another one."""
    store.write(bucket, key, content)
    head = store.head(bucket, key)
    sequencer = f"{time.time_ns():020}"
    version = ObjectVersion(bucket, key, head.version_id, head.etag, head.size_bytes, sequencer)
    gc.collect()
    began = time.process_time()
    report = intake.ingest(intake.route(version), Trigger(Cause.EVENT)).report
    seconds = time.process_time() - began
    assert report.check.rows, report.check.errors
    return seconds


@contextmanager
def _s3() -> Iterator[tuple[S3Store, str]]:
    os.environ |= _ENVIRONMENT
    with (
        tempfile.TemporaryDirectory(prefix="drift-cost-") as folder,
        Emulator(Path(folder), environment=os.environ) as emulator,
    ):
        made = provision(emulator.endpoint_url)
        settings = Settings(
            aws_endpoint_url=emulator.endpoint_url,
            data_bucket_name=made.bucket,
            file_events_queue_url=made.queue_url,
            file_events_dlq_url=made.dlq_url,
            email_queue_url=made.email_queue_url,
            email_dlq_url=made.email_dlq_url,
            email_bucket_name=made.email_bucket,
        )
        yield S3Store(settings), made.bucket


def _print(name: str, spent: list[float], pairs: int) -> None:
    compared, without = (1000 * one / pairs for one in spent)
    print(f"{name:20} {compared:8.1f} ms, not compared {without:8.1f} ms: {compared / without - 1:6.1%}", flush=True)
