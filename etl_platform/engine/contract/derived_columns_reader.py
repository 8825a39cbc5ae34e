"""Reads how columns get their values: case, labels, exact types, lookups, hooks. Structure only.

Each function gets parts of a property and the document, and raises ContractError with the line in it.
"""

import re
from collections.abc import Mapping
from typing import Any

from etl_platform.engine.contract.located_yaml import Located, Where
from etl_platform.engine.contract.model import Column, ColumnType, Lookup, ReferenceTable, TransformHook
from etl_platform.engine.errors import ContractError

_DECIMAL = re.compile(r"(?:decimal|numeric)\s*\(\s*([0-9]{1,2})\s*(?:,\s*([0-9]{1,2})\s*)?\)", re.IGNORECASE)
_PRECISION = 38
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_HOOK = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_READING_OPTIONS = ("trim", "case", "nullTokens", "trueValues", "falseValues", "formats", "useLabels")


def states_decimal(entry: Mapping[str, Any]) -> bool:
    """Whether ``physicalType`` is a decimal with its digits. Without them it says nothing."""
    physical = str(entry.get("physicalType", "")).strip().lower()
    return physical.startswith(("decimal", "numeric")) and "(" in physical


def decimal_type(document: Located, entry: Mapping[str, Any], kind: ColumnType, here: Where) -> tuple[int, int] | None:
    """Precision and scale of ``physicalType: decimal(10,2)``; other physical types have no effect."""
    if kind is not ColumnType.NUMBER or not states_decimal(entry):
        return None
    physical = entry["physicalType"].strip()
    match = _DECIMAL.fullmatch(physical)
    precision, scale = (int(match[1]), int(match[2] or 0)) if match else (0, 0)
    if not 1 <= precision <= _PRECISION or scale > precision:
        raise document.error(
            f"{entry['name']}: physicalType {physical!r} is not decimal(precision, scale) of up to {_PRECISION} digits",
            *here,
            "physicalType",
        )
    return precision, scale


def letter_case(
    document: Located, custom: Mapping[str, Any], default: str | None, kind: ColumnType, here: Where
) -> str | None:
    """``upper`` or ``lower``; the schema's default applies to texts only, and no other type may have one."""
    if kind is ColumnType.STRING:
        case: str | None = custom.get("case", default)
        return case
    if "case" in custom:
        raise document.error("case needs logicalType: string; remove it", *here, "customProperties")
    return None


def check_case(document: Located, custom: Mapping[str, Any], *here: str | int) -> None:
    if custom.get("case", "upper") not in {"upper", "lower"}:
        raise document.error(f"case {custom['case']!r} is unknown; use upper or lower", *here, "customProperties")


def enum_labels(document: Located, entry: Mapping[str, Any], kind: ColumnType, here: Where) -> tuple[str, ...]:
    """The text of silver for each value of an enumeration."""
    entries = entry.get("enum")
    if not entries or kind is not ColumnType.STRING:
        raise document.error(f"{entry['name']}: useLabels needs logicalType: string and an enum", *here)
    codes = [str(item["value"]) for item in entries]
    if twice := next((code for code in codes if codes.count(code) > 1), None):
        raise document.error(f"{entry['name']}: the value {twice!r} has two labels; keep one", *here, "enum")
    return tuple(str(item.get("label", item["value"])) for item in entries)


def read_lookup(
    document: Located, declared: Mapping[str, Any], references: Mapping[str, ReferenceTable], name: str, here: Where
) -> Lookup:
    """``{table, key, take, from}`` with the table that it names; ``from`` is optional.

    Raises:
        ContractError: an unknown table or column; or, with the line of the table's own file, an empty or repeated key.
    """
    where = (*here, "customProperties")
    parts = {str(key): value for key, value in declared.items()}
    if not {"table", "key", "take"} <= parts.keys() <= {"table", "key", "take", "from"} or not all(
        isinstance(value, str) for value in parts.values()
    ):
        raise document.error(f"{name}: lookup takes texts for table, key and take, and optionally from", *where)
    if not _TABLE.fullmatch(parts["table"]) or parts["table"] not in references:
        known = f"it has {', '.join(references)}" if references else "it has none"
        message = f"{name}: references/ has no table {parts['table']!r}; {known}"
        raise document.error(message, *where)
    table = references[parts["table"]]
    for part in ("key", "take"):
        if parts[part] not in table.header:
            message = f"{name}: {table.path} has no column {parts[part]!r}; it has {', '.join(table.header)}"
            raise document.error(message, *where)
    _check_keys(table, parts["key"])
    return Lookup(table, parts["key"], parts["take"], parts.get("from"))


def _check_keys(table: ReferenceTable, column: str) -> None:
    seen: dict[str, int] = {}
    for key, line in zip(table.cells(column), table.lines, strict=True):
        if not key:
            raise ContractError(f"the key {column} is empty; fill it or remove the row", path=table.path, line=line)
        if key in seen:
            message = f"the key {column} {key!r} repeats that of line {seen[key]}; remove one of the rows"
            raise ContractError(message, path=table.path, line=line)
        seen[key] = line


def read_hook(
    document: Located, custom: Mapping[str, Any], columns: tuple[Column, ...], *here: str | int
) -> TransformHook | None:
    """The schema's transform hook; a contract has one if and only if it has computed columns."""
    where = (*here, "customProperties")
    path, frame = custom.get("transform"), custom.get("transformFrame", "polars")
    computed = [column for column in columns if column.computed]
    if path is None:
        if computed or "transformFrame" in custom:
            message = "a computed column needs the schema's custom property transform: package.module:function"
            raise document.error(message, *(here if computed else where))
        return None
    if not _HOOK.fullmatch(path):
        raise document.error(f"transform needs the form package.module:function, not {path!r}", *where)
    if frame not in {"polars", "pandas"}:
        raise document.error(f"transformFrame {frame!r} is unknown; use polars or pandas", *where)
    if not computed:
        raise document.error(
            f"the hook {path} has no column to compute; declare one with computed: true, or remove the hook", *where
        )
    return TransformHook(path, frame == "pandas", document.line(*where))


def check_derivation(
    document: Located, entry: Mapping[str, Any], column: Column, custom: Mapping[str, Any], *here: str | int
) -> None:
    """Raise ContractError where a column has two sources, or reading options and is not in the file."""
    name, lookup = column.name, column.lookup
    if sum((column.expression is not None, column.computed, lookup is not None, column.labels is not None)) > 1:
        raise document.error(
            f"{name}: transformLogic, lookup, computed and useLabels exclude each other; keep one", *here
        )
    if column.case is not None and column.in_file:
        fold_case = str.upper if column.case == "upper" else str.lower
        expected = (*(column.allowed or ()), *(lookup.table.cells(lookup.key) if lookup else ()))
        if impossible := next((item for item in expected if item != fold_case(item)), None):
            raise document.error(
                f"{name}: {impossible!r} cannot occur with case {column.case}; write it in {column.case} case",
                *here,
                "enum",
            )
    if column.in_file:
        return
    reading = [key for key in _READING_OPTIONS if key in custom]
    reading += ["synonyms"] if entry.get("synonyms") else []
    reading += ["format"] if column.formats or column.money else []
    if reading:
        raise document.error(f"{name}: {reading[0]} needs a column that the file has; remove it", *here)
    if column.computed and (column.unique or entry.get("primaryKey")):
        raise document.error(
            f"{name}: a computed column cannot be a key, because keys are compared before the hook runs; "
            "remove unique or primaryKey",
            *here,
        )
