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
    return declarations(read_folder(folder), SourceFolder())


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
