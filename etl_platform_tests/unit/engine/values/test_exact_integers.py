"""Arithmetic over whole numbers in SQL: the number that Python computes, or a reason."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.columns import REASONS
from etl_platform.engine.values.exact_integers import exact_integers, from_tree, to_tree
from etl_platform_tests.unit.making import checked, contract_of, row_rule, text, typed

GREATEST, LEAST = 2**63 - 1, -(2**63)
EDGES = (0, 1, -1, 2, -7, 127, -128, 2**31, -(2**31), 10**12, GREATEST, LEAST)


def derived(name: str, kind: str, sql: str) -> dict[str, Any]:
    return typed(name, kind, transformLogic=sql)


def value(sql: str, **columns: Any) -> Any:
    frame = pl.DataFrame(columns)
    return frame.select(from_tree(exact_integers(to_tree(pl.sql_expr(sql)), frame.schema)).alias("it")).item()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("n * 10", GREATEST * 10),
        ("n + n", GREATEST * 2),
        ("-n - n - n", -GREATEST * 3),
        ("n * n", GREATEST**2),
        ("ABS(low)", -LEAST),
        ("POW(two, 100)", 2**100),
        ("CASE WHEN n > 0 THEN n * 10 ELSE 0 END", GREATEST * 10),
        ("(n * 10) % 7", GREATEST * 10 % 7),
        ("LENGTH(label) - 5", -2),
        ("LENGTH(label) - 5 < 0", True),
        ("DATE_PART('month', day) * 100 + DATE_PART('day', day)", 1231),
        ("DATE_PART('year', day) * 10000000", 20260000000),
        ("TRY_CAST(two AS TINYINT) * 100", 200),
        ("yes * 3 - 5", -2),
        ("nothing * 3", None),
        ("POW(nothing, 3)", None),
        ("POW(two, nothing)", None),
        ("n * 1.5", pytest.approx(GREATEST * 1.5)),
        ("n / two", pytest.approx(GREATEST / 2)),
    ],
)
def test_whole_numbers_do_not_wrap_around(sql: str, expected: Any) -> None:
    nothing = pl.Series([None], dtype=pl.Int64)
    columns = {"n": [GREATEST], "low": [LEAST], "two": [2], "label": ["abc"], "yes": [True], "nothing": nothing}
    found = value(sql, day=[date(2026, 12, 31)], **columns)
    assert (float(found) if sql.startswith(("n * 1.5", "n /")) else found) == expected


def _sums(depth: int) -> st.SearchStrategy[str]:
    if not depth:
        return st.sampled_from(["a", "b", "3", "LENGTH(t)"])
    side = _sums(depth - 1)
    return st.one_of(
        st.tuples(side, st.sampled_from("+-*"), side).map(lambda parts: "({} {} {})".format(*parts)),
        side.map("(-{})".format),
        side.map("ABS({})".format),
    )


@settings(max_examples=150, deadline=None)
@given(sql=_sums(3), a=st.sampled_from(EDGES), b=st.sampled_from(EDGES))
def test_any_arithmetic_gives_what_python_gives_or_fails(sql: str, a: int, b: int) -> None:
    expected = eval(sql, {"ABS": abs, "LENGTH": len, "a": a, "b": b, "t": "four"})
    try:
        assert value(sql, a=[a], b=[b], t=["four"]) == expected
    except pl.exceptions.PolarsError:
        assert max(abs(a), abs(b)) >= 2**31


@pytest.mark.parametrize("sql", ["n > 3", "n IN (1, 2)", "n / 2 > 1", "amount * 2 > 1", "label || 'x' = 'ax'"])
def test_sql_without_arithmetic_of_whole_numbers_stays_unchanged(sql: str) -> None:
    schema = {"n": pl.Int64(), "amount": pl.Float64(), "label": pl.String()}
    tree = to_tree(pl.sql_expr(sql))
    assert exact_integers(tree, schema) == tree


def test_a_derived_number_that_does_not_fit_breaks_its_type() -> None:
    columns = [typed("n", "integer"), derived("ten", "integer", "n * 10"), derived("most", "number", "n * 10")]
    rows = checked(contract_of(columns), [("7",), (str(GREATEST),)]).select("ten", "most", REASONS).rows()
    assert rows == [(70, 70.0, ""), (None, GREATEST * 10.0, "ten.type")]


def test_a_row_rule_uses_the_exact_number() -> None:
    contract = contract_of(
        [typed("n", "integer"), text("label")],
        quality=[row_rule("grows", "n * 10 > n"), row_rule("long", "LENGTH(label) - 5 > 0")],
    )
    assert checked(contract, [(str(GREATEST), "abc"), ("-1", "abcdef")])[REASONS].to_list() == ["long", "grows"]


@pytest.mark.parametrize("sql", ["POW(n, 400) > 0", "n * n * n > 0", "POW(n, n) > 0"])
def test_a_result_beyond_38_digits_quarantines_its_row(sql: str) -> None:
    contract = contract_of([typed("n", "integer")], quality=[row_rule("huge", sql)])
    assert checked(contract, [("1",)])[REASONS].to_list() == [""]
    assert checked(contract, [("1",), (str(GREATEST),), ("0",)])[REASONS].to_list()[:2] == ["", "huge"]
