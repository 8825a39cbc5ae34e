"""The silver object of a source key: which delivery it holds, and its compare-and-swap. No reading, no checks.

An object tells by its own metadata whose it is, so that a decision needs no second store: delivery, order among the
versions of its key, the reprocessing that wrote it, and which delivery it took the place of.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from etl_platform.deliveries.delivery import Delivery, SourceOrder, delivery_id
from etl_platform.errors import PreconditionFailedError, TransientError
from etl_platform.storage.object_store import ObjectStore, find_object

_SWAPS = 20


@dataclass(frozen=True)
class CurrentObject:
    """What a silver object says of itself.

    Attributes:
        attempt_id: the reprocessing that wrote it; None for the delivery's own arrival.
        derived_from: what that reprocessing was made of, see ``Reprocessing.derived_from``.
        replaced: the delivery that was there before this one.
    """

    etag: str
    order: SourceOrder
    attempt_id: str | None = None
    derived_from: str | None = None
    replaced: str | None = None

    @property
    def delivery_id(self) -> str:
        return self.order.delivery_id


@dataclass(frozen=True)
class WriteRequest:
    """Who wants to write a silver object. ``after``: the attempt that it held when the work began."""

    delivery: Delivery
    attempt_id: str | None = None
    derived_from: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class Written:
    """``replaced``: the delivery that had to go."""

    etag: str
    replaced: str | None


@dataclass(frozen=True)
class Superseded:
    """Silver holds a newer version of the source, or was written again after the request was made."""

    to: str


class Silver:
    """Silver objects of one bucket."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket

    def current(self, key: str) -> CurrentObject | None:
        head = find_object(self._store, self._bucket, key)
        if head is None:
            return None
        meta = head.metadata
        modified = datetime.fromisoformat(meta["last-modified"])
        order = SourceOrder(meta["delivery-id"], meta.get("sequencer"), modified)
        return CurrentObject(head.etag, order, meta.get("attempt"), meta.get("made-of"), meta.get("replaced"))

    def is_newer(self, held: CurrentObject, delivery: Delivery) -> bool:
        """Whether a newer version of the source is there: by sequencer, else by the order in which S3 keeps versions.

        LastModified has whole seconds, and a comparison that goes by it for some pairs and by sequencer for others can
        run in circles; so it decides only where the store does not keep both versions.
        """
        order = delivery.order
        if held.delivery_id == order.delivery_id:
            return False
        if not (held.order.sequencer and order.sequencer):
            newest_first = [found for found in self._kept(delivery) if found in {held.delivery_id, order.delivery_id}]
            if len(newest_first) > 1:
                return newest_first[0] == held.delivery_id
        return held.order.is_newer_than(order)

    def _kept(self, delivery: Delivery) -> Iterator[str]:
        """Ids of the deliveries of a source key whose bytes are still there, the newest first."""
        for version in self._store.versions(delivery.bucket, delivery.key):
            # Then come the keys that go on after this one.
            if version.key != delivery.key:
                return
            yield delivery_id(version.bucket, version.key, version.version_id or version.etag)

    def swap(
        self, key: str, path: Path, request: WriteRequest, on_superseded: Callable[[str, str], None]
    ) -> Written | Superseded:
        """Put silver unless a newer version of the source is there, or a reprocessing of the same one.

        Args:
            on_superseded: told ``(delivery, its successor)`` of an earlier swap, whose memory this one overwrites.

        Raises:
            TransientError: somebody else reprocesses the same delivery, or the object never stands still.
        """
        for _ in range(_SWAPS):
            held = self.current(key)
            if held is not None and self.is_newer(held, request.delivery):
                return Superseded(held.delivery_id)
            mine = held is not None and held.delivery_id == request.delivery.delivery_id
            if held is not None and mine and held.attempt_id not in {request.attempt_id, request.after}:
                if request.attempt_id is None:
                    # A late twin of the arrival: the record is there by now, and people have worked on the rows since.
                    return Superseded(held.delivery_id)
                raise TransientError(f"{key} was replayed by somebody else meanwhile; replay it again")
            if held is not None and not mine and held.replaced:
                on_superseded(held.replaced, held.delivery_id)
            replaced = None if held is None else held.replaced if mine else held.delivery_id
            try:
                etag = self._store.write(
                    self._bucket,
                    key,
                    path,
                    if_absent=held is None,
                    if_match=held.etag if held else None,
                    metadata=_metadata(request, replaced),
                )
            except PreconditionFailedError:
                continue
            return Written(etag, replaced)
        raise TransientError(f"{key} changed {_SWAPS} times while it was to be written")


def _metadata(request: WriteRequest, replaced: str | None) -> dict[str, str]:
    order = request.delivery.order
    metadata = {
        "delivery-id": order.delivery_id,
        "last-modified": order.last_modified.isoformat(),
        "sequencer": order.sequencer,
        "attempt": request.attempt_id,
        "made-of": request.derived_from,
        "replaced": replaced,
    }
    return {name: text for name, text in metadata.items() if text}
