"""Synonyms are added to an overlay without a change of anything else, comments and layout included."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.contract.model import fold
from etl_platform.engine.errors import ContractError
from etl_platform.engine.overlays.add_synonyms import add_synonyms
from etl_platform.engine.overlays.overlay_reader import apply_overlay
from etl_platform_tests.unit.making import contract_of, contract_text, text, typed

CONTRACT = contract_of([text("ident", synonyms=[{"synonym": "Number"}]), typed("day", "date"), text("note")])
NAMES = "o.yaml", "agencies/a/o.yaml"


def add(source: str | None, **synonyms: str) -> str:
    by_header = {header: column for column, header in synonyms.items()}
    return add_synonyms(CONTRACT, source, *NAMES, by_header)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "# How this agency writes its files of things.\ncolumns:\n  day:\n    synonyms: ['The Day']\n"),
        ("encoding: cp1252  # old", "encoding: cp1252  # old\ncolumns:\n  day:\n    synonyms: ['The Day']\n"),
        (
            "columns:\n  # first\n  note: {synonyms: [n]}  # why\n",
            "columns:\n  # first\n  day:\n    synonyms: ['The Day']\n  note: {synonyms: [n]}  # why\n",
        ),
        (
            "columns:\n    day:\n        # dots\n        formats: [d.M.yyyy]  # old\nencoding: utf-8\n",
            "columns:\n    day:\n        # dots\n        synonyms: ['The Day']\n        formats: [d.M.yyyy]  # old\n"
            "encoding: utf-8\n",
        ),
        (
            "columns:\n  day:\n    synonyms: [Tag, 'Datum']  # German\n    formats: [d.M.yyyy]\n",
            "columns:\n  day:\n    synonyms: [Tag, 'Datum', 'The Day']  # German\n    formats: [d.M.yyyy]\n",
        ),
        (
            "columns:\n  day:\n    synonyms:\n    - Tag  # old\n    # more\n    formats: [d.M.yyyy]\n",
            "columns:\n  day:\n    synonyms:\n    - Tag  # old\n    - 'The Day'\n    # more\n    formats: [d.M.yyyy]\n",
        ),
        ("columns: {day: {formats: [d.M.yyyy]}}", "columns: {day: {synonyms: ['The Day'], formats: [d.M.yyyy]}}"),
        ("columns: {note: {synonyms: [n]}}", "columns: {day: {synonyms: ['The Day']}, note: {synonyms: [n]}}"),
        (
            "# ÄÖÜ €\ncontact: Zoë\ncolumns:\n  day:\n    synonyms: [Ä]",
            "# ÄÖÜ €\ncontact: Zoë\ncolumns:\n  day:\n    synonyms: [Ä, 'The Day']",
        ),
    ],
)
def test_a_synonym_is_added_and_everything_else_is_kept(before: str | None, after: str) -> None:
    assert add(before, day="The Day") == after


def test_a_header_of_two_lines_is_added_as_one() -> None:
    added = add(None, day="The\r\nDay")
    assert added == add(None, day="The Day")
    assert fold("The\r\nDay") in apply_overlay(CONTRACT, added, *NAMES).known_headers


def test_an_overlay_as_windows_editors_save_it_is_edited() -> None:
    before = "\ufeff# Zoë\r\ncolumns:\r\n  note:\r\n    synonyms: [n]\r\n"
    found = apply_overlay(CONTRACT, after := add(before, day="The Day"), *NAMES)
    assert (found.column("day").synonyms, found.column("note").synonyms) == (("The Day",), ("n",))
    assert "# Zoë\r\n" in after


def test_adding_twice_changes_nothing() -> None:
    once = add(None, day="The Day")
    assert add(once, day="the_day") == once
    assert add(once, day="The Day") == once


@pytest.mark.parametrize(
    "header", ["NO", "it's", "a: b", "#1", "12:30", "[y]", "Zoë 'Z'", "a\tb", '"q"', "a\\b", "007"]
)
def test_a_header_is_quoted_so_that_yaml_reads_it_as_it_is(header: str) -> None:
    found = apply_overlay(CONTRACT, add("columns:\n  day:\n    synonyms: [x]\n", day=header), *NAMES)
    assert found.column("day").synonyms == ("x", header)


@pytest.mark.parametrize(
    ("source", "column", "header", "message"),
    [
        (None, "day", "number", "already belongs to ident"),
        ("columns: {note: {synonyms: [x]}}", "day", "X", "already belongs to note, not to day"),
        ("encodng: x", "day", "The Day", "did you mean encoding"),
        ("columns:\n  note: &a {synonyms: [x]}\n  day: *a\n", "day", "The Day", "already belongs to note"),
        ("{}", "day", "The Day", "cannot be added to this layout; write it by hand"),
        (
            "columns:\n  day:\n    synonyms: &s [x]\nnullTokens: *s\n",
            "day",
            "The Day",
            "cannot be added to this layout",
        ),
    ],
)
def test_what_cannot_be_added_is_an_error(source: str | None, column: str, header: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        add(source, **{column: header})


HEADERS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12).filter(
    lambda header: any(letter.isalnum() for letter in header)
)
LAYOUTS = [
    None,
    "encoding: utf-8\n",
    contract_text(
        """
        # habits
        columns:
          ident:
            # of the old system
            synonyms: ["Case No"]
          note:
            synonyms:
              - Remark  # why
        """
    ),
]


@settings(max_examples=100, deadline=None)
@given(layout=st.sampled_from(LAYOUTS), headers=st.lists(HEADERS, min_size=1, max_size=4), seed=st.integers(0, 2))
def test_any_header_is_added_or_refused_and_comments_stay(layout: str | None, headers: list[str], seed: int) -> None:
    columns = ["ident", "day", "note"]
    wanted = {header: columns[(place + seed) % 3] for place, header in enumerate(headers)}
    try:
        after = add_synonyms(CONTRACT, layout, *NAMES, wanted)
    except ContractError as error:
        assert "already belongs" in str(error)  # noqa: PT017 - most headers are added
        return
    found = apply_overlay(CONTRACT, after, *NAMES)
    for header, column in wanted.items():
        assert found.known_headers[fold(header)] == column
    assert [line for line in (layout or "").splitlines() if "#" in line and line not in after.splitlines()] == []
    assert add_synonyms(CONTRACT, after, *NAMES, wanted) == after
    assert isinstance(yaml.safe_load(after), dict)
