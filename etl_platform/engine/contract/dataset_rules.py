"""Rules about a file as a whole, as a contract declares them: how many rows, how many empty cells, how old.

Light on purpose: asset checks are declared from it at every start.
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
