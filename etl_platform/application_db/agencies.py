"""The agencies of the application: whose partition is whose. No database."""

from collections.abc import Iterable
from dataclasses import dataclass

from etl_platform.engine.errors import PermanentError
from etl_platform.object_keys import segment


@dataclass(frozen=True)
class Agency:
    """``slug`` is the folder below the source prefix; ``partition`` is how keys spell it."""

    id: int
    slug: str
    name: str

    @property
    def partition(self) -> str:
        return segment(self.slug)


def agency_of(partition: str, agencies: Iterable[Agency]) -> Agency | None:
    """The agency that has this partition, if one has.

    Raises:
        PermanentError: several have it, and each would overwrite the other's objects.
    """
    found = [agency for agency in agencies if agency.partition == partition]
    if len(found) > 1:
        ids = ", ".join(str(agency.id) for agency in found[:10])
        raise PermanentError(f"the application database has several agencies with the slug {found[0].slug}: {ids}")
    return found[0] if found else None
