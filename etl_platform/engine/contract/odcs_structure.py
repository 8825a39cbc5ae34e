"""Whether a document has the structure of an ODCS contract, by the JSON schema of the standard. No meaning."""

import json
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs

from etl_platform.engine.contract.located_yaml import Located
from etl_platform.engine.contract.unquoted_values import is_misread, misread, refuse_misread

API_VERSIONS = ("v3.1.0", "v3.2.0")
_ENTRY_FIELDS = {"synonyms": "synonym", "enum": "value"}
"""Lists whose entries are objects, in which people write texts; with the field that the text belongs to."""


def check_structure(document: Located, custom: Collection[str]) -> None:
    """Raise ContractError, with its line, for the first part that the standard or YAML's own readings rule out.

    Args:
        custom: names of our custom properties, which are no fields of the standard.
    """
    version = document.data.get("apiVersion")
    if version not in API_VERSIONS:
        raise document.error(f"apiVersion {version!r} is not supported; use {' or '.join(API_VERSIONS)}", "apiVersion")
    if document.data.get("kind") != "DataContract":
        raise document.error("kind must be DataContract", "kind")
    refuse_misread(document)
    error = _first_error(document.data)
    if error is not None:
        if is_misread(document, tuple(error.instance_path)):
            raise misread(document, tuple(error.instance_path))
        where = ".".join(map(str, error.instance_path)) or "the document"
        if unexpected := getattr(error.kind, "unexpected", None):
            field, hint = unexpected[0], _way_out(error.instance_path, unexpected[0], custom)
            message = f"{where}: the standard has no field {field!r} here{hint}"
            raise document.error(message, *error.instance_path, field)
        # The library's own message names two of the allowed values and counts the others.
        allowed = getattr(error.kind, "options", None)
        message = f"{error.instance!r} is not one of {', '.join(map(str, allowed))}" if allowed else error.message
        hint = _entry_instead_of_text(error.instance_path, error.instance)
        raise document.error(f"{where}: {message[:300]}{hint}", *error.instance_path)


def _first_error(data: Any) -> Any:
    """The first error that does not follow from another one, or None.

    A wrong value makes all fields around it unknown to the schema's keyword ``unevaluatedProperties``.
    """
    errors = list(_validator().iter_errors(data))
    paths = [tuple(error.instance_path) for error in errors]
    for error, path in zip(errors, paths, strict=True):
        unknown = error.kind.name == "unevaluatedProperties"
        if not (unknown and any(len(other) > len(path) and other[: len(path)] == path for other in paths)):
            return error
    return None


def _entry_instead_of_text(where: Sequence[str | int], value: Any) -> str:
    """What to write instead of a text in a list of objects."""
    if len(where) < 2 or not isinstance(value, str) or where[-2] not in _ENTRY_FIELDS:
        return ""
    return f"; write {{{_ENTRY_FIELDS[where[-2]]}: {value}}}"


def _way_out(where: Sequence[str | int], field: str, custom: Collection[str]) -> str:
    """What to write instead of a field that the standard does not have at this place."""
    if field in custom:
        return f"; write it under customProperties: {{property: {field}, value: …}}"
    if where[:1] == ["servers"] and field in ("encoding", "delimiter"):
        return "; write {server: drop, type: s3, location: 's3://…', " + f"{field}: …}}"
    close = get_close_matches(field, _field_names() | set(custom), 1, 0.8)
    return f"; did you mean {close[0]}?" if close and close[0] != field else ""


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
