"""Rules about a whole file, as a contract declares them: how many rows, how many empty cells, how old.

Imports no Polars, because every load of the code location declares asset checks from these rules.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """``error`` rejects the file, ``warning`` is reported."""

    ERROR = "error"
    WARNING = "warning"


class Measure(StrEnum):
    """What is measured. A rule's default name is ``<column>.<measure>``, or the measure alone."""

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
"""ODCS's comparisons with their words. A range includes both ends."""

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
        column: None for the file's rows.
        operator: one of ``OPERATORS``.
        bounds: the one or two numbers that the operator takes.
        line: of the contract.
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
        """The error code of a file that the rule rejects."""
        return "stale" if self.measure is Measure.FRESHNESS else str(self.measure)

    @property
    def limit(self) -> str:
        """What is allowed, in words: ``at least 100 rows``."""
        words = OPERATORS[self.operator][1].format(*(f"{bound:,}" for bound in self.bounds))
        return f"{words} {_UNITS[self.measure]}"

    @property
    def text(self) -> str:
        if self.measure is Measure.FRESHNESS:
            return f"The newest {self.column} is {self.limit} before the day of delivery."
        if self.column is None:
            return f"The file has {self.limit}."
        return f"{self.column} is empty in {self.limit}."

    def allows(self, found: float) -> bool:
        return OPERATORS[self.operator][0](found, *self.bounds)
