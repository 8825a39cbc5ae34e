"""ODCS contract text → Contract. Structure only: whether its rules compile is decided in ``rules``.

The Open Data Contract Standard (https://bitol-io.github.io/open-data-contract-standard/) gives the grammar and
its own JSON schema; what is read of it here is a flat table of one file. Anything in a contract that would
change what is accepted, and is not understood, is an error: a rule is never skipped in silence.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs

from etl_platform.engine.contract.cadence import read_cadence
from etl_platform.engine.contract.dataset_rule_reader import counts_nulls, is_library, read_dataset_rules
from etl_platform.engine.contract.derived_columns_reader import (
    check_case,
    check_making,
    decimal_type,
    enum_labels,
    letter_case,
    read_hook,
    read_lookup,
)
from etl_platform.engine.contract.located_yaml import Located, Where, is_number, load_located
from etl_platform.engine.contract.model import Column, ColumnType, Contract, ReferenceTable, RowRule, fold
from etl_platform.engine.contract.reading_overrides import read_overrides

API_VERSIONS = ("v3.1.0", "v3.2.0")


def parse_contract(text: str, path: str, references: Mapping[str, ReferenceTable] | None = None) -> Contract:
    """Read one ODCS document.

    Args:
        text: YAML.
        path: where it came from, for messages.
        references: the tables that lookups may name.

    Raises:
        ContractError: naming file and line of the first thing that is wrong.
    """
    document = load_located(text, path)
    _check_structure(document)
    schemas = document.data.get("schema") or []
    if len(schemas) != 1:
        raise document.error(f"a contract describes one file, so schema has one entry, not {len(schemas)}", "schema")
    return _Reader(document, schemas[0], references or {}).contract(text)


def _check_structure(document: Located) -> None:
    version = document.data.get("apiVersion")
    if version not in API_VERSIONS:
        raise document.error(f"apiVersion {version!r} is unknown; it is one of {', '.join(API_VERSIONS)}", "apiVersion")
    if document.data.get("kind") != "DataContract":
        raise document.error("kind must be DataContract", "kind")
    error = next(iter(_validator().iter_errors(document.data)), None)
    if error is not None:
        where = ".".join(map(str, error.instance_path)) or "the document"
        # The library names two of the allowed values and counts the others.
        allowed = getattr(error.kind, "options", None)
        message = f"{error.instance!r} is none of {', '.join(map(str, allowed))}" if allowed else error.message
        raise document.error(f"{where}: {message[:300]}", *error.instance_path)


@cache
def _validator() -> Any:
    # The package's own schema file, without importing its pydantic model (0.2 s in every run).
    spec = find_spec("open_data_contract_standard")
    assert spec is not None
    assert spec.submodule_search_locations
    schema = Path(spec.submodule_search_locations[0]) / "schema.json"
    return jsonschema_rs.validator_for(json.loads(schema.read_text("utf-8")))


_OPTIONS = {
    "pattern": "pattern",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
    "format": "format",
}
_COLUMN_CUSTOM = {
    "formats",
    "nullTokens",
    "trueValues",
    "falseValues",
    "trim",
    "case",
    "useLabels",
    "lookup",
    "computed",
    "knownValues",
}
_SCHEMA_CUSTOM = {"filePatterns", "trim", "nullTokens", "maxRejectedPercent", "case", "transform", "transformFrame"}
_SCHEMA_CUSTOM |= {"sheet", "headerLine"}
_TAKES: dict[str, tuple[type | tuple[type, ...], str]] = {
    **dict.fromkeys(("trim", "useLabels", "computed"), (bool, "bool")),
    **dict.fromkeys(("case", "transform", "transformFrame", "sheet"), (str, "a text")),
    "headerLine": (int, "a number"),
    "maxRejectedPercent": ((int, float), "a number"),
    "lookup": (dict, "names by table, key, take and from"),
}
_MAX_LENGTH = 1 << 24
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class _Reader:
    """Takes one validated document apart; keeps the line of everything that it may have to blame."""

    def __init__(self, document: Located, schema: dict[str, Any], references: Mapping[str, ReferenceTable]) -> None:
        self.document, self.schema, self.references = document, schema, references
        self.notes: list[str] = []
        self.custom = self._custom(schema, _SCHEMA_CUSTOM, "schema", 0)
        check_case(document, self.custom, "schema", 0)

    def contract(self, text: str) -> Contract:
        data, schema = self.document.data, self.schema
        if not _NAME.fullmatch(schema["name"]):
            raise self.document.error(
                f"schema name {schema['name']!r} is not a name of letters, digits and _", "schema", 0, "name"
            )
        columns = tuple(self._column(i, entry) for i, entry in enumerate(schema.get("properties") or []))
        if not any(column.in_file for column in columns):
            raise self.document.error("a contract needs at least one property that the file has", "schema", 0)
        self._refuse_ambiguous(columns)
        keyed = sorted(
            (entry.get("primaryKeyPosition", 0), i, entry["name"])
            for i, entry in enumerate(schema["properties"])
            if entry.get("primaryKey")
        )
        server: dict[str, Any] = next(iter(data.get("servers") or []), {})
        row_rules = self._row_rules({column.name for column in columns})
        taken = {column.name for column in columns} | {rule.name for rule in row_rules}
        return Contract(
            path=self.document.path,
            id=data["id"],
            version=str(data["version"]),
            sha256=_identity(text, columns),
            dataset=schema["name"],
            physical_name=schema.get("physicalName") or f"{schema['name']}.csv",
            file_patterns=tuple(self.custom.get("filePatterns", ())),
            description=schema.get("description") or (data.get("description") or {}).get("purpose") or "",
            grain=schema.get("dataGranularityDescription", ""),
            owner=_owner(data.get("team")),
            columns=columns,
            primary_key=tuple(name for _, _, name in keyed),
            row_rules=row_rules,
            dataset_rules=read_dataset_rules(self.document, {c.name: c.type for c in columns}, taken),
            max_rejected_percent=self.custom.get("maxRejectedPercent"),
            reading_overrides=read_overrides(self.document, server, self.custom),
            cadence=read_cadence(self.document),
            notes=tuple(self.notes),
            hook=read_hook(self.document, self.custom, columns, "schema", 0),
        )

    def _column(self, index: int, entry: dict[str, Any]) -> Column:
        here = ("schema", 0, "properties", index)
        if not _NAME.fullmatch(entry["name"]):
            raise self.document.error(f"{entry['name']!r} is not a name of letters, digits and _", *here)
        kind = self._type(entry, here)
        options = self._options(entry, here)
        custom = self._custom(entry, _COLUMN_CUSTOM, *here)
        formats = [options.pop("format", None), *custom.get("formats", ())]
        rules = self._library_rules(entry, here)
        key_alone = (
            bool(entry.get("primaryKey")) and sum(bool(p.get("primaryKey")) for p in self.schema["properties"]) == 1
        )
        column = Column(
            name=entry["name"],
            type=kind,
            line=self.document.line(*here),
            description=entry.get("description", ""),
            required=bool(entry.get("required") or entry.get("primaryKey") or rules.pop("required", False)),
            unique=bool(entry.get("unique") or key_alone or rules.pop("unique", False)),
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
            **self._making(entry, kind, custom, here),
            **{_OPTIONS[name]: value for name, value in options.items()},
        )
        check_making(self.document, entry, column, custom, *here)
        return column

    def _making(self, entry: dict[str, Any], kind: ColumnType, custom: dict[str, Any], here: Where) -> dict[str, Any]:
        """The fields that say how a column's value is made."""
        made: dict[str, Any] = {
            "case": letter_case(self.document, custom, self.custom.get("case"), kind, here),
            "decimal": decimal_type(self.document, entry, kind, here),
            "expression": entry.get("transformLogic"),
            "computed": custom.get("computed", False),
        }
        check_case(self.document, custom, *here)
        if custom.get("useLabels"):
            made["labels"] = enum_labels(self.document, entry, kind, here)
        if "lookup" in custom:
            made["lookup"] = read_lookup(self.document, custom["lookup"], self.references, entry["name"], here)
        if "transformSourceObjects" in entry:
            made["made_of"] = tuple(entry["transformSourceObjects"])
        return made

    def _type(self, entry: dict[str, Any], here: Where) -> ColumnType:
        try:
            return ColumnType(entry.get("logicalType", "string"))
        except ValueError:
            raise self.document.error(
                f"logicalType {entry['logicalType']!r} does not fit a flat file; use {', '.join(ColumnType)}",
                *here,
            ) from None

    def _options(self, entry: dict[str, Any], here: Where) -> dict[str, Any]:
        options = dict(entry.get("logicalTypeOptions") or {})
        unknown = sorted(options.keys() - _OPTIONS.keys())
        if unknown:
            raise self.document.error(
                f"{entry['name']}: logicalTypeOptions {unknown[0]!r} is not supported; use {', '.join(_OPTIONS)}",
                *here,
                "logicalTypeOptions",
            )
        self._check_options(options, entry["name"], *here)
        return options

    def _check_options(self, options: dict[str, Any], name: str, *here: Any) -> None:
        """The standard leaves logicalTypeOptions open; a bound of the wrong kind would fail in mid-run."""
        for option, value in options.items():
            if option in {"minLength", "maxLength"}:
                fits = is_number(value) and isinstance(value, int) and 0 <= value <= _MAX_LENGTH
                takes = "a whole number of characters"
            elif option in {"pattern", "format"}:
                fits, takes = isinstance(value, str), "a text"
            else:
                fits, takes = is_number(value) or isinstance(value, str), "a number or a date"
            if not fits:
                raise self.document.error(f"{name}: {option} takes {takes}", *here, "logicalTypeOptions", option)

    def _library_rules(self, entry: dict[str, Any], here: Where) -> dict[str, Any]:
        """Property-level ``quality``: the library metrics that say the same as a column's own fields."""
        found: dict[str, Any] = {}
        for position, rule in enumerate(entry.get("quality") or []):
            if rule.get("type") == "text" or counts_nulls(rule):
                continue
            refuses_rows = is_library(rule) and rule.get("severity", "error") == "error"
            metric, arguments = rule.get("metric") if refuses_rows else None, rule.get("arguments") or {}
            if rule.get("mustBe") == 0 and metric == "invalidValues" and arguments.keys() == {"validValues"}:
                found["allowed"] = tuple(map(str, arguments["validValues"]))
            elif rule.get("mustBe") == 0 and metric in {"nullValues", "missingValues"} and not arguments:
                found["required"] = True
            elif rule.get("mustBe") == 0 and metric == "duplicateValues" and not arguments:
                found["unique"] = True
            else:
                raise self.document.error(
                    f"{entry['name']}: this quality rule is not supported; use enum, required, unique, "
                    "logicalTypeOptions or a row rule",
                    *here,
                    "quality",
                    position,
                )
        return found

    def _row_rules(self, names: set[str]) -> tuple[RowRule, ...]:
        rules: list[RowRule] = []
        for position, rule in enumerate(self.schema.get("quality") or []):
            here = ("schema", 0, "quality", position)
            if rule.get("type") == "text" or is_library(rule):
                continue
            if rule.get("type") != "custom" or rule.get("engine") != "rowRule":
                raise self.document.error("a dataset's quality rule is type: custom, engine: rowRule", *here)
            if "metric" in rule or rule.get("severity", "error") != "error":
                raise self.document.error("a row rule refuses rows: it has no metric and no severity but error", *here)
            name, sql = rule.get("name"), rule.get("implementation")
            if not isinstance(name, str) or not _NAME.fullmatch(name) or name in names:
                raise self.document.error(
                    f"a row rule needs a name of its own (letters, digits, _), not {name!r}", *here
                )
            if not isinstance(sql, str):
                raise self.document.error(f"{name}: implementation is a SQL expression", *here)
            names.add(name)
            rules.append(RowRule(name, sql, self.document.line(*here), rule.get("description", "")))
        return tuple(rules)

    def _custom(self, entry: dict[str, Any], known: set[str], *here: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for position, item in enumerate(entry.get("customProperties") or []):
            name, value = item["property"], item["value"]
            where = (*here, "customProperties", position)
            if name in _COLUMN_CUSTOM | _SCHEMA_CUSTOM and name not in known:
                level = "schema" if known is _COLUMN_CUSTOM else "property"
                raise self.document.error(f"custom property {name!r} belongs to a {level}", *where)
            if close := get_close_matches(name, known - {name}, 1, 0.8) if name not in known else []:
                raise self.document.error(f"custom property {name!r} is not one of ours; is {close[0]} meant?", *where)
            if name not in known:
                line = self.document.line(*where)
                self.notes.append(f"{self.document.path}:{line}: custom property {name!r} is not one of ours: ignored")
                continue
            expected, takes = _TAKES.get(name, (list, "list"))
            if not isinstance(value, expected) or (expected is not bool and isinstance(value, bool)):
                raise self.document.error(f"{name} takes {takes}", *where)
            if name == "maxRejectedPercent" and isinstance(value, int | float) and not 0 <= value <= 100:
                raise self.document.error(f"maxRejectedPercent takes a number of 0 to 100, not {value}", *where)
            if isinstance(value, list) and not all(isinstance(item, str) for item in value):
                raise self.document.error(f"{name} takes a list of texts; quote its items", *where)
            values[name] = value
        return values

    def _refuse_ambiguous(self, columns: tuple[Column, ...]) -> None:
        """One header could mean two columns, or two columns have one name."""
        seen: dict[str, str] = {}
        names: dict[str, str] = {}
        for index, column in enumerate(columns):
            aliases = dict.fromkeys(fold(a) for a in (column.name, *column.synonyms)) if column.in_file else ()
            taken = next((alias for alias in aliases if alias in seen), None)
            if taken is not None or fold(column.name) in names:
                alias = taken or fold(column.name)
                owner = seen.get(alias) or names[alias]
                raise self.document.error(
                    f"{column.name}: the header {alias!r} already belongs to {owner}", "schema", 0, "properties", index
                )
            seen |= dict.fromkeys(aliases, column.name)
            names[fold(column.name)] = column.name


def _identity(text: str, columns: tuple[Column, ...]) -> str:
    """SHA-256 of the text and, where there are lookups, of the tables: a changed table is a changed contract."""
    tables = sorted({(c.lookup.table.name, c.lookup.table.sha256) for c in columns if c.lookup is not None})
    return hashlib.sha256("\0".join((text, *(sha256 for _, sha256 in tables))).encode()).hexdigest()


def _allowed(entries: Any) -> tuple[str, ...] | None:
    return tuple(str(e["value"] if isinstance(e, dict) else e) for e in entries) if entries else None


def _owner(team: Any) -> str | None:
    return team.get("name") if isinstance(team, dict) else None
