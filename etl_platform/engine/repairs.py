"""In which order to correct broken rules, so that rows become good soon. Counts in, steps out."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etl_platform.engine.json_fields import Json

SEPARATOR = ";"
"""Between the reasons of one row."""
_MAX_STEPS, _MAX_TOGETHER = 20, 10


@dataclass(frozen=True)
class Repair:
    """One step: correct these rules, and so many rows are good that were not good before."""

    reasons: tuple[str, ...]
    rows: int

    @classmethod
    def from_json(cls, data: Json) -> "Repair":
        return cls(tuple(data["reasons"]), data["rows"])

    def to_json(self) -> dict[str, Any]:
        return {"reasons": list(self.reasons), "rows": self.rows}


def order_repairs(combinations: Mapping[str, int]) -> tuple[Repair, ...]:
    """Steps, the one that gains most first; rules that only gain rows together are one step.

    Rows that break more rules than one step can have, or rules beyond the last step, are in none.

    Args:
        combinations: rows by their reasons, which SEPARATOR joins.
    """
    # Sorted, because sums of shares depend on their order in the last digit.
    left = [(set(reasons.split(SEPARATOR)), rows) for reasons, rows in sorted(combinations.items())]
    steps: list[Repair] = []
    pending: list[str] = []
    while left and len(steps) < _MAX_STEPS and len(pending) < _MAX_TOGETHER:
        reason = _most_promising(left)
        pending.append(reason)
        for reasons, _ in left:
            reasons.discard(reason)
        if gained := sum(rows for reasons, rows in left if not reasons):
            steps.append(Repair(tuple(pending), gained))
            pending = []
        left = [(reasons, rows) for reasons, rows in left if reasons]
    return tuple(steps)


def _most_promising(left: list[tuple[set[str], int]]) -> str:
    """The reason with the most rows; a row with several reasons counts for each of them in part."""
    shares: dict[str, float] = defaultdict(float)
    for reasons, rows in left:
        for reason in reasons:
            shares[reason] += rows / len(reasons)
    return min(shares, key=lambda reason: (-shares[reason], reason))
