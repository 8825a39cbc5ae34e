"""Periods of service: types, CSV and checks, compared with simple reference implementations."""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.employment.checks import Finding, HistoryCheck
from etl_platform.employment.periods import SCHEMA, HistoryChecker, to_csv, to_typed
from etl_platform.engine.contract_folder import load_contracts
from etl_platform.engine.output.formula_guard import guarded, unguarded
from etl_platform.engine.values.silver_types import dtype
from etl_platform.settings import Settings

CONTRACT = load_contracts(Settings().contracts_dir)["employment_history"]
# PostgreSQL's text has every character but NUL.
TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
AWKWARD = st.sampled_from(
    [
        "=1+1",
        "\uff1d1",
        "\uff20a",
        "'=x",
        "''-",
        "-5",
        "+1",
        "@a",
        "\t",
        "\r",
        "\n",
        'a"b',
        "a,b",
        "\\N",
        "\\.",
        "\\t",
        " ",
    ]
)
DAYS = st.dates(date(1, 1, 1), date(9999, 12, 31))
TEXT = TEXTS | AWKWARD


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    kinds = {pl.String(): TEXT, pl.Date(): st.none() | DAYS, pl.Boolean(): st.none() | st.booleans()}
    rows = draw(st.lists(st.tuples(*(kinds[kind] for kind in SCHEMA.values())), min_size=1, max_size=8))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def frame(*rows: Sequence[object]) -> pl.DataFrame:
    """Rows of officer, start, end and rank."""
    columns = {"officer_id": pl.String(), "start_date": pl.String(), "end_date": pl.String(), "rank": pl.String()}
    given_ = pl.DataFrame(rows, schema=columns, orient="row")
    return given_.with_columns(pl.lit(None, pl.String).alias(name) for name in SCHEMA if name not in columns).select(
        SCHEMA.names()
    )


def check(*batches: pl.DataFrame, known: Sequence[str] = ("Officer",)) -> dict[HistoryCheck, Finding]:
    checker = HistoryChecker(known)
    for batch in batches:
        checker.add(batch, to_typed(batch))
    return {finding.check: finding for finding in checker.findings()}


def test_the_columns_equal_those_of_the_contract() -> None:
    assert {column.name: dtype(column) for column in CONTRACT.columns} == dict(SCHEMA)
    assert [column.name for column in CONTRACT.columns] == SCHEMA.names()


@given(frames())
def test_every_value_can_be_read_back_from_the_csv(rows: pl.DataFrame) -> None:
    text = to_csv(rows, header=True).decode("utf-8")
    header, *read = csv.reader(io.StringIO(text, newline=""))
    assert header == SCHEMA.names()
    assert not text.startswith("\ufeff")
    assert text.endswith("\r\n")
    assert len(read) == rows.height
    texts = pl.DataFrame(read, schema=dict.fromkeys(SCHEMA, pl.String()), orient="row")
    texts = texts.with_columns(pl.when(pl.all() != "").then(pl.all()))
    plain = [name for name, kind in SCHEMA.items() if kind == pl.String]
    back = texts.with_columns(
        *(unguarded(pl.col(name)) for name in plain),
        pl.col("start_date", "end_date").str.to_date("%Y-%m-%d"),
        pl.col("eligible_for_rehire").replace_strict({"true": True, "false": False}, return_dtype=pl.Boolean),
    )
    assert back.equals(rows)


@given(frames())
def test_no_csv_cell_starts_like_a_formula(rows: pl.DataFrame) -> None:
    for row in csv.reader(io.StringIO(to_csv(rows, header=False).decode("utf-8"), newline="")):
        assert not any(
            cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
            for cell in row
        )


@given(st.lists(TEXT))
def test_a_formula_guard_can_be_removed(texts: list[str | None]) -> None:
    column = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
    assert column.select(unguarded(guarded(pl.col("text")))).equals(column)


def test_a_csv_written_in_batches_equals_one_written_at_once() -> None:
    rows = to_typed(frame(("A", "2020-01-01", None, "Officer"), ("B", "2020-01-01", "2021-01-01", "-")))
    assert to_csv(rows[:1], header=True) + to_csv(rows[1:], header=False) == to_csv(rows, header=True)
    assert to_csv(rows, header=False) == (
        b"A,,2020-01-01,,,,Officer,,,\r\n"
        b"B,,2020-01-01,2021-01-01,,,'-,,,\r\n"
    )  # fmt: skip


@pytest.mark.parametrize("text", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01", "2021-02-30"])
def test_an_invalid_date_becomes_empty_and_is_counted(text: str) -> None:
    rows = frame(("A", "2020-01-01", None, None), ("A", "2021-01-01", text, None), ("B", text, "2020-01-01", None))
    assert to_typed(rows)["end_date"].to_list() == [None, None, date(2020, 1, 1)]
    found = check(rows)
    assert (found[HistoryCheck.LOST_DATE].rows, found[HistoryCheck.LOST_DATE].first_rows) == (2, (3, 4))
    assert found[HistoryCheck.OVERLAPPING].rows == 0, "a period without valid days is not compared"


def test_ranks_are_compared_without_case_and_unknown_ones_are_counted() -> None:
    ranks = ["OFFICER", "Police  Officer", None, "Ofc.", "Wizard", "Ofc."]
    found = check(*(frame(("A", None, None, rank)) for rank in ranks), known=("Officer", "Police-Officer"))
    finding = found[HistoryCheck.UNKNOWN_RANK]
    assert (finding.rows, finding.first_rows, finding.values) == (3, (5, 6, 7), {"Ofc.": 2, "Wizard": 1})


def test_without_known_ranks_no_rank_is_unknown() -> None:
    assert check(frame(("A", None, None, "Wizard")), known=())[HistoryCheck.UNKNOWN_RANK].rows == 0


def test_the_number_of_counted_ranks_is_bounded() -> None:
    checker = HistoryChecker(("Officer",))
    for start in range(0, 5_000, 1_000):
        rows = frame(*(("A", None, None, f"rank {number}") for number in range(start, start + 1_000)))
        checker.add(rows, to_typed(rows))
    (finding,) = (item for item in checker.findings() if item.check is HistoryCheck.UNKNOWN_RANK)
    assert (finding.rows, len(finding.values), len(checker._ranks)) == (5_000, 10, 1_000)


def test_two_periods_may_share_the_day_of_the_change() -> None:
    touching = frame(("A", "2020-01-01", "2021-01-01", None), ("A", "2021-01-01", None, None))
    assert check(touching)[HistoryCheck.OVERLAPPING].rows == 0
    overlapping = frame(("A", "2020-01-01", "2021-01-02", None), ("A", "2021-01-01", None, None))
    assert check(overlapping)[HistoryCheck.OVERLAPPING].first_rows == (3,)


def slow_overlaps(rows: Sequence[tuple[str | None, date | None, date | None]]) -> list[int]:
    """Indexes of rows that begin before an earlier row of their officer has ended, by comparing all pairs."""
    earlier: dict[str, list[date]] = defaultdict(list)
    found = []
    for index, (officer, start, end) in enumerate(rows):
        if officer is None or start is None or (end is not None and end < start):
            continue
        if any(start < other for other in earlier[officer]):
            found.append(index)
        earlier[officer].append(end or date.max)
    return found


@st.composite
def histories(draw: st.DrawFn) -> list[list[tuple[str | None, date | None, date | None]]]:
    """Periods in the order of the database, divided into batches."""
    day = st.integers(-3, 12).map(lambda days: date(1970, 1, 1) + timedelta(days=days))
    one = st.tuples(st.sampled_from(["A", "B", "C", None]), st.none() | day, st.none() | day)
    rows = sorted(draw(st.lists(one, max_size=24)), key=lambda row: (row[0] or "~", row[1] or date.max))
    cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=5)))
    edges = [0, *cuts, len(rows)]
    return [rows[low:high] for low, high in pairwise(edges) if high > low]


@given(histories())
def test_overlaps_equal_those_of_the_reference_for_any_batches(
    batches: list[list[tuple[str | None, date | None, date | None]]],
) -> None:
    rows = [row for batch in batches for row in batch]
    found = check(*(frame(*((o, *(d and d.isoformat() for d in days), None) for o, *days in b)) for b in batches))
    expected = slow_overlaps(rows)
    assert found[HistoryCheck.OVERLAPPING].rows == len(expected)
    assert list(found[HistoryCheck.OVERLAPPING].first_rows) == [index + 2 for index in expected[:5]]
    reversed_ = [index for index, (_, start, end) in enumerate(rows) if start and end and end < start]
    assert list(found[HistoryCheck.REVERSED].first_rows) == [index + 2 for index in reversed_[:5]]
