"""Refuses unquoted YAML values that are not what they show: ``NO`` is false, ``007`` is 7, ``12:30`` is 750.

YAML 1.1 turns them into other values before a contract is read. Only the fields that decide which rows are accepted are
checked, because a misread example or description changes nothing.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

from etl_platform.engine.contract.located_yaml import Located, Where, is_number
from etl_platform.engine.errors import ContractError

_TEXT_LISTS = frozenset({"enum", "validValues", "missingValues"})
_TEXTS = frozenset({"value", "label", "synonym"})
_NUMBERS = frozenset(
    [
        *("minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "primaryKeyPosition"),
        *("mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan"),
        *("mustBeLessOrEqualTo", "mustBeBetween", "mustNotBeBetween"),
    ]
)
_EXCLUSIVE = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
"""Booleans in v3.0, which say whether another bound is exclusive; bounds since v3.1."""
_SERVICE_LEVELS = ("frequency", "latency", "freshness")
_BOOLEANS = frozenset({"true", "false"})


def misread_values(document: Located) -> Iterator[ContractError]:
    """An error for each text or number in the schema that YAML reads as another value."""
    for where, (written, value) in document.unquoted.items():
        if not _is_read(document, where):
            continue
        if value is None and where[-2:-1] in (("missingValues",), ("validValues",)):
            continue
        if _is_text(where):
            fits = _is_same_text(written, value) or (
                where[-1] != "label" and _fits_the_type(document, where, written, value)
            )
        else:
            fits = not _is_number_field(where) or _is_same_number(written, value)
        if not fits:
            yield misread(document, where)


def is_misread(document: Located, where: Where) -> bool:
    """Whether YAML reads this value as another text than the one that is written."""
    return where in document.unquoted and not _is_same_text(*document.unquoted[where])


def misread(document: Located, where: Where) -> ContractError:
    """The error about an unquoted value, with its line."""
    written, value = document.unquoted[where]
    if not written:
        return document.error("this value is empty; fill it, or write the text in quotes", *where)
    if where[-1] in _EXCLUSIVE and isinstance(value, bool):
        return document.error(_since_v31(document, where, value=value), *where)
    shown = "no value" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return document.error(f"YAML reads {written} as {shown}; write it in quotes, '{written}'", *where)


def _since_v31(document: Located, where: Where, *, value: bool) -> str:
    """What v3.1 writes instead of a bound that v3.0 makes exclusive."""
    name, bound = str(where[-1]), _EXCLUSIVE[str(where[-1])]
    options: Any = document.data
    for part in where[:-1]:
        options = options[part]
    said = f"{name}: {str(value).lower()} is of v3.0; since v3.1 it is a bound itself"
    if not value:
        return f"{said}; remove it"
    return (
        f"{said}; write {name}: {options[bound]} and remove {bound}" if bound in options else f"{said}; write a number"
    )


def _is_read(document: Located, where: Where) -> bool:
    """Whether a value is in a part of the document that the reader uses."""
    if where[:1] == ("slaProperties",) and len(where) > 1:
        return _entry(document, where[:2]).get("property") in _SERVICE_LEVELS
    return where[:1] == ("schema",) and "examples" not in where


def _is_text(where: Where) -> bool:
    """Whether a value is used as a text: an allowed value, a label, a synonym, an item of a custom property's list."""
    names = [part for part in where if isinstance(part, str)]
    if "customProperties" in names:
        return names[-1] == "value" and isinstance(where[-1], int)
    return names[-1] in _TEXT_LISTS or (names[-1] in _TEXTS and names[-2:-1] in (["enum"], ["synonyms"]))


def _is_number_field(where: Where) -> bool:
    names = [part for part in where if isinstance(part, str)]
    return bool(names) and (
        names[-1] in _NUMBERS or names[-2:] in (["customProperties", "value"], ["slaProperties", "value"])
    )


def _is_same_text(written: str, value: Any) -> bool:
    return not isinstance(value, bool) and written == (value.isoformat() if isinstance(value, date) else str(value))


def _is_same_number(written: str, value: Any) -> bool:
    """Whether a number is the one that its digits show; other values have checks of their own."""
    if not is_number(value):
        return True
    try:
        return value == (int(written) if isinstance(value, int) else float(written))  # type: ignore[no-any-return]
    except ValueError:
        return False


def _fits_the_type(document: Located, where: Where, written: str, value: Any) -> bool:
    """Whether a column of another type than string reads the value as it is written: ``true``, or 1.50 as a number."""
    is_of_column = where[2:3] == ("properties",) and len(where) > 4
    kind = _entry(document, where[:4]).get("logicalType", "string") if is_of_column else "string"
    if isinstance(value, bool):
        return kind == "boolean" and written.lower() in _BOOLEANS
    return kind in ("number", "integer") and is_number(value) and _is_same_number(written, value)


def _entry(document: Located, where: Where) -> dict[str, Any]:
    """The mapping at a path; empty if there is another value, because the document's structure is not checked yet."""
    entry: Any = document.data
    for part in where:
        entry = entry[part]
    return entry if isinstance(entry, dict) else {}
