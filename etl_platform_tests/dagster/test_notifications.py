"""The sensor that tells somebody, with real deliveries and the real list of overdue files, over a folder."""

import os
import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etl_platform.definitions import build_defs
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform_tests.dagster.workshop import Workshop
from etl_platform_tests.integration.deliveries import as_csv, officers
from etl_platform_tests.unit.notifications.scene import Memory

HEADLESS = as_csv([{k: v for k, v in row.items() if k != "hire_date"} for row in officers("A", 4)])


@pytest.fixture
def channel() -> Memory:
    return Memory("person")


def tick(workshop: Workshop, channel: Memory) -> str:
    platform = Platform(workshop.settings)
    platform.channels = [channel]
    definitions = build_defs(platform.settings, platform=platform)
    with dg.build_sensor_context(
        instance=workshop.instance,
        repository_def=definitions.get_repository_def(),
        resources={"platform": platform},
    ) as context:
        found = definitions.resolve_sensor_def("notifications_sensor").evaluate_tick(context)
    assert found.run_requests == []
    return found.skip_message or ""


def run(workshop: Workshop, job: str) -> Any:
    definitions = build_defs(workshop.settings, platform=Platform(workshop.settings))
    return definitions.resolve_job_def(job).execute_in_process(instance=workshop.instance)


def told(channel: Memory) -> list[tuple[str, str | None]]:
    return [(str(event.kind), event.file) for event in channel.took]


def test_what_runs_made_of_files_is_told(workshop: Workshop, channel: Memory) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", HEADLESS))
    assert tick(workshop, channel) == "0 events found; sent nothing"

    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8, bad=3))))
    workshop.ingest(workshop.drop("Oficer_Detail.csv", b"officer_id\n1\n"))
    assert tick(workshop, channel) == "2 events found; sent 2 to person"
    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8))))
    workshop.ingest(workshop.drop("Officer_Detail.csv", HEADLESS, "nc_durham"))
    tick(workshop, channel)

    quarantined, ignored, *later = sorted(channel.took[:2], key=lambda event: event.kind) + channel.took[2:]
    assert quarantined.details["quarantined_rows"] == 3
    assert quarantined.details["reasons"] == [{"rule": "email.pattern", "rows": 3}]
    assert ignored.details == {"errors": ["no_contract"], "did_you_mean": "Officer_Detail.csv"}
    assert [str(event.kind) for event in later] == ["recovered", "rejected"]
    assert later[1].details["missing_columns"] == ["hire_date"]
    assert later[1].agency == "nc_durham"


def test_an_overdue_file_of_the_daily_job_is_told_once_and_so_is_its_arrival(
    workshop: Workshop, channel: Memory
) -> None:
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 4)))
    arrived = time.time() - timedelta(days=40).total_seconds()
    os.utime(workshop.root / key, (arrived, arrived))
    assert workshop.ingest(key).success
    tick(workshop, channel)
    for _ in range(2):
        run(workshop, "expected_files_job")
        tick(workshop, channel)
    assert workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("B", 4)))).success
    run(workshop, "expected_files_job")
    tick(workshop, channel)
    assert told(channel) == [("overdue", None), ("recovered", "Officer_Detail.csv")]
    assert channel.took[0].details["last_file"] == "Officer_Detail.csv"


def test_no_event_has_a_value_of_a_row(workshop: Workshop, channel: Memory) -> None:
    """Files with wrong values, without a header, with a header that is a row."""
    tick(workshop, channel)
    rows = officers("A", 8, bad=8)
    body = as_csv(rows)
    for number, content in enumerate([body, body.split(b"\r\n", 1)[1], body.replace(b"officer_id", b"zorbex.1")]):
        workshop.ingest(workshop.drop("Officer_Detail.csv", content, f"agency_{number}"))
    tick(workshop, channel)
    assert len(channel.took) == 3
    text = repr([event.to_json("bucket") for event in channel.took]).lower()
    assert [value for row in rows for value in row.values() if len(value) > 4 and value.lower() in text] == []


def test_contacts_beside_the_contracts_are_channels(workshop: Workshop, tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    shutil.copytree(Settings().contracts_dir, contracts)
    settings = Settings(local_s3_root=workshop.root, contracts_dir=contracts)
    assert Platform(settings).channels == []
    (contracts / "contacts.yaml").write_text("contacts:\n  - {name: team, url: 'json://127.0.0.1:9'}\n", "utf-8")
    assert [channel.name for channel in Platform(settings).channels] == ["team"]
    (contracts / "contacts.yaml").write_text("contacts:\n  - {name: team}\n", "utf-8")
    (held,) = Platform(settings).channels
    assert held.name == "contacts"
    with pytest.raises(Exception, match=r"contacts.yaml:2: missing: url"):
        held.send([])
