"""Which overlay belongs to which agency, and what becomes of files that are no overlay."""

from pathlib import Path

import pytest

from etl_platform.engine.command_line import check_contracts
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import load_contract
from etl_platform.engine.errors import ContractError, UsageError
from etl_platform.engine.exit_codes import GOOD, USAGE
from etl_platform.engine.overlays import overlay_reader
from etl_platform.engine.overlays.overlay_folder import (
    agencies_of,
    for_agency,
    list_overlays,
    partition_name,
    unused_overlays,
    why_without,
)
from etl_platform.engine.suggest_command import suggest_synonyms
from etl_platform_tests.unit.making import contract_data, text, typed, yaml_text

COLUMNS = [text("ident", required=True), typed("size", "number"), text("kind", enum=[{"value": "OPEN"}])]


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    path = tmp_path / "things.odcs.yaml"
    path.write_text(yaml_text(contract_data(COLUMNS)))
    return load_contract(path)


def write(folder: Path, name: str, source: str = "encoding: cp1252\n") -> Path:
    path = folder / "agencies" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return path


def test_an_overlay_is_that_of_its_agency_alone(tmp_path: Path, contract: Contract) -> None:
    write(tmp_path, "aurora/things.yaml")
    assert for_agency(contract, "aurora").reading_overrides.encoding == "cp1252"
    assert for_agency(contract, "tulsa") is contract


def test_a_changed_overlay_takes_effect_at_once(tmp_path: Path, contract: Contract) -> None:
    path = write(tmp_path, "aurora/things.yaml")
    first = for_agency(contract, "aurora")
    path.write_text("encoding: utf-8\n")
    assert for_agency(contract, "aurora").reading_overrides.encoding == "utf-8"
    path.write_text("encoding: cp1252\n")
    assert for_agency(contract, "aurora").sha256 == first.sha256
    path.unlink()
    assert for_agency(contract, "aurora") is contract


@pytest.mark.parametrize("agency", ["..", ".", "a/b", "../agencies/aurora", "", "a" * 300, "a\0b"])
def test_no_name_of_an_agency_leaves_the_folder(tmp_path: Path, contract: Contract, agency: str) -> None:
    write(tmp_path, "aurora/things.yaml")
    (tmp_path / "things.yaml").write_text("encoding: cp1252\n")
    assert for_agency(contract, agency) is contract


@pytest.mark.parametrize("content", [b"\xff\xfe", b"encodng: x", b"", b"a: [", b"a: 1\na: 2"])
def test_an_overlay_in_error_concerns_its_agency_alone(tmp_path: Path, contract: Contract, content: bytes) -> None:
    write(tmp_path, "aurora/things.yaml").write_bytes(content)
    with pytest.raises(ContractError) as caught:
        for_agency(contract, "aurora")
    assert caught.value.path == str(tmp_path / "agencies/aurora/things.yaml")
    assert for_agency(contract, "tulsa") is contract


def test_a_folder_in_the_place_of_an_overlay_is_an_error(tmp_path: Path, contract: Contract) -> None:
    (tmp_path / "agencies/aurora/things.yaml").mkdir(parents=True)
    with pytest.raises(ContractError, match="cannot be read"):
        for_agency(contract, "aurora")


def test_overlays_are_listed_without_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "aurora/things.yaml")
    write(tmp_path, "tulsa/things.yaml")
    write(tmp_path, "tulsa/others.yaml")
    monkeypatch.setattr(overlay_reader, "load_located", None)
    assert agencies_of(list_overlays(tmp_path)) == {"things": ["aurora", "tulsa"], "others": ["tulsa"]}
    assert list_overlays(tmp_path / "nowhere") == []


def test_a_file_that_is_no_overlay_of_a_contract_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "aurora/things.yaml")
    write(tmp_path, "aurora/thngs.yaml")
    write(tmp_path, "aurora/things.yml")
    write(tmp_path, "things.yaml")
    write(tmp_path, "nm albuquerque/things.yaml")
    write(tmp_path, "aurora/README.md")
    write(tmp_path, "aurora/.things.yaml")
    found = [
        str(error).removeprefix(f"{tmp_path}/agencies/")
        for error in unused_overlays(list_overlays(tmp_path), ["things"])
    ]
    assert found == [
        "aurora/things.yml: is not an overlay; overlays are agencies/<agency>/<dataset>.yaml",
        "aurora/thngs.yaml: there is no contract of the dataset 'thngs'; did you mean things.yaml?",
        "nm albuquerque/things.yaml: 'nm albuquerque' is not the name of a partition; write nm%20albuquerque",
        "things.yaml: is not an overlay; overlays are agencies/<agency>/<dataset>.yaml",
    ]


def test_an_agency_may_be_named_by_folder_or_partition() -> None:
    assert [partition_name(name) for name in ("aurora", "nm albuquerque", "nm%20albuquerque")] == [
        "aurora",
        "nm%20albuquerque",
        "nm%20albuquerque",
    ]


def test_contract_check_shows_what_overlays_set(
    tmp_path: Path, contract: Contract, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "aurora/things.yaml", "columns:\n  size: {decimals: comma}\n  kind: {values: {O: OPEN}}\n")
    assert check_contracts([tmp_path]) == GOOD
    assert capsys.readouterr().out == (
        f"{contract.path}: things, 3 columns, 3 rules\n"
        "  agencies/aurora/things.yaml\n"
        "    size: numbers have a decimal comma\n"
        "    kind: 'O' means 'OPEN'\n"
    )


def test_contract_check_reports_each_error_of_each_overlay(
    tmp_path: Path, contract: Contract, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "aurora/things.yaml", "encodng: x\nheaderLine: 0\n")
    write(tmp_path, "tulsa/things.yaml", "columns: {size: {values: {few: x}}}\n")
    write(tmp_path, "tulsa/thing.yaml")
    assert check_contracts([Path(contract.path)]) == USAGE
    assert check_contracts([tmp_path]) == USAGE
    once = [
        "aurora/things.yaml:1: an overlay has no field 'encodng' here; did you mean encoding?",
        "aurora/things.yaml:2: headerLine takes a whole number of 1 to 1,000,000",
        "tulsa/things.yaml:1: size: 'few' means 'x', which breaks the rule size.type; correct it",
    ]
    unused = "tulsa/thing.yaml: there is no contract of the dataset 'thing'; did you mean things.yaml?"
    lines = capsys.readouterr().err.replace(f"{tmp_path}/agencies/", "").splitlines()
    assert lines == [*once, *once, unused]


def test_contract_check_of_an_overlay_alone_names_the_folder_to_check(tmp_path: Path) -> None:
    path = write(tmp_path, "aurora/things.yaml")
    with pytest.raises(UsageError, match=f"is an overlay; check the folder of its contract: {tmp_path}$"):
        check_contracts([path])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("aurora/2026/things.yaml", "is not an overlay"),
        ("aurora/2026/agencies/things.yaml", "is not an overlay"),
        ("aurora/things.YAML", "is not an overlay"),
        ("au%73rora/things.yaml", "is not the name of a partition; write ausrora"),
        ("a%c3%a9b/things.yaml", "is not the name of a partition; write a%C3%A9b"),
        ("from_client%2Fb/things.yaml", "is not the name of a partition"),
        ("a%b/things.yaml", "is not the name of a partition; write a%25b"),
    ],
)
def test_an_overlay_that_no_file_would_be_read_with_is_an_error(tmp_path: Path, name: str, message: str) -> None:
    write(tmp_path, name)
    (error,) = unused_overlays(list_overlays(tmp_path), ["things"])
    assert message in str(error)


def test_a_folder_of_overlays_in_another_case_is_an_error_and_a_shortened_name_is_none(tmp_path: Path) -> None:
    write(tmp_path, "aurora%C3~0a1b2c3d/things.yaml")
    assert not list(unused_overlays(list_overlays(tmp_path), ["things"]))
    (tmp_path / "Agencies" / "aurora").mkdir(parents=True)
    (tmp_path / "Agencies" / "aurora" / "things.yaml").write_text("encoding: cp1252\n")
    (error,) = unused_overlays(list_overlays(tmp_path), ["things"])
    assert "overlays are agencies/<agency>/<dataset>.yaml" in str(error)


def test_an_agency_without_an_overlay_is_told_of_one_with_a_similar_name(tmp_path: Path, contract: Contract) -> None:
    write(tmp_path, "Aurora/things.yaml")
    missing = tmp_path / "agencies" / "aurora" / "things.yaml"
    assert why_without(contract, "aurora") == f"there is no file {missing}; did you mean Aurora?"
    assert why_without(contract, "tulsa").endswith("agencies/tulsa/things.yaml")


def test_synonyms_are_not_written_for_a_dataset_that_is_only_guessed_by_the_header(
    tmp_path: Path, contract: Contract
) -> None:
    file = tmp_path / "export.csv"
    file.write_text("ident,Size No,kind\na,1,OPEN\n")
    with pytest.raises(UsageError, match=r"takes the name export\.csv; add --contract things if it is"):
        suggest_synonyms(file, None, lambda: tmp_path, "aurora", apply=True)
    assert not (tmp_path / "agencies").exists()
    assert suggest_synonyms(file, contract.path, lambda: tmp_path, "aurora", apply=True)
    assert (tmp_path / "agencies" / "aurora").exists()
