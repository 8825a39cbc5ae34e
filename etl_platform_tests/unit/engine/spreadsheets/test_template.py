"""Templates: a filled one is accepted, and its notes and drop-downs say what is required."""

from datetime import date
from pathlib import Path

import pytest
from openpyxl import load_workbook

from etl_platform.engine.check import check_file
from etl_platform.engine.contract_folder import load_contracts
from etl_platform.engine.spreadsheets.template import write_template
from etl_platform_tests.unit.engine.pages.test_html_page import CONTRACT
from etl_platform_tests.unit.making import CONTRACTS


def test_a_filled_template_is_accepted(tmp_path: Path) -> None:
    out = tmp_path / "things.xlsx"
    write_template(CONTRACT, out)
    workbook = load_workbook(out)
    sheet = workbook["Rows"]
    sheet.append(["007", "Ann", "3", "A"])
    sheet.append(["008", "Bo", 4, "B"])
    workbook.save(out)
    result = check_file(out, CONTRACT, tmp_path, as_of=date(2026, 11, 30))
    assert (result.outcome, result.rows, result.quarantined_rows) == ("accepted", 2, 0)


def test_a_template_says_what_is_required(tmp_path: Path) -> None:
    write_template(CONTRACT, tmp_path / "things.xlsx")
    workbook = load_workbook(tmp_path / "things.xlsx")
    sheet = workbook["Rows"]
    assert [cell.value for cell in sheet[1]] == ["ident", "name", "size", "kind"]
    assert "The number of the thing." in sheet["A1"].comment.text
    assert "ident must not be empty." in sheet["A1"].comment.text
    assert [str(one.sqref) for one in sheet.data_validations.dataValidation] == ["D2:D10001"]
    assert workbook["Columns"]["C5"].value == "kind must be one of A, B."


@pytest.mark.parametrize("dataset", load_contracts(CONTRACTS))
def test_each_contract_has_a_template_whose_header_it_knows(tmp_path: Path, dataset: str) -> None:
    contract = load_contracts(CONTRACTS)[dataset]
    write_template(contract, tmp_path / "a.xlsx")
    result = check_file(tmp_path / "a.xlsx", contract, tmp_path, as_of=date(2026, 11, 30))
    assert [error.code for error in result.errors] == ["no_rows"]
    assert result.columns is not None
    assert (result.columns.missing, result.columns.extra) == ((), ())
