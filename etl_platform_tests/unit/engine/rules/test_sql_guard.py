"""Which SQL a contract may use: what is refused and why, and that what is allowed means what Polars makes of it."""

import re
from datetime import date, datetime
from functools import cache
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from etl_platform.engine.columns import REASONS
from etl_platform.engine.contract_folder import load_contracts
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform.engine.rules.row_sql import row_expression
from etl_platform.engine.rules.sql_guard import FUNCTIONS, RefusedSqlError, guard
from etl_platform_tests.unit.making import CONTRACTS, PROJECT, checked, contract_of, row_rule, text, typed

TYPES = {"n": pl.Int64(), "m": pl.Int64(), "x": pl.Float64(), "s": pl.String(), "t": pl.String(), "flag": pl.Boolean()}
TYPES |= {"day": pl.Date(), "until": pl.Date(), "moment": pl.Datetime("us"), "iso": pl.String()}

TEMPLATES = {
    "{}(x)": "ABS CBRT CEIL CEILING COS COSD COT COTD DEGREES ERF ERFC EXP FLOOR RADIANS ROUND SIGN SIN SIND TAN TAND "
    "TRUNC TRUNCATE ATAN ATAND",
    "{}(ABS(x) + 1)": "LN LOG10 LOG1P LOG2 SQRT",
    "{}(x / 100)": "ACOS ACOSD ASIN ASIND",
    "{}(x, n)": "ATAN2 ATAN2D",
    "{}(x, 2)": "POW POWER",
    "{}(ABS(n) + 1, 3)": "LOG",
    "{}() * x": "PI",
    "{}(n)": "BIT_COUNT BIT_NOT",
    "{}(n, m)": "BIT_AND BIT_OR BIT_XOR GREATEST LEAST IFNULL NULLIF",
    "{}(n, 7)": "DIV MOD",
    "{}(s)": "BIT_LENGTH CHAR_LENGTH CHARACTER_LENGTH INITCAP LEN LENGTH LOWER LTRIM NORMALIZE OCTET_LENGTH REVERSE "
    "RTRIM TRIM UPPER",
    "{}(s, t)": "CONCAT ENDS_WITH STARTS_WITH STRPOS",
    "{}('-', s, t)": "CONCAT_WS",
    "{}(s, 1)": "LEFT RIGHT SUBSTR",
    "{}(s, 4, '*')": "LPAD RPAD",
    "{}('a' IN s)": "POSITION",
    "{}(s FROM 1 FOR 2)": "SUBSTRING",
    "{}(s, '^[aé]')": "REGEXP_LIKE",
    "{}(s, 'a', 'b')": "REGEXP_REPLACE REPLACE",
    "{}(s, ' ', 1)": "SPLIT_PART",
    "{}(iso)": "DATE",
    "{}(iso, '%Y-%m-%d')": "STRPTIME",
    "{}('10:20:30')": "TIME",
    "{}('2026-01-05 10:20:30')": "TIMESTAMP",
    "{}('month', day)": "DATE_PART DATE_TRUNC",
    "{}('day', day, until)": "DATE_DIFF",
    "{}(iso, '%Y-%m-%d %H:%M')": "TRY_STRPTIME",
    "{}(YEAR FROM day)": "EXTRACT",
    "{}(day)": "DAY DAYOFMONTH DAYOFWEEK DAYOFYEAR MONTH QUARTER WEEK YEAR",
    "{}(moment)": "HOUR MINUTE SECOND",
    "{}(moment, '%d.%m.%Y %H')": "STRFTIME",
    "{}(s, t, '')": "COALESCE",
    "{}(flag, n, m)": "IF",
    "{}(s AS INTEGER)": "TRY_CAST",
}
DIFFERENT = {
    "ROUND(x)",
    "POSITION('a' IN s)",
    "STRPOS(s, t)",
    "LEFT(s, 1)",
    "RIGHT(s, 1)",
    "SUBSTR(s, 1)",
    "flag IS TRUE",
}
"""What Polars reads otherwise than SQL, or does not have: compared with DuckDB in ``test_sql_meaning``."""
LACKING = {"LEN", "DATE_DIFF", "DATE_TRUNC", "TRY_STRPTIME"}
CALLS = {name: call.format(name) for call, names in TEMPLATES.items() for name in names.split()}
OPERATORS = [
    "n + m - 1",
    "x * 2 / 3",
    "n % 3",
    "n // 3",
    "-n",
    "(n & 3) | m",
    "s || t",
    "NOT flag AND n < m OR x >= 1.5",
    "n <= m",
    "s <> t",
    "s != t",
    "s = t",
    "n <=> m",
    "n IS DISTINCT FROM m",
    "n IS NOT DISTINCT FROM m",
    "s IS NULL",
    "s IS NOT NULL",
    "flag IS TRUE",
    "n IN (1, 2)",
    "s NOT IN ('a', 'é')",
    "n BETWEEN 1 AND m",
    "s LIKE 'a%'",
    "s NOT LIKE '_é'",
    "s ILIKE 'A%'",
    "s ~ '^a'",
    "s !~* 'É'",
    "s RLIKE 'a'",
    "s ^@ t",
    "CASE WHEN n > 1 THEN s ELSE t END",
    "CASE n WHEN 1 THEN 'one' END",
    "day - until > INTERVAL '3 days'",
    "day + INTERVAL '1 month' <= until",
    "day >= DATE '2020-02-29'",
    "moment > TIMESTAMP '2020-02-29 12:00:00'",
    "TRY_CAST(x AS DECIMAL(10, 2))",
    "CAST('2020-01-01' AS DATE) < day",
    '"n" > 1 -- a comment',
    "n > 1 /* NOW() */ AND s <> 'CURRENT_DATE'",
]
ROW = st.fixed_dictionaries(
    {
        "n": st.one_of(st.none(), st.integers(-9, 9)),
        "m": st.one_of(st.none(), st.integers(-9, 9)),
        "x": st.one_of(st.none(), st.floats(-99, 99)),
        "s": st.one_of(st.none(), st.text("aébÉ 1", max_size=4)),
        "t": st.one_of(st.none(), st.text("aé1", max_size=2)),
        "flag": st.one_of(st.none(), st.booleans()),
        "day": st.one_of(st.none(), st.dates(date(1999, 1, 1), date(2030, 1, 1))),
        "until": st.one_of(st.none(), st.dates(date(1999, 1, 1), date(2030, 1, 1))),
        "moment": st.one_of(st.none(), st.datetimes(datetime(1999, 1, 1), datetime(2030, 1, 1))),  # noqa: DTZ001
        "iso": st.one_of(st.none(), st.dates(date(1999, 1, 1)).map(date.isoformat)),
    }
)


def expression(sql: str, delivery_day: date | None = None) -> pl.Expr:
    return row_expression(sql, "rule", TYPES, path="c.yaml", line=7, delivery_day=delivery_day)


@cache
def compiled(sql: str) -> tuple[pl.Expr, pl.Expr]:
    """As the engine compiles it, and as Polars reads it where it can."""
    ours = expression(sql).alias("it")
    lacks = sql in DIFFERENT or sql.partition("(")[0] in LACKING
    return ours, ours if lacks else pl.sql_expr(sql).alias("it")


@pytest.mark.parametrize("sql", [*CALLS.values(), *OPERATORS])
@settings(max_examples=10)
@given(rows=st.lists(ROW, min_size=1, max_size=4))
def test_what_is_allowed_is_what_polars_makes_of_it_and_sees_one_row(sql: str, rows: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame(rows, schema=TYPES)
    ours, polars = compiled(sql)
    together, plain = frame.with_columns(ours)["it"], frame.with_columns(polars)["it"]
    # The engine's sums of whole numbers have 38 digits.
    assert_series_equal(together.cast(plain.dtype), plain)
    alone = pl.concat([row.with_columns(ours)["it"] for row in frame.iter_slices(1)])
    assert_series_equal(alone, together)


def test_every_allowed_function_is_tried() -> None:
    assert CALLS.keys() == set(" ".join(FUNCTIONS.values()).split())


@pytest.mark.parametrize(
    "sql",
    [
        *("MAX(n) > 1", "MIN(n) > 1", "SUM(n) > 1", "COUNT(*) > 1", "COUNT(n) > 1", "COUNT(DISTINCT n) > 1"),
        *("AVG(n) > 1", "MEDIAN(n) > 1", "STDDEV(n) > 1", "VARIANCE(n) > 1", "FIRST(n) > 1", "LAST(n) > 1"),
        *("CORR(n, m) > 0", "COVAR(n, m) > 0", "COVAR_POP(n, m) > 0", "QUANTILE_CONT(n, 0.5) > 1"),
        *("APPROX_QUANTILE(n, 0.5) > 1", "ARRAY_AGG(n) IS NULL", "STRING_AGG(s, ',') = 'a'"),
        *("MAX(n) OVER (PARTITION BY s) > 1", "ROW_NUMBER() = 1", "RANK() OVER (ORDER BY n) = 1"),
        *("LAG(n) OVER (ORDER BY m) > 1", "SUM(n) FILTER (WHERE flag) > 1", "FIRST_VALUE(n) OVER () > 1"),
        *("(SELECT 1) = n", "n IN (SELECT m)", "EXISTS (SELECT 1)", "n = ANY (SELECT 1)"),
        *("UNNEST(s) = 'a'", "GENERATE_SERIES(1, n) IS NULL", "s[1] = 'a'", "ARRAY[n] IS NULL"),
        *("RANDOM() > 0.5", "RAND() > 0.5", "UUID() = s", "CURRENT_USER = s", "COLUMNS('n') > 1", "*", "s.t = 'a'"),
        *("n AS m", "SELECT n", "n ORDER BY m", "HASH(s) > 1", "DATE_BIN('month', day) = day"),
    ],
)
def test_what_needs_other_rows_or_chance_is_refused_with_its_line(sql: str) -> None:
    with pytest.raises(ContractError, match=r"^c\.yaml:7: rule: .*(is not allowed: |is not an SQL expression: )"):
        expression(sql)


def test_a_refused_function_is_named_with_the_functions_to_use() -> None:
    with pytest.raises(ContractError, match=r"rule: CORR is not allowed: .* Allowed functions: ABS, "):
        expression("CORR(n, m) > 0")
    with pytest.raises(RefusedSqlError, match=r"^MAX\(n\) OVER \(\) is not allowed"):
        guard("MAX(n) OVER () > 1")


@pytest.mark.parametrize(
    "sql",
    [
        *("day <= CURRENT_DATE", "day <= current_date", "moment < NOW()", "moment < now ( )"),
        *("moment < CURRENT_TIMESTAMP", "moment < LOCALTIMESTAMP", "CURRENT_TIME IS NULL", "LOCALTIME IS NULL"),
        *("day < CURRENT_DATE() - INTERVAL '1 day'", "day < TODAY()", "YEAR(NOW()) = n"),
        *("moment < GETDATE()", "day < CURDATE()", "moment < CLOCK_TIMESTAMP()"),
    ],
)
def test_what_depends_on_the_day_of_the_run_is_refused_and_says_what_to_write(sql: str) -> None:
    contract = contract_of([typed("day", "date"), typed("moment", "timestamp")], quality=[row_rule("rule", sql)])
    line = contract.row_rules[0].line
    with pytest.raises(ContractError, match=rf"^made\.odcs\.yaml:{line}: rule: .* write delivery_day, the day of del"):
        compile_contract(contract, {})


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("n ^ 1 > 2", r"\^ is not allowed: databases disagree|write POW"),
        ("s = $$a$$", "between single quotes"),
        ("s LIKE 'a!_%' ESCAPE '!'", "LIKE has no ESCAPE here"),
        ("n > 1; DROP TABLE t", "has a semicolon"),
        ("TRY_CAST(s AS JSON) IS NULL", "the type JSON is not allowed; use one of INTEGER"),
        ("n & 3 | m > 1", "put one of them in parentheses"),
        ("n IS DISTINCT FROM m AND flag", "IS DISTINCT FROM in parentheses"),
        ("day > 'soon'", "'soon' is compared with a date and is not a date"),
        ("day > s", "compares a text with a date or time; write TRY_CAST"),
        ("day IN ('2026-01-05')", "compares a text with a date or time"),
        ("day + INTERVAL '1 day' > s", "compares a text with a date or time"),
        ("n = '1'", "compares a text with a number; .* the number without quotes"),
        ("s IN (1, 2)", "compares a text with a number"),
        ("DATE_TRUNC('moth', day) = day", "has no part 'moth'; use one of year"),
        ("DATE_DIFF('week', day, until) > 1", "has no part 'week'; use one of year"),
        ("DATE_DIFF('day', s, day) > 1", "takes a date or a timestamp, not String"),
        ("DATE_DIFF('day', day) > 1", "takes 3 arguments: a part, a start, an end"),
        ("TRY_STRPTIME(s, t) IS NULL", "the format of TRY_STRPTIME must be a text between quotes"),
        ("STRPTIME(s, '%Y-%m-%d %H') IS NULL", "the format '%Y-%m-%d %H' is not valid"),
    ],
)
def test_what_is_refused_says_what_to_write(sql: str, says: str) -> None:
    with pytest.raises(ContractError, match=says) as caught:
        expression(sql)
    assert str(caught.value).startswith("c.yaml:7: rule: ")


@pytest.mark.parametrize("sql", ["CAST(s AS INTEGER) > 1", "s::int > 1", "CAST(s AS BOOLEAN)"])
def test_a_cast_that_may_fail_is_refused(sql: str) -> None:
    with pytest.raises(ContractError, match="write TRY_CAST"):
        expression(sql)


@pytest.mark.parametrize("sql", ["(" * 400 + "n" + ")" * 400 + " > 1", "NOT " * 2000 + "flag"])
def test_an_expression_that_is_nested_too_deeply_is_refused(sql: str) -> None:
    with pytest.raises(ContractError, match="nested too deeply"):
        expression(sql)


@pytest.mark.parametrize("sql", ["", " ", "-- only a comment", "n <", "s = 'a", "n n", "s = $$a$$", "s = E'a'"])
def test_what_is_not_an_expression_is_refused(sql: str) -> None:
    with pytest.raises(ContractError, match=r"^c\.yaml:7: rule: "):
        expression(sql)


def test_a_column_named_like_a_keyword_is_written_in_quotes() -> None:
    frame = pl.DataFrame({"call": [1, 3]})
    with pytest.raises(ContractError, match="in double quotes"):
        row_expression("call > 2", "rule", frame.schema, path="c.yaml", line=7)
    quoted = row_expression('"call" > 2', "rule", frame.schema, path="c.yaml", line=7)
    assert frame.select(quoted).to_series().to_list() == [False, True]


def test_what_two_parsers_read_differently_is_refused() -> None:
    known = {"n": pl.Int64(), "AS": pl.Int64()}
    with pytest.raises(ContractError, match="read in two ways"):
        row_expression("COALESCE(n, AS) > 1", "rule", known, path="c.yaml", line=7)


@pytest.mark.parametrize("sql", ["flag ISNULL", "flag NOTNULL", "n > 1 AND flag NOTNULL"])
def test_a_word_that_polars_would_leave_out_is_refused(sql: str) -> None:
    with pytest.raises(ContractError, match="write IS NULL for ISNULL"):
        expression(sql)


def test_a_day_that_the_calendar_does_not_have_is_refused_with_its_line() -> None:
    with pytest.raises(ContractError, match=r"^c\.yaml:7: rule: .* cannot be calculated for 2026-01-05: "):
        expression("day > delivery_day - INTERVAL '999999 years'", date(2026, 1, 5))


@pytest.mark.parametrize("length", ["n", "99999999999", "1001", "1e3", "-1"])
def test_a_length_that_could_need_all_memory_is_refused(length: str) -> None:
    with pytest.raises(ContractError, match="RPAD takes a length of 0 to 1,000, written as a number"):
        expression(f"RPAD(s, {length}, '*') = s")


WORDS = """
n m x s day flag delivery_day "n" 'a' 'b''c' '\\' E'a\\'b' $$ 1 2.5 TRUE YEAR ROW ( ) ( ) , + - * / // % || = <> < > ::
AND OR NOT IS NULL IN LIKE BETWEEN CASE WHEN THEN ELSE END IF( LENGTH( COALESCE( TRY_CAST( AS INTEGER DATE INTERVAL
EXTRACT( FROM POSITION( TRIM( /* */ -- MAX( NOW() CURRENT_DATE DISTINCT . [ ] { } ; @ # $1 ` ANY( EXISTS SELECT OVER
FILTER WHERE ARRAY COLLATE ^ -> ~ |
"""


@settings(max_examples=400)
@given(words=st.lists(st.sampled_from(WORDS.split()), max_size=9))
def test_any_text_is_an_expression_over_one_row_or_a_contract_error(words: list[str]) -> None:
    try:
        found = expression(" ".join(words), date(2026, 1, 5))
    except ContractError:
        return
    assert set(found.meta.root_names()) <= TYPES.keys()
    assert not {"Agg", "Over", "Len", "SubPlan", "Explode"} & set(
        re.findall(r'"(\w+)"', found.meta.serialize(format="json"))
    )


DATED = contract_of(
    [
        text("label"),
        typed("day", "date"),
        typed("age", "integer", transformLogic="DATE_PART('year', delivery_day) - DATE_PART('year', day)"),
        typed("came", "date", transformLogic='"delivery_day"', transformSourceObjects=[]),
    ],
    quality=[
        row_rule(
            "recent", "label IN ('É', 'delivery_day') OR day BETWEEN delivery_day - INTERVAL '30 days' AND delivery_day"
        ),
        row_rule("grown", "age < 100"),
    ],
)


def test_the_day_of_delivery_takes_the_place_of_its_name() -> None:
    rows = [("a", "2026-01-05"), ("a", "2026-01-06"), ("delivery_day", "1800-01-01"), ("a", None), ("a", "x")]
    found = checked(DATED, rows, delivery_day=date(2026, 1, 5))
    assert found.select("age", "came", REASONS).rows() == [
        (0, date(2026, 1, 5), ""),
        (0, date(2026, 1, 5), "recent"),
        (226, date(2026, 1, 5), "grown"),
        (None, date(2026, 1, 5), ""),
        (None, date(2026, 1, 5), "day.type"),
    ]
    assert checked(DATED, rows, delivery_day=date(2026, 1, 6))[REASONS].to_list() == ["", "", "grown", "", "day.type"]
    compiled = compile_contract(DATED, {}, delivery_day=date(2026, 1, 5))
    assert (compiled.inputs["recent"], compiled.sources("age"), compiled.sources("came")) == (
        ("label", "day"),
        ("day",),
        (),
    )


@pytest.mark.parametrize("sql", ["delivery_day - 3 < day", "delivery_day > 20260105"])
def test_the_day_of_delivery_beside_a_number_is_refused_as_any_date(sql: str) -> None:
    with pytest.raises(ContractError, match="INTERVAL '3 days'"):
        expression(sql, date(2026, 1, 5))


def test_no_column_is_named_as_the_day_of_delivery() -> None:
    with pytest.raises(ContractError, match="delivery_day is reserved for the day of delivery"):
        contract_of([typed("delivery_day", "date")])


@pytest.mark.parametrize("contract", load_contracts(CONTRACTS).values(), ids=lambda contract: contract.dataset)
def test_the_sql_of_the_shipped_contracts_passes(contract: Any) -> None:
    assert contract.row_rules
    compile_contract(contract, {}, delivery_day=date(2026, 1, 5))


def test_the_documents_list_the_allowed_functions() -> None:
    pages = "\n".join(page.read_text("utf-8") for page in (PROJECT / "docs").rglob("*.md"))
    for purpose, names in FUNCTIONS.items():
        (listed,) = re.findall(rf"^\| {purpose} \| (.*) \|$", pages, re.MULTILINE)
        assert listed.replace("`", "").split(", ") == names.split()


def test_the_examples_of_operators_in_the_documents_can_be_evaluated() -> None:
    page = (PROJECT / "docs/reference/sql.md").read_text("utf-8").partition("## Operators")[2]
    examples = re.findall(r"\| `([^`]+)` \|$", page, re.MULTILINE)
    row = {"n": 1, "m": 2, "x": 0.5, "s": "a", "t": "é", "flag": True, "day": date(2026, 1, 31), "until": None}
    frame = pl.DataFrame([row, dict.fromkeys(TYPES)], schema=TYPES)
    assert len(examples) > 12
    for example in examples:
        assert frame.select(expression(example)).dtypes == [pl.Boolean], example
