"""Lists what a bucket holds of many agencies: one request for 1,000 objects, of however many agencies. No decision."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import TypeAlias

from etl_platform import object_keys
from etl_platform.deliveries.reconcile.discrepancies import PartitionListing
from etl_platform.storage.object_store import ObjectHead, ObjectStore, list_folders

AT_ONCE = 16
Listings: TypeAlias = Mapping[str, Mapping[str, PartitionListing]]
"""By agency and dataset."""


@dataclass(frozen=True)
class SourceFolders:
    """The folders below the source prefix, by agency. A renamed agency has several, and some have none."""

    store: ObjectStore
    bucket: str
    prefix: str
    of_agency: Mapping[str, Sequence[str]]

    def groups(self, at_most: int = AT_ONCE) -> list[list[str]]:
        """The agencies in groups of neighbours; each group can be listed at the same time as the others."""
        ordered = sorted(self.of_agency, key=lambda agency: min(self.of_agency[agency], default=agency))
        size = -(-len(ordered) // at_most)
        return [ordered[start : start + size] for start in range(0, len(ordered), size)] if ordered else []

    def versions(self, group: Sequence[str]) -> Iterator[tuple[str, list[ObjectHead]]]:
        """Each agency of a group with all its source versions.

        Raises:
            TransientError: infrastructure.
        """
        left = dict.fromkeys(group)
        alone = {self.of_agency[agency][0]: agency for agency in group if len(self.of_agency[agency]) == 1}
        if alone:
            listed = list_folders(self.store.versions, self.bucket, self.prefix, min(alone), max(alone))
            for folder, heads in groupby(listed, key=lambda head: self._folder(head.key)):
                if folder in alone:
                    left.pop(alone[folder])
                    yield alone[folder], list(heads)
        for agency in left:
            folders = self.of_agency[agency]
            further = folders if len(folders) > 1 else ()
            yield agency, [head for folder in further for head in self.store.versions(self.bucket, folder)]

    def _folder(self, key: str) -> str:
        return key[: key.find("/", len(self.prefix)) + 1]


@dataclass
class _Objects:
    """The objects of one partition; the attributes are those of ``PartitionListing``."""

    reported: dict[str, datetime] = field(default_factory=dict)
    replayed: dict[str, datetime] = field(default_factory=dict)
    replays: Counter[str] = field(default_factory=Counter)
    bronze: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    quarantine: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    silver: dict[str, datetime] = field(default_factory=dict)

    def add(self, layer: str, head: ObjectHead) -> None:
        parsed = object_keys.parse_delivery_object(head.key)
        if layer == "silver":
            self.silver[head.key] = head.last_modified
        elif parsed is None:
            return
        elif layer != "reports":
            of_layer = self.bronze if layer == "bronze" else self.quarantine
            of_layer[parsed.delivery_id] = (head.key, head.last_modified)
        elif parsed.attempt_id is None:
            self.reported[parsed.delivery_id] = head.last_modified
        else:
            latest = self.replayed.get(parsed.delivery_id, head.last_modified)
            self.replayed[parsed.delivery_id] = max(latest, head.last_modified)
            self.replays[parsed.delivery_id] += 1


class PartitionFolders:
    """The partitions of a bucket, as its folders were when this was made.

    Attributes:
        layers: by agency and dataset, the layers that have objects.

    Raises:
        TransientError: infrastructure.
    """

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket
        self.layers: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._agencies: dict[tuple[str, str], list[str]] = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            folders = [(layer, dataset) for layer in object_keys.LAYERS for dataset in self._datasets(layer)]
            for (layer, dataset), agencies in zip(folders, pool.map(self._find, folders), strict=True):
                self._agencies[layer, dataset] = agencies
                for agency in agencies:
                    self.layers[agency][dataset].add(layer)
        self._places = {key: {name: at for at, name in enumerate(names)} for key, names in self._agencies.items()}

    @property
    def folders(self) -> int:
        """How many layers of datasets there are: so many requests a batch of agencies costs at least."""
        return len(self._agencies)

    def _datasets(self, layer: str) -> list[str]:
        found = map(object_keys.parse_folder, self._store.folders(self._bucket, f"{layer}/"))
        return [one.dataset for one in found if one is not None]

    def _find(self, folder: tuple[str, str]) -> list[str]:
        """The agencies of a layer and dataset, in the order of their keys."""
        folders = sorted(self._store.folders(self._bucket, object_keys.partition_prefix(*folder)))
        return [one.agency for one in map(object_keys.parse_folder, folders) if one is not None and one.agency]

    def listings(self, agencies: Iterable[str], lists: Executor) -> Listings:
        """The partitions of these agencies. Reports are listed last, as LAYERS has them.

        Args:
            lists: lists several datasets of a layer at the same time.

        Raises:
            TransientError: infrastructure.
        """
        found: dict[tuple[str, str], _Objects] = defaultdict(_Objects)
        wanted: dict[tuple[str, str], list[int]] = defaultdict(list)
        for agency in agencies:
            for dataset, layers in self.layers.get(agency, {}).items():
                for layer in layers:
                    wanted[layer, dataset].append(self._places[layer, dataset][agency])
        for layer in object_keys.LAYERS:
            runs = [(key, run) for key in wanted if key[0] == layer for run in _runs(sorted(wanted[key]))]
            for (_, dataset), listed in zip((key for key, _ in runs), lists.map(self._list, runs), strict=True):
                for agency, heads in listed.items():
                    for head in heads:
                        found[agency, dataset].add(layer, head)
        by_agency: dict[str, dict[str, PartitionListing]] = defaultdict(dict)
        for (agency, dataset), objects in sorted(found.items()):
            by_agency[agency][dataset] = PartitionListing(dataset, agency, **vars(objects))
        return by_agency

    def _list(self, run: tuple[tuple[str, str], tuple[int, int]]) -> Mapping[str, list[ObjectHead]]:
        """The objects of neighbours in a layer and dataset, by agency."""
        (layer, dataset), places = run
        names, prefix = self._agencies[layer, dataset], object_keys.partition_prefix(layer, dataset)
        first, last = (object_keys.partition_prefix(layer, dataset, names[place]) for place in places)
        found: dict[str, list[ObjectHead]] = defaultdict(list)
        for head in list_folders(self._store.list, self._bucket, prefix, first, last):
            found[head.key[len(prefix) :].partition("/")[0].removeprefix("agency=")].append(head)
        return found


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of consecutive numbers."""
    first = 0
    for position, place in enumerate(places):
        if position + 1 == len(places) or places[position + 1] != place + 1:
            yield places[first], place
            first = position + 1
