"""What a few listings show at the start of a batch, so that not every delivery has to ask. No decisions.

Only what is absent from a listing is used. What has come since is found by the conditional writes of silver and report.
All files of a batch were sent before its listings, so an erasure that ended before a file was sent is in them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import islice
from threading import Lock

from etl_platform import object_keys
from etl_platform.storage.object_store import ObjectHead, ObjectStore

_SEVERAL, _PAGE = 2, 1_000
"""As many objects as S3 lists in one request. A longer listing is not used: a question for each file costs less."""


class BatchListing:
    """The listings of one batch; each is made when it is first asked for. Threads may share it.

    Args:
        partitions: dataset and agency of each file of the batch. One that has a single file is not listed.

    Every method raises TransientError if infrastructure fails.
    """

    def __init__(self, store: ObjectStore, bucket: str, partitions: Iterable[tuple[str, str]] = ()) -> None:
        self._store, self._bucket = store, bucket
        self._files = Counter(partitions)
        self._listed: dict[str, frozenset[str] | None] = {}
        self._locks: dict[str, Lock] = defaultdict(Lock)

    def lacks_report(self, dataset: str, agency: str, delivery_id: str) -> bool:
        """Whether there was no report of a delivery; False also if that is not known."""
        key = object_keys.report_key(dataset, agency, delivery_id)
        return self._lacks(dataset, agency, object_keys.report_prefix, [key])

    def lacks_silver(self, dataset: str, agency: str, source_key: str) -> bool:
        """Whether there was no silver object of a source key; False also if that is not known."""
        keys = [shape(dataset, agency, source_key) for shape in object_keys.SILVER_KEYS]
        return self._lacks(dataset, agency, object_keys.silver_prefix, keys)

    def lacks_erased(self, source_key: str) -> bool:
        """Whether nothing that came under a source key was erased; False also if that is not known."""
        if self._files.total() < _SEVERAL:
            return False
        listed = self._keys(object_keys.ERASED)
        prefix = object_keys.erased_prefix(source_key)
        return listed is not None and not any(key.startswith(prefix) for key in listed)

    def _lacks(self, dataset: str, agency: str, prefix_of: Callable[[str, str], str], keys: Iterable[str]) -> bool:
        if self._files[dataset, agency] < _SEVERAL:
            return False
        listed = self._keys(prefix_of(dataset, agency))
        return listed is not None and listed.isdisjoint(keys)

    def _keys(self, prefix: str) -> frozenset[str] | None:
        """The keys under a prefix; None if there are too many."""
        with self._locks[prefix]:
            if prefix not in self._listed:
                found = islice(self._store.list(self._bucket, prefix), _PAGE)
                keys = frozenset(map(_key, found))
                self._listed[prefix] = keys if len(keys) < _PAGE else None
            return self._listed[prefix]


def _key(head: ObjectHead) -> str:
    return head.key
