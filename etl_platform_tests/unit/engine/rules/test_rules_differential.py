"""The vectorised rules against a slow row-by-row reference in plain Python, on random rows."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.columns import BAD, REASONS
from etl_platform_tests.unit.making import checked, contract_of, custom, row_rule, text, typed
from etl_platform_tests.unit.rules_reference import read_value, reasons_of

CONTRACT = contract_of(
    [
        text(
            "ident", required=True, primaryKey=True, primaryKeyPosition=1, logicalTypeOptions={"pattern": "^[a-z0-9]+$"}
        ),
        text("code", primaryKey=True, primaryKeyPosition=2, logicalTypeOptions={"minLength": 2, "maxLength": 4}),
        text(
            "kind",
            enum=[{"value": "A"}, {"value": "B"}, {"value": "É"}],
            customProperties=custom(trim=True, nullTokens=["N/A", "-"]),
        ),
        text("serial", unique=True, customProperties=custom(trim=True)),
        typed(
            "day",
            "date",
            logicalTypeOptions={"format": "yyyy-MM-dd", "minimum": "1999-12-31", "exclusiveMaximum": "2030-01-01"},
            customProperties=custom(formats=["M/d/yyyy"]),
        ),
        typed("moment", "timestamp"),
        typed("count", "integer", logicalTypeOptions={"minimum": 0, "exclusiveMaximum": 100}),
        typed("rate", "number", logicalTypeOptions={"exclusiveMinimum": -1.5, "maximum": 10}),
        typed("pay", "number", customProperties=custom(formats=["money"])),
        typed("flag", "boolean", customProperties=custom(trueValues=["Y", "yes"], falseValues=["N"])),
    ]
)
NUMBERS = [
    "0",
    "7",
    "99",
    "100",
    "-1",
    "+5",
    "007",
    "1.5",
    ".5",
    "5.",
    "1e5",
    "inf",
    "nan",
    "1_0",
    " 3",
    "3 ",
    "-",
    "+",
    "0x10",
    "1,000",
    "٣",
    "9223372036854775807",
    "9223372036854775808",
    "-0",
    "--1",
    "1.2.3",
    "10.0001",
    "-1.5",
]
AMOUNTS = [
    "$5",
    "$1,234.50",
    "1,23",
    "(7)",
    "($1,000)",
    "-$3",
    "$ 4",
    " $4 ",
    "(5",
    "5)",
    "-(5)",
    "(-5)",
    "$-5",
    "$",
    "()",
    "12.",
    "1,000,0000",
    "USD 5",
    "5$",
    "(($5))",
    "- 5",
    "1,000",
]
DAYS = [
    "2020-01-05",
    "1/5/2020",
    "01/05/2020",
    "2020-1-5",
    "2020-02-30",
    "2/29/2019",
    "2/29/2020",
    "20-01-05",
    "1/5/20",
    "+2020-1-05",
    "2020- 1- 5",
    " 2020-1-5",
    "2020-01-05 ",
    "0020-01-05",
    "0000-01-05",
    "0000-01-01",
    "1/1/0000",
    "1999-12-30",
    "2030-01-01",
    "13/1/2020",
    "1/5/02020",
    "2020/01/05",
    "2020-001-5",
    "+20201-1-5",
    "2020-01-5 ",
    "1/ 5/2020",
    "٢٠٢٠-01-05",
]
MOMENTS = [
    "2020-01-05T10:20:30",
    "2020-01-05 10:20:30",
    "2020-01-05",
    "2020-01-05T24:00:00",
    "2020-01-05T10:20:60",
    "2020-01-05  1:20:30",
    "2020-01-05T1:02:003",
    "2020-01-05T10:20:30Z",
    " 2020-1-05T10:20:30",
]
CELL = st.one_of(
    st.none(),
    st.sampled_from(
        ["", "a", "b", "ab", "Ab", "abcde", "É", "é", "éé", " A ", "A", "b ", "n/a", " N/A", "-", "  ", "1", "x\ny"]
    ),
    st.sampled_from(NUMBERS + AMOUNTS + DAYS + MOMENTS + ["Y", "y ", "TRUE", "no", "n", "false"]),
    st.text(st.sampled_from("0129-+/. $,()eET:"), max_size=10),
)


@settings(max_examples=150)
@given(rows=st.lists(st.tuples(*[CELL] * 10), min_size=1, max_size=12))
def test_every_rule_says_what_the_row_by_row_reference_says(rows: list[tuple[str | None, ...]]) -> None:
    found = checked(CONTRACT, rows)
    assert found[REASONS].fill_null("").to_list() == reasons_of(
        CONTRACT, [tuple(c or None for c in row) for row in rows]
    )
    assert found[BAD].to_list() == [bool(reason) for reason in found[REASONS].fill_null("")]


@pytest.mark.parametrize(
    ("column", "values"),
    [("day", DAYS), ("moment", MOMENTS), ("count", NUMBERS), ("rate", NUMBERS), ("pay", NUMBERS + AMOUNTS)],
)
def test_a_typed_value_is_what_the_reference_reads(column: str, values: list[str]) -> None:
    names = [c.name for c in CONTRACT.columns]
    rows = [tuple(value if name == column else None for name in names) for value in values]
    found = checked(CONTRACT, rows)[column].to_list()
    expected = [read_value(CONTRACT.column(column), value) for value in values]
    assert dict(zip(values, found, strict=True)) == dict(zip(values, expected, strict=True))


SLOPPY = contract_of([typed("day", "date"), typed("moment", "timestamp")])


@settings(max_examples=200)
@given(values=st.lists(st.text(st.sampled_from("0123456789-+/ T:."), min_size=8, max_size=19), min_size=1, max_size=20))
def test_no_lenient_parser_lets_a_sloppy_date_pass(values: list[str]) -> None:
    contract = SLOPPY
    found = checked(contract, [(value[:10], value) for value in values])
    assert found["day"].to_list() == [read_value(contract.column("day"), value[:10]) for value in values]
    assert found["moment"].to_list() == [read_value(contract.column("moment"), value) for value in values]


FORMATS = [
    "yyyy-MM-dd",
    "M/d/yyyy",
    "yyyyMMdd",
    "dd.MM.yyyy",
    "d MMM yyyy",
    "MMMM d, yyyy",
    "dd-MMM-yyyy",
    "yyyy/MM/dd",
]
STRFTIME = ["%Y-%m-%d", "%-m/%-d/%Y", "%Y%m%d", "%d.%m.%Y", "%-d %b %Y", "%B %-d, %Y", "%d-%b-%Y", "%Y/%m/%d"]


@settings(max_examples=20)
@given(days=st.lists(st.dates(date(1000, 1, 1), date(9999, 12, 31)), min_size=1, max_size=10))
@pytest.mark.parametrize(("form", "how"), list(zip(FORMATS, STRFTIME, strict=True)))
def test_a_date_written_in_a_supported_format_reads_back(form: str, how: str, days: list[date]) -> None:
    contract = contract_of([typed("day", "date", logicalTypeOptions={"format": form})])
    assert checked(contract, [(day.strftime(how),) for day in days])["day"].to_list() == days


def test_row_rules_pass_on_null_and_where_an_input_failed_its_own_type() -> None:
    contract = contract_of(
        [typed("low", "integer"), typed("high", "integer"), text("note")],
        quality=[row_rule("ordered", "low <= high"), row_rule("noted", "low < 100 OR note IS NOT NULL")],
    )
    rows = [
        ("1", "2", None),
        ("2", "1", None),
        (None, "1", None),
        ("2", None, None),
        ("x", "1", None),
        ("200", "300", None),
        ("200", "300", "why"),
        ("200", "y", "why"),
        ("300", "200", None),
    ]
    assert checked(contract, rows)[REASONS].fill_null("").to_list() == [
        "",
        "ordered",
        "",
        "",
        "low.type",
        "noted",
        "",
        "high.type",
        "ordered;noted",
    ]
