"""Posted files: whose contract they get, and what their page offers and says."""

import json
import shutil
from base64 import b64decode
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from openpyxl import load_workbook

from etl_platform.engine.check_contracts import CheckContracts
from etl_platform.engine.contract_folder import read_folder
from etl_platform.engine.web_check.file_form import RefusedPostError
from etl_platform.engine.web_check.posted_file import PostedFile, Verdict, check_posted, verdict_page, verdict_report
from etl_platform_tests.unit.engine.pages.page_parts import ATTACKS, Parts
from etl_platform_tests.unit.making import CONTRACTS

AT = datetime(2026, 11, 30, 8, tzinfo=UTC)
HEADER = "officer_id,last_name,first_name,hire_date,dob,employment_status\n"
GOOD = "A1,Doe,Jo,2001-02-03,1970-01-01,ACTIVE\n"
BAD = "A2,Roe,Al,2001-99-03,1971-05-06,ACTIVE\n"
DATA = "data:application/vnd.openxmlformats-officedocument.spreadsheetml.sheet;base64,"


def check(folder: Path, text: str, name: str = "Officer_Detail.csv", dataset: str = "", **more: object) -> Verdict:
    path = folder / "posted"
    path.write_text(text, "utf-8")
    posted = PostedFile(path, name, dataset, **more)  # type: ignore[arg-type]
    return check_posted(posted, CheckContracts(folder=read_folder(CONTRACTS), at=AT), folder)


def refusal(folder: Path, text: str, name: str, dataset: str = "") -> RefusedPostError:
    with pytest.raises(RefusedPostError) as refused:
        check(folder, text, name, dataset)
    return refused.value


def test_the_name_chooses_the_dataset(tmp_path: Path) -> None:
    verdict = check(tmp_path, HEADER + GOOD)
    assert verdict.checked.contract is not None
    assert (verdict.checked.contract.dataset, verdict.notes) == ("officer_detail", ())
    assert verdict.checked.checked_at == AT


@pytest.mark.parametrize("name", ["oficer_detal.csv", "export of monday.csv"])
def test_a_name_without_a_contract_is_refused_with_the_dataset_that_was_meant(tmp_path: Path, name: str) -> None:
    refused = refusal(tmp_path, HEADER + GOOD, name)
    assert (refused.status, refused.code, refused.dataset) == (404, "no_contract", "officer_detail")
    assert "Did you mean officer_detail?" in refused.message
    assert "--contract" not in refused.message


def test_an_unknown_dataset_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    refused = refusal(tmp_path, HEADER, "a.csv", "officer_details")
    assert (refused.status, refused.code, refused.dataset) == (404, "unknown_dataset", "officer_detail")
    assert "Choose one of complaints" in refusal(tmp_path, HEADER, "a.csv", "../../etc/passwd").message


def test_a_file_that_was_checked_as_another_dataset_than_its_name_says_is_told_so(tmp_path: Path) -> None:
    (note,) = check(tmp_path, HEADER + GOOD, "Training.csv", "officer_detail").notes
    assert note == (
        "Under the name Training.csv the file will be taken as training. Send it under another name, such as "
        "Officer_Detail.csv."
    )
    (note,) = check(tmp_path, HEADER + GOOD, "export.csv", "officer_detail").notes
    assert "taken by no dataset" in note
    (note,) = check(tmp_path, HEADER + GOOD, "Officer_Detail.csv.part", "officer_detail").notes
    assert note.startswith("On arrival the file will be ignored")


def test_the_page_offers_the_refused_rows_as_a_workbook_and_nothing_where_all_are_good(tmp_path: Path) -> None:
    page = Parts(verdict_page(check(tmp_path, HEADER + GOOD + BAD), back="/", workbook=tmp_path))
    assert "do not pass the page on" in page.text
    assert "has no value of a personal column" not in page.text
    (href,) = (found for found in page.references if found.startswith(DATA))
    sheet = load_workbook(BytesIO(b64decode(href.removeprefix(DATA))))["Rows"]
    assert [row[0] for row in sheet.iter_rows(values_only=True)][1:] == ["3"]
    assert "Save the refused rows" not in verdict_page(check(tmp_path, HEADER + GOOD), back="/", workbook=tmp_path)


def test_a_page_from_elsewhere_has_no_value_of_a_personal_column_and_no_workbook(tmp_path: Path) -> None:
    verdict = check(tmp_path, HEADER + GOOD + BAD.replace("1971-05-06", "06/99/1971"))
    page, report = verdict_page(verdict, back="/check", receipt="R-1"), json.dumps(verdict_report(verdict, "R-1"))
    for value in ("Doe", "Roe", "1970-01-01", "06/99/1971"):
        assert value not in page
        assert value not in report
    assert "data:" not in page
    assert "R-1" in Parts(page).text


def test_values_are_shown_where_the_sender_asks_for_them(tmp_path: Path) -> None:
    text = HEADER + GOOD + BAD.replace("1971-05-06", "06/99/1971")
    page = verdict_page(check(tmp_path, text, shows_values=True), back="/", workbook=tmp_path)
    assert "06/99/1971" in page
    assert "This page shows values of personal columns" in page


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_name_header_or_value_breaks_out_of_the_page(tmp_path: Path, attack: str) -> None:
    quoted = '"' + attack.replace('"', '""') + '"'
    usual = Parts(
        verdict_page(
            check(tmp_path, f"{HEADER[:-1]},x\n{GOOD[:-1]},y\n{BAD[:-1]},z\n", "a.csv", "officer_detail"), back="/"
        )
    )
    text = f"{HEADER[:-1]},{quoted}\n{GOOD[:-1]},y\n{BAD.replace('2001-99-03', quoted)[:-1]},z\n"
    hostile = Parts(verdict_page(check(tmp_path, text, f"{attack}.csv", "officer_detail"), back="/"))
    # Unusual characters are a remark, which is in a list.
    known = {*usual.elements, ("ul", frozenset())}
    assert {element for element in hostile.elements if element not in known} == set()


def test_the_habits_of_the_agency_apply_and_those_of_others_do_not(tmp_path: Path) -> None:
    contracts, text = tmp_path / "contracts", HEADER.replace("officer_id", "Folio") + GOOD
    shutil.copytree(CONTRACTS, contracts)
    overlay = contracts / "agencies" / "nm%20mesa" / "officer_detail.yaml"
    overlay.parent.mkdir(parents=True)
    overlay.write_text("columns: {officer_id: {synonyms: [Folio]}}\n", "utf-8")
    outcomes = {}
    for agency in ("nm mesa", "nm%20mesa", "other", "../nm%20mesa", ""):
        (tmp_path / "posted").write_text(text, "utf-8")
        posted = PostedFile(tmp_path / "posted", "Officer_Detail.csv", agency=agency)
        verdict = check_posted(posted, CheckContracts(folder=read_folder(contracts), at=AT), tmp_path)
        outcomes[agency] = str(verdict.checked.result.outcome)
    accepted = {agency for agency, outcome in outcomes.items() if outcome == "accepted"}
    assert accepted == {"nm mesa", "nm%20mesa"}
