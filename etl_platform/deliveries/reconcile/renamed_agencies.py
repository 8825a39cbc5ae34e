"""Rows that a run wrote under the old name of an agency after it was renamed. No Dagster.

The run had found the agency of its files before the renaming. Readers of all agencies have these rows twice.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from etl_platform import object_keys
from etl_platform.deliveries.agency_register import Agencies
from etl_platform.deliveries.reconcile.discrepancies import Discrepancy, Finding
from etl_platform.storage.object_store import ObjectStore

_MOVED = ("silver", "quarantine")


def rows_under_old_names(
    store: ObjectStore,
    bucket: str,
    layers: Mapping[str, Mapping[str, Collection[str]]],
    agencies: Agencies,
    settled_before: datetime,
) -> Iterator[Finding]:
    """Every object of silver and quarantine under a name that its agency no longer has.

    Args:
        layers: by agency and dataset, the layers that have objects.
        settled_before: younger objects may belong to a renaming that is in progress.
    """
    for old, datasets in sorted(layers.items()):
        new = agencies.current_name(old)
        if new == old:
            continue
        why = f"{old} was renamed to {new}, and a run wrote this later; "
        why += f"run `etl-platform agency rename {old} {new}` again"
        for dataset in sorted(datasets):
            for layer in (name for name in _MOVED if name in datasets[dataset]):
                for head in store.list(bucket, object_keys.partition_prefix(layer, dataset, old)):
                    if head.last_modified <= settled_before:
                        yield Finding(Discrepancy.ORPHANED, new, dataset, head.key, why, head.last_modified)
