"""What the list of runs shows of an intake run: agency, dataset, outcomes, and nothing for machines."""

from pathlib import Path

import dagster as dg
import pytest

from etl_platform.defs.runs.run_counts import counts_of
from etl_platform.defs.runs.run_tags import subject_tags
from etl_platform_tests.dagster.ticks import CountedQueue, tick
from etl_platform_tests.dagster.workshop import AGENCY, StoreThatFails, Workshop
from etl_platform_tests.integration.deliveries import as_csv, officers


def tags(workshop: Workshop) -> dict[str, str]:
    """The platform's tags of the newest run that the UI shows."""
    run = workshop.instance.get_runs(limit=1)[0]
    return {name: value for name, value in run.tags.items() if name.startswith("etl_platform")}


def test_a_run_that_a_person_started_shows_agency_dataset_and_outcomes(workshop: Workshop) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 3))), workshop.drop("Training.csv", b""))

    assert tags(workshop) == {
        "etl_platform/agency": AGENCY,
        "etl_platform/dataset": "officer_detail, training",
        "etl_platform/outcomes": "1 accepted, 1 rejected",
        "etl_platform/progress": "true",
    }


def test_a_run_shows_the_deliveries_that_failed(workshop: Workshop) -> None:
    workshop.wrap_store = lambda store: StoreThatFails(store, "")
    result = workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 3))))

    assert not result.success
    assert tags(workshop)["etl_platform/outcomes"] == "1 failed"
    lines = [entry.user_message for entry in workshop.instance.all_logs(result.run_id)]
    assert "1 delivery: 1 failed" in lines
    assert not any("nothing to do" in line for line in lines)


def test_a_run_that_reads_a_partition_again_shows_outcomes(workshop: Workshop) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 3))))
    workshop.reprocess(selection=[dg.AssetKey(["silver", "officer_detail"])])

    assert tags(workshop) == {
        "etl_platform/agency": AGENCY,
        "etl_platform/dataset": "officer_detail",
        "etl_platform/outcomes": "1 accepted",
    }


def test_the_sensor_tags_the_runs_that_it_requests(tmp_path: Path) -> None:
    queue = CountedQueue(*(f"agency_{number:02}" for number in range(12)))
    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = tick(instance, queue).run_requests

    assert request.tags["etl_platform/agency"] == "12 agencies"
    assert request.tags["etl_platform/dataset"] == "officer_detail"


@pytest.mark.parametrize(
    ("names", "shown"), [(("b", "a"), "a, b"), (("a", "b", "c"), "a, b, c"), (tuple("abcd"), "4 agencies"), ((), None)]
)
def test_up_to_three_agencies_are_shown_by_name(names: tuple[str, ...], shown: str | None) -> None:
    assert subject_tags(names, ["training"]).get("etl_platform/agency") == shown


def test_the_counts_of_a_run_are_in_a_tag_that_the_ui_hides(workshop: Workshop) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 3))), message_id="m")

    (run,) = workshop.instance.get_runs()
    (name,) = [name for name in run.tags if "counts" in name]
    assert name.startswith(".dagster/")


def test_counts_that_release_0_2_wrote_are_still_read() -> None:
    counts = '{"run_id": "r", "received": 0, "deleted": 3, "archived": 1, "s3_errors": {"SlowDown": 2}}'
    found = counts_of(dg.DagsterRun("job", "r", tags={"etl_platform/counts": counts}))
    assert (found.deleted, found.archived, found.s3_errors) == (3, 1, {"SlowDown": 2})
