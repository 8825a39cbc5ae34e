"""An object store in memory that counts requests by kind. No tests."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from etl_platform.storage.object_store import ObjectHead
from etl_platform_tests.simulation.memory import MemoryStore


class CountedStore(MemoryStore):
    """``calls`` has the number of GET, HEAD, LIST and PUT."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0
        super().__init__(lambda: self.now)
        self.calls: Counter[str] = Counter()

    def head(self, bucket: str, key: str, version_id: str | None = None, etag: str | None = None) -> ObjectHead:
        self.calls["HEAD"] += 1
        return super().head(bucket, key, version_id, etag)

    def read(self, bucket: str, key: str) -> bytes:
        self.calls["GET"] += 1
        return super().read(bucket, key)

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        self.calls["LIST"] += 1
        return super().list(bucket, prefix, after)

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
        self.calls["PUT"] += 1
        return super().write(bucket, key, body, if_absent=if_absent, if_match=if_match, metadata=metadata)

    def counted(self) -> dict[str, int]:
        """The requests since the last call."""
        found, self.calls = dict(self.calls), Counter()
        return found
