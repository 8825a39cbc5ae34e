"""Two files of a partition with the same primary keys: an amber check of silver that names both."""

from pathlib import Path

import dagster as dg
import pytest
import yaml

from etl_platform.definitions import build_defs
from etl_platform_tests.dagster.workshop import AGENCY, Workshop, value_of
from etl_platform_tests.unit.making import contract_data, custom, text, typed

CHECK = "keys_are_in_one_file"
SILVER = dg.AssetKey(["silver", "things"])
ROWS = b"ident,size\na,1\nb,2\nc,3\n"


@pytest.fixture
def place(workshop: Workshop, tmp_path: Path) -> Workshop:
    workshop.contracts_dir = tmp_path / "contracts"
    workshop.contracts_dir.mkdir()
    for dataset, key in (("things", True), ("parts", False)):
        data = contract_data(
            [text("ident", primaryKey=key), typed("size", "integer")], customs=custom(filePatterns=[f"{dataset}*"])
        )
        data["id"] = data["schema"][0]["name"] = dataset
        data["schema"][0]["physicalName"] = f"{dataset}.csv"
        (workshop.contracts_dir / f"{dataset}.odcs.yaml").write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")
    return workshop


def evaluation(place: Workshop, result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    assert result.success
    (found,) = [item for item in place.evaluations(result) if item.check_name == CHECK]
    assert (found.asset_key, found.partition) == (SILVER, AGENCY)
    return found


def test_only_a_contract_with_a_primary_key_has_the_check(place: Workshop) -> None:
    graph = build_defs(place.settings).resolve_asset_graph()
    assert [key.asset_key for key in graph.asset_check_keys if key.name == CHECK] == [SILVER]
    result = place.ingest(place.drop("Parts.csv", ROWS), place.drop("Parts (1).csv", ROWS))
    assert CHECK not in {item.check_name for item in place.evaluations(result)}


def test_a_second_file_with_the_same_keys_is_amber_and_both_files_are_named(place: Workshop) -> None:
    first = place.drop("Things.csv", ROWS)
    assert evaluation(place, place.ingest(first)).passed
    second = place.drop("Things (1).csv", b"ident,size\nb,2\nc,4\nd,5\n")

    found = evaluation(place, place.ingest(second))

    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == "Things (1).csv: 2 keys are also in Things.csv, so silver holds those rows twice"
    (row,) = found.metadata["shared_keys"].value.records
    assert (row.data["file"], row.data["other_file"], row.data["keys"]) == (second, first, "2")
    assert place.outcomes == ["accepted"]
    assert len(place.written("silver")) == 2


def test_a_newer_version_of_the_same_file_shares_no_keys_with_itself(place: Workshop) -> None:
    place.ingest(place.drop("Things.csv", ROWS))
    found = evaluation(place, place.ingest(place.drop("Things.csv", ROWS + b"d,4\n")))
    assert found.passed
    assert value_of(found.metadata, "other_files") == 0


def test_the_check_is_green_again_when_the_copy_has_other_keys(place: Workshop) -> None:
    place.ingest(place.drop("Things.csv", ROWS))
    assert not evaluation(place, place.ingest(place.drop("Things (1).csv", ROWS))).passed
    assert evaluation(place, place.ingest(place.drop("Things (1).csv", b"ident,size\nx,1\n"))).passed


def test_other_agencies_may_have_the_same_keys(place: Workshop) -> None:
    place.ingest(place.drop("Things.csv", ROWS, "another_agency"))
    assert evaluation(place, place.ingest(place.drop("Things.csv", ROWS))).passed


def test_a_reprocessed_partition_is_amber_too(place: Workshop) -> None:
    place.ingest(place.drop("Things.csv", ROWS), place.drop("Things - Copy.csv", ROWS))

    found = [item for item in place.evaluations(place.reprocess(dataset="things")) if item.check_name == CHECK]

    assert {(item.passed, item.severity) for item in found} == {(False, dg.AssetCheckSeverity.WARN)}
    assert "Things.csv: 3 keys are also in Things - Copy.csv" in (found[-1].description or "")
