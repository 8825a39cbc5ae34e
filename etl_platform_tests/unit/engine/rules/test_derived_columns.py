"""Case, labels, lookups and derived columns: what silver holds, what the rules see, and what a contract may not ask."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.columns import REASONS
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.reading.tables.headers import match_header
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform.engine.rules.derived_columns import lineage
from etl_platform_tests.unit.making import checked, contract_of, custom, reference, row_rule, text, typed

AGENCIES = reference("agencies", "code,name,officers,founded", "ABQ,Albu,900,1950-01-01", "SF,Santa F,,", "7,Seven,7,")


def lookup(**parts: str) -> list[dict[str, Any]]:
    return custom(lookup=parts)


def derived(name: str, kind: str, sql: str, **more: Any) -> dict[str, Any]:
    return typed(name, kind, transformLogic=sql, **more)


def answers(contract: Contract, rows: Sequence[tuple[str | None, ...]], *names: str) -> list[tuple[Any, ...]]:
    """Values of some columns, and the reasons at the end."""
    return checked(contract, rows).select(*names, REASONS).rows()


def test_case_is_folded_before_anything_looks() -> None:
    contract = contract_of(
        [
            text("a", unique=True, enum=[{"value": "YES"}, {"value": "NO"}, {"value": "ÉTÉ"}]),
            text("b", customProperties=custom(case="lower"), logicalTypeOptions={"pattern": "^[a-z]+$"}),
            typed("day", "date", logicalTypeOptions={"format": "d MMM yyyy"}),
        ],
        customs=custom(case="upper", trim=True, nullTokens=["n/a"]),
    )
    rows = [(" yes", "Abc", "1 Jan 2020"), ("Yes", "A1", None), ("été", " N/a", None), ("x", None, None)]
    assert answers(contract, rows, "a", "b", "day") == [
        ("YES", "abc", date(2020, 1, 1), "a.unique"),
        ("YES", "a1", None, "a.unique;b.pattern"),
        ("ÉTÉ", None, None, ""),
        ("X", None, None, "a.allowed"),
    ]


LABELLED = contract_of(
    [
        text(
            "force",
            required=True,
            enum=[{"value": 1, "label": "hands"}, {"value": "2", "label": "taser"}, {"value": "none"}],
            customProperties=custom(useLabels=True, nullTokens=["-"]),
            logicalTypeOptions={"maxLength": 4},
        )
    ],
    quality=[row_rule("no_taser", "force <> 'taser'"), row_rule("told", "force IS NOT NULL")],
)


def test_silver_holds_labels_and_rules_see_what_it_holds() -> None:
    rows = [("1",), ("2",), ("none",), ("hands",), ("-",), (None,)]
    assert answers(LABELLED, rows, "force", "text:force") == [
        ("hands", "1", ""),
        ("taser", "2", "no_taser"),
        ("none", "none", ""),
        (None, "hands", "force.length;force.allowed"),
        (None, None, "force.required;told"),
        (None, None, "force.required;told"),
    ]


@settings(max_examples=40)
@given(codes=st.lists(st.one_of(st.none(), st.text(st.sampled_from("12-ahnodes"), max_size=4)), min_size=1))
def test_labels_are_a_dictionary(codes: list[str | None]) -> None:
    labels = {"1": "hands", "2": "taser", "none": "none"}
    found = checked(LABELLED, [(code,) for code in codes])["force"].to_list()
    assert found == [labels.get(code or "") for code in codes]


LOOKUPS = contract_of(
    [
        text("agency", required=True, customProperties=lookup(table="agencies", key="code", take="name")),
        text("code"),
        typed("number", "integer"),
        text(
            "name",
            required=True,
            customProperties=lookup(table="agencies", key="code", take="name", **{"from": "code"}),
        ),
        typed(
            "officers",
            "integer",
            logicalTypeOptions={"maximum": 500},
            customProperties=lookup(table="agencies", key="name", take="officers", **{"from": "name"}),
        ),
        typed(
            "founded",
            "date",
            required=True,
            customProperties=lookup(table="agencies", key="code", take="founded", **{"from": "code"}),
        ),
    ],
    references=[AGENCIES],
)


def test_a_lookup_maps_its_own_text_or_another_column() -> None:
    rows = [("ABQ", "ABQ", None), ("SF", "7", None), ("?", "SF", None), (None, None, None), ("7", "!", None)]
    assert answers(LOOKUPS, rows, "agency", "name", "officers", "founded") == [
        ("Albu", "Albu", 900, date(1950, 1, 1), "officers.range"),
        ("Santa F", "Seven", 7, None, "founded.required"),
        (None, "Santa F", None, None, "agency.lookup;founded.required"),
        (None, None, None, None, "agency.required;name.required;founded.required"),
        ("Seven", None, None, None, "name.lookup;founded.lookup"),
    ]


def test_a_lookup_from_a_number_compares_numbers() -> None:
    table = reference("ranks", "no,name", "1,chief", "02,deputy")
    contract = contract_of(
        [
            typed("no", "integer"),
            text("rank", customProperties=lookup(table="ranks", key="no", take="name", **{"from": "no"})),
        ],
        references=[table],
    )
    rows = [("01",), ("2",), ("3",), ("x",), (None,)]
    assert answers(contract, rows, "rank") == [
        ("chief", ""),
        ("deputy", ""),
        (None, "rank.lookup"),
        (None, "no.type"),
        (None, ""),
    ]


DERIVED = contract_of(
    [
        text("first"),
        text("last"),
        typed("stops", "integer"),
        typed("hours", "number"),
        typed("fee", "number", physicalType="decimal(8,2)"),
        typed("day", "date"),
        derived("full", "string", "first || ' ' || last", required=True, logicalTypeOptions={"maxLength": 8}),
        derived("rate", "number", "stops / hours", logicalTypeOptions={"maximum": 10}),
        derived("twice", "number", "fee * 2", physicalType="decimal(6,1)"),
        derived("busy", "boolean", "rate > 1 AND full <> 'A B'", transformSourceObjects=["rate", "full"]),
        derived("year", "integer", "EXTRACT(YEAR FROM day)", unique=True, enum=[{"value": 2020}, {"value": 2021}]),
        text("agency", customProperties=lookup(table="agencies", key="code", take="name", **{"from": "first"})),
    ],
    references=[AGENCIES],
    quality=[row_rule("not_busy", "NOT busy"), row_rule("dated", "year IS NOT NULL OR last = 'x'")],
)


def test_a_derived_column_is_made_of_typed_values_and_has_its_own_rules() -> None:
    rows = [
        ("7", "B", "3", "2", "1.05", "2020-05-05"),
        ("SF", "Toolong", "30", "2", "9", "2022-01-01"),
        ("ABQ", None, "1", "0", "60000", "2021-01-01"),
        ("7", "x", "?", "?", "?", "?"),
    ]
    assert answers(DERIVED, rows, "full", "rate", "twice", "busy", "year", "agency") == [
        ("7 B", 1.5, Decimal("2.1"), True, 2020, "Seven", "not_busy"),
        ("SF Toolong", 15.0, Decimal("18.0"), True, 2022, "Santa F", "full.length;rate.range;year.allowed;not_busy"),
        (None, None, None, None, 2021, "Albu", "full.required;rate.type;twice.type"),
        ("7 x", None, None, None, None, "Seven", "stops.type;hours.type;fee.type;day.type"),
    ]


def test_the_text_of_a_derived_column_is_its_value() -> None:
    found = checked(DERIVED, [("7", "B", "3", "2", "1.05", "2020-05-05")])
    names = [f"text:{name}" for name in ("full", "rate", "twice", "busy", "year", "agency")]
    assert found.select(names).row(0) == ("7 B", "1.5", "2.10", "true", "2020", "Seven")


def test_keys_may_be_derived() -> None:
    rows = [("a", "b", "1", "1", "1", f"2020-01-{n:02d}") for n in (1, 2)] + [("a", "b", "1", "1", "1", "2021-01-01")]
    assert [reasons.count("year.unique") for reasons in checked(DERIVED, rows)[REASONS]] == [1, 1, 0]


@settings(max_examples=40)
@given(rows=st.lists(st.tuples(st.sampled_from(["", "3", "-7", "x", "250"]), st.sampled_from(["", "a", "É"]))))
def test_a_derived_value_is_what_python_makes_of_the_row(rows: list[tuple[str, str]]) -> None:
    contract = contract_of(
        [
            typed("n", "integer"),
            text("t"),
            derived("size", "string", "CASE WHEN n > 100 THEN 'big' WHEN n > 0 THEN UPPER(t) ELSE t END"),
            derived("plus", "integer", "COALESCE(n, 0) + 1", required=True),
        ]
    )

    def expected(n: str, t: str) -> tuple[str | None, int | None, str]:
        if n == "x":
            return None, None, "n.type"
        number = int(n or 0)
        return "big" if number > 100 else (t.upper() if number > 0 else t) or None, number + 1, ""

    assert answers(contract, rows, "size", "plus") == [expected(*row) for row in rows]


def test_lineage_names_the_columns_of_the_file() -> None:
    assert {name: sources for name, sources in lineage(DERIVED).items() if sources != (name,)} == {
        "full": ("first", "last"),
        "rate": ("stops", "hours"),
        "twice": ("fee",),
        "busy": ("first", "last", "stops", "hours"),
        "year": ("day",),
        "agency": ("first",),
    }
    assert compile_contract(DERIVED, {}).sources("busy") == ("first", "last", "stops", "hours")


def test_a_derived_column_is_not_looked_for_in_the_header() -> None:
    match = match_header(["first", "last", "full", "hours"], DERIVED)
    assert match.extra == ("full",)
    assert match.missing == ("stops", "fee", "day")


def test_every_rule_of_a_made_column_has_a_name() -> None:
    assert [(rule.reason, rule.column) for rule in contract_rules(LOOKUPS)] == [
        ("agency.required", "agency"),
        ("agency.lookup", "agency"),
        ("number.type", "number"),
        ("name.required", "name"),
        ("name.lookup", "name"),
        ("officers.lookup", "officers"),
        ("officers.range", "officers"),
        ("founded.required", "founded"),
        ("founded.lookup", "founded"),
    ]
    assert contract_rules(LOOKUPS)[4].description == (
        "name is looked up: code must be in the column code of the reference table agencies."
    )


def test_a_changed_reference_table_is_a_changed_contract() -> None:
    column = text("a", customProperties=lookup(table="agencies", key="code", take="name"))
    other = reference("agencies", "code,name,officers,founded", "ABQ,Other,1,")
    shas = {contract_of([column], references=[table]).sha256 for table in (AGENCIES, other)}
    assert len(shas) == 2


WRONG_COLUMNS: list[tuple[list[dict[str, Any]], str]] = [
    ([text("a", customProperties=custom(case="Upper"))], "upper or lower"),
    ([typed("a", "date", customProperties=custom(case="upper"))], "logicalType: string"),
    ([text("a", enum=[{"value": "Male"}], customProperties=custom(case="upper"))], "'Male' cannot occur"),
    (
        [text("a", customProperties=custom(case="lower", lookup={"table": "agencies", "key": "code", "take": "name"}))],
        "'ABQ' cannot occur",
    ),
    ([text("a", customProperties=custom(useLabels=True))], "an enum"),
    ([typed("a", "integer", enum=[{"value": 1}], customProperties=custom(useLabels=True))], "logicalType: string"),
    (
        [text("a", enum=[{"value": 1, "label": "x"}, {"value": "1"}], customProperties=custom(useLabels=True))],
        "two labels",
    ),
    ([text("a", customProperties=custom(useLabels="yes"))], "useLabels takes true or false"),
    ([text("a", customProperties=custom(transform="m:f"))], "belongs to a schema"),
    ([text("a", customProperties=custom(lookup="agencies"))], "lookup takes"),
    ([text("a", customProperties=lookup(table="agencies", key="code"))], "table, key and take"),
    ([text("a", customProperties=lookup(table="agencies", key="code", take="name", via="b"))], "table, key and take"),
    ([text("a", customProperties=lookup(table="agency", key="code", take="name"))], "it has agencies"),
    ([text("a", customProperties=lookup(table="../agencies", key="code", take="name"))], "it has agencies"),
    ([text("a", customProperties=lookup(table="agencies", key="no", take="name"))], "it has code, name"),
    ([text("a", customProperties=lookup(table="agencies", key="code", take="x"))], "it has code, name"),
    ([typed("a", "date", customProperties=lookup(table="agencies", key="code", take="name"))], "agencies.csv:2: name"),
    (
        [
            typed("n", "integer"),
            text("a", customProperties=lookup(table="agencies", key="code", take="name", **{"from": "n"})),
        ],
        "agencies.csv:2: the key code 'ABQ' is repeated or not a valid integer",
    ),
    (
        [text("b"), text("a", customProperties=lookup(table="agencies", key="code", take="name", **{"from": "c"}))],
        "names the column 'c', which is not above it",
    ),
    ([derived("a", "string", "'x'")], "at least one property that the file has"),
    ([text("b"), derived("a", "string", "c"), derived("c", "string", "b")], "no column 'c'"),
    ([text("b"), derived("a", "string", "a")], "no column 'a'"),
    ([text("b"), derived("a", "string", "")], "not an SQL expression"),
    ([text("b"), derived("a", "string", "MAX(b)")], "MAX is not allowed"),
    ([text("b"), derived("a", "string", "UNNEST(b)")], "UNNEST is not allowed"),
    ([text("b"), derived("a", "integer", "ROW_NUMBER()")], "ROW_NUMBER is not allowed"),
    ([text("b"), derived("a", "string", "(SELECT 1)")], "(SELECT 1) is not allowed"),
    ([text("b"), derived("a", "integer", "CAST(b AS INTEGER)")], "TRY_CAST"),
    ([text("b"), derived("a", "integer", "b || 'x'")], "not integer"),
    ([text("b"), derived("a", "date", "CURRENT_DATE")], "write delivery_day"),
    ([typed("b", "number"), derived("a", "integer", "b * 2")], "gives Float64, not integer"),
    ([typed("b", "number"), derived("a", "number", "b * 2", physicalType="decimal(5,2)")], "not decimal"),
    ([text("b"), text("c"), derived("a", "string", "b", transformSourceObjects=["c"])], "uses b"),
    ([text("b"), derived("a", "string", "b", synonyms=[{"synonym": "x"}])], "that the file has"),
    ([text("b"), derived("a", "string", "b", customProperties=custom(trim=True))], "that the file has"),
    ([text("b"), derived("a", "string", "b", customProperties=custom(computed=True))], "exclude each other"),
    ([text("b"), derived("B", "string", "b")], "already belongs to b"),
    ([text("b"), text("a", customProperties=custom(computed=True))], "transform: package.module:function"),
]


@pytest.mark.parametrize(("columns", "says"), WRONG_COLUMNS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_could_go_wrong_silently_is_refused(columns: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(ContractError) as caught:
        compile_contract(contract_of(columns, references=[AGENCIES]), {})
    assert says in str(caught.value)
    assert caught.value.line


@pytest.mark.parametrize(
    ("table", "at", "says"),
    [
        (reference("agencies", "code,name", "A,x", "B,y", "A,z"), 4, "repeats that of line 2"),
        (reference("agencies", "code,name", "A,x", ",y"), 3, "empty"),
    ],
)
def test_a_key_that_is_empty_or_repeated_is_an_error_at_the_table_s_line(table: Any, at: int, says: str) -> None:
    column = text("a", customProperties=lookup(table="agencies", key="code", take="name"))
    with pytest.raises(ContractError, match=says) as caught:
        contract_of([column], references=[table])
    assert (caught.value.path, caught.value.line) == ("references/agencies.csv", at)


def test_a_derived_column_is_masked_unless_its_own_classification_is_open() -> None:
    open_to_all = derived("a", "integer", "LENGTH(b)", classification="public")
    columns = [text("b", classification="public"), open_to_all, derived("c", "string", "b", classification=None)]
    assert [column.masked for column in contract_of(columns).columns] == [False, False, True]
