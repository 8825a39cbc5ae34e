"""The fields of an overlay: their names, what they take, and why others are refused. Structure only."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from etl_platform.engine.contract.custom_properties import LIKE_LAST_TIME, OURS
from etl_platform.engine.contract.located_yaml import Located, Where, is_number
from etl_platform.engine.contract.rule_reader import COLUMN_FIELDS as OPTIONS
from etl_platform.engine.contract.two_digit_years import PIVOT
from etl_platform.engine.contract.unquoted_values import is_misread, misread
from etl_platform.engine.errors import ContractError
from etl_platform.engine.near_names import did_you_mean_or_all
from etl_platform.engine.reading.characters.unusual_characters import clean_text, has_lost

TOP_FIELDS = (
    *("description", "contact", "encoding", "delimiter", "sheet", "headerLine", "nullTokens"),
    *("frequency", "latency", LIKE_LAST_TIME, "columns"),
)
COLUMN_FIELDS = ("synonyms", "formats", PIVOT, "decimals", "nullTokens", "values")
_OF_CONTRACT = frozenset(
    [
        *("required", "unique", "primaryKey", "primaryKeyPosition", "enum", "logicalType", "physicalType", "name"),
        *("logicalTypeOptions", "quality", "classification", "transformLogic", "validValues", "severity", "status"),
        *("schema", "properties", "id", "version", "physicalName", "servers", "slaProperties", "customProperties"),
        *OPTIONS,
        *OURS,
    ]
) - {*TOP_FIELDS, *COLUMN_FIELDS, "format"}
"""What only the contract sets, for all agencies."""


def unknown_fields(
    document: Located, data: Mapping[str, Any], known: Collection[str], contract: str, here: Where = ()
) -> Iterator[ContractError]:
    """An error for each field that an overlay does not have here."""
    others = set(TOP_FIELDS) | set(COLUMN_FIELDS)
    for name in data:
        where = (*here, name)
        if name in known:
            continue
        if name in _OF_CONTRACT:
            message = f"an overlay cannot set {name}: what a value must be is the same for every agency"
            yield document.error(f"{message}; change the contract {contract}, or remove it", *where)
        elif name in others:
            place = "under a column" if name in COLUMN_FIELDS else "at the top of the overlay"
            yield document.error(f"{name} belongs {place}; move it there", *where)
        else:
            yield document.error(f"an overlay has no field {name!r} here{did_you_mean_or_all(name, known)}", *where)


def text(document: Located, value: Any, *where: str | int) -> str:
    """A text as it is written; ContractError if YAML reads another value, or it is empty."""
    if is_misread(document, where):
        raise misread(document, where)
    if value is None or isinstance(value, dict | list) or not str(value).strip():
        raise document.error(f"{_named(where)} takes a text", *where)
    return str(value)


def cell_text(document: Located, value: Any, *where: str | int) -> str:
    """A text of cells as they have it once they are clean. One of invisible characters alone is empty."""
    if not (found := clean_text(text(document, value, *where))).strip():
        raise document.error(f"{_named(where)} takes a text", *where)
    if has_lost(found):
        raise document.error(f"{_named(where)} has a control character, which no cell has; remove it", *where)
    return found


def texts(document: Located, value: Any, *where: str | int) -> tuple[str, ...]:
    """A list of texts without repetitions."""
    if not isinstance(value, list) or not value:
        raise document.error(f"{_named(where)} takes a list of texts, such as ['one', 'two']", *where)
    return tuple(dict.fromkeys(text(document, item, *where, place) for place, item in enumerate(value)))


def cell_texts(document: Located, value: Any, *where: str | int) -> tuple[str, ...]:
    found = texts(document, value, *where)
    return tuple(dict.fromkeys(cell_text(document, item, *where, place) for place, item in enumerate(found)))


def whole(document: Located, value: Any, lowest: int, highest: int, *where: str | int) -> int:
    if not isinstance(value, int) or not is_number(value) or not lowest <= value <= highest:
        raise document.error(f"{_named(where)} takes a whole number of {lowest:,} to {highest:,}", *where)
    return value


def mapping(document: Located, value: Any, example: str, *where: str | int) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise document.error(f"{_named(where)} takes a mapping, such as {example}", *where)
    return value


def _named(where: Where) -> str:
    return next((str(part) for part in reversed(where) if isinstance(part, str)), "this")
