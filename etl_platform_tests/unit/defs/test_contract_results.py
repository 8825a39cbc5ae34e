"""The result of a contract's check: what nothing checks, drafts, and all errors of a contract in error."""

import logging
from pathlib import Path
from typing import Any

import pytest

from etl_platform.defs.contracts.contract_checks import Declaration, contract_evaluation, declarations, warn_of_errors
from etl_platform.engine.contract_folder import read_folder
from etl_platform.rest_apis.source_folder import SourceFolder
from etl_platform_tests.unit.making import contract_data, custom, text, yaml_text


def declared(folder: Path, **top: Any) -> list[Declaration]:
    columns = top.pop("columns", [text("a")])
    (folder / "things.odcs.yaml").write_text(yaml_text(contract_data(columns, **top)), "utf-8")
    contracts = read_folder(folder)
    return declarations(contracts, SourceFolder(), contracts.datasets)


def test_a_good_contract_lists_what_only_people_read_and_what_is_masked(tmp_path: Path) -> None:
    (one,) = declared(tmp_path, columns=[text("a", classification=None, businessName="A")], name="Things")
    result = contract_evaluation(one, one.find_error())
    assert result.passed
    told = str(result.metadata["not_checked"])
    assert "for people only: businessName (line 11), name (line 12)" in told
    assert "values are masked where no classification is stated: a" in told


def test_a_draft_is_green_and_logged_once_as_not_in_force(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = declared(tmp_path, status="draft")
    result = contract_evaluation(found[0], found[0].find_error())
    assert result.passed
    assert "status draft puts the contract out of force" in str(result.description)
    with caplog.at_level(logging.WARNING):
        warn_of_errors(found)
    (record,) = caplog.records
    assert "not in force" in record.getMessage()


def test_every_error_of_a_contract_is_in_its_result(tmp_path: Path) -> None:
    columns = [text("a", customProperties=custom(nulTokens=["-"])), text("b", logicalTypeOptions={"format": "emial"})]
    (one,) = declared(tmp_path, columns=columns)
    result = contract_evaluation(one, one.find_error())
    assert not result.passed
    lines = str(result.description).splitlines()
    assert len(lines) == 2
    assert "nullTokens" in lines[0]
    assert "did you mean email?" in lines[1]


def with_overlay(folder: Path, name: str, source: str) -> None:
    path = folder / "agencies" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)


def test_a_contract_is_red_for_an_overlay_in_error_and_names_its_agencies(tmp_path: Path) -> None:
    before = declared(tmp_path)[0].identity
    with_overlay(tmp_path, "aurora/things.yaml", "encoding: utf-8\n")
    with_overlay(tmp_path, "tulsa/things.yaml", "columns: {a: {required: false}}\n")
    (declaration,) = declared(tmp_path)
    assert declaration.identity != before
    assert declaration.contract is not None
    result = contract_evaluation(declaration, declaration.find_error())
    assert not result.passed
    assert "an overlay cannot set required" in str(result.description)
    with_overlay(tmp_path, "tulsa/things.yaml", "columns: {a: {synonyms: [Number]}}\n")
    (corrected,) = declared(tmp_path)
    assert corrected.identity != declaration.identity
    result = contract_evaluation(corrected, corrected.find_error())
    assert result.passed
    assert result.metadata["overlays"] == "aurora, tulsa"


def test_an_overlay_of_no_contract_has_a_red_check_of_its_own(tmp_path: Path) -> None:
    for agency in ("aurora", "tulsa"):
        with_overlay(tmp_path, f"{agency}/thngs.yaml", "encoding: utf-8\n")
    good, *unused = declared(tmp_path)
    assert good.find_error() is None
    assert len({declaration.key for declaration in unused}) == 2
    for declaration in unused:
        result = contract_evaluation(declaration, declaration.find_error())
        assert not result.passed
        assert "did you mean things.yaml?" in str(result.description)
