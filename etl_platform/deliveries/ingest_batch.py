"""The body of an intake run: ingest a batch of messages and log every result as Dagster events. No Dagster.

Dagster is behind ``EventLog``, so that a simulation can run the same code on its own clock, queue and store.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from etl_platform.deliveries.batch import BatchMessage, FailedDelivery, FinishedFile, process_batch
from etl_platform.deliveries.check_errors import describe
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.report import Report, Trigger
from etl_platform.deliveries.routing import RoutedObject
from etl_platform.deliveries.waiting import WaitingDelivery, WaitingRecords
from etl_platform.engine.output.plain_text import counted
from etl_platform.errors import TransientError
from etl_platform.queue_work.lease import MessageQueue
from etl_platform.queue_work.workers import Workers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoggedDelivery:
    """What is logged of a delivery: its outcome may differ from its report's; ``repeated`` if it was counted before.

    ``report_etag`` is that of the report's object, if this run has written it.
    """

    report: Report
    outcome: Outcome
    repeated: bool = False
    report_etag: str | None = None


class EventLog(Protocol):
    """Dagster's event log, as one run sees it."""

    def register_agencies(self, senders: Mapping[str, Collection[str]]) -> None:
        """Add partitions for the agencies that send a dataset for the first time.

        Events can only be logged under a partition that exists.

        Args:
            senders: agencies by dataset.
        """
        ...

    def is_logged(self, report: Report) -> bool:
        """Whether the events of the report's delivery are in the log."""
        ...

    def log_deliveries(self, deliveries: Sequence[LoggedDelivery]) -> Mapping[str, str]:
        """Log the events of deliveries of one partition, in this order.

        Returns:
            The eTags of the partition's silver objects by key, as they were listed after the events were logged; of
            some or none, if they were not listed.
        """
        ...

    def log_ignored(self, report: Report) -> None:
        """Log an object that belongs to no dataset."""
        ...

    def finish(self) -> None:
        """Log what other runs have changed since the last delivery was logged."""
        ...

    def note_progress(self) -> None:
        """Mark the run: it has finished a delivery, so its failure would not be an outage."""
        ...


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch: the deliveries that are done, and those that failed."""

    results: tuple[DeliveryResult, ...]
    failures: tuple[FailedDelivery, ...]

    @property
    def outcomes(self) -> Counter[str]:
        """Deliveries by outcome; those without a result count as ``failed``."""
        outcomes = Counter(str(result.outcome) for result in self.results)
        return outcomes + Counter({str(Outcome.FAILED): len(self.failures)})


def outcomes_text(outcomes: Mapping[str, int]) -> str:
    """The counts for people, such as ``3 accepted, 1 failed``."""
    return ", ".join(f"{times:,} {outcome}" for outcome, times in sorted(outcomes.items()))


def deliveries_text(number: int, outcomes: Mapping[str, int]) -> str:
    """A batch in one line: how many deliveries it had, and their outcomes."""
    done = outcomes_text(outcomes) or ("none was processed" if number else "nothing to do")
    return f"{counted(number, 'delivery', 'deliveries')}: {done}"


def ingest_batch(
    messages: Sequence[BatchMessage],
    intake: Intake,
    event_log: EventLog,
    *,
    run_id: str,
    queue: MessageQueue | None,
    workers: Workers,
    visibility_timeout_s: int,
    clock: Callable[[], float],
) -> BatchResult:
    """Ingest every file of every message, and log its events before its message is deleted.

    Args:
        clock: epoch seconds.

    Raises:
        TransientError: the first heartbeat or the event log failed before any file was processed.
    """
    results: list[DeliveryResult] = []
    notes = _FailureNotes(intake.waiting, run_id, clock)
    registered: set[tuple[str, str]] = set()
    listing = intake.listing(file for message in messages for file in message.files)

    def ingest(message: BatchMessage, file: RoutedObject) -> DeliveryResult:
        trigger = Trigger(Cause.EVENT, run_id, message.message_id, message.receive_count, message.redriven_by)
        result = intake.ingest(file, trigger, listing)
        notes.clear(message, file)
        return result

    def log_results(finished: Sequence[FinishedFile]) -> None:
        _register_agencies(event_log, finished, registered)
        _log_events(event_log, intake, finished)
        if not results:
            event_log.note_progress()
        results.extend(result for _, result in finished)

    failures = process_batch(
        messages,
        ingest,
        queue=queue,
        workers=workers,
        visibility_timeout_s=visibility_timeout_s,
        on_results=log_results,
        on_delay=notes.write,
        clock=clock,
    )
    event_log.finish()
    return BatchResult(tuple(results), tuple(failures))


def _register_agencies(event_log: EventLog, finished: Sequence[FinishedFile], registered: set[tuple[str, str]]) -> None:
    """Add partitions for the senders of files that were processed: an event alone makes no agency."""
    reports = (result.report for _, result in finished)
    new = {report.partition for report in reports if report.dataset is not None} - registered
    if new:
        senders: dict[str, set[str]] = defaultdict(set)
        for dataset, agency in new:
            senders[dataset].add(agency)
        event_log.register_agencies(senders)
        registered |= new


class _FailureNotes:
    """Keeps the records of failed deliveries. An error of the store never changes what happens to a message."""

    def __init__(self, records: WaitingRecords, run_id: str, clock: Callable[[], float]) -> None:
        self._records, self._run_id, self._clock = records, run_id, clock
        self._is_broken = False

    def write(self, message: BatchMessage, failures: Sequence[FailedDelivery], comes_again_at: float) -> None:
        """Record the deliveries of a message that comes again."""
        for failed in failures:
            route = failed.file.route
            # In an outage of the store one error is enough; each further one could take minutes.
            if failed.is_reported or route.agency is None or route.dataset is None or self._is_broken:
                continue
            record = WaitingDelivery(
                delivery_id=failed.file.version.delivery_id,
                source=failed.file.version,
                agency=route.agency,
                dataset=route.dataset,
                code=type(failed.error).__name__,
                reason=describe(failed.error),
                receives=message.receive_count,
                failed_at=datetime.fromtimestamp(self._clock(), UTC),
                comes_again_at=datetime.fromtimestamp(comes_again_at, UTC),
                run_id=self._run_id,
                message_id=message.message_id,
            )
            try:
                self._records.put(record)
            except TransientError as error:
                self._is_broken = True
                log.warning("failed deliveries are not recorded as waiting", extra={"error": str(error)})

    def clear(self, message: BatchMessage, file: RoutedObject) -> None:
        """Delete the record of a delivery that is done. A message that comes for the first time has none."""
        if message.receipt_handle is None or message.receive_count > 1:
            self._records.try_to_clear(file.version.delivery_id)


def _log_events(event_log: EventLog, intake: Intake, finished: Sequence[FinishedFile]) -> None:
    by_partition: dict[tuple[str, str], list[LoggedDelivery]] = defaultdict(list)
    for message, result in finished:
        if result.report.dataset is None:
            event_log.log_ignored(result.report)
        else:
            by_partition[result.report.partition].append(_logged(event_log, message, result))
    for deliveries in by_partition.values():
        etags = event_log.log_deliveries(deliveries)
        # Newer versions may have been accepted meanwhile, and their events may have been logged before these. The last
        # event of the partition must be about what silver holds. The check runs after logging, so that event is right.
        accepted = [one.report for one in deliveries if one.outcome is Outcome.ACCEPTED]
        successors = {one.delivery_id: one for report in accepted if (one := intake.successor(report, etags))}
        if successors:
            event_log.log_deliveries(
                [LoggedDelivery(one, Outcome.ACCEPTED, repeated=True) for one in successors.values()]
            )


def _logged(event_log: EventLog, message: BatchMessage, result: DeliveryResult) -> LoggedDelivery:
    if result.outcome is Outcome.DUPLICATE and message.receive_count > 1:
        # The run of an earlier receive may have died after it wrote the report and before it logged the events.
        return LoggedDelivery(result.report, result.report.outcome, event_log.is_logged(result.report))
    return LoggedDelivery(result.report, result.outcome, report_etag=result.report_etag)
