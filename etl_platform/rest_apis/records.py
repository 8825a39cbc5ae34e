"""JSON records → cells of a snapshot, their order and their shape. No network, no files.

Numbers keep the digits that they were written with: a float would lose those of a long id or an amount.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from etl_platform.engine.contract.model import ColumnType, Contract, fold

JSON_TYPES = ("string", "integer", "number", "boolean", "object", "array")
MAX_FIELDS = 1_000
"""More names than these are no fields: keys of a mapping, most likely."""
MAX_DEPTH = 200
"""Objects and arrays within one value. A limit of our own: Python's recursion limit differs by version and caller."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].+)?", re.ASCII)
_PLAIN_NUMBER = re.compile(r"-?\d{1,40}(?:\.\d+)?", re.ASCII)
_MAX_EXPONENT = 60
_SIXTY_FOUR = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

_TAKES: Mapping[ColumnType, frozenset[str]] = {
    ColumnType.STRING: frozenset({"string", "integer", "number", "boolean"}),
    ColumnType.DATE: frozenset({"string"}),
    ColumnType.TIMESTAMP: frozenset({"string"}),
    ColumnType.INTEGER: frozenset({"integer", "string"}),
    ColumnType.NUMBER: frozenset({"integer", "number", "string"}),
    ColumnType.BOOLEAN: frozenset({"boolean", "string"}),
}
"""Which JSON types a column takes; a text may hold anything, and the contract's rules judge it."""


_TYPE_OF = {str: "string", bool: "boolean", dict: "object", list: "array", type(None): None}
_BIT = {kind: 1 << bit for bit, kind in enumerate(JSON_TYPES)} | {None: 0}
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
"""Made once: making an encoder costs more than a short record."""


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def load_json(body: bytes) -> Any:
    """A JSON document whose numbers are ``Number``.

    Raises:
        ValueError: it is none; the message quotes nothing of it.
    """
    try:
        return json.loads(body, parse_int=Number, parse_float=Number, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos:,}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not {error.encoding} at byte {error.start:,}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def json_type(value: Any) -> str | None:
    """One of JSON_TYPES; None for null."""
    if type(value) is Number:
        return "integer" if value.removeprefix("-").isdecimal() else "number"
    return _TYPE_OF[type(value)]


def cell(value: Any) -> str:
    """A value as the text of a CSV cell: nothing for null, JSON for what is nested, true and false for booleans.

    Raises:
        ValueError: it is nested more than MAX_DEPTH deep.
    """
    if value is None:
        return ""
    if type(value) is Number:
        return _digits(value)
    text = value if isinstance(value, str) else _json(value, 0)
    # Half a surrogate pair is no text in any encoding, and NUL ends one in many.
    whole = text if text.isascii() else text.encode("utf-8", "replace").decode()
    return whole.replace("\0", "?")


def _digits(number: Number) -> str:
    """Without an exponent, which a contract's numbers have not, unless it would take a line of zeros."""
    if "e" not in number and "E" not in number:
        return str(number)
    exact = Decimal(number)
    return format(exact, "f") if abs(exact.adjusted()) <= _MAX_EXPONENT else str(number)


def _json(value: Any, depth: int) -> str:
    if isinstance(value, dict | list):
        if depth == MAX_DEPTH:
            raise ValueError(f"a value is nested too deeply: more than {MAX_DEPTH} objects and arrays")
        if isinstance(value, list):
            return "[" + ",".join([_json(item, depth + 1) for item in value]) + "]"
        members = [f"{_encode(str(name))}:{_json(item, depth + 1)}" for name, item in sorted(value.items())]
        return "{" + ",".join(members) + "}"
    return str(value) if isinstance(value, Number) else _encode(value)


@dataclass(frozen=True)
class Place:
    """Where a value of the incremental field stands among others of its kind: text, number or timestamp.

    ``order`` is a str, a number, or microseconds.
    """

    kind: str
    order: Any

    def is_after(self, other: "Place") -> bool:
        """Both are of one kind."""
        return bool(self.order > other.order)


def place_of(text: str) -> Place:
    """By the text alone, so that a cell of an old snapshot and a fresh value are told alike.

    A timestamp without an offset is UTC. What is neither a number nor an ISO 8601 date stands in the alphabet.
    """
    if _DATE.fullmatch(text):
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return Place("text", text)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        since = found - datetime(1, 1, 1, tzinfo=UTC)
        return Place("timestamp", (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)
    if _PLAIN_NUMBER.fullmatch(text):
        whole = "." not in text and abs(int(text)) < 1 << 63
        return Place("number", int(text) if whole else float(text))
    return Place("text", text)


class Matching:
    """Which field of a record is which column of the contract, by name or synonym as in the header of a file."""

    def __init__(self, contract: Contract) -> None:
        columns = contract.file_columns
        synonyms = {fold(alias): column.name for column in columns for alias in column.synonyms}
        self._columns = synonyms | {fold(column.name): column.name for column in columns}
        self._place = {column.name: i for i, column in enumerate(columns)}
        self._key = contract.primary_key
        self._known: dict[str, str | None] = {}

    def column(self, field: str) -> str | None:
        if field not in self._known:
            self._known[field] = self._columns.get(fold(field))
        return self._known[field]

    def key(self, cells: Mapping[str, str]) -> str:
        """What makes a record one: its primary key; the whole of it where it has none. ``cells`` has no empty ones."""
        found = {column: text for field, text in cells.items() if (column := self.column(field)) in self._key}
        if self._key and len(found) == len(self._key):
            return _encode([found[column] for column in self._key])
        return _encode(cells)

    def header(self, fields: Iterable[str]) -> list[str]:
        """Fields in the contract's order, then those that it does not know."""
        last = len(self._place)
        return sorted(fields, key=lambda field: (self._place.get(self.column(field) or "", last), field))

    def unknown(self, fields: Iterable[str]) -> list[str]:
        return sorted(field for field in fields if self.column(field) is None)


class Shape:
    """Which fields came, and with which JSON types. A field of nulls has none."""

    def __init__(self, types: Mapping[str, int] | None = None) -> None:
        self.types: dict[str, int] = dict(types or {})

    def see(self, record: Mapping[str, Any]) -> None:
        """Take one record in; a field without a name is none.

        Raises:
            ValueError: there are more than MAX_FIELDS.
        """
        types = self.types
        for field, value in record.items():
            if field:
                types[field] = types.get(field, 0) | _BIT[json_type(value)]
        if len(self.types) > MAX_FIELDS:
            raise ValueError(f"the records have more than {MAX_FIELDS:,} different fields")

    def __or__(self, other: "Shape") -> "Shape":
        names = {**self.types, **other.types}
        return Shape({name: self.types.get(name, 0) | other.types.get(name, 0) for name in names})

    def to_text(self, header: Sequence[str]) -> str:
        """One character a column of the header."""
        return "".join(_SIXTY_FOUR[self.types[field]] for field in header)

    @classmethod
    def from_text(cls, header: Sequence[str], text: str) -> "Shape | None":
        """None where the two do not belong together."""
        if len(header) != len(text) or not set(text) <= set(_SIXTY_FOUR):
            return None
        return cls(dict(zip(header, map(_SIXTY_FOUR.index, text), strict=True)))


@dataclass(frozen=True)
class Drift:
    """One way in which what came differs from what came before, or from the contract's types."""

    field: str
    change: str
    before: str
    now: str


def drift(before: Shape | None, now: Shape, contract: Contract) -> list[Drift]:
    """Fields that appeared, vanished or changed their type, by name.

    A field is held against the snapshot before, so that it is told once; a type that its column cannot take is told
    each time. Without a snapshot before, nothing can have appeared or vanished.
    """
    found: list[Drift] = []
    old = before.types if before else now.types
    for field in sorted(old.keys() | now.types.keys()):
        was, came = old.get(field), now.types.get(field)
        if was is None or came is None:
            change = "added" if was is None else "vanished"
            found.append(Drift(field, change, _named(was), _named(came)))
        elif was and came & ~was:
            found.append(Drift(field, "other type", _named(was), _named(came)))
    matching = Matching(contract)
    for field, came in sorted(now.types.items()):
        column = matching.column(field)
        if column is None:
            continue
        takes = _TAKES[contract.column(column).type]
        if any(kind not in takes for kind in _kinds(came)):
            found.append(Drift(field, "not the contract's type", contract.column(column).type_name, _named(came)))
    return found


def _kinds(mask: int) -> list[str]:
    return [kind for bit, kind in enumerate(JSON_TYPES) if mask >> bit & 1]


def _named(mask: int | None) -> str:
    return "" if mask is None else " or ".join(_kinds(mask)) or "null"
