"""Exact decimals: against Python's Decimal on any text, into profile and Parquet."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.columns import REASONS
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform_tests.unit.making import checked, contract_of, custom, typed
from etl_platform_tests.unit.rules_reference import MONEY, NUMBER


def decimal_contract(kind: str, **more: Any) -> Contract:
    return contract_of([typed("a", "number", physicalType=kind, **more)])


def held(text: str, precision: int, scale: int) -> Decimal | None:
    """The exact value if the type has room for all its digits."""
    if not NUMBER.fullmatch(text):
        return None
    value = Decimal(text)
    whole, _, places = format(value, "f").lstrip("-").partition(".")
    fits = len(whole.lstrip("0")) <= precision - scale and len(places.rstrip("0")) <= scale
    return value if fits else None


def read_money(text: str, precision: int, scale: int) -> Decimal | None:
    plain = held(text, precision, scale)
    stripped = text.strip()
    negative = stripped.startswith("(") and stripped.endswith(")")
    match = MONEY.fullmatch(stripped[1:-1].strip() if negative else stripped)
    if plain is not None or not match or (negative and match[1]):
        return plain
    amount = held(match[2].replace(",", ""), precision, scale)
    return amount.copy_negate() if amount is not None and (negative or match[1]) else amount


KINDS = [(10, 2), (4, 4), (3, 0), (38, 0), (38, 38), (38, 10), (1, 1)]
TEXTS = st.one_of(
    st.text(st.sampled_from("0159.-+e $,()"), max_size=9),
    st.from_regex(r"[+-]?0{0,40}[0-9]{0,40}(\.[0-9]{0,40}0{0,30})?", fullmatch=True),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
)


@settings(max_examples=25)
@given(texts=st.lists(TEXTS, min_size=1, max_size=20))
@pytest.mark.parametrize(("precision", "scale"), KINDS)
def test_a_decimal_is_exactly_what_python_reads_or_breaks_its_type(
    precision: int, scale: int, texts: list[str]
) -> None:
    contract = decimal_contract(f"decimal({precision},{scale})")
    found = checked(contract, [(text,) for text in texts])
    expected = [held(text, precision, scale) for text in texts]
    assert found["a"].dtype == pl.Decimal(precision, scale)
    assert dict(zip(texts, found["a"].to_list(), strict=True)) == dict(zip(texts, expected, strict=True))
    broken = [text != "" and value is None for text, value in zip(texts, expected, strict=True)]
    assert [reason == "a.type" for reason in found[REASONS]] == broken


@settings(max_examples=60)
@given(texts=st.lists(st.text(st.sampled_from("0159.-$,() "), max_size=9), min_size=1, max_size=20))
def test_money_is_exact_too(texts: list[str]) -> None:
    contract = decimal_contract("Decimal(5, 2)", customProperties=custom(formats=["money"]))
    found = checked(contract, [(text,) for text in texts])["a"].to_list()
    expected = [read_money(text, 5, 2) for text in texts]
    assert dict(zip(texts, found, strict=True)) == dict(zip(texts, expected, strict=True))


@pytest.mark.parametrize("text", ["0.1", "99999999999999999999999999.9999999999", "-0.0000000001", "$1,234.5000000001"])
def test_digits_beyond_the_precision_of_a_float_are_kept(text: str) -> None:
    contract = decimal_contract("numeric(38,10)", customProperties=custom(formats=["money"]))
    (value,) = checked(contract, [(text,)])["a"]
    assert value == Decimal(text.replace("$", "").replace(",", ""))


def test_bounds_and_enumeration_are_compared_exactly() -> None:
    contract = contract_of(
        [
            typed("a", "number", physicalType="decimal(20,2)", logicalTypeOptions={"minimum": 0.1, "maximum": 10**15}),
            typed("b", "number", physicalType="decimal(4,2)", logicalTypeOptions={"exclusiveMaximum": 100}),
            typed("c", "number", physicalType="decimal(4,2)", enum=[{"value": 0.1}, {"value": "2.50"}]),
        ]
    )
    rows = [("0.10", "99.99", "0.1"), ("0.09", "0", "2.5"), ("1000000000000000.00", "1", "2.50")]
    rows += [("1000000000000000.01", "1", "2.51")]
    assert checked(contract, rows)[REASONS].to_list() == ["", "a.range", "", "a.range;c.allowed"]
    said = {rule.reason: rule.description for rule in contract_rules(contract)}
    assert said["a.type"] == "a must be a number with at most 18 digits before the decimal point and 2 after it."


@pytest.mark.parametrize(
    ("kind", "bounds", "good", "bad"),
    [
        ("decimal(38,38)", {"minimum": 0}, "0." + "0" * 37 + "1", "-0." + "0" * 37 + "1"),
        ("decimal(38,0)", {"maximum": 10**37}, "1" + "0" * 37, "1" + "0" * 36 + "1"),
        ("decimal(38,10)", {"exclusiveMinimum": -1.5}, "-1.4999999999", "-1.5000000000"),
    ],
)
def test_a_bound_is_exact_at_the_ends_of_a_type(kind: str, bounds: dict[str, float], good: str, bad: str) -> None:
    contract = decimal_contract(kind, logicalTypeOptions=bounds)
    assert checked(contract, [(good,), (bad,)])[REASONS].to_list() == ["", "a.range"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"physicalType": "decimal(39,2)"}, "is not decimal"),
        ({"physicalType": "DECIMAL(2,3)"}, "is not decimal"),
        ({"physicalType": "decimal(0)"}, "is not decimal"),
        ({"physicalType": "decimal(4,2)", "logicalTypeOptions": {"maximum": 0.125}}, "a scale of 2"),
        ({"physicalType": "decimal(38,2)", "logicalTypeOptions": {"maximum": 12345678901234567.5}}, "15 digits"),
        ({"physicalType": "decimal(4,2)", "enum": [{"value": "1.234"}]}, "1.234"),
    ],
)
def test_a_bound_that_would_be_rounded_is_refused(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ContractError, match=says):
        compile_contract(contract_of([typed("a", "number", **more)]), {})


def test_other_physical_types_are_ignored() -> None:
    contract = contract_of([typed("a", "number", physicalType="DOUBLE"), typed("b", "string", physicalType="decimal")])
    assert checked(contract, [("1.5", "x")]).select("a", "b").rows() == [(1.5, "x")]


def test_profile_preview_and_silver_have_every_digit(tmp_path: Path) -> None:
    contract = contract_of([typed("a", "number", physicalType="decimal(38,8)")])
    path = tmp_path / "things.csv"
    path.write_text("a\n" + "".join(f"{n}00000000000000000000.00000001\n" for n in range(1, 9)), "utf-8")
    result = check_file(path, contract, tmp_path)
    assert pl.read_parquet(tmp_path / "silver.parquet")["a"].dtype == pl.Decimal(38, 8)
    profile = result.to_json()["profile"]["a"]
    assert (profile["min"], profile["max"]) == ("100000000000000000000.00000001", "800000000000000000000.00000001")
    assert sum(part["rows"] for part in profile["histogram"]) == 8
    assert result.preview[0] == {"a": "100000000000000000000.00000001"}
