"""``quality`` and ``slaProperties`` of an ODCS document → dataset rules. What they find is decided elsewhere."""

import math
import re
from collections.abc import Mapping, Set
from difflib import get_close_matches
from typing import Any

from etl_platform.engine.contract.dataset_rules import OPERATORS, DatasetRule, Measure, Severity
from etl_platform.engine.contract.located_yaml import Located, Where, is_number
from etl_platform.engine.errors import ContractError

NULL_METRICS = frozenset({"nullValues", "missingValues"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MOMENTS = frozenset({"date", "timestamp"})
_DAYS = {"d": 1, "day": 1, "days": 1, "w": 7, "week": 7, "weeks": 7}
_MAX_DAYS = 36_500


def is_library(rule: Mapping[str, Any]) -> bool:
    """Whether a ``quality`` entry is one of the standard's own metrics; ODCS's default type."""
    return bool(rule.get("type", "library") == "library")


def counts_nulls(rule: Mapping[str, Any]) -> bool:
    """Whether a column's ``quality`` entry speaks of the whole file.

    ``mustBe: 0`` with neither unit nor warning is the same as ``required`` and refuses single rows.
    """
    if not is_library(rule) or rule.get("metric") not in NULL_METRICS:
        return False
    none_at_all = rule.get("mustBe") == 0 and not isinstance(rule["mustBe"], bool)
    return not none_at_all or "unit" in rule or rule.get("severity", Severity.ERROR) != Severity.ERROR


def read_dataset_rules(document: Located, columns: Mapping[str, str], taken: Set[str]) -> tuple[DatasetRule, ...]:
    """Every dataset rule of a document whose structure was found good.

    Args:
        columns: logical type by name.
        taken: names that no rule may have, for columns and row rules have them.

    Raises:
        ContractError: a metric, operator, bound, unit, element or severity that would be skipped in silence.
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
        if _means_freshness(entry["property"])
    ]
    _refuse_repeated(document, rules, taken)
    return tuple(rules)


def _means_freshness(name: str) -> bool:
    return bool(get_close_matches(name.casefold(), ["freshness"], 1, 0.8))


class _Reader:
    def __init__(self, document: Located, columns: Mapping[str, str]) -> None:
        self._document, self._columns = document, columns

    def row_count(self, rule: Mapping[str, Any], here: Where) -> DatasetRule:
        if rule.get("metric") != "rowCount":
            raise self._document.error(
                f"a dataset's quality rule is metric: rowCount or type: custom, engine: rowRule, "
                f"not metric {rule.get('metric')!r}",
                *here,
            )
        if rule.get("unit", "rows") != "rows":
            raise self._document.error(f"rowCount counts rows, not {rule['unit']!r}", *here, "unit")
        return self._rule(rule, Measure.ROW_COUNT, None, here)

    def nulls(self, rule: Mapping[str, Any], column: str, here: Where) -> DatasetRule:
        measures = {"rows": Measure.NULL_COUNT, "percent": Measure.NULL_SHARE}
        unit = rule.get("unit", "rows")
        if unit not in measures:
            raise self._document.error(f"{column}: unit {unit!r} is not rows or percent", *here, "unit")
        return self._rule(rule, measures[unit], column, here)

    def freshness(self, entry: Mapping[str, Any], prefix: str, here: Where) -> DatasetRule:
        if entry["property"] != "freshness":
            raise self._document.error(f"property {entry['property']!r}: is freshness meant?", *here)
        if "valueExt" in entry:
            raise self._document.error("freshness takes a value and no valueExt", *here, "valueExt")
        element = entry.get("element", "")
        column = element.removeprefix(prefix)
        if not element.startswith(prefix) or column not in self._columns:
            raise self._document.error(
                f"freshness is asked of one column, element: {prefix}<column>, not {element!r}", *here, "element"
            )
        if self._columns[column] not in _MOMENTS:
            raise self._document.error(
                f"freshness needs a date or timestamp; {column} is {self._columns[column]}", *here, "element"
            )
        custom = self._said_of_freshness(entry, here)
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
        """Whole days, for dates have no hours; months and years have no certain length."""
        unit, value = entry.get("unit", "d"), entry["value"]
        if unit not in _DAYS:
            raise self._document.error(f"freshness is given in days (d) or weeks (w), not {unit!r}", *here, "unit")
        if not is_number(value) or not 0 <= value * _DAYS[unit] <= _MAX_DAYS:
            raise self._document.error(
                f"freshness takes a number of 0 to {_MAX_DAYS:,} days, not {value!r}", *here, "value"
            )
        return int(value * _DAYS[unit])

    def _said_of_freshness(self, entry: Mapping[str, Any], here: Where) -> dict[str, Any]:
        """The standard has no severity for its service levels, so it stands under ``customProperties``."""
        said: dict[str, Any] = {}
        for position, item in enumerate(entry.get("customProperties") or []):
            if item["property"] not in {"name", "severity"} or item["property"] in said:
                raise self._document.error(
                    f"freshness has the custom properties name and severity, once each, not {item['property']!r}",
                    *here,
                    "customProperties",
                    position,
                )
            said[item["property"]] = item["value"]
        return said

    def _rule(self, rule: Mapping[str, Any], measure: Measure, column: str | None, here: Where) -> DatasetRule:
        if rule.get("arguments"):
            raise self._document.error(
                f"{rule['metric']} takes no arguments; texts that mean empty are nullTokens", *here, "arguments"
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
            raise self._document.error(f"a rule has one comparison of {', '.join(OPERATORS)}", *here)
        return found[0]

    def _bounds(self, value: Any, operator: str, measure: Measure, here: Where) -> tuple[float, ...]:
        bounds = tuple(value) if isinstance(value, list) else (value,)
        most = 100 if measure is Measure.NULL_SHARE else math.inf
        wanted = 2 if operator.endswith("Between") else 1
        if len(bounds) != wanted or not all(is_number(bound) and 0 <= bound <= most for bound in bounds):
            kind = "0 to 100 percent" if measure is Measure.NULL_SHARE else "0 or more"
            raise self._document.error(
                f"{operator} takes {wanted} number{'s'[: wanted - 1]} of {kind}", *here, operator
            )
        if bounds != tuple(sorted(bounds)):
            raise self._document.error(f"{operator} takes the smaller number first", *here, operator)
        return bounds

    def _name(self, said: Mapping[str, Any], default: str, here: Where) -> str:
        name = said.get("name", default)
        if name != default and not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise self._document.error(f"a rule's name has letters, digits and _, not {name!r}", *here)
        return str(name)

    def _severity(self, said: Mapping[str, Any], here: Where) -> Severity:
        severity = said.get("severity", Severity.ERROR)
        if severity not in tuple(Severity):
            raise self._document.error(f"severity is error or warning, not {severity!r}", *here)
        return Severity(severity)


def _refuse_repeated(document: Located, rules: list[DatasetRule], taken: Set[str]) -> None:
    # As check names, where a point is written __.
    seen = set(taken)
    for rule in rules:
        name = rule.name.replace(".", "__")
        if name in seen:
            message = f"the name {rule.name!r} is taken; give this rule a name of its own"
            raise ContractError(message, path=document.path, line=rule.line)
        seen.add(name)
