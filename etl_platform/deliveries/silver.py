"""The silver object of a source key: which delivery it holds, and its compare-and-swap. No reading, no checks.

The object's metadata contain its source key, its delivery, the order of that version, the reprocessing that wrote it,
the delivery that it replaced, and its content. So no second store is needed to decide whether it may be overwritten, or
to count rows. An object that a release up to 0.2 wrote stays at its shorter key; a file has one object at any time.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from etl_platform import object_keys
from etl_platform.deliveries.attempts import Author
from etl_platform.deliveries.delivery import ObjectVersion, SourceOrder
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.version_order import VersionOrder
from etl_platform.errors import PreconditionFailedError, TransientError
from etl_platform.storage.object_store import ObjectHead, ObjectStore, find_object

_MAX_SWAPS = 20


@dataclass(frozen=True)
class SilverContent:
    """The rows of a silver object, and the SHA-256 of its bytes in hex."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class CurrentObject:
    """A silver object as it is now, from its metadata.

    Attributes:
        source: the source key as metadata; None if release 0.2 or an older one wrote the object.
        attempt_id: the reprocessing that wrote it; None where an arrival did.
        derived_from: of the attempt that wrote it; None for an arrival of release 0.2 or an older one.
        replaced: the delivery that silver held before.
        content: None if release 0.2 or an older one wrote the object.
    """

    key: str
    etag: str
    order: SourceOrder
    source: str | None = None
    attempt_id: str | None = None
    derived_from: str | None = None
    replaced: str | None = None
    content: SilverContent | None = None

    @property
    def delivery_id(self) -> str:
        return self.order.delivery_id


@dataclass(frozen=True)
class Written:
    """Silver was written. ``replaced`` is the delivery that it held before."""

    key: str
    etag: str
    replaced: str | None


@dataclass(frozen=True)
class Superseded:
    """Not written: silver holds a newer version of the source, the delivery ``by``."""

    by: str


class Silver:
    """The silver objects of one bucket."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket, self._ledger = store, bucket, Ledger(store, bucket)

    def current(self, dataset: str, agency: str, source_key: str) -> CurrentObject | None:
        """The silver object of a source key.

        Raises:
            TransientError: infrastructure, or its key is taken by another source key.
        """
        key = object_keys.silver_key(dataset, agency, source_key)
        found = self.at(key)
        if found is not None:
            if found.source != object_keys.metadata_text(source_key):
                raise TransientError(f"{key} is not of {source_key}, but of {found.source}; move it away")
            return found
        short = self.at(object_keys.short_silver_key(dataset, agency, source_key))
        return short if short is not None and self._is_of(short, dataset, agency, source_key) else None

    def _is_of(self, found: CurrentObject, dataset: str, agency: str, source_key: str) -> bool:
        """Whether an object at a short key is of this source key."""
        if found.source is not None:
            return found.source == object_keys.metadata_text(source_key)
        report = self._ledger.find(dataset, agency, found.delivery_id)
        return report is None or report.source.key == source_key

    def at(self, key: str) -> CurrentObject | None:
        """The silver object at a key."""
        head = find_object(self._store, self._bucket, key)
        if head is None:
            return None
        meta = head.metadata
        modified = datetime.fromisoformat(meta["last-modified"])
        order = SourceOrder(meta["delivery-id"], meta.get("sequencer"), modified)
        content = SilverContent(int(meta["rows"]), meta["sha256"]) if "rows" in meta else None
        return CurrentObject(
            key,
            head.etag,
            order,
            meta.get("source"),
            meta.get("attempt"),
            meta.get("made-of"),
            meta.get("replaced"),
            content,
        )

    def objects(self, dataset: str, agency: str) -> list[ObjectHead]:
        """The silver objects of a partition: one of each source key."""
        return list(self._store.list(self._bucket, object_keys.silver_prefix(dataset, agency)))

    def is_newer(self, current: CurrentObject, source: ObjectVersion) -> bool:
        """Whether silver holds a newer version than ``source``."""
        return VersionOrder(self._store, source.bucket, source.key).is_newer(current.order, source.order)

    def is_superseded(self, dataset: str, agency: str, source: ObjectVersion) -> bool:
        """Whether silver holds a newer version than ``source``."""
        current = self.current(dataset, agency, source.key)
        return current is not None and self.is_newer(current, source)

    def undo(self, current: CurrentObject) -> bool:
        """Put back what an object without a report has replaced; returns whether there was something.

        If nothing was, or if the bucket keeps no versions, the object is removed.

        Raises:
            TransientError: infrastructure, or the object has changed meanwhile.
        """
        before = self._version_before(current)
        if before is None:
            self._store.delete(self._bucket, current.key)
            return False
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            path = Path(folder) / "silver"
            self._store.download(before, path)
            try:
                self._store.write(self._bucket, current.key, path, if_match=current.etag, metadata=before.metadata)
            except PreconditionFailedError:
                raise TransientError(f"{current.key} was changed by another process; it will be retried") from None
        return True

    def _version_before(self, current: CurrentObject) -> ObjectHead | None:
        """The latest stored version of the object that holds another delivery."""
        for listed in self._store.versions(self._bucket, current.key):
            if listed.key != current.key or listed.version_id is None:
                return None
            head = self._store.head(self._bucket, current.key, listed.version_id)
            if head.metadata.get("delivery-id", current.delivery_id) != current.delivery_id:
                return head
        return None

    def swap(
        self,
        partition: tuple[str, str],
        source: ObjectVersion,
        path: Path,
        content: SilverContent,
        *,
        found: CurrentObject | None,
        author: Author,
        on_superseded: Callable[[str, str], None],
    ) -> Written | Superseded:
        """Write silver unless it holds a newer version of the source, or a reprocessing of the same one.

        Args:
            partition: dataset and agency.
            content: of the file at ``path``.
            found: the object as it was when the work began. If it has changed since, it is looked up again.
            author: the attempt that writes.
            on_superseded: called with a delivery and its successor before the metadata that link them are overwritten.

        Raises:
            ContestedError: see ``Author.may_overwrite``.
            TransientError: another process reprocesses the same delivery, or the object keeps changing.
        """
        for swaps in range(_MAX_SWAPS):
            current = self.current(*partition, source.key) if swaps else found
            key = current.key if current else object_keys.silver_key(*partition, source.key)
            if current is not None and self.is_newer(current, source):
                return Superseded(current.delivery_id)
            is_same_delivery = current is not None and current.delivery_id == source.delivery_id
            if current and is_same_delivery and not author.may_overwrite(current.attempt_id, current.derived_from):
                if author.reprocessing is None:
                    # A second attempt at the same delivery, too late: it is recorded and may have been replayed since.
                    return Superseded(current.delivery_id)
                raise TransientError(f"{key} was replayed by another process meanwhile; run the replay again")
            if current is not None and not is_same_delivery and current.replaced:
                on_superseded(current.replaced, current.delivery_id)
            replaced = None if current is None else current.replaced if is_same_delivery else current.delivery_id
            try:
                etag = self._store.write(
                    self._bucket,
                    key,
                    path,
                    if_absent=current is None,
                    if_match=current.etag if current else None,
                    metadata=_metadata(source, author, replaced, content),
                )
            except PreconditionFailedError:
                continue
            return Written(key, etag, replaced)
        raise TransientError(
            f"silver of {source.key} changed {_MAX_SWAPS} times while it was being written; it will be retried"
        )


def _metadata(source: ObjectVersion, author: Author, replaced: str | None, content: SilverContent) -> dict[str, str]:
    order = source.order
    metadata = {
        "source": object_keys.metadata_text(source.key),
        "delivery-id": order.delivery_id,
        "last-modified": order.last_modified.isoformat(),
        "sequencer": order.sequencer,
        **author.metadata,
        "replaced": replaced,
        "rows": str(content.rows),
        "sha256": content.sha256,
    }
    return {name: text for name, text in metadata.items() if text}
