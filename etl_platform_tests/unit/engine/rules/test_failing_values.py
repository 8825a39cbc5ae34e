"""Rules and derived columns that cannot be evaluated on a value: its row is quarantined, the file goes on."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.columns import REASONS
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError, UnreadableFileError
from etl_platform.engine.rules import failing_rows
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform.engine.rules.failing_rows import FAILURES, Lenient, evaluate
from etl_platform.engine.rules.row_sql import row_expression
from etl_platform.engine.text_report import verdict
from etl_platform_tests.unit.making import checked, contract_of, custom, row_rule, text, typed


def derived(name: str, kind: str, sql: str, **more: Any) -> dict[str, Any]:
    return typed(name, kind, transformLogic=sql, **more)


COLUMNS = [
    text("written"),
    typed("size", "integer"),
    derived("day", "date", "DATE(written)", required=True),
    derived("year", "integer", "DATE_PART('year', day)", required=True),
    derived("start", "string", "SUBSTR(written, 1, size)", unique=True),
]
RULES = [
    row_rule("recent", "year > 2000"),
    row_rule("not_q", "SUBSTR(written, 1, size) <> 'q'"),
    row_rule("old_if_small", "CASE WHEN size < 5 THEN DATE(written) < DATE '2030-01-01' ELSE TRUE END"),
]
CONTRACT = contract_of(COLUMNS, quality=RULES)


def reasons(contract: Contract, *rows: tuple[str | None, ...]) -> list[str]:
    found = checked(contract, rows)[REASONS].to_list()
    alone = [checked(contract, [row])[REASONS].item() for row in rows]
    assert alone == [";".join(r for r in row.split(";") if not r.endswith(".unique")) for row in found]
    return found


def test_a_row_on_which_sql_fails_is_quarantined_and_the_others_are_checked() -> None:
    assert reasons(
        CONTRACT,
        ("2026-01-05", "1"),
        ("soon", "9"),
        ("2026-01-06", "-1"),
        ("1990-01-01", "2"),
        ("2026-01-07", "4"),
        ("2026-01-08", "4"),
        ("2026-01-32", "x"),
    ) == [
        "",
        "day.derive",
        "start.derive;not_q",
        "recent",
        "start.unique",
        "start.unique",
        "size.type;day.derive",
    ]


def test_a_row_with_several_failures_has_all_of_them() -> None:
    assert reasons(CONTRACT, ("x", "-1"), ("2026-01-05", "3")) == ["day.derive;start.derive;not_q;old_if_small", ""]


def test_what_is_derived_from_a_failed_value_has_no_reason_of_its_own() -> None:
    frame = checked(CONTRACT, [("x", "9"), ("2026-01-05", "1")])
    assert frame.select("day", "year", REASONS).rows() == [(None, None, "day.derive"), (date(2026, 1, 5), 2026, "")]


def test_two_rows_without_a_derived_key_are_not_duplicates() -> None:
    rows = [("2026-01-05", "-1"), ("2026-01-05", "-2")]
    assert reasons(CONTRACT, *rows) == ["start.derive;not_q"] * 2


@pytest.mark.parametrize(
    ("sql", "breaks"),
    [
        ("CASE WHEN kind = 'DAY' THEN DATE(value) > DATE '2000-01-01' ELSE TRUE END", [False, False, True]),
        ("kind <> 'DAY' OR DATE(value) > DATE '2000-01-01'", [False, False, True]),
        ("NOT (kind = 'DAY' AND DATE(value) <= DATE '2000-01-01')", [False, False, True]),
        ("COALESCE(kind, value) <> '' AND COALESCE(DATE '2020-01-01', DATE(value)) IS NOT NULL", [False] * 3),
        ("DATE(value) > DATE '2000-01-01'", [True, False, True]),
        ("CASE WHEN kind = 'NOTE' AND size > 0 THEN SUBSTR(value, 1, size) <> '' ELSE TRUE END", [False] * 3),
    ],
)
def test_a_part_that_does_not_decide_may_fail(sql: str, breaks: list[bool]) -> None:
    contract = contract_of([text("kind"), text("value"), typed("size", "integer")], quality=[row_rule("rule", sql)])
    rows = [("NOTE", "soon", "-1"), ("DAY", "2026-01-05", "1"), ("DAY", "soon", "2")]
    assert reasons(contract, *rows) == ["rule" if broken else "" for broken in breaks]


def test_a_rule_about_a_computed_column_may_fail_on_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "hook_of_failing_values.py").write_text(
        "import polars as pl\n\ndef add(frame):\n    return frame.with_columns(twice=pl.col('n') * 2)\n", "utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    contract = contract_of(
        [typed("n", "integer"), text("s"), typed("twice", "integer", customProperties=custom(computed=True))],
        quality=[row_rule("short", "SUBSTR(s, 1, twice) <> 'q'")],
        customs=custom(transform="hook_of_failing_values:add"),
    )
    result = check(contract, tmp_path, "n,s\n1,abc\n-1,abc\nx,abc\n1,q\n")
    assert (dict(result.reasons), dict(result.unevaluated)) == ({"n.type": 1, "short": 2}, {"short": 1})


def check(contract: Contract, folder: Path, content: str) -> Any:
    sent = folder / "sent.csv"
    sent.write_text(content, "utf-8")
    out = folder / "out"
    out.mkdir()
    return check_file(sent, contract, out)


def test_the_report_tells_what_could_not_be_evaluated_from_what_is_false(tmp_path: Path) -> None:
    contract = contract_of([text("s"), typed("n", "integer")], quality=[row_rule("short", "SUBSTR(s, 1, n) <> 'q'")])
    result = check(contract, tmp_path, "s,n\nq,1\nabc,-3\nabc,2\n")
    assert (dict(result.reasons), dict(result.unevaluated)) == ({"short": 2}, {"short": 1})
    assert [(row.line, row.value) for row in result.examples["short"]] == [(2, "s=q, n=1"), (3, "s=abc, n=-3")]
    told = " ".join(verdict("sent.csv", "things", result).split())
    assert "short 2 (1 could not be evaluated) line 2: s=q, n=1" in told


def test_a_file_in_which_every_row_fails_is_rejected_and_not_an_error(tmp_path: Path) -> None:
    rows = "".join(f"day {n},1\n" for n in range(100_000))
    result = check(CONTRACT, tmp_path, "written,size\n" + rows)
    assert [error.code for error in result.errors] == ["no_good_rows"]
    assert result.reasons["day.derive"] == 100_000


def test_an_expression_that_fails_on_every_row_is_a_contract_error() -> None:
    for sql in ("size > written", "DATE('x') > DATE '2020-01-01'", "REPLACE(written, written, 'x') = 'x'"):
        contract = contract_of([text("written"), typed("size", "integer")], quality=[row_rule("rule", sql)])
        with pytest.raises(ContractError, match=rf"^made\.odcs\.yaml:{contract.row_rules[0].line}: rule: "):
            compile_contract(contract, {})


def test_more_failures_than_can_be_told_apart_refuse_the_file_with_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failing_rows, "_EVALUATIONS", 10)
    frame = pl.DataFrame({"s": ["a"] * 100, "pattern": ["("] * 100})
    with pytest.raises(UnreadableFileError, match="rule_fails: odd cannot be evaluated on many rows"):
        evaluate(frame, pl.col("s").str.contains(pl.col("pattern")), "odd")


ODD = [
    "",
    "x",
    "2026-01-05",
    "2026-02-30",
    "05/01/2026",
    "-1",
    "0",
    "3",
    "1e9",
    "(",
    "é",
    "9" * 40,
    "12:30",
    "NULL",
    "[a",
]
ATOMS = [
    "DATE(a)",
    "STRPTIME(b, '%Y-%m-%d')",
    "SUBSTR(a, 1, n)",
    "n * n * n * n",
    "POW(n, m)",
    "TRY_CAST(a AS INTEGER)",
]
BOOLEANS = ["{} IS NULL", "{} IS NOT NULL", "{} = {}", "({} IS DISTINCT FROM {})"]


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """A condition: atoms compared with themselves, under AND, OR, NOT and CASE."""

    def condition(depth: int) -> str:
        if not depth:
            atom = draw(st.sampled_from(ATOMS))
            return draw(st.sampled_from(BOOLEANS)).replace("{}", atom)
        shape = draw(
            st.sampled_from(["({0} AND {1})", "({0} OR {1})", "(NOT {0})", "CASE WHEN {0} THEN {1} ELSE {2} END"])
        )
        return shape.format(*(condition(depth - 1) for _ in range(3)))

    return condition(draw(st.integers(0, 2)))


ROWS = st.lists(st.tuples(*[st.sampled_from(ODD)] * 4), min_size=1, max_size=12)
INPUTS = [text("a"), text("b"), typed("n", "integer"), typed("m", "integer")]


@settings(max_examples=60, deadline=None)
@given(sql=st.lists(expressions(), min_size=1, max_size=3), rows=ROWS)
def test_no_value_fails_a_file_and_a_row_has_the_same_reasons_alone(
    sql: list[str], rows: list[tuple[str, ...]]
) -> None:
    contract = contract_of(
        [
            *INPUTS,
            *(derived(f"c{place}", "boolean", one) for place, one in enumerate(sql)),
            *(derived(f"d{place}", "boolean", f"NOT c{place}") for place, _ in enumerate(sql)),
        ],
        quality=[row_rule(f"r{place}", one) for place, one in enumerate(sql)],
    )
    reasons(contract, *rows)


SCHEMA = {"a": pl.String(), "b": pl.String(), "n": pl.Int64(), "m": pl.Int64()}


@settings(max_examples=150, deadline=None)
@given(
    atom=st.sampled_from(ATOMS),
    rows=st.lists(
        st.tuples(*[st.sampled_from(ODD)] * 2, *[st.sampled_from([None, -1, 0, 2, 10**10])] * 2), max_size=12
    ),
)
def test_exactly_the_rows_fail_on_which_the_expression_alone_raises(atom: str, rows: list[tuple[Any, ...]]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    expression = row_expression(atom, "rule", SCHEMA, path="c.yaml", line=7)

    def raises(row: pl.DataFrame) -> bool:
        try:
            row.select(expression)
        except FAILURES:
            return True
        return False

    found = evaluate(frame, expression, "rule")
    assert found.failed.to_list() == [raises(row) for row in frame.iter_slices(1)]
    assert found.values.len() == frame.height


def test_a_strict_cast_and_its_lenient_form_give_the_same_values() -> None:
    frame = pl.DataFrame({"s": ["1", "2"]})
    strict = pl.col("s").cast(pl.Int64)
    assert frame.select(Lenient.of(strict).value.alias("s")).equals(frame.select(strict))
