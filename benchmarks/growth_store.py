"""An object store in memory that counts requests, and makes bodies when they are read; for ``make bench-growth``."""

import hashlib
import threading
import time
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from etl_platform.errors import ObjectMissingError, PreconditionFailedError
from etl_platform.storage.object_store import ObjectHead, StoredVersion

PAGE = 1_000
"""Objects in one response of S3 to a listing."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object; ``body`` makes its bytes."""

    etag: str
    written_at: datetime
    body: Callable[[], bytes]
    metadata: Mapping[str, str]


class GrowthStore:
    """One bucket, of any name.

    Attributes:
        calls: requests by kind; a listing is a request for each page.
        listed: objects in listings.
        request_s: how long a request takes.
    """

    request_s = 0.0

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.keys: list[str] = []
        self.calls: Counter[str] = Counter()
        self.listed = 0
        self._lock = threading.Lock()

    def seed(self, objects: Mapping[str, Stored]) -> None:
        self.objects |= objects
        self.keys = sorted(self.objects)

    def _count(self, kind: str) -> None:
        time.sleep(self.request_s)
        with self._lock:
            self.calls[kind] += 1

    def _find(self, key: str) -> Stored:
        if key not in self.objects:
            raise ObjectMissingError(key)
        return self.objects[key]

    def _head(self, bucket: str, key: str, stored: Stored, *, whole: bool) -> ObjectHead:
        metadata = stored.metadata if whole else {}
        version = f"v-{stored.etag}" if whole or key.startswith("from_client/") else None
        return ObjectHead(bucket, key, version, stored.etag, 1_000, stored.written_at, metadata)

    def head(self, bucket: str, key: str, version_id: str | None = None, etag: str | None = None) -> ObjectHead:
        self._count("HEAD")
        return self._head(bucket, key, self._find(key), whole=True)

    def read(self, bucket: str, key: str) -> bytes:
        self._count("GET")
        return self._find(key).body()

    def read_with_etag(self, bucket: str, key: str) -> tuple[bytes, str]:
        return self.read(bucket, key), self._find(key).etag

    def download(self, head: ObjectHead, path: Path) -> str:
        body = self.read(head.bucket, head.key)
        path.write_bytes(body)
        return hashlib.sha256(body).hexdigest()

    def read_start(self, head: ObjectHead, size_bytes: int) -> bytes:
        return self.read(head.bucket, head.key)[:size_bytes]

    def copy(self, head: ObjectHead, bucket: str, key: str) -> None:
        self._count("COPY")
        self._put(key, self._find(head.key).body(), head.metadata)

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
        self._count("PUT")
        current = self.objects.get(key)
        if (if_absent and current is not None) or (if_match is not None and (not current or current.etag != if_match)):
            raise PreconditionFailedError(key)
        return self._put(key, body.read_bytes() if isinstance(body, Path) else body, metadata or {})

    def _put(self, key: str, body: bytes, metadata: Mapping[str, str]) -> str:
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        with self._lock:
            if key not in self.objects:
                insort(self.keys, key)
            self.objects[key] = Stored(etag, datetime.now(UTC).replace(microsecond=0), lambda: body, dict(metadata))
        return etag

    def delete(self, bucket: str, key: str) -> None:
        self._count("DELETE")
        if self.objects.pop(key, None) is not None:
            self.keys.remove(key)

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        self._count("LIST")
        first = bisect_right(self.keys, after) if after > prefix else bisect_left(self.keys, prefix)
        for number, position in enumerate(range(first, len(self.keys))):
            key = self.keys[position]
            if not key.startswith(prefix):
                return
            if number and number % PAGE == 0:
                self._count("LIST")
            self.listed += 1
            yield self._head(bucket, key, self.objects[key], whole=False)

    def versions(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        return self.list(bucket, prefix, after)

    def folders(self, bucket: str, prefix: str) -> Iterator[str]:
        self._count("LIST")
        position, number = bisect_left(self.keys, prefix), 0
        while position < len(self.keys) and self.keys[position].startswith(prefix):
            name, slash, _ = self.keys[position][len(prefix) :].partition("/")
            if slash:
                number += 1
                if number % PAGE == 0:
                    self._count("LIST")
                yield f"{prefix}{name}/"
                position = bisect_left(self.keys, f"{prefix}{name}0", position)
            else:
                position += 1

    def stored_versions(self, bucket: str, prefix: str) -> Iterator[StoredVersion]:
        return (StoredVersion(head, str(head.version_id), is_latest=True) for head in self.list(bucket, prefix))

    def erase(self, bucket: str, versions: Sequence[StoredVersion]) -> None:
        for version in versions:
            self.delete(bucket, version.key)

    def is_versioned(self, bucket: str) -> bool:
        return True
