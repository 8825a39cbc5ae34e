"""Walks the JSON schema of ODCS: its fields by path, and a valid value for each. No tests."""

import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Node = Mapping[str, Any]


def schema() -> dict[str, Any]:
    spec = find_spec("open_data_contract_standard")
    assert spec
    assert spec.submodule_search_locations
    found: dict[str, Any] = json.loads((Path(spec.submodule_search_locations[0]) / "schema.json").read_text("utf-8"))
    return found


def fields() -> dict[str, Node]:
    """The schema of each field by its path; ``[]`` stands for the items of a list. A definition is entered once."""
    root = schema()
    found: dict[str, Node] = {}
    _walk(root, root, "", (), found)
    return found


def _walk(node: Any, root: Node, path: str, entered: tuple[str, ...], found: dict[str, Node]) -> None:
    node = resolved(node, root)
    for name, below in (node.get("properties") or {}).items():
        here = f"{path}.{name}" if path else name
        found.setdefault(here, below)
        _enter(below, root, here, entered, found)
    if "items" in node:
        _enter(node["items"], root, f"{path}[]", entered, found)
    for part in _alternatives(node):
        _walk(part, root, path, entered, found)


def _enter(node: Any, root: Node, path: str, entered: tuple[str, ...], found: dict[str, Node]) -> None:
    name = node.get("$ref") if isinstance(node, dict) else None
    if name not in entered:
        _walk(node, root, path, (*entered, name) if name else entered, found)


def _alternatives(node: Node) -> Iterator[Any]:
    for keyword in ("allOf", "anyOf", "oneOf"):
        yield from node.get(keyword, ())
    yield from (node[keyword] for keyword in ("if", "then", "else") if keyword in node)


def resolved(node: Any, root: Node) -> dict[str, Any]:
    """A part of the schema with what it refers to; its own keywords go first."""
    found = dict(node) if isinstance(node, dict) else {}
    while "$ref" in found:
        target: Any = root
        for part in found.pop("$ref").lstrip("#/").split("/"):
            target = target[part]
        found = {**target, **found}
    return found


def sample(node: Any, root: Node) -> Any:
    """A value that the schema of a field accepts, and that is not empty."""
    node = resolved(node, root)
    if "enum" in node:
        return node["enum"][0]
    if "const" in node:
        return node["const"]
    for keyword in ("oneOf", "anyOf"):
        if keyword in node and "type" not in node:
            return sample(node[keyword][0], root)
    kind = node.get("type", "object" if "properties" in node else "string")
    match kind[0] if isinstance(kind, list) else kind:
        case "array":
            return [sample(node.get("items", {}), root)]
        case "object":
            wanted = node.get("required") or list(node.get("properties") or {})[:1]
            known = node.get("properties") or {}
            return {name: sample(known.get(name, {}), root) for name in wanted} or {"probe": "x"}
        case "boolean":
            return True
        case "integer" | "number":
            return 7
        case _:
            return "https://example.org/x" if node.get("format") == "uri" else "x"
