"""Views of the dead-letter queues for ``etl-platform dlq``: each message with its cause and its objects."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from etl_platform.deliveries.dead_letters.reasons import DeadLetterReason, explain, explain_email
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.s3_events import parse_message
from etl_platform.emails.document import UnreadableEmail
from etl_platform.errors import SettingsError, TransientError
from etl_platform.progress import ProgressLine
from etl_platform.queue_work.queues import EMAILS, FILE_EVENTS, QUEUES
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.aws.queue import Message, Queue
    from etl_platform.defs.intake.failed_runs import FailedRuns
    from etl_platform.deliveries.dead_letters.scan import Scan
    from etl_platform.deliveries.waiting import WaitingDelivery, WaitingRecords
    from etl_platform.emails.archive import EmailArchive
    from etl_platform.platform import Platform


@dataclass(frozen=True)
class DeadLetter:
    """A message with its cause. ``keys`` are its objects; empty for emails, whose keys name people."""

    message: "Message"
    reason: DeadLetterReason
    keys: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        sent = self.message.sent_at
        return {
            "id": self.message.message_id,
            "cause": str(self.reason.cause),
            "reason": self.reason.text,
            "sent_at": sent.isoformat() if sent else None,
            "receive_count": self.message.receive_count,
            "redriven_by": self.message.redriven_by,
            "keys": list(self.keys),
        }


class DeadLetterView(Protocol):
    """An open dead-letter queue. ``queue`` is its source queue, to which messages are redriven."""

    @property
    def scan(self) -> "Scan": ...

    @property
    def queue(self) -> "Queue": ...

    def dead_letters(self) -> Iterator[DeadLetter]: ...

    def objects(self, letter: DeadLetter) -> list[tuple[dict[str, Any], str]]:
        """The report of each object of a message: as a document, and as text for people."""
        ...

    def clear_failures(self, letter: DeadLetter) -> None:
        """Delete what is recorded of the failures of a message that was sent back."""
        ...


@contextmanager
def open_view(name: str) -> Iterator[DeadLetterView]:
    """The dead letters of the queue with this name in ``QUEUES``."""
    from etl_platform.deliveries.dead_letters.scan import scan_queue
    from etl_platform.platform import Platform

    platform = Platform(load_settings())
    (queue,) = (queue for queue in QUEUES if queue.name == name)
    with ExitStack() as stack:
        progress = stack.enter_context(ProgressLine("reading dead letters"))
        scan = stack.enter_context(scan_queue(platform.dead_letters(queue), progress))
        yield VIEWS[queue.name](platform, scan, stack)


def _open_file_view(platform: "Platform", scan: "Scan", stack: ExitStack) -> DeadLetterView:
    from etl_platform.defs.intake.failed_runs import FailedRuns
    from etl_platform.defs.open_instance import open_instance

    settings = platform.settings
    runs = FailedRuns(stack.enter_context(open_instance(settings))) if settings.dagster_home else None
    return _FileView(platform, scan, runs)


def _open_email_view(platform: "Platform", scan: "Scan", _stack: ExitStack) -> DeadLetterView:
    return _EmailView(platform.email_archive, scan)


VIEWS: Mapping[str, Callable[["Platform", "Scan", ExitStack], DeadLetterView]] = {
    FILE_EVENTS.name: _open_file_view,
    EMAILS.name: _open_email_view,
}


@dataclass(frozen=True)
class _FileView:
    """File events. ``runs`` finds the last failed run of a message; None without DAGSTER_HOME."""

    platform: "Platform"
    scan: "Scan"
    runs: "FailedRuns | None"

    @property
    def queue(self) -> "Queue":
        return self.platform.queue(FILE_EVENTS)

    def dead_letters(self) -> Iterator[DeadLetter]:
        for message in self.scan.messages():
            parsed = parse_message(message.body)
            has_reason = parsed.malformed or message.reason
            last_run = self.runs.last_of(message.message_id) if self.runs is not None and not has_reason else None
            failures = [self._waiting[v.delivery_id] for v in parsed.created if v.delivery_id in self._waiting]
            known = self.runs is not None
            reason = explain(message.reason, parsed, last_run, runs_known=known, failures=failures)
            yield DeadLetter(message, reason, tuple(version.key for version in parsed.created))

    @cached_property
    def _waiting(self) -> "dict[str, WaitingDelivery]":
        """The records of failed deliveries; empty where the bucket is not known or does not answer."""
        try:
            return {record.delivery_id: record for record in self._records.unfinished()}
        except (SettingsError, TransientError):
            return {}

    @property
    def _records(self) -> "WaitingRecords":
        from etl_platform.deliveries.waiting import WaitingRecords

        return WaitingRecords(self.platform.store, self.platform.bucket)

    def clear_failures(self, letter: DeadLetter) -> None:
        for version in parse_message(letter.message.body).created:
            if version.delivery_id in self._waiting:
                self._records.try_to_clear(version.delivery_id)

    def objects(self, letter: DeadLetter) -> list[tuple[dict[str, Any], str]]:
        return [self._reported(version) for version in parse_message(letter.message.body).created]

    def _reported(self, version: ObjectVersion) -> tuple[dict[str, Any], str]:
        """The report of one announced object: as a document, and as text for people."""
        from etl_platform.deliveries.ledger import Ledger

        platform, delivery_id = self.platform, version.delivery_id
        route = platform.intake.route(version).route
        report = None
        if route.dataset is not None and route.agency is not None:
            report = Ledger(platform.store, platform.bucket).find(route.dataset, route.agency, delivery_id)
        ended_at = report.attempt.ended_at.isoformat() if report else None
        document = {
            "bucket": version.bucket,
            "key": version.key,
            "delivery_id": delivery_id,
            "outcome": str(report.outcome) if report else None,
            "ended_at": ended_at,
        }
        failed = self._waiting.get(delivery_id)
        missing = f"no report: {failed.history}" if failed else "no report: it was never processed to its end"
        text = f"{report.outcome} at {ended_at}" if report else missing
        return document, f"s3://{version.bucket}/{version.key}\n  {delivery_id}: {text}"


@dataclass(frozen=True)
class _EmailView:
    """Messages of the email queue."""

    archive: "EmailArchive"
    scan: "Scan"

    @property
    def queue(self) -> "Queue":
        return self.archive.queue

    def dead_letters(self) -> Iterator[DeadLetter]:
        for message in self.scan.messages():
            email = self.archive.read(message)
            poison = email.reason if isinstance(email, UnreadableEmail) else None
            archived = not isinstance(email, UnreadableEmail) and self.archive.contains(email)
            yield DeadLetter(message, explain_email(message.reason, poison, archived=archived))

    def objects(self, letter: DeadLetter) -> list[tuple[dict[str, Any], str]]:
        email = self.archive.read(letter.message)
        if isinstance(email, UnreadableEmail):
            return []
        outcome = "archived" if self.archive.contains(email) else None
        known = {"bucket": self.archive.bucket, "key": email.key, "outcome": outcome}
        return [(known, f"s3://{self.archive.bucket}/{email.key}\n  {outcome or 'not archived'}")]

    def clear_failures(self, letter: DeadLetter) -> None:
        """No failure of an email is recorded."""
