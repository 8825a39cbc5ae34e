"""Reads the rules about single columns and rows: ``logicalTypeOptions`` and ``quality``. Structure only.

Rules about a whole file: ``dataset_rule_reader``. Each function gets a part of the document and its path, and raises
ContractError with the line of the first problem.
"""

from collections.abc import Mapping
from typing import Any

from etl_platform.engine.contract.dataset_rule_reader import NULL_METRICS, counts_nulls, is_library
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
_ASSUMED = {"timezone": False, "defaultTimezone": None}
"""Options that silver fulfils: its timestamps have no time zone. None stands for any value."""
_OF_ROW_RULES = frozenset(
    [
        *("id", "name", "description", "type", "engine", "implementation", "severity"),
        *("tags", "dimension", "businessImpact", "method", "authoritativeDefinitions", "customProperties"),
        *("schedule", "scheduler"),
    ]
)
_SILENT = _OF_ROW_RULES - {"engine", "implementation", "severity"}
_OF_LIBRARY_RULES = _OF_ROW_RULES - {"engine", "implementation"} | {"metric", "mustBe", "arguments", "unit"}


def read_options(document: Located, entry: Mapping[str, Any], kind: ColumnType, here: Where) -> dict[str, Any]:
    """``logicalTypeOptions`` of a property. Checked here, because the standard's schema does not restrict them."""
    where = (*here, "logicalTypeOptions")
    options: dict[str, Any] = {}
    for option, written in (entry.get("logicalTypeOptions") or {}).items():
        if option in _ASSUMED:
            if _ASSUMED[option] not in (None, written):
                message = f"{option} {written!r} is not supported: timestamps have none in silver; remove it"
                raise document.error(f"{entry['name']}: {message}", *where, option)
            continue
        if option not in COLUMN_FIELDS:
            message = f"logicalTypeOptions {option!r} is not supported; {_instead(entry['name'], option, written)}"
            raise document.error(f"{entry['name']}: {message}", *where, option)
        is_length, is_text = option in {"minLength", "maxLength"}, option in {"pattern", "format"}
        value = _whole(written) if is_length or kind is ColumnType.INTEGER else written
        if is_length:
            fits, takes = isinstance(value, int) and is_number(value), "a whole number of characters"
            fits = fits and 0 <= value <= _MAX_LENGTH
        elif is_text:
            fits, takes = isinstance(value, str), "a text"
        else:
            fits, takes = is_number(value) or isinstance(value, str), "a number or a date"
        if not fits:
            raise document.error(f"{entry['name']}: {option} takes {takes}", *where, option)
        options[option] = value
    return options


def _instead(name: str, option: str, value: Any) -> str:
    """What to write instead of an option that is not supported."""
    if option != "multipleOf":
        return f"use {', '.join(COLUMN_FIELDS)}"
    if isinstance(whole := _whole(value), int):
        return f"write a row rule of the schema: {name} % {whole} = 0"
    return "write logicalType: number with physicalType: decimal(18,2) for two digits behind the point"


def _whole(value: Any) -> Any:
    """16.0 as 16, as some tools write whole numbers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def read_library_rules(document: Located, entry: Mapping[str, Any], here: Where) -> dict[str, Any]:
    """The ``enum`` of a property, and the library metrics in its ``quality`` that mean the same as its own fields.

    Returns:
        ``allowed`` values, ``pattern``, ``null_tokens``, ``required`` and ``unique``, each only if it is declared.
    """
    found: dict[str, Any] = {}
    if allowed := _allowed(entry.get("enum")):
        found["allowed"] = allowed
    options = entry.get("logicalTypeOptions") or {}
    for position, rule in enumerate(entry.get("quality") or []):
        if rule.get("type") == "text" or counts_nulls(rule):
            continue
        where = (*here, "quality", position)
        declared = _meaning(document, entry["name"], rule, where)
        for field, value in declared.items():
            before = found.get(field, options.get("pattern") if field == "pattern" else None)
            same = set(before) == set(value) if field == "allowed" and before else before == value
            if before is not None and not same:
                what = {"allowed": "other values", "pattern": "another pattern"}.get(field, f"another {field}")
                message = f"{entry['name']}: this rule has {what} than enum, its options or another rule"
                raise document.error(f"{message}; keep one of them", *where)
        found |= {field: value for field, value in declared.items() if field not in found}
    if "pattern" in options:
        found.pop("pattern", None)
    return found


def _meaning(document: Located, name: str, rule: Mapping[str, Any], where: Where) -> dict[str, Any]:
    """The fields of a column that a library metric declares."""
    refuses_rows = is_library(rule) and rule.get("severity", "error") == "error" and rule.get("mustBe") == 0
    metric, arguments = rule.get("metric") if refuses_rows else None, rule.get("arguments") or {}
    given, is_same = frozenset(arguments), rule.keys() <= _OF_LIBRARY_RULES
    for field in given & {"validValues", "missingValues"}:
        if not isinstance(arguments[field], list):
            raise document.error(f"{name}: {field} takes a list of texts", *where, "arguments", field)
    if is_same and metric == "invalidValues" and given == {"validValues"}:
        # An empty cell has no value that could be invalid.
        return {"allowed": tuple(str(value) for value in arguments["validValues"] if value is not None)}
    if is_same and metric == "invalidValues" and given == {"pattern"} and isinstance(arguments["pattern"], str):
        return {"pattern": arguments["pattern"]}
    if is_same and metric == "missingValues" and given == {"missingValues"}:
        tokens = arguments["missingValues"]
        return {"required": True, "null_tokens": tuple(str(token) for token in tokens if token not in (None, ""))}
    if is_same and metric == "duplicateValues" and not given:
        return {"unique": True}
    if is_same and metric in NULL_METRICS and not given:
        return {"required": True}
    parts = [f"metric {rule.get('metric')}", *(field for field in rule if field not in ("metric", *_SILENT))]
    message = f"this quality rule is not supported: {_other_engine(rule) or ', '.join(parts)}"
    raise document.error(f"{name}: {message}; use enum, required, unique, logicalTypeOptions or a row rule", *where)


def _other_engine(rule: Mapping[str, Any]) -> str | None:
    """What would evaluate a rule that is not of the standard's library."""
    kinds = {"custom": f"engine {rule.get('engine')}", "sql": "a rule in the SQL of a server"}
    return kinds.get(rule.get("type", "library"))


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
            advice = "write it as a row rule, with type: custom, engine: rowRule, name and implementation, or remove it"
            raise document.error(f"this quality rule is not supported: {_other_engine(rule)}; {advice}", *here)
        if rule.get("severity", "error") != "error" or not rule.keys() <= _OF_ROW_RULES:
            other = next((field for field in rule if field not in _OF_ROW_RULES), "severity")
            raise document.error(
                f"a row rule takes no metric and no severity except error; remove {other}", *here, other
            )
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


def _allowed(entries: Any) -> tuple[str, ...] | None:
    return tuple(str(e["value"]) for e in entries) if entries else None
