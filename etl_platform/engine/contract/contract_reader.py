"""ODCS contract text → Contract. Structure only: whether its rules compile is decided in ``rules``.

The Open Data Contract Standard (https://bitol-io.github.io/open-data-contract-standard/) defines the grammar and a JSON
schema; this reader supports the part of it that describes one flat table. An unsupported
property that would change which rows are accepted is an error, so that no rule is silently ignored.
"""

import hashlib
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from etl_platform.engine.contract.cadence import read_cadence
from etl_platform.engine.contract.classifications import classification_notes
from etl_platform.engine.contract.dataset_rule_reader import read_dataset_rules
from etl_platform.engine.contract.derived_columns_reader import (
    check_case,
    check_derivation,
    decimal_type,
    enum_labels,
    letter_case,
    read_hook,
    read_lookup,
)
from etl_platform.engine.contract.drift_limits import LIKE_LAST_TIME, read_drift_limits
from etl_platform.engine.contract.located_yaml import Located, Where, load_located
from etl_platform.engine.contract.model import (
    DELIVERY_DAY,
    NAME,
    Column,
    ColumnType,
    Contract,
    ReferenceTable,
    fold,
    usual_file_name,
)
from etl_platform.engine.contract.odcs_structure import check_structure
from etl_platform.engine.contract.reading_overrides import read_overrides
from etl_platform.engine.contract.rule_reader import (
    COLUMN_FIELDS,
    check_not_future,
    check_two_digit_years,
    read_library_rules,
    read_options,
    read_row_rules,
)
from etl_platform.engine.contract.two_digit_years import PIVOT

SHORT_ROWS = ("pad", "quarantine")
_RESERVED_DATASET = re.compile("reports|.*_quarantine", re.IGNORECASE)
"""SQL and Athena have tables of these names beside those of the datasets."""


def parse_contract(text: str, path: str, references: Mapping[str, ReferenceTable] | None = None) -> Contract:
    """Read one ODCS document.

    Args:
        text: YAML.
        path: where it came from, for messages.
        references: the tables that lookups may use.

    Raises:
        ContractError: with file and line of the first problem.
    """
    document = load_located(text, path)
    check_structure(document, _COLUMN_CUSTOM | _SCHEMA_CUSTOM)
    schemas = document.data.get("schema") or []
    if len(schemas) != 1:
        raise document.error(f"a contract describes one file, so schema needs one entry, not {len(schemas)}", "schema")
    return _Reader(document, schemas[0], references or {}).contract(text)


_COLUMN_CUSTOM = {
    *("formats", "nullTokens", "trueValues", "falseValues", "trim", "case", "useLabels"),
    *("lookup", "computed", "knownValues", "notFuture", PIVOT),
}
_SCHEMA_CUSTOM = {
    *("filePatterns", "trim", "nullTokens", "maxRejectedPercent", "case", "sheet", "headerLine"),
    *("quote", "escape", "header"),
    *("transform", "transformFrame", "shortRows", LIKE_LAST_TIME, PIVOT),
}
_EXPECTED_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    **dict.fromkeys(("trim", "useLabels", "computed", "notFuture"), (bool, "true or false")),
    **dict.fromkeys(("case", "transform", "transformFrame", "sheet", "shortRows", "quote", "escape"), (str, "a text")),
    "header": (str, "the text none"),
    **dict.fromkeys(("headerLine", PIVOT), (int, "a number")),
    "maxRejectedPercent": ((int, float), "a number"),
    LIKE_LAST_TIME: (dict, "a mapping such as {rowsPercent: 60}"),
    "lookup": (dict, "a mapping with table, key, take and optionally from"),
}
"""Type of each custom property, and how a message names it; all others take a list."""


class _Reader:
    """Reads one document that the standard's schema accepts; collects notes about ignored properties."""

    def __init__(self, document: Located, schema: dict[str, Any], references: Mapping[str, ReferenceTable]) -> None:
        self.document, self.schema, self.references = document, schema, references
        self.notes: list[str] = []
        self.custom = self._custom_properties(schema, _SCHEMA_CUSTOM, "schema", 0)
        check_case(document, self.custom, "schema", 0)

    def contract(self, text: str) -> Contract:
        data, schema = self.document.data, self.schema
        if not NAME.fullmatch(schema["name"]):
            raise self.document.error(
                f"schema name {schema['name']!r} is invalid; use a to z, A to Z, digits and _, a letter first",
                "schema",
                0,
                "name",
            )
        if _RESERVED_DATASET.fullmatch(schema["name"]):
            message = f"schema name {schema['name']!r} is that of a table of the platform; choose another name"
            raise self.document.error(message, "schema", 0, "name")
        columns = tuple(self._column(i, entry) for i, entry in enumerate(schema.get("properties") or []))
        if not any(column.in_file for column in columns):
            raise self.document.error("a contract needs at least one property that the file has", "schema", 0)
        self._refuse_ambiguous(columns)
        self.notes += classification_notes(self.document.path, columns)
        keyed = sorted(
            (entry.get("primaryKeyPosition", 0), i, entry["name"])
            for i, entry in enumerate(schema["properties"])
            if entry.get("primaryKey")
        )
        row_rules = read_row_rules(self.document, {column.name for column in columns})
        taken = {column.name for column in columns} | {rule.name for rule in row_rules}
        return Contract(
            path=self.document.path,
            id=data["id"],
            version=str(data["version"]),
            sha256=_contract_sha256(text, columns),
            dataset=schema["name"],
            physical_name=usual_file_name(schema.get("physicalName") or schema["name"]),
            file_patterns=tuple(self.custom.get("filePatterns", ())),
            description=schema.get("description") or (data.get("description") or {}).get("purpose") or "",
            grain=schema.get("dataGranularityDescription", ""),
            owner=_owner(data.get("team")),
            domain=data.get("domain"),
            line=self.document.line("schema", 0),
            columns=columns,
            primary_key=tuple(name for _, _, name in keyed),
            row_rules=row_rules,
            dataset_rules=read_dataset_rules(self.document, {c.name: c.type for c in columns}, taken),
            max_rejected_percent=self.custom.get("maxRejectedPercent"),
            reading_overrides=read_overrides(self.document, self.custom),
            cadence=read_cadence(self.document),
            drift_limits=read_drift_limits(self.document, self.custom, {column.name for column in columns}),
            notes=tuple(self.notes),
            pads_short_rows=self.custom.get("shortRows") == "pad",
            hook=read_hook(self.document, self.custom, columns, "schema", 0),
        )

    def _column(self, index: int, entry: dict[str, Any]) -> Column:
        here = ("schema", 0, "properties", index)
        if not NAME.fullmatch(entry["name"]):
            raise self.document.error(
                f"column name {entry['name']!r} is invalid; use a to z, A to Z, digits and _, a letter first", *here
            )
        if entry["name"] == DELIVERY_DAY:
            message = "is reserved for the day of delivery in SQL; rename the column, and add the header as a synonym"
            raise self.document.error(f"{DELIVERY_DAY} {message}", *here)
        kind = self._type(entry, here)
        options = read_options(self.document, entry, here)
        custom = self._custom_properties(entry, _COLUMN_CUSTOM, *here)
        formats = [options.pop("format", None), *custom.get("formats", ())]
        rules = read_library_rules(self.document, entry, here)
        is_whole_key = (
            bool(entry.get("primaryKey")) and sum(bool(p.get("primaryKey")) for p in self.schema["properties"]) == 1
        )
        column = Column(
            name=entry["name"],
            type=kind,
            line=self.document.line(*here),
            description=entry.get("description", ""),
            required=bool(entry.get("required") or entry.get("primaryKey") or rules.pop("required", False)),
            unique=bool(entry.get("unique") or is_whole_key or rules.pop("unique", False)),
            classification=entry.get("classification"),
            synonyms=tuple(item["synonym"] for item in entry.get("synonyms") or ()),
            allowed=_allowed(entry.get("enum")) or rules.pop("allowed", None),
            formats=tuple(f for f in formats if f and f != "money"),
            money="money" in formats,
            null_tokens=tuple(map(str, custom.get("nullTokens", self.custom.get("nullTokens", ())))),
            true_values=tuple(map(str, custom.get("trueValues", ()))),
            false_values=tuple(map(str, custom.get("falseValues", ()))),
            known_values=tuple(custom.get("knownValues", ())),
            trim=bool(custom.get("trim", self.custom.get("trim", False))),
            not_future=custom.get("notFuture", False),
            two_digit_years_from=custom.get(PIVOT, self.custom.get(PIVOT)),
            **self._derivation(entry, kind, custom, here),
            **{COLUMN_FIELDS[name]: value for name, value in options.items()},
        )
        check_derivation(self.document, entry, column, custom, *here)
        check_not_future(self.document, column, here)
        check_two_digit_years(self.document, column, custom, here)
        return column

    def _derivation(
        self, entry: dict[str, Any], kind: ColumnType, custom: dict[str, Any], here: Where
    ) -> dict[str, Any]:
        """The fields of ``Column`` about how its value is derived."""
        fields: dict[str, Any] = {
            "case": letter_case(self.document, custom, self.custom.get("case"), kind, here),
            "decimal": decimal_type(self.document, entry, kind, here),
            "expression": entry.get("transformLogic"),
            "computed": custom.get("computed", False),
        }
        check_case(self.document, custom, *here)
        if custom.get("useLabels"):
            fields["labels"] = enum_labels(self.document, entry, kind, here)
        if "lookup" in custom:
            fields["lookup"] = read_lookup(self.document, custom["lookup"], self.references, entry["name"], here)
        if "transformSourceObjects" in entry:
            fields["declared_sources"] = tuple(entry["transformSourceObjects"])
        return fields

    def _type(self, entry: dict[str, Any], here: Where) -> ColumnType:
        try:
            return ColumnType(entry.get("logicalType", "string"))
        except ValueError:
            raise self.document.error(
                f"logicalType {entry['logicalType']!r} is not supported in a flat file; use {', '.join(ColumnType)}",
                *here,
            ) from None

    def _custom_properties(self, entry: dict[str, Any], known: set[str], *here: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for position, item in enumerate(entry.get("customProperties") or []):
            name, value = item["property"], item["value"]
            where = (*here, "customProperties", position)
            if name in _COLUMN_CUSTOM | _SCHEMA_CUSTOM and name not in known:
                level = "schema" if known is _COLUMN_CUSTOM else "property"
                raise self.document.error(f"custom property {name!r} belongs to a {level}; move it there", *where)
            if close := get_close_matches(name, known - {name}, 1, 0.8) if name not in known else []:
                raise self.document.error(f"custom property {name!r} is unknown; did you mean {close[0]}?", *where)
            if name in values:
                raise self.document.error(f"custom property {name!r} is repeated; keep one", *where)
            if name not in known:
                line = self.document.line(*where)
                self.notes.append(f"{self.document.path}:{line}: custom property {name!r} is unknown and ignored")
                continue
            expected, takes = _EXPECTED_TYPES.get(name, (list, "a list"))
            if not isinstance(value, expected) or (expected is not bool and isinstance(value, bool)):
                raise self.document.error(f"{name} takes {takes}", *where)
            if name == "maxRejectedPercent" and isinstance(value, int | float) and not 0 <= value <= 100:
                raise self.document.error(f"maxRejectedPercent takes a number from 0 to 100, not {value}", *where)
            if isinstance(value, list) and not all(isinstance(item, str) for item in value):
                raise self.document.error(f"{name} takes a list of texts; put its items in quotes", *where)
            if name == "shortRows" and value not in SHORT_ROWS:
                raise self.document.error(f"shortRows takes {' or '.join(SHORT_ROWS)}, not {value!r}", *where)
            values[name] = value
        return values

    def _refuse_ambiguous(self, columns: tuple[Column, ...]) -> None:
        """Raise ContractError if one header could mean two columns, or two columns have the same name."""
        seen: dict[str, str] = {}
        names: dict[str, str] = {}
        for index, column in enumerate(columns):
            aliases = dict.fromkeys(map(fold, column.header_names)) if column.in_file else ()
            taken = next((alias for alias in aliases if alias in seen), None)
            if taken is not None or fold(column.name) in names:
                alias = taken or fold(column.name)
                owner = seen.get(alias) or names[alias]
                raise self.document.error(
                    f"{column.name}: the header {alias!r} already belongs to {owner}; remove it from one of them",
                    "schema",
                    0,
                    "properties",
                    index,
                )
            seen |= dict.fromkeys(aliases, column.name)
            names[fold(column.name)] = column.name


def _contract_sha256(text: str, columns: tuple[Column, ...]) -> str:
    """SHA-256 of the text and of the reference tables, because a changed table changes the contract."""
    tables = sorted({(c.lookup.table.name, c.lookup.table.sha256) for c in columns if c.lookup is not None})
    return hashlib.sha256("\0".join((text, *(sha256 for _, sha256 in tables))).encode()).hexdigest()


def _allowed(entries: Any) -> tuple[str, ...] | None:
    return tuple(str(e["value"] if isinstance(e, dict) else e) for e in entries) if entries else None


def _owner(team: Any) -> str | None:
    return team.get("name") if isinstance(team, dict) else None
