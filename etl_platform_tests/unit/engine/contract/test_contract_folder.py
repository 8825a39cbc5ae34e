"""Which contract a file name chooses, and that every shipped contract is complete."""

from pathlib import Path

import pytest
import yaml

from etl_platform.engine.contract.contract_folder import contract_paths, load_contract, load_contracts
from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.model import Contract, choose_contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform_tests.unit.making import CONTRACTS, contract_data, custom, text


def named(dataset: str, *patterns: str, physical: str | None = None) -> Contract:
    data = contract_data([text("a")], dataset=dataset, customs=custom(filePatterns=list(patterns)))
    if physical:
        data["schema"][0]["physicalName"] = physical
    return parse_contract(yaml.safe_dump(data), f"{dataset}.odcs.yaml")


CHOICES = [
    named("officer_detail", "officer?detail*", "roster*", physical="Officer_Detail.csv"),
    named("stops", "stops*", "*stop*"),
    named("stops_search", "stops_search*"),
]


@pytest.mark.parametrize(
    ("file_name", "dataset"),
    [
        ("Officer_Detail.csv", "officer_detail"),
        ("officer detail.CSV", "officer_detail"),
        ("OFFICER-DETAIL.xlsx", "officer_detail"),
        ("Officer_Detail.csv.gz", "officer_detail"),
        ("Officer_Detail_2026-01.csv", "officer_detail"),
        ("officer detail 2026.csv", "officer_detail"),
        ("officerdetail2026.csv", "officer_detail"),
        ("Roster 2026.csv", "officer_detail"),
        ("stops_2026-01.csv", "stops"),
        ("Traffic Stops.csv", "stops"),
        ("stops_search_2026.csv", "stops_search"),
        ("stops_search.csv", "stops_search"),
        ("unknown.csv", None),
        ("", None),
        (".csv", None),
    ],
)
def test_the_file_name_chooses_the_contract(file_name: str, dataset: str | None) -> None:
    for contracts in (CHOICES, CHOICES[::-1]):
        chosen = choose_contract(contracts, file_name)
        assert (chosen and chosen.dataset) == dataset


@pytest.mark.parametrize("path", contract_paths(CONTRACTS), ids=lambda path: path.name.partition(".")[0])
def test_a_shipped_contract_is_complete(path: Path) -> None:
    contract = load_contract(path)
    compile_contract(contract, {})
    assert contract.notes == ()
    assert contract.grain.startswith("One row per ")
    assert contract.owner
    assert contract.description
    assert contract.cadence
    assert contract.primary_key
    personal = {
        "last",
        "first",
        "middle",
        "birth",
        "dob",
        "email",
        "race",
        "ethnicity",
        "sex",
        "gender",
        "salary",
        "phone",
        "ssn",
        "address",
    }
    for column in contract.columns:
        if personal & set(column.name.split("_")):
            assert column.sensitive, f"{column.name} is personal"


@pytest.mark.parametrize(
    ("file_name", "dataset"),
    [
        (f"{stem}{tail}", dataset)
        for dataset, stem in [
            ("officer_detail", "Officer_Detail"),
            ("employment_history", "Employment_History"),
            ("complaints", "Complaints"),
            ("use_of_force", "Use_of_Force"),
            ("traffic_stops", "Traffic_Stops"),
            ("training", "Training"),
        ]
        for tail in (".csv", "_2026-01.csv", " 2026.xlsx")
    ],
)
def test_the_usual_names_of_files_choose_a_shipped_contract(file_name: str, dataset: str) -> None:
    chosen = choose_contract(load_contracts(CONTRACTS).values(), file_name)
    assert chosen is not None
    assert chosen.dataset == dataset


def test_two_contracts_of_one_dataset_are_refused(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.odcs.yaml").write_text(yaml.safe_dump(contract_data([text("a")])), "utf-8")
    with pytest.raises(ContractError, match="already described"):
        load_contracts(tmp_path)


def test_a_folder_without_contracts_or_no_folder_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ContractError):
            load_contracts(folder)


def test_a_contract_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.odcs.yaml"
    path.write_bytes(b"name: \xff")
    with pytest.raises(ContractError, match=r"a\.odcs\.yaml"):
        load_contract(path)
