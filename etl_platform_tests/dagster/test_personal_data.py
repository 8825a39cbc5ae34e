"""Personal data that the contract does not announce: an amber check that names the columns and shows no value."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.check_results import check_evaluations
from etl_platform.defs.checks.personal_data_evaluation import personal_data_evaluation
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.partition_state import JudgedFile, JudgedPartition
from etl_platform.deliveries.report import Report
from etl_platform.engine.privacy.personal_data import PersonalData
from etl_platform.engine.privacy.personal_forms import PersonalKind
from etl_platform.engine.result import CheckResult, FileError
from etl_platform_tests.dagster.workshop import AGENCY, Workshop
from etl_platform_tests.unit.making import contract_data, contract_of, custom, text
from etl_platform_tests.unit.making_reports import report_of

CHECK = "personal_data_is_announced"
NUMBERS = ("523-41-7790", "531-22-8146", "601-85-3307")
ROWS = "ident,note\n" + "".join(f"k{place},{number}\n" for place, number in enumerate(NUMBERS))
CONTRACT = contract_of([text("ident")])
FOUND = PersonalData("note", PersonalKind.SSN, 3, 3)


@pytest.fixture
def place(workshop: Workshop, tmp_path: Path) -> Workshop:
    workshop.contracts_dir = tmp_path / "contracts"
    workshop.contracts_dir.mkdir()
    write_contract(workshop)
    return workshop


def write_contract(place: Workshop, note: dict[str, Any] | None = None, **customs: Any) -> None:
    data = contract_data([text("ident"), note or text("note")], customs=custom(filePatterns=["things*"], **customs))
    (place.contracts_dir / "things.odcs.yaml").write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")


def evaluation(place: Workshop, result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    assert result.success
    return [item for item in place.evaluations(result) if item.check_name == CHECK][-1]


def test_personal_data_is_amber_and_no_event_shows_a_value(place: Workshop) -> None:
    result = place.ingest(place.drop("Things.csv", ROWS.encode()))

    found = evaluation(place, result)
    assert (found.partition, found.passed, found.severity) == (AGENCY, False, dg.AssetCheckSeverity.WARN)
    assert "note: what looks like social security numbers is in 3 of 3 examined cells" in (found.description or "")
    (row,) = found.metadata["personal_data"].value.records
    assert (row.data["file"], row.data["column"], row.data["found"]) == ("Things.csv", "note", "3")
    assert place.outcomes == ["accepted"]
    events = "".join(str(event) for event in result.all_events)
    assert not [number for number in NUMBERS if number in events]


def test_the_check_is_green_once_the_contract_classifies_the_column(place: Workshop) -> None:
    place.ingest(place.drop("Things.csv", ROWS.encode()))
    write_contract(place, text("note", classification="restricted"))

    assert evaluation(place, place.reprocess(dataset="things")).passed


def test_a_gate_in_the_contract_refuses_the_file(place: Workshop) -> None:
    write_contract(place, piiGate="reject")

    result = place.ingest(place.drop("Things.csv", ROWS.encode()))

    assert place.outcomes == ["rejected"]
    assert not place.written("silver")
    (refused,) = [item for item in place.evaluations(result) if item.check_name == "file_is_readable_and_complete"]
    assert (refused.passed, refused.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "personal_data: note: what looks like social security numbers" in (refused.description or "")
    assert not evaluation(place, result).passed


def examined(name: str, *found: PersonalData, **check: Any) -> Report:
    result = CheckResult(**{"rows": 3, "accepted_rows": 3, "quarantined_rows": 0, "personal_data": found} | check)
    return report_of(name, key=f"from_client/{AGENCY}/{name}.csv", dataset="things", check=result)


def of_partition(*reports: Report) -> CheckEvaluation:
    files = tuple(JudgedFile(one, one if one.outcome is Outcome.ACCEPTED else None) for one in reports)
    (found,) = [one for one in check_evaluations(JudgedPartition(files), CONTRACT) if one.name == CHECK]
    return found


def test_every_file_with_a_finding_is_named_the_last_one_first() -> None:
    found = personal_data_evaluation([examined("b", FOUND), examined("a", FOUND), examined("clean")])

    assert found.description is not None
    assert found.description.startswith("b.csv: note: what looks like social security numbers is in 3 of 3 examined")
    assert "; a.csv: note:" in found.description
    assert "clean.csv" not in found.description
    assert found.metadata["delivery_id"] == "b"


def test_of_many_findings_the_first_are_named_and_the_others_counted() -> None:
    columns = [PersonalData(f"c{place}", PersonalKind.PHONE, 1, 3, in_contract=False) for place in range(8)]

    found = personal_data_evaluation([examined("a", *columns)])

    assert found.description is not None
    assert [f"c{place}:" in found.description for place in range(8)] == [True] * 5 + [False] * 3
    assert "; and 3 more. Their values are masked." in found.description
    rows = found.metadata["personal_data"].records
    assert [row.data["column"] for row in rows] == [f"c{place}" for place in range(8)]
    assert {row.data["in the contract"] for row in rows} == {"no"}


def test_a_file_of_an_older_release_is_not_evaluated_rather_than_green() -> None:
    old = examined("old", personal_data=None)

    found = of_partition(old, examined("new"))

    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert (found.description or "").startswith("Not evaluated: ")
    assert "old.csv" in (found.description or "")


def test_a_finding_is_shown_before_files_that_were_not_examined() -> None:
    found = of_partition(examined("old", personal_data=None), examined("new", FOUND))

    assert not found.passed
    assert "new.csv: note: what looks like" in (found.description or "")


def test_without_rows_that_were_checked_nothing_is_found() -> None:
    empty = CheckResult(errors=(FileError("empty_file", "the file has zero bytes"),))
    refused = report_of("x", dataset="things", check=empty, outcome=Outcome.REJECTED)

    found = of_partition(refused)

    assert found.passed
    assert "was refused before this rule was evaluated" in (found.description or "")
    assert "examined" not in json.dumps(found.description)
