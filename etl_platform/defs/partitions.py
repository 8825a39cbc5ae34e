"""Partition sets, and checks with a result for each partition. Agencies are added as their first file arrives."""

import warnings

import dagster as dg

agencies = dg.DynamicPartitionsDefinition(name="agencies")


def register_agencies(instance: dg.DagsterInstance, names: set[str]) -> None:
    """Add the agencies that are not known yet; asking first keeps the usual tick free of writes."""
    unknown = sorted(names - set(instance.get_dynamic_partitions("agencies")))
    if unknown:
        instance.add_dynamic_partitions("agencies", unknown)


def partitioned_check(
    name: str, asset: dg.AssetKey, description: str | None, partitions: dg.PartitionsDefinition[str] = agencies
) -> dg.AssetCheckSpec:
    """A check whose results lie under the asset's partitions: without them every agency would overwrite the others'."""
    with warnings.catch_warnings():
        # Dagster marks checks with partitions as a preview feature.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(name, asset=asset, description=description, partitions_def=partitions)
