"""The dynamic partitions: one agency each, in one set per dataset. And checks with one result per partition.

A set per dataset holds only the agencies that sent it. With one set for all, most partitions of a dataset would be
missing for ever: a backfill over them fails, and no automation downstream starts.
"""

import warnings
from collections.abc import Collection, Mapping

import dagster as dg

agencies = dg.DynamicPartitionsDefinition(name="agencies")
"""The agencies of the application database: for attachments and for the export of employment histories."""


def agencies_of(dataset: str) -> dg.DynamicPartitionsDefinition:
    """The agencies that sent a dataset, also those whose files were all refused."""
    return dg.DynamicPartitionsDefinition(name=f"{dataset}_agencies")


def known_agencies(instance: dg.DagsterInstance, dataset: str) -> set[str]:
    """The agencies that are partitions of a dataset now."""
    name = agencies_of(dataset).name
    assert name
    return set(instance.get_dynamic_partitions(name))


def latest_materialization(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partition: str
) -> dg.EventLogRecord | None:
    """The latest materialization of a partition, if there is one."""
    wanted = dg.AssetRecordsFilter(asset, asset_partitions=[partition])
    return next(iter(instance.fetch_materializations(wanted, limit=1).records), None)


def register_agencies(instance: dg.DagsterInstance, senders: Mapping[str, Collection[str]]) -> None:
    """Add the agencies that Dagster does not know yet, by dataset. Usually there are none, and nothing is written."""
    for dataset, names in senders.items():
        add_partitions(instance, agencies_of(dataset), names)


def add_partitions(
    instance: dg.DagsterInstance, partitions: dg.DynamicPartitionsDefinition, names: Collection[str]
) -> list[str]:
    """Add the names that are not in the set yet; returns those."""
    assert partitions.name
    unknown = sorted(set(names) - set(instance.get_dynamic_partitions(partitions.name)))
    if unknown:
        instance.add_dynamic_partitions(partitions.name, unknown)
    return unknown


def remove_agencies(instance: dg.DagsterInstance, datasets: Collection[str], names: Collection[str]) -> list[str]:
    """Remove agencies from the sets of all datasets and from ``agencies``; returns the sets that had one of them."""
    changed: list[str] = []
    for partitions in (agencies, *map(agencies_of, sorted(datasets))):
        assert partitions.name
        known = sorted(set(names) & set(instance.get_dynamic_partitions(partitions.name)))
        for name in known:
            instance.delete_dynamic_partition(partitions.name, name)
        if known:
            changed.append(partitions.name)
    return changed


def partitioned_check(
    name: str, asset: dg.AssetKey, description: str | None, partitions: dg.PartitionsDefinition[str]
) -> dg.AssetCheckSpec:
    """A check with one result per partition. Without partitions, each agency would overwrite the others' result."""
    with warnings.catch_warnings():
        # Dagster marks checks with partitions as a preview feature.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(name, asset=asset, description=description, partitions_def=partitions)
