"""Agencies as partitions in Dagster, for the commands that retire, restore and migrate them."""

from collections.abc import Collection, Mapping

from etl_platform.defs.attachments import ASSET as ATTACHMENTS
from etl_platform.defs.datasets.partitions import add_partitions, agencies, agencies_of, remove_agencies
from etl_platform.defs.employment_history import ASSET as EMPLOYMENT_HISTORY
from etl_platform.defs.open_instance import open_instance
from etl_platform.settings import Settings


def remove(settings: Settings, datasets: Collection[str], agency: str) -> list[str]:
    """Remove an agency from all sets of partitions; returns the names of those that had it."""
    with open_instance(settings) as instance:
        return remove_agencies(instance, datasets, {agency})


def add(settings: Settings, senders: Mapping[str, Collection[str]]) -> Mapping[str, list[str]]:
    """Add the agencies that a dataset's set does not have; returns those by dataset."""
    with open_instance(settings) as instance:
        added = {dataset: add_partitions(instance, agencies_of(dataset), names) for dataset, names in senders.items()}
    return {dataset: names for dataset, names in added.items() if names}


def remove_senders_of_files(settings: Settings, known: Collection[str]) -> list[str]:
    """Remove agencies that only sent files from ``agencies``; returns them.

    Before each dataset had its own set, this one had all agencies that sent any file.

    Args:
        known: the agencies of the application database, which stay.
    """
    with open_instance(settings) as instance:
        assert agencies.name
        used = {
            name for asset in (ATTACHMENTS, EMPLOYMENT_HISTORY) for name in instance.get_materialized_partitions(asset)
        }
        unused = sorted(set(instance.get_dynamic_partitions(agencies.name)) - used - set(known))
        for name in unused:
            instance.delete_dynamic_partition(agencies.name, name)
    return unused
