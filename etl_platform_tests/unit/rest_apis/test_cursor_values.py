"""The order of values of an incremental field."""

import pytest

from etl_platform.rest_apis.cursor_values import parse_cursor_value


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
def test_values_are_ordered_as_numbers_timestamps_or_texts(lower: str, higher: str) -> None:
    assert parse_cursor_value(lower).kind == parse_cursor_value(higher).kind
    assert parse_cursor_value(higher).is_after(parse_cursor_value(lower))
    assert not parse_cursor_value(lower).is_after(parse_cursor_value(higher))


@pytest.mark.parametrize("text", ["", "2026-13-45", "2026-01-01T25:00", "1e5", "-", "\u0661\u0662"])
def test_anything_but_a_number_or_a_date_is_a_text(text: str) -> None:
    assert parse_cursor_value(text).kind == "text"
