"""What was read from many small objects, kept together in one object, so that only those that changed are read again.

An entry belongs to a key and an eTag, so an entry of an object that changed is never used. A cache that is lost, or
that two processes write at once, costs requests and nothing else.
"""

import gzip
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from etl_platform.errors import ObjectMissingError, TransientError
from etl_platform.storage.object_store import ObjectHead, ObjectStore

_AT_ONCE = 16
FEW = 16
"""So many objects are read one by one; a cache would cost more."""
log = logging.getLogger(__name__)
Entries = dict[tuple[str, str], bytes]


class ReadCache:
    """A cache at one key of a bucket."""

    def __init__(self, store: ObjectStore, bucket: str, key: str) -> None:
        self._store, self._bucket, self._key = store, bucket, key

    def read_all(self, heads: Sequence[ObjectHead], read: Callable[[str], bytes | None]) -> list[bytes | None]:
        """What each listed object contains, in the same order; white space around it is left out.

        Args:
            read: reads the object of a key; called for those that the cache lacks. None is not kept.

        Raises:
            TransientError: an object could not be read. A cache that cannot be read or written is only logged.
        """
        cached = self._load() if len(heads) > FEW else {}
        missing = [head for head in heads if (head.key, head.etag) not in cached]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = [content and content.strip() for content in pool.map(lambda head: read(head.key), missing)]
        fresh = dict(zip(((head.key, head.etag) for head in missing), found, strict=True))
        contents = [cached[same] if (same := (head.key, head.etag)) in cached else fresh[same] for head in heads]
        if len(heads) > FEW and len(missing) >= FEW:
            self._save({(head.key, head.etag): one for head, one in zip(heads, contents, strict=True) if one})
        return contents

    def _load(self) -> Entries:
        try:
            lines = gzip.decompress(self._store.read(self._bucket, self._key)).splitlines()
            parts = (line.split(b"\t", 2) for line in lines)
            return {(key.decode(), etag.decode()): content for key, etag, content in parts}
        except ObjectMissingError:
            return {}
        except (TransientError, OSError, EOFError, ValueError, zlib.error) as error:
            log.warning("a cache cannot be read", extra={"key": self._key, "error": str(error)})
            return {}

    def _save(self, entries: Mapping[tuple[str, str], bytes]) -> None:
        lines = (
            b"\t".join((key.encode(), etag.encode(), content)) + b"\n"
            for (key, etag), content in entries.items()
            # Such a content would become two entries.
            if len(content.splitlines()) == 1
        )
        try:
            self._store.write(self._bucket, self._key, gzip.compress(b"".join(lines), 1, mtime=0))
        except TransientError as error:
            log.warning("a cache is not written", extra={"key": self._key, "error": str(error)})
