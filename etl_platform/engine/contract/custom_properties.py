"""Our custom properties: their names, where they belong and what they take. Structure only.

The standard allows every custom property, so one that is misspelt, misplaced or of the wrong kind must be found here.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from etl_platform.engine.contract.located_yaml import Located, Where
from etl_platform.engine.contract.two_digit_years import PIVOT
from etl_platform.engine.errors import ContractError
from etl_platform.engine.near_names import nearest

SHORT_ROWS = ("pad", "quarantine")
PII_GATE, PII_GATES = "piiGate", ("remark", "reject")
LIKE_LAST_TIME = "likeLastTime"
ERASE_AFTER_RETENTION = "eraseAfterRetention"
COLUMN_CUSTOM = frozenset(
    [
        *("formats", "nullTokens", "trueValues", "falseValues", "trim", "case", "useLabels"),
        *("lookup", "computed", "knownValues", "notFuture", PIVOT),
    ]
)
SCHEMA_CUSTOM = frozenset(
    [
        *("filePatterns", "trim", "nullTokens", "maxRejectedPercent", "case", "sheet", "headerLine"),
        *("quote", "escape", "header"),
        *("transform", "transformFrame", "shortRows", LIKE_LAST_TIME, PII_GATE, PIVOT, ERASE_AFTER_RETENTION),
    ]
)
OURS = COLUMN_CUSTOM | SCHEMA_CUSTOM
RELATIONSHIP_CUSTOM = frozenset({"severity"})
"""Of relationships; elsewhere, ``severity`` is a field of the standard, or a property of other tools."""
_EXPECTED_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    **dict.fromkeys(("trim", "useLabels", "computed", "notFuture", ERASE_AFTER_RETENTION), (bool, "true or false")),
    **dict.fromkeys(
        ("case", "transform", "transformFrame", "sheet", "shortRows", "quote", "escape", PII_GATE), (str, "a text")
    ),
    "header": (str, "the text none"),
    "severity": (str, "warning or error"),
    **dict.fromkeys(("headerLine", PIVOT), (int, "a number")),
    "maxRejectedPercent": ((int, float), "a number"),
    LIKE_LAST_TIME: (dict, "a mapping such as {rowsPercent: 60}"),
    "lookup": (dict, "a mapping with table, key, take and optionally from"),
}
"""Type of each custom property, and how a message names it; all others take a list."""


def read_custom(document: Located, entry: Mapping[str, Any], known: frozenset[str], *here: str | int) -> dict[str, Any]:
    """Our custom properties of a schema or property, by name.

    Args:
        known: those that it may have; others of the platform belong elsewhere.

    Raises:
        ContractError: a custom property is misspelt, misplaced, repeated or of the wrong kind.
    """
    values: dict[str, Any] = {}
    for position, item in enumerate(entry.get("customProperties") or []):
        name, where = item["property"], (*here, "customProperties", position)
        if name not in known:
            _refuse_ours(document, name, known, where)
            continue
        if name in values:
            raise document.error(f"custom property {name!r} is repeated; keep one", *where)
        _check_value(document, name, item["value"], where)
        values[name] = item["value"]
    return values


def schema_custom_place(document: Located, name: str) -> Where:
    """The path of a custom property of the schema; of the first one if the schema does not have it."""
    here, entries = ("schema", 0, "customProperties"), document.data["schema"][0].get("customProperties") or []
    return *here, next((place for place, entry in enumerate(entries) if entry["property"] == name), 0)


def misplaced(document: Located, places: Iterable[Where]) -> Iterator[ContractError]:
    """An error for each of our custom properties where it has no effect.

    Args:
        places: the lists of custom properties that nothing reads.
    """
    for where in places:
        entries: Any = document.data
        for part in where:
            entries = entries[part]
        for position, entry in enumerate(entries):
            try:
                _refuse_ours(document, entry["property"], frozenset(), (*where, position))
            except ContractError as error:
                yield error


def _refuse_ours(document: Located, name: str, known: frozenset[str], where: Where) -> None:
    """Raise ContractError if this custom property, which has no effect here, is one of ours or resembles one."""
    levels = [level for level, names in (("schema", SCHEMA_CUSTOM), ("property", COLUMN_CUSTOM)) if name in names]
    if levels:
        message = f"custom property {name!r} belongs to a {' or a '.join(levels)}; move it there"
        raise document.error(message, *where)
    if close := nearest(name, (known or OURS) - {name}, 0.8):
        raise document.error(f"custom property {name!r} is unknown; did you mean {close}?", *where)


def _check_value(document: Located, name: str, value: Any, where: Where) -> None:
    expected, takes = _EXPECTED_TYPES.get(name, (list, "a list"))
    if not isinstance(value, expected) or (expected is not bool and isinstance(value, bool)):
        raise document.error(f"{name} takes {takes}", *where)
    if name == "maxRejectedPercent" and isinstance(value, int | float) and not 0 <= value <= 100:
        raise document.error(f"maxRejectedPercent takes a number from 0 to 100, not {value}", *where)
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        raise document.error(f"{name} takes a list of texts; put its items in quotes", *where)
    if name == PII_GATE and value not in PII_GATES:
        raise document.error(f"{PII_GATE} takes {' or '.join(PII_GATES)}, not {value!r}", *where)
    if name == "shortRows" and value not in SHORT_ROWS:
        raise document.error(f"shortRows takes {' or '.join(SHORT_ROWS)}, not {value!r}", *where)
