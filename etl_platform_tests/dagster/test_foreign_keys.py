"""Foreign keys: rows that refer to what silver of another dataset does not hold."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from etl_platform.definitions import build_defs
from etl_platform_tests.dagster.workshop import AGENCY, Workshop, value_of
from etl_platform_tests.unit.making import contract_data, custom, text

CHECK = "foreign_keys_are_in_silver"
PARTS = dg.AssetKey(["silver", "parts"])
THINGS_ROWS = b"ident,label\na,A\nb,B\n"


def write_contract(place: Workshop, dataset: str, columns: list[dict[str, Any]], **fields: Any) -> None:
    data = contract_data(columns, customs=custom(filePatterns=[f"{dataset}*"], likeLastTime={"severity": "off"}))
    data["id"] = data["schema"][0]["name"] = dataset
    data["schema"][0]["physicalName"] = f"{dataset}.csv"
    data.update(fields)
    (place.contracts_dir / f"{dataset}.odcs.yaml").write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")


def parts_columns(**relationship: Any) -> list[dict[str, Any]]:
    refers = {"to": "things.ident"} | relationship
    return [text("part"), text("thing", relationships=[refers])]


@pytest.fixture
def place(workshop: Workshop, tmp_path: Path) -> Workshop:
    workshop.contracts_dir = tmp_path / "contracts"
    workshop.contracts_dir.mkdir()
    write_contract(workshop, "things", [text("ident"), text("label")])
    write_contract(workshop, "parts", parts_columns())
    return workshop


def evaluation(place: Workshop, result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    """The last one of the check that a run has logged."""
    assert result.success
    found = [item for item in place.evaluations(result) if item.check_name == CHECK]
    assert {(one.asset_key, one.partition) for one in found} == {(PARTS, AGENCY)}
    return found[-1]


def test_only_a_dataset_with_relationships_has_the_check(place: Workshop) -> None:
    graph = build_defs(place.settings).resolve_asset_graph()
    assert [key.asset_key for key in graph.asset_check_keys if key.name == CHECK] == [PARTS]


def test_a_value_that_the_other_dataset_does_not_have_is_amber_with_counts_and_examples(place: Workshop) -> None:
    place.ingest(place.drop("Things.csv", THINGS_ROWS))
    found = evaluation(place, place.ingest(place.drop("Parts.csv", b"part,thing\n1,a\n2,x\n3,x\n4,y\n5,\n")))

    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == (
        "thing → things.ident: 3 of 4 rows refer to what things of this agency does not have, such as x, y. They "
        "are in Parts.csv. Ask the agency for a complete things, or to correct the values; a new things evaluates this "
        "again."
    )
    (row,) = found.metadata["worst_files"].value.records
    assert (row.data["file"], row.data["rows_missing"], row.data["examples"]) == ("Parts.csv", "3", "x, y")
    assert place.outcomes == ["accepted"]


def test_a_severity_of_error_makes_the_check_red(place: Workshop) -> None:
    write_contract(place, "parts", parts_columns(customProperties=[{"property": "severity", "value": "error"}]))
    place.ingest(place.drop("Things.csv", THINGS_ROWS))
    found = evaluation(place, place.ingest(place.drop("Parts.csv", b"part,thing\n1,x\n")))
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)


def test_examples_of_a_column_that_is_not_public_are_masked(place: Workshop) -> None:
    write_contract(
        place,
        "parts",
        [text("part"), text("thing", classification="restricted", relationships=[{"to": "things.ident"}])],
    )
    place.ingest(place.drop("Things.csv", THINGS_ROWS))
    found = evaluation(place, place.ingest(place.drop("Parts.csv", b"part,thing\n1,Secret7\n")))
    assert "Secret7" not in str(found)
    assert "such as Aaaaaa9" in (found.description or "")


def test_examples_of_an_open_column_with_personal_data_are_masked(place: Workshop) -> None:
    """Digits without separators are personal in a column that is named so, which only the search knows."""
    columns = [text("part"), text("ssn", relationships=[{"to": "things.ident"}])]
    write_contract(place, "parts", columns)
    place.ingest(place.drop("Things.csv", THINGS_ROWS))
    found = evaluation(place, place.ingest(place.drop("Parts.csv", b"part,ssn\n1,523417790\n2,531228146\n")))
    assert "523417790" not in str(found)
    assert "such as 999999999" in (found.description or "")


def test_without_silver_of_the_other_dataset_the_check_is_amber_until_it_arrives(place: Workshop) -> None:
    found = evaluation(place, place.ingest(place.drop("Parts.csv", b"part,thing\n1,a\n")))
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "not evaluated: silver holds no things of this agency" in (found.description or "")

    found = evaluation(place, place.ingest(place.drop("Things.csv", THINGS_ROWS)))

    assert (found.passed, found.description) == (True, "thing → things.ident: what 1 row refers to is there.")


def test_files_of_one_run_are_looked_up_after_all_of_them_are_read(place: Workshop) -> None:
    """The smaller file is read first, so its keys are not there yet."""
    rows = b"".join(b"%d,A\n" % number for number in range(500))
    found = evaluation(
        place,
        place.ingest(
            place.drop("Parts.csv", b"part,thing\n1,499\n"), place.drop("Things.csv", b"ident,label\n" + rows)
        ),
    )
    assert found.passed


def test_another_agencys_silver_is_not_looked_at(place: Workshop) -> None:
    place.ingest(place.drop("Things.csv", THINGS_ROWS, "another_agency"))
    found = evaluation(place, place.ingest(place.drop("Parts.csv", b"part,thing\n1,a\n")))
    assert "silver holds no things of this agency" in (found.description or "")


def test_materializing_either_dataset_evaluates_again(place: Workshop) -> None:
    place.ingest(place.drop("Parts.csv", b"part,thing\n1,a\n"), place.drop("Things.csv", THINGS_ROWS))
    assert evaluation(place, place.reprocess(dataset="parts")).passed
    for path in (place.root / "silver" / "things").rglob("*.parquet"):
        path.unlink()
    assert not evaluation(place, place.reprocess(dataset="parts")).passed
    assert evaluation(place, place.reprocess(dataset="things")).passed


def test_a_contract_that_is_not_in_force_leaves_the_foreign_key_not_evaluated(place: Workshop) -> None:
    write_contract(place, "things", [text("ident"), text("label")], status="draft")
    found = evaluation(place, place.ingest(place.drop("Parts.csv", b"part,thing\n1,a\n")))
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "the contract of things (things.odcs.yaml) is not in force" in (found.description or "")


def test_a_file_without_the_column_is_not_green(place: Workshop) -> None:
    write_contract(place, "parts", [text("size"), *parts_columns()])
    place.ingest(place.drop("Things.csv", THINGS_ROWS))
    found = evaluation(place, place.ingest(place.drop("Parts.csv", b"part,size\n1,2\n")))
    assert not found.passed
    assert found.description == "thing → things.ident: not evaluated for Parts.csv: the file has no column thing."


def test_keys_of_several_columns_are_looked_up_together(place: Workshop) -> None:
    columns = [text("part"), text("thing")]
    write_contract(place, "parts", columns)
    path = place.contracts_dir / "parts.odcs.yaml"
    data = yaml.safe_load(path.read_text())
    data["schema"][0]["relationships"] = [
        {"from": ["parts.thing", "parts.part"], "to": ["things.ident", "things.label"]}
    ]
    path.write_text(yaml.safe_dump(data))
    place.ingest(place.drop("Things.csv", THINGS_ROWS))
    found = evaluation(place, place.ingest(place.drop("Parts.csv", b"part,thing\nA,a\nB,a\n,a\n")))
    assert "1 of 2 rows refers to what things of this agency does not have, such as a, B" in (found.description or "")
    assert value_of(found.metadata, "files") == 1


def test_a_row_rule_whose_column_is_missing_is_amber(place: Workshop) -> None:
    rules = [{"name": "differs", "type": "custom", "engine": "rowRule", "implementation": "thing <> part"}]
    write_contract(place, "parts", [text("size"), text("part"), text("thing")])
    path = place.contracts_dir / "parts.odcs.yaml"
    data = yaml.safe_load(path.read_text())
    data["schema"][0]["quality"] = rules
    path.write_text(yaml.safe_dump(data))

    result = place.ingest(place.drop("Parts.csv", b"part,size\n1,2\n"))

    (found,) = [item for item in place.evaluations(result) if item.check_name == "differs"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == (
        "Not evaluated: column thing is missing in Parts.csv. Ask the agency for it, or add its new header as a "
        "synonym."
    )
    (found,) = [
        item
        for item in place.evaluations(place.ingest(place.drop("Parts.csv", b"part,size,thing\n1,2,3\n")))
        if item.check_name == "differs"
    ]
    assert found.passed
