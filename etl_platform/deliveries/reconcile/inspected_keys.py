"""The source keys that a reconciliation inspected and found right, so that the next one does not read them again.

A listing does not tell a refused file from an accepted one whose silver is gone, so the reports of refused files are
read. The reports and silver of a key are written before their times in the listing, so a key whose listing is the same
is still right. If the object is lost, keys are inspected again.
"""

import gzip
import hashlib
import logging
import zlib
from collections.abc import Sequence

from etl_platform import object_keys
from etl_platform.deliveries.reconcile.discrepancies import ListedVersion, PartitionListing
from etl_platform.errors import ObjectMissingError, TransientError
from etl_platform.settings import code_version
from etl_platform.storage.object_store import ObjectStore

_DIGEST_BYTES = 10
log = logging.getLogger(__name__)


class InspectedKeys:
    """The inspected keys of one bucket."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket
        self._known = self._load()
        self._right: set[bytes] = set()

    def is_right(self, fingerprint: bytes) -> bool:
        """Whether this was found right before; then it stays known."""
        if fingerprint not in self._known:
            return False
        self._right.add(fingerprint)
        return True

    def add(self, fingerprint: bytes) -> None:
        self._right.add(fingerprint)

    def save(self) -> None:
        """Keep what was found right since this was made, and nothing else. An error is only logged."""
        if self._right == self._known:
            return
        body = gzip.compress(b"\n".join([_release(), *sorted(self._right)]), 1, mtime=0)
        try:
            self._store.write(self._bucket, object_keys.INSPECTED_KEYS, body)
        except TransientError as error:
            log.warning("the inspected keys are not written", extra={"error": str(error)})

    def _load(self) -> set[bytes]:
        try:
            release, *known = gzip.decompress(self._store.read(self._bucket, object_keys.INSPECTED_KEYS)).split(b"\n")
        except ObjectMissingError:
            return set()
        except (TransientError, OSError, EOFError, zlib.error) as error:
            log.warning("the inspected keys cannot be read", extra={"error": str(error)})
            return set()
        # Another release may see more.
        return set(known) if release == _release() else set()


def _release() -> bytes:
    return code_version().encode()


def fingerprint(listing: PartitionListing, versions: Sequence[ListedVersion]) -> bytes:
    """A hash of all that the listings show of one source key."""
    ids = [version.delivery_id for version in versions]
    key = versions[0].key
    shown = (
        (listing.dataset, listing.agency, key),
        [(one, listing.reported.get(one), listing.bronze.get(one)) for one in ids],
        # Of replays, also the number: an older one whose report somebody deleted may have written silver.
        [(listing.replayed.get(one), listing.replays.get(one)) for one in ids],
        [(silver, listing.silver[silver]) for silver in listing.silver_keys(key)],
    )
    digest = hashlib.blake2b(repr(shown).encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES)
    return digest.hexdigest().encode()
