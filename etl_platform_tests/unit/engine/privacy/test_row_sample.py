"""The sample of rows: whole for small tables, spread evenly over large ones."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.privacy.row_sample import FIRST_CHARACTERS, MOST_ROWS, RowSample, spread_places


def sampled(rows: int, batch: int) -> list[int]:
    sample = RowSample(["number"])
    for start in range(0, rows, batch):
        numbers = pl.DataFrame({"number": range(start, min(rows, start + batch))})
        sample.add(numbers, pl.Series([None] * numbers.height, dtype=pl.String))
    kept = sample.rows()
    return [] if kept is None else kept["number"].to_list()


@given(st.integers(0, 2 * MOST_ROWS), st.integers(1, 500))
def test_all_rows_of_a_small_table_are_kept(rows: int, batch: int) -> None:
    assert sampled(rows, batch) == list(range(rows))


@pytest.mark.parametrize("batch", [700, 40_000, 1_000_000])
def test_each_part_of_a_large_table_is_kept_in_proportion(batch: int) -> None:
    rows = 1_000_000
    kept = sampled(rows, batch)
    assert MOST_ROWS / 2 <= len(kept) <= 2 * MOST_ROWS
    for tenth in range(10):
        share = sum(tenth * rows // 10 <= number < (tenth + 1) * rows // 10 for number in kept) / len(kept)
        assert 0.09 < share < 0.11


@pytest.mark.parametrize("period", [2, 3, 7, 10, 100])
def test_rows_that_alternate_are_kept_in_proportion(period: int) -> None:
    kept = sampled(300_000, 50_000)
    for rest in range(min(period, 10)):
        assert abs(sum(number % period == rest for number in kept) / len(kept) - 1 / period) < 0.3 / period + 0.005


@given(st.integers(1, 100_000), st.integers(1, 2_000))
def test_about_as_many_places_are_chosen_as_asked_for(rows: int, most: int) -> None:
    places = spread_places(rows, most)
    assert abs(len(places) - min(rows, most)) <= 3 + most // 50


def test_damaged_rows_are_left_out_and_texts_of_a_thinned_sample_are_cut() -> None:
    sample = RowSample(["text"])
    rows = 5 * MOST_ROWS
    damaged = pl.Series(["row.too_few_fields" if number % 2 else None for number in range(rows)])
    sample.add(pl.DataFrame({"text": [str(number % 2) * 9_000 for number in range(rows)]}), damaged)
    kept = sample.rows()
    assert kept is not None
    assert kept["text"].unique().to_list() == ["0" * FIRST_CHARACTERS]
