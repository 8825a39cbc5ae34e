"""What an edit of a contract asks of its version."""

from typing import Any

import pytest

from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.version_rules import version_problem
from etl_platform_tests.unit.making import contract_data, text, typed, yaml_text

COLUMNS = [text("a", primaryKey=True, synonyms=[{"synonym": "The A"}]), typed("b", "integer", required=True), text("c")]


def problem(version: str, columns: list[dict[str, Any]], old_version: str = "1.2.3", **more: Any) -> str | None:
    """The error after an edit; None if the version says it."""
    old, new = contract_data(COLUMNS, version=old_version), contract_data(columns, version=version, **more)
    texts = [yaml_text(data) for data in (old, new)]
    found = version_problem(*(parse_contract(each, "c.odcs.yaml") for each in texts), *texts)
    return None if found is None else str(found)


def changed(place: int, **more: Any) -> list[dict[str, Any]]:
    return [{**entry, **more} if at == place else entry for at, entry in enumerate(COLUMNS)]


MINOR = {
    "a description": changed(2, description="x"),
    "a synonym more": changed(0, synonyms=[{"synonym": "The A"}, {"synonym": "AA"}]),
    "an optional column more": [*COLUMNS, text("d")],
    "another rule": changed(2, logicalTypeOptions={"maxLength": 3}),
}
BREAKING = {
    "the column c is gone": COLUMNS[:2],
    "b was integer and is number": changed(1, logicalType="number"),
    "b may be empty now": changed(1, required=False),
    "c is required now": changed(2, required=True),
    "the new column d is required": [*COLUMNS, text("d", required=True)],
    "a is no longer read from the header 'The A'": changed(0, synonyms=[]),
    "the primary key a is now a and c": changed(2, primaryKey=True, required=False),
}


@pytest.mark.parametrize("edit", MINOR)
def test_an_edit_needs_a_new_version_of_any_kind(edit: str) -> None:
    assert "c.odcs.yaml:4: was changed, and version is still 1.2.3; write 1.3.0" in str(problem("1.2.3", MINOR[edit]))
    assert [problem(version, MINOR[edit]) for version in ("1.2.4", "1.3.0", "2.0.0")] == [None, None, None]


@pytest.mark.parametrize("edit", BREAKING)
def test_a_breaking_edit_needs_a_new_major_version(edit: str) -> None:
    assert f"({edit}" in str(problem("1.2.3", BREAKING[edit])) or f"; {edit}" in str(problem("1.2.3", BREAKING[edit]))
    assert "is not enough after 1.2.3 for a breaking change" in str(problem("1.3.0", BREAKING[edit]))
    assert problem("2.0.0", BREAKING[edit]) is None
    assert problem("0.3.0", BREAKING[edit], old_version="0.2.9") is None


def test_a_version_that_goes_back_is_an_error() -> None:
    assert "write 1.3.0" in str(problem("1.2.2", MINOR["a description"]))


def test_a_version_without_three_numbers_cannot_be_compared() -> None:
    assert "write three numbers" in str(problem("next", MINOR["a description"]))


def test_comments_and_drafts_need_no_new_version() -> None:
    source = yaml_text(contract_data(COLUMNS))
    old = parse_contract(source, "c.odcs.yaml")
    assert version_problem(old, old, source, f"# why\n{source}") is None
    draft = yaml_text(contract_data(COLUMNS, status="draft"))
    edited = yaml_text(contract_data(COLUMNS[:1], status="active"))
    assert version_problem(*(parse_contract(t, "c.odcs.yaml") for t in (draft, edited)), draft, edited) is None
