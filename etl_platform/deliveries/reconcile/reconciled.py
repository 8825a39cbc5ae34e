"""The result of a reconciliation. No decision."""

from collections import Counter
from dataclasses import dataclass

from etl_platform.deliveries.reconcile.discrepancies import Discrepancy, Finding


@dataclass(frozen=True)
class DeletedFile:
    """A file that its sender, or a lifecycle rule, deleted after it was processed; what was made from it stays.

    Attributes:
        key: of the source, as metadata of silver have it where no listing does.
        delivery_id: of its newest version that is known.
    """

    agency: str
    dataset: str
    key: str
    delivery_id: str


@dataclass(frozen=True)
class Reconciled:
    """The findings, and how much was compared.

    Attributes:
        ignored: versions whose names are ignored.
        deleted: files that were processed and that are no longer in the source. That is no discrepancy.
    """

    findings: tuple[Finding, ...] = ()
    agencies: int = 0
    versions: int = 0
    in_flight: int = 0
    ignored: int = 0
    deleted: tuple[DeletedFile, ...] = ()

    @property
    def missing(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.kind is Discrepancy.MISSING]

    @property
    def counts(self) -> Counter[Discrepancy]:
        return Counter(finding.kind for finding in self.findings)

    @property
    def summary(self) -> str:
        """The counts of all kinds, for people."""
        return ", ".join(f"{self.counts[kind]:,} {kind}" for kind in Discrepancy)

    def __add__(self, other: "Reconciled") -> "Reconciled":
        return Reconciled(
            self.findings + other.findings,
            self.agencies + other.agencies,
            self.versions + other.versions,
            self.in_flight + other.in_flight,
            self.ignored + other.ignored,
            self.deleted + other.deleted,
        )
