"""One property of an ODCS document → Column. Structure only: whether its rules compile is decided in ``rules``."""

from collections.abc import Mapping
from typing import Any

from etl_platform.engine.columns import BAD, DAMAGE, REASONS, RESERVED
from etl_platform.engine.contract.custom_properties import COLUMN_CUSTOM, read_custom
from etl_platform.engine.contract.derived_columns_reader import (
    check_case,
    check_derivation,
    decimal_type,
    enum_labels,
    letter_case,
    read_lookup,
)
from etl_platform.engine.contract.located_yaml import Located, Where
from etl_platform.engine.contract.model import COLUMN_NAME, DELIVERY_DAY, Column, ColumnType, ReferenceTable, fold
from etl_platform.engine.contract.named_formats import PEOPLE_ONLY, format_problem, names_formats
from etl_platform.engine.contract.rule_reader import (
    COLUMN_FIELDS,
    check_not_future,
    check_two_digit_years,
    read_library_rules,
    read_options,
)
from etl_platform.engine.contract.two_digit_years import PIVOT

_RESERVED = frozenset({*RESERVED, DAMAGE, BAD, "_agency"}) - {REASONS}
_NESTED = ("items", "map", "properties")
_OF_ONE_TYPE = {"trueValues": ColumnType.BOOLEAN, "falseValues": ColumnType.BOOLEAN}


class ColumnReader:
    """Reads the properties of one document that the standard's schema accepts.

    Args:
        custom: the schema's custom properties, which give defaults.
    """

    def __init__(self, document: Located, custom: Mapping[str, Any], references: Mapping[str, ReferenceTable]) -> None:
        self._document, self._custom, self._references = document, custom, references
        properties = document.data["schema"][0].get("properties") or []
        self._single_key = sum(bool(entry.get("primaryKey")) for entry in properties) == 1

    def column(self, index: int, entry: dict[str, Any]) -> Column:
        """The column of one property.

        Raises:
            ContractError: the first of its parts that is not supported, with its line.
        """
        document, here = self._document, ("schema", 0, "properties", index)
        self._check_name(entry["name"], here)
        kind = self._type(entry, here)
        custom = read_custom(document, entry, COLUMN_CUSTOM, *here)
        options = read_options(document, entry, kind, here)
        rules = read_library_rules(document, entry, here)
        options = {COLUMN_FIELDS[name]: value for name, value in options.items()}
        formats = self._formats(entry["name"], kind, options.pop("format", None), custom, here)
        is_key = bool(entry.get("primaryKey"))
        tokens = custom.get("nullTokens", self._custom.get("nullTokens", ()))
        column = Column(
            name=entry["name"],
            type=kind,
            line=document.line(*here),
            description=entry.get("description", ""),
            required=bool(rules.pop("required", False) or entry.get("required") or is_key),
            unique=bool(rules.pop("unique", False) or entry.get("unique") or (is_key and self._single_key)),
            classification=entry.get("classification"),
            synonyms=_other_headers(entry),
            allowed=rules.pop("allowed", None),
            null_tokens=tuple(dict.fromkeys((*map(str, tokens), *rules.pop("null_tokens", ())))),
            true_values=tuple(map(str, custom.get("trueValues", ()))),
            false_values=tuple(map(str, custom.get("falseValues", ()))),
            known_values=tuple(custom.get("knownValues", ())),
            trim=bool(custom.get("trim", self._custom.get("trim", False))),
            not_future=custom.get("notFuture", False),
            id=entry.get("id"),
            two_digit_years_from=custom.get(PIVOT, self._custom.get(PIVOT)),
            **formats,
            **self._derivation(entry, kind, custom, here),
            **(rules | options),
        )
        check_derivation(document, entry, column, custom, *here)
        check_not_future(document, column, here)
        check_two_digit_years(document, column, custom, here)
        return column

    def _check_name(self, name: str, here: Where) -> None:
        if not COLUMN_NAME.fullmatch(name):
            message = f"column name {name!r} is invalid; use a to z, A to Z, digits and _, no digit first"
            raise self._document.error(f"{message}; a header of another form is a synonym", *here)
        if name.lower() in _RESERVED:
            message = "is a column that the platform adds; rename the column, and add the header as a synonym"
            raise self._document.error(f"{name} {message}", *here)
        if name == DELIVERY_DAY:
            message = "is reserved for the day of delivery in SQL; rename the column, and add the header as a synonym"
            raise self._document.error(f"{DELIVERY_DAY} {message}", *here)

    def _type(self, entry: Mapping[str, Any], here: Where) -> ColumnType:
        nested = next((field for field in _NESTED if entry.get(field)), None)
        declared = entry.get("logicalType", "string")
        if declared not in set(ColumnType):
            message = f"{entry['name']}: logicalType {declared!r} is not supported in a flat file"
            raise self._document.error(f"{message}; use {', '.join(ColumnType)}", *here)
        if nested:
            message = f"{entry['name']}: a column of a flat file has no {nested}; write its fields as properties"
            raise self._document.error(message, *here, nested)
        return ColumnType(declared)

    def _formats(
        self, name: str, kind: ColumnType, option: str | None, custom: Mapping[str, Any], here: Where
    ) -> dict[str, Any]:
        """The fields of ``Column`` about how its values are written."""
        for field, wanted in _OF_ONE_TYPE.items():
            if field in custom and kind is not wanted:
                message = f"{name}: {field} needs logicalType: {wanted}, not {kind}; remove it"
                raise self._document.error(message, *here, "customProperties")
        listed = tuple(custom.get("formats", ()))
        if not names_formats(kind):
            formats = (option, *listed) if option else listed
            if "money" in formats:
                raise self._document.error(f"{name}: the format money needs logicalType: number, not {kind}", *here)
            return {"formats": formats}
        where = (*here, "logicalTypeOptions", "format")
        money = option == "money" and kind is ColumnType.NUMBER
        if option is not None and not money and (problem := format_problem(option, kind)):
            raise self._document.error(f"{name}: {problem}", *where)
        if others := [item for item in listed if item != "money" or kind is not ColumnType.NUMBER]:
            takes = "money" if kind is ColumnType.NUMBER else "nothing"
            message = f"{name}: formats takes {takes} for logicalType {kind}, not {others[0]!r}"
            raise self._document.error(message, *here, "customProperties")
        named = None if money or option in PEOPLE_ONLY else option
        return {"named_format": named, "money": money or "money" in listed}

    def _derivation(
        self, entry: dict[str, Any], kind: ColumnType, custom: dict[str, Any], here: Where
    ) -> dict[str, Any]:
        """The fields of ``Column`` about how its value is derived."""
        document = self._document
        fields: dict[str, Any] = {
            "case": letter_case(document, custom, self._custom.get("case"), kind, here),
            "decimal": decimal_type(document, entry, kind, here),
            "expression": entry.get("transformLogic"),
            "computed": custom.get("computed", False),
        }
        check_case(document, custom, *here)
        if custom.get("useLabels"):
            fields["labels"] = enum_labels(document, entry, kind, here)
        if "lookup" in custom:
            fields["lookup"] = read_lookup(document, custom["lookup"], self._references, entry["name"], here)
        if "transformSourceObjects" in entry:
            fields["declared_sources"] = tuple(entry["transformSourceObjects"])
        return fields


def _other_headers(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Headers that mean the column, besides its name: its synonyms and its name in the file."""
    names = [item["synonym"] for item in entry.get("synonyms") or ()]
    physical = entry.get("physicalName")
    if physical and fold(physical) != fold(entry["name"]) and not (entry.get("transformLogic")):
        names.append(physical)
    return tuple(dict.fromkeys(names))
