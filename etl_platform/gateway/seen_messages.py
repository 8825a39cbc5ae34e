"""Which messages of SNS this process has taken, so that a captured post is of no use a second time. No HTTP."""

import threading
from datetime import datetime
from enum import Enum

from etl_platform.aws.sns_message import MAX_AGE, SnsMessage

_REMEMBERED = 100_000
"""About 20 MB. A post that was forgotten for want of room costs a duplicate, which the intake settles."""


class Seen(Enum):
    FREE = "free"
    UNDER_WAY = "under_way"
    TAKEN = "taken"


class SeenMessages:
    """Message ids, each until its Timestamp alone refuses the post. Safe to use from several threads."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._under_way: set[str] = set()
        self._taken: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def claim(self, message: SnsMessage, now: datetime) -> Seen:
        """FREE gives the message to the caller, who says ``settle`` afterwards."""
        with self._lock:
            expires = self._taken.get(message.message_id)
            if expires is not None and expires >= now:
                return Seen.TAKEN
            if message.message_id in self._under_way:
                return Seen.UNDER_WAY
            self._under_way.add(message.message_id)
            return Seen.FREE

    def settle(self, message: SnsMessage, *, taken: bool, now: datetime) -> None:
        with self._lock:
            self._under_way.discard(message.message_id)
            if not taken:
                return
            self._taken[message.message_id] = message.sent_at + MAX_AGE
            # They come nearly in the order of their time, so the oldest stand in front.
            while self._taken:
                first = next(iter(self._taken))
                if len(self._taken) <= self._remembered and self._taken[first] >= now:
                    break
                del self._taken[first]
