"""Which contract a file name chooses, and that every shipped contract is complete."""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.file_names import FileNames, choose_contract
from etl_platform.engine.contract.model import Contract, fold
from etl_platform.engine.contract_folder import (
    ContractFolder,
    load_contract,
    load_contracts,
    read_folder,
)
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform_tests.unit.making import CONTRACTS, SHIPPED, contract_data, custom, row_rule, text, typed, yaml_text


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


@dataclass(frozen=True)
class Names:
    physical_name: str
    file_patterns: tuple[str, ...]
    in_force: bool = True


SHORT = st.text("ab_*", max_size=4)


NAMES = st.builds(Names, SHORT, st.lists(SHORT, max_size=3).map(tuple))


@given(st.lists(NAMES, max_size=6), st.text("ab_ ", min_size=1, max_size=5))
def test_the_exact_name_wins_then_the_longest_pattern_then_the_first_contract(known: list[Names], stem: str) -> None:
    def score(one: Names) -> int:
        if fold(one.physical_name) == fold(stem):
            return 100
        return max((len(p) for p in one.file_patterns if fnmatchcase(fold(stem), fold(p, "*"))), default=0)

    best = max(known, key=score, default=None)
    expected = best if best and score(best) else None
    assert FileNames(known).choose(f"{stem}.csv") is expected


@pytest.mark.parametrize("dataset", SHIPPED)
def test_a_shipped_contract_is_complete(dataset: str) -> None:
    contract = load_contract(CONTRACTS / f"{dataset}.odcs.yaml")
    compile_contract(contract, {})
    assert all(": for people only: " in note for note in contract.notes), "a column has no classification"
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
            assert column.masked, f"{column.name} is personal"


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


def write(folder: Path, **contracts: Any) -> ContractFolder:
    """Contracts by the name of their file, as data or as text; the folder read."""
    for name, content in contracts.items():
        text = content if isinstance(content, str) else yaml_text(content)
        (folder / f"{name}.odcs.yaml").write_text(text, "utf-8")
    return read_folder(folder)


def errors(found: ContractFolder) -> dict[str, str]:
    """By the name of the file, the error without the folder."""
    return {
        Path(broken.path).name: str(broken.error).replace(f"{Path(broken.path).parent}/", "") for broken in found.broken
    }


def test_a_contract_in_error_is_set_aside_and_the_others_are_read(tmp_path: Path) -> None:
    found = write(
        tmp_path,
        good=contract_data([text("a")]),
        bad=contract_data([text("a"), text("A")], dataset="bad", customs=custom(filePatterns=["x*"])),
    )
    assert list(found.good) == ["things"]
    assert errors(found) == {
        "bad.odcs.yaml": "bad.odcs.yaml:12: A: the header 'a' already belongs to a; remove it from one of them"
    }
    with pytest.raises(ContractError, match="already belongs"):
        load_contracts(tmp_path)
    with pytest.raises(ContractError, match="already belongs"):
        found.find("bad")
    assert found.datasets == ["bad", "things"]


def test_two_contracts_of_one_dataset_are_both_set_aside(tmp_path: Path) -> None:
    found = write(
        tmp_path,
        a=contract_data([text("a")], id="a"),
        b=contract_data([text("a")], dataset="Things", id="b"),
        c=contract_data([text("a")], dataset="other"),
    )
    assert list(found.good) == ["other"]
    assert errors(found) == {
        "a.odcs.yaml": "a.odcs.yaml: the dataset things is already described by b.odcs.yaml; "
        "remove or rename one of them",
        "b.odcs.yaml": "b.odcs.yaml: the dataset Things is already described by a.odcs.yaml; "
        "remove or rename one of them",
    }


def test_contracts_of_one_id_are_all_set_aside(tmp_path: Path) -> None:
    found = write(tmp_path, **{name: contract_data([text("a")], dataset=name, id="x") for name in "abc"})
    assert found.good == {}
    assert {name: error.rpartition("'x' ")[2] for name, error in errors(found).items()} == {
        "a.odcs.yaml": "is already used by b.odcs.yaml; give each contract its own",
        "b.odcs.yaml": "is already used by a.odcs.yaml; give each contract its own",
        "c.odcs.yaml": "is already used by a.odcs.yaml; give each contract its own",
    }


def test_two_checks_that_dagster_cannot_distinguish_set_both_contracts_aside_and_name_both_lines(
    tmp_path: Path,
) -> None:
    found = write(
        tmp_path,
        a=contract_data([text("a")], dataset="stops", quality=[row_rule("search_ok", "TRUE")]),
        b=contract_data([text("a")], dataset="stops_search", quality=[row_rule("ok", "TRUE")]),
        c=contract_data([text("a")], dataset="roster", quality=[row_rule("new", "TRUE")]),
        d=contract_data([text("a")], dataset="roster_new"),
    )
    assert found.good == {}
    assert errors(found) == {
        "a.odcs.yaml": "a.odcs.yaml:13: Dagster cannot distinguish the check search_ok of stops from "
        "the check ok of stops_search (b.odcs.yaml:13); rename one of them",
        "b.odcs.yaml": "b.odcs.yaml:13: Dagster cannot distinguish the check ok of stops_search from "
        "the check search_ok of stops (a.odcs.yaml:13); rename one of them",
        "c.odcs.yaml": "c.odcs.yaml:13: Dagster cannot distinguish the check new of roster from "
        "the dataset roster_new (d.odcs.yaml); rename one of them",
        "d.odcs.yaml": "d.odcs.yaml: Dagster cannot distinguish the dataset roster_new from "
        "the check new of roster (c.odcs.yaml:13); rename one of them",
    }


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (lambda text: text.replace("logicalType: number", "logicalType: colour"), ("Training.csv", "courses*")),
        (lambda text: text.replace("    quality:", "    quality: [{\n<<<<<<< HEAD"), ("Training.csv", "courses*")),
        (lambda text: text + "\n\tx", ("Training.csv", "courses*")),
        (lambda text: "<<<<<<< HEAD\n" + text, ("drills.csv", "drills*")),
        (lambda _: "", ("drills.csv", "drills*")),
        (lambda _: "[" * 100_000, ("drills.csv", "drills*")),
        (lambda text: text.replace("name: training", "name: [training]"), ("drills.csv", "drills*")),
        (lambda text: text.replace("    physicalName: Training", "    unknown: x"), ("training.csv", "courses*")),
        (lambda text: text.replace("['training*', ", "[{}, "), ("Training.csv", "courses*")),
    ],
)
def test_the_file_names_of_a_contract_in_error_are_read_as_far_as_possible(
    tmp_path: Path, damage: Callable[[str], str], names: tuple[str, str]
) -> None:
    (broken,) = write(tmp_path, drills=damage((CONTRACTS / "training.odcs.yaml").read_text("utf-8"))).broken
    assert broken.physical_name == names[0]
    assert names[1] in broken.file_patterns


def test_a_fault_of_the_reader_does_not_stop_the_other_contracts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(text: str, path: str, references: object) -> Contract:
        if path.endswith("bad.odcs.yaml"):
            raise ZeroDivisionError("x")
        return parse_contract(text, path)

    monkeypatch.setattr("etl_platform.engine.contract_folder.parse_contract", parse)
    found = write(tmp_path, good=contract_data([text("a")]), bad=contract_data([text("a")], dataset="bad"))
    assert list(found.good) == ["things"]
    assert errors(found)["bad.odcs.yaml"].endswith("ZeroDivisionError: x; report this, with the contract")


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), MemoryError()], ids=repr)
@pytest.mark.parametrize("name", ["b.odcs.yaml", "places.csv"])
def test_an_error_of_the_machine_sets_no_contract_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: Exception
) -> None:
    (tmp_path / "references").mkdir()
    (tmp_path / "references" / "places.csv").write_text("code,name\nx,y\n", "utf-8")
    column = text("a", customProperties=custom(lookup={"table": "places", "key": "code", "take": "name"}))
    (tmp_path / "a.odcs.yaml").write_text(yaml_text(contract_data([text("a")], dataset="a")), "utf-8")
    data = contract_data([column], dataset="b")
    (tmp_path / "b.odcs.yaml").write_text(yaml_text(data), "utf-8")
    really_open = Path.open

    def fail(path: Path, *arguments: Any, **more: Any) -> Any:
        if path.name == name:
            raise error
        return really_open(path, *arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", fail)
        with pytest.raises(type(error)):
            read_folder(tmp_path)
    assert set(read_folder(tmp_path).good) == {"a", "b"}


def test_a_folder_without_contracts_or_no_folder_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ContractError):
            load_contracts(folder)


def test_a_contract_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.odcs.yaml"
    path.write_bytes(b"name: \xff")
    with pytest.raises(ContractError, match=r"a\.odcs\.yaml"):
        load_contract(path)


@pytest.mark.parametrize("status", ["draft", "proposed", "Retired"])
def test_a_contract_that_is_not_in_force_waits_and_is_not_in_error(tmp_path: Path, status: str) -> None:
    found = write(tmp_path, a=contract_data([text("a")], status=status))
    (waiting,) = found.broken
    assert (found.good, found.in_error, waiting.in_force) == ({}, [], False)
    assert f"status {status.lower()} puts the contract out of force" in str(waiting.error)
    assert load_contracts(tmp_path) == {}


@pytest.mark.parametrize("status", ["active", "deprecated", "production", None])
def test_any_other_status_is_in_force(tmp_path: Path, status: str | None) -> None:
    data = contract_data([text("a")], status=status)
    if status is None:
        del data["status"]
    assert list(write(tmp_path, a=data).good) == ["things"]


@pytest.mark.parametrize("status", ["darft", "actve", "retird"])
def test_a_misspelt_status_is_an_error(tmp_path: Path, status: str) -> None:
    (error,) = errors(write(tmp_path, a=contract_data([text("a")], status=status))).values()
    assert f"a.odcs.yaml:5: status '{status}' is unknown; did you mean" in error


def test_a_draft_takes_no_file_from_a_contract_in_force(tmp_path: Path) -> None:
    next_version = contract_data(
        [text("a"), text("b")], status="draft", version="2.0.0", customs=custom(filePatterns=["things_2026*"])
    )
    found = write(tmp_path, a=next_version, b=contract_data([text("a")], customs=custom(filePatterns=["things*"])))
    every = [*found.broken, *found.good.values()]
    assert choose_contract(every, "Things.csv") is found.good["things"]
    assert choose_contract(every, "Things_2026-01.csv") is found.good["things"]
    assert choose_contract(found.broken, "Things_2026-01.csv") is found.broken[0]


def test_contracts_with_one_file_pattern_are_set_aside_with_both_lines(tmp_path: Path) -> None:
    found = write(
        tmp_path,
        a=contract_data([text("a")], dataset="one", customs=custom(filePatterns=["stop_data*"])),
        b=contract_data([text("a")], dataset="two", customs=custom(filePatterns=["other*", "Stop Data*"])),
    )
    end = "change one of them"
    assert errors(found) == {
        "a.odcs.yaml": f"a.odcs.yaml:13: the file pattern 'stop_data*' is also that of b.odcs.yaml:13; {end}",
        "b.odcs.yaml": f"b.odcs.yaml:13: the file pattern 'Stop Data*' is also that of a.odcs.yaml:13; {end}",
    }


def test_contracts_with_one_file_name_are_set_aside(tmp_path: Path) -> None:
    both = {name: contract_data([text("a")], dataset=name) for name in ("one", "two")}
    both["two"]["schema"][0]["physicalName"] = "One.csv"
    assert all("the file name" in error for error in errors(write(tmp_path, **both)).values())


def test_all_errors_of_a_contract_are_reported_at_once_with_the_names_of_columns(tmp_path: Path) -> None:
    wrong = contract_data(
        [
            text("a", customProperties=custom(nulTokens=["x"])),
            text("b", logicalTypeOptions={"format": "emial"}),
            text("c", logicalType="array"),
            typed("d", "integer", customProperties=custom(formats=["money"])),
        ],
        customs=custom(trims=True),
    )
    (broken,) = write(tmp_path, a=wrong).broken
    every = [error.message for error in broken.error.errors]
    assert [message.partition(";")[0] for message in every] == [
        "custom property 'nulTokens' is unknown",
        "b: format 'emial' is not known for logicalType string",
        "c: logicalType 'array' is not supported in a flat file",
        "d: formats takes nothing for logicalType integer, not 'money'",
        "custom property 'trims' is unknown",
    ]
    assert "and 4 more errors (line" in str(broken.error)


def test_every_error_against_the_schema_is_reported_with_its_column(tmp_path: Path) -> None:
    wrong = contract_data([text("a", requird=True), text("b", enum=["X"]), text("c", unique="yes")], owner="x")
    (broken,) = write(tmp_path, a=wrong).broken
    every = [error.message for error in broken.error.errors]
    assert [message for message in every if "'owner'" in message or "'requird'" in message]
    assert any(message.startswith("b.enum.0: ") and "write {value: X}" in message for message in every)
    assert any(message.startswith("c.unique: ") for message in every)
    assert len(every) == 4
