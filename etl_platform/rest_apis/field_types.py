"""Which JSON types the fields of records have, and how they changed since the last snapshot. No network, no files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl_platform.engine.contract.model import ColumnType, Contract
from etl_platform.rest_apis.records import ColumnMatcher, Number

JSON_TYPES = ("string", "integer", "number", "boolean", "object", "array")
MAX_FIELDS = 1_000
"""A resource with more field names probably uses data as names, such as one field per officer."""

_ALLOWED_TYPES: Mapping[ColumnType, frozenset[str]] = {
    ColumnType.STRING: frozenset({"string", "integer", "number", "boolean"}),
    ColumnType.DATE: frozenset({"string"}),
    ColumnType.TIMESTAMP: frozenset({"string"}),
    ColumnType.TIME: frozenset({"string"}),
    ColumnType.INTEGER: frozenset({"integer", "string"}),
    ColumnType.NUMBER: frozenset({"integer", "number", "string"}),
    ColumnType.BOOLEAN: frozenset({"boolean", "string"}),
}
"""Strings are allowed in every column: the contract's rules check what they contain."""

_TYPE_OF = {str: "string", bool: "boolean", dict: "object", list: "array", type(None): None}
_BIT = {kind: 1 << bit for bit, kind in enumerate(JSON_TYPES)} | {None: 0}
_SIX_BITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def json_type(value: Any) -> str | None:
    """One of JSON_TYPES; None for null."""
    if type(value) is Number:
        return "integer" if value.removeprefix("-").isdecimal() else "number"
    return _TYPE_OF[type(value)]


class FieldTypes:
    """The fields of records with their JSON types, as bit masks over JSON_TYPES. A field with only nulls has mask 0."""

    def __init__(self, types: Mapping[str, int] | None = None) -> None:
        self.types: dict[str, int] = dict(types or {})

    def add(self, record: Mapping[str, Any]) -> None:
        """Add the fields of a record; a field without a name is ignored.

        Raises:
            ValueError: there are more than MAX_FIELDS fields.
        """
        types = self.types
        for field, value in record.items():
            if field:
                types[field] = types.get(field, 0) | _BIT[json_type(value)]
        if len(self.types) > MAX_FIELDS:
            raise ValueError(f"the records have more than {MAX_FIELDS:,} different fields")

    def __or__(self, other: "FieldTypes") -> "FieldTypes":
        names = {**self.types, **other.types}
        return FieldTypes({name: self.types.get(name, 0) | other.types.get(name, 0) for name in names})

    def to_text(self, header: Sequence[str]) -> str:
        """One character per column of the header, for the snapshot's metadata."""
        return "".join(_SIX_BITS[self.types[field]] for field in header)

    @classmethod
    def from_text(cls, header: Sequence[str], text: str) -> "FieldTypes | None":
        """The inverse of ``to_text``; None if the text does not belong to the header."""
        if len(header) != len(text) or not set(text) <= set(_SIX_BITS):
            return None
        return cls(dict(zip(header, map(_SIX_BITS.index, text), strict=True)))


@dataclass(frozen=True)
class FieldChange:
    """A field that differs from the last snapshot or from the contract; ``before`` and ``now`` are JSON types."""

    field: str
    change: str
    before: str
    now: str


def field_changes(before: FieldTypes | None, now: FieldTypes, contract: Contract) -> list[FieldChange]:
    """Fields that were added or removed or have another type, by name.

    A field is compared with the last snapshot, so each change is reported once. A type that its column does not allow
    is reported every time. Without a last snapshot, no field counts as added or removed.
    """
    changes: list[FieldChange] = []
    old = before.types if before else now.types
    for field in sorted(old.keys() | now.types.keys()):
        was, is_now = old.get(field), now.types.get(field)
        if was is None or is_now is None:
            change = "added" if was is None else "removed"
            changes.append(FieldChange(field, change, _names(was), _names(is_now)))
        elif was and is_now & ~was:
            changes.append(FieldChange(field, "type changed", _names(was), _names(is_now)))
    matcher = ColumnMatcher(contract)
    for field, is_now in sorted(now.types.items()):
        name = matcher.column(field)
        if name is None:
            continue
        column = contract.column(name)
        if not set(_kinds(is_now)) <= _ALLOWED_TYPES[column.type]:
            changes.append(FieldChange(field, "type not allowed by the contract", column.type_name, _names(is_now)))
    return changes


def _kinds(mask: int) -> list[str]:
    return [kind for bit, kind in enumerate(JSON_TYPES) if mask >> bit & 1]


def _names(mask: int | None) -> str:
    return "" if mask is None else " or ".join(_kinds(mask)) or "null"
