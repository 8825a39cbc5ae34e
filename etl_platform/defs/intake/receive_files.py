"""What a tick receives from the queue: messages whose files are planned into runs. It processes no file.

Messages without a file, and malformed ones, are finished here: they are deleted, or sent to the dead-letter queue.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from etl_platform.aws.queue import MAX_PER_CALL, Message, Queue
from etl_platform.defs.intake.agency_turns import AgencyTurns
from etl_platform.deliveries.agency_register import Agencies
from etl_platform.deliveries.check_errors import describe
from etl_platform.deliveries.plan_runs import MAX_IGNORED, QueuedFile, RunPlan
from etl_platform.deliveries.routing import Router
from etl_platform.deliveries.s3_events import parse_message
from etl_platform.errors import ReportError, TransientError
from etl_platform.platform import Platform
from etl_platform.queue_work.lease import retry_delay_s
from etl_platform.queue_work.queues import FILE_EVENTS

MAX_MESSAGES_PER_TICK = 1_000
_MAX_BODY = 200_000
_CALLS_AT_ONCE = 4
_NEXT_WAIT_S, _GATHER_S = 1, 3.0
log = logging.getLogger(__name__)


@dataclass
class ReceivedFiles:
    """The messages of a tick, planned into runs, and how many runs may start.

    Attributes:
        files: of files that a contract knows; a message with one of them is here.
        ignored: of files that are only recorded. Their runs are apart, so that no file waits for them.
        messages: those planned in ``files``.
        recordable: so many messages of ignored files need no run: the tick records them.
    """

    room: int
    ignored_room: int
    files: RunPlan = field(default_factory=RunPlan)
    ignored: RunPlan = field(default_factory=lambda: RunPlan(max_files=MAX_IGNORED))
    messages: list[list[QueuedFile]] = field(default_factory=list)
    recordable: int = 0

    @property
    def may_receive(self) -> int:
        """How many messages the next call may receive.

        A retried message may need a run of its own, so the first call receives at most as many as runs may start. As
        long as all are received for the first time, a call receives as many more as there are already, up to three
        times ``room``. If those were all retried, each would still start, in at most four times ``room`` runs.
        """
        ignored_free = max(self.ignored_room - self.ignored.count, self.recordable - self.ignored.messages)
        free = min(self.room - self.files.count, ignored_free)
        if free < 0 or self.files.has_retried or self.ignored.has_retried:
            return max(0, free)
        return free + min(self.files.messages + self.ignored.messages, 3 * self.room, 3 * self.ignored_room)

    def add(self, files: list[QueuedFile], turns: AgencyTurns, queue: Queue) -> None:
        if all(file.is_ignored for file in files):
            self.ignored.add(files)
        elif turns.admit(files, queue, self.messages):
            self.messages.append(files)
            self.files.add(files)


def receive_files(
    platform: Platform,
    received: ReceivedFiles,
    turns: AgencyTurns,
    *,
    deadline: float,
    is_probe: bool = False,
    wait_s: int = 0,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Receive messages until the queue is empty, the runs are full or the deadline (of ``monotonic``) is reached.

    Every message that is received starts: an unused one would return one receive nearer to the dead-letter queue. See
    ``ReceivedFiles.may_receive`` for how many messages that can be. A probe starts only one message with a file that a
    contract knows.

    Args:
        wait_s: seconds to wait for the first message. If others follow at once, calls wait a second for more.
    """
    queue, routing = platform.queue(FILE_EVENTS), _Routing(platform)
    per_call = platform.settings.max_messages_per_poll
    most = per_call if per_call < MAX_PER_CALL else _CALLS_AT_ONCE * MAX_PER_CALL
    next_wait_s, gather_until = min(wait_s, _NEXT_WAIT_S), math.inf
    calls = 0
    while received.files.messages < MAX_MESSAGES_PER_TICK and monotonic() < deadline:
        limit = min(most, received.may_receive)
        if is_probe:
            limit = int(turns.needs_another(received.messages))
        if limit < 1:
            break
        try:
            batch = queue.receive(limit, platform.settings.visibility_timeout_seconds, wait_s)
        except TransientError as error:
            if not calls:
                raise
            # The messages received before must start, or they would stay hidden until their timeout ends.
            log.warning("the queue does not answer", extra={"error": str(error)})
            break
        if not batch:
            break
        for message in batch:
            if files := routing.files_of(message):
                received.add(files, turns, queue)
        calls += 1
        gather_until = min(gather_until, monotonic() + _GATHER_S)
        # One message alone starts its run at once. More of them are the beginning of a burst.
        is_burst = (calls > 1 or len(batch) > 1) and monotonic() < gather_until
        wait_s = next_wait_s if is_burst else 0
    routing.delete_finished(queue)
    if is_probe:
        received.files = RunPlan()
        for files in turns.choose_probe(received.messages, queue):
            received.files.add(files)


class _Routing:
    """Finds the files of messages. The register of agencies is read with the first message."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._router: Router | None = None
        self._finished: list[str] = []

    def files_of(self, message: Message) -> list[QueuedFile]:
        """The files of the message that need a run; none if it is finished, or will be redelivered."""
        try:
            return self._files_of(message)
        except Exception as error:  # noqa: BLE001 - the edge of one message: logged, and retried by the queue
            self._retry_later(message, error)
            return []

    def _files_of(self, message: Message) -> list[QueuedFile]:
        parsed = parse_message(message.body)
        # If a malformed part is not sent yet, the run must not delete the message: the part would be lost.
        handle = message.receipt_handle
        is_handled = not parsed.malformed or self._is_buried(message, parsed.malformed)
        if parsed.created:
            self._router = self._router or _router(self._platform)
            routed = [self._router.route(version) for version in parsed.created]
            return [
                QueuedFile(
                    one.version,
                    one.route.agency,
                    one.route.dataset,
                    message.message_id,
                    handle if is_handled else None,
                    message.receive_count,
                    message.redriven_by,
                )
                for one in routed
            ]
        if is_handled:
            self._finished.append(handle)
        return []

    def _is_buried(self, message: Message, malformed: Sequence[str]) -> bool:
        """Send a message with malformed parts to the dead-letter queue; returns whether it accepted the message."""
        try:
            # Sent at every receive, because it is unknown whether the previous receive got this far. The body is cut
            # because a message with its attributes must stay below SQS's limit of 256 KiB.
            reason = "; ".join(malformed)[:1_000]
            self._platform.dead_letters(FILE_EVENTS).send(message.body[:_MAX_BODY], {"reason": reason})
        except TransientError as error:
            self._retry_later(message, error)
            return False
        return True

    def _retry_later(self, message: Message, error: Exception) -> None:
        """Leave a message that could not be handled to a later tick, each time after a longer delay."""
        about = {"message_id": message.message_id, "error": describe(error)}
        log.warning("message could not be handled and will be redelivered", extra=about, exc_info=error)
        try:
            delay_s = retry_delay_s(message.receive_count)
            self._platform.queue(FILE_EVENTS).change_visibility([message.receipt_handle], delay_s)
        except TransientError as failed:
            log.warning("message was not delayed", extra={"message_id": message.message_id, "error": str(failed)})

    def delete_finished(self, queue: Queue) -> None:
        """Delete the messages that need no run."""
        if not self._finished:
            return
        try:
            queue.delete(self._finished)
        except TransientError as error:
            log.warning("messages were not deleted and will be redelivered", extra={"error": str(error)})


def _router(platform: Platform) -> Router:
    """The router of a tick; if the register of agencies cannot be read, one for which all agencies are active.

    The run reads the register again. If the store is down, the run fails, and only failed runs open the breaker.
    """
    try:
        return platform.intake.router()
    except (ReportError, TransientError) as error:
        log.warning("the register of agencies could not be read; the runs read it again", extra={"error": str(error)})
        return platform.intake.router(Agencies())
