"""Rows, refused rows and refused files of each dataset by period, from the calendar, and their trend in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from etl_platform.deliveries.overview.calendar import Cell, DatasetCalendar
from etl_platform.engine.drift.words import percent


@dataclass(frozen=True)
class PeriodCounts:
    """All files of one period; ``good`` and ``bad`` are shares of the largest period's rows."""

    label: str
    files: int
    refused_files: int
    rows: int
    quarantined: int
    good: float
    bad: float


@dataclass(frozen=True)
class Trend:
    """One dataset by period, the oldest first. ``words`` compare the younger half of the periods with the older one."""

    dataset: str
    periods: Sequence[PeriodCounts]
    words: str


def trend(calendar: DatasetCalendar) -> Trend:
    columns = [[row.cells[place] for row in calendar.rows] for place in range(len(calendar.periods))]
    most = max((sum(cell.rows for cell in cells) for cells in columns), default=0) or 1
    labels = map(calendar.unit.label, calendar.periods)
    counts = [_counts(label, cells, most) for label, cells in zip(labels, columns, strict=True)]
    return Trend(calendar.dataset, counts, _words(counts, str(calendar.unit)))


def _counts(label: str, cells: Sequence[Cell], most: int) -> PeriodCounts:
    files = [one for cell in cells for one in cell.files]
    rows, quarantined = sum(cell.rows for cell in cells), sum(cell.quarantined for cell in cells)
    refused = sum(one.outcome == "rejected" for one in files)
    return PeriodCounts(label, len(files), refused, rows, quarantined, (rows - quarantined) / most, quarantined / most)


def _words(counts: Sequence[PeriodCounts], unit: str) -> str:
    """Whether it gets better or worse: the current period is left out, because it is not over."""
    past = counts[:-1]
    half = len(past) // 2
    if not half:
        return ""
    before, after = _shares(past[-2 * half : -half]), _shares(past[-half:])
    if before is None or after is None:
        return ""
    span = f"{half} {unit}s" if half > 1 else unit
    return (
        f"In the last full {span}: {after[0]} of the rows and {after[1]} of the files refused. "
        f"In the {span} before: {before[0]} and {before[1]}."
    )


def _shares(counts: Sequence[PeriodCounts]) -> tuple[str, str] | None:
    """The shares of refused rows and files in words; None without a file."""
    files, rows = sum(one.files for one in counts), sum(one.rows for one in counts)
    if not files:
        return None
    quarantined, refused = sum(one.quarantined for one in counts), sum(one.refused_files for one in counts)
    return percent(quarantined / (rows or 1)), percent(refused / files)
