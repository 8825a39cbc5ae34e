"""Distributions of values on a page: what they say, and that no value of few rows or of a personal column is shown."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.pages.distributions import FLOOR, Distribution, distribution
from etl_platform.engine.pages.html_page import html_page
from etl_platform.engine.pages.page_facts import LastFile
from etl_platform.engine.pages.page_rows import distributions
from etl_platform.engine.result import Bin, ColumnProfile, ValueCount
from etl_platform_tests.unit.engine.pages.page_parts import Parts, csv_bytes, facts_of
from etl_platform_tests.unit.making import contract_of, text, typed

CONTRACT = contract_of(
    [
        text("ident"),
        typed("pay", "number"),
        typed("day", "date"),
        text("kind"),
        text("note"),
        text("name", classification="restricted"),
    ]
)
FIRST = date(2026, 1, 1)


def profile_of(texts: dict[str, int]) -> ColumnProfile:
    top = tuple(ValueCount(value, rows) for value, rows in texts.items())
    return ColumnProfile(0, 0, len(texts), 0.0, 1, max(map(len, texts), default=0), top=top)


def numbers(bins: list[tuple[float, int]]) -> ColumnProfile:
    ends = [low for low, _ in bins]
    made = [Bin(None, ends[0], 7)]
    made += [Bin(low, low + 1.0, rows) for low, rows in bins if rows]
    made.append(Bin(ends[-1] + 1.0, None, 9))
    return ColumnProfile(0, 0, 5_000, 0.0, 1, 9, histogram=tuple(made))


def monthly(kinds: str, first: date, pay: float) -> bytes:
    rows = [
        (
            f"{n:04}",
            f"{pay + n * 10:.2f}",
            f"{first + timedelta(days=n % 28)}",
            kinds[n % len(kinds)],
            "n " * n,
            f"Nm{n}",
        )
        for n in range(300)
    ]
    return csv_bytes(("ident", "pay", "day", "kind", "note", "name"), *rows)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Distribution]:
    folder = tmp_path_factory.mktemp("pages")
    before = facts_of(folder, CONTRACT, monthly("AAB", FIRST, 1_000))
    now = facts_of(folder, CONTRACT, monthly("ABC", date(2026, 2, 1), 3_000))
    plots, more = distributions(replace(now, last=LastFile(300, before.result.profile)))
    assert more == 0
    return {one.column: one for one in plots}


def test_dates_and_numbers_have_round_ranges_and_codes_their_values(found: dict[str, Distribution]) -> None:
    assert next(iter(found)) == "day"
    assert found["day"].distance > 0.9
    assert {one.label for one in found["day"].shares} >= {"before 2026-01-05", "from 2026-02-02"}
    assert all(one.label.partition(" ")[2].replace(",", "").endswith("00") for one in found["pay"].shares)
    assert [(one.label, round(one.share, 2), round(one.before or 0, 2)) for one in found["kind"].shares] == [
        ("A", 0.33, 0.67),
        ("B", 0.33, 0.33),
        ("C", 0.33, 0),
    ]
    assert found["note"].what == "lengths"
    assert all(one.label.endswith("characters") for one in found["note"].shares)


def test_a_personal_column_has_none_whichever_file_says_so(found: dict[str, Distribution], tmp_path: Path) -> None:
    assert "name" not in found
    codes = profile_of({"A": 50, "B": 50})
    assert distribution("kind", codes, codes) is not None
    assert distribution("kind", replace(codes, masked=True), codes) is None
    assert distribution("kind", codes, replace(codes, masked=True)) is None
    facts = facts_of(tmp_path, CONTRACT, monthly("AB", FIRST, 5))
    assert "kind" not in [one.column for one in distributions(replace(facts, personal=frozenset({"kind"})))[0]]


def test_a_value_of_few_rows_is_named_in_no_file() -> None:
    shown = distribution("kind", profile_of({"A": 50, "B": 50, "Zoe": 4}), profile_of({"A": 50, "B": 3, "C": 60}))
    assert shown is not None
    assert [one.label for one in shown.shares] == ["C", "A", "2 other values"]


def test_values_beyond_the_range_of_the_other_file_stay_where_they_are() -> None:
    shown = distribution("pay", numbers([(100.0, 50)]), numbers([(0.0, 50)]))
    assert shown is not None
    assert shown.shares[-1].before == 0
    assert shown.shares[0].share == 0


BINS = st.lists(
    st.tuples(st.integers(-(10**6), 10**6), st.integers(0, 40)), min_size=1, max_size=22, unique_by=lambda one: one[0]
)


@given(BINS, BINS)
def test_shares_of_ranges_add_up_and_no_range_has_few_rows(
    now: list[tuple[int, int]], before: list[tuple[int, int]]
) -> None:
    files = [numbers(sorted((float(low), rows) for low, rows in one)) for one in (now, before)]
    shown = distribution("pay", *files)
    if shown is None:
        return
    for place, file in enumerate(files):
        rows = sum(one.rows for one in file.histogram or ())
        shares = [one.share if place == 0 else one.before or 0 for one in shown.shares]
        assert sum(shares) == pytest.approx(1)
        assert all(share == 0 or share * rows >= FLOOR - 1e-6 for share in shares)
    assert len(shown.shares) <= 14
    assert max(Counter(one.label for one in shown.shares).values()) == 1


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(1, 40), max_size=30))
def test_shares_of_values_add_up_and_no_value_of_few_rows_is_named(texts: dict[str, int]) -> None:
    shown = distribution("kind", profile_of(texts), None)
    if shown is not None and shown.what == "values":
        assert sum(one.share for one in shown.shares) == pytest.approx(1)
        assert all(texts.get(one.label, FLOOR) >= FLOOR for one in shown.shares)


def test_the_plot_of_a_page_has_its_numbers_beside_it(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, CONTRACT, monthly("AB", FIRST, 5))
    page = html_page(replace(facts, last=LastFile(300, facts.result.profile)))
    assert page.count('<svg class="columns"') == page.count("<details>") == 3
    assert "How the values are distributed" in Parts(page).text
    assert "A 50 % 50 %" in Parts(page).text
    assert "Nm1" not in page


@pytest.mark.parametrize(
    ("type_", "cells"),
    [
        ("number", ["1e308", "-1e308", "0", "5e-324"]),
        ("number", ["7"]),
        ("integer", [f"{n}" for n in range(10**15, 10**15 + 40)]),
        ("date", ["0001-01-01", "9999-12-31", *[f"1970-01-{n:02}" for n in range(1, 29)]]),
        ("date", ["2026-11-30"]),
        ("timestamp", ["2026-11-30T00:00:00", "2026-11-30T23:59:59", "2026-11-30T12:00:00"]),
        ("string", ["", " ", "é" * 3_000, "<b>"]),
        ("boolean", ["true", "false"]),
    ],
)
def test_values_at_the_ends_of_what_there_is_have_a_page(tmp_path: Path, type_: str, cells: list[str]) -> None:
    contract = contract_of([text("ident"), typed("value", type_)])
    rows = [(f"{number:05}", cells[number % len(cells)]) for number in range(600)]
    facts = facts_of(tmp_path, contract, csv_bytes(("ident", "value"), *rows))
    assert facts.result.accepted_rows
    plots, _ = distributions(replace(facts, last=LastFile(600, facts.result.profile)))
    for plot in plots:
        assert sum(one.share for one in plot.shares) == pytest.approx(1)
        assert plot.distance == pytest.approx(0)
    assert "</html>" in html_page(facts)
