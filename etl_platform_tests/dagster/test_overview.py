"""The overview of the person on call: what the sensor reports, and the events that it is read from."""

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etl_platform import object_keys
from etl_platform.aws.queue import Message
from etl_platform.definitions import build_defs
from etl_platform.defs.checks.overdue_files import overdue_event
from etl_platform.defs.datasets.partitions import register_agencies
from etl_platform.defs.intake.file_arrivals_sensor import run_requests
from etl_platform.defs.operations.overview import read_overview
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.waiting import WaitingDelivery
from etl_platform.errors import TransientError
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform_tests.dagster.workshop import AGENCY, Workshop
from etl_platform_tests.integration.deliveries import as_csv, officers
from etl_platform_tests.unit.notifications.scene import Memory

OVERVIEW = dg.AssetKey(["operations", "overview"])
IGNORED = dg.AssetKey(["operations", "ignored_files"])
OTHER = "nc_durham"
CHECKS = ("nothing_is_stuck", "no_file_is_overdue", "every_file_has_a_contract")
DLQ = "https://sqs.example/dlq"


class Depth:
    """A queue of which only the number of messages is known."""

    def __init__(self, waiting: int) -> None:
        self._waiting = waiting

    def depth(self) -> tuple[int, int]:
        return self._waiting, 0


def platform_of(workshop: Workshop, *, dead: int = 0, **settings: Any) -> Platform:
    values = {name: getattr(workshop.settings, name) for name in ("local_s3_root", "contracts_dir")}
    platform = Platform(Settings(file_events_dlq_url=DLQ, **values | settings))
    platform.queue = lambda _: Depth(3)  # type: ignore[assignment,return-value]
    platform.dead_letters = lambda _: Depth(dead)  # type: ignore[assignment,return-value]
    return platform


def tick(workshop: Workshop, platform: Platform, cursor: str | None = None) -> Any:
    definitions = build_defs(platform.settings, platform=platform)
    with dg.build_sensor_context(
        instance=workshop.instance,
        repository_def=definitions.get_repository_def(),
        resources={"platform": platform},
        cursor=cursor,
    ) as context:
        return definitions.resolve_sensor_def("overview_sensor").evaluate_tick(context)


def shown(workshop: Workshop) -> tuple[dict[str, Any], dict[str, dg.AssetCheckEvaluation]]:
    """The metadata of the latest report, tables as lists of rows, and the current check results by name."""
    record = workshop.instance.fetch_materializations(OVERVIEW, limit=1).records[0]
    assert record.asset_materialization is not None
    values = {
        name: [row.data for row in value.records] if isinstance(value, dg.TableMetadataValue) else value.value
        for name, value in record.asset_materialization.metadata.items()
    }
    checks = workshop.instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(OVERVIEW, name) for name in CHECKS]
    )
    evaluations = [check.evaluation for check in checks.values()]
    current = [item for item in evaluations if item and item.target_materialization_data]
    assert {item.target_materialization_data.storage_id for item in current} == {record.storage_id}
    return values, {item.check_name: item for item in current}


def test_the_overview_names_arrivals_and_refused_and_ignored_files(workshop: Workshop) -> None:
    headless = [{k: v for k, v in row.items() if k != "hire_date"} for row in officers("A", 4)]
    workshop.ingest(
        workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8, bad=3))),
        workshop.drop("Officer_Detail.csv", as_csv(headless), OTHER),
        workshop.drop("Vehicle_Fleet.csv", b"plate\n1\n"),
    )

    tick(workshop, platform_of(workshop))

    values, checks = shown(workshop)

    assert values["summary"] == (
        "24 hours: 1 accepted, 1 rejected. 0 failed, 1 ignored, overdue files not checked yet. Nothing is stuck."
    )
    assert {(row["agency"], row["outcome"]) for row in values["arrived"]} == {(AGENCY, "accepted"), (OTHER, "rejected")}
    (refused,) = values["refused"]
    assert refused["agency"] == OTHER
    assert refused["verdict"].startswith("Officer_Detail.csv: rejected: missing_column: ")
    (ignored,) = values["ignored"]
    assert (ignored["agency"], ignored["file"]) == (AGENCY, "Vehicle_Fleet.csv")
    assert ignored["why"].startswith("no_contract: ")
    assert values["file_queue"] == "3 waiting, 0 in flight"
    assert "stuck" not in values
    assert {name: check.passed for name, check in checks.items()} == {
        "nothing_is_stuck": True,
        "no_file_is_overdue": True,
        "every_file_has_a_contract": False,
    }
    assert checks["every_file_has_a_contract"].severity is dg.AssetCheckSeverity.WARN


def test_a_refused_file_is_listed_until_a_good_one_of_its_name_comes(workshop: Workshop) -> None:
    workshop.ingest(
        workshop.drop("Officer_Detail.csv", b"a\n1\n"),
        workshop.drop("Officer_Detail.csv", b"a\n1\n", OTHER),
    )
    tick(workshop, platform_of(workshop))
    assert {row["agency"] for row in shown(workshop)[0]["refused"]} == {AGENCY, OTHER}

    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8))))
    tick(workshop, platform_of(workshop))

    values, _ = shown(workshop)
    assert [row["agency"] for row in values["refused"]] == [OTHER]
    assert values["summary"].startswith("24 hours: 1 accepted, 2 rejected. ")


def test_a_refused_file_is_listed_until_it_is_read_again_with_success(workshop: Workshop, tmp_path: Path) -> None:
    good = workshop.settings.contracts_dir
    stricter = tmp_path / "contracts"
    shutil.copytree(good, stricter)
    path = stricter / "officer_detail.odcs.yaml"
    text = path.read_text("utf-8")
    assert "name: hire_date" in text
    path.write_text(text.replace("name: hire_date", "name: day_of_hire", 1), "utf-8")
    workshop.contracts_dir = stricter
    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8))))
    workshop.contracts_dir = good
    tick(workshop, platform_of(workshop))
    assert len(shown(workshop)[0]["refused"]) == 1

    assert workshop.reprocess().success
    tick(workshop, platform_of(workshop))

    assert "refused" not in shown(workshop)[0]


def test_an_unchanged_state_is_reported_again_only_after_an_hour(workshop: Workshop) -> None:
    platform = platform_of(workshop)
    cursor = tick(workshop, platform).cursor

    assert tick(workshop, platform, cursor).skip_message == "nothing has changed"
    assert _reports(workshop) == 1
    an_hour_ago = json.dumps(json.loads(cursor) | {"reported_at": "2020-01-01T00:00:00+00:00"})
    tick(workshop, platform, an_hour_ago)
    tick(workshop, platform, "not a cursor")
    assert _reports(workshop) == 3

    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 2))))
    tick(workshop, platform, cursor)
    assert _reports(workshop) == 4


def test_an_ignored_file_stops_waiting_when_the_sender_deletes_it(workshop: Workshop) -> None:
    key = workshop.drop("Vehicle_Fleet.csv", b"plate\n1\n")
    workshop.ingest(key)

    (workshop.root / key).unlink()

    tick(workshop, platform_of(workshop))

    values, checks = shown(workshop)
    assert "ignored" not in values
    assert checks["every_file_has_a_contract"].passed


def test_an_ignored_file_waits_for_repair_when_a_contract_was_added(workshop: Workshop, tmp_path: Path) -> None:
    workshop.ingest(workshop.drop("Drills.csv", b"a\n1\n"))
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    training = Path(workshop.settings.contracts_dir / "training.odcs.yaml").read_text("utf-8")
    renamed = training.replace("name: training", "name: drills").replace(
        "physicalName: Training", "physicalName: Drills"
    )
    (contracts / "drills.odcs.yaml").write_text(renamed, "utf-8")
    workshop.contracts_dir = contracts

    tick(workshop, platform_of(workshop))

    values, _ = shown(workshop)
    (ignored,) = values["ignored"]
    assert ignored["why"] == "the contract drills matches it now; run etl-platform reconcile --repair"

    workshop.ingest(f"from_client/{AGENCY}/Drills.csv")

    assert workshop.outcomes == ["rejected"]
    tick(workshop, platform_of(workshop))

    values, checks = shown(workshop)
    assert "ignored" not in values
    assert checks["every_file_has_a_contract"].passed


def test_expected_names_have_no_event(workshop: Workshop) -> None:
    keys = [workshop.drop(name, b"x") for name in ("x.csv.md5", ".DS_Store", "x.csv.filepart")]

    workshop.ingest(*keys)

    assert workshop.outcomes == ["ignored"] * 3
    assert workshop.instance.fetch_observations(IGNORED, limit=9).records == []


def test_a_run_records_an_ignored_file_and_logs_it_before_it_deletes_the_message(workshop: Workshop) -> None:
    key = workshop.drop("Vehicle_Fleet.csv", b"plate\n1\n")
    queue, platform = _OneMessage(key, workshop.instance), platform_of(workshop)
    platform.queue = lambda _: queue  # type: ignore[assignment,return-value]

    (request,) = run_requests(platform, deadline=float("inf"))
    assert queue.state == "waiting"
    assert request.job_name == "ignored_files_job"
    job = build_defs(platform.settings, platform=platform).resolve_job_def(request.job_name)
    result = job.execute_in_process(request.run_config, instance=workshop.instance, tags=dict(request.tags))

    assert result.success
    assert queue.state == "deleted after 1 event"


def test_dead_letters_are_an_obstacle_with_the_next_step(workshop: Workshop) -> None:
    tick(workshop, platform_of(workshop, dead=2))

    values, checks = shown(workshop)

    (stuck,) = values["stuck"]
    assert stuck["what"] == "2 dead letters"
    assert "etl-platform dlq list" in stuck["to do"]
    assert not checks["nothing_is_stuck"].passed
    assert checks["nothing_is_stuck"].severity is dg.AssetCheckSeverity.ERROR


def test_a_contract_in_error_is_an_obstacle_and_its_files_are_listed(workshop: Workshop, tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    shutil.copytree(workshop.settings.contracts_dir, contracts)
    path = contracts / "training.odcs.yaml"
    path.write_text(path.read_text("utf-8").replace("logicalType: boolean", "logicalType: colour", 1), "utf-8")
    workshop.contracts_dir = contracts
    workshop.ingest(workshop.drop("Training.csv", b"a\n1\n"))

    tick(workshop, platform_of(workshop))

    values, _ = shown(workshop)
    (stuck,) = values["stuck"]
    assert stuck["what"].startswith("1 contract is in error and set aside")
    assert "colour" in stuck["what"]
    (ignored,) = values["ignored"]
    assert ignored["why"].startswith("contract_error: ")


@pytest.mark.parametrize("receives", [1, 3])
def test_a_failed_delivery_is_listed_and_an_obstacle_from_the_third_receive_on(
    workshop: Workshop, receives: int
) -> None:
    platform, now = platform_of(workshop), datetime.now(UTC)
    record = WaitingDelivery(
        delivery_id="0" * 20,
        source=ObjectVersion("local", f"from_client/{AGENCY}/Training.csv"),
        agency=AGENCY,
        dataset="training",
        code="TransientError",
        reason="GET: SlowDown",
        receives=receives,
        failed_at=now,
        comes_again_at=now + timedelta(minutes=1),
    )
    platform.intake.waiting.put(record)

    tick(workshop, platform)

    values, checks = shown(workshop)
    (failed,) = values["failed"]
    assert failed["agency"] == AGENCY
    assert "GET: SlowDown" in failed["why"]
    assert failed["next"].startswith("comes again at ")
    assert checks["nothing_is_stuck"].passed == (receives == 1)


def test_a_part_that_cannot_be_read_hides_no_other(workshop: Workshop) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", b""))
    platform = platform_of(workshop)

    class Unreachable:
        def depth(self) -> tuple[int, int]:
            raise TransientError("GetQueueAttributes: no route to host")

    platform.dead_letters = lambda _: Unreachable()  # type: ignore[assignment,return-value]

    tick(workshop, platform)

    values, checks = shown(workshop)

    assert len(values["refused"]) == 1
    (stuck,) = values["stuck"]
    assert stuck["what"] == "the queues could not be read: GetQueueAttributes: no route to host"
    assert not checks["nothing_is_stuck"].passed


def test_without_a_queue_the_sensor_skips_and_names_the_setting(workshop: Workshop) -> None:
    reported = tick(workshop, Platform(workshop.settings))

    assert _reports(workshop) == 0
    assert "FILE_EVENTS_QUEUE_URL" in reported.skip_message


def test_an_overdue_file_is_listed_until_it_arrives(workshop: Workshop) -> None:
    retired = {"agency": "tx_el_paso", "dataset": "officer_detail", "why": "expected by 2026-11-02"}
    late = {"agency": AGENCY, "dataset": "officer_detail", "why": "expected by 2026-11-01"}
    register_agencies(workshop.instance, {"officer_detail": {AGENCY}})
    _log_overdue(workshop, [late, retired])

    tick(workshop, platform_of(workshop))

    values, checks = shown(workshop)
    assert [row["agency"] for row in values["overdue"]] == [AGENCY]
    assert not checks["no_file_is_overdue"].passed
    assert "expected by 2026-11-01" in (checks["no_file_is_overdue"].description or "")

    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 2))))

    tick(workshop, platform_of(workshop))

    values, checks = shown(workshop)
    assert "overdue" not in values
    assert checks["no_file_is_overdue"].passed


def test_a_list_of_overdue_files_that_is_too_old_is_an_obstacle(workshop: Workshop) -> None:
    platform = platform_of(workshop)
    _log_overdue(workshop, [])

    soon, late = (
        read_overview(workshop.instance, platform, datetime.now(UTC) + timedelta(hours=hours)) for hours in (25, 27)
    )

    assert soon.obstacles == []
    (obstacle,) = late.obstacles
    assert obstacle.text.startswith("overdue files were last looked for at ")


@pytest.mark.parametrize("checks_only", [False, True])
def test_a_person_refreshes_the_overview_or_one_check(workshop: Workshop, checks_only: bool) -> None:
    platform = platform_of(workshop, dead=1)
    definitions = build_defs(platform.settings, platform=platform)
    check = dg.AssetCheckKey(OVERVIEW, "nothing_is_stuck")
    selection = dg.AssetSelection.checks(check) if checks_only else dg.AssetSelection.assets(OVERVIEW)
    job = dg.define_asset_job("refresh", selection=selection)
    resolved = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job])).resolve_job_def("refresh")

    result = resolved.execute_in_process(instance=workshop.instance)

    assert result.success
    assert len(result.asset_materializations_for_node("report_overview")) == (0 if checks_only else 1)
    found = {item.check_name: item.passed for item in result.get_asset_check_evaluations()}
    assert found.items() >= {"nothing_is_stuck": False}.items()
    assert len(found) == (1 if checks_only else 3)


def _reports(workshop: Workshop) -> int:
    return len(workshop.instance.fetch_materializations(OVERVIEW, limit=99).records)


def _log_overdue(workshop: Workshop, rows: list[Mapping[str, str]]) -> None:
    workshop.instance.report_runless_asset_event(overdue_event(rows))


class _OneMessage:
    """A queue with the event of one object, which records whether the message was deleted."""

    def __init__(self, key: str, instance: dg.DagsterInstance) -> None:
        self.state = "waiting"
        self._instance = instance
        place = {"bucket": {"name": "local"}, "object": {"key": key, "size": 8}}
        self._body = json.dumps({"Records": [{"eventVersion": "2.1", "eventName": "ObjectCreated:Put", "s3": place}]})
        self._left = 1

    def receive(self, _limit: int, _timeout_s: int, _wait_s: int = 0) -> list[Any]:
        taken, self._left = self._left, 0
        return [Message("m", "h", self._body, 1)] * taken

    def delete(self, handles: list[str]) -> list[str]:
        if handles:
            events = len(self._instance.fetch_observations(IGNORED, limit=9).records)
            self.state = f"deleted after {events} event"
        return []

    def change_visibility(self, _handles: list[str], _timeout_s: int) -> list[str]:
        return []


def test_a_channel_that_fails_is_stuck(workshop: Workshop) -> None:
    platform = platform_of(workshop)
    platform.channels = [Memory("person", is_down=True)]
    platform.notifier.round()
    headless = [{k: v for k, v in row.items() if k != "hire_date"} for row in officers("A", 4)]
    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(headless)))
    assert platform.notifier.round().failed == ["person"]

    tick(workshop, platform)

    values, checks = shown(workshop)
    assert not checks["nothing_is_stuck"].passed
    (stuck,) = values["stuck"]
    assert stuck["what"].startswith("person: fails since ")
    assert stuck["to do"] == "`etl-platform notify test` tries each channel"


def test_the_page_of_the_gateway_is_written_with_what_the_ui_knows(workshop: Workshop) -> None:
    workshop.ingest(
        workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8, bad=3))),
        workshop.drop("Vehicle_Fleet.csv", b"plate\n1\n"),
    )
    platform = platform_of(workshop, dead=2)
    job = build_defs(platform.settings, platform=platform).resolve_job_def("overview_page_job")
    assert job.execute_in_process(instance=workshop.instance).success
    page = (workshop.root / object_keys.OVERVIEW_PAGE).read_text("utf-8")
    assert f"<bdi>{AGENCY}</bdi>" in page
    assert "2 dead letters" in page
    assert "Vehicle_Fleet.csv" in page
    assert "<summary>partly refused</summary>" in page
    assert "No file is overdue." in page
