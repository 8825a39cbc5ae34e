"""The order of repairs: what comes first, and that each step gains what it says."""

from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.repairs import Repair, order_repairs

COMBINATIONS = st.dictionaries(
    st.sets(st.sampled_from("abcdef"), min_size=1).map(lambda reasons: ";".join(sorted(reasons))),
    st.integers(1, 3) | st.integers(1, 1_000),
    max_size=12,
)


def test_the_rule_that_gains_most_rows_comes_first() -> None:
    assert order_repairs({"a": 2, "b": 30, "a;b": 5}) == (Repair(("b",), 30), Repair(("a",), 7))


def test_rules_that_gain_nothing_alone_are_one_step() -> None:
    assert order_repairs({"a;b": 100, "c": 5}) == (Repair(("a", "b"), 100), Repair(("c",), 5))


def test_a_file_without_bad_rows_needs_no_repair() -> None:
    assert order_repairs({}) == ()


@given(COMBINATIONS)
def test_each_step_gains_the_rows_whose_last_reason_it_corrects(combinations: dict[str, int]) -> None:
    corrected: set[str] = set()
    for step in order_repairs(combinations):
        before = sum(rows for reasons, rows in combinations.items() if corrected >= set(reasons.split(";")))
        corrected |= set(step.reasons)
        after = sum(rows for reasons, rows in combinations.items() if corrected >= set(reasons.split(";")))
        assert step.rows == after - before > 0
    assert sum(step.rows for step in order_repairs(combinations)) == sum(combinations.values())


@given(COMBINATIONS, st.randoms())
def test_the_order_does_not_depend_on_the_order_of_the_rows(combinations: dict[str, int], random: object) -> None:
    shuffled = list(combinations.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert order_repairs(dict(shuffled)) == order_repairs(combinations)
