"""JSON values as cells, their order, and the shape of records."""

import json
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.rest_apis.records import Matching, Number, Shape, cell, load_json, place_of
from etl_platform_tests.unit.making import contract_of, text, typed

THINGS = contract_of([text("id", primaryKey=True), text("name", synonyms=[{"synonym": "title"}]), typed("n", "number")])


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("1", "1"),
        ("-0.10", "-0.10"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
        ("1e3", "1000"),
        ("1.5E-3", "0.0015"),
        ("1e60", "1" + "0" * 60),
        ("1e999999999", "1e999999999"),
        ("true", "true"),
        ("null", ""),
        ('""', ""),
        ('"text"', "text"),
        ("[]", "[]"),
        ('{"b": 1.50, "a": [null, "ü\\n"]}', '{"a":[null,"ü\\n"],"b":1.50}'),
    ],
)
def test_a_value_is_shown_without_loss_and_without_an_exponent(written: str, shown: str) -> None:
    assert cell(load_json(written.encode())) == shown


def test_a_number_of_a_billion_digits_costs_nothing() -> None:
    began = time.monotonic()

    assert cell(load_json(b"[1e999999999, -1E-999999999]")) == "[1e999999999,-1E-999999999]"
    assert cell(Number("9" * 100_000)) == "9" * 100_000
    assert time.monotonic() - began < 5


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=300)
@given(st.dictionaries(st.text(), json_values, min_size=1, max_size=4))
def test_nested_values_come_back_from_their_cell(value: dict[str, object]) -> None:
    class Exact(json.JSONEncoder):
        def default(self, o: object) -> object:
            assert isinstance(o, Decimal)
            return f"decimal {o}"

    document = json.loads(json.dumps(value, cls=Exact))
    shown = cell(load_json(json.dumps(document).encode()))

    # NUL is no part of a cell.
    assert json.loads(shown) == document
    assert "\0" not in shown


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("9", "10"),
        ("-1", "0.5"),
        ("99999999999999999999", "999999999999999999999.5"),
        ("2026-01-01", "2026-01-01T00:00:01Z"),
        ("2026-01-01T00:00:00+01:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z"),
        ("2026-01-01 08:00:00", "2026-01-01T09:00:00Z"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01"),
        ("abc", "abd"),
    ],
)
def test_values_stand_in_the_order_of_what_they_mean(lower: str, higher: str) -> None:
    assert place_of(lower).kind == place_of(higher).kind
    assert place_of(higher).is_after(place_of(lower))
    assert not place_of(lower).is_after(place_of(higher))


@pytest.mark.parametrize("odd", ["", "2026-13-45", "2026-01-01T25:00", "1e5", "-", "\u0661\u0662"])
def test_what_is_neither_number_nor_date_stands_in_the_alphabet(odd: str) -> None:
    assert place_of(odd).kind == "text"


def test_a_field_finds_its_column_by_name_before_synonym() -> None:
    matching = Matching(THINGS)

    assert [matching.column(field) for field in ("ID", "Title", "na me", "colour")] == ["id", "name", "name", None]
    assert matching.header(["zebra", "Title", "alpha", "id"]) == ["id", "Title", "alpha", "zebra"]
    assert matching.unknown(["zebra", "Title", "alpha"]) == ["alpha", "zebra"]
    assert matching.key({"Id": "7", "x": "y"}) == '["7"]'
    assert matching.key({"x": "y"}) == '{"x": "y"}'


def test_a_shape_is_one_character_a_column() -> None:
    shape = Shape()
    shape.see({"a": Number("1"), "b": None, "c": [], "": 1})
    shape.see({"a": "x", "b": None})

    kept = shape.to_text(["a", "b", "c"])

    assert len(kept) == 3
    again = Shape.from_text(["a", "b", "c"], kept)
    assert again is not None
    assert again.types == shape.types
    assert Shape.from_text(["a", "b"], kept) is None
    assert Shape.from_text(["a", "b", "c"], "A?A") is None
