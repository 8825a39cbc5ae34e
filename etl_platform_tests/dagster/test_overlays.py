"""The overlay of an agency in Dagster: what the UI shows, files that wait for it, and a replay that meets its error."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from etl_platform_tests.dagster.test_broken_contracts import TRAINING, evaluations, tick
from etl_platform_tests.dagster.workshop import Workshop
from etl_platform_tests.unit.making import CONTRACTS

AGENCY, OTHER = "nm_albuquerque", "nc_durham"
SPANISH = TRAINING.replace(b"hours", b"horas")


@pytest.fixture
def contracts(tmp_path: Path, workshop: Workshop) -> Path:
    folder = tmp_path / "contracts"
    shutil.copytree(CONTRACTS, folder)
    workshop.contracts_dir = folder
    return folder


def overlay(contracts: Path, source: str) -> None:
    path = contracts / "agencies" / AGENCY / "training.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)


def test_bronze_and_silver_show_the_overlay_of_the_agency(workshop: Workshop, contracts: Path) -> None:
    overlay(contracts, "contact: records unit\ncolumns:\n  hours:\n    synonyms: [horas]\n    nullTokens: [nada]\n")
    workshop.ingest(workshop.drop("Training.csv", SPANISH, AGENCY), datasets=["training"])
    for layer in ("bronze", "silver"):
        event = workshop.instance.get_latest_materialization_event(dg.AssetKey([layer, "training"]))
        assert event is not None
        assert event.asset_materialization is not None
        shown = str(event.asset_materialization.metadata["overlay"].value).splitlines()
        assert shown[0].startswith(f"overlay agencies/{AGENCY}/training.yaml (")
        assert shown[1:] == [
            "  hours: also named horas",
            "  hours: 'nada' means empty",
            "  cells with one of these texts: none",
            "contact: records unit",
        ]


def test_files_that_waited_for_an_overlay_are_taken_in_when_it_is_correct_again(
    workshop: Workshop, contracts: Path
) -> None:
    cursor = tick(workshop, None).cursor  # type: ignore[union-attr]
    overlay(contracts, "columns: {hours: {synonims: [horas]}}\n")
    red = tick(workshop, cursor)
    assert isinstance(red, dg.SensorResult)
    ((name, (passed, description, line)),) = evaluations(red.asset_events).items()
    assert (name, passed, line) == ("contracts/training", False, 1)
    assert "did you mean synonyms?" in str(description)

    for agency in (AGENCY, OTHER):
        workshop.ingest(workshop.drop("Training.csv", TRAINING, agency), datasets=["training"])
    assert workshop.outcomes == ["accepted"]

    overlay(contracts, "columns: {hours: {synonyms: [horas]}}\n")
    green = tick(workshop, red.cursor)
    assert isinstance(green, dg.SensorResult)
    (request,) = green.run_requests or []
    deliveries = request.run_config["ops"]["ingest"]["config"]["deliveries"]
    assert [item["key"] for item in deliveries] == [f"from_client/{AGENCY}/Training.csv"]


def test_a_partition_is_not_read_again_with_an_overlay_in_error_and_the_run_says_why(
    workshop: Workshop, contracts: Path
) -> None:
    workshop.ingest(workshop.drop("Training.csv", TRAINING, AGENCY))
    overlay(contracts, "columns: {hours: {required: false}}\n")
    before = workshop.objects()

    result = workshop.reprocess(selection=[dg.AssetKey(["silver", "training"])])

    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert f"agencies/{AGENCY}/training.yaml:1: an overlay cannot set required" in str(failure.step_failure_data.error)
    assert workshop.objects() == before
