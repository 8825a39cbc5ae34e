"""The order of the versions of one source key: by their sequencers, else as the store keeps them. No silver."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, cmp_to_key

from etl_platform.deliveries.delivery import ObjectVersion, SourceOrder
from etl_platform.deliveries.report import Report
from etl_platform.storage.object_store import ObjectStore


@dataclass(frozen=True)
class VersionOrder:
    """The order of the versions of one key. The store is asked only if sequencers do not decide, and only once.

    LastModified is used only if the store does not keep both versions. It has whole seconds. If it decided some pairs
    and the sequencer others, the order of three versions could be circular.
    """

    store: ObjectStore
    bucket: str
    key: str

    def is_newer(self, one: SourceOrder, other: SourceOrder) -> bool:
        """Whether ``one`` is newer; False for the same version, and if their order is not known.

        Raises:
            TransientError: infrastructure.
        """
        if one.delivery_id != other.delivery_id and not one.has_other_sequencer(other):
            places = (self._places.get(one.delivery_id), self._places.get(other.delivery_id))
            if places[0] is not None and places[1] is not None:
                return places[0] < places[1]
        return one.is_newer_than(other)

    def newest_first(self, reports: Iterable[Report]) -> list[Report]:
        """Reports of the key, the newest version first; versions of unknown order stay as they are."""

        def compare(one: Report, other: Report) -> int:
            orders = one.source.order, other.source.order
            return self.is_newer(orders[1], orders[0]) - self.is_newer(*orders)

        return sorted(reports, key=cmp_to_key(compare))

    @cached_property
    def _places(self) -> Mapping[str, int]:
        """By delivery id, the place of each version that the store keeps; the newest has the lowest."""
        places: dict[str, int] = {}
        for head in self.store.versions(self.bucket, self.key):
            # The prefix also matches longer keys, which are listed after this one.
            if head.key != self.key:
                break
            version = ObjectVersion(head.bucket, head.key, head.version_id, head.etag)
            places.setdefault(version.delivery_id, len(places))
        return places
