"""Formats that ODCS names: which texts and numbers keep them, compared with Python's own readers."""

import base64
import binascii
import ipaddress
import re
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.columns import REASONS
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract.named_formats import FLOAT_BOUNDS, INTEGER_BOUNDS, TEXT_PATTERNS
from etl_platform.engine.errors import ContractError
from etl_platform_tests.unit.making import checked, contract_of, custom, text, typed


def named(name: str, kind: str = "string") -> Contract:
    return contract_of([typed("a", kind, logicalTypeOptions={"format": name})])


def keeps(name: str, *values: str, kind: str = "string") -> list[bool]:
    return [not reasons for reasons in checked(named(name, kind), [(value,) for value in values])[REASONS]]


GOOD_AND_BAD = {
    "email": (["a@b.co", "a.b+c@x-y.example"], ["a", "a@b", "a b@c.co", "a..b@c.co", "@c.co", "a@-c.co", "a@c.co\n"]),
    "uuid": (["123e4567-e89b-12d3-a456-426614174000"], ["123e4567e89b12d3a456426614174000", "x"]),
    "uri": (["https://e.org/a?b=c#d", "urn:x:y", "mailto:a@b.co"], ["e.org/a", "https://e.org/a b", "http:", "%:x"]),
    "hostname": (["a", "a-b.example.", "9.x"], ["-a", "a-", "a..b", "a_b", "x" * 64]),
    "ipv4": (["0.0.0.0", "255.1.2.3"], ["256.1.1.1", "1.2.3", "01.2.3.4", "1.2.3.4.5"]),
    "ipv6": (
        ["::", "::1", "1:2:3:4:5:6:7:8", "fe80::1", "::ffff:1.2.3.4"],
        ["1:2", ":::", "1::2::3", "g::", "1.2.3.4"],
    ),
    "byte": (["aGk=", "YQ==", "YWJj"], ["aGk", "a===", "aG k=", "YQ==YQ=="]),
}


@pytest.mark.parametrize("name", TEXT_PATTERNS)
def test_a_text_of_another_form_breaks_the_named_format(name: str) -> None:
    good, bad = GOOD_AND_BAD[name]
    assert keeps(name, *good) == [True] * len(good)
    assert keeps(name, *bad) == [False] * len(bad)


def reads(reader: Callable[[str], object], value: str) -> bool:
    try:
        reader(value)
    except (ValueError, binascii.Error):
        return False
    return True


HEX = st.text("0123456789abcdefF:.", max_size=30)


@given(st.lists(HEX | st.ip_addresses(v=6).map(str) | st.ip_addresses(v=6).map(lambda ip: ip.exploded), min_size=1))
def test_an_ipv6_address_is_one_that_python_reads(values: list[str]) -> None:
    assert keeps("ipv6", *values) == [not value or reads(ipaddress.IPv6Address, value) for value in values]


@given(st.lists(st.text("0123456789.", max_size=16) | st.ip_addresses(v=4).map(str), min_size=1))
def test_an_ipv4_address_is_one_that_python_reads(values: list[str]) -> None:
    assert keeps("ipv4", *values) == [not value or reads(ipaddress.IPv4Address, value) for value in values]


@given(st.uuids(), st.binary())
def test_what_python_writes_keeps_its_format(identity: uuid.UUID, content: bytes) -> None:
    assert keeps("uuid", str(identity), str(identity).upper()) == [True, True]
    assert keeps("byte", base64.b64encode(content).decode()) == [True]


@pytest.mark.parametrize("name", INTEGER_BOUNDS)
def test_an_integer_outside_of_its_format_is_held_back(name: str) -> None:
    lowest, highest = INTEGER_BOUNDS[name]
    values = [str(number) for number in (lowest, highest, lowest - 1, highest + 1)]
    assert keeps(name, *values, kind="integer") == [True, True, False, False]


@pytest.mark.parametrize("name", FLOAT_BOUNDS)
def test_a_number_beyond_its_format_is_held_back(name: str) -> None:
    assert keeps(name, "1.5", "-0.1", kind="number") == [True, True]
    too_large = "4" + "0" * (38 if name == "f32" else 308)
    assert keeps(name, too_large, f"-{too_large}", kind="number") == [False, False]


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("string", "emial", "did you mean email?"),
        ("string", "date-time", "logicalType: timestamp"),
        ("string", "i32", "belongs to logicalType: integer"),
        ("string", "yyyy-MM-dd", "not known for logicalType string"),
        ("integer", "u64", "64 bits of silver"),
        ("integer", "email", "is not one of i8"),
        ("number", "f16", "is not one of f32"),
        ("boolean", "i8", "a boolean has no format"),
    ],
)
def test_a_format_that_would_not_be_enforced_is_refused(kind: str, name: str, says: str) -> None:
    with pytest.raises(ContractError, match=re.escape(says)) as caught:
        named(name, kind)
    assert caught.value.line


@pytest.mark.parametrize(
    ("kind", "formats"), [("string", ["money"]), ("integer", ["money"]), ("number", ["0.00"]), ("date", ["money"])]
)
def test_listed_formats_of_another_type_are_refused(kind: str, formats: list[str]) -> None:
    with pytest.raises(ContractError, match="format"):
        contract_of([typed("a", kind, customProperties=custom(formats=formats))])


def test_words_for_true_and_false_need_a_boolean() -> None:
    with pytest.raises(ContractError, match="trueValues needs logicalType: boolean"):
        contract_of([text("a", customProperties=custom(trueValues=["Y"]))])
