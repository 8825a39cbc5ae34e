"""Erases the deliveries of a scope: index entry, tombstone, then every stored version. No decision about which ones.

The order makes it resumable. From its entry and tombstone on, nothing brings a delivery back, and both are found again
after a crash. So the same command, run again, removes what is left.
"""

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.erased_deliveries import ErasedDeliveries
from etl_platform.deliveries.erasure.scope import FoundDelivery, Scope, ScopeFinder
from etl_platform.deliveries.erasure.stored_objects import Stored, StoredObjects
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.overview.summaries import DeliverySummaries
from etl_platform.deliveries.report import Attempt, Report, Trigger
from etl_platform.deliveries.routing import Router
from etl_platform.deliveries.series import Series
from etl_platform.deliveries.tombstone import Tombstone
from etl_platform.errors import AccessDeniedError, ObjectMissingError, ObjectRefusedError, PreconditionFailedError
from etl_platform.settings import code_version
from etl_platform.storage.object_store import ObjectStore

_AT_ONCE = 16
_BATCH = 1_000
Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Erasure:
    """What an erasure removes, or would remove.

    Attributes:
        deliveries: in scope, also those that are erased already.
        stored: the versions that are removed.
    """

    deliveries: Sequence[FoundDelivery]
    stored: Sequence[Stored]

    @property
    def new(self) -> list[FoundDelivery]:
        return [one for one in self.deliveries if not one.is_erased]


class Eraser:
    """Erases deliveries of one data bucket. Every method raises TransientError if infrastructure fails.

    Args:
        router: with the agencies as they are, and all contracts.
        bypass_lock: remove also versions under an Object Lock in governance mode.
    """

    def __init__(self, store: ObjectStore, bucket: str, router: Router, *, bypass_lock: bool = False) -> None:
        self._store, self._bucket, self._router, self._bypass_lock = store, bucket, router, bypass_lock
        self._ledger, self._erased = Ledger(store, bucket), ErasedDeliveries(store, bucket)
        self._series = Series(store, bucket)

    def find(self, scope: Scope) -> Erasure:
        """What ``erase`` would remove."""
        finder = ScopeFinder(self._store, self._bucket, self._router, scope)
        deliveries = finder.deliveries()
        return Erasure(deliveries, StoredObjects(self._store, self._bucket, finder).find(deliveries, buried=False))

    def erase(self, scope: Scope, tombstone: Tombstone, progress: Progress) -> Erasure:
        """Remove it; returns what was removed now.

        Args:
            tombstone: by whom, when and why; what each delivery was before is added.
        """
        finder = ScopeFinder(self._store, self._bucket, self._router, scope)
        deliveries = finder.deliveries()

        def bury(found: FoundDelivery) -> None:
            self._bury(found, replace(tombstone, outcome=str(found.report.outcome) if found.report else None))

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done, _ in enumerate(pool.map(bury, deliveries), start=1):
                progress("tombstones", done)
        if not scope.is_whole:
            self._leave_series(deliveries)
        if not all(one.is_erased for one in deliveries):
            # It names outcomes, and is made again from the reports.
            self._store.delete(self._bucket, object_keys.LAST_DELIVERIES)
            # They name outcomes too.
            DeliverySummaries(self._store, self._bucket).forget(one.report for one in deliveries if one.report)
        stored = StoredObjects(self._store, self._bucket, finder).find(deliveries, buried=True)
        for start in range(0, len(stored), _BATCH):
            versions = [one.version for one in stored[start : start + _BATCH]]
            self._store.erase(self._bucket, versions, bypass_lock=self._bypass_lock)
            progress("versions", min(start + _BATCH, len(stored)))
        return Erasure(deliveries, stored)

    def _bury(self, found: FoundDelivery, tombstone: Tombstone) -> None:
        """Write index entry and tombstone, so that the delivery does not come back."""
        before = found.report
        sha256 = (before.sha256 if before else None) or self._sha256(found)
        self._erased.add(found.source.key, found.delivery_id, sha256)
        if found.is_erased:
            return
        report = Report(
            delivery_id=found.delivery_id,
            outcome=Outcome.ERASED,
            agency=found.agency,
            dataset=found.dataset,
            source=found.source,
            contract=before.contract if before else None,
            code_version=before.code_version if before else code_version(),
            sha256=sha256,
            attempt=before.attempt if before else Attempt(Trigger(Cause.EVENT), tombstone.at, tombstone.at),
            tombstone=tombstone,
        )
        self._ledger.bury(report)

    def _sha256(self, found: FoundDelivery) -> str | None:
        """Of the bytes in the source; None if they are gone or cannot be read."""
        refused = (AccessDeniedError, ObjectMissingError, ObjectRefusedError, PreconditionFailedError)
        for version in found.versions:
            with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
                try:
                    return self._store.download(version.head, Path(folder) / "delivery")
                except refused:
                    continue
        return None

    def _leave_series(self, deliveries: Sequence[FoundDelivery]) -> None:
        ids = {one.delivery_id for one in deliveries}
        places = {(one.dataset, one.agency, one.source.key) for one in deliveries if one.dataset is not None}
        for dataset, agency, source_key in sorted(places):
            self._series.forget(dataset, agency, source_key, ids)
