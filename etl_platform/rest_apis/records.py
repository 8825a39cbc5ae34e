"""JSON records: parsing, conversion to CSV cells, matching of fields to the contract's columns. No network, no files.

Numbers keep the digits of the JSON text, because a float would lose those of a long id or an amount.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from etl_platform.engine.contract.model import Contract, fold

Record = dict[str, Any]
"""A JSON object as ``load_json`` parses it."""

MAX_DEPTH = 200
"""Objects and arrays within one value. Fixed, because Python's recursion limit differs by version and caller."""

_MAX_EXPONENT = 60

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
"""Shared, because creating an encoder takes longer than encoding a short record."""


class Number(str):
    """A JSON number, as the characters of the JSON text."""

    __slots__ = ()


def load_json(body: bytes) -> Any:
    """Parse a JSON document; its numbers become ``Number``.

    Raises:
        ValueError: it is not JSON; the message quotes nothing of it.
    """
    try:
        return json.loads(body, parse_int=Number, parse_float=Number, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos:,}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not {error.encoding} at byte {error.start:,}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not allowed in JSON")


def cell(value: Any) -> str:
    """A value as the text of a CSV cell: null is empty, nested values are JSON, booleans are true and false.

    Raises:
        ValueError: the value is nested more than MAX_DEPTH deep.
    """
    if value is None:
        return ""
    if type(value) is Number:
        return _digits(value)
    text = value if isinstance(value, str) else _json(value, 0)
    # Replace lone surrogates, which no encoding can write, and NUL, which ends a text in many programs.
    valid = text if text.isascii() else text.encode("utf-8", "replace").decode()
    return valid.replace("\0", "?")


def _digits(number: Number) -> str:
    """A number without an exponent, because contracts allow none; huge exponents stay, to avoid a line of zeros."""
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


class ColumnMatcher:
    """Matches the fields of records to the columns of a contract, by name or synonym, like the header of a file."""

    def __init__(self, contract: Contract) -> None:
        columns = contract.file_columns
        synonyms = {fold(alias): column.name for column in columns for alias in column.synonyms}
        self._columns = synonyms | {fold(column.name): column.name for column in columns}
        self._position = {column.name: i for i, column in enumerate(columns)}
        self._primary_key = contract.primary_key
        self._column_of: dict[str, str | None] = {}

    def column(self, field: str) -> str | None:
        if field not in self._column_of:
            self._column_of[field] = self._columns.get(fold(field))
        return self._column_of[field]

    def key(self, cells: Mapping[str, str]) -> str:
        """The identity of a record: its primary key, or all its cells if the primary key is incomplete.

        Args:
            cells: by field, without empty cells.
        """
        found = {column: text for field, text in cells.items() if (column := self.column(field)) in self._primary_key}
        if self._primary_key and len(found) == len(self._primary_key):
            return _encode([found[column] for column in self._primary_key])
        return _encode(cells)

    def header(self, fields: Iterable[str]) -> list[str]:
        """Fields in the contract's order, followed by unknown fields by name."""
        last = len(self._position)
        return sorted(fields, key=lambda field: (self._position.get(self.column(field) or "", last), field))

    def unknown(self, fields: Iterable[str]) -> list[str]:
        return sorted(field for field in fields if self.column(field) is None)
