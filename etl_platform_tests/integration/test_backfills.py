"""A backfill from Dagster's UI over every agency of several datasets: real webserver, daemon, queue and runs."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etl_platform.local.emulator import listen_on_loopback
from etl_platform.local.provision import open_clients
from etl_platform.local.stack import Stack
from etl_platform_tests.integration.dagster_ui import DagsterUi, query
from etl_platform_tests.integration.deliveries import as_csv, officers

# A Dagster daemon, its code server and its runs keep every core busy: one such stack at a time.
pytestmark = pytest.mark.xdist_group("daemon")
DEADLINE_S = 400.0
CLEAN, DIRTY, REFUSED, NEVER = "aa_clean", "bb_dirty", "cc_refused", "dd_never"
TRAINING = b"officer_id,course_code,completed_on,hours\nA1,F,2026-01-02,3\n"
BACKFILL = """
query ($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill {
      status
      assetBackfillData { assetBackfillStatuses { ... on AssetPartitionsStatusCounts {
        assetKey { path } numPartitionsTargeted numPartitionsMaterialized numPartitionsFailed
      } } }
    }
  }
}"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path / "stack", poll_interval_s=1) as stack:
        yield stack


def test_a_backfill_over_all_agencies_is_completed_if_one_never_sent_and_one_was_refused(stack: Stack) -> None:
    with listen_on_loopback() as free:
        port = free.getsockname()[1]
    url = stack.start_ui(port)
    _drop(stack)
    instance = dg.DagsterInstance.from_config(str(stack.dagster_home))
    _wait(stack, lambda: _materialized(instance, "silver", "training") == {NEVER}, "silver of all")
    _wait(stack, lambda: all(run.is_finished for run in instance.get_runs()), "finished runs")
    assert _materialized(instance, "bronze", "officer_detail") == {CLEAN, DIRTY, REFUSED}
    assert _materialized(instance, "silver", "officer_detail") == {CLEAN, DIRTY}

    assets = [[layer, dataset] for layer in ("bronze", "silver") for dataset in ("officer_detail", "training")]
    launched = DagsterUi(url).backfill(None, assets)

    def backfill() -> dict[str, Any]:
        found: dict[str, Any] = query(url, BACKFILL, id=launched)["partitionBackfillOrError"]
        return found

    _wait(stack, lambda: backfill()["status"] not in {"REQUESTED", "COMPLETING"}, "end of the backfill")
    done = backfill()
    assert done["status"] == "COMPLETED_SUCCESS", done
    statuses = done["assetBackfillData"]["assetBackfillStatuses"]
    assert {(one["assetKey"]["path"][1], one["numPartitionsTargeted"]) for one in statuses} == {
        ("officer_detail", 3),
        ("training", 1),
    }
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": launched}))
    assert sorted(run.tags["dagster/partition"] for run in runs) == [CLEAN, DIRTY, REFUSED, NEVER]


def _drop(stack: Stack) -> None:
    files = {
        f"{CLEAN}/Officer_Detail.csv": as_csv(officers("C", 4)),
        f"{DIRTY}/Officer_Detail.csv": as_csv(officers("D", 4, bad=1)),
        f"{REFUSED}/Officer_Detail.csv": b"officer_id\nA1\n",
        f"{NEVER}/Training.csv": TRAINING,
    }
    with open_clients(stack.emulator.endpoint_url) as aws:
        for name, body in files.items():
            aws.s3.put_object(Bucket=stack.resources.bucket, Key=f"from_client/{name}", Body=body)


def _materialized(instance: dg.DagsterInstance, layer: str, dataset: str) -> set[str]:
    return set(instance.get_materialized_partitions(dg.AssetKey([layer, dataset])))


def _wait(stack: Stack, condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        stack.check()
        assert time.monotonic() < deadline, f"no {what} within {DEADLINE_S:.0f} s"
        time.sleep(0.5)
