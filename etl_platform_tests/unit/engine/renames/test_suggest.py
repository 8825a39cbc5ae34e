"""Suggestions for renamed columns: generated renames, the verdict that names them, the command."""

from collections.abc import Callable
from pathlib import Path

import pytest

from etl_platform.cli.main import main
from etl_platform.engine.check import check_file
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import load_contract
from etl_platform.engine.drift.summary import FileSummary
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.matched_columns import Rename
from etl_platform.engine.reading.open_table import open_table
from etl_platform.engine.reading.tables.headers import match_header
from etl_platform.engine.renames.suggest import suggest_renames
from etl_platform.engine.result import CheckResult
from etl_platform.engine.text_report import verdict
from etl_platform_tests.unit.engine.renames.agency_files import agency_file
from etl_platform_tests.unit.engine.renames.generated_renames import RenamedFile, renamed_file
from etl_platform_tests.unit.making import CONTRACTS, contract_of, text, typed


def suggested(path: Path, contract: Contract, *previous: FileSummary) -> tuple[Rename, ...]:
    try:
        table = open_table(path, contract)
    except UnreadableFileError:
        table = open_table(path, None)
    return suggest_renames(table, match_header(table.header, contract), contract, lambda: previous)


@pytest.mark.parametrize("generate", [renamed_file, agency_file])
def test_of_100_generated_renames_90_are_found_and_at_most_2_other_pairs_are_suggested(
    tmp_path: Path, generate: Callable[[int], RenamedFile]
) -> None:
    expected, right, wrong, seed = 0, 0, [], 0
    while expected < 200:
        file = generate(seed)
        path = tmp_path / "file.csv"
        path.write_bytes(file.content)
        for rename in suggested(path, file.contract):
            if file.renamed.get(rename.header) == rename.column:
                right += 1
            else:
                wrong.append(rename)
        expected, seed = expected + len(file.renamed), seed + 1
    assert right >= 0.9 * expected
    assert len(wrong) <= 0.02 * expected, wrong


@pytest.mark.parametrize(
    ("dataset", "header", "values"),
    [
        pytest.param("traffic_stops", "Officer Race", ["White", "Black"], id="another person"),
        pytest.param("traffic_stops", "Passenger Age", ["20", "31"], id="another person's number"),
        pytest.param(
            "officer_detail", "Supervisor Last Name", ["Samplebex", "Sampledov"], id="a name of another person"
        ),
        pytest.param("officer_detail", "RANK_DATE", ["2020-01-01", "2021-02-02"], id="a day instead of a name"),
        pytest.param("employment_history", "Status Date", ["1/1/2020", "2/2/2021"], id="another day"),
        pytest.param("complaints", "Witness Officer ID", ["A00001", "A00002"], id="an identifier of another person"),
        pytest.param("use_of_force", "Number of Subjects", ["1", "2"], id="a count instead of a number"),
        pytest.param("training", "Minimum Score", ["70", "80"], id="a limit instead of a score"),
    ],
)
def test_a_new_column_that_shares_words_with_a_missing_one_is_not_suggested(
    tmp_path: Path, dataset: str, header: str, values: list[str]
) -> None:
    path = written(tmp_path / "file.csv", f"{header},other", *(f"{value},x" for value in values))
    assert suggested(path, load_contract(CONTRACTS / f"{dataset}.odcs.yaml")) == ()


@pytest.mark.parametrize("header", ["tbl_ofc_no", "OFFNUM", "Officer #", "numero de oficial", "EMP_NBR", "officerId1"])
def test_abbreviations_glued_words_and_spanish_name_the_same_column(tmp_path: Path, header: str) -> None:
    path = written(tmp_path / "file.csv", f"{header},other", "A00001,x", "A00002,y")
    found = suggested(path, load_contract(CONTRACTS / "training.odcs.yaml"))
    assert [(rename.header, rename.column) for rename in found] == [(header, "officer_id")]


def test_a_prefix_of_all_headers_says_nothing(tmp_path: Path) -> None:
    path = written(
        tmp_path / "file.csv",
        "TRAINREC_OFFICER_NO,TRAINREC_COURSE_TITLE,TRAINREC_HRS,TRAINREC_PASSED_YN",
        "A00001,First aid,8,Yes",
    )
    found = {rename.column for rename in suggested(path, load_contract(CONTRACTS / "training.odcs.yaml"))}
    assert found == {"officer_id", "course_name", "hours", "passed"}


PEOPLE = contract_of(
    [
        text("last_name", required=True, classification="restricted"),
        typed("hired", "date"),
        text("unit"),
        text("status", enum=[{"value": "HELD"}, {"value": "FREE"}]),
    ]
)


def written(path: Path, header: str, *rows: str) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def checked(tmp_path: Path, header: str, *rows: str) -> CheckResult:
    return check_file(written(tmp_path / "People.csv", header, *rows), PEOPLE, tmp_path)


def test_the_error_of_a_missing_required_column_names_the_column_that_may_be_it(tmp_path: Path) -> None:
    result = checked(tmp_path, "LstNm,hired,unit,status", "Samplebex,2020-01-05,North,HELD")
    assert [error.code for error in result.errors] == ["missing_column"]
    assert result.errors[0].message.endswith("; LstNm may be it")


def test_an_accepted_file_with_renamed_optional_columns_reports_them(tmp_path: Path) -> None:
    result = checked(tmp_path, "last_name,HireDt,unit,Stat", "Samplebex,2020-01-05,North,HELD")
    assert not result.errors
    assert result.columns is not None
    assert [(rename.header, rename.column) for rename in result.columns.renames] == [
        ("Stat", "status"),
        ("HireDt", "hired"),
    ]
    assert "HireDt may be hired (score" in verdict("People.csv", "people", result)
    assert CheckResult.from_json(result.to_json()).columns == result.columns


def test_a_column_whose_values_break_the_rules_is_not_suggested(tmp_path: Path) -> None:
    result = checked(tmp_path, "last_name,hire_dt,unit,stats", "Samplebex,soon,North,12", "Sampledov,later,South,14")
    assert result.columns is not None
    assert result.columns.renames == ()


def test_reasons_quote_no_values(tmp_path: Path) -> None:
    result = checked(tmp_path, "Lst_Name,hired,unit,status", "Samplebex,2020-01-05,North,HELD")
    assert result.columns is not None
    assert result.columns.renames
    assert "Samplebex" not in str(result.columns.renames)


def test_the_command_prints_the_synonym_to_add(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "Training.csv", "officer_id,course_code,CompletionDt,hours", "1,FA-01,2025-01-05,8")
    assert main(["contract", "suggest", str(path), "--contract", str(CONTRACTS / "training.odcs.yaml")]) == 0
    shown = capsys.readouterr().out
    assert "CompletionDt may be completed_on (score" in shown
    assert "{synonym: 'CompletionDt'}" in shown


def test_a_header_of_other_names_alone_is_paired_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "Training.csv", "OfcrNbr,CrseCd,CompletionDt,Hrs", "1,FA-01,2025-01-05,8")
    assert main(["contract", "suggest", str(path), "--contract", str(CONTRACTS / "training.odcs.yaml")]) == 0
    shown = capsys.readouterr().out
    assert "Training.csv: 0 of 11 columns of training\n" in shown
    assert "CompletionDt may be completed_on" in shown
    assert "Hrs may be hours" in shown


def test_a_file_whose_name_no_contract_knows_is_matched_by_its_header(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTRACTS_DIR", str(CONTRACTS))
    path = written(tmp_path / "x17.csv", "officer_id,course_code,CompletionDt,hours", "1,FA-01,2025-01-05,8")
    assert main(["contract", "suggest", str(path)]) == 0
    assert "of training; it does not take files of this name" in capsys.readouterr().out

    other = written(tmp_path / "x18.csv", "fruit,colour", "apple,red")
    assert main(["contract", "suggest", str(other)]) == 1
    assert f"etl-platform contract draft {other}" in capsys.readouterr().err


def test_a_file_of_another_dataset_has_no_suggestions(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", "fruit,colour,price,weight", "apple,red,1,2")
    contract = load_contract(CONTRACTS / "officer_detail.odcs.yaml")
    table = open_table(path, None)
    assert suggest_renames(table, match_header(table.header, contract), contract) == ()
