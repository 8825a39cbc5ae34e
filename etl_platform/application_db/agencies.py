"""Agencies of the application database and their Dagster partitions. No database access."""

from collections.abc import Iterable
from dataclasses import dataclass

from etl_platform.engine.errors import PermanentError
from etl_platform.object_keys import segment


@dataclass(frozen=True)
class Agency:
    """``slug`` is the agency's folder below the source prefix."""

    id: int
    slug: str
    name: str

    @property
    def partition(self) -> str:
        """The agency's partition key, as object keys contain it."""
        return segment(self.slug)


def find_agency(partition: str, agencies: Iterable[Agency]) -> Agency | None:
    """The agency with this partition; None if there is no such agency.

    Raises:
        PermanentError: several agencies have it and would overwrite each other's objects.
    """
    found = [agency for agency in agencies if agency.partition == partition]
    if len(found) > 1:
        ids = ", ".join(str(agency.id) for agency in found[:10])
        raise PermanentError(
            f"the application database has several agencies with the slug {found[0].slug}: ids {ids}; "
            "give each agency its own slug"
        )
    return found[0] if found else None
