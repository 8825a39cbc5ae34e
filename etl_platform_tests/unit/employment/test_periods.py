"""Periods of service: what the CSV says, and what is odd about them, against slow and plain references."""

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

from etl_platform.application_db.copy_output import CopyOutput
from etl_platform.employment.oddities import Finding, Oddity
from etl_platform.employment.periods import SCHEMA, Review, csv_bytes, typed
from etl_platform.engine.contract.contract_folder import load_contracts
from etl_platform.engine.errors import PermanentError
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


def review(*batches: pl.DataFrame, known: Sequence[str] = ("Officer",)) -> dict[Oddity, Finding]:
    looked = Review(known)
    for batch in batches:
        looked.look(batch, typed(batch))
    return {finding.oddity: finding for finding in looked.findings()}


def test_the_columns_are_the_contracts() -> None:
    assert {column.name: dtype(column) for column in CONTRACT.columns} == dict(SCHEMA)
    assert [column.name for column in CONTRACT.columns] == SCHEMA.names()


@given(frames())
def test_the_csv_gives_every_value_back(rows: pl.DataFrame) -> None:
    text = csv_bytes(rows, header=True).decode("utf-8")
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
def test_no_cell_starts_as_a_formula(rows: pl.DataFrame) -> None:
    for row in csv.reader(io.StringIO(csv_bytes(rows, header=False).decode("utf-8"), newline="")):
        assert not any(
            cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
            for cell in row
        )


@given(st.lists(TEXT))
def test_a_guard_is_taken_off_again(texts: list[str | None]) -> None:
    column = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
    assert column.select(unguarded(guarded(pl.col("text")))).equals(column)


def test_a_csv_in_pieces_is_the_same_as_in_one() -> None:
    rows = typed(frame(("A", "2020-01-01", None, "Officer"), ("B", "2020-01-01", "2021-01-01", "-")))
    assert csv_bytes(rows[:1], header=True) + csv_bytes(rows[1:], header=False) == csv_bytes(rows, header=True)
    assert csv_bytes(rows, header=False) == (
        b"A,,2020-01-01,,,,Officer,,,\r\n"
        b"B,,2020-01-01,2021-01-01,,,'-,,,\r\n"
    )  # fmt: skip


@pytest.mark.parametrize("text", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01", "2021-02-30"])
def test_a_date_that_is_no_day_is_left_empty_and_said(text: str) -> None:
    rows = frame(("A", "2020-01-01", None, None), ("A", "2021-01-01", text, None), ("B", text, "2020-01-01", None))
    assert typed(rows)["end_date"].to_list() == [None, None, date(2020, 1, 1)]
    found = review(rows)
    assert (found[Oddity.LOST_DATE].rows, found[Oddity.LOST_DATE].first_rows) == (2, (3, 4))
    assert found[Oddity.OVERLAPPING].rows == 0, "a period whose days are not known overlaps nothing"


def test_ranks_are_known_in_any_case_and_others_are_counted() -> None:
    ranks = ["OFFICER", "Police  Officer", None, "Ofc.", "Wizard", "Ofc."]
    found = review(*(frame(("A", None, None, rank)) for rank in ranks), known=("Officer", "Police-Officer"))
    finding = found[Oddity.UNKNOWN_RANK]
    assert (finding.rows, finding.first_rows, finding.values) == (3, (5, 6, 7), {"Ofc.": 2, "Wizard": 1})


def test_without_known_ranks_none_is_unknown() -> None:
    assert review(frame(("A", None, None, "Wizard")), known=())[Oddity.UNKNOWN_RANK].rows == 0


def test_millions_of_ranks_do_not_fill_the_memory() -> None:
    looked = Review(("Officer",))
    for start in range(0, 5_000, 1_000):
        rows = frame(*(("A", None, None, f"rank {number}") for number in range(start, start + 1_000)))
        looked.look(rows, typed(rows))
    (finding,) = (item for item in looked.findings() if item.oddity is Oddity.UNKNOWN_RANK)
    assert (finding.rows, len(finding.values), len(looked._ranks)) == (5_000, 10, 1_000)


def test_the_day_of_a_change_may_be_in_both_periods() -> None:
    touching = frame(("A", "2020-01-01", "2021-01-01", None), ("A", "2021-01-01", None, None))
    assert review(touching)[Oddity.OVERLAPPING].rows == 0
    a_day_more = frame(("A", "2020-01-01", "2021-01-02", None), ("A", "2021-01-01", None, None))
    assert review(a_day_more)[Oddity.OVERLAPPING].first_rows == (3,)


def slow_overlaps(rows: Sequence[tuple[str | None, date | None, date | None]]) -> list[int]:
    """Places of the rows that begin before an earlier one of their officer has ended, each held against each."""
    earlier: dict[str, list[date]] = defaultdict(list)
    found = []
    for place, (officer, start, end) in enumerate(rows):
        if officer is None or start is None or (end is not None and end < start):
            continue
        if any(start < other for other in earlier[officer]):
            found.append(place)
        earlier[officer].append(end or date.max)
    return found


@st.composite
def histories(draw: st.DrawFn) -> list[list[tuple[str | None, date | None, date | None]]]:
    """Periods as the database orders them, cut into batches."""
    day = st.integers(-3, 12).map(lambda days: date(1970, 1, 1) + timedelta(days=days))
    one = st.tuples(st.sampled_from(["A", "B", "C", None]), st.none() | day, st.none() | day)
    rows = sorted(draw(st.lists(one, max_size=24)), key=lambda row: (row[0] or "~", row[1] or date.max))
    cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=5)))
    edges = [0, *cuts, len(rows)]
    return [rows[low:high] for low, high in pairwise(edges) if high > low]


@given(histories())
def test_overlaps_are_those_of_a_slow_reference_wherever_batches_end(
    batches: list[list[tuple[str | None, date | None, date | None]]],
) -> None:
    rows = [row for batch in batches for row in batch]
    found = review(*(frame(*((o, *(d and d.isoformat() for d in days), None) for o, *days in b)) for b in batches))
    expected = slow_overlaps(rows)
    assert found[Oddity.OVERLAPPING].rows == len(expected)
    assert list(found[Oddity.OVERLAPPING].first_rows) == [place + 2 for place in expected[:5]]
    reversed_ = [place for place, (_, start, end) in enumerate(rows) if start and end and end < start]
    assert list(found[Oddity.REVERSED].first_rows) == [place + 2 for place in reversed_[:5]]


def copied(text: str | None) -> bytes:
    """A value as COPY writes it: https://www.postgresql.org/docs/current/sql-copy.html"""
    escapes = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
    return "".join(escapes.get(character, character) for character in text or "").encode()


@given(st.lists(st.tuples(TEXT, TEXT), max_size=8))
def test_what_copy_escapes_is_read_back(rows: list[tuple[str | None, str | None]]) -> None:
    taken: list[pl.DataFrame] = []
    file = CopyOutput(("a", "b"), taken.append)
    for row in rows:
        file.write(b"\t".join(map(copied, row)) + b"\n")
    file.flush()
    assert [row for batch in taken for row in batch.rows()] == rows


def test_large_answers_come_in_pieces() -> None:
    taken: list[pl.DataFrame] = []
    file = CopyOutput(("a",), taken.append)
    for number in range(3_000):
        file.write(f"{number}{'x' * 5_000}\n".encode())
    file.flush()
    assert sum(batch.height for batch in taken) == 3_000
    assert max(batch.height for batch in taken) < 1_000


def test_what_is_not_utf8_is_permanent_and_not_quoted() -> None:
    file = CopyOutput(("a",), lambda _batch: None)
    file.write(b"Pe\xf1a\n")
    with pytest.raises(PermanentError, match="UTF-8") as caught:
        file.flush()
    assert "Pe" not in str(caught.value).replace("PermanentError", "")
    assert caught.value.__cause__ is None
