"""The job as a person starts it: one agency's partition is read again under today's contract."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from etl_platform.defs.checks.check_results import FILE_CHECK
from etl_platform_tests.dagster.workshop import AGENCY, Workshop, value_of
from etl_platform_tests.integration.deliveries import as_csv, officers

BRONZE, SILVER = dg.AssetKey(["bronze", "officer_detail"]), dg.AssetKey(["silver", "officer_detail"])


@pytest.fixture
def stocked(workshop: Workshop) -> Workshop:
    """An agency with two source keys of one dataset, one of them delivered twice."""
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("OLD", 3)))
    workshop.ingest(key)
    workshop.drop("Officer_Detail.csv", as_csv(officers("A", 6, bad=2)))
    workshop.ingest(key, workshop.drop("Officers_reserve.csv", as_csv(officers("R", 5))))
    assert workshop.outcomes == ["accepted", "accepted"]
    return workshop


def test_a_partition_run_reads_the_latest_bronze_of_every_key(stocked: Workshop) -> None:
    silver_before = {key: stocked.objects()[key] for key in stocked.written("silver")}
    for key in [key for key in stocked.objects() if key.startswith(("from_client/", "silver/"))]:
        (stocked.root / key).unlink()

    result = stocked.reprocess()

    assert result.success
    assert sorted(item.report.source.key for item in stocked.platforms[-1].finished) == [
        f"from_client/{AGENCY}/Officer_Detail.csv",
        f"from_client/{AGENCY}/Officers_reserve.csv",
    ]
    assert stocked.outcomes == ["accepted", "accepted"]
    assert {key: stocked.objects()[key] for key in stocked.written("silver")} == silver_before
    silver = stocked.materializations("silver", "officer_detail")[-1]
    assert silver.partition == AGENCY
    assert value_of(silver.metadata, "dagster/partition_row_count") == 4 + 5
    assert value_of(silver.metadata, "files") == 2
    assert stocked.materializations("bronze", "officer_detail")[-1].partition == AGENCY


def test_a_partition_run_yields_every_check_of_the_dataset(stocked: Workshop) -> None:
    result = stocked.reprocess()

    evaluations = stocked.evaluations(result)
    assert {item.partition for item in evaluations} == {AGENCY}
    assert {item.asset_key for item in evaluations} == {SILVER}
    assert "file_is_readable_and_complete" in {item.check_name for item in evaluations}
    assert len({item.check_name for item in evaluations}) > 10


def test_bad_rows_of_any_file_of_the_partition_show_in_its_checks(stocked: Workshop) -> None:
    """The check speaks of the partition, so it must not be green because the last file was clean."""
    result = stocked.reprocess()

    red = {item.check_name for item in stocked.evaluations(result) if not item.passed}
    # The files lack the dates that the two row rules compare.
    assert red == {"email__pattern", "departed_has_termination_date", "termination_not_before_hire"}


def test_reading_a_partition_again_changes_no_object(stocked: Workshop) -> None:
    before = stocked.objects()

    first = stocked.reprocess()
    after_first = stocked.objects()
    second = stocked.reprocess()

    assert first.success
    assert second.success
    assert stocked.objects() == after_first
    changed = {key for key, body in after_first.items() if before.get(key) != body}
    assert all(key.startswith("reports/") for key in changed if not key.startswith(".meta/")), changed
    assert len([key for key in changed if key.startswith("reports/officer_detail/")]) == 2
    assert len([key for key in changed if key.startswith("reports/_facts/")]) == 2


def test_a_partition_without_deliveries_succeeds_and_materializes_nothing(workshop: Workshop) -> None:
    workshop.instance.add_dynamic_partitions("officer_detail_agencies", ["tx_el_paso"])

    result = workshop.reprocess("tx_el_paso")

    assert result.success
    assert workshop.outcomes == []
    assert workshop.materializations("bronze", "officer_detail") == []
    assert all(check.passed for check in workshop.evaluations(result)), "there is no file that could break a rule"
    assert workshop.objects() == {}


@pytest.mark.parametrize(
    ("chosen", "materialized"), [(BRONZE, [BRONZE, SILVER]), (SILVER, [SILVER])], ids=["bronze", "silver"]
)
def test_a_selection_of_one_layer_materializes_what_it_writes(
    stocked: Workshop, chosen: dg.AssetKey, materialized: list[dg.AssetKey]
) -> None:
    """Bronze is never written again; reading it again writes silver."""
    result = stocked.reprocess(selection=[chosen])

    assert result.success
    events = result.get_asset_materialization_events()
    assert {event.asset_key for event in events} == set(materialized)
    assert {event.partition for event in events} == {AGENCY}


def test_only_the_selected_dataset_is_read_again(stocked: Workshop) -> None:
    stocked.ingest(stocked.drop("Training.csv", b"officer_id,course_code,completed_on,hours\nA1,F,2026-01-02,3\n"))

    stocked.reprocess(selection=[dg.AssetKey(["bronze", "training"]), dg.AssetKey(["silver", "training"])])

    assert [item.report.dataset for item in stocked.platforms[-1].finished] == ["training"]


def test_a_rejected_delivery_is_read_again_and_stays_rejected(workshop: Workshop) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", b"officer_id\nA1\n"))

    result = workshop.reprocess()

    assert result.success
    assert workshop.outcomes == ["rejected"]
    assert {check.check_name for check in workshop.evaluations(result) if not check.passed} == {FILE_CHECK}
    (silver,) = workshop.materializations("silver", "officer_detail")
    assert value_of(silver.metadata, "dagster/partition_row_count") == 0
    assert silver.description == "No file was accepted, so silver is as it was."
    assert workshop.written("silver") == []


def test_a_reprocessing_that_accepts_nothing_repeats_the_last_event_of_silver(workshop: Workshop) -> None:
    """Otherwise Dagster would end a backfill as failed, or would call silver current under the new contract."""
    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 6))))
    (before,) = workshop.materializations("silver", "officer_detail")
    workshop.contracts_dir = _contract_that_refuses(workshop)

    result = workshop.reprocess()

    assert result.success
    assert workshop.outcomes == ["rejected"]
    after = workshop.materializations("silver", "officer_detail")[-1]
    assert value_of(after.metadata, "dagster/partition_row_count") == 6
    assert after.metadata.keys() - before.metadata.keys() == {"unchanged"}
    assert after.tags == before.tags


def test_a_file_that_was_gone_before_it_was_read_leaves_its_partition_as_it_was(workshop: Workshop) -> None:
    workshop.ingest(f"from_client/{AGENCY}/Officer_Detail.csv", etag="of-a-deleted-object")
    assert workshop.outcomes == ["rejected"]

    assert workshop.reprocess().success

    last = workshop.materializations("bronze", "officer_detail")[-1]
    assert value_of(last.metadata, "unchanged") == "Bronze holds no file of this agency, so nothing was read."
    assert len(workshop.materializations("silver", "officer_detail")) == 1


def test_a_rejected_newer_file_does_not_hide_the_accepted_older_one(workshop: Workshop) -> None:
    """Silver is what was accepted last; reading the partition again must not leave it stale or gone."""
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 6)))
    workshop.ingest(key)
    silver = {name: workshop.objects()[name] for name in workshop.written("silver")}
    workshop.drop("Officer_Detail.csv", b"")
    workshop.ingest(key)

    result = workshop.reprocess()

    assert result.success
    assert {name: workshop.objects()[name] for name in workshop.written("silver")} == silver


def _contract_that_refuses(workshop: Workshop) -> Path:
    """The contracts, with a column of officer_detail that no file has."""
    folder = workshop.root.parent / "stricter"
    shutil.copytree(workshop.contracts_dir, folder)
    path = folder / "officer_detail.odcs.yaml"
    text = path.read_text("utf-8")
    column = "    properties:\n      - {name: shoe_size, logicalType: string, required: true}\n"
    assert "    properties:\n" in text
    path.write_text(text.replace("    properties:\n", column, 1), "utf-8")
    return folder
