"""The result of a reconciliation. No decision."""

from collections import Counter
from dataclasses import dataclass

from etl_platform.deliveries.reconcile.discrepancies import Discrepancy, Finding


@dataclass(frozen=True)
class Reconciled:
    """The findings, and how much was compared. ``ignored`` are versions whose names are ignored."""

    findings: tuple[Finding, ...] = ()
    agencies: int = 0
    versions: int = 0
    in_flight: int = 0
    ignored: int = 0

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
        )
