"""What Dagster's events quote of an erased delivery is removed. Events stay, those of other files as they were."""

import sqlite3
from pathlib import Path

import dagster as dg
import pytest

from etl_platform.defs.operations.erase_events import ErasedPartition, erase_events
from etl_platform.settings import Settings
from etl_platform_tests.dagster.workshop import AGENCY, Workshop
from etl_platform_tests.integration.deliveries import as_csv, officers

DATASET = "officer_detail"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return Workshop(tmp_path / "root", dg.DagsterInstance.from_config(str(home)))


def settings_of(workshop: Workshop, tmp_path: Path) -> Settings:
    return Settings(local_s3_root=workshop.root, dagster_home=tmp_path / "home")


def databases_with(folder: Path, text: str) -> list[str]:
    """Tables of Dagster's databases with a text, and how many rows have it."""
    found = []
    for path in sorted(folder.rglob("*.db")):
        with sqlite3.connect(path) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                rows = [row for row in connection.execute(f"SELECT * FROM {table}") if text in str(row)]
                found += [f"{path.name}: {table}"] if rows else []
    return found


def test_values_of_an_erased_delivery_are_in_no_event_and_those_of_others_stay(
    workshop: Workshop, tmp_path: Path
) -> None:
    for name, prefix in (("Officer_Detail.csv", "SECRET"), ("Officers_reserve.csv", "OPEN")):
        workshop.ingest(workshop.drop(name, as_csv(officers(prefix, 6, bad=2))))
    home = tmp_path / "home"
    assert databases_with(home, "SECRET")
    first = workshop.materializations("silver", DATASET)[0]
    erased = ErasedPartition(DATASET, AGENCY, frozenset({str(first.metadata["delivery_id"].value)}))
    settings = settings_of(workshop, tmp_path)

    listed = erase_events(settings, [erased], dry_run=True)
    assert databases_with(home, "SECRET")
    assert erase_events(settings, [erased], dry_run=False) == listed > 0

    assert databases_with(home, "SECRET") == []
    assert databases_with(home, "OPEN")
    left = workshop.materializations("silver", DATASET)[0]
    assert left.description == "removed, because a delivery was erased"
    assert left.metadata["rows"] == first.metadata["rows"]
    assert "preview" not in left.metadata
    assert erase_events(settings, [erased], dry_run=False) == 0


def test_events_of_other_agencies_are_as_they_were(workshop: Workshop, tmp_path: Path) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("OPEN", 6, bad=2))))
    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("SECRET", 6, bad=2)), "nc_durham"))
    before, _ = workshop.materializations("silver", DATASET)

    assert erase_events(settings_of(workshop, tmp_path), [ErasedPartition(DATASET, "nc_durham", None)], dry_run=False)

    assert databases_with(tmp_path / "home", "SECRET") == []
    after, _ = workshop.materializations("silver", DATASET)
    assert after.metadata == before.metadata
