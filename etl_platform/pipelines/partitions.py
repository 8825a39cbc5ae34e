"""Partition sets. One: the agencies, added as their first file arrives."""

import dagster as dg

agencies = dg.DynamicPartitionsDefinition(name="agencies")


def register_agencies(instance: dg.DagsterInstance, names: set[str]) -> None:
    """Add the agencies that are not known yet; asking first keeps the usual tick free of writes."""
    unknown = sorted(names - set(instance.get_dynamic_partitions("agencies")))
    if unknown:
        instance.add_dynamic_partitions("agencies", unknown)
