"""The result of one asset check, for ``yield`` in a step and for an event outside of one. Decisions are elsewhere."""

from dataclasses import dataclass, field
from typing import Any

import dagster as dg


@dataclass(frozen=True)
class CheckEvaluation:
    """The result of one asset check. ``metadata`` and ``description`` are what the UI shows of it."""

    name: str
    passed: bool
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    metadata: dict[str, Any] = field(default_factory=dict)
    description: str | None = None

    @classmethod
    def of(cls, event: dg.AssetCheckEvaluation) -> "CheckEvaluation":
        return cls(event.check_name, event.passed, event.severity, dict(event.metadata), event.description)

    def event(self, asset: dg.AssetKey, partition: str | None = None) -> dg.AssetCheckEvaluation:
        """The event to log; ``partition`` if the asset has partitions."""
        return dg.AssetCheckEvaluation(
            asset_key=asset,
            check_name=self.name,
            passed=self.passed,
            metadata=self.metadata,
            severity=self.severity,
            description=self.description,
            partition=partition,
        )

    def result(self, asset: dg.AssetKey) -> dg.AssetCheckResult:
        """The result to yield in a step. Dagster adds the partition of the run."""
        return dg.AssetCheckResult(
            asset_key=asset,
            check_name=self.name,
            passed=self.passed,
            metadata=self.metadata,
            severity=self.severity,
            description=self.description,
        )
