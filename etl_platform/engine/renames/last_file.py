"""What the previous files of a series held in a column that a file lacks, and how like a new column is to it. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from etl_platform.engine.contract.model import fold
from etl_platform.engine.drift.distance import quantile_distance, share_distance
from etl_platform.engine.drift.summary import ColumnSummary, FileSummary

PreviousFiles = Callable[[], Sequence[FileSummary]]
"""The previous files of a series, the oldest first. Called only for a file that lacks columns and has unknown ones."""


def no_files() -> Sequence[FileSummary]:
    return ()


_CODES, _FEW_CODES, _NUMBERS, _DAYS, _FORMS = 0.62, 0.33, 0.4, 0.28, 0.28
"""What it adds to a score that a column holds what another one held: codes, yes and no, numbers, dates, forms of texts.
Codes alone are enough, if nearly all rows have them as before."""
_LEAST_CODES = 3


@dataclass(frozen=True)
class LastSeen:
    """A column in the newest file that had it. ``beside``: headers of that file which the contract does not know."""

    column: ColumnSummary
    beside: frozenset[str]

    def excludes(self, header: str) -> bool:
        """Whether the header was there beside the column, so that it is not its new name."""
        return fold(header) in self.beside


@dataclass(frozen=True)
class Likeness:
    """``share``: of the distribution that is the same. ``strength``: what the whole of it adds to a score."""

    share: float
    strength: float


def last_seen(files: Sequence[FileSummary]) -> dict[str, LastSeen]:
    """By column, what the newest file that had it held."""
    return {
        name: LastSeen(column, frozenset(map(fold, file.extra)))
        for file in files
        for name, column in file.columns.items()
        if column.nulls < 1
    }


def likeness(last: ColumnSummary, now: ColumnSummary) -> Likeness | None:
    """How like the values of two columns are, without their empty cells; None if nothing can be compared."""
    if last.nulls >= 1 or now.nulls >= 1:
        return None
    if last.values and now.values:
        shares = [
            {value: share / (1 - one.nulls) for value, share in (one.values or {}).items()} for one in (last, now)
        ]
        strength = _CODES if len(last.values) >= _LEAST_CODES else _FEW_CODES
        return Likeness(1 - share_distance(*shares), strength)
    if last.quantiles and now.quantiles and last.are_days == now.are_days:
        # Dates move on from file to file.
        moved = last.quantiles[-1] - now.quantiles[-1] if last.are_days else 0.0
        distance = quantile_distance(last.quantiles, [value + moved for value in now.quantiles])
        return Likeness(1 - distance, _DAYS if last.are_days else _NUMBERS)
    if last.forms and now.forms:
        return Likeness(1 - share_distance(last.forms, now.forms), _FORMS)
    return None
