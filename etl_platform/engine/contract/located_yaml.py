"""YAML text → plain data with the line of each part. No files."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import yaml

from etl_platform.engine.errors import ContractError

Where = tuple[str | int, ...]
"""The path of a part of a document from the top: names, and positions in lists."""
MAX_VALUES = 100_000
_MAX_DEPTH = 50
_TEXT_TAG = "tag:yaml.org,2002:str"


@dataclass(frozen=True)
class Located:
    """A document as dicts and lists, dates as ISO text, and the 1-based line of every path into it.

    Attributes:
        unquoted: the values that YAML does not read as texts, with their text in the document.
    """

    path: str
    data: dict[str, Any]
    lines: dict[Where, int]
    unquoted: dict[Where, tuple[str, Any]] = field(default_factory=dict)

    def line(self, *where: str | int) -> int:
        """The line of a path, or of its nearest parent that exists."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def error(self, message: str, *where: str | int) -> ContractError:
        return ContractError(message, path=self.path, line=self.line(*where))


def is_number(value: Any) -> bool:
    """Whether it is a number that fits a float; YAML also allows infinity and numbers of 400 digits."""
    largest = sys.float_info.max
    return isinstance(value, int | float) and not isinstance(value, bool) and -largest <= value <= largest


def load_located(text: str, path: str) -> Located:
    """Parse one YAML document.

    Raises:
        ContractError: invalid YAML, a repeated key, too many aliases, or a document that is not a mapping.
    """
    loader = yaml.CSafeLoader(text)
    try:
        for _ in yaml_events(text):
            pass
        node = loader.get_single_node()
        if node is not None and _size(node, {}) > MAX_VALUES:
            raise ContractError(
                f"has more than {MAX_VALUES:,} values, counting each use of an alias; write fewer", path=path
            )
        data = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ContractError(f"invalid YAML: {error.problem}", path=path, line=line) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ContractError(f"invalid YAML: {error}", path=path) from None
    finally:
        loader.dispose()
    if node is None or not isinstance(data, dict):
        raise ContractError("the document is not a YAML mapping; a contract begins with apiVersion:", path=path, line=1)
    lines: dict[Where, int] = {}
    unquoted: dict[Where, tuple[str, Any]] = {}
    try:
        for where, scalar in _walk(node, (), lines, path):
            unquoted[where] = scalar.value, _at(data, where)
        return Located(path, _plain(data), lines, unquoted)
    except RecursionError:
        raise ContractError("an alias refers to itself; write the values out", path=path, line=1) from None


def yaml_events(text: str) -> Iterator[yaml.Event]:
    """The events of libyaml's parser, up to the first error.

    Raises:
        YAMLError: invalid YAML.
        ValueError: deep nesting; libyaml's composer would overflow the stack, which ends the process.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ValueError(f"its parts are nested in more than {_MAX_DEPTH} levels; write fewer")
        yield event


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values below a node; an alias counts each time, because a few lines of aliases can mean billions of values."""
    if id(node) not in known:
        known[id(node)] = 0
        below = node.value if isinstance(node, yaml.CollectionNode) else []
        children = (child for item in below for child in (item if isinstance(item, tuple) else (item,)))
        known[id(node)] = 1 + sum(_size(child, known) for child in children)
    return known[id(node)]


def _walk(node: yaml.Node, here: Where, lines: dict[Where, int], path: str) -> Iterator[tuple[Where, yaml.ScalarNode]]:
    """Note the line of every path; yields the scalars that YAML does not read as texts."""
    if here in lines:
        raise ContractError("this key is repeated; keep one", path=path, line=node.start_mark.line + 1)
    lines[here] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(value, (*here, str(key.value)), lines, path)
            lines[(*here, str(key.value))] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*here, index), lines, path)
    elif isinstance(node, yaml.ScalarNode) and node.tag != _TEXT_TAG:
        yield here, node


def _at(data: Any, where: Where) -> Any:
    """The value at a path; None below a key that is not a text."""
    for part in where:
        data = data.get(part) if isinstance(data, dict) else data[part]
        if data is None:
            return None
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value
