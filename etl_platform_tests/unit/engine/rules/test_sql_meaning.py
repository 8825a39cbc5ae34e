"""SQL of contracts means what DuckDB makes of it, wherever both have it; and what only the engine has."""

import math
import random
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.columns import REASONS
from etl_platform.engine.rules.row_sql import row_expression
from etl_platform_tests.unit.making import checked, contract_of, row_rule, text, typed

SCHEMA = {
    "n": (pl.Int64(), "BIGINT", [None, -9, -1, 0, 1, 2, 7]),
    "m": (pl.Int64(), "BIGINT", [None, -2, 1, 3]),
    "x": (pl.Float64(), "DOUBLE", [None, -2.5, -0.5, 0.0, 0.5, 1.0, 99.0]),
    "s": (pl.String(), "VARCHAR", [None, "", "a", "aé b", "É.1", " x ", "2026-01-05", "true"]),
    "t": (pl.String(), "VARCHAR", [None, "", "a", "é", "."]),
    "flag": (pl.Boolean(), "BOOLEAN", [None, True, False]),
    "day": (pl.Date(), "DATE", [None, date(2020, 2, 29), date(1999, 12, 31), date(2026, 1, 5)]),
    "until": (pl.Date(), "DATE", [None, date(2020, 2, 29), date(2021, 3, 1)]),
    "moment": (pl.Datetime("us"), "TIMESTAMP", [None, datetime(2020, 2, 29, 12, 30, 15), datetime(2026, 1, 5)]),  # noqa: DTZ001
}
TYPES = {name: kind for name, (kind, _, _) in SCHEMA.items()}
_DRAWN = random.Random(7)
ROWS = [tuple(_DRAWN.choice(values) for _, _, values in SCHEMA.values()) for _ in range(300)]
FRAME = pl.DataFrame(ROWS, schema=TYPES, orient="row")


@pytest.fixture(scope="module")
def things() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with ROWS in the table things."""
    columns = ", ".join(f"{name} {kind}" for name, (_, kind, _) in SCHEMA.items())
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE things ({columns})")
        connection.executemany(f"INSERT INTO things VALUES ({', '.join('?' * len(SCHEMA))})", ROWS)
        yield connection


def ours(sql: str) -> list[Any]:
    found = row_expression(sql, "rule", TYPES, path="c.yaml", line=7)
    return FRAME.with_columns(found.alias("it"))["it"].to_list()


def duckdbs(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    return [row[0] for row in connection.execute(f"SELECT {sql} FROM things ORDER BY rowid").fetchall()]


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(left) and math.isnan(right))
    if isinstance(left, datetime) != isinstance(right, datetime) and isinstance(left, date):
        # DuckDB makes timestamps of dates in DATE_TRUNC.
        return datetime.combine(left, time()) == right
    return bool(left == right)


NUMBERS = """
ABS(n)|ATAN(x)|ATAN2(x, n)|BIT_COUNT(n)|CBRT(x)|CEIL(x)|CEILING(x)|COS(x)|DEGREES(x)|EXP(x)|FLOOR(x)|LN(ABS(x) + 1)
LOG10(ABS(x) + 1)|LOG2(ABS(x) + 1)|MOD(n, 7)|PI() * x|POW(x, 2)|POWER(x, 3)|RADIANS(x)|ROUND(x)|ROUND(x, 1)
ROUND(n)|SIGN(n)|SIN(x)|SQRT(ABS(x))|TAN(x)|TRUNC(x)|n + m - 1|x * 2 / 3|n / m|n % 3|n // 3|-n|n & 3|n | 4
GREATEST(n, m)|LEAST(n, x)|COALESCE(n, m, 0)|IFNULL(n, m)|NULLIF(n, 1)|IF(flag, n, m)|CASE n WHEN 1 THEN m END
TRY_CAST(s AS INTEGER)|TRY_CAST(n AS VARCHAR)|TRY_CAST(x AS DECIMAL(10, 1))|TRY_CAST(flag AS INTEGER)
"""
TEXTS = """
BIT_LENGTH(s)|CHAR_LENGTH(s)|CONCAT(s, t)|CONCAT_WS('-', s, t)|ENDS_WITH(s, t)|LEFT(s, 1)|LEFT(s, n)|RIGHT(s, 2)
RIGHT(s, n)|LEN(s)|LENGTH(s)|LOWER(s)|UPPER(s)|LPAD(s, 3, '*')|RPAD(s, 3, '*')|LTRIM(s)|RTRIM(s)|TRIM(s)|REVERSE(s)
POSITION('é' IN s)|POSITION('.' IN s)|STRPOS(s, t)|STRPOS(s, '.')|REPLACE(s, 'a', t)|REGEXP_REPLACE(s, '[aé]', 'z')
SPLIT_PART(s, ' ', 2)|STARTS_WITH(s, t)|SUBSTR(s, 2)|SUBSTR(s, 0)|SUBSTR(s, 2, 2)|SUBSTR(s, ABS(n))|s || t|s ^@ t
SUBSTRING(s FROM 1 FOR 2)|SUBSTR(s, ABS(n), 2)|SUBSTR(s, 1, ABS(n))
"""
DATES = """
DATE_PART('month', day)|DATE_TRUNC('month', day)|DATE_TRUNC('WEEK', moment)|DATE_TRUNC('quarter', day)
DATE_TRUNC('hour', moment)|DATE_DIFF('year', day, until)
DATE_DIFF('quarter', day, until)|DATE_DIFF('Month', day, moment)
DATE_DIFF('day', day, until)|DATE_DIFF('hour', day, moment)|DATE_DIFF('minute', moment, until)
DAY(day)|DAYOFYEAR(day)|EXTRACT(YEAR FROM day)|EXTRACT(DOW FROM day)|HOUR(moment)|MINUTE(moment)|MONTH(day)|QUARTER(day)
SECOND(moment)|WEEK(day)|YEAR(day)|STRFTIME(moment, '%d.%m.%Y')|TRY_CAST(s AS DATE)|TRY_CAST(s AS TIMESTAMP)
TRY_STRPTIME(s, '%Y-%m-%d')|TRY_CAST(moment AS DATE)|TRY_CAST(day AS VARCHAR)
"""
CONDITIONS = """
n <= m
s <> t|s = t|(n IS DISTINCT FROM m)|(n IS NOT DISTINCT FROM m)|s IS NULL|flag IS NOT NULL
flag IS TRUE|flag = TRUE|flag <> FALSE
flag IS NOT TRUE|flag IS FALSE|flag IS NOT FALSE|flag IS UNKNOWN|flag IS NOT UNKNOWN|n IN (1, NULL)|n NOT IN (1, NULL)
n BETWEEN m AND 3|n NOT BETWEEN m AND 3|s LIKE 'a%'|s NOT LIKE '_é'|s ILIKE 'É%'|s LIKE ''|s ~ '^a'|s !~ '^a'
day > '2020-01-01'|day BETWEEN '2020-01-01' AND '2021-01-01'|moment >= '2020-02-29 12:00:00'|day = moment|day < until
day + INTERVAL '1 month' <= until|moment < TIMESTAMP '2021-01-01 00:00:00'|NOT flag AND n < m OR x >= 1.5
TRY_CAST(s AS BOOLEAN)|CASE WHEN flag THEN n > 1 ELSE n < 1 END|STARTS_WITH(s, 'a') = flag|flag IS NULL AND n > 1
"""


def split_list(listed: str) -> list[str]:
    return [sql for line in listed.split("\n") for sql in _columns(line) if sql]


def _columns(line: str) -> list[str]:
    return (
        line.replace("n | 4", "n \0 4").replace("s || t", "s \0\0 t").replace("|", "\n").replace("\0", "|").split("\n")
    )


@pytest.mark.parametrize("sql", split_list(NUMBERS + TEXTS + DATES + CONDITIONS))
def test_an_expression_means_what_duckdb_makes_of_it(things: duckdb.DuckDBPyConnection, sql: str) -> None:
    pairs = zip(ROWS, ours(sql), duckdbs(things, sql), strict=True)
    assert [found for found in pairs if not same(*found[1:])] == []


@st.composite
def numbers(draw: st.DrawFn, depth: int) -> str:
    if not depth:
        return draw(st.sampled_from(["n", "m", "2", "LENGTH(s)", "ABS(m)", "-n"]))
    shape = draw(
        st.sampled_from(
            [
                "{n} + {n}",
                "{n} - {n}",
                "{n} * {n}",
                "({n})",
                "COALESCE({n}, {n})",
                "CASE WHEN {b} THEN {n} ELSE {n} END",
            ]
        )
    )
    return draw(filled(shape, depth - 1))


@st.composite
def filled(draw: st.DrawFn, shape: str, depth: int) -> str:
    """A text whose ``{n}`` are numbers and whose ``{b}`` are conditions."""
    pieces = shape.replace("{n}", "\0n\0").replace("{b}", "\0b\0").split("\0")
    return "".join(
        draw(numbers(depth)) if piece == "n" else draw(conditions(depth)) if piece == "b" else piece for piece in pieces
    )


SIMPLE = [
    "flag",
    "n > m",
    "s = t",
    "day < until",
    "n IS NULL",
    "s LIKE 'a%'",
    "n IN (1, 2)",
    "TRUE",
    "FALSE",
    "NULL IS NULL",
]
SHAPES = [
    *["{b} AND {b}", "{b} OR {b}", "NOT {b}", "({b})", "{n} < {n}", "{n} >= {n}", "{n} = {n}", "{n} <> {n}"],
    *["{n} BETWEEN {n} AND {n}", "{n} NOT IN ({n}, 1)", "{n} IS NOT NULL", "({b}) IS NOT TRUE", "{n} > 1 IS FALSE"],
    *["({b}) IS UNKNOWN", "s || t NOT LIKE '%a'", "({b}) = flag", "NOT {n} IN (1, m)", "NOT n BETWEEN 1 AND {n}"],
    *[
        "(flag IS NOT DISTINCT FROM ({b}))",
        "({n} IS DISTINCT FROM {n})",
        "s LIKE 'a%' IS TRUE",
        "n IN (1) IS NOT FALSE",
    ],
]


@st.composite
def conditions(draw: st.DrawFn, depth: int) -> str:
    return draw(filled(draw(st.sampled_from(SHAPES)), depth - 1)) if depth else draw(st.sampled_from(SIMPLE))


@settings(max_examples=300, deadline=None)
@given(sql=conditions(3))
def test_any_condition_has_three_values_and_binds_as_in_duckdb(things: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert ours(sql) == duckdbs(things, sql)


@pytest.mark.parametrize(
    ("sql", "texts", "values"),
    [
        ("DATE(s)", ["2026-01-05", None], [date(2026, 1, 5), None]),
        ("TIMESTAMP(s)", ["2026-01-05", "2026-01-05T10:20"], [datetime(2026, 1, 5), datetime(2026, 1, 5, 10, 20)]),  # noqa: DTZ001
        ("TIME(s)", ["10:20", "23:59:59.5"], [time(10, 20), time(23, 59, 59, 500_000)]),
        ("TRY_CAST(s AS DATE)", ["2026-02-30", "20-01-05", "5/1/2026", " 2026-01-05", "+2026-01-05"], [None] * 5),
        ("TRY_CAST(s AS TIMESTAMP)", ["2026-01-05 24:00", "2026-01-05 10:60", "2026-01-05 10", "x"], [None] * 4),
        ("TRY_CAST(s AS TIME)", ["24:00", "1:20", "10:20:60", ""], [None] * 4),
        (
            "TRY_CAST(s AS BOOLEAN)",
            ["TRUE", "f", "yes", "No", "1", "0", "2"],
            [True, False, True, False, True, False, None],
        ),
        (
            "TRY_STRPTIME(s, '%d/%m/%Y')",
            ["05/01/2026", "31/02/2026", "05/01/26", "2026-01-05", None],
            [datetime(2026, 1, 5), None, None, None, None],  # noqa: DTZ001
        ),
        ("TRY_CAST(TRY_STRPTIME(s, '%d/%m/%Y') AS DATE)", ["05/01/2026", "x"], [date(2026, 1, 5), None]),
        ("DATE(TIMESTAMP(s))", ["2026-01-05 10:20"], [date(2026, 1, 5)]),
        ("SUBSTR(s, -1, 3)", ["abc"], ["a"]),
        ("(0.5 + LENGTH(s)) * ROUND(2.5)", ["a"], [4.5]),
    ],
)
def test_texts_are_read_in_one_way(sql: str, texts: list[str | None], values: list[Any]) -> None:
    frame = pl.DataFrame({"s": texts}, schema={"s": pl.String()})
    found = row_expression(sql, "rule", frame.schema, path="c.yaml", line=7)
    assert frame.select(found.alias("it"))["it"].to_list() == values


@pytest.mark.parametrize("first", ["05/01/2026", "2026-01-05", "x"])
def test_how_a_date_is_read_does_not_depend_on_the_row_before(first: str) -> None:
    contract = contract_of(
        [text("written"), typed("day", "date", transformLogic="TRY_CAST(written AS DATE)")],
        quality=[row_rule("read", "day IS NOT NULL")],
    )
    found = checked(contract, [(first,), ("2026-12-01",), ("01/12/2026",)])[REASONS].to_list()
    assert found[1:] == ["", "read"]
