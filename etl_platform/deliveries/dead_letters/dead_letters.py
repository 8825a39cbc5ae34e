"""A look through a dead-letter queue that leaves it as it was, and the way back out of it. No Dagster."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from etl_platform.aws.queue import Message, Queue

_LOOK_S = 300
_AT_ONCE = 10
_LONG_POLL_S = 1


@dataclass
class Scan:
    """One pass over a queue. What was received is hidden until the pass ends.

    A message that became visible again meanwhile is told apart by its id.
    """

    queue: Queue
    progress: Callable[[str, int], None]
    _held: dict[str, str] = field(default_factory=dict)

    def messages(self) -> Iterator[Message]:
        """Every message once, in no order."""
        seen: set[str] = set()
        # A short poll asks only some of SQS's servers and may find nothing where there is something.
        while batch := self.queue.receive(_AT_ONCE, _LOOK_S, _LONG_POLL_S):
            self._held |= {message.message_id: message.receipt_handle for message in batch}
            fresh = [message for message in batch if message.message_id not in seen]
            if not fresh:
                return
            seen |= {message.message_id for message in fresh}
            self.progress("messages", len(seen))
            yield from fresh

    def send_back(self, message: Message, to: Queue) -> None:
        """Send first, delete then: a crash in between leaves two copies, of which one is a duplicate."""
        to.send(message.body, {})
        self.remove(message)

    def remove(self, message: Message) -> None:
        if not self.queue.delete([message.receipt_handle]):
            del self._held[message.message_id]

    def give_back(self) -> None:
        self.queue.change_visibility(list(self._held.values()), 0)


@contextmanager
def scan_queue(queue: Queue, progress: Callable[[str, int], None]) -> Iterator[Scan]:
    """A pass that gives everything back at its end that was not sent away.

    Raises:
        TransientError: SQS; what was received comes back by itself after five minutes.
    """
    look = Scan(queue, progress)
    try:
        yield look
    finally:
        look.give_back()
