"""One column of one file, as it is compared with the same column of other files, and the test of distributions."""

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from etl_platform.engine.contract.drift_limits import DriftLimits
from etl_platform.engine.drift.finding import Change, Finding
from etl_platform.engine.drift.summary import ColumnSummary, FileSummary
from etl_platform.engine.drift.words import files_words, percent

MIN_ROWS = 20
"""With fewer values, the values of a column are not compared."""


class SeenColumn(NamedTuple):
    """One column of one file; ``filled`` is the number of rows with a value."""

    name: str
    file: FileSummary
    summary: ColumnSummary
    filled: int

    @classmethod
    def of(cls, name: str, file: FileSummary) -> "SeenColumn":
        summary = file.columns[name]
        return cls(name, file, summary, round((1 - summary.nulls) * file.rows))

    def shares(self, years: Set[str]) -> Mapping[str, float]:
        """Of a column of codes, the share of each but ``years``, which come and go with time."""
        return {value: share for value, share in (self.summary.values or {}).items() if value not in years}


@dataclass(frozen=True)
class Measure:
    """How the distributions of a column of two files are compared.

    Attributes:
        distance: of the column of this file from that of a previous file.
        by_chance: what chance does between two files of one value each.
        size: on how many values the distribution of a column is based.
    """

    distance: Callable[[SeenColumn], float]
    by_chance: Callable[[SeenColumn], float]
    size: Callable[[SeenColumn], int]


def far(
    now: SeenColumn, seen: Sequence[SeenColumn], limits: DriftLimits, measure: Measure
) -> tuple[float, float] | None:
    """How far the nearest of the previous files is away, and the limit; None if one of them is near enough."""
    nearest: tuple[float, float] | None = None
    # The last file is the likeliest to be near, and one that is near is enough.
    for one in reversed(seen):
        sizes = sum(1 / measure.size(column) for column in (now, one))
        limit = limits.distribution_percent / 100 + measure.by_chance(one) * math.sqrt(sizes)
        found = measure.distance(one)
        if found <= limit:
            return None
        nearest = min(nearest or (1.0, limit), (found, limit))
    return nearest


def distribution_finding(now: SeenColumn, files: int, found: str, limit: float, kept: str) -> Finding:
    """A finding about a distribution; ``kept`` says where its values are."""
    message = f"{now.name}: {found}, compared with the most similar of {files_words(files)}"
    return Finding(Change.DISTRIBUTION, now.name, found, f"at most {percent(limit)} {kept}", message)
