"""The table of rule kinds: sentences, flags that match reasons, and the documents that name every kind."""

import dataclasses
import re
import subprocess
import sys
from datetime import date
from typing import Any

import pytest

from etl_platform.engine.columns import REASONS
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules import compile_contract as compiling
from etl_platform.engine.rules import contract_rules as naming
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform.engine.rules.contract_rules import ROW_DAMAGES, contract_rules, sentences_of
from etl_platform.engine.rules.kinds import COLUMN_KINDS, RuleKind
from etl_platform_tests.unit.making import PROJECT, checked, contract_of, custom, reference, row_rule, text, typed

COURTS = reference("courts", "code,name", "M1,Municipal")
EVERY_KIND = contract_of(
    [
        text("ident", primaryKey=True, primaryKeyPosition=1, logicalTypeOptions={"pattern": "^[0-9]+$"}),
        text("status", primaryKey=True, primaryKeyPosition=2, enum=[{"value": "HELD"}, {"value": "LEFT"}]),
        text("email", logicalTypeOptions={"format": "email"}),
        typed("level", "integer", logicalTypeOptions={"format": "u8"}),
        typed("share", "number", logicalTypeOptions={"format": "f32"}),
        text("badge", unique=True, logicalTypeOptions={"minLength": 2, "maxLength": 4}),
        typed("day", "date", customProperties=custom(notFuture=True, formats=["M/d/yyyy", "yyyy-MM-dd"])),
        typed("seen", "timestamp", customProperties=custom(notFuture=True)),
        typed("stops", "integer", logicalTypeOptions={"exclusiveMinimum": 0, "maximum": 9}),
        typed("pay", "number", physicalType="decimal(8,2)"),
        typed("bail", "number", customProperties=custom(formats=["money"]), logicalTypeOptions={"minimum": 0}),
        typed("felony", "boolean", customProperties=custom(trueValues=["Y"], falseValues=["N"])),
        text("court", customProperties=custom(lookup={"table": "courts", "key": "code", "take": "name"})),
        typed("weekly", "number", transformLogic="stops / 7"),
    ],
    references=[COURTS],
    quality=[row_rule("left_has_day", "status <> 'LEFT' OR day IS NOT NULL")],
)


def test_every_rule_has_a_sentence_with_its_limits_and_values() -> None:
    assert {rule.reason: rule.description for rule in contract_rules(EVERY_KIND)} == {
        "ident.required": "ident must not be empty.",
        "ident.pattern": "ident must match the regular expression ^[0-9]+$.",
        "status.required": "status must not be empty.",
        "status.allowed": "status must be one of HELD, LEFT.",
        "email.format": "email must be an email address.",
        "level.type": "level must be an integer.",
        "level.format": "level must be from 0 to 255 (u8).",
        "share.type": "share must be a number.",
        "share.format": "share must be from -3.4028234663852886e+38 to 3.4028234663852886e+38 (f32).",
        "badge.length": "badge must have at least 2 and at most 4 characters.",
        "badge.unique": "badge must not occur twice in a file.",
        "day.type": "day must be a date (M/d/yyyy or yyyy-MM-dd).",
        "day.not_future": "day must not be after the day of delivery.",
        "seen.type": "seen must be a timestamp (yyyy-MM-dd'T'HH:mm:ss or yyyy-MM-dd HH:mm:ss).",
        "seen.not_future": "seen must not be after the day of delivery.",
        "stops.type": "stops must be an integer.",
        "stops.range": "stops must be more than 0 and at most 9.",
        "pay.type": "pay must be a number with at most 6 digits before the decimal point and 2 after it.",
        "bail.type": "bail must be a number (1500 or $1,500.00).",
        "bail.range": "bail must be at least 0.",
        "felony.type": "felony must be a boolean (true or Y or false or N).",
        "court.lookup": "court must be in the column code of the reference table courts.",
        "weekly.derive": "weekly must be calculated from stops / 7 without an error.",
        "weekly.type": "weekly must be a number.",
        "ident+status.unique": "ident and status together must not occur twice in a file.",
        "left_has_day": "Must not be false: status <> 'LEFT' OR day IS NOT NULL",
    }
    suffixes = {rule.reason.partition(".")[2] for rule in contract_rules(EVERY_KIND)}
    assert suffixes >= {kind.suffix for kind in COLUMN_KINDS}, "a kind without a sentence in this test"


def test_a_long_enumeration_says_how_many_values_are_not_shown() -> None:
    contract = contract_of([text("rank", enum=[{"value": f"R{n}"} for n in range(53)])])
    (rule,) = contract_rules(contract)
    assert rule.description.startswith("rank must be one of R0, R1, ")
    assert rule.description.endswith(", R49 or 3 more values of the contract.")


def test_a_sender_reads_a_sentence_per_broken_rule_and_an_unknown_reason_is_left_out() -> None:
    reasons = {"left_has_day": 1, "day.type": 4, "row.too_few_fields": 2, "row.twin_columns_differ": 1}
    assert list(sentences_of(EVERY_KIND, reasons).items()) == [
        ("row.too_few_fields", "The row ends before the last column."),
        ("day.type", "day must be a date (M/d/yyyy or yyyy-MM-dd)."),
        ("left_has_day", "Must not be false: status <> 'LEFT' OR day IS NOT NULL"),
    ]


EVEN = RuleKind("even", ("custom even",), lambda column: column.name == "size", lambda _: "must be even", None)


def test_a_reason_without_a_flag_does_not_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "COLUMN_KINDS", (*COLUMN_KINDS, EVEN))
    monkeypatch.setattr(compiling, "COLUMN_KINDS", (*COLUMN_KINDS, EVEN))
    with pytest.raises(RuntimeError, match=r"made\.odcs\.yaml: .*Reasons without a flag: size\.even\. .*: none\."):
        compile_contract(contract_of([typed("size", "integer")]), {})


def test_a_flag_without_a_reason_does_not_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    even = dataclasses.replace(EVEN, flag=lambda values: values.value % 2 != 0)
    monkeypatch.setattr(compiling, "COLUMN_KINDS", (*COLUMN_KINDS, even))
    with pytest.raises(RuntimeError, match=r"made\.odcs\.yaml: .*: none\. Flags without a reason: size\.even\."):
        compile_contract(contract_of([typed("size", "integer"), text("other")]), {})


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("date", "2026-01-05", ""),
        ("date", "2026-01-06", "day.not_future"),
        ("date", "2999-01-01", "day.not_future"),
        ("date", "2026-01-32", "day.type"),
        ("date", None, ""),
        ("timestamp", "2026-01-05 23:59:59", ""),
        ("timestamp", "2026-01-06 00:00:00", "day.not_future"),
    ],
)
def test_a_value_after_the_day_of_delivery_breaks_not_future(kind: str, value: str | None, reason: str) -> None:
    contract = contract_of([typed("day", kind, customProperties=custom(notFuture=True))])
    assert checked(contract, [(value,)], delivery_day=date(2026, 1, 5))[REASONS].to_list() == [reason]


@pytest.mark.parametrize("more", [{"customProperties": custom(notFuture=True)}, {"transformLogic": "delivery_day"}])
def test_without_a_day_of_delivery_such_a_contract_does_not_compile(more: dict[str, Any]) -> None:
    contract = contract_of([typed("first", "date"), typed("day", "date", **more)])
    with pytest.raises(ValueError, match="day of delivery"):
        compile_contract(contract, {})


def test_not_future_needs_a_date() -> None:
    with pytest.raises(ContractError, match="a: notFuture needs logicalType date or timestamp, not string"):
        contract_of([text("a", customProperties=custom(notFuture=True))])


def test_naming_the_rules_of_a_contract_imports_no_heavy_library() -> None:
    program = (
        "import sys, etl_platform.engine.rules.contract_rules\n"
        "print(sorted({'polars', 'sqlglot', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def table_rows() -> list[list[str]]:
    """The cells of every table row in the documents."""
    lines = [line for page in (PROJECT / "docs").rglob("*.md") for line in page.read_text("utf-8").splitlines()]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("|")]


def test_the_documents_name_the_fields_of_every_kind_and_no_other() -> None:
    documented = {
        (field, suffix)
        for first, second, *_ in (row for row in table_rows() if len(row) > 2)
        for field in first.replace("`", "").split(", ")
        for suffix in re.findall(r"`<column>\.(\w+)`", second)
        if not first.startswith("`<column>") and not suffix.startswith("null_")
    }
    assert documented == {(field, kind.suffix) for kind in COLUMN_KINDS for field in kind.fields}


def test_the_page_for_senders_explains_every_reason() -> None:
    explained = {row[0].strip("`") for row in table_rows() if re.match(r"`(<column>|row)[.+]", row[0])}
    assert explained >= {f"<column>.{kind.suffix}" for kind in COLUMN_KINDS} | ROW_DAMAGES.keys()
    assert {reason for reason in explained if reason.startswith("row.")} == ROW_DAMAGES.keys()
