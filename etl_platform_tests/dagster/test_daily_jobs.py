"""What the schedules start: reconciliation and expected files, over a folder."""

import os
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from etl_platform.definitions import build_defs
from etl_platform.platform import Platform
from etl_platform.storage.local_store import LocalStore
from etl_platform_tests.dagster.workshop import AGENCY, Workshop, value_of
from etl_platform_tests.integration.deliveries import as_csv, officers

OTHER = "nc_durham"
ON_TIME = dg.AssetCheckKey(dg.AssetKey(["silver", "officer_detail"]), "file_is_on_time")


def run(workshop: Workshop, job: str, **how: Any) -> dg.ExecuteInProcessResult:
    definitions = build_defs(workshop.settings, platform=Platform(workshop.settings))
    return definitions.resolve_job_def(job).execute_in_process(instance=workshop.instance, raise_on_error=False, **how)


def drop(workshop: Workshop, agency: str, age: timedelta) -> str:
    """An officers' file that arrived so long ago."""
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 4)), agency)
    arrived = time.time() - age.total_seconds()
    os.utime(workshop.root / key, (arrived, arrived))
    return key


def on_time(workshop: Workshop, result: dg.ExecuteInProcessResult) -> dict[str | None, dg.AssetCheckEvaluation]:
    found = workshop.evaluations(result)
    return {item.partition: item for item in found if item.asset_check_key == ON_TIME}


def test_the_daily_look_says_whose_file_is_overdue(workshop: Workshop) -> None:
    keys = [drop(workshop, AGENCY, timedelta(days=40)), drop(workshop, OTHER, timedelta(days=33))]
    assert workshop.ingest(*keys).success

    result = run(workshop, "expected_files_job")

    assert result.success
    found = on_time(workshop, result)
    assert {agency: item.passed for agency, item in found.items()} == {AGENCY: False, OTHER: True}
    assert "9 days ago" in (found[AGENCY].description or "")
    assert found[AGENCY].severity is dg.AssetCheckSeverity.WARN
    (step,) = (event for event in result.all_events if event.is_successful_output)
    metadata = step.step_output_data.metadata
    assert (value_of(metadata, "partitions"), value_of(metadata, "overdue")) == (2, 1)
    assert AGENCY in repr(metadata["overdue_files"])
    history = workshop.instance.event_log_storage.get_asset_check_execution_history(ON_TIME, limit=10)
    assert {record.status.value for record in history} == {"SUCCEEDED", "FAILED"}, "no planned result is left over"


def test_an_agency_that_sent_its_file_is_on_time_again(workshop: Workshop) -> None:
    assert workshop.ingest(drop(workshop, AGENCY, timedelta(days=40))).success
    assert not on_time(workshop, run(workshop, "expected_files_job"))[AGENCY].passed
    assert workshop.ingest(drop(workshop, AGENCY, timedelta())).success
    assert on_time(workshop, run(workshop, "expected_files_job"))[AGENCY].passed


def test_the_check_of_one_partition_can_be_run_by_hand(workshop: Workshop) -> None:
    assert workshop.ingest(drop(workshop, AGENCY, timedelta(days=40))).success
    workshop.instance.add_dynamic_partitions("officer_detail_agencies", [OTHER])
    definitions = build_defs(workshop.settings, platform=Platform(workshop.settings))
    job = definitions.resolve_implicit_global_asset_job_def()
    for agency, passed in ((AGENCY, False), (OTHER, True)):
        # As the UI launches it: by its tag, because not all assets of this job have the same partitions.
        result = job.get_subset(asset_check_selection={ON_TIME}, asset_selection=set()).execute_in_process(
            instance=workshop.instance, tags={"dagster/partition": agency}
        )
        assert {a: item.passed for a, item in on_time(workshop, result).items()} == {agency: passed}


def test_reconciliation_is_red_with_a_table_while_something_is_missing(workshop: Workshop) -> None:
    key = drop(workshop, AGENCY, timedelta(days=1))

    red = run(workshop, "reconcile_job")

    assert not red.success
    (event,) = red.filter_events(lambda item: item.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    assert failure
    assert "1 missing, 0 failed, 0 stale, 0 orphaned" in (failure.description or "")
    (row,) = failure.metadata["findings"].records  # type: ignore[union-attr]
    assert key in repr(row)

    assert workshop.ingest(key).success
    green = run(workshop, "reconcile_job")
    assert green.success
    (step,) = (item for item in green.all_events if item.is_successful_output)
    assert value_of(step.step_output_data.metadata, "file_versions") == 1


def test_a_bucket_without_versions_is_told_once(workshop: Workshop) -> None:
    class Unversioned(LocalStore):
        def is_versioned(self, bucket: str) -> bool:  # type: ignore[override]
            return False

    workshop.wrap_store = lambda _store: Unversioned(workshop.root)
    result = workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 2))))

    said = [entry.user_message for entry in workshop.instance.all_logs(result.run_id) if entry.level == 30]
    assert len(said) == 1
    assert "put-bucket-versioning" in said[0]
    assert workshop.platforms[-1].bucket_warning() is None


@pytest.mark.parametrize("job", ["reconcile_job", "expected_files_job"])
def test_a_daily_job_runs_on_an_empty_bucket(workshop: Workshop, job: str) -> None:
    workshop.root.mkdir()
    assert run(workshop, job).success


@pytest.mark.parametrize(("access", "status"), [(None, "STOPPED"), ("token", "RUNNING")])
def test_the_overview_page_is_made_every_hour_if_the_gateway_serves_it(
    workshop: Workshop, access: str | None, status: str
) -> None:
    definitions = build_defs(replace(workshop.settings, gateway_overview_access=access))
    assert definitions.resolve_schedule_def("overview_page_job_schedule").default_status.value == status
