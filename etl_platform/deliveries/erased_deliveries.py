"""The index of erased deliveries: an empty object for each, by which its bytes are refused if they come again.

The entry is written before anything is removed. The tombstone in the ledger says who erased the delivery, and why.
"""

import tempfile
from contextlib import suppress
from pathlib import Path

from etl_platform import object_keys
from etl_platform.engine.result import FileError
from etl_platform.errors import PreconditionFailedError
from etl_platform.storage.object_store import ObjectHead, ObjectStore

ERASED = "erased"
"""The code of a file whose bytes were erased before, under the same source key."""
_WHAT_TO_DO = (
    "the same file was erased before; send one without what had to go. If that was a mistake, the data team removes"
)


class ErasedDeliveries:
    """The index of one bucket. Every method raises TransientError if infrastructure fails."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket

    def add(self, source_key: str, delivery_id: str, sha256: str | None) -> None:
        """Add an entry, unless it is there: in a versioned bucket each write would leave a version."""
        with suppress(PreconditionFailedError):
            self._store.write(
                self._bucket, object_keys.erased_key(source_key, delivery_id, sha256), b"", if_absent=True
            )

    def refusal(self, head: ObjectHead) -> FileError | None:
        """The error of a source object whose bytes were erased before; it is read only if its key has entries.

        Raises:
            ObjectMissingError: the object is gone.
        """
        listed = self._store.list(self._bucket, object_keys.erased_prefix(head.key))
        by_sha256 = {object_keys.parse_erased_key(entry.key)[1]: entry.key for entry in listed}
        by_sha256.pop(None, None)
        if not by_sha256:
            return None
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            entry = by_sha256.get(self._store.download(head, Path(folder) / "delivery"))
        return None if entry is None else FileError(ERASED, f"{_WHAT_TO_DO} {entry} and the file is sent again")

    def delivery_ids(self) -> set[str]:
        """All erased deliveries."""
        listed = self._store.list(self._bucket, object_keys.ERASED)
        return {object_keys.parse_erased_key(entry.key)[0] for entry in listed}
