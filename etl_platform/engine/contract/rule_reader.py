"""Reads the rules about single columns and rows: ``logicalTypeOptions`` and ``quality``. Structure only.

Rules about a whole file: ``dataset_rule_reader``. Each function gets a part of the document and its path, and raises
ContractError with the line of the first problem.
"""

from collections.abc import Mapping
from typing import Any

from etl_platform.engine.contract.dataset_rule_reader import counts_nulls, is_library
from etl_platform.engine.contract.located_yaml import Located, Where, is_number
from etl_platform.engine.contract.model import NAME, Column, ColumnType, RowRule
from etl_platform.engine.contract.two_digit_years import PIVOT, has_two_digit_year

COLUMN_FIELDS = {
    "pattern": "pattern",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
    "format": "format",
}
"""By name in ``logicalTypeOptions``, the field of ``Column``; ``format`` becomes the first of ``formats``."""

_MAX_LENGTH = 1 << 24


def read_options(document: Located, entry: Mapping[str, Any], here: Where) -> dict[str, Any]:
    """``logicalTypeOptions`` of a property. Checked here, because the standard's schema does not restrict them."""
    options = dict(entry.get("logicalTypeOptions") or {})
    where = (*here, "logicalTypeOptions")
    if unknown := sorted(options.keys() - COLUMN_FIELDS.keys()):
        message = f"logicalTypeOptions {unknown[0]!r} is not supported; use {', '.join(COLUMN_FIELDS)}"
        raise document.error(f"{entry['name']}: {message}", *where)
    for option, value in options.items():
        if option in {"minLength", "maxLength"}:
            fits = is_number(value) and isinstance(value, int) and 0 <= value <= _MAX_LENGTH
            takes = "a whole number of characters"
        elif option in {"pattern", "format"}:
            fits, takes = isinstance(value, str), "a text"
        else:
            fits, takes = is_number(value) or isinstance(value, str), "a number or a date"
        if not fits:
            raise document.error(f"{entry['name']}: {option} takes {takes}", *where, option)
    return options


def read_library_rules(document: Located, entry: Mapping[str, Any], here: Where) -> dict[str, Any]:
    """The library metrics in a property's ``quality`` that mean the same as its own fields.

    Returns:
        ``allowed`` values, ``required`` and ``unique``, each only if a metric declares it.
    """
    found: dict[str, Any] = {}
    for position, rule in enumerate(entry.get("quality") or []):
        if rule.get("type") == "text" or counts_nulls(rule):
            continue
        refuses_rows = is_library(rule) and rule.get("severity", "error") == "error" and rule.get("mustBe") == 0
        metric, arguments = rule.get("metric") if refuses_rows else None, rule.get("arguments") or {}
        if metric == "invalidValues" and arguments.keys() == {"validValues"}:
            found["allowed"] = tuple(map(str, arguments["validValues"]))
        elif metric in {"nullValues", "missingValues"} and not arguments:
            found["required"] = True
        elif metric == "duplicateValues" and not arguments:
            found["unique"] = True
        else:
            message = "this quality rule is not supported; use enum, required, unique, logicalTypeOptions or a row rule"
            raise document.error(f"{entry['name']}: {message}", *here, "quality", position)
    return found


def read_row_rules(document: Located, columns: set[str]) -> tuple[RowRule, ...]:
    """The row rules in the schema's ``quality``.

    Args:
        document: with one schema.
        columns: names that no rule may have.
    """
    rules: list[RowRule] = []
    taken = set(columns)
    for position, rule in enumerate(document.data["schema"][0].get("quality") or []):
        here = ("schema", 0, "quality", position)
        if rule.get("type") == "text" or is_library(rule):
            continue
        if rule.get("type") != "custom" or rule.get("engine") != "rowRule":
            raise document.error("a quality rule of the schema needs type: custom and engine: rowRule", *here)
        if "metric" in rule or rule.get("severity", "error") != "error":
            raise document.error("a row rule takes no metric and no severity except error", *here)
        name, sql = rule.get("name"), rule.get("implementation")
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in taken:
            message = f"a row rule needs a name that no column or rule has, of letters, digits and _, not {name!r}"
            raise document.error(message, *here)
        if not isinstance(sql, str):
            raise document.error(f"{name}: implementation takes an SQL expression as text", *here)
        taken.add(name)
        rules.append(RowRule(name, sql, document.line(*here), rule.get("description", "")))
    return tuple(rules)


def check_not_future(document: Located, column: Column, here: Where) -> None:
    if column.not_future and column.type not in {ColumnType.DATE, ColumnType.TIMESTAMP}:
        message = f"{column.name}: notFuture needs logicalType date or timestamp, not {column.type}"
        raise document.error(message, *here, "customProperties")


def check_two_digit_years(document: Located, column: Column, custom: Mapping[str, Any], here: Where) -> None:
    """Raise ContractError unless ``twoDigitYearsFrom`` is a usable year, on a column that has such years."""
    first, where = column.two_digit_years_from, (*here, "customProperties")
    if first is not None and not 1_000 <= first <= 9_900:
        raise document.error(f"{PIVOT} takes a year, such as 1970 for 1970 to 2069, not {first}", *where)
    if PIVOT in custom and not has_two_digit_year(column.formats):
        raise document.error(f"{column.name}: {PIVOT} needs a format with yy; remove it", *where)
