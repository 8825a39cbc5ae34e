"""The email archive: a queue drained into objects, one an email, each deleted from the queue after its put. No Dagster.

A key and a document follow from the message alone, and are put if absent: a message that comes twice is archived once.
Nothing that is told or logged names an object, because its key names the sender.
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
from etl_platform.aws.clients import nameless
from etl_platform.aws.queue import Message, Queue
from etl_platform.emails.document import ArchivedEmail, UnreadableEmail, is_same_email, read_email
from etl_platform.errors import EmailNotArchivedError, PreconditionFailedError, TransientError
from etl_platform.queue_work.lease import Lease, Receipt, retry_delay_s
from etl_platform.queue_work.workers import Threads
from etl_platform.settings import Settings, code_version
from etl_platform.storage.object_store import ObjectStore, find_object

LONG_POLL_S = 2
"""A poll that waits at all asks every one of SQS's servers, so that no answer means an empty queue."""
MAX_DRAIN_S = 900
"""A queue that never empties is drained by run after run, each of which tells what it did."""
_MAX_ERRORS = 100
log = logging.getLogger(__name__)


class EmailOutcome(StrEnum):
    """``already_there``: an earlier receive archived it. ``failed`` stays in the queue; the others are deleted."""

    ARCHIVED = "archived"
    ALREADY_THERE = "already_there"
    POISON = "poison"
    FAILED = "failed"


@dataclass(frozen=True)
class Tally:
    """What became of the messages that were sent on one day, or on all.

    Attributes:
        size_bytes: of the documents written.
        oldest_s: the greatest age that a message had when it was done.
    """

    counts: Counter[EmailOutcome] = field(default_factory=Counter)
    size_bytes: int = 0
    oldest_s: float = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.counts + other.counts, self.size_bytes + other.size_bytes, max(self.oldest_s, other.oldest_s))

    def __str__(self) -> str:
        if not self.counts:
            return "nothing to do"
        counts = ", ".join(f"{self.counts[o]:,} {o.replace('_', ' ')}" for o in EmailOutcome if self.counts[o])
        return f"{counts}; {self.size_bytes:,} bytes; oldest message {self.oldest_s:,.0f} s"


@dataclass(frozen=True)
class Drained:
    """What a drain did.

    Attributes:
        days: by the UTC day on which messages were sent.
        errors: the first hundred of what went wrong, the queue's own errors included; no text names an object.
        undeleted: messages that are done and could not be deleted: they come again and are already there.
        given_back: messages that were received and left, because the drain was told to stop.
    """

    days: dict[date, Tally] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    undeleted: int = 0
    given_back: int = 0

    @property
    def total(self) -> Tally:
        return sum(self.days.values(), Tally())

    def __str__(self) -> str:
        left = [(self.undeleted, "not deleted, come again"), (self.given_back, "given back")]
        more = "".join(f"; {count:,} {what}" for count, what in left if count)
        return f"{self.total}{more}"


@dataclass(frozen=True)
class EmailArchive:
    """``dead_letters`` may be missing: poison then stays until SQS itself moves it to the queue's dead letters."""

    queue: Queue
    dead_letters: Queue | None
    store: ObjectStore
    bucket: str
    settings: Settings

    def drain(
        self,
        stop: threading.Event | None = None,
        told: Callable[[Tally], None] = lambda _so_far: None,
        *,
        max_s: float = MAX_DRAIN_S,
        clock: Callable[[], float] = time.time,
    ) -> Drained:
        """Archive until a long poll finds nothing, ``max_s`` are over, or ``stop`` is set.

        Several workers at once (SNS_WORKER_MAX) each receive a batch, put its emails, and delete what is done. Told to
        stop, each ends the email in its hands; the others go back to the queue. Where every email of a batch meets an
        outage the drain ends: the queue's other messages are not to be received for nothing.

        Args:
            told: called by the workers after every batch, by one at a time.
            clock: epoch seconds.
        """
        settings = self.settings
        workers = Threads(settings.sns_worker_max, stop, settings.shutdown_grace_seconds)
        lease = Lease(self.queue, (), settings.email_visibility_timeout_seconds, workers, clock)
        drain = _Drain(self, lease, stop=stop or threading.Event(), told=told, clock=clock, deadline=clock() + max_s)
        with lease, closing(workers.work([drain.work] * settings.sns_worker_max)) as working:
            for _, worker in working:
                worker.result()
        return drain.end(lease.release())

    def stored(self, day: date) -> tuple[int, int]:
        """Emails that the archive holds of a day, and their bytes.

        Raises:
            TransientError: infrastructure.
        """
        sizes = [head.size_bytes for head in self.store.list(self.bucket, object_keys.email_day_prefix(day))]
        return len(sizes), sum(sizes)

    def holds(self, email: ArchivedEmail) -> bool:
        """Whether the archive has this message's email already."""
        return find_object(self.store, self.bucket, email.key) is not None

    def read(self, message: Message) -> ArchivedEmail | UnreadableEmail:
        if message.sent_at is None:
            raise TransientError("the message came without its SentTimestamp")
        return read_email(message.body, message.message_id, message.sent_at, code_version())

    def settle(self, message: Message) -> tuple[EmailOutcome, int]:
        """Archive an email or send poison away; what became of it, and the bytes written.

        Raises:
            EmailNotArchivedError: another email lies under the same key, or there is nowhere to send poison.
            TransientError, ObjectMissingError: infrastructure. The texts name the object.
        """
        email = self.read(message)
        if isinstance(email, UnreadableEmail):
            self._bury(message, email.reason)
            return EmailOutcome.POISON, 0
        try:
            self.store.write(self.bucket, email.key, email.document, if_absent=True)
        except PreconditionFailedError:
            if not is_same_email(self.store.read(self.bucket, email.key), email.document):
                raise EmailNotArchivedError(
                    "another email lies under this message's key; it is left as it is"
                ) from None
            return EmailOutcome.ALREADY_THERE, 0
        return EmailOutcome.ARCHIVED, len(email.document)

    def _bury(self, message: Message, reason: str) -> None:
        """With every receive: nobody knows whether the one before came as far as this."""
        if self.dead_letters is None:
            raise EmailNotArchivedError(f"poison ({reason}), and EMAIL_DLQ_URL is not set: it stays in the queue")
        self.dead_letters.send(message.body, {"reason": reason})


class _Drain:
    """One drain under way. ``work`` is what each worker does; the rest is shared by them under a lock."""

    def __init__(
        self,
        archive: EmailArchive,
        lease: Lease,
        *,
        stop: threading.Event,
        told: Callable[[Tally], None],
        clock: Callable[[], float],
        deadline: float,
    ) -> None:
        self._archive, self._lease, self._stop = archive, lease, stop
        self._told, self._clock, self._deadline = told, clock, deadline
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._drained = Drained()

    def work(self) -> None:
        settings = self._archive.settings
        # A poll must be over before the client gives up on its answer.
        wait_s = min(LONG_POLL_S, settings.aws_read_timeout_seconds - 1)
        while not self._is_over():
            received_at = self._clock()
            try:
                messages = self._archive.queue.receive(
                    settings.email_max_messages_per_poll, settings.email_visibility_timeout_seconds, wait_s
                )
            except TransientError as error:
                self._note(errors=[str(error)])
                messages = []
            if not messages:
                self._over.set()
                return
            self._lease.add([Receipt(m.receipt_handle, received_at) for m in messages])
            self._work_on(messages)

    def _is_over(self) -> bool:
        return self._over.is_set() or self._stop.is_set() or self._clock() >= self._deadline

    def _work_on(self, messages: Sequence[Message]) -> None:
        """A batch; what a stop leaves of it stays in the lease and is given back in the end."""
        done: list[Message] = []
        failed: list[Message] = []
        outages, errors = 0, []
        days: dict[date, Tally] = {}
        for message in messages:
            if self._stop.is_set():
                break
            outcome, size = EmailOutcome.FAILED, 0
            try:
                outcome, size = self._archive.settle(message)
            except Exception as error:  # noqa: BLE001 - one email's edge: recorded, reported, retried
                outages += isinstance(error, TransientError)
                why = str(error) if isinstance(error, EmailNotArchivedError) else nameless(error)
                errors.append(f"message {message.message_id} for s3://{self._archive.bucket}: {why}")
            (failed if outcome is EmailOutcome.FAILED else done).append(message)
            sent_at = message.sent_at or datetime.fromtimestamp(self._clock(), UTC)
            tally = Tally(Counter([outcome]), size, max(0.0, self._clock() - sent_at.timestamp()))
            days[sent_at.date()] = days.get(sent_at.date(), Tally()) + tally
        undeleted = self._delete(done)
        self._put_off(failed)
        self._note(days, errors, undeleted)
        if outages == len(messages):
            self._over.set()

    def _delete(self, messages: Sequence[Message]) -> int:
        """How many could not be deleted."""
        handles = self._released(messages)
        try:
            refused = self._archive.queue.delete(handles)
        except TransientError as error:
            log.warning("messages not deleted, they come again", extra={"error": str(error)})
            return len(handles)
        for message in messages:
            if message.receipt_handle in refused:
                log.warning("message not deleted, it comes again", extra={"message_id": message.message_id})
        return len(refused)

    def _put_off(self, messages: Sequence[Message]) -> None:
        delays = {message.receipt_handle: retry_delay_s(message.receive_count) for message in messages}
        self._released(messages)
        for delay_s in sorted(set(delays.values())):
            try:
                self._archive.queue.change_visibility(
                    [handle for handle, own in delays.items() if own == delay_s], delay_s
                )
            except TransientError as error:
                log.warning("messages not put off, they come when their timeout ends", extra={"error": str(error)})

    def _released(self, messages: Sequence[Message]) -> list[str]:
        handles = [message.receipt_handle for message in messages]
        for handle in handles:
            self._lease.remove(handle)
        return handles

    def _note(self, days: dict[date, Tally] | None = None, errors: Sequence[str] = (), undeleted: int = 0) -> None:
        with self._lock:
            was = self._drained
            merged = was.days | {day: was.days.get(day, Tally()) + tally for day, tally in (days or {}).items()}
            told = (*was.errors, *errors)[:_MAX_ERRORS]
            self._drained = replace(was, days=merged, errors=told, undeleted=was.undeleted + undeleted)
            if days:
                self._told(self._drained.total)

    def end(self, given_back: int) -> Drained:
        with self._lock:
            return replace(self._drained, given_back=given_back)
