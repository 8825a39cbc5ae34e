"""The dynamic partitions: one agency each, added with its first file. And checks with one result per partition."""

import warnings

import dagster as dg

agencies = dg.DynamicPartitionsDefinition(name="agencies")


def register_agencies(instance: dg.DagsterInstance, names: set[str]) -> None:
    """Add the agencies that Dagster does not know yet. Usually there are none, and nothing is written."""
    unknown = sorted(names - set(instance.get_dynamic_partitions("agencies")))
    if unknown:
        instance.add_dynamic_partitions("agencies", unknown)


def partitioned_check(
    name: str, asset: dg.AssetKey, description: str | None, partitions: dg.PartitionsDefinition[str] = agencies
) -> dg.AssetCheckSpec:
    """A check with one result per partition. Without partitions, each agency would overwrite the others' result."""
    with warnings.catch_warnings():
        # Dagster marks checks with partitions as a preview feature.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(name, asset=asset, description=description, partitions_def=partitions)
