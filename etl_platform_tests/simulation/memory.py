"""An object store and a queue in memory, which pass the contract tests of the real ones. No tests."""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from etl_platform.aws.queue import Message
from etl_platform.errors import ObjectMissingError, PreconditionFailedError
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.storage.object_store import ObjectHead, StoredVersion

Clock = Callable[[], float]
"""Seconds since 1970."""


@dataclass(frozen=True)
class Version:
    """One version of an object; without a body it is a delete marker."""

    head: ObjectHead
    body: bytes | None


class MemoryStore:
    """A versioned bucket as S3 keeps it: eTags are MD5 of the content, LastModified has whole seconds.

    Args:
        clock: the time of writes.
        written: called with every write that took effect.
    """

    def __init__(self, clock: Clock, written: Callable[[ObjectHead, bytes], None] = lambda _head, _body: None) -> None:
        self._clock, self._written = clock, written
        self.objects: defaultdict[tuple[str, str], list[Version]] = defaultdict(list)
        self._erased = 0

    def head(self, bucket: str, key: str, version_id: str | None = None, etag: str | None = None) -> ObjectHead:
        found = self._find(bucket, key, version_id).head
        if version_id is None and etag not in {None, found.etag}:
            raise ObjectMissingError(f"{key} was overwritten: its eTag is {found.etag}, not {etag}")
        return found

    def download(self, head: ObjectHead, path: Path) -> str:
        body = self._exactly(head)
        path.write_bytes(body)
        return hashlib.sha256(body).hexdigest()

    def read_start(self, head: ObjectHead, size_bytes: int) -> bytes:
        return self._exactly(head)[:size_bytes]

    def copy(self, head: ObjectHead, bucket: str, key: str) -> None:
        self._put(bucket, key, self._exactly(head), head.metadata)

    def read(self, bucket: str, key: str) -> bytes:
        return self._body(self._find(bucket, key))

    def read_with_etag(self, bucket: str, key: str) -> tuple[bytes, str]:
        return self.read(bucket, key), self.head(bucket, key).etag

    def write(
        self,
        bucket: str,
        key: str,
        body: bytes | Path,
        *,
        if_absent: bool = False,
        if_match: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        current = self._latest(bucket, key)
        if if_absent and current is not None:
            raise PreconditionFailedError(f"{key} is already there")
        if if_match is not None and (current is None or current.head.etag != if_match):
            raise PreconditionFailedError(f"{key} has changed")
        return self._put(bucket, key, body.read_bytes() if isinstance(body, Path) else body, metadata or {})

    def delete(self, bucket: str, key: str) -> None:
        if self._latest(bucket, key) is not None:
            marker = ObjectHead(bucket, key, self._next_version(bucket, key), "", 0, self._now())
            self.objects[bucket, key].append(Version(marker, None))

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        keys = sorted((key for where, key in self.objects if where == bucket), key=str.encode)
        for key in keys:
            latest = self._latest(bucket, key) if key.startswith(prefix) and key > after else None
            if latest is not None:
                head = latest.head
                yield ObjectHead(bucket, key, None, head.etag, head.size_bytes, head.last_modified)

    def versions(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        keys = (key for where, key in self.objects if where == bucket and key.startswith(prefix) and key > after)
        for key in sorted(keys, key=str.encode):
            stored = self.objects[bucket, key]
            kept = [version for version in stored if version.body is not None]
            yield from (replace(one.head, metadata={}, is_latest=one is stored[-1]) for one in reversed(kept))

    def stored_versions(self, bucket: str, prefix: str) -> Iterator[StoredVersion]:
        keys = sorted(
            (key for where, key in self.objects if where == bucket and key.startswith(prefix)), key=str.encode
        )
        for key in keys:
            kept = list(reversed(self.objects[bucket, key]))
            for place, version in enumerate(kept):
                head = replace(version.head, metadata={})
                yield StoredVersion(head, str(head.version_id), place == 0, version.body is None)

    def erase(self, bucket: str, versions: Sequence[StoredVersion], *, bypass_lock: bool = False) -> None:
        for version in versions:
            kept = self.objects[bucket, version.key]
            kept[:] = [one for one in kept if one.head.version_id != version.version_id]
            self._erased += 1

    def is_versioned(self, bucket: str) -> bool:
        return True

    def folders(self, bucket: str, prefix: str) -> Iterator[str]:
        below = (head.key[len(prefix) :].split("/") for head in self.list(bucket, prefix))
        yield from sorted({f"{prefix}{parts[0]}/" for parts in below if len(parts) > 1}, key=str.encode)

    def contents(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        return {head.key: self.read(bucket, head.key) for head in self.list(bucket, prefix)}

    def _put(self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str]) -> str:
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        version_id = self._next_version(bucket, key)
        head = ObjectHead(bucket, key, version_id, etag, len(body), self._now(), dict(metadata))
        self.objects[bucket, key].append(Version(head, body))
        self._written(head, body)
        return etag

    def _next_version(self, bucket: str, key: str) -> str:
        named = f"{bucket}/{key}/{len(self.objects[bucket, key]) + self._erased}".encode()
        return hashlib.sha256(named).hexdigest()[:32]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock()), UTC)

    def _latest(self, bucket: str, key: str) -> Version | None:
        versions = self.objects.get((bucket, key))
        return versions[-1] if versions and versions[-1].body is not None else None

    def _find(self, bucket: str, key: str, version_id: str | None = None) -> Version:
        if version_id is None:
            found = self._latest(bucket, key)
        else:
            versions = self.objects.get((bucket, key), [])
            found = next((v for v in versions if v.head.version_id == version_id and v.body is not None), None)
        if found is None:
            raise ObjectMissingError(f"{bucket}/{key} {version_id or ''}: NoSuchKey")
        return found

    def _exactly(self, head: ObjectHead) -> bytes:
        found = self._find(head.bucket, head.key, head.version_id)
        if found.head.etag != head.etag:
            raise PreconditionFailedError(f"{head.key} has changed")
        return self._body(found)

    @staticmethod
    def _body(version: Version) -> bytes:
        assert version.body is not None
        return version.body


@dataclass
class Stored:
    """One message in the queue; hidden until ``visible_at``."""

    message_id: str
    body: str
    attributes: Mapping[str, str]
    visible_at: float
    receive_count: int = 0
    handle: str = ""


@dataclass
class MemoryQueue:
    """A standard queue as SQS keeps it: handles die with the next receive, redrive comes with the last.

    Args:
        order: puts the visible messages into the order in which they are received.
        deleted: called with the message of every deletion, before it takes effect.
    """

    clock: Clock
    dead_letters: "MemoryQueue | None" = None
    max_receive_count: int = FILE_EVENTS.max_receives
    order: Callable[[list[Stored]], list[Stored]] = lambda messages: messages
    deleted: Callable[[Stored], None] = lambda _message: None
    messages: dict[str, Stored] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def receive(self, limit: int, visibility_timeout_s: int, wait_s: int = 0) -> list[Message]:
        received: list[Message] = []
        for stored in self.order(self.visible()):
            if len(received) == limit:
                break
            if self.dead_letters is not None and stored.receive_count >= self.max_receive_count:
                del self.messages[stored.message_id]
                self.dead_letters.take_over(stored)
                continue
            stored.receive_count += 1
            stored.visible_at = self.clock() + visibility_timeout_s
            stored.handle = f"{stored.message_id}:{next(self._numbers)}"
            received.append(Message(stored.message_id, stored.handle, stored.body, stored.receive_count))
        return received

    def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        refused: list[str] = []
        for handle in receipt_handles:
            stored = self._held(handle)
            if stored is None:
                refused.append(handle)
            else:
                self.deleted(stored)
                del self.messages[stored.message_id]
        return refused

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
        refused: list[str] = []
        for handle in receipt_handles:
            stored = self._held(handle)
            if stored is None or stored.visible_at <= self.clock():
                # SQS says MessageNotInflight to a handle whose time is over.
                refused.append(handle)
            else:
                stored.visible_at = self.clock() + timeout_s
        return refused

    def send(self, body: str, attributes: Mapping[str, str]) -> None:
        message_id = f"m{next(self._numbers)}"
        self.messages[message_id] = Stored(message_id, body, dict(attributes), self.clock())

    def depth(self) -> tuple[int, int]:
        visible = len(self.visible())
        return visible, len(self.messages) - visible

    def visible(self) -> list[Stored]:
        return [stored for stored in self.messages.values() if stored.visible_at <= self.clock()]

    def take_over(self, stored: Stored) -> None:
        stored.visible_at, stored.handle = self.clock(), ""
        self.messages[stored.message_id] = stored

    def _held(self, handle: str) -> Stored | None:
        return next((stored for stored in self.messages.values() if handle and stored.handle == handle), None)
