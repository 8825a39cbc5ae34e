"""Reads and writes dataclasses as JSON objects, also those that older and newer versions wrote."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

Json = Mapping[str, Any]


def known_fields(kind: type, data: Json) -> dict[str, Any]:
    """The members of a JSON object that are fields of a dataclass; older versions wrote fewer, newer ones more."""
    names = {known.name for known in fields(kind)}
    return {name: value for name, value in data.items() if name in names}


def without_null(data: Json, *names: str) -> dict[str, Any]:
    """A JSON object without those of the named members that are null."""
    return {name: value for name, value in data.items() if value is not None or name not in names}
