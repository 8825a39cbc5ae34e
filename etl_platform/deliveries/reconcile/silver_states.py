"""Reads the silver objects that can be of a source key, and decides which one is. No Dagster."""

from collections.abc import Iterable
from dataclasses import replace

from etl_platform import object_keys
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.reconcile.discrepancies import Finding, PartitionListing, SilverState, orphan
from etl_platform.storage.object_store import ObjectStore, find_object


class SilverStates:
    """The silver objects of one bucket. Its methods raise TransientError if infrastructure fails."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket, self._ledger = store, bucket, Ledger(store, bucket)

    def read(self, key: str) -> SilverState | None:
        """A silver object; None if it does not exist."""
        head = find_object(self._store, self._bucket, key)
        if head is None:
            return None
        names = ("delivery-id", "source", "attempt", "made-of")
        return SilverState(key, head.etag, head.last_modified, *map(head.metadata.get, names))

    def of(
        self, listing: PartitionListing, source_key: str, keys: Iterable[str]
    ) -> tuple[SilverState | None, list[Finding]]:
        """The silver object of a source key, and a finding for each further one.

        Args:
            keys: of the objects that can be of it.
        """
        states = [self.read(key) for key in keys]
        text = object_keys.metadata_text(source_key)
        own = [state for state in states if state and self._source_text(listing, state) in {None, text}]
        findings = [
            replace(
                orphan(listing, state.key, state.last_modified, state.delivery_id),
                why=f"has rows of a file whose silver is {own[0].key}; delete it",
            )
            for state in own[1:]
        ]
        return (own[0] if own else None), findings

    def _source_text(self, listing: PartitionListing, state: SilverState) -> str | None:
        """The source key of a silver object as metadata; None if nothing names it."""
        if state.source is not None or state.delivery_id is None:
            return state.source
        report = self._ledger.find(listing.dataset, listing.agency, state.delivery_id)
        return None if report is None else object_keys.metadata_text(report.source.key)
