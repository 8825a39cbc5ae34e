"""What is still stored of erased deliveries: an erasure died, or a run was at work meanwhile. Pure."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from etl_platform.deliveries.reconcile.discrepancies import Discrepancy, Finding, ListedVersion, PartitionListing


def left_of_erased(
    listing: PartitionListing, versions: Iterable[ListedVersion], erased: Collection[str]
) -> Iterator[Finding]:
    """A finding for each source version, and for each object that names an erased delivery.

    Args:
        versions: of the partition, in the source.
        erased: the erased deliveries.
    """
    for version in versions:
        if version.delivery_id in erased:
            yield left_of_erased_at(listing, version.key, version.last_modified, version.delivery_id)
    for layer in (listing.bronze, listing.quarantine):
        for delivery_id, (key, written_at) in sorted(layer.items()):
            if delivery_id in erased:
                yield left_of_erased_at(listing, key, written_at, delivery_id)
    for delivery_id, written_at in sorted(listing.replayed.items()):
        if delivery_id in erased:
            yield left_of_erased_at(listing, f"a reprocessing of {delivery_id}", written_at, delivery_id)


def left_of_erased_at(listing: PartitionListing, key: str, since: datetime, delivery_id: str) -> Finding:
    command = f"etl-platform erase --agency {listing.agency} --delivery {delivery_id} --by WHO --execute"
    why = f"delivery {delivery_id} was erased and this is left of it; run `{command}` again"
    return Finding(Discrepancy.ORPHANED, listing.agency, listing.dataset, key, why, since, delivery_id)
