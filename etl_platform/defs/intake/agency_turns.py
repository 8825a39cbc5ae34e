"""Whose messages a tick starts: agencies that only fail are held back alone, and a probe prefers another agency."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from etl_platform.deliveries.plan_runs import QueuedFile
from etl_platform.errors import TransientError
from etl_platform.queue_work.lease import MessageQueue, retry_delay_s
from etl_platform.queue_work.queues import FILE_EVENTS

_PROBE_CHOICES = 3
"""So many messages a probe looks at, at most: each one that it does not start loses a receive."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AgencyTurns:
    """The turns of one tick.

    Attributes:
        held: agencies of which only failures are known, with the number of their retried messages that may start.
        failing: agencies of which runs failed since the last run that finished a delivery.
    """

    held: Mapping[str, int] = field(default_factory=dict)
    failing: Collection[str] = ()

    def admit(self, files: Sequence[QueuedFile], queue: MessageQueue, admitted: Sequence[Sequence[QueuedFile]]) -> bool:
        """Whether the message may start beside those admitted before; if not, it is hidden as after a failure.

        Each message is tried at its first receive, and at its last.
        """
        agencies = {file.agency for file in files if file.agency}
        if not agencies <= self.held.keys() or not 1 < files[0].receive_count < FILE_EVENTS.max_receives:
            return True
        agency = min(agencies)
        started = sum(_is_retried_of(agency, other) for other in admitted)
        if started < self.held[agency]:
            return True
        _change_visibility(queue, files, retry_delay_s(files[0].receive_count))
        return False

    def needs_another(self, received: Sequence[Sequence[QueuedFile]]) -> bool:
        """Whether a probe should look at one more message, because those received are of failing agencies only."""
        if not received:
            return True
        return bool(self.failing) and len(received) < _PROBE_CHOICES and all(map(self._is_failing, received))

    def choose_probe(self, received: Sequence[list[QueuedFile]], queue: MessageQueue) -> list[list[QueuedFile]]:
        """The one message that a probe starts; the others return to the queue."""
        ranked = sorted(received, key=lambda files: (not _is_last_receive(files), self._is_failing(files)))
        for files in ranked[1:]:
            _change_visibility(queue, files, 0)
        return ranked[:1]

    def _is_failing(self, files: Sequence[QueuedFile]) -> bool:
        return all(file.agency in self.failing for file in files)


def _is_retried_of(agency: str, files: Sequence[QueuedFile]) -> bool:
    return files[0].receive_count > 1 and any(file.agency == agency for file in files)


def _is_last_receive(files: Sequence[QueuedFile]) -> bool:
    return files[0].receive_count >= FILE_EVENTS.max_receives


def _change_visibility(queue: MessageQueue, files: Sequence[QueuedFile], timeout_s: int) -> None:
    handle = files[0].receipt_handle
    if handle is None:
        # Its malformed part has hidden it.
        return
    try:
        queue.change_visibility([handle], timeout_s)
    except TransientError as error:
        about = {"message_id": files[0].message_id, "error": str(error)}
        log.warning("the message returns to the queue when its timeout ends", extra=about)
