"""ODCS contract text → Contract. Structure only: whether its rules compile is decided in ``rules``.

The Open Data Contract Standard (https://bitol-io.github.io/open-data-contract-standard/) defines the grammar and a JSON
schema; this reader supports the part of it that describes one flat table. An unsupported
property that would change which rows are accepted is an error, so that no rule is silently ignored.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from etl_platform.engine.contract.cadence import read_cadence
from etl_platform.engine.contract.classifications import classification_notes
from etl_platform.engine.contract.column_reader import ColumnReader
from etl_platform.engine.contract.contract_status import read_status, status_notes
from etl_platform.engine.contract.custom_properties import (
    OURS,
    PII_GATE,
    SCHEMA_CUSTOM,
    misplaced,
    read_custom,
    schema_custom_place,
)
from etl_platform.engine.contract.dataset_rule_reader import read_dataset_rules
from etl_platform.engine.contract.derived_columns_reader import check_case, read_hook
from etl_platform.engine.contract.drift_limits import read_drift_limits
from etl_platform.engine.contract.foreign_key_reader import read_foreign_keys
from etl_platform.engine.contract.located_yaml import Located, load_located
from etl_platform.engine.contract.model import (
    NAME,
    RESERVED_DATASET,
    Column,
    Contract,
    ReferenceTable,
    fold,
    usual_file_name,
)
from etl_platform.engine.contract.odcs_fields import fields_for_people, people_note
from etl_platform.engine.contract.odcs_structure import check_structure
from etl_platform.engine.contract.reading_overrides import read_overrides
from etl_platform.engine.contract.retention import read_retention
from etl_platform.engine.contract.rule_reader import read_row_rules
from etl_platform.engine.errors import ErrorList

_SCHEMAS_SHOWN = 3


def parse_contract(text: str, path: str, references: Mapping[str, ReferenceTable] | None = None) -> Contract:
    """Read one ODCS document.

    Args:
        text: YAML.
        path: where it came from, for messages.
        references: the tables that lookups may use.

    Raises:
        ContractError: with file and line; if several independent parts are wrong, all of them (``errors``).
    """
    document = load_located(text, path)
    check_structure(document, OURS)
    schemas = document.data.get("schema") or []
    if not schemas:
        raise document.error("the contract has no schema; add schema with the table that the file holds", "schema")
    if len(schemas) > 1:
        named = ", ".join(str(schema.get("name")) for schema in schemas[:_SCHEMAS_SHOWN])
        named += ", …" if len(schemas) > _SCHEMAS_SHOWN else ""
        message = f"schema has {len(schemas)} tables ({named}), and a contract describes the one of a file"
        raise document.error(f"{message}; write a contract for each", "schema", 1)
    return _Reader(document, schemas[0], references or {}).contract(text)


class _Reader:
    """Reads one document that the standard's schema accepts, and collects the errors of its parts."""

    def __init__(self, document: Located, schema: dict[str, Any], references: Mapping[str, ReferenceTable]) -> None:
        self.document, self.schema, self.references = document, schema, references
        self.errors = ErrorList()
        self.custom: dict[str, Any] = {}

    def contract(self, text: str) -> Contract:
        document, schema, collect = self.document, self.schema, self.errors.collect
        for_people = fields_for_people(document)
        for error in misplaced(document, [where for where in for_people if where[-1] == "customProperties"]):
            with collect():
                raise error
        with collect():
            self.custom = read_custom(document, schema, SCHEMA_CUSTOM, "schema", 0)
            check_case(document, self.custom, "schema", 0)
        with collect():
            self._check_name()
        columns = self._columns()
        # What follows is about all columns, so it would report errors that follow from theirs.
        self.errors.raise_any()
        return self._contract(text, columns, people_note(document, for_people))

    def _contract(self, text: str, columns: tuple[Column, ...], for_people: Iterable[str]) -> Contract:
        document, data, schema, collect = self.document, self.document.data, self.schema, self.errors.collect
        parts: dict[str, Any] = {"row_rules": (), "dataset_rules": ()}
        with collect():
            self._refuse_ambiguous(columns)
        with collect():
            parts["row_rules"] = read_row_rules(document, {column.name for column in columns})
        taken = {column.name for column in columns} | {rule.name for rule in parts["row_rules"]}
        with collect():
            parts["dataset_rules"] = read_dataset_rules(document, {c.name: c.type for c in columns}, taken)
        with collect():
            parts["reading_overrides"] = read_overrides(document, self.custom)
        with collect():
            parts["status"] = read_status(document)
        with collect():
            parts["cadence"] = read_cadence(document)
        with collect():
            parts["erase_after"] = read_retention(document)
        with collect():
            names = {column.name for column in columns}
            parts["drift_limits"] = read_drift_limits(document, self.custom, names)
        with collect():
            parts["foreign_keys"] = read_foreign_keys(document, columns)
        with collect():
            parts["hook"] = read_hook(document, self.custom, columns, "schema", 0)
        self.errors.raise_any()
        return Contract(
            path=document.path,
            id=data["id"],
            version=str(data["version"]),
            sha256=_contract_sha256(text, columns),
            dataset=schema["name"],
            physical_name=usual_file_name(schema.get("physicalName") or schema["name"]),
            file_patterns=tuple(self.custom.get("filePatterns", ())),
            patterns_line=self._patterns_line(),
            description=schema.get("description") or (data.get("description") or {}).get("purpose") or "",
            grain=schema.get("dataGranularityDescription", ""),
            owner=_owner(data.get("team")),
            domain=data.get("domain"),
            line=document.line("schema", 0),
            columns=columns,
            schema_id=schema.get("id"),
            primary_key=_primary_key(schema),
            max_rejected_percent=self.custom.get("maxRejectedPercent"),
            notes=(
                *status_notes(document, parts["status"]),
                *for_people,
                *classification_notes(document.path, columns),
            ),
            rejects_personal_data=self.custom.get(PII_GATE) == "reject",
            pads_short_rows=self.custom.get("shortRows") == "pad",
            **parts,
        )

    def _check_name(self) -> None:
        name = self.schema["name"]
        if not NAME.fullmatch(name):
            message = f"schema name {name!r} is invalid; use a to z, A to Z, digits and _, a letter first"
            raise self.document.error(message, "schema", 0, "name")
        if RESERVED_DATASET.fullmatch(name):
            message = f"schema name {name!r} is that of a table of the platform; choose another name"
            raise self.document.error(message, "schema", 0, "name")

    def _columns(self) -> tuple[Column, ...]:
        reader = ColumnReader(self.document, self.custom, self.references)
        columns: list[Column] = []
        for index, entry in enumerate(self.schema.get("properties") or []):
            with self.errors.collect():
                columns.append(reader.column(index, entry))
        with self.errors.collect():
            # With an error, a column is missing here that the contract has.
            if not self.errors and not any(column.in_file for column in columns):
                raise self.document.error("a contract needs at least one property that the file has", "schema", 0)
        return tuple(columns)

    def _patterns_line(self) -> int | None:
        has_patterns = "filePatterns" in self.custom
        return self.document.line(*schema_custom_place(self.document, "filePatterns")) if has_patterns else None

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


def _primary_key(schema: Mapping[str, Any]) -> tuple[str, ...]:
    keyed = sorted(
        (entry.get("primaryKeyPosition", 0), place, entry["name"])
        for place, entry in enumerate(schema["properties"])
        if entry.get("primaryKey")
    )
    return tuple(name for _, _, name in keyed)


def _contract_sha256(text: str, columns: tuple[Column, ...]) -> str:
    """SHA-256 of the text and of the reference tables, because a changed table changes the contract."""
    tables = sorted({(c.lookup.table.name, c.lookup.table.sha256) for c in columns if c.lookup is not None})
    return hashlib.sha256("\0".join((text, *(sha256 for _, sha256 in tables))).encode()).hexdigest()


def _owner(team: Any) -> str | None:
    return team.get("name") if isinstance(team, dict) else None
