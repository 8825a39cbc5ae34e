"""Where two nested values differ, one line for each place. No tests."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import takewhile
from typing import Any

_ABSENT = object()
_SHOWN = 60
_LINES = 10


def differences(actual: Any, expected: Any, *path: object) -> list[str]:
    """One line for each place that is missing, unexpected or different; an empty list for equal values.

    Mappings, sequences and dataclasses are compared item by item; a line starts with the keys that lead to the place.
    """
    return list(_differences(actual, expected, path))


def require_equal(actual: Any, expected: Any, *path: object) -> None:
    """Raise AssertionError with the first places that differ. For helpers, whose asserts pytest does not explain."""
    found = differences(actual, expected, *path)
    more = [f"and {len(found) - _LINES} more"] if len(found) > _LINES else []
    assert not found, "\n".join([*found[:_LINES], *more])


def _differences(actual: Any, expected: Any, path: tuple[object, ...]) -> Iterator[str]:
    where = " > ".join(map(str, path)) or "value"
    if actual is _ABSENT:
        yield f"{where}: missing, expected {_excerpt(expected, 0)}"
    elif expected is _ABSENT:
        yield f"{where}: unexpected {_excerpt(actual, 0)}"
    elif is_dataclass(actual) and type(actual) is type(expected):
        yield from _differences(_fields(actual), _fields(expected), path)
    elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
        for key in [*expected, *(key for key in actual if key not in expected)]:
            yield from _differences(actual.get(key, _ABSENT), expected.get(key, _ABSENT), (*path, key))
    elif isinstance(actual, list | tuple) and isinstance(expected, list | tuple):
        yield from _differences(dict(enumerate(actual)), dict(enumerate(expected)), path)
    elif actual != expected:
        start = _first_difference(actual, expected)
        yield f"{where}: {_excerpt(actual, start)} instead of {_excerpt(expected, start)}"


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value) if field.compare}


def _first_difference(actual: Any, expected: Any) -> int:
    """The first position at which two texts, or two byte strings, differ; 0 for anything else."""
    if not isinstance(actual, str | bytes) or type(actual) is not type(expected):
        return 0
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(actual, expected, strict=False)))


def _excerpt(value: Any, start: int) -> str:
    """A text or byte string around ``start``, anything else from its beginning."""
    if not isinstance(value, str | bytes):
        value, shown = repr(value), str
    else:
        shown = repr
    begin = max(0, start - _SHOWN // 3) if len(value) > _SHOWN else 0
    part = shown(value[begin : begin + _SHOWN])
    return f"{'…' if begin else ''}{part}{'…' if begin + _SHOWN < len(value) else ''}"
