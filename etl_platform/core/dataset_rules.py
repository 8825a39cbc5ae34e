"""Rules about a file as a whole: how many rows, how many empty cells, how old. Numbers in, verdicts out; no frames.

Light on purpose: asset checks are declared from it at every start.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from etl_platform.core.masking import HIDDEN


class Severity(StrEnum):
    """``error`` rejects the file, ``warning`` is reported."""

    ERROR = "error"
    WARNING = "warning"


class Measure(StrEnum):
    """What is measured; also the rule's default name, behind its column's."""

    ROW_COUNT = "row_count"
    NULL_COUNT = "null_count"
    NULL_SHARE = "null_share"
    FRESHNESS = "freshness"


OPERATORS: Mapping[str, tuple[Callable[..., bool], str]] = {
    "mustBe": (operator.eq, "exactly {}"),
    "mustNotBe": (operator.ne, "anything but {}"),
    "mustBeGreaterThan": (operator.gt, "more than {}"),
    "mustBeGreaterOrEqualTo": (operator.ge, "at least {}"),
    "mustBeLessThan": (operator.lt, "less than {}"),
    "mustBeLessOrEqualTo": (operator.le, "at most {}"),
    "mustBeBetween": (lambda found, low, high: low <= found <= high, "{} to {}"),
    "mustNotBeBetween": (lambda found, low, high: not low <= found <= high, "anything but {} to {}"),
}
"""ODCS's comparisons with how they are said. Both ends of a range belong to it."""

_UNITS = {
    Measure.ROW_COUNT: "rows",
    Measure.NULL_COUNT: "rows",
    Measure.NULL_SHARE: "% of the rows",
    Measure.FRESHNESS: "days",
}


@dataclass(frozen=True)
class DatasetRule:
    """One comparison with a number of the whole file.

    Attributes:
        column: what is measured of; None for the file's rows.
        operator: one of ``OPERATORS``; ``bounds`` are the one or two numbers that it takes.
        line: where the contract declares it.
    """

    name: str
    measure: Measure
    column: str | None
    operator: str
    bounds: tuple[float, ...]
    line: int
    severity: Severity = Severity.ERROR
    description: str = ""

    @property
    def code(self) -> str:
        """The name under which a file is rejected."""
        return "stale" if self.measure is Measure.FRESHNESS else str(self.measure)

    @property
    def limit(self) -> str:
        """What is allowed, in words: ``at least 100 rows``."""
        said = OPERATORS[self.operator][1].format(*(f"{bound:,}" for bound in self.bounds))
        return f"{said} {_UNITS[self.measure]}"

    @property
    def text(self) -> str:
        if self.measure is Measure.FRESHNESS:
            return f"The newest {self.column} lies {self.limit} before the day of delivery."
        if self.column is None:
            return f"The file has {self.limit}."
        return f"{self.column} is empty in {self.limit}."

    def allows(self, found: float) -> bool:
        return OPERATORS[self.operator][0](found, *self.bounds)


@dataclass(frozen=True)
class ColumnFacts:
    """Of a column over all rows of a file, the refused ones included."""

    nulls: int
    newest: Any


@dataclass(frozen=True)
class Verdict:
    """One rule held against one file; ``found`` is a number, an ISO date, or nothing."""

    rule: DatasetRule
    found: float | str | None
    allowed: str
    passed: bool
    message: str

    @property
    def rejects(self) -> bool:
        return not self.passed and self.rule.severity is Severity.ERROR

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.rule.name,
            "rule": self.rule.text,
            "found": self.found,
            "allowed": self.allowed,
            "passed": self.passed,
            "severity": str(self.rule.severity),
            "message": self.message,
        }


def hold(
    rules: Iterable[DatasetRule],
    rows: int,
    facts: Callable[[str], ColumnFacts],
    *,
    as_of: date | None,
    sensitive: Set[str] = frozenset(),
) -> list[Verdict]:
    """Hold a file against its contract's dataset rules.

    Args:
        rows: of the file, more than none.
        facts: of a column, asked only for columns that a rule names.
        as_of: the day of delivery; needed where a rule asks for freshness.
        sensitive: columns whose values are not to be said.
    """
    return [_verdict(rule, rows, facts, as_of, sensitive) for rule in rules]


def _verdict(
    rule: DatasetRule, rows: int, facts: Callable[[str], ColumnFacts], as_of: date | None, sensitive: Set[str]
) -> Verdict:
    if rule.column is None:
        message = f"the file has {rows:,} row{'s' if rows > 1 else ''}; the contract allows {rule.limit}"
        return Verdict(rule, rows, rule.limit, rule.allows(rows), message)
    known = facts(rule.column)
    if rule.measure is Measure.FRESHNESS:
        assert as_of is not None
        return _freshness(rule, known.newest, as_of, hidden=rule.column in sensitive)
    share = 100 * known.nulls / rows
    found = share if rule.measure is Measure.NULL_SHARE else known.nulls
    message = (
        f"{rule.column} is empty in {known.nulls:,} of {rows:,} rows ({share:.2f} %); the contract allows {rule.limit}"
    )
    return Verdict(rule, found, rule.limit, rule.allows(found), message)


def _freshness(rule: DatasetRule, newest: date | None, as_of: date, *, hidden: bool) -> Verdict:
    (days,) = rule.bounds
    allowed = f"{as_of - timedelta(days=days)} or later ({days:,} days before {as_of})"
    if newest is None:
        message = f"no {rule.column} could be read as a date; the contract allows {allowed}"
        return Verdict(rule, None, allowed, passed=False, message=message)
    day = newest.date() if isinstance(newest, datetime) else newest
    found = HIDDEN if hidden else day.isoformat()
    message = f"the newest {rule.column} is {found}; the contract allows {allowed}"
    return Verdict(rule, found, allowed, rule.allows((as_of - day).days), message)
