"""The email archive: puts each email of the queue as one object, then deletes its message. No Dagster.

Key and document are derived from the message alone and put if absent, so a redelivered message is archived once.
No result, error or log line contains an object key, because the key names the sender.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum

from etl_platform import object_keys
from etl_platform.aws.clients import error_type
from etl_platform.aws.queue import Message, Queue
from etl_platform.emails.document import ArchivedEmail, UnreadableEmail, is_same_email, read_email
from etl_platform.errors import BucketMissingError, EmailNotArchivedError, PreconditionFailedError, TransientError
from etl_platform.queue_work.lease import Lease, Receipt, retry_delay_s
from etl_platform.queue_work.workers import Threads
from etl_platform.settings import Settings, code_version
from etl_platform.storage.object_store import ObjectStore, find_object

LONG_POLL_S = 2
"""A long poll queries all of SQS's servers, so an empty response means an empty queue."""
MAX_DRAIN_S = 900
"""Limits the length of a drain: a busy queue is drained by several runs, and each reports its result."""
_MAX_ERRORS = 100
log = logging.getLogger(__name__)


class EmailOutcome(StrEnum):
    """What happened to one message. Only a FAILED one stays in the queue.

    ALREADY_THERE: an earlier delivery of the message was archived. POISON: the message is not an email and never will
    be; it is sent to the dead-letter queue.
    """

    ARCHIVED = "archived"
    ALREADY_THERE = "already_there"
    POISON = "poison"
    FAILED = "failed"


@dataclass(frozen=True)
class EmailCounts:
    """Counts of the messages that were sent on one day, or on all days.

    Attributes:
        size_bytes: of the documents written.
        oldest_s: age of the oldest message when it was finished.
    """

    counts: Counter[EmailOutcome] = field(default_factory=Counter)
    size_bytes: int = 0
    oldest_s: float = 0

    def __add__(self, other: "EmailCounts") -> "EmailCounts":
        oldest_s = max(self.oldest_s, other.oldest_s)
        return EmailCounts(self.counts + other.counts, self.size_bytes + other.size_bytes, oldest_s)

    def __str__(self) -> str:
        if not self.counts:
            return "nothing to do"
        counts = ", ".join(f"{self.counts[o]:,} {o.replace('_', ' ')}" for o in EmailOutcome if self.counts[o])
        return f"{counts}; {self.size_bytes:,} bytes; oldest message {self.oldest_s:,.0f} s"


@dataclass(frozen=True)
class DrainResult:
    """What one drain did.

    Attributes:
        days: counts by the UTC day on which the messages were sent.
        errors: the first hundred errors, including those of the queue; no text contains an object key.
        undeleted: finished messages that could not be deleted. They are redelivered, and counted as already there.
        returned: messages that were received and returned to the queue, because the drain was stopped.
    """

    days: dict[date, EmailCounts] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    undeleted: int = 0
    returned: int = 0

    @property
    def total(self) -> EmailCounts:
        return sum(self.days.values(), EmailCounts())

    def __str__(self) -> str:
        left = [(self.undeleted, "not deleted, will be redelivered"), (self.returned, "returned to the queue")]
        more = "".join(f"; {count:,} {what}" for count, what in left if count)
        return f"{self.total}{more}"


@dataclass(frozen=True)
class EmailArchive:
    """Archives one queue. Without ``dead_letters`` SQS moves poison messages after some receives."""

    queue: Queue
    dead_letters: Queue | None
    store: ObjectStore
    bucket: str
    settings: Settings

    def drain(
        self,
        stop: threading.Event | None = None,
        on_progress: Callable[[EmailCounts], None] = lambda _so_far: None,
        *,
        max_s: float = MAX_DRAIN_S,
        clock: Callable[[], float] = time.time,
    ) -> DrainResult:
        """Archive emails until a long poll finds none, ``max_s`` have passed, or ``stop`` is set.

        SNS_WORKER_MAX workers each receive a batch, put its emails, and delete the finished messages. When ``stop`` is
        set, each worker finishes its current email and the rest is returned to the queue. If all emails of a batch fail
        transiently, the drain ends: receiving more would only use up the receives of other messages.

        Args:
            on_progress: called after every batch with the counts so far, never by two workers at once.
            clock: epoch seconds.
        """
        settings = self.settings
        workers = Threads(settings.sns_worker_max, stop, settings.shutdown_grace_seconds)
        lease = Lease(self.queue, (), settings.email_visibility_timeout_seconds, workers, clock)
        drain = _Drain(
            self,
            lease,
            stop=stop or threading.Event(),
            on_progress=on_progress,
            clock=clock,
            deadline=clock() + max_s,
        )
        with lease, closing(workers.work([drain.work] * settings.sns_worker_max)) as working:
            for done in working:
                for _, worker in done:
                    worker.result()
        return drain.result(returned=lease.release())

    def archived_on(self, day: date) -> tuple[int, int]:
        """Number of emails that the archive holds for a day, and their bytes.

        Raises:
            TransientError: infrastructure.
        """
        sizes = [head.size_bytes for head in self.store.list(self.bucket, object_keys.email_day_prefix(day))]
        return len(sizes), sum(sizes)

    def contains(self, email: ArchivedEmail) -> bool:
        return find_object(self.store, self.bucket, email.key) is not None

    def read(self, message: Message) -> ArchivedEmail | UnreadableEmail:
        if message.sent_at is None:
            raise TransientError("SQS returned the message without its SentTimestamp")
        return read_email(message.body, message.message_id, message.sent_at, code_version())

    def archive(self, message: Message) -> tuple[EmailOutcome, int]:
        """Archive an email, or send a poison message to the dead-letter queue; the outcome, and the bytes written.

        Raises:
            EmailNotArchivedError: another email has the same key, or no dead-letter queue is set for a poison message.
            TransientError, ObjectMissingError: infrastructure. Their texts contain the object key.
        """
        email = self.read(message)
        if isinstance(email, UnreadableEmail):
            self._send_to_dead_letters(message, email.reason)
            return EmailOutcome.POISON, 0
        try:
            self.store.write(self.bucket, email.key, email.document, if_absent=True)
        except PreconditionFailedError:
            if not is_same_email(self.store.read(self.bucket, email.key), email.document):
                raise EmailNotArchivedError(
                    "another email is archived under this message's key and was not overwritten; compare the two"
                ) from None
            return EmailOutcome.ALREADY_THERE, 0
        return EmailOutcome.ARCHIVED, len(email.document)

    def _send_to_dead_letters(self, message: Message, reason: str) -> None:
        """Send a copy at every receive, because no record shows whether an earlier attempt sent one."""
        if self.dead_letters is None:
            raise EmailNotArchivedError(
                f"poison message ({reason}); it stays in the queue, because EMAIL_DLQ_URL is not set"
            )
        self.dead_letters.send(message.body, {"reason": reason})


class _Drain:
    """The state that the workers of one drain share, under a lock; each worker runs ``work``."""

    def __init__(
        self,
        archive: EmailArchive,
        lease: Lease,
        *,
        stop: threading.Event,
        on_progress: Callable[[EmailCounts], None],
        clock: Callable[[], float],
        deadline: float,
    ) -> None:
        self._archive, self._lease, self._stop = archive, lease, stop
        self._on_progress, self._clock, self._deadline = on_progress, clock, deadline
        self._finished = threading.Event()
        self._lock = threading.Lock()
        self._result = DrainResult()

    def work(self) -> None:
        settings = self._archive.settings
        # A poll must end before the client's read timeout.
        wait_s = min(LONG_POLL_S, settings.aws_read_timeout_seconds - 1)
        while not self._is_over():
            received_at = self._clock()
            try:
                messages = self._archive.queue.receive(
                    settings.email_max_messages_per_poll, settings.email_visibility_timeout_seconds, wait_s
                )
            except TransientError as error:
                self._record(errors=[str(error)])
                messages = []
            if not messages:
                self._finished.set()
                return
            self._lease.add([Receipt(m.receipt_handle, received_at) for m in messages])
            self._archive_batch(messages)

    def _is_over(self) -> bool:
        return self._finished.is_set() or self._stop.is_set() or self._clock() >= self._deadline

    def _archive_batch(self, messages: Sequence[Message]) -> None:
        """After a stop the rest of the batch stays in the lease; the drain returns it to the queue at its end."""
        done: list[Message] = []
        failed: list[Message] = []
        outages, errors = 0, []
        days: dict[date, EmailCounts] = {}
        for message in messages:
            if self._stop.is_set():
                break
            outcome, size = EmailOutcome.FAILED, 0
            try:
                outcome, size = self._archive.archive(message)
            except Exception as error:  # noqa: BLE001 - the edge of one email: recorded, reported, retried
                outages += isinstance(error, TransientError)
                errors.append(f"message {message.message_id} for s3://{self._archive.bucket}: {_why(error)}")
            (failed if outcome is EmailOutcome.FAILED else done).append(message)
            sent_at = message.sent_at or datetime.fromtimestamp(self._clock(), UTC)
            counts = EmailCounts(Counter([outcome]), size, max(0.0, self._clock() - sent_at.timestamp()))
            days[sent_at.date()] = days.get(sent_at.date(), EmailCounts()) + counts
        undeleted = self._delete(done)
        self._retry_later(failed)
        self._record(days, errors, undeleted)
        if outages == len(messages):
            self._finished.set()

    def _delete(self, messages: Sequence[Message]) -> int:
        """The number of messages that could not be deleted."""
        handles = self._take_from_lease(messages)
        try:
            refused = self._archive.queue.delete(handles)
        except TransientError as error:
            log.warning("messages not deleted, they will be redelivered", extra={"error": str(error)})
            return len(handles)
        for message in messages:
            if message.receipt_handle in refused:
                log.warning("message not deleted, it will be redelivered", extra={"message_id": message.message_id})
        return len(refused)

    def _retry_later(self, messages: Sequence[Message]) -> None:
        delays = {message.receipt_handle: retry_delay_s(message.receive_count) for message in messages}
        self._take_from_lease(messages)
        for delay_s in sorted(set(delays.values())):
            try:
                self._archive.queue.change_visibility(
                    [handle for handle, own in delays.items() if own == delay_s], delay_s
                )
            except TransientError as error:
                log.warning(
                    "retry delay not set, messages return when their visibility timeout ends",
                    extra={"error": str(error)},
                )

    def _take_from_lease(self, messages: Sequence[Message]) -> list[str]:
        handles = [message.receipt_handle for message in messages]
        for handle in handles:
            self._lease.remove(handle)
        return handles

    def _record(
        self, days: dict[date, EmailCounts] | None = None, errors: Sequence[str] = (), undeleted: int = 0
    ) -> None:
        with self._lock:
            before = self._result
            merged = before.days | {
                day: before.days.get(day, EmailCounts()) + counts for day, counts in (days or {}).items()
            }
            self._result = replace(
                before,
                days=merged,
                errors=(*before.errors, *errors)[:_MAX_ERRORS],
                undeleted=before.undeleted + undeleted,
            )
            if days:
                self._on_progress(self._result.total)

    def result(self, *, returned: int) -> DrainResult:
        with self._lock:
            return replace(self._result, returned=returned)


def _why(error: Exception) -> str:
    """What went wrong, without the key of the email, which names its user."""
    if isinstance(error, EmailNotArchivedError):
        return str(error)
    return f"NoSuchBucket; {error.cure}" if isinstance(error, BucketMissingError) else error_type(error)
