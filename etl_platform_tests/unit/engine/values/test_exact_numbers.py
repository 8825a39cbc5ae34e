"""Numbers in unusual writing: read as what they show, or refused."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform_tests.unit.making import checked, contract_of, custom, typed

COLUMNS = contract_of(
    [
        typed("whole", "integer"),
        typed("x", "number"),
        typed("pay", "number", customProperties=custom(formats=["money"])),
        typed("flag", "boolean"),
    ]
)
REFUSED = [
    "1e5",
    "1E5",
    "NaN",
    "inf",
    "-inf",
    "Infinity",
    "\uff15",
    "\u0663",
    "1_000",
    "0x1F",
    "5,0",
    "50%",
    "½",
    "--5",
]
REFUSED += [
    "--5",
    "5-",
    "1.2.3",
    "+-5",
    "5 000",
    "1'000",
    "12345678901234567891",
    "9007199254740993.0",
    ".",
    "-",
    "TRUE",
]


def read(name: str, sent: str) -> Any:
    row = tuple(sent if column.name == name else None for column in COLUMNS.columns)
    return checked(COLUMNS, [row])[name].item()


@pytest.mark.parametrize("name", ["whole", "x", "pay"])
@pytest.mark.parametrize("sent", REFUSED)
def test_what_is_no_plain_number_is_refused(name: str, sent: str) -> None:
    assert read(name, sent) is None


@pytest.mark.parametrize(
    ("name", "sent", "value"),
    [
        ("whole", "+5", 5),
        ("whole", "-0", 0),
        ("whole", "007", 7),
        ("whole", "1,234", None),
        ("whole", "5.0", None),
        ("whole", "9223372036854775808", None),
        ("x", "-0", 0.0),
        ("x", "9007199254740992", 2.0**53),
        ("x", "9007199254740993", None),
        ("x", "-9007199254740993", None),
        ("x", "100000000000000000000", 1e20),
        ("x", "9007199254740994.0", 9007199254740994.0),
        ("x", "1,234", None),
        ("pay", "1,234", 1234.0),
        ("pay", "1,23", None),
        ("pay", "$9,007,199,254,740,993", None),
        ("flag", "TRUE", True),
        ("flag", "yes", None),
        ("flag", "1", None),
        ("flag", "t", None),
    ],
)
def test_a_number_is_read_as_it_is_written_or_not_at_all(name: str, sent: str, value: Any) -> None:
    assert read(name, sent) == value


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-(10**20), 10**20), min_size=1, max_size=20))
def test_a_float_never_changes_a_whole_number(numbers: list[int]) -> None:
    rows = [(None, str(number), None, None) for number in numbers]
    wanted = [float(n) if abs(n) < 2**53 or Decimal(repr(float(n))) == n else None for n in numbers]
    assert checked(COLUMNS, rows)["x"].to_list() == wanted
