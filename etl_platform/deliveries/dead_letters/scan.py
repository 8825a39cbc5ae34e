"""A scan of a dead-letter queue that leaves it unchanged, and the return of messages to their queue. No Dagster."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from etl_platform.aws.queue import Message, Queue

_HIDDEN_S = 300
_MESSAGES_PER_CALL = 10
_LONG_POLL_S = 1
_MAX_NAME = 500
"""Characters. The body of a message and its attributes share one limit."""


@dataclass
class Scan:
    """One pass over a queue; received messages stay hidden until it ends.

    A message may become visible again during the scan. It is recognised by its id and not yielded twice.
    """

    queue: Queue
    progress: Callable[[str, int], None]
    _handles: dict[str, str] = field(default_factory=dict)

    def messages(self) -> Iterator[Message]:
        """Every message once, in no order."""
        seen: set[str] = set()
        # A short poll reads only some of SQS's servers, and may return nothing although there are messages.
        while batch := self.queue.receive(_MESSAGES_PER_CALL, _HIDDEN_S, _LONG_POLL_S):
            self._handles |= {message.message_id: message.receipt_handle for message in batch}
            new = [message for message in batch if message.message_id not in seen]
            if not new:
                return
            seen |= {message.message_id for message in new}
            self.progress("messages", len(seen))
            yield from new

    def send_back(self, message: Message, to: Queue, by: str) -> None:
        """Send, then delete. A crash between the two leaves two copies; the second one is ingested as a duplicate."""
        to.send(message.body, {"redriven_by": by[:_MAX_NAME]})
        self.remove(message)

    def remove(self, message: Message) -> None:
        if not self.queue.delete([message.receipt_handle]):
            del self._handles[message.message_id]

    def release(self) -> None:
        """Make the messages visible again that were not removed."""
        self.queue.change_visibility(list(self._handles.values()), 0)


@contextmanager
def scan_queue(queue: Queue, progress: Callable[[str, int], None]) -> Iterator[Scan]:
    """A scan that makes all messages visible again at its end, except those that were removed.

    Raises:
        TransientError: SQS failed; received messages become visible again after five minutes.
    """
    scan = Scan(queue, progress)
    try:
        yield scan
    finally:
        scan.release()
