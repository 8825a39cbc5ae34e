"""The arrivals calendar: which agency sent which dataset in which period, from summaries of deliveries. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from etl_platform.deliveries.last_deliveries import LastDelivery, Partition
from etl_platform.deliveries.overview.summaries import DeliverySummary
from etl_platform.engine.contract.cadence import Cadence

_MOST_PERIODS = 53
"""A year of weeks; of a longer time the last ones are shown."""


class Arrived(StrEnum):
    """What became of an agency's files of one period, the worst first."""

    REFUSED = "refused"
    OVERDUE = "overdue"
    MISSING = "missing"
    PARTLY = "partly refused"
    LATE = "late"
    ERASED = "erased"
    CAME = "came"
    NOTHING = "nothing"


TROUBLE = (Arrived.REFUSED, Arrived.OVERDUE, Arrived.MISSING, Arrived.PARTLY, Arrived.LATE)
_BY_WORST = {state: place for place, state in enumerate(Arrived)}


class Unit(StrEnum):
    """What a column of the calendar is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @classmethod
    def of(cls, cadence: Cadence | None) -> "Unit":
        if cadence is None or cadence.every >= timedelta(days=27):
            return cls.MONTH
        return cls.WEEK if cadence.every >= timedelta(days=6) else cls.DAY

    def start(self, day: date) -> date:
        """The first day of the period in which a day is; weeks begin on Monday."""
        if self is Unit.MONTH:
            return day.replace(day=1)
        return day - timedelta(days=day.weekday()) if self is Unit.WEEK else day

    def before(self, start: date) -> date:
        """The first day of the period before."""
        return self.start(start - timedelta(days=1))

    def label(self, start: date) -> str:
        return f"{start:%Y-%m}" if self is Unit.MONTH else f"{start:%Y-%m-%d}"


@dataclass(frozen=True)
class Cell:
    """One period of one agency.

    Attributes:
        files: the last delivery of each file that arrived in the period, the newest first.
        days_late: of a file that came late.
    """

    state: Arrived = Arrived.NOTHING
    files: Sequence[DeliverySummary] = ()
    days_late: int = 0

    @property
    def rows(self) -> int:
        return sum(one.rows or 0 for one in self.files)

    @property
    def quarantined(self) -> int:
        return sum(one.quarantined or 0 for one in self.files)


@dataclass(frozen=True)
class AgencyRow:
    """The periods of one agency, and when its last file arrived, which may be earlier (UTC)."""

    agency: str
    cells: Sequence[Cell]
    last_arrived: datetime | None

    @property
    def worst(self) -> Arrived:
        """Of the last two periods, which are those that somebody can still do something about, or of all."""
        return min((cell.state for cell in self.cells[-2:]), key=_BY_WORST.__getitem__)

    @property
    def troubles(self) -> int:
        return sum(cell.state in TROUBLE for cell in self.cells)


@dataclass(frozen=True)
class DatasetCalendar:
    """One dataset; agencies with trouble first, then by name."""

    dataset: str
    unit: Unit
    periods: Sequence[date]
    rows: Sequence[AgencyRow]


def arrivals_calendar(
    summaries: Iterable[DeliverySummary],
    last_deliveries: Mapping[Partition, LastDelivery],
    *,
    cadence_of: Callable[[str, str], Cadence | None],
    unit_of: Callable[[str], Unit],
    since: date,
    now: datetime,
) -> list[DatasetCalendar]:
    """The calendar of each dataset, by name.

    Args:
        summaries: of all attempts since then.
        last_deliveries: of each partition to show, also of those that sent nothing since.
        cadence_of: how often a file of a dataset and agency is expected; None if it is not.
    """
    files = last_attempts(summaries)
    by_partition: dict[Partition, list[DeliverySummary]] = defaultdict(list)
    for one in files:
        by_partition[one.dataset, one.agency].append(one)
    by_dataset: dict[str, list[str]] = defaultdict(list)
    for dataset, agency in sorted(by_partition.keys() | last_deliveries.keys()):
        by_dataset[dataset].append(agency)
    found = []
    for dataset, agencies in by_dataset.items():
        unit = unit_of(dataset)
        periods = _periods(unit, since, now.astimezone(UTC).date())
        rows = []
        for agency in agencies:
            files, last = by_partition.get((dataset, agency), []), last_deliveries.get((dataset, agency))
            times = sorted(one.arrived_at for one in files) or ([last.arrived_at] if last else [])
            timing = _timing(times, cadence_of(dataset, agency), now)
            last_arrived = max([*times, *([last.arrived_at] if last else [])], default=None)
            rows.append(AgencyRow(agency, _cells(files, timing, unit, periods), last_arrived))
        found.append(DatasetCalendar(dataset, unit, periods, sorted(rows, key=_trouble_first)))
    return found


def last_attempts(summaries: Iterable[DeliverySummary]) -> list[DeliverySummary]:
    """The last attempt of each delivery. A tombstone ends the delivery, whatever the clock says of other attempts."""
    found: dict[str, DeliverySummary] = {}
    for one in summaries:
        known = found.get(one.delivery_id)
        if known is None or _attempt_order(one) > _attempt_order(known):
            found[one.delivery_id] = one
    return list(found.values())


def _attempt_order(one: DeliverySummary) -> tuple[bool, datetime, str]:
    return one.outcome == "erased", one.ended_at, one.attempt_id or ""


def _periods(unit: Unit, since: date, today: date) -> list[date]:
    """The first days of the periods until today, the oldest first."""
    found = [unit.start(today)]
    while len(found) < _MOST_PERIODS and found[-1] > since:
        found.append(unit.before(found[-1]))
    return found[::-1]


@dataclass(frozen=True)
class _Timing:
    """Of one partition: how many days late a file came, when one was expected in vain, and whether one is overdue."""

    late: Mapping[datetime, int] = field(default_factory=dict)
    missing: Sequence[datetime] = ()
    overdue: bool = False


def _cells(files: Iterable[DeliverySummary], timing: _Timing, unit: Unit, periods: Sequence[date]) -> list[Cell]:
    by_period: dict[date, list[DeliverySummary]] = defaultdict(list)
    for one in sorted(files, key=lambda it: it.arrived_at):
        by_period[unit.start(one.arrived_at.date())].append(one)
    days_late = {unit.start(at.date()): days for at, days in timing.late.items()}
    missing = {unit.start(at.date()) for at in timing.missing}
    cells = []
    for start in periods:
        if newest := _last_of_each_file(by_period.get(start, ())):
            cells.append(Cell(_state(newest, is_late=start in days_late), newest, days_late.get(start, 0)))
        elif timing.overdue and start == periods[-1]:
            cells.append(Cell(Arrived.OVERDUE))
        else:
            cells.append(Cell(Arrived.MISSING if start in missing else Arrived.NOTHING))
    return cells


def _timing(arrived: Sequence[datetime], cadence: Cadence | None, now: datetime) -> _Timing:
    """A file is held against the last time at which one was expected before it came, as ``judge_timeliness`` does."""
    if cadence is None or not arrived:
        return _Timing()
    late: dict[datetime, int] = {}
    missing: list[datetime] = []
    for before, after in pairwise(arrived):
        cycles = (after - before) // cadence.every
        delay = after - (before + cycles * cadence.every)
        if cycles and delay > cadence.grace:
            late[after] = max(1, delay.days)
        # A file that comes later than half a cycle is no longer the one that was expected then.
        in_vain = cycles if delay > max(cadence.grace, cadence.every / 2) else cycles - 1
        missing += [before + number * cadence.every for number in range(1, in_vain + 1)]
    cycles = (now - arrived[-1]) // cadence.every
    overdue = now > arrived[-1] + cadence.every + cadence.grace
    missing += [arrived[-1] + number * cadence.every for number in range(1, cycles + 1)] if overdue else []
    return _Timing(late, missing, overdue)


def _last_of_each_file(files: Iterable[DeliverySummary]) -> list[DeliverySummary]:
    """Of files that were sent again, the last version; the newest first. Superseded deliveries lost to a newer one."""
    found: dict[str, DeliverySummary] = {}
    for one in files:
        if one.file not in found or one.outcome != "superseded":
            found[one.file] = one
    return sorted(found.values(), key=lambda it: it.arrived_at, reverse=True)


def _state(files: Sequence[DeliverySummary], *, is_late: bool) -> Arrived:
    refused = [one for one in files if one.outcome == "rejected"]
    if len(refused) == len(files):
        return Arrived.REFUSED
    if refused or any(one.quarantined for one in files):
        return Arrived.PARTLY
    if all(one.outcome == "erased" for one in files):
        return Arrived.ERASED
    return Arrived.LATE if is_late else Arrived.CAME


def _trouble_first(row: AgencyRow) -> tuple[int, int, str]:
    return _BY_WORST[row.worst], -row.troubles, row.agency
