"""Whether a document has the structure of an ODCS contract, by the JSON schema of the standard. No meaning."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs

from etl_platform.engine.contract.dataset_rules import OPERATORS
from etl_platform.engine.contract.located_yaml import Located
from etl_platform.engine.contract.reading_overrides import FILE_SERVERS
from etl_platform.engine.contract.unquoted_values import is_misread, misread, misread_values
from etl_platform.engine.errors import ContractError, ErrorList
from etl_platform.engine.near_names import did_you_mean

API_VERSIONS = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0")
"""Those before v3.1.0 are read as v3.1.0, which has other names for some of their fields."""
_ENTRY_FIELDS = {"synonyms": "synonym", "enum": "value"}
"""Lists whose entries are objects, in which people write texts; with the field that the text belongs to."""
_METRICS = {
    **dict.fromkeys(("duplicateCount", "duplicates", "unique", "uniqueCheck"), "duplicateValues"),
    **dict.fromkeys(("nullCheck", "nullCount", "null_count", "notNull"), "nullValues"),
    **dict.fromkeys(("validValues", "invalidCount", "valid_values"), "invalidValues"),
    **dict.fromkeys(("missingCount", "missing_count"), "missingValues"),
    **dict.fromkeys(("countCheck", "row_count"), "rowCount"),
}
"""Metrics of the standard by the names that contracts of v3.0 give them under ``rule``."""
_OLD_FIELDS = {
    "isNullable": "required, which means the opposite",
    "isUnique": "unique",
    "isPrimaryKey": "primaryKey",
    "column": "name",
    "columns": "properties",
    "toolName": "engine",
    "toolRuleName": "implementation",
    "mustBeGreaterThanOrEqualTo": "mustBeGreaterOrEqualTo",
    "mustBeLessThanOrEqualTo": "mustBeLessOrEqualTo",
}
"""Fields of earlier versions, with those that replace them since v3.1."""


def check_structure(document: Located, custom: Collection[str]) -> None:
    """Raise ContractError for each part that the standard or YAML's own readings rule out.

    Args:
        custom: names of our custom properties, which are not fields of the standard.
    """
    version = document.data.get("apiVersion")
    if version not in API_VERSIONS:
        hint = "; another major version has another structure" if not str(version).startswith("v3") else ""
        message = f"apiVersion {version!r} is not supported; use {', '.join(API_VERSIONS[:-1])} or {API_VERSIONS[-1]}"
        raise document.error(message + hint, "apiVersion")
    if document.data.get("kind") != "DataContract":
        raise document.error("kind must be DataContract", "kind")
    errors = ErrorList()
    for error in (*misread_values(document), *_structure_errors(document, custom)):
        with errors.collect():
            raise error
    errors.raise_any()


def has_any_fields(data: Mapping[str, Any], path: Sequence[str | int]) -> bool:
    """Whether a path is that of a server which holds no delivered files, in v3.0, where servers may have any fields."""
    if path[:1] != ("servers",) or len(path) != 2 or not str(data.get("apiVersion")).startswith("v3.0."):
        return False
    return data["servers"][path[1]].get("type") not in FILE_SERVERS


def _structure_errors(document: Located, custom: Collection[str]) -> Iterator[ContractError]:
    misread_paths: set[tuple[str | int, ...]] = set()
    for error, follows in _errors_of_schema(_with_types(document.data)):
        path = tuple(error.instance_path)
        if is_misread(document, path):
            if path not in misread_paths:
                misread_paths.add(path)
                yield misread(document, path)
        elif unexpected := getattr(error.kind, "unexpected", None):
            left_out = set(unexpected) if has_any_fields(document.data, path) else set()
            for field in sorted(set(unexpected) - left_out - (_field_names() if follows else set())):
                hint = _instead_of(document, error.instance_path, field, custom)
                message = f"{_place(document, path)}: the standard has no field {field!r} here{hint}"
                yield document.error(message, *path, field)
        else:
            yield document.error(f"{_place(document, path)}: {_explained(error)}", *path)


def _with_types(data: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the default type of each property. Without a type, the schema of v3.2 asks for that of maps."""
    schemas = data.get("schema")
    if not isinstance(schemas, list):
        return dict(data)
    return {**data, "schema": [_typed(schema) for schema in schemas]}


def _typed(element: Any) -> Any:
    properties = element.get("properties") if isinstance(element, dict) else None
    if not isinstance(properties, list):
        return element
    typed = [{"logicalType": "string", **_typed(p)} if isinstance(p, dict) else p for p in properties]
    return {**element, "properties": typed}


def _errors_of_schema(data: Any) -> Iterator[tuple[Any, bool]]:
    """Each error, and whether it may only follow from another one.

    A wrong value makes all fields around it unknown to the schema's keyword ``unevaluatedProperties``.
    """
    errors = list(_validator().iter_errors(data))
    paths = [tuple(error.instance_path) for error in errors]
    unknown = [error.kind.name in ("unevaluatedProperties", "additionalProperties") for error in errors]
    for place, (error, path) in enumerate(zip(errors, paths, strict=True)):
        follows = unknown[place] and any(
            other[: len(path)] == path and (len(other) > len(path) or not unknown[at])
            for at, other in enumerate(paths)
            if at != place
        )
        yield error, follows


def _place(document: Located, path: Sequence[str | int]) -> str:
    """A path as people name it: within a column by the column's name."""
    if list(path[:3]) == ["schema", 0, "properties"] and len(path) > 3:
        entry = document.data["schema"][0]["properties"][path[3]]
        name = entry.get("name") if isinstance(entry, dict) else None
        if isinstance(name, str):
            return ".".join([name, *map(str, path[4:])])
    return ".".join(map(str, path)) or "the document"


def _explained(error: Any) -> str:
    """What is wrong with a value, and what to write instead."""
    value, path = error.instance, error.instance_path
    if error.kind.name == "required":
        field = error.kind.property
        return f"the field {field} is missing; add it{_old_rule(value) if field == 'metric' else ''}"
    if error.kind.name == "enum":
        # The library's own message names two of the allowed values and counts the others.
        options = [str(option) for option in error.kind.options]
        return f"{value!r} is not one of {', '.join(options)}"[:600] + did_you_mean(str(value), options)
    if len(path) > 1 and path[-2] == "quality" and isinstance(value, dict):
        given = [name for name in OPERATORS if name in value]
        if len(given) != 1 and value.get("type", "library") in ("library", "sql"):
            found = " and ".join(given) or "none"
            return f"a rule needs exactly one comparison of {', '.join(OPERATORS)}, not {found}{_old_rule(value)}"
    return f"{error.message[:300]}{_entry_instead_of_text(path, value)}"


def _old_rule(rule: Any) -> str:
    """What v3.1 writes instead of the ``rule`` of v3.0."""
    old = rule.get("rule") if isinstance(rule, dict) else None
    return f"; since v3.1, rule: {old} is written metric: {_METRICS.get(old, old)}" if isinstance(old, str) else ""


def _entry_instead_of_text(where: Sequence[str | int], value: Any) -> str:
    """What to write instead of a text in a list of objects."""
    if len(where) < 2 or not isinstance(value, str) or where[-2] not in _ENTRY_FIELDS:
        return ""
    return f"; write {{{_ENTRY_FIELDS[where[-2]]}: {value}}}"


def _instead_of(document: Located, where: Sequence[str | int], field: str, custom: Collection[str]) -> str:
    """What to write instead of a field that the standard does not have at this place."""
    if field in custom:
        return f"; write it under customProperties: {{property: {field}, value: …}}"
    if where[:1] == ["servers"] and field in ("encoding", "delimiter"):
        return "; write {server: drop, type: s3, location: 's3://…', " + f"{field}: …}}"
    if field in _OLD_FIELDS:
        return f"; since v3.1 it is {_OLD_FIELDS[field]}"
    if where[-2:-1] == ["quality"] and (field in OPERATORS or field in ("rule", "arguments")):
        entry: Any = document.data
        for part in where:
            entry = entry[part]
        return _old_rule(entry) or "; name a metric"
    return did_you_mean(field, _field_names() | set(custom), 0.8)


@cache
def _field_names() -> frozenset[str]:
    return frozenset(_names_in(_schema()))


def _names_in(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        fields = part.get("properties")
        yield from fields if isinstance(fields, dict) else ()
    for below in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _names_in(below)


@cache
def _validator() -> Any:
    return jsonschema_rs.validator_for(_schema())


def _schema() -> Any:
    # Only the package's schema file: importing its pydantic model takes 0.2 s in every run.
    spec = find_spec("open_data_contract_standard")
    assert spec is not None
    assert spec.submodule_search_locations
    schema = Path(spec.submodule_search_locations[0]) / "schema.json"
    return json.loads(schema.read_text("utf-8"))
