"""Ids of the SNS messages that this process accepted, so that a captured post cannot be replayed. No HTTP."""

import threading
from datetime import datetime
from enum import Enum

from etl_platform.aws.sns_message import MAX_AGE, SnsMessage

_CAPACITY = 100_000
"""About 20 MB. A post that was dropped to make room may be accepted twice; the intake recognises the duplicate."""


class Claim(Enum):
    """Whether the caller may process a message: only with GRANTED."""

    GRANTED = "granted"
    IN_PROGRESS = "in_progress"
    ALREADY_ACCEPTED = "already_accepted"


class SeenMessages:
    """Message ids, each kept until its Timestamp is too old to be accepted. Thread-safe."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._in_progress: set[str] = set()
        self._accepted: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def claim(self, message: SnsMessage, now: datetime) -> Claim:
        """After GRANTED the caller must call ``finish``."""
        with self._lock:
            expires = self._accepted.get(message.message_id)
            if expires is not None and expires >= now:
                return Claim.ALREADY_ACCEPTED
            if message.message_id in self._in_progress:
                return Claim.IN_PROGRESS
            self._in_progress.add(message.message_id)
            return Claim.GRANTED

    def finish(self, message: SnsMessage, *, accepted: bool, now: datetime) -> None:
        with self._lock:
            self._in_progress.discard(message.message_id)
            if not accepted:
                return
            self._accepted[message.message_id] = message.sent_at + MAX_AGE
            # Messages arrive nearly in the order of their Timestamps, so the oldest come first.
            while self._accepted:
                first = next(iter(self._accepted))
                if len(self._accepted) <= self._capacity and self._accepted[first] >= now:
                    break
                del self._accepted[first]
