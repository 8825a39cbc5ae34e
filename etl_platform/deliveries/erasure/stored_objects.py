"""What is stored of deliveries: every version of every object, by kind. Nothing is changed here."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from etl_platform import object_keys
from etl_platform.deliveries.erasure.scope import FoundDelivery, ScopeFinder
from etl_platform.errors import ObjectMissingError
from etl_platform.storage.object_store import ObjectStore, StoredVersion

Partition = tuple[str, str]


@dataclass(frozen=True)
class Stored:
    """A version of an object that is to be removed; ``kind`` is what it is, for people."""

    kind: str
    version: StoredVersion


class StoredObjects:
    """The objects of the deliveries of one scope. Every method raises TransientError if infrastructure fails."""

    def __init__(self, store: ObjectStore, bucket: str, finder: ScopeFinder) -> None:
        self._store, self._bucket, self._finder = store, bucket, finder

    def find(self, deliveries: Sequence[FoundDelivery], *, buried: bool) -> list[Stored]:
        """Everything to remove, rows first and the source last.

        Args:
            buried: whether all of them have their tombstones now, which stay. Otherwise only those do that are erased.
        """
        scope = self._finder.scope
        by_partition: dict[Partition, list[FoundDelivery]] = defaultdict(list)
        for one in deliveries:
            if one.dataset is not None:
                by_partition[one.dataset, one.agency].append(one)
        partitions = self._finder.partitions if scope.is_whole else sorted(by_partition)
        kept = {one.delivery_id for one in deliveries if buried or one.is_erased}
        found: list[Stored] = []
        for dataset, name in partitions:
            of_partition = by_partition[dataset, name]
            ids = {one.delivery_id for one in of_partition}
            arrived_since = self._reported(dataset, name) - ids if scope.is_whole else set[str]()
            found += self._silver(dataset, name, of_partition, arrived_since)
            found += self._by_delivery(dataset, name, ids, arrived_since, kept)
            found += self._index(dataset, name, of_partition)
        # It names files, and is made again every hour.
        if deliveries:
            found += [Stored("index", version) for version in self._versions_of(object_keys.OVERVIEW_PAGE)]
        found += self._beside_partitions({one.delivery_id for one in deliveries}, kept)
        return [*found, *self._source(deliveries)]

    def _reported(self, dataset: str, name: str) -> set[str]:
        listed = self._store.list(self._bucket, object_keys.report_prefix(dataset, name))
        return {parsed.delivery_id for head in listed if (parsed := object_keys.parse_delivery_object(head.key))}

    def _by_delivery(
        self, dataset: str, name: str, ids: set[str], arrived_since: set[str], kept: set[str]
    ) -> Iterator[Stored]:
        scope = self._finder.scope
        prefixes = {
            "quarantine": object_keys.quarantine_prefix(dataset, name),
            "corrections": object_keys.corrections_prefix(dataset, name),
            "bronze": object_keys.bronze_prefix(dataset, name),
            "amendments": object_keys.amendments_prefix(dataset, name),
            "notices": object_keys.notices_prefix(dataset, name),
            "reports": object_keys.report_prefix(dataset, name),
        }
        for kind, prefix in prefixes.items():
            for version in self._store.stored_versions(self._bucket, prefix + scope.id_prefix):
                delivery_id = version.key.removeprefix(prefix).partition("/")[0].partition(".")[0]
                is_tombstone = version.key == object_keys.report_key(dataset, name, delivery_id)
                if is_tombstone and version.is_latest and delivery_id in kept:
                    continue
                if delivery_id in ids or (scope.is_whole and delivery_id not in arrived_since):
                    yield Stored(kind, version)
        if scope.is_whole:
            yield from self._all("exports", object_keys.exports_prefix(dataset, name))

    def _silver(
        self, dataset: str, name: str, deliveries: Sequence[FoundDelivery], arrived_since: set[str]
    ) -> Iterator[Stored]:
        if self._finder.scope.is_whole:
            for stored in self._all("silver", object_keys.silver_prefix(dataset, name)):
                # Only then is each object looked up.
                if not (arrived_since and self._holds(stored.version, arrived_since)):
                    yield stored
            return
        ids = {one.delivery_id for one in deliveries}
        for source_key in sorted({one.source.key for one in deliveries}):
            for make in (object_keys.silver_key, object_keys.short_silver_key):
                key = make(dataset, name, source_key)
                versions = self._versions_of(key)
                of_these = [one for one in versions if not one.is_marker and self._holds(one, ids)]
                # A marker hides versions of other deliveries, if there are any left.
                is_all = len(of_these) == sum(not one.is_marker for one in versions)
                for version in versions if is_all else of_these:
                    yield Stored("silver", version)

    def _holds(self, version: StoredVersion, ids: set[str]) -> bool:
        try:
            head = self._store.head(self._bucket, version.key, version.version_id)
        except ObjectMissingError:
            return False
        return head.metadata.get("delivery-id") in ids

    def _index(self, dataset: str, name: str, deliveries: Sequence[FoundDelivery]) -> Iterator[Stored]:
        """Caches, which hold reports and values, and the numbers of recent files."""
        for key in (object_keys.report_cache_key(dataset, name), object_keys.silver_cache_key(dataset, name)):
            yield from (Stored("index", version) for version in self._versions_of(key))
        yield from self._all("index", object_keys.foreign_key_caches(dataset, name))
        if self._finder.scope.is_whole:
            yield from self._all("index", object_keys.series_prefix(dataset, name))
            return
        for key in sorted({object_keys.series_key(dataset, name, one.source.key) for one in deliveries}):
            # Its other files stay: the index was written again without these.
            current = self._versions_of(key)
            yield from (Stored("index", version) for version in current if not version.is_latest)
            # An older release had the index there; it is read only if the other key has no object.
            if current:
                yield from (Stored("index", version) for version in self._versions_of(key.removesuffix("l")))

    def _beside_partitions(self, ids: set[str], kept: set[str]) -> Iterator[Stored]:
        """The reports of ignored objects with who was notified of them, and the records of failed deliveries."""
        makers: dict[str, tuple[str, Callable[[str], Any]]] = {
            object_keys.IGNORED_REPORTS: ("reports", object_keys.ignored_key),
            object_keys.WAITING_REPORTS: ("waiting", object_keys.waiting_key),
            object_keys.notices_prefix(None, None): ("notices", object_keys.ignored_notice_key),
        }
        for prefix, (kind, make) in makers.items():
            for version in self._store.stored_versions(self._bucket, prefix + self._finder.scope.id_prefix):
                delivery_id = version.key.removeprefix(prefix).partition(".")[0]
                is_tombstone = prefix == object_keys.IGNORED_REPORTS and version.is_latest and delivery_id in kept
                if delivery_id in ids and version.key == make(delivery_id) and not is_tombstone:
                    yield Stored(kind, version)

    def _source(self, deliveries: Sequence[FoundDelivery]) -> Iterator[Stored]:
        wanted = {(one.key, one.version_id) for found in deliveries for one in found.versions}
        by_key: dict[str, list[StoredVersion]] = defaultdict(list)
        for version in self._finder.source_versions():
            by_key[version.key].append(version)
        for versions in by_key.values():
            going = [one for one in versions if (one.key, one.version_id) in wanted]
            # Markers without a version say nothing; one before versions that stay hides these.
            is_all = going and len(going) == sum(not one.is_marker for one in versions)
            yield from (Stored("source", one) for one in (versions if is_all else going))

    def _all(self, kind: str, prefix: str) -> Iterator[Stored]:
        return (Stored(kind, version) for version in self._store.stored_versions(self._bucket, prefix))

    def _versions_of(self, key: str) -> list[StoredVersion]:
        return [one for one in self._store.stored_versions(self._bucket, key) if one.key == key]
