"""Checks that a JSON response matches the declaration, and returns its records. No network.

Error messages quote no value of a response, because it may be personal data.
"""

from typing import Any

from etl_platform.errors import ApiResponseError
from etl_platform.rest_apis.records import Record
from etl_platform.rest_apis.source import ApiResource, Keys


def records_of(where: str, resource: ApiResource, document: Any) -> list[Record]:
    """The declared list of records.

    Raises:
        ApiResponseError: there is no such list, a record is not an object, or the next cursor or link is not a string.
    """
    records = _at_data_path(where, document, resource.data)
    if not isinstance(records, list):
        path = ".".join(resource.data) or "the top level"
        raise ApiResponseError(f"{where}: expected a list of records at {path}, found {_kind(records)}; see data_path")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise ApiResponseError(f"{where}: record {number} of a page is {_kind(record)}, not an object")
    pagination = resource.pagination
    if pagination.next and isinstance(document, dict):
        following = value_at(document, pagination.next)
        if following is not None and not isinstance(following, str):
            raise ApiResponseError(f"{where}: {'.'.join(pagination.next)} is {_kind(following)}, not a string")
    return records


def _at_data_path(where: str, document: Any, keys: Keys) -> Any:
    for depth, key in enumerate(keys):
        if not isinstance(document, dict) or key not in document:
            raise ApiResponseError(f"{where}: the response has no {'.'.join(keys[: depth + 1])}; see data_path")
        document = document[key]
    return document


def value_at(document: Any, keys: Keys) -> Any:
    """The value at a path of a response; None if the path does not exist."""
    for key in keys:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value), "a single value")
