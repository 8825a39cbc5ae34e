"""YAML text → plain data with the line of each part. No files."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, TypeAlias

import yaml

from etl_platform.engine.errors import ContractError

Where: TypeAlias = tuple[str | int, ...]
"""The path of a part of a document from the top: names, and positions in lists."""
Lines: TypeAlias = tuple[int, "dict[str | int, Lines]"]
"""The 1-based line of a part, and those of the parts below it."""
MAX_VALUES = 100_000
_MAX_DEPTH = 50
_TEXT_TAG = "tag:yaml.org,2002:str"
_MERGE_TAG = "tag:yaml.org,2002:merge"
_USUAL_TAGS = {
    yaml.MappingStartEvent: (None, "!", "tag:yaml.org,2002:map"),
    yaml.SequenceStartEvent: (None, "!", "tag:yaml.org,2002:seq"),
}


@dataclass(frozen=True)
class Located:
    """A document as dicts and lists, dates as ISO text, and where its parts are. Keys are the texts that are written.

    Attributes:
        unquoted: the values that YAML does not read as texts, with their text in the document.
    """

    path: str
    data: dict[str, Any]
    lines: Lines
    unquoted: dict[Where, tuple[str, Any]] = field(default_factory=dict)

    def line(self, *where: str | int) -> int:
        """The line of a path, or of its nearest parent that exists."""
        line, below = self.lines
        for part in where:
            if part not in below:
                break
            line, below = below[part]
        return line

    def error(self, message: str, *where: str | int) -> ContractError:
        return ContractError(message, path=self.path, line=self.line(*where))


def is_number(value: Any) -> bool:
    """Whether it is a number that fits a float; YAML also allows infinity and numbers of 400 digits."""
    largest = sys.float_info.max
    return isinstance(value, int | float) and not isinstance(value, bool) and -largest <= value <= largest


def load_located(text: str, path: str, begins: str = "a contract begins with apiVersion:") -> Located:
    """Parse one YAML document; ``begins`` tells in messages what such a document is.

    Raises:
        ContractError: invalid YAML, a repeated key, too many aliases, or a document that is not a mapping.
    """
    composer = _Composer(text, path)
    try:
        data, lines = composer.document()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ContractError(f"invalid YAML: {error.problem}", path=path, line=line) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ContractError(f"invalid YAML: {error}", path=path) from None
    finally:
        composer.loader.dispose()
    if not isinstance(data, dict):
        raise ContractError(f"the document is not a YAML mapping; {begins}", path=path, line=1)
    return Located(path, data, lines, dict(composer.unquoted))


def yaml_events(text: str) -> Iterator[yaml.Event]:
    """The events of libyaml's parser, up to the first error.

    Raises:
        YAMLError: invalid YAML.
        ValueError: deep nesting.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise _too_deep()
        yield event


def _too_deep() -> ValueError:
    return ValueError(f"its parts are nested in more than {_MAX_DEPTH} levels; write fewer")


@lru_cache(10_000)
def _implicit_tag(text: str) -> str:
    """The type that YAML 1.1 gives a value without quotes."""
    tag: str = yaml.resolver.Resolver().resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return tag


@dataclass
class _Anchor:
    """A part that aliases repeat.

    Attributes:
        depth: of its path, at which the paths of ``unquoted`` are cut.
        unquoted: the values in it that are not texts.
        size: values in it; an alias counts each time, because a few lines of aliases can mean billions of values.
    """

    value: Any
    lines: Lines
    depth: int
    unquoted: list[tuple[Where, tuple[str, Any]]]
    size: int


class _Composer:
    """Makes data, lines and unquoted values in one pass over the events of libyaml's parser.

    Its own composer would overflow the stack at deep nesting, which ends the process, and needs further passes for
    lines and types: 1,000 contracts then take twice as long.
    """

    def __init__(self, text: str, path: str) -> None:
        self.loader, self.path = yaml.CSafeLoader(text), path
        self.unquoted: list[tuple[Where, tuple[str, Any]]] = []
        self._next: Callable[[], Any] = self.loader.get_event
        self._anchors: dict[str, _Anchor | None] = {}
        self._here: list[str | int] = []
        self._size = 0

    def document(self) -> tuple[Any, Lines]:
        """The value of the only document, None if it is empty, and its lines."""
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None, (1, {})
        found = self._value(self._next())
        self._next()
        if not isinstance(after := self._next(), yaml.StreamEndEvent):
            raise self._error("a second document begins here; keep one", after)
        return found

    def _value(self, event: Any) -> tuple[Any, Lines]:
        if isinstance(event, yaml.AliasEvent):
            return self._repeated(event)
        anchor, size, values = event.anchor, self._size, len(self.unquoted)
        if anchor is not None:
            if anchor in self._anchors:
                raise self._error(f"the anchor &{anchor} is defined twice; rename one", event)
            self._anchors[anchor] = None
        self._count(1)
        is_scalar = isinstance(event, yaml.ScalarEvent)
        found = self._scalar(event) if is_scalar else self._collection(event)
        if anchor is not None:
            within = self.unquoted[values:]
            self._anchors[anchor] = _Anchor(*found, len(self._here), within, self._size - size)
        return found

    def _count(self, values: int) -> None:
        self._size += values
        if self._size > MAX_VALUES:
            message = f"has more than {MAX_VALUES:,} values, counting each use of an alias; write fewer"
            raise ContractError(message, path=self.path)

    def _repeated(self, event: Any) -> tuple[Any, Lines]:
        if event.anchor not in self._anchors:
            raise self._error(f"there is no anchor &{event.anchor} above this alias", event)
        anchor = self._anchors[event.anchor]
        if anchor is None:
            raise self._error("an alias refers to itself; write the values out", event)
        self._count(anchor.size)
        self.unquoted += [((*self._here, *where[anchor.depth :]), value) for where, value in anchor.unquoted]
        return anchor.value, anchor.lines

    def _scalar(self, event: Any) -> tuple[Any, Lines]:
        text, tag = event.value, event.tag
        lines: Lines = event.start_mark.line + 1, {}
        if tag is None or tag == "!":
            tag = _implicit_tag(text) if event.implicit[0] else _TEXT_TAG
        if tag == _TEXT_TAG:
            return text, lines
        try:
            value = self.loader.construct_document(yaml.ScalarNode(tag, text, event.start_mark, event.end_mark))
        except ValueError as error:
            raise self._error(f"invalid YAML: {error}", event) from None
        if value is not None and not isinstance(value, str | int | float | date):
            raise self._error("this value is not a text, number, date, true or false; write one of them", event)
        self.unquoted.append((tuple(self._here), (text, value)))
        return value.isoformat() if isinstance(value, date) else value, lines

    def _collection(self, event: Any) -> tuple[Any, Lines]:
        if event.tag not in _USUAL_TAGS[type(event)]:
            raise self._error(f"the tag {event.tag} is not supported here; remove it", event)
        if len(self._here) >= _MAX_DEPTH:
            raise _too_deep()
        lines: dict[str | int, Lines] = {}
        fill = self._mapping if isinstance(event, yaml.MappingStartEvent) else self._sequence
        return fill(lines), (event.start_mark.line + 1, lines)

    def _sequence(self, lines: dict[str | int, Lines]) -> list[Any]:
        items: list[Any] = []
        self._here.append(0)
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            index = self._here[-1] = len(items)
            item, lines[index] = self._value(event)
            items.append(item)
        self._here.pop()
        return items

    def _mapping(self, lines: dict[str | int, Lines]) -> dict[str, Any]:
        items: dict[str, Any] = {}
        merged: list[_Anchor] | None = None
        self._here.append("")
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            key, is_merge = self._key(event)
            if key in items or (is_merge and merged is not None):
                raise ContractError("this key is repeated; keep one", path=self.path, line=line)
            self._here[-1] = key
            if is_merge:
                merged = self._merged(event)
            else:
                items[key], (_, below) = self._value(self._next())
                lines[key] = line, below
        self._here.pop()
        return self._merge(items, lines, merged) if merged else items

    def _key(self, event: Any) -> tuple[str, bool]:
        """A key's text, and whether it merges other mappings."""
        if isinstance(event, yaml.ScalarEvent) and event.tag in (None, "!") and event.anchor is None:
            self._count(1)
            return event.value, event.implicit[0] and _implicit_tag(event.value) == _MERGE_TAG
        values = len(self.unquoted)
        key, _ = self._value(event)
        del self.unquoted[values:]
        if isinstance(key, dict | list):
            raise self._error("a key must be a text", event)
        return str(key), False

    def _merged(self, event: Any) -> list[_Anchor]:
        """The mappings that a key ``<<`` names."""
        start = len(self.unquoted)
        value, lines = self._value(self._next())
        unquoted, depth = self.unquoted[start:], len(self._here)
        del self.unquoted[start:]
        if not isinstance(value, list):
            parts = [_Anchor(value, lines, depth, unquoted, 0)]
        else:
            parts = [
                _Anchor(item, lines[1][index], depth + 1, [one for one in unquoted if one[0][depth] == index], 0)
                for index, item in enumerate(value)
            ]
        if not all(isinstance(part.value, dict) for part in parts):
            raise self._error("<< takes a mapping or a list of mappings", event)
        return parts

    def _merge(self, items: dict[str, Any], lines: dict[str | int, Lines], parts: list[_Anchor]) -> dict[str, Any]:
        """``items`` and what they lack of each part. The first part that has a key wins."""
        for part in parts:
            for where, value in part.unquoted:
                if where[part.depth] not in items:
                    self.unquoted.append(((*self._here, *where[part.depth :]), value))
            items = part.value | items
            lines.update(part.lines[1] | lines)
        return items

    def _error(self, message: str, event: Any) -> ContractError:
        return ContractError(message, path=self.path, line=event.start_mark.line + 1)
