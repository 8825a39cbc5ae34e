"""Foreign keys as a contract declares them in ``relationships``. Structure only: other contracts are not read here.

A reference names a dataset and a column (``officer_detail.officer_id``), or their ids
(``schema/officers/properties/officer``), which only a folder of contracts can resolve (``foreign_key_targets``).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from etl_platform.engine.contract.custom_properties import RELATIONSHIP_CUSTOM, read_custom
from etl_platform.engine.contract.dataset_rules import Severity
from etl_platform.engine.contract.foreign_keys import ForeignKey, Reference
from etl_platform.engine.contract.located_yaml import Located, Where
from etl_platform.engine.contract.model import Column
from etl_platform.engine.errors import ContractError, ErrorList
from etl_platform.engine.near_names import did_you_mean_or_all

_FORMS = "dataset.column or schema/<id>/properties/<id>"


def read_foreign_keys(document: Located, columns: Sequence[Column]) -> tuple[ForeignKey, ...]:
    """The foreign keys of the schema and of its properties, in the order of lines.

    Raises:
        ContractError: a reference has another form, ``from`` is not of this contract, or the two sides do not match.
    """
    schema, errors = document.data["schema"][0], ErrorList()
    found: dict[tuple[Any, ...], ForeignKey] = {}
    for own, entry, here in _entries(schema):
        with errors.collect():
            key = _foreign_key(document, entry, own or _own_columns(document, entry, columns, here), here)
            same = (key.columns, tuple(one.text for one in key.to))
            if same in found:
                message = f"this relationship is also in line {found[same].line}; keep one"
                raise document.error(message, *here)
            found[same] = key
    errors.raise_any()
    return tuple(sorted(found.values(), key=lambda key: key.line))


def _entries(schema: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any], Where]]:
    """Each relationship with its own column, where that is given by its place."""
    for place, entry in enumerate(schema.get("relationships") or []):
        yield (), entry, ("schema", 0, "relationships", place)
    for index, column in enumerate(schema.get("properties") or []):
        for place, entry in enumerate(column.get("relationships") or []):
            yield (column["name"],), entry, ("schema", 0, "properties", index, "relationships", place)


def _foreign_key(document: Located, entry: Mapping[str, Any], own: tuple[str, ...], here: Where) -> ForeignKey:
    to = tuple(_reference(document, text, (*here, "to")) for text in _listed(entry["to"]))
    if len(to) != len(own):
        counted = f"{len(own)} column{'s'[: len(own) - 1]} to {len(to)}"
        hint = "name as many on both sides"
        if here[2] == "properties":
            hint = "write a key of several columns under relationships of the schema, with from"
        raise document.error(f"this relationship refers from {counted}; {hint}", *here, "to")
    if len({(one.file, one.dataset) for one in to}) > 1:
        raise document.error("to names columns of several datasets; write a relationship for each", *here, "to")
    severity = read_custom(document, entry, RELATIONSHIP_CUSTOM, *here).get("severity", Severity.WARNING)
    if severity not in set(Severity):
        raise document.error(f"severity {severity!r} is unknown; use warning or error", *here, "customProperties")
    others = tuple(one.column for one in to)
    return ForeignKey(own, to, to[0].dataset, others, Severity(severity), document.line(*here))


def _own_columns(
    document: Located, entry: Mapping[str, Any], columns: Sequence[Column], here: Where
) -> tuple[str, ...]:
    """The columns that ``from`` names."""
    schema, where = document.data["schema"][0], (*here, "from")
    names: list[str] = []
    for text in _listed(entry["from"]):
        own = _reference(document, text, where)
        if own.dataset != schema["name"] and not (own.by_id and own.dataset == schema.get("id")):
            message = f"from names {own.dataset}, but the columns of this contract are in {schema['name']}"
            raise document.error(f"{message}; write {schema['name']}.{own.column}", *where)
        names.append(column_named(own, columns, document.error("", *where), schema["name"]).name)
    if len(set(names)) < len(names):
        raise document.error("from names a column twice; keep one", *where)
    return tuple(names)


def column_named(reference: Reference, columns: Sequence[Column], at: ContractError, dataset: str) -> Column:
    """The column that a reference means.

    Args:
        at: the place that an error names.
    """
    found = [column for column in columns if reference.by_id and column.id == reference.column]
    found += [column for column in columns if column.name == reference.column]
    if not found:
        hint = did_you_mean_or_all(reference.column, (column.name for column in columns))
        message = f"{dataset} has no column {reference.column!r}{hint}"
        raise ContractError(message, path=at.path, line=at.line)
    return found[0]


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _reference(document: Located, text: str, where: Where) -> Reference:
    if "/" not in text:
        parts = text.split(".")
        if len(parts) != 2:
            raise document.error(f"{text!r} is not a column of a flat file; write {_FORMS}", *where)
        return Reference(text, parts[0], parts[1])
    file, _, path = text.rpartition("#")
    if file.startswith(("http:", "https:")):
        message = f"{file} is not read; put that contract beside this one, and write {_FORMS}"
        raise document.error(message, *where)
    parts = path.strip("/").split("/")
    if len(parts) != 4 or (parts[0], parts[2]) != ("schema", "properties"):
        raise document.error(f"{text!r} is not a column of a flat file; write {_FORMS}", *where)
    return Reference(text, parts[1], parts[3], by_id=True, file=PurePosixPath(file).name or None)
