"""Distances of distributions: 0 for the same, 1 for disjoint ones, and close to what the values themselves give."""

import random
from collections.abc import Sequence
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.drift.distance import quantile_distance, share_distance

deciles = st.lists(st.floats(-1e6, 1e6), min_size=11, max_size=11).map(sorted)
shares = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 1), min_size=1).map(
    lambda weights: {value: weight / sum(weights.values()) for value, weight in weights.items()}
)


def deciles_of(values: Sequence[float]) -> list[float]:
    return [min(values), *quantiles(values, n=10, method="inclusive"), max(values)]


@given(deciles, deciles)
def test_the_distance_is_symmetric_and_between_0_and_1(one: list[float], other: list[float]) -> None:
    assert quantile_distance(one, one) == 0
    assert quantile_distance(one, other) == quantile_distance(other, one)
    assert 0 <= quantile_distance(one, other) <= 1 + 1e-9


@given(deciles, st.floats(1, 1e6))
def test_disjoint_distributions_are_at_distance_1(one: list[float], gap: float) -> None:
    other = [value + (one[-1] - one[0]) + gap for value in one]
    assert quantile_distance(one, other) == pytest.approx(1)


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.5, 1.0, 2.0])
def test_the_distance_of_deciles_is_close_to_that_of_the_values(shift: float) -> None:
    draw = random.Random(7)
    one, other = ([draw.gauss(mean, 1) for _ in range(4_000)] for mean in (0.0, shift))
    places = sorted([*one, *other])
    reached = [
        [sum(value <= place for value in values) / len(values) for place in places[::40]] for values in (one, other)
    ]
    exact = max(abs(a - b) for a, b in zip(*reached, strict=True))
    assert quantile_distance(deciles_of(one), deciles_of(other)) == pytest.approx(exact, abs=0.03)


def test_a_value_that_half_of_the_rows_have_is_a_step() -> None:
    half_zero = [0.0] * 6 + [1.0, 2.0, 3.0, 4.0, 5.0]
    no_zero = [value + 0.001 for value in half_zero]
    assert quantile_distance(half_zero, no_zero) == pytest.approx(0.5, abs=0.01)


@given(shares, shares)
def test_shares_are_at_the_distance_of_the_rows_that_would_change(
    one: dict[str, float], other: dict[str, float]
) -> None:
    assert share_distance(one, one) == 0
    assert share_distance(one, other) == pytest.approx(
        sum(max(0.0, share - other.get(value, 0.0)) for value, share in one.items())
    )
