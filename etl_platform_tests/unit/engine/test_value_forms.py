"""The forms of values: which ones differ, and that no value is kept."""

import re
from collections import Counter
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.value_forms import SAMPLED, count_forms, kept_forms, sampled_rows, text_forms


def forms(texts: list[str | None]) -> Counter[str]:
    return count_forms(pl.Series(texts, dtype=pl.String))


def naive_form(text: str) -> str:
    kinds = {
        "A": "[A-Z]",
        "a": "[a-z]",
        "9": "[0-9]",
        "_": r"[\t\n\v\f\r\x1c-\x1f ]",
        "-": r"[!-/:-@\[-`{-~\x01-\x08\x0e-\x1b\x7f]",
        "é": r"[^\x00-\x7f]",
    }
    found = "".join(sign for sign, pattern in kinds.items() if re.search(pattern, text))
    for low in (128, 64, 32, 16, 8, 4, 2):
        if len(text) >= low:
            return f"{found} {low}+".strip() if low == 128 else f"{found} {low}-{2 * low - 1}".strip()
    return f"{found} {len(text)}".strip()


@given(st.lists(st.none() | st.text(max_size=200), max_size=30))
def test_forms_are_those_of_a_naive_count(texts: list[str | None]) -> None:
    assert forms(texts) == Counter(naive_form(text) for text in texts if text is not None)


@given(st.dictionaries(st.text(max_size=20), st.integers(1, 9), max_size=30))
def test_texts_that_occur_several_times_count_as_often(times: dict[str, int]) -> None:
    texts = [text for text, number in times.items() for _ in range(number)]
    assert text_forms([*times], [*times.values()]) == forms([*texts])


def test_dates_have_decades_and_numbers_have_magnitudes() -> None:
    for day in (date(1987, 5, 4), datetime(1987, 5, 4, 12, tzinfo=UTC)):
        assert count_forms(pl.Series([day, None])) == {"1980s": 1}
    numbers = pl.Series([0.0, 7.5, 999.0, 1_000.0, -0.02, None, float("inf")])
    assert count_forms(numbers) == {"0": 1, "10^0": 1, "10^2": 1, "10^3": 1, "-10^-2": 1}


@pytest.mark.parametrize("rows", [1, SAMPLED, SAMPLED + 1, 100_000])
def test_a_sample_is_bounded_and_has_every_part_of_a_batch(rows: int) -> None:
    places = sampled_rows(pl.DataFrame({"place": range(rows)}))["place"].to_list()
    assert len(places) == min(rows, SAMPLED)
    assert places == sorted(set(places))
    assert places[-1] >= rows * (SAMPLED - 1) // SAMPLED
    assert {place % 2 for place in places} == ({0, 1} if rows > 1 else {0})


def test_forms_of_few_values_are_not_kept_and_rare_ones_are_not_named() -> None:
    assert kept_forms(Counter({"1980s": 19})) is None
    assert kept_forms(Counter({"1980s": 30, "1910s": 1, "1920s": 2})) == {"1980s": 30, "rare": 3}
