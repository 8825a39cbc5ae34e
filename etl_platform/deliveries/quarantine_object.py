"""The quarantine object of a delivery: which attempt wrote it, and its replacement. No rows."""

from pathlib import Path
from typing import TYPE_CHECKING

from etl_platform.deliveries.attempts import Author
from etl_platform.errors import PreconditionFailedError, TransientError
from etl_platform.storage.object_store import ObjectHead, ObjectStore, file_sha256, find_object

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_TRIES = 20


class QuarantineObject:
    """The quarantine of one delivery at a key."""

    def __init__(self, store: ObjectStore, bucket: str, key: str) -> None:
        self._store, self._bucket, self.key = store, bucket, key

    def current(self) -> ObjectHead | None:
        return find_object(self._store, self._bucket, self.key)

    def put(self, path: Path, author: Author) -> str | None:
        """Write the quarantine of an arrival; returns its eTag, or None if the delivery was reprocessed meanwhile.

        Raises:
            ContestedError: see ``Author.may_overwrite``.
            TransientError: infrastructure, or the object keeps changing.
        """
        found: ObjectHead | None = None
        for _ in range(_MAX_TRIES):
            try:
                return self._write(path, author, found)
            except PreconditionFailedError:
                found = self.current()
            if found is None:
                continue
            derived_from = found.metadata.get("made-of")
            if not author.may_overwrite(found.metadata.get("attempt"), derived_from):
                return None
            if derived_from == author.derived_from:
                return found.etag
        raise TransientError(f"{self.key} changed {_MAX_TRIES} times while it was being written; it will be retried")

    def replace(self, path: Path | None, author: Author, found: ObjectHead | None) -> str | None:
        """Replace the quarantine that a reprocessing found; without ``path``, delete it. Returns the new eTag.

        Raises:
            TransientError: infrastructure, or another attempt has changed it.
        """
        if path is None:
            if found is not None:
                self.delete()
            return None
        try:
            return self._write(path, author, found)
        except PreconditionFailedError:
            raise TransientError(f"{self.key} was changed by another process meanwhile; run the replay again") from None

    def is_of(self, derived_from: str | None) -> bool:
        """Whether an arrival with these inputs wrote it, or release 0.2 or an older one."""
        found = self.current()
        return found is not None and found.metadata.get("made-of") in {None, derived_from}

    def delete_own(self, derived_from: str) -> None:
        """Delete it if an arrival with these inputs wrote it, after a reprocessing had left none."""
        found = self.current()
        if found is not None and "attempt" not in found.metadata and found.metadata.get("made-of") == derived_from:
            self.delete()

    def remove(self) -> None:
        """Delete it if it is there; in a versioned bucket, a delete without an object leaves a marker."""
        if self.current() is not None:
            self.delete()

    def delete(self) -> None:
        self._store.delete(self._bucket, self.key)

    def _write(self, path: Path, author: Author, found: ObjectHead | None) -> str:
        metadata: Mapping[str, str | None] = {**author.metadata, "sha256": file_sha256(path)}
        return self._store.write(
            self._bucket,
            self.key,
            path,
            if_absent=found is None,
            if_match=found.etag if found else None,
            metadata={name: text for name, text in metadata.items() if text},
        )
