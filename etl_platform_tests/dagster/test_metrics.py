"""Today's figures from real runs, held against the ledger: each delivery counts once, whatever became of its run."""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from etl_platform.defs.operations.daily_counts import DailyCountsReader
from etl_platform.defs.runs.run_counts import counts_of
from etl_platform.deliveries.daily_counts import SECONDS, DailyCounts, RunCounts
from etl_platform.deliveries.delivery import Cause, ObjectVersion
from etl_platform.deliveries.report import Trigger
from etl_platform.platform import Platform
from etl_platform_tests.dagster.run_history import FAILURE, SUCCESS, History
from etl_platform_tests.dagster.workshop import AGENCY, JOB, Workshop
from etl_platform_tests.integration.deliveries import as_csv, officers

OTHER = "nc_durham"
# A day that does not end while the tests run: all of them read as on the day on which they began.
NOW = datetime.now(UTC)
END_OF_DAY = NOW.replace(hour=23, minute=59, second=59)


@pytest.fixture
def workshop(tmp_path: Path, dagster_home: Path) -> Iterator[Workshop]:
    """Its history in files, as the gateway meets it."""
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        yield Workshop(tmp_path / "objects", instance)


def figures(workshop: Workshop) -> DailyCounts:
    """As a gateway that has just started finds them."""
    return DailyCountsReader().read(workshop.instance, NOW)


def counted(workshop: Workshop) -> dict[tuple[str, str, str], int]:
    return dict(figures(workshop).deliveries.counts)


def ledger(workshop: Workshop) -> dict[tuple[str, str, str], int]:
    keys = [key for key in workshop.written("reports") if "/_" not in key]
    records = [json.loads(workshop.objects()[key]) for key in keys]
    return dict(Counter((record["outcome"], record["dataset"], record["agency"]) for record in records))


def test_deliveries_count_as_the_ledger_has_them(workshop: Workshop) -> None:
    good = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8, bad=3)))
    empty = workshop.drop("Officer_Detail.csv", b"", OTHER)
    workshop.ingest(
        good, empty, workshop.drop("Training.csv", b"", OTHER), workshop.drop("Vehicle_Fleet.csv", b"a\n1\n")
    )
    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 9))))

    assert counted(workshop) == ledger(workshop)
    found = figures(workshop)
    assert found.deliveries.counts["accepted", "officer_detail", AGENCY] == 2
    assert found.runs == {(JOB, "success"): 2}
    assert sum(found.deliveries.buckets) == 4
    spent = [
        json.loads(workshop.objects()[key])["attempt"]["seconds"]
        for key in workshop.written("reports")
        if "/_" not in key
    ]
    assert found.deliveries.seconds == pytest.approx(sum(spent))
    assert found.deliveries.buckets[-1] == 0, f"nothing took longer than {SECONDS[-1]} s"


def test_a_second_event_of_a_delivery_is_a_duplicate_and_a_partition_read_again_is_no_delivery(
    workshop: Workshop,
) -> None:
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8)))
    workshop.ingest(key)
    workshop.ingest(key)
    workshop.reprocess()

    assert counted(workshop) == {("accepted", "officer_detail", AGENCY): 1, ("duplicate", "officer_detail", AGENCY): 1}


def test_a_delivery_whose_run_was_killed_after_it_was_told_counts_once(workshop: Workshop) -> None:
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8)))
    gone = f"from_client/{OTHER}/Officer_Detail.csv"
    workshop.ingest(key, gone, message_id="m")

    # Its messages were not deleted, so they come again.
    workshop.ingest(key, gone, message_id="m", receive_count=2)
    workshop.ingest(key, gone, message_id="m", receive_count=3)

    assert counted(workshop) == ledger(workshop)
    assert counted(workshop) == {("accepted", "officer_detail", AGENCY): 1, ("rejected", "officer_detail", OTHER): 1}


def test_a_delivery_whose_run_was_killed_before_it_was_told_counts_once(workshop: Workshop) -> None:
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8)))
    intake = Platform(workshop.settings).intake
    intake.ingest(intake.route(ObjectVersion("local", key)), Trigger(Cause.EVENT, "a run that died"))
    assert counted(workshop) == {}

    workshop.ingest(key, message_id="m", receive_count=2)
    workshop.ingest(key, message_id="m", receive_count=3)

    assert counted(workshop) == ledger(workshop) == {("accepted", "officer_detail", AGENCY): 1}


def test_a_duplicate_that_was_told_first_takes_no_delivery_away(workshop: Workshop) -> None:
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8)))
    intake = Platform(workshop.settings).intake
    intake.ingest(intake.route(ObjectVersion("local", key)), Trigger(Cause.EVENT, "a run that died"))
    # By hand, as the UI's button does it.
    by_hand = dg.AssetMaterialization(dg.AssetKey(["bronze", "officer_detail"]), partition=AGENCY)
    workshop.instance.report_runless_asset_event(by_hand)
    workshop.ingest(key, message_id="of a second event")

    workshop.ingest(key, message_id="m", receive_count=2)

    assert counted(workshop) == {("accepted", "officer_detail", AGENCY): 1, ("duplicate", "officer_detail", AGENCY): 1}


def test_a_reader_that_goes_on_finds_what_one_that_starts_finds(workshop: Workshop) -> None:
    going_on = DailyCountsReader()
    # Within the minute in which rows may still be committed, and later.
    for number, moment in enumerate((NOW, END_OF_DAY, END_OF_DAY)):
        workshop.ingest(workshop.drop(f"Officer_Detail_{number}.csv", as_csv(officers("A", 3 + number))))
        assert going_on.read(workshop.instance, moment) == DailyCountsReader().read(workshop.instance, moment)
        assert going_on.read(workshop.instance, moment).deliveries.counts.total() == number + 1
    assert counted(workshop) == ledger(workshop)


def test_an_earlier_day_counts_no_more(workshop: Workshop) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 3))))
    records = DailyCountsReader()
    assert records.read(workshop.instance, NOW).runs.total() == 1

    tomorrow = records.read(workshop.instance, NOW + timedelta(days=2))

    assert (tomorrow.deliveries.counts, tomorrow.runs, tomorrow.run_counts) == ({}, {}, {})


def test_runs_count_by_the_status_they_ended_with_and_once(workshop: Workshop) -> None:
    history, now = History(workshop.instance), NOW.timestamp()
    for _ in range(250):
        history.run(now, SUCCESS)
    history.run(now, FAILURE, job="email_archive_job")
    history.run(now - 3 * 86_400, FAILURE)
    history.run(None)

    reader = DailyCountsReader()
    for _ in range(2):
        found = reader.read(workshop.instance, NOW)
        assert found.runs == {(JOB, "success"): 250, ("email_archive_job", "failure"): 1}


def test_an_event_of_yesterday_among_todays_hides_none_of_them() -> None:
    assert DailyCountsReader().read(_LogOutOfOrder(), NOW).deliveries.counts.total() == 3


def test_a_run_that_is_executed_once_more_does_not_count_what_the_first_did(workshop: Workshop) -> None:
    first = workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 3))), message_id="m")
    tags = workshop.instance.get_runs()[0].tags
    again = dg.DagsterRun(JOB, str(uuid.uuid4()), tags=dict(tags), status=dg.DagsterRunStatus.STARTED)
    workshop.instance.add_run(again)
    workshop.instance.report_run_failed(again, "killed")

    assert first.success
    assert any("counts" in name for name in tags)
    assert counts_of(again) == RunCounts()


def test_messages_of_a_killed_run_count_as_received(workshop: Workshop) -> None:
    deliveries: list[dict[str, Any]] = [{"bucket": "b", "key": "k", "message_id": name} for name in ("m1", "m1", "m2")]
    config = {"ops": {"ingest": {"config": {"deliveries": deliveries}}}}
    run = dg.DagsterRun(JOB, str(uuid.uuid4()), config, status=dg.DagsterRunStatus.STARTED)
    workshop.instance.add_run(run)
    workshop.instance.report_run_failed(run, "killed")

    found = figures(workshop)

    assert found.run_counts[JOB].received == 2
    assert found.run_counts[JOB].deleted == 0


class _LogOutOfOrder:
    """An instance whose newest events are, newest first: today's, one stamped just before midnight, two of today."""

    get_run_records = staticmethod(lambda *_, **__: [])
    fetch_observations = staticmethod(lambda *_, **__: SimpleNamespace(records=[], has_more=False))

    def get_asset_keys(self, prefix: list[str]) -> list[dg.AssetKey]:
        return [dg.AssetKey([*prefix, "officer_detail"])]

    def fetch_materializations(self, wanted: dg.AssetRecordsFilter, **_: Any) -> Any:
        midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        said = dg.AssetMaterialization(wanted.asset_key, partition=AGENCY, metadata={"outcome": "accepted"})
        stored = ((5, 0.2), (4, -0.01), (3, 0.03), (2, 0.02))
        records = [
            SimpleNamespace(storage_id=number, timestamp=midnight + seconds, asset_materialization=said)
            for number, seconds in stored
        ]
        return SimpleNamespace(records=records, has_more=False)
