"""Reads what the overview of all agencies shows: the calendar and what is refused now. Makes no text."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from etl_platform.deliveries.agency_register import AgencyRegister
from etl_platform.deliveries.last_deliveries import LastDeliveries, LastDelivery, Partition
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.overview.calendar import DatasetCalendar, Unit, arrivals_calendar, last_attempts
from etl_platform.deliveries.overview.refused_now import refused_now
from etl_platform.deliveries.overview.state import Overdue, OverdueList, Overview
from etl_platform.deliveries.overview.summaries import DeliverySummaries, DeliverySummary
from etl_platform.deliveries.reconcile.expected_files import AgencyCadences, ExpectedFiles
from etl_platform.deliveries.verdict import why
from etl_platform.engine.contract.model import Contract
from etl_platform.errors import ReportError
from etl_platform.object_keys import base_name
from etl_platform.storage.object_store import ObjectStore

DAYS = 90
"""Days of the calendar, unless others are asked for."""
_VERDICTS_SHOWN = 50
_AT_ONCE = 16
_DAY = timedelta(days=1)
_LONGEST_CYCLE = timedelta(days=62)
"""Files before the calendar are read for one cycle: whether its first file came late depends on the one before."""
Progress = Callable[[str, int], object]


@dataclass(frozen=True)
class RefusedNow:
    """A file whose last version is refused. ``file`` and ``why`` are empty where its report was not read."""

    summary: DeliverySummary
    file: str = ""
    why: str = ""


@dataclass(frozen=True)
class OverviewFacts:
    """What the page shows.

    Attributes:
        since: the first day of the calendar.
        state: what is stuck, retried, overdue and ignored now.
        arrived: deliveries of the last 24 hours by outcome.
        refused: the newest first.
        file_names: those of the contracts, to guess what an ignored file is.
        unreadable: reports that could not be read.
    """

    made_at: datetime
    since: date
    agency: str | None
    state: Overview
    arrived: Mapping[str, int]
    refused: Sequence[RefusedNow]
    calendars: Sequence[DatasetCalendar]
    file_names: Sequence[str]
    unreadable: Sequence[ReportError]


def read_facts(
    store: ObjectStore,
    bucket: str,
    contracts: Mapping[str, Contract],
    state: Overview,
    now: datetime,
    *,
    days: int,
    agency: str | None = None,
    progress: Progress = lambda _stage, _number: None,
) -> OverviewFacts:
    """Read what the overview shows of one agency, or of all active ones.

    Args:
        state: what is stuck, retried, overdue and ignored now; the caller reads it from the queues and Dagster.

    Raises:
        ReportError: the report of a last delivery cannot be read.
        TransientError: infrastructure.
    """
    agencies = AgencyRegister(store, bucket).read()

    def is_shown(name: str) -> bool:
        return name == agency if agency is not None else agencies.is_active(name)

    unreadable: list[ReportError] = []
    since = _first_day(now, days)
    first = _first_day_read(contracts, since)
    read = DeliverySummaries(store, bucket).since(first, now, unreadable.append, progress)
    summaries = [one for one in read if is_shown(one.agency)]
    last = {
        partition: one
        for partition, one in LastDeliveries(store, bucket, now).read().items()
        if is_shown(one.agency) and partition[0] in contracts
    }
    deliveries, cadences = last_attempts(summaries), AgencyCadences()
    return OverviewFacts(
        now,
        since,
        agency,
        state,
        Counter(one.outcome for one in deliveries if one.ended_at > now - _DAY),
        _with_verdicts(store, bucket, _refused(deliveries, last), unreadable),
        arrivals_calendar(
            deliveries,
            last,
            cadence_of=lambda dataset, name: cadences.of(contracts[dataset], name) if dataset in contracts else None,
            unit_of=lambda dataset: Unit.of(contracts[dataset].cadence if dataset in contracts else None),
            since=since,
            now=now,
        ),
        [contract.physical_name for contract in contracts.values()],
        unreadable,
    )


def keep_summaries(store: ObjectStore, bucket: str, contracts: Mapping[str, Contract], now: datetime) -> None:
    """Read what the usual overview needs, so that the next one is fast. A report that cannot be read is left out.

    Raises:
        TransientError: infrastructure.
    """
    first = _first_day_read(contracts, _first_day(now, DAYS))
    DeliverySummaries(store, bucket).since(first, now, lambda _error: None)


def overdue_now(
    store: ObjectStore, bucket: str, contracts: Mapping[str, Contract], now: datetime, agency: str | None = None
) -> OverdueList:
    """The files that are overdue by the ledger, of one agency or of all active ones.

    Raises:
        ReportError: the report of a last delivery cannot be read.
        TransientError: infrastructure.
    """
    expected = ExpectedFiles(store, bucket, now).timeliness_of_all(contracts)
    late = [Overdue(name, dataset, one.text) for dataset, name, one in expected if one.overdue]
    return OverdueList(now, [one for one in late if agency in {None, one.agency}])


def _first_day(now: datetime, days: int) -> date:
    return now.astimezone(UTC).date() - (days - 1) * _DAY


def _first_day_read(contracts: Mapping[str, Contract], since: date) -> date:
    cycles = [one.cadence.every + one.cadence.grace for one in contracts.values() if one.cadence]
    return Unit.MONTH.start(since) - min(max(cycles, default=_DAY), _LONGEST_CYCLE)


def _refused(
    deliveries: Sequence[DeliverySummary], last_deliveries: Mapping[Partition, LastDelivery]
) -> list[DeliverySummary]:
    """The files whose last version is refused, the newest first; of longer ago the last one of each partition."""
    found = refused_now(deliveries)
    known = {one.delivery_id for one in deliveries}
    found += [
        DeliverySummary(
            one.dataset,
            one.agency,
            one.delivery_id,
            None,
            "",
            one.outcome,
            one.arrived_at,
            one.reported_at,
            None,
            None,
            "",
        )
        for one in last_deliveries.values()
        if one.outcome == "rejected" and one.delivery_id not in known
    ]
    return sorted(found, key=lambda it: (it.arrived_at, it.delivery_id), reverse=True)


def _with_verdicts(
    store: ObjectStore, bucket: str, refused: Sequence[DeliverySummary], unreadable: list[ReportError]
) -> list[RefusedNow]:
    """The newest of them with the file's name and the reason, from their reports."""
    ledger = Ledger(store, bucket)

    def read(one: DeliverySummary) -> RefusedNow:
        try:
            report = ledger.find(one.dataset, one.agency, one.delivery_id, one.attempt_id)
        except ReportError as error:
            unreadable.append(error)
            report = None
        if report is None:
            return RefusedNow(one, why=one.code)
        return RefusedNow(one, base_name(report.source.key) or report.source.key, why(report))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        shown = list(pool.map(read, refused[:_VERDICTS_SHOWN]))
    return shown + [RefusedNow(one, why=one.code) for one in refused[_VERDICTS_SHOWN:]]
