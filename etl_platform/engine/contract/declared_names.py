"""The dataset and the file names that a broken contract declares, as far as its text can be read. No files."""

from dataclasses import dataclass
from typing import Any

import yaml

from etl_platform.engine.contract.located_yaml import yaml_events
from etl_platform.engine.contract.model import NAME, usual_file_name


@dataclass(frozen=True)
class DeclaredNames:
    """Which dataset a contract is about, and the names of its files."""

    dataset: str
    physical_name: str
    file_patterns: tuple[str, ...] = ()


def declared_names(text: str, stem: str) -> DeclaredNames:
    """The names in a contract's text; if it does not get as far as its schema, names that begin with ``stem``.

    Args:
        stem: of the contract's file name, which by convention is its dataset.
    """
    schema = _first(_member(_readable_part(text), "schema"))
    name = _member(schema, "name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return DeclaredNames(stem, f"{stem}.csv", (f"{stem}*",))
    physical_name = _member(schema, "physicalName")
    customs = _member(schema, "customProperties")
    declared = (_member(entry, "value") for entry in _items(customs) if _member(entry, "property") == "filePatterns")
    patterns = tuple(item for item in _items(next(declared, None)) if isinstance(item, str))
    return DeclaredNames(name, usual_file_name(physical_name if isinstance(physical_name, str) else name), patterns)


def _readable_part(text: str) -> Any:
    """The document as dicts, lists and texts up to its first error; one wrong character would make all of it invalid.

    Aliases are None, so that they cannot multiply.
    """
    top: list[Any] = []
    open_values: list[Any] = [top]
    keys: list[str | None] = [None]
    try:
        for event in yaml_events(text):
            if isinstance(event, yaml.CollectionEndEvent):
                open_values.pop()
                keys.pop()
                continue
            if not isinstance(event, yaml.NodeEvent):
                continue
            value = _value(event)
            parent = open_values[-1]
            if isinstance(parent, list):
                parent.append(value)
            elif keys[-1] is None:
                keys[-1] = value if isinstance(value, str) else ""
            else:
                parent[keys[-1]] = value
                keys[-1] = None
            if isinstance(value, dict | list):
                open_values.append(value)
                keys.append(None)
    except (yaml.YAMLError, ValueError):
        pass
    return _first(top)


def _value(event: yaml.NodeEvent) -> Any:
    match event:
        case yaml.MappingStartEvent():
            return {}
        case yaml.SequenceStartEvent():
            return []
        case yaml.ScalarEvent():
            return event.value
        case _:
            return None


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _first(value: Any) -> Any:
    return next(iter(_items(value)), None)


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
