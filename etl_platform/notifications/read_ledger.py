"""Finds new events: in reports that were written since the last round, in failed deliveries, in overdue files.

What was there before the first round is known, so a bucket with years of history gives no events.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from etl_platform import object_keys
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.report_days import ReportDays, ReportEntry
from etl_platform.deliveries.waiting import Prospect, WaitingDelivery, WaitingRecords
from etl_platform.engine.contract.model import Contract
from etl_platform.errors import ReportError
from etl_platform.notifications.delivery_event import DeliveryEvent, EventKind
from etl_platform.notifications.find_events import (
    OverdueFile,
    event_of_failure,
    event_of_overdue,
    event_of_report,
    is_good,
    recovery,
)
from etl_platform.notifications.outbox import GIVE_UP_AFTER, Outbox, Problem
from etl_platform.notifications.overdue_list import read_overdue
from etl_platform.storage.object_store import ObjectStore

_OVERLAP = timedelta(minutes=15)
"""By which the time of an entry may be earlier than that of one listed before, and our clock differ from S3's."""
_AWAITED_FOR = timedelta(days=1)
"""How long an entry without a report is looked at again: the report may be written a moment later."""
_REMEMBERED_FOR = timedelta(days=100)
"""A good file after a longer time is no news about an old problem."""
_FAILURES_READ = 50
log = logging.getLogger(__name__)


@dataclass
class _Problems:
    """What was not good last, while reports are read in the order in which they were written."""

    known: dict[str, Problem] = field(default_factory=dict)

    def add(self, subject: str, event: DeliveryEvent) -> None:
        self.known[subject] = Problem(event.id, event.at)

    def end(self, *subjects: str) -> Problem | None:
        """Forget the problems of these subjects; returns the first one."""
        ended = [self.known.pop(subject, None) for subject in subjects]
        return next((one for one in ended if one is not None), None)


class LedgerReader:
    """Reads one bucket. Every method raises TransientError if infrastructure fails.

    Args:
        contracts: by dataset.
    """

    def __init__(self, store: ObjectStore, bucket: str, contracts: Mapping[str, Contract]) -> None:
        self._store, self._bucket, self._contracts = store, bucket, contracts
        self._days, self._ledger = ReportDays(store, bucket), Ledger(store, bucket)
        self._waiting = WaitingRecords(store, bucket)

    def begin(self, now: datetime) -> Outbox:
        """The outbox before the first round: all that is there is known."""
        seen = frozenset(entry.report_key for entry in self._days.written_since(now - _OVERLAP))
        etags, records = self._waiting.changed({}, limit=10_000)
        failed = {one.delivery_id: etags[one.delivery_id] for one in records if _is_for_good(one, now)}
        overdue = {_partition(file): file.expected_by.isoformat() for file in self._overdue_files() or ()}
        return Outbox(read_to=now, seen=seen, failed=failed, overdue=overdue)

    def read(self, outbox: Outbox, now: datetime, limit: int) -> tuple[Outbox, list[DeliveryEvent], bool]:
        """New events, of at most ``limit`` reports, and the outbox after them.

        Returns:
            Also whether there are more reports.
        """
        problems = _Problems({name: one for name, one in outbox.problems.items() if now - one.at < _REMEMBERED_FOR})
        read_from = max(outbox.read_to, now - GIVE_UP_AFTER)
        entries = self._days.written_since(read_from - _OVERLAP)
        new = [entry for entry in entries if entry.report_key not in outbox.seen]
        taken, more = new[:limit], len(new) > limit
        # Overdue files first: a file that has arrived since the list was made ends that.
        overdue, events = self._overdue(outbox, problems)
        reports, awaited = self._reports(taken, outbox, now)
        events += self._of_reports(reports, problems)
        failed, failures = self._failures(outbox, problems, now)
        read_to = max([read_from, *(entry.written_at for entry in (taken if more else entries))])
        done = outbox.seen | {entry.report_key for entry in taken}
        seen = {one.report_key for one in entries if one.report_key in done and one.written_at >= read_to - _OVERLAP}
        after = replace(
            outbox,
            read_to=read_to,
            seen=frozenset(seen),
            awaited=awaited,
            problems=problems.known,
            failed=failed,
            overdue=overdue,
        )
        return after, [*events, *failures], more

    def _reports(
        self, taken: Sequence[ReportEntry], outbox: Outbox, now: datetime
    ) -> tuple[list[Report], dict[str, datetime]]:
        """The reports of entries, those that ended first before the others, and the entries that still lack theirs."""
        wanted = {**outbox.awaited, **{entry.report_key: entry.written_at for entry in taken}}
        reports: list[Report] = []
        awaited: dict[str, datetime] = {}
        for key, found in self._ledger.outlines(wanted).items():
            if isinstance(found, Report):
                reports.append(found)
            elif isinstance(found, ReportError):
                log.warning("no notification of a report that cannot be read", extra={"error": str(found)})
            elif now - wanted[key] < _AWAITED_FOR:
                awaited[key] = wanted[key]
        return sorted(reports, key=lambda report: report.attempt.ended_at), awaited

    def _of_reports(self, reports: Sequence[Report], problems: _Problems) -> Iterator[DeliveryEvent]:
        for report in reports:
            event = event_of_report(report, self._contracts)
            if report.dataset is not None and report.agency is not None:
                event = _with_recovery(report, event, problems)
            if event is not None:
                yield event

    def _failures(
        self, outbox: Outbox, problems: _Problems, now: datetime
    ) -> tuple[dict[str, str], list[DeliveryEvent]]:
        """What is known of failed deliveries, by delivery id, and the events of those that are not tried again."""
        etags, records = self._waiting.changed(outbox.failed, _FAILURES_READ)
        known = {name: etag for name, etag in outbox.failed.items() if etags.get(name) == etag}
        events: list[DeliveryEvent] = []
        for record in records:
            if _is_for_good(record, now):
                known[record.delivery_id] = etags[record.delivery_id]
                events.append(event_of_failure(record))
                problems.add(object_keys.series_key(record.dataset, record.agency, record.source.key), events[-1])
        return known, events

    def _overdue(self, outbox: Outbox, problems: _Problems) -> tuple[dict[str, str], list[DeliveryEvent]]:
        current: dict[str, str] = {}
        events: list[DeliveryEvent] = []
        files = self._overdue_files()
        if files is None:
            return dict(outbox.overdue), events
        for file in files:
            name, expected_by = _partition(file), file.expected_by.isoformat()
            current[name] = expected_by
            if outbox.overdue.get(name) != expected_by:
                events.append(event_of_overdue(file))
                problems.add(name, events[-1])
        return current, events

    def _overdue_files(self) -> list[OverdueFile] | None:
        try:
            return read_overdue(self._store, self._bucket)
        except ReportError as error:
            log.warning("no notification of overdue files", extra={"error": str(error)})
            return None


def _with_recovery(report: Report, event: DeliveryEvent | None, problems: _Problems) -> DeliveryEvent | None:
    """The event of a report, or that all is good again after a problem."""
    dataset, agency = report.partition
    series = object_keys.series_key(dataset, agency, report.source.key)
    if event is not None and event.kind in {EventKind.REJECTED, EventKind.QUARANTINED}:
        problems.add(series, event)
        problems.end(f"{dataset}/{agency}")
        return event
    if event is None and is_good(report):
        ended = problems.end(series, f"{dataset}/{agency}")
        return None if ended is None else recovery(report, ended.event_id)
    return event


def _is_for_good(record: WaitingDelivery, now: datetime) -> bool:
    return record.prospect(now) in {Prospect.DEAD, Prospect.GONE}


def _partition(file: OverdueFile) -> str:
    return f"{file.dataset}/{file.agency}"
