"""Drafts from generated tables with a known schema: the schema is found, the file accepted, no person's value shown."""

import random
from datetime import date
from pathlib import Path

import pytest

from etl_platform.engine.check import check_file
from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.drafting.column_names import words
from etl_platform.engine.drafting.draft import draft_contract
from etl_platform_tests.unit.engine.drafting.generated_tables import generate, write

TODAY = date(2026, 11, 30)


@pytest.mark.parametrize("seed", range(40))
def test_a_draft_finds_the_schema_and_accepts_its_file_and_shows_no_personal_value(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    table = generate(chance, chance.choice([40, 150, 2_500]))
    path = tmp_path / "Incidents_2026-01.csv"
    write(path, table, chance)

    draft = draft_contract([path], None, TODAY)

    contract = parse_contract(draft.text, "draft")
    result = check_file(path, contract, tmp_path, as_of=TODAY)
    assert (result.errors, result.quarantined_rows, draft.quarantined) == ((), 0, 0)
    assert contract.dataset == "incidents"
    assert [words(column.name) for column in contract.columns] == [tuple(kind.name.split()) for kind in table.kinds]
    for column, kind in zip(contract.columns, table.kinds, strict=True):
        assert str(column.type) == kind.type, kind.name
        required, closed = kind.name not in table.optional, table.cells[kind.name] if kind.closed else set()
        assert (kind.name, column.required) == (kind.name, required)
        assert (kind.name, column.unique) == (kind.name, kind.unique)
        assert (kind.name, set(column.allowed or ())) == (kind.name, closed)
        if kind.personal:
            assert column.pattern is None
            assert column.minimum is column.maximum is None
            shown = [text for text in table.cells[kind.name] if text in draft.text]
            assert shown == [], kind.name


@pytest.mark.parametrize("seed", range(40, 60))
def test_every_personal_column_of_a_draft_is_masked_and_no_other_is_classified(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    table = generate(chance, 150)
    path = tmp_path / "Incidents.csv"
    write(path, table, chance)

    contract = parse_contract(draft_contract([path], None, TODAY).text, "draft")

    for column, kind in zip(contract.columns, table.kinds, strict=True):
        assert column.classification in ({"restricted", "confidential", None} if kind.personal else {None}), kind.name
