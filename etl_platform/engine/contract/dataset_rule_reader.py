"""``quality`` and ``slaProperties`` of an ODCS document → dataset rules. They are evaluated in ``dataset_verdicts``."""

import math
from collections.abc import Mapping, Set
from functools import lru_cache
from typing import Any

from etl_platform.engine.contract.dataset_rules import OPERATORS, DatasetRule, Measure, Severity
from etl_platform.engine.contract.located_yaml import Located, Where, is_number
from etl_platform.engine.contract.model import NAME
from etl_platform.engine.errors import ContractError
from etl_platform.engine.near_names import nearest

NULL_METRICS = frozenset({"nullValues", "missingValues"})
_OF_OTHER_TYPES = ("engine", "implementation", "query", "rule")
_DATE_TYPES = frozenset({"date", "timestamp"})
_DAYS = {"d": 1, "day": 1, "days": 1, "w": 7, "week": 7, "weeks": 7}
_MAX_DAYS = 36_500


def is_library(rule: Mapping[str, Any]) -> bool:
    """Whether a ``quality`` entry is one of the standard's own metrics, its default type."""
    return bool(rule.get("type", "library") == "library")


def counts_nulls(rule: Mapping[str, Any]) -> bool:
    """Whether a column's ``quality`` entry is about the whole file.

    ``mustBe: 0`` without a unit, as an error, means ``required``: it rejects rows, not the file.
    """
    if not is_library(rule) or rule.get("metric") not in NULL_METRICS:
        return False
    no_nulls = rule.get("mustBe") == 0 and not isinstance(rule["mustBe"], bool)
    return not no_nulls or "unit" in rule or rule.get("severity", Severity.ERROR) != Severity.ERROR


def read_dataset_rules(document: Located, columns: Mapping[str, str], taken: Set[str]) -> tuple[DatasetRule, ...]:
    """Every dataset rule of a document that the standard's schema accepts.

    Args:
        columns: logical type by name.
        taken: names of columns and row rules, which no dataset rule may have.

    Raises:
        ContractError: a metric, operator, bound, unit, element or severity that is not supported.
    """
    reader = _Reader(document, columns)
    schema = document.data["schema"][0]
    rules = [
        reader.row_count(rule, ("schema", 0, "quality", i))
        for i, rule in enumerate(schema.get("quality") or [])
        if is_library(rule)
    ]
    for index, entry in enumerate(schema["properties"]):
        rules += [
            reader.nulls(rule, entry["name"], ("schema", 0, "properties", index, "quality", i))
            for i, rule in enumerate(entry.get("quality") or [])
            if counts_nulls(rule)
        ]
    rules += [
        reader.freshness(entry, f"{schema['name']}.", ("slaProperties", i))
        for i, entry in enumerate(document.data.get("slaProperties") or [])
        if _resembles_freshness(entry["property"])
    ]
    _refuse_repeated(document, rules, taken)
    return tuple(rules)


@lru_cache(1_000)
def _resembles_freshness(name: str) -> bool:
    return nearest(name, ["freshness"], 0.8) is not None


class _Reader:
    def __init__(self, document: Located, columns: Mapping[str, str]) -> None:
        self._document, self._columns = document, columns

    def row_count(self, rule: Mapping[str, Any], here: Where) -> DatasetRule:
        if rule.get("metric") != "rowCount":
            raise self._document.error(
                f"metric {rule.get('metric')!r} is not supported here; "
                "use metric: rowCount, or type: custom with engine: rowRule",
                *here,
            )
        if rule.get("unit", "rows") != "rows":
            raise self._document.error(f"rowCount: unit {rule['unit']!r} is not supported; use rows", *here, "unit")
        return self._rule(rule, Measure.ROW_COUNT, None, here)

    def nulls(self, rule: Mapping[str, Any], column: str, here: Where) -> DatasetRule:
        measures = {"rows": Measure.NULL_COUNT, "percent": Measure.NULL_SHARE}
        unit = rule.get("unit", "rows")
        if unit not in measures:
            raise self._document.error(f"{column}: unit {unit!r} is not supported; use rows or percent", *here, "unit")
        return self._rule(rule, measures[unit], column, here)

    def freshness(self, entry: Mapping[str, Any], prefix: str, here: Where) -> DatasetRule:
        if entry["property"] != "freshness":
            raise self._document.error(f"property {entry['property']!r} is unknown; did you mean freshness?", *here)
        if "valueExt" in entry:
            raise self._document.error("freshness takes no valueExt; use value alone", *here, "valueExt")
        element = entry.get("element", "")
        column = element.removeprefix(prefix)
        if not element.startswith(prefix) or column not in self._columns:
            raise self._document.error(
                f"freshness needs one column, element: {prefix}<column>, not {element!r}", *here, "element"
            )
        if self._columns[column] not in _DATE_TYPES:
            raise self._document.error(
                f"freshness needs a date or timestamp; {column} is {self._columns[column]}", *here, "element"
            )
        custom = self._freshness_custom(entry, here)
        return DatasetRule(
            self._name(custom, f"{column}.{Measure.FRESHNESS}", here),
            Measure.FRESHNESS,
            column,
            "mustBeLessOrEqualTo",
            (self._days(entry, here),),
            self._document.line(*here),
            self._severity(custom, here),
            entry.get("description") or "",
        )

    def _days(self, entry: Mapping[str, Any], here: Where) -> int:
        """Whole days, because dates have no hours; months and years have no fixed length."""
        unit, value = entry.get("unit", "d"), entry["value"]
        if unit not in _DAYS:
            raise self._document.error(
                f"freshness: unit {unit!r} is not supported; use days (d) or weeks (w)", *here, "unit"
            )
        if not is_number(value) or not 0 <= value * _DAYS[unit] <= _MAX_DAYS:
            raise self._document.error(
                f"freshness takes a number of 0 to {_MAX_DAYS:,} days, not {value!r}", *here, "value"
            )
        return int(value * _DAYS[unit])

    def _freshness_custom(self, entry: Mapping[str, Any], here: Where) -> dict[str, Any]:
        """Name and severity: custom properties, because the standard has neither for service levels."""
        found: dict[str, Any] = {}
        for position, item in enumerate(entry.get("customProperties") or []):
            if item["property"] not in {"name", "severity"} or item["property"] in found:
                raise self._document.error(
                    f"freshness takes the custom properties name and severity, once each, not {item['property']!r}",
                    *here,
                    "customProperties",
                    position,
                )
            found[item["property"]] = item["value"]
        return found

    def _rule(self, rule: Mapping[str, Any], measure: Measure, column: str | None, here: Where) -> DatasetRule:
        if other := next((field for field in _OF_OTHER_TYPES if field in rule), None):
            raise self._document.error(f"{rule['metric']} takes no {other}; remove it", *here, other)
        if rule.get("arguments"):
            raise self._document.error(
                f"{rule['metric']} takes no arguments; list texts that mean empty as nullTokens", *here, "arguments"
            )
        operator = self._operator(rule, here)
        return DatasetRule(
            self._name(rule, f"{column}.{measure}" if column else str(measure), here),
            measure,
            column,
            operator,
            self._bounds(rule[operator], operator, measure, here),
            self._document.line(*here),
            self._severity(rule, here),
            rule.get("description") or "",
        )

    def _operator(self, rule: Mapping[str, Any], here: Where) -> str:
        found = [name for name in OPERATORS if name in rule]
        if len(found) != 1:
            raise self._document.error(f"a rule needs exactly one comparison of {', '.join(OPERATORS)}", *here)
        return found[0]

    def _bounds(self, value: Any, operator: str, measure: Measure, here: Where) -> tuple[float, ...]:
        bounds = tuple(value) if isinstance(value, list) else (value,)
        maximum = 100 if measure is Measure.NULL_SHARE else math.inf
        wanted = 2 if operator.endswith("Between") else 1
        if len(bounds) != wanted or not all(is_number(bound) and 0 <= bound <= maximum for bound in bounds):
            kind = "0 to 100 percent" if measure is Measure.NULL_SHARE else "0 or more"
            raise self._document.error(
                f"{operator} takes {wanted} number{'s'[: wanted - 1]} of {kind}", *here, operator
            )
        if bounds != tuple(sorted(bounds)):
            raise self._document.error(f"{operator} takes the smaller number first", *here, operator)
        return bounds

    def _name(self, declared: Mapping[str, Any], default: str, here: Where) -> str:
        name = declared.get("name", default)
        if name != default and not (isinstance(name, str) and NAME.fullmatch(name)):
            raise self._document.error(
                f"a rule's name takes letters, digits and _, a letter first, not {name!r}", *here
            )
        return str(name)

    def _severity(self, declared: Mapping[str, Any], here: Where) -> Severity:
        severity = declared.get("severity", Severity.ERROR)
        if severity not in tuple(Severity):
            raise self._document.error(f"severity {severity!r} is unknown; use error or warning", *here)
        return Severity(severity)


def _refuse_repeated(document: Located, rules: list[DatasetRule], taken: Set[str]) -> None:
    # The name of an asset check has __ for each dot, so two names may become the same.
    seen = set(taken)
    for rule in rules:
        name = rule.name.replace(".", "__")
        if name in seen:
            message = f"the name {rule.name!r} is used by another column or rule; choose another"
            raise ContractError(message, path=document.path, line=rule.line)
        seen.add(name)
