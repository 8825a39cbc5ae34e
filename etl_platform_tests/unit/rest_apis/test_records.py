"""JSON values as cells, and fields as columns of the contract."""

import json
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.rest_apis.records import ColumnMatcher, Number, cell, load_json
from etl_platform_tests.unit.making import contract_of, text, typed

THINGS = contract_of([text("id", primaryKey=True), text("name", synonyms=[{"synonym": "title"}]), typed("n", "number")])


@pytest.mark.parametrize(
    ("json_text", "text_of_cell"),
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
def test_a_value_becomes_a_cell_without_loss_and_without_exponent(json_text: str, text_of_cell: str) -> None:
    assert cell(load_json(json_text.encode())) == text_of_cell


def test_a_number_with_a_huge_exponent_is_not_expanded() -> None:
    began = time.process_time()

    assert cell(load_json(b"[1e999999999, -1E-999999999]")) == "[1e999999999,-1E-999999999]"
    assert cell(Number("9" * 100_000)) == "9" * 100_000
    assert time.process_time() - began < 5


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=300)
@given(st.dictionaries(st.text(), json_values, min_size=1, max_size=4))
def test_nested_values_can_be_read_back_from_their_cell(value: dict[str, object]) -> None:
    class Exact(json.JSONEncoder):
        def default(self, o: object) -> object:
            assert isinstance(o, Decimal)
            return f"decimal {o}"

    document = json.loads(json.dumps(value, cls=Exact))
    text_of_cell = cell(load_json(json.dumps(document).encode()))

    # A cell contains no NUL.
    assert json.loads(text_of_cell) == document
    assert "\0" not in text_of_cell


def test_a_field_matches_a_column_by_name_before_synonym() -> None:
    matcher = ColumnMatcher(THINGS)

    assert [matcher.column(field) for field in ("ID", "Title", "na me", "colour")] == ["id", "name", "name", None]
    assert matcher.header(["zebra", "Title", "alpha", "id"]) == ["id", "Title", "alpha", "zebra"]
    assert matcher.unknown(["zebra", "Title", "alpha"]) == ["alpha", "zebra"]
    assert matcher.key({"Id": "7", "x": "y"}) == '["7"]'
    assert matcher.key({"x": "y"}) == '{"x": "y"}'
