"""The status of asset checks as Dagster's UI shows them. No tests."""

from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context


def shown_statuses(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey], partitions: dg.PartitionsDefinition, agency: str
) -> dict[str, str]:
    """What GraphQL's ``partitionStatuses`` resolves to: by check name SUCCEEDED, FAILED and so on, if not missing."""
    found: dict[str, str] = {}
    with partition_loading_context(dynamic_partitions_store=instance):
        states = instance.event_log_storage.get_asset_check_state([(key, partitions) for key in keys])
    for key, state in states.items():
        for status, subset in state.subsets.items():
            if agency in subset.subset_value.get_partition_keys():
                assert key.name not in found, f"{key.name} has two statuses"
                found[key.name] = status.value
    return found
