"""How the platform treats each field of ODCS 3.0 to 3.2: read, refused, or for people only. Names only, no rules.

Every field of the standard's schema is in ``FIELDS``, or below one that is for people or refused; a test compares both.
A field that is read has its effect in one of the readers, which refuse the values that they do not know.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from enum import Enum
from functools import cache
from typing import Any

from etl_platform.engine.contract.custom_properties import OURS, RELATIONSHIP_CUSTOM
from etl_platform.engine.contract.dataset_rules import OPERATORS
from etl_platform.engine.contract.derived_columns_reader import states_decimal
from etl_platform.engine.contract.located_yaml import Located, Where
from etl_platform.engine.contract.named_formats import PEOPLE_ONLY
from etl_platform.engine.contract.odcs_structure import has_any_fields
from etl_platform.engine.contract.reading_overrides import other_servers
from etl_platform.engine.contract.retention import RETENTION, erases
from etl_platform.engine.contract.rule_reader import COLUMN_FIELDS

_LINES_SHOWN = 3


class Treatment(Enum):
    """What a field does when it stands in a contract."""

    READ = "has an effect"
    REFUSED = "an error"
    PEOPLE = "for people only"


_CUSTOM = {"customProperties[].property": Treatment.READ, "customProperties[].value": Treatment.READ}
_PEOPLE_EVERYWHERE = ("id", "tags", "authoritativeDefinitions")
_READ_BY_RULES = ("type", "name", "description", "severity", "metric", "unit", "arguments", "engine", "implementation")
_COMPARISONS = tuple(OPERATORS)
_OPTIONS_READ = (*COLUMN_FIELDS, "timezone")
_OPTIONS_REFUSED = (
    *("multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "required"),
    *("dimensions", "distanceMetric", "elementType", "embeddingModel", "embeddingModelVersion", "normalized"),
)


def _under(path: str, treatment: Treatment, *names: str) -> dict[str, Treatment]:
    return {f"{path}{name}": treatment for name in names}


def _quality(path: str) -> dict[str, Treatment]:
    here = f"{path}quality[]."
    return {
        **_under(here, Treatment.READ, *_READ_BY_RULES, *_COMPARISONS),
        **_under(here, Treatment.REFUSED, "query", "rule"),
        **_under(here, Treatment.PEOPLE, *_PEOPLE_EVERYWHERE, "businessImpact", "dimension", "method"),
        **_under(here, Treatment.PEOPLE, "schedule", "scheduler", "customProperties"),
    }


def _relationship(path: str) -> dict[str, Treatment]:
    here = f"{path}relationships[]."
    return {
        **_under(here, Treatment.READ, "type", "to", *_CUSTOM),
        f"{here}id": Treatment.PEOPLE,
        **_under(f"{here}customProperties[].", Treatment.PEOPLE, "id", "description", "vendor"),
    }


FIELDS: Mapping[str, Treatment] = {
    **_under("", Treatment.READ, "apiVersion", "kind", "id", "version", "status", "domain", "description.purpose"),
    **_under("", Treatment.READ, "team.name"),
    **_under(
        "", Treatment.PEOPLE, "name", "tenant", "tags", "dataProduct", "price", "contractCreatedTs", "support", "roles"
    ),
    **_under("", Treatment.PEOPLE, "authoritativeDefinitions", "customProperties", "context", "slaDefaultElement"),
    **_under("description.", Treatment.PEOPLE, "usage", "limitations", "authoritativeDefinitions", "customProperties"),
    **_under("team.", Treatment.PEOPLE, *_PEOPLE_EVERYWHERE, "description", "members", "customProperties"),
    "team[]": Treatment.PEOPLE,
    **_under("servers[].", Treatment.READ, "server", "type", "format", "encoding", "delimiter"),
    **_under(
        "servers[].", Treatment.PEOPLE, "id", "description", "environment", "roles", "customProperties", "account"
    ),
    **_under("servers[].", Treatment.PEOPLE, "catalog", "catalogUrl", "database", "dataset", "endpointUrl", "host"),
    **_under(
        "servers[].", Treatment.PEOPLE, "location", "namespace", "path", "port", "project", "region", "regionName"
    ),
    **_under("servers[].", Treatment.PEOPLE, "schema", "serviceName", "stagingDir", "stream", "warehouse", "workgroup"),
    **_under("schema[].", Treatment.READ, "name", "physicalName", "description", "dataGranularityDescription"),
    **_under("schema[].", Treatment.READ, "logicalType"),
    **{f"schema[].{name}": treatment for name, treatment in _CUSTOM.items()},
    **_under("schema[].customProperties[].", Treatment.PEOPLE, "id", "description", "vendor"),
    **_under(
        "schema[].", Treatment.PEOPLE, *_PEOPLE_EVERYWHERE, "physicalType", "businessName", "context", "deprecated"
    ),
    "schema[].synonyms": Treatment.PEOPLE,
    **_relationship("schema[]."),
    "schema[].relationships[].from": Treatment.READ,
    **_quality("schema[]."),
    **_under(
        "schema[].properties[].", Treatment.READ, "name", "physicalName", "description", "logicalType", "required"
    ),
    **_under("schema[].properties[].", Treatment.READ, "unique", "primaryKey", "primaryKeyPosition", "classification"),
    **_under("schema[].properties[].", Treatment.READ, "physicalType", "transformLogic", "transformSourceObjects"),
    **_under("schema[].properties[].logicalTypeOptions.", Treatment.READ, *_OPTIONS_READ),
    **_under("schema[].properties[].logicalTypeOptions.", Treatment.REFUSED, *_OPTIONS_REFUSED),
    "schema[].properties[].logicalTypeOptions.defaultTimezone": Treatment.PEOPLE,
    **_under("schema[].properties[].enum[].", Treatment.READ, "value", "label"),
    **_under("schema[].properties[].enum[].", Treatment.PEOPLE, *_PEOPLE_EVERYWHERE, "description", "customProperties"),
    **_under("schema[].properties[].synonyms[].", Treatment.READ, "synonym"),
    **_under("schema[].properties[].synonyms[].", Treatment.PEOPLE, "id", "description", "locale", "source", "status"),
    "schema[].properties[].synonyms[].customProperties": Treatment.PEOPLE,
    **{f"schema[].properties[].{name}": treatment for name, treatment in _CUSTOM.items()},
    **_under("schema[].properties[].customProperties[].", Treatment.PEOPLE, "id", "description", "vendor"),
    **_under("schema[].properties[].", Treatment.PEOPLE, *_PEOPLE_EVERYWHERE, "businessName", "criticalDataElement"),
    **_under("schema[].properties[].", Treatment.PEOPLE, "deprecated", "encryptedName", "examples", "semanticType"),
    **_under("schema[].properties[].", Treatment.PEOPLE, "partitioned", "partitionKeyPosition", "transformDescription"),
    **_relationship("schema[].properties[]."),
    "schema[].properties[].relationships[].from": Treatment.REFUSED,
    **_under("schema[].properties[].", Treatment.REFUSED, "items", "map", "properties"),
    **_quality("schema[].properties[]."),
    **_under("slaProperties[].", Treatment.READ, "property", "value", "unit", "element", "description"),
    **_under("slaProperties[].", Treatment.READ, "customProperties[].property", "customProperties[].value"),
    **_under("slaProperties[].customProperties[].", Treatment.PEOPLE, "id", "description", "vendor"),
    **_under("slaProperties[].", Treatment.READ, "schedule", "scheduler", "valueExt"),
    **_under("slaProperties[].", Treatment.PEOPLE, "id", "driver", "authoritativeDefinitions"),
}
"""Treatment by path; ``[]`` stands for each item of a list. What is below a path is treated alike."""


def fields_for_people(document: Located) -> list[Where]:
    """The path of each field in a document that is for people, in the order of lines."""
    found: list[Where] = []
    open_values: list[tuple[Any, Mapping[str, Any], Where]] = [(document.data, _tree(), ())]
    while open_values:
        value, tree, where = open_values.pop()
        if isinstance(value, list):
            if (below := tree.get("[]")) is Treatment.PEOPLE:
                found += [(*where, place) for place in range(len(value))]
            elif below is not None:
                open_values += [(item, below, (*where, place)) for place, item in enumerate(value)]
        elif isinstance(value, dict):
            for name in value.keys() & tree.keys():
                if tree[name] is not Treatment.PEOPLE:
                    open_values.append((value[name], tree[name], (*where, name)))
                elif value[name] not in (None, False, "", [], {}):
                    found.append((*where, name))
    return sorted(found, key=lambda where: document.line(*where))


def people_note(document: Located, fields: Iterable[Where]) -> Iterator[str]:
    """One sentence with everything in a document that only people read, and its lines; none if there is nothing.

    Args:
        fields: that are for people, of this document.
    """
    found: dict[str, list[int]] = {}
    labels = ((_label(where), document.line(*where)) for where in fields)
    for label, line in (*labels, *_values_for_people(document)):
        found.setdefault(label, []).append(line)
    if found:
        yield f"{document.path}: for people only: " + ", ".join(
            f"{label} ({_lines(lines)})" for label, lines in found.items()
        )


def _label(where: Where) -> str:
    """A field with the one around it, such as ``description.limitations``."""
    *around, name = (part for part in where if isinstance(part, str))
    return ".".join([*(part for part in around[-1:] if part not in ("schema", "properties")), name])


def _lines(lines: list[int]) -> str:
    distinct = sorted(set(lines))
    shown, more = ", ".join(map(str, distinct[:_LINES_SHOWN])), len(distinct) - _LINES_SHOWN
    return f"line{'s'[: len(distinct) - 1]} {shown}" + (f" and {more} more" if more > 0 else "")


@cache
def _tree() -> dict[str, Any]:
    """The fields that are for people as nested mappings, in the form of a document; ``[]`` is each item of a list."""
    top: dict[str, Any] = {}
    for path, treatment in FIELDS.items():
        if treatment is Treatment.PEOPLE:
            *parents, last = path.replace("[]", ".[]").split(".")
            level = top
            for part in parents:
                level = level.setdefault(part, {})
            level[last] = treatment
    return top


def _values_for_people(document: Located) -> Iterator[tuple[str, int]]:
    """Values that nothing reads, in fields that are read with other values."""
    for place, field in (*other_servers(document), *_fields_of_v30_servers(document)):
        yield f"{field} of servers.{place}", document.line("servers", place, field)
    for place, entry in enumerate(document.data.get("slaProperties") or []):
        is_read = entry["property"] == RETENTION and erases(document)
        if entry["property"] not in ("frequency", "latency", "freshness") and not is_read:
            yield f"slaProperties {entry['property']}", document.line("slaProperties", place)
    schema = ("schema", 0)
    yield from _unread_in(document, document.data["schema"][0], schema)
    for index, entry in enumerate(document.data["schema"][0].get("properties") or []):
        here = (*schema, "properties", index)
        yield from _unread_in(document, entry, here)
        if entry.get("physicalType") and (entry.get("logicalType") != "number" or not states_decimal(entry)):
            yield "physicalType", document.line(*here, "physicalType")
        if "transformSourceObjects" in entry and not entry.get("transformLogic") and not _has_lookup(entry):
            yield "transformSourceObjects", document.line(*here, "transformSourceObjects")
        option = (entry.get("logicalTypeOptions") or {}).get("format")
        if option in PEOPLE_ONLY:
            yield f"format {option}", document.line(*here, "logicalTypeOptions", "format")


def _fields_of_v30_servers(document: Located) -> Iterator[tuple[int, str]]:
    """Position and name of fields that the standard does not have; v3.0 allows any."""
    for place, server in enumerate(document.data.get("servers") or []):
        if has_any_fields(document.data, ("servers", place)):
            yield from ((place, field) for field in server if f"servers[].{field}" not in FIELDS)


def _has_lookup(entry: Mapping[str, Any]) -> bool:
    return any(item["property"] == "lookup" for item in entry.get("customProperties") or [])


def _unread_in(document: Located, entry: Mapping[str, Any], here: Where) -> Iterator[tuple[str, int]]:
    yield from _unread_custom(document, entry, OURS, here)
    for place, relationship in enumerate(entry.get("relationships") or []):
        yield from _unread_custom(document, relationship, RELATIONSHIP_CUSTOM, (*here, "relationships", place))
    for place, rule in enumerate(entry.get("quality") or []):
        if rule.get("type") == "text":
            yield "quality of the type text", document.line(*here, "quality", place)


def _unread_custom(
    document: Located, entry: Mapping[str, Any], known: Set[str], here: Where
) -> Iterator[tuple[str, int]]:
    for place, item in enumerate(entry.get("customProperties") or []):
        if item["property"] not in known:
            yield f"custom property {item['property']}", document.line(*here, "customProperties", place)
