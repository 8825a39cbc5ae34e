"""Personal data that the contract does not announce: found, masked everywhere, and refused if the contract says so."""

import json
import random
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.defs.datasets.delivery_metadata import bronze_metadata, silver_metadata
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.partition_state import PartitionContent
from etl_platform.engine.check import check_file, profile_file
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.privacy.personal_data import PersonalData
from etl_platform.engine.privacy.personal_forms import PersonalKind, has_form
from etl_platform.engine.result import CheckResult
from etl_platform.engine.text_report import profile_table, verdict
from etl_platform_tests.unit.engine.privacy.generated_columns import (
    FILLERS,
    NEGATIVES,
    POSITIVES,
    GeneratedColumn,
    phone,
    ssn,
)
from etl_platform_tests.unit.making import contract_of, custom, text, typed
from etl_platform_tests.unit.making_reports import report_of

TODAY = date(2024, 11, 1)
ALIKE_ONLY = {"field_7", "person_date"}
"""Birth dates that only their distribution shows, which takes LEAST_DATES rows."""


def written(path: Path, columns: dict[str, list[str]]) -> Path:
    lines = [",".join(f'"{cell}"' for cell in row) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join([",".join(columns), *lines]) + "\n", "utf-8")
    return path


def checked(folder: Path, columns: dict[str, list[str]], contract: Contract) -> CheckResult:
    return check_file(written(folder / "Things.csv", columns), contract, folder, as_of=TODAY)


def found(result: CheckResult) -> dict[str, PersonalKind]:
    return {one.column: one.kind for one in result.personal_data or ()}


def keyed(rows: int, **columns: list[str]) -> dict[str, list[str]]:
    return {"ident": [f"k{row}" for row in range(rows)], **columns}


def ssns(rows: int, seed: int = 1) -> list[str]:
    chance = random.Random(seed)
    return ["-".join(ssn(chance)) for _ in range(rows)]


@pytest.mark.parametrize("rows", [10, 300, 6_000])
@pytest.mark.parametrize("known", [True, False])
def test_generated_personal_data_is_found_and_what_looks_like_it_is_not(tmp_path: Path, rows: int, known: bool) -> None:
    missed, wrong = [], []
    for group in (POSITIVES, NEGATIVES):
        columns = {made.name: made.values(7, rows) for made in group}
        properties = [text(f"c{place}", synonyms=[{"synonym": made.name}]) for place, made in enumerate(group)]
        contract = contract_of([text("ident"), typed("stop_date", "date"), *(properties if known else [])])
        dates = [f"2024-0{1 + row % 9}-1{row % 9}" for row in range(rows)]
        kinds = found(checked(tmp_path, keyed(rows, stop_date=dates) | columns, contract))
        for place, made in enumerate(group):
            kind = kinds.get(f"c{place}" if known else made.name)
            if kind is not made.kind:
                (missed if made.kind else wrong).append((made.name, kind))
    assert {name for name, _ in missed} <= (ALIKE_ONLY if rows == 10 else set())
    assert not wrong


@pytest.mark.parametrize(
    ("classification", "is_found"), [("public", True), ("internal", True), (None, True), ("confidential", False)]
)
def test_only_columns_that_announce_personal_data_are_not_searched(
    tmp_path: Path, classification: str | None, is_found: bool
) -> None:
    contract = contract_of([text("ident"), text("note", classification=classification)])
    result = checked(tmp_path, keyed(4, note=ssns(4)), contract)
    assert found(result) == ({"note": PersonalKind.SSN} if is_found else {})
    assert result.profile["note"].masked
    assert not result.errors


def test_a_column_that_the_contract_does_not_know_is_found_and_named_also_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "Things.csv"
    path.write_text("ident,extra,\n" + "".join(f"k{n},,{one}\n" for n, one in enumerate(ssns(3))), "utf-8")
    result = check_file(path, contract_of([text("ident")]), tmp_path, as_of=TODAY)
    assert result.personal_data == (PersonalData("column 3 (no name)", PersonalKind.SSN, 3, 3, in_contract=False),)


def test_a_finding_counts_cells_and_the_report_shows_no_value(tmp_path: Path) -> None:
    notes = [f"seen, {one}" if row == 3 else "nothing" for row, one in enumerate(ssns(10))]
    contract = contract_of([text("ident"), text("note", logicalTypeOptions={"maxLength": 3})])
    result = checked(tmp_path, keyed(10, note=notes), contract)
    assert result.personal_data == (PersonalData("note", PersonalKind.SSN, 1, 10),)
    shown_text = verdict("Things.csv", "things", result)
    assert "note: what looks like social security numbers is in 1 of 10 examined cells" in shown_text
    assert notes[3] not in shown_text + json.dumps(result.to_json())
    assert all(set(str(one.value)) <= set("Aa9-, ") for one in result.examples["note.length"])


def test_the_last_tenth_of_a_large_file_is_searched(tmp_path: Path) -> None:
    rows = 40_000
    late = ["" if row < rows * 0.9 else one for row, one in enumerate(ssns(rows))]
    result = checked(tmp_path, keyed(rows, note=late), contract_of([text("ident"), text("note")]))
    assert found(result) == {"note": PersonalKind.SSN}


def test_columns_that_come_from_a_found_one_are_masked_too(tmp_path: Path) -> None:
    columns = [text("ident"), text("note"), text("start", transformLogic="LEFT(note, 3)"), text("other")]
    contents = keyed(3, note=ssns(3), other=["x", "y", "z"])
    result = checked(tmp_path, contents, contract_of(columns))
    assert [name for name, column in result.profile.items() if column.masked] == ["note", "start"]
    assert {row["start"] for row in result.preview} == {"•••"}
    assert {row["other"] for row in result.preview} == {"x", "y", "z"}


def test_lines_that_were_left_out_are_masked_with_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "Things.csv"
    rows = "".join(f"k{n},{one}\n" for n, one in enumerate(ssns(3)))
    path.write_text(f"Printed by Samplebex\n\nident,note\n{rows}", "utf-8")
    result = check_file(path, contract_of([text("ident"), text("note")]), tmp_path, as_of=TODAY)
    assert result.dialect is not None
    assert [line.text for line in result.dialect.dropped] == ["Aaaaaaa aa Aaaaaaaaa"]


def test_a_cell_of_a_damaged_row_is_no_finding(tmp_path: Path) -> None:
    path = tmp_path / "Things.csv"
    path.write_text("ident,unit,ssn\na,North,1\nb,x,523-41-7790,2\n", "utf-8")
    contract = contract_of([text("ident"), text("unit"), text("ssn", classification="restricted")])
    assert check_file(path, contract, tmp_path, as_of=TODAY).personal_data == ()


@pytest.mark.parametrize(("gate", "codes"), [("reject", ["personal_data"]), ("remark", []), (None, [])])
def test_the_contract_decides_whether_a_finding_refuses_the_file(
    tmp_path: Path, gate: str | None, codes: list[str]
) -> None:
    customs = custom(piiGate=gate) if gate else []
    result = checked(tmp_path, keyed(3, note=ssns(3)), contract_of([text("ident")], customs=customs))
    assert [error.code for error in result.errors] == codes
    assert (tmp_path / "silver.parquet").exists() is not bool(codes)
    for error in result.errors:
        assert "note: what looks like social security numbers is in 3 of 3 examined cells; send" in error.message


def test_another_gate_is_an_error_of_the_contract() -> None:
    with pytest.raises(ContractError, match="piiGate takes remark or reject, not 'yes'"):
        contract_of([text("ident")], customs=custom(piiGate="yes"))


def test_a_hotline_is_no_finding_and_two_private_numbers_are(tmp_path: Path) -> None:
    contract = contract_of([text("ident"), text("ring")])
    assert not found(checked(tmp_path, keyed(5, ring=["505-842-7733"] * 5), contract))
    numbers = ["-".join(phone(random.Random(row % 2))) for row in range(6)]
    assert found(checked(tmp_path, keyed(6, ring=numbers), contract)) == {"ring": PersonalKind.PHONE}


def test_a_profile_without_a_contract_masks_what_it_finds(tmp_path: Path) -> None:
    notes = ssns(5)
    result = profile_file(written(tmp_path / "x.csv", keyed(5, note=notes, unit=["N"] * 5)), as_of=TODAY)
    assert found(result) == {"note": PersonalKind.SSN}
    shown_text = str(profile_table(result.profile)) + verdict("x.csv", None, result) + json.dumps(result.to_json())
    assert not [one for one in notes if one in shown_text]
    assert "N (5)" in shown_text


def test_a_report_of_an_older_release_says_that_nothing_was_searched(tmp_path: Path) -> None:
    result = checked(tmp_path, keyed(3, note=ssns(3)), contract_of([text("ident")]))
    data = result.to_json()
    assert CheckResult.from_json(data).personal_data == result.personal_data
    del data["personal_data"]
    assert CheckResult.from_json(data).personal_data is None


MADE = st.sampled_from([*POSITIVES, *NEGATIVES])


@settings(max_examples=60)
@given(
    made=st.lists(MADE, min_size=1, max_size=4, unique_by=lambda one: one.name),
    rows=st.integers(1, 60),
    seed=st.integers(0, 1_000),
    classes=st.lists(st.sampled_from(["public", "internal", None, "unknown"]), min_size=4, max_size=4),
)
def test_no_value_of_a_found_column_is_in_report_text_or_metadata(
    tmp_path_factory: pytest.TempPathFactory,
    made: list[GeneratedColumn],
    rows: int,
    seed: int,
    classes: list[str | None],
) -> None:
    folder = tmp_path_factory.mktemp("made")
    names = [f"c{place}" for place in range(len(made))]
    columns = {one.name: one.values(seed, rows) for one in made}
    # The pattern makes examples of every row, and a second one none, so that a preview is made.
    rule: dict[str, Any] = {"logicalTypeOptions": {"pattern": "^never$"}} if seed % 2 else {}
    properties = [
        text(name, classification=kind, synonyms=[{"synonym": one.name}], **rule)
        for name, one, kind in zip(names[1:], made[1:], classes, strict=False)
    ]
    contract = contract_of([text("ident"), *properties])
    result = checked(folder, keyed(rows) | columns, contract)
    report = report_of("0" * 20, outcome=Outcome(result.outcome), check=result, dataset="things")
    metadata = str(bronze_metadata([report])) + str(silver_metadata([report], contract, PartitionContent(rows, "")))
    everything = verdict("x.csv", "things", result) + json.dumps(report.to_json(), ensure_ascii=False) + metadata
    personal = found(result)
    for place, one in enumerate(made):
        is_found = (names[place] if place else one.name) in personal
        for value in columns[one.name]:
            if len(value) > 5 and value not in FILLERS and (is_found or has_form(value)):
                assert value not in everything
