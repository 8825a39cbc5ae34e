"""Runs that ``etl-platform run s3_data_quality_job`` starts in its own process."""

from pathlib import Path

import dagster as dg
import pytest

from etl_platform.cli.jobs.intake import ingest_in_process
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.settings import Settings
from etl_platform_tests.integration.deliveries import as_csv, officers


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "home").mkdir()
    return Settings(local_s3_root=tmp_path / "root", dagster_home=tmp_path / "home")


def dropped(settings: Settings, name: str) -> ObjectVersion:
    assert settings.local_s3_root
    key = f"from_client/nm_albuquerque/{name}"
    path = settings.local_s3_root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_csv(officers("A", 3)))
    return ObjectVersion("local", key)


def planned(settings: Settings) -> set[str]:
    """The assets that Dagster shows in the run."""
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        (run,) = instance.get_runs()
        kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED}
        records = instance.get_records_for_run(run.run_id, of_type=kinds).records
        events = [record.event_log_entry.dagster_event for record in records]
        assert all(event and event.event_type in kinds for event in events)
        return {event.asset_key.to_user_string() for event in events if event and event.asset_key}


def test_a_run_by_hand_touches_only_the_datasets_of_its_files(settings: Settings) -> None:
    files = [dropped(settings, "Officer_Detail.csv"), dropped(settings, "photo.csv")]
    finished, error = ingest_in_process(files, settings)
    assert error is None
    assert sorted(str(item.outcome) for item in finished) == ["accepted", "ignored"]
    assert planned(settings) == {"bronze/officer_detail", "silver/officer_detail"}


def test_files_without_a_contract_are_recorded_by_a_run_that_touches_no_dataset(settings: Settings) -> None:
    finished, error = ingest_in_process([dropped(settings, "photo.csv")], settings)
    assert (error, [str(item.outcome) for item in finished]) == (None, ["ignored"])
    assert planned(settings) == set()
