"""What a delivery is: identity, order, outcomes, and how deliveries are grouped into runs. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from etl_platform.deliveries.s3_events import ObjectCreated


class Outcome(StrEnum):
    """What became of a delivery. Only ``failed`` is worth a retry; ``ignored`` is never final."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    FAILED = "failed"


class Cause(StrEnum):
    """Why a delivery is ingested: an event is done once, a reprocess once per contract."""

    EVENT = "event"
    REPROCESS = "reprocess"


@dataclass(frozen=True)
class Delivery:
    """One object version that arrived, with what a HEAD of it says. ``last_modified`` is UTC."""

    bucket: str
    key: str
    version_id: str | None
    etag: str | None
    size_bytes: int
    sequencer: str | None
    last_modified: datetime

    @property
    def delivery_id(self) -> str:
        return delivery_id(self.bucket, self.key, self.version_id or self.sequencer or self.etag)

    @property
    def order(self) -> "SourceOrder":
        return SourceOrder(self.delivery_id, self.sequencer, self.last_modified)


def delivery_id(bucket: str, key: str, version: str | None) -> str:
    """Identity of an object version: 20 hex digits of a SHA-256 over length-prefixed parts."""
    digest = hashlib.sha256()
    for part in (bucket, key, version or ""):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()[:20]


def announced_id(event: ObjectCreated) -> str:
    """Identity of the delivery that an event announces, as far as the event alone tells it."""
    return delivery_id(event.bucket, event.key, event.version_id or event.sequencer or event.etag)


@dataclass(frozen=True)
class SourceOrder:
    """Where one version stands among the versions of its key."""

    delivery_id: str
    sequencer: str | None
    last_modified: datetime

    def is_newer_than(self, other: "SourceOrder") -> bool:
        """By sequencer when both have one (right-padded, lexicographic), else by LastModified.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
        """
        if self.delivery_id == other.delivery_id:
            return False
        if self.sequencer and other.sequencer:
            width = max(len(self.sequencer), len(other.sequencer))
            return self.sequencer.ljust(width, "0").upper() > other.sequencer.ljust(width, "0").upper()
        return self.last_modified > other.last_modified


@dataclass(frozen=True)
class Reprocessing:
    """Which working-over of a delivery this is. The same one twice changes nothing.

    Attributes:
        derived_from: hash of all that its result depends on: delivery, contract, code, corrections.
        after: the reprocessing whose silver it finds; going back to an older contract is so a new attempt.
        attempt_id: hash of both.
    """

    attempt_id: str
    derived_from: str
    after: str | None

    @classmethod
    def of(cls, derived_from: Sequence[str], found: tuple[str | None, str | None]) -> "Reprocessing":
        """``found``: attempt and ingredients of the silver object, both None where an arrival wrote it."""
        ingredients, (after, found_derived_from) = _short_hash(derived_from), found
        if after is not None and found_derived_from == ingredients:
            return cls(after, ingredients, after)
        return cls(_short_hash([ingredients, after]) if after else ingredients, ingredients, after)


def _short_hash(parts: Sequence[str]) -> str:
    return hashlib.sha256(":".join(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class QueuedFile:
    """A routed object as the sensor knows it: what, for which dataset, out of which message.

    ``receive_count`` is SQS's ApproximateReceiveCount of the message.
    """

    event: ObjectCreated
    dataset: str
    message_id: str
    receipt_handle: str
    receive_count: int

    @property
    def size_bytes(self) -> int:
        return self.event.size_bytes or 0


def plan_runs(
    messages: Iterable[Sequence[QueuedFile]], *, max_files: int = 200, max_bytes: int = 256 << 20
) -> list[list[Sequence[QueuedFile]]]:
    """Group messages into runs, keeping a message's files together.

    A run takes up to ``max_files`` files and ``max_bytes`` bytes, so a big file travels alone and a burst
    spreads. Messages that were received before travel with their like, in batches ten times smaller for each
    receive: a file that kills its run is soon alone.
    """
    by_receives: dict[int, list[Sequence[QueuedFile]]] = defaultdict(list)
    for files in messages:
        by_receives[max(file.receive_count for file in files)].append(files)
    runs: list[list[Sequence[QueuedFile]]] = []
    for receives, group in sorted(by_receives.items()):
        limit = max(1, max_files // 10 ** (receives - 1)) if receives > 0 else max_files
        batch: list[Sequence[QueuedFile]] = []
        count = size = 0
        for files in group:
            files_bytes = sum(file.size_bytes for file in files)
            if batch and (count + len(files) > limit or size + files_bytes > max_bytes):
                runs.append(batch)
                batch, count, size = [], 0, 0
            batch.append(files)
            count += len(files)
            size += files_bytes
        if batch:
            runs.append(batch)
    return runs


Run = list[Sequence[QueuedFile]]


def fit_runs(runs: Sequence[Run], room: int) -> tuple[list[Run], list[Run]]:
    """Runs that may start now, ``room`` at most, and those that must wait.

    Files that came back start first, the most received before the others: they are the nearest to the dead-letter
    queue. Their runs are never merged, for one file may have killed its run; runs of files that arrived for the
    first time are, the smallest first, down to the room that is left, and one slot is theirs where there are two.
    """
    fresh = sorted((run for run in runs if _receives(run) <= 1), key=len)
    retried = sorted((run for run in runs if _receives(run) > 1), key=_receives, reverse=True)
    kept = retried[: room - 1 if fresh and room > 1 else room]
    while len(fresh) > max(1, room - len(kept)):
        fresh = sorted([fresh[0] + fresh[1], *fresh[2:]], key=len)
    started = kept + fresh[: room - len(kept)]
    return started, retried[len(kept) :] + fresh[room - len(kept) :]


def _receives(run: Run) -> int:
    return max(file.receive_count for files in run for file in files)
