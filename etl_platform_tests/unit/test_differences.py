"""The helper that names the places at which two nested values differ."""

from dataclasses import dataclass
from typing import Any

import pytest

from etl_platform_tests.differences import differences, require_equal

LONG = "x" * 500


@pytest.mark.parametrize(
    ("actual", "expected", "lines"),
    [
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, []),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, ["a > 1 > b: 2 instead of 3"]),
        ({"a": 1}, {"a": 1, "b": 2}, ["b: missing, expected 2"]),
        ({"a": 1, ("b", 3): 2}, {"a": 1}, ["('b', 3): unexpected 2"]),
        ([1, 2], [1], ["1: unexpected 2"]),
        (1, "1", ["value: 1 instead of '1'"]),
        ({"a": None}, {}, ["a: unexpected None"]),
    ],
)
def test_each_place_that_differs_has_a_line(actual: Any, expected: Any, lines: list[str]) -> None:
    assert differences(actual, expected) == lines


@pytest.mark.parametrize(("whole", "other"), [(LONG + "a" + LONG, LONG + "b" + LONG), (b"\0" * 90 + b"a", b"\0" * 90)])
def test_of_long_texts_the_part_that_differs_is_shown(whole: Any, other: Any) -> None:
    (line,) = differences({"cell": whole}, {"cell": other})

    actual, _, expected = line.removeprefix("cell: ").partition(" instead of ")
    assert "a" in actual
    assert "a" not in expected
    assert len(line) < 400


@dataclass(frozen=True)
class Point:
    x: int
    names: tuple[str, ...] = ()


def test_dataclasses_are_compared_by_field() -> None:
    assert differences([Point(1, ("a",))], [Point(1, ("b",))]) == ["0 > names > 0: 'a' instead of 'b'"]


def test_the_error_has_the_first_ten_places() -> None:
    require_equal({"a": 1}, {"a": 1})

    with pytest.raises(AssertionError) as caught:
        require_equal(dict.fromkeys(range(12), 0), dict.fromkeys(range(12), 1), "silver")
    lines = str(caught.value).splitlines()
    assert lines[0] == "silver > 0: 0 instead of 1"
    assert lines[10:] == ["and 2 more"]


def test_a_path_may_be_given() -> None:
    assert differences({"a": 1}, {"a": 2}, "objects", "reports/x") == ["objects > reports/x > a: 1 instead of 2"]
