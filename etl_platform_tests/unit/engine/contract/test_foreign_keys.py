"""What a contract may refer to in ``relationships``, and what the error says if it refers to nothing."""

from pathlib import Path
from typing import Any

import pytest

from etl_platform.engine.command_line import check_contracts
from etl_platform.engine.contract.dataset_rules import Severity
from etl_platform.engine.contract.foreign_keys import ForeignKey
from etl_platform.engine.contract_folder import read_contracts, read_folder
from etl_platform.engine.errors import ContractError
from etl_platform.engine.exit_codes import GOOD
from etl_platform_tests.unit.making import contract_data, text, typed, yaml_text

TO_OFFICER = {"to": "officers.badge"}


def write(folder: Path, dataset: str, columns: list[dict[str, Any]], **schema: Any) -> Path:
    data = contract_data(columns, dataset=dataset)
    data["status"] = schema.pop("status", "active")
    data["schema"][0] |= schema
    path = folder / f"{dataset}.odcs.yaml"
    path.write_text(yaml_text(data), "utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    columns = [text("badge", id="badge_id"), text("unit"), typed("age", "integer")]
    write(tmp_path, "officers", columns, id="officers_id")
    return tmp_path


def stops(folder: Path, *relationships: dict[str, Any], **schema: Any) -> tuple[ForeignKey, ...]:
    """The foreign keys of a contract beside that of the officers; of its column ``officer`` unless in ``schema``."""
    write(folder, "stops", [text("officer", relationships=list(relationships)), text("area")], **schema)
    found = read_folder(folder)
    for broken in found.in_error:
        raise broken.error
    return found.good["stops"].foreign_keys


@pytest.mark.parametrize(
    "to",
    [
        "officers.badge",
        "schema/officers_id/properties/badge_id",
        "/schema/officers/properties/badge",
        "officers.odcs.yaml#schema/officers_id/properties/badge_id",
        "contracts/officers.odcs.yaml#/schema/officers_id/properties/badge_id",
    ],
)
def test_every_form_of_a_reference_means_the_same(folder: Path, to: str) -> None:
    (key,) = stops(folder, {"to": to})
    assert str(key) == "officer → officers.badge"
    assert key.severity is Severity.WARNING


def test_a_key_of_several_columns_is_declared_by_the_schema(folder: Path) -> None:
    both = {"from": ["stops.area", "stops.officer"], "to": ["officers.unit", "officers.badge"]}
    (key,) = stops(folder, relationships=[both])
    assert (key.columns, key.other_columns) == (("area", "officer"), ("unit", "badge"))


def test_a_dataset_may_refer_to_itself(folder: Path) -> None:
    (key,) = stops(folder, {"to": "stops.area"})
    assert str(key) == "officer → stops.area"


@pytest.mark.parametrize(
    ("relationship", "says"),
    [
        ({"to": "officer.badge"}, "there is no dataset officer; did you mean officers?"),
        ({"to": "officers.bagde"}, "officers has no column 'bagde'; did you mean badge?"),
        (
            {"to": "officers.age"},
            r"officer is string, but officers.age is integer in officers.odcs.yaml:\d+; give both",
        ),
        ({"to": "police.officers.badge"}, "is not a column of a flat file; write dataset.column or"),
        ({"to": "schema/officers"}, "is not a column of a flat file"),
        ({"to": "https://x.org/officers.yaml#schema/o/properties/b"}, "put that contract beside this one"),
        ({"to": "other.yaml#schema/officers/properties/badge"}, "no dataset officers in other.yaml"),
        ({"to": ["officers.badge", "officers.unit"]}, "from 1 column to 2; write a key of several columns under"),
        ({**TO_OFFICER, "customProperties": [{"property": "severity", "value": "red"}]}, "use warning or error"),
        ({**TO_OFFICER, "customProperties": [{"property": "severty", "value": "error"}]}, "did you mean severity?"),
        (
            {**TO_OFFICER, "customProperties": [{"property": "trim", "value": True}]},
            "belongs to a schema or a property",
        ),
    ],
)
def test_a_reference_to_nothing_is_an_error_with_its_line(
    folder: Path, relationship: dict[str, Any], says: str
) -> None:
    with pytest.raises(ContractError, match=says) as caught:
        stops(folder, relationship)
    assert caught.value.line
    lines = (folder / "stops.odcs.yaml").read_text("utf-8").splitlines()
    assert "relationships" in "".join(lines[caught.value.line - 4 : caught.value.line])


@pytest.mark.parametrize(
    ("relationship", "says"),
    [
        ({"from": "officers.badge", "to": "officers.badge"}, "from names officers, but.*write stops.badge"),
        ({"from": "stops.nobody", "to": "officers.badge"}, "stops has no column 'nobody'"),
        ({"from": ["stops.area"], "to": ["officers.unit", "officers.badge"]}, "from 1 column to 2; name as many"),
        (
            {"from": ["stops.area", "stops.officer"], "to": ["officers.unit", "officers.unit"]},
            "to names a column twice",
        ),
        ({"from": "stops.officer", "to": "stops.officer"}, "officer refers to itself, so every value is there"),
        ({"from": ["stops.area", "stops.area"], "to": ["officers.unit", "officers.badge"]}, "names a column twice"),
        (
            {"from": ["stops.area", "stops.officer"], "to": ["officers.unit", "stops.area"]},
            "columns of several datasets",
        ),
    ],
)
def test_a_relationship_of_the_schema_is_an_error_if_its_sides_do_not_fit(
    folder: Path, relationship: dict[str, Any], says: str
) -> None:
    with pytest.raises(ContractError, match=says):
        stops(folder, relationships=[relationship])


def test_the_same_relationship_twice_is_an_error(folder: Path) -> None:
    with pytest.raises(ContractError, match=r"is also in line \d+; keep one"):
        stops(folder, TO_OFFICER, TO_OFFICER)


def test_all_references_to_nothing_are_reported_at_once(folder: Path) -> None:
    with pytest.raises(ContractError) as caught:
        stops(folder, {"to": "officers.nobody"}, {"to": "nothing.badge"})
    assert len(caught.value.errors) == 2


@pytest.mark.parametrize("to", ["officers.badge", "officers.odcs.yaml#schema/x/properties/badge"])
@pytest.mark.parametrize(("status", "why"), [("draft", "is not in force"), ("actve", "is in error")])
def test_a_contract_that_is_set_aside_leaves_the_foreign_key_waiting(
    folder: Path, to: str, status: str, why: str
) -> None:
    write(folder, "officers", [text("badge")], status=status)
    write(folder, "stops", [text("officer", relationships=[{"to": to}])])
    contract = read_folder(folder).good["stops"]
    assert contract.foreign_keys[0].waits_for == f"the contract of officers (officers.odcs.yaml) {why}"
    assert [note for note in contract.notes if "is not evaluated: the contract of officers" in note]


def test_a_contract_that_is_checked_alone_refers_to_those_beside_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stops(folder, TO_OFFICER)
    assert check_contracts([folder / "stops.odcs.yaml"]) == GOOD
    assert "officers.odcs.yaml" not in capsys.readouterr().out


def test_contracts_that_refer_to_each_other_both_load(folder: Path) -> None:
    write(folder, "officers", [text("badge", relationships=[{"to": "stops.officer"}])])
    assert stops(folder, TO_OFFICER)
    paths = sorted(folder.iterdir())
    assert read_contracts(paths).good.keys() == {"officers", "stops"}
