"""The work to do on one delivery, and the report that it makes. Pure; no store."""

from dataclasses import dataclass, field
from datetime import datetime

from etl_platform import object_keys
from etl_platform.deliveries.delivery import ObjectVersion, Outcome, Reprocessing, derived_from
from etl_platform.deliveries.report import (
    AppliedCorrections,
    Attempt,
    ContractReference,
    Report,
    Trigger,
    WrittenObjects,
)
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.corrections import Corrections
from etl_platform.engine.result import CheckResult
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform.settings import code_version


@dataclass(frozen=True)
class DeliveryTask:
    """The work to do on one delivery.

    Attributes:
        bronze: key of the delivered bytes; empty where there are none.
        event_time: of the S3 event that announced the delivery.
        reprocessing: which reprocessing this is; None for an arrival.
        dry_run: find out the outcome and write nothing.
    """

    source: ObjectVersion
    agency: str
    contract: Contract
    bronze: str
    trigger: Trigger
    began_at: datetime
    event_time: datetime | None = None
    reprocessing: Reprocessing | None = None
    corrections: Corrections = field(default_factory=Corrections)
    dry_run: bool = False

    @property
    def derived_from(self) -> str:
        corrections = self.corrections.sha256 if self.corrections else None
        return derived_from(self.source.delivery_id, self.contract.sha256, code_version(), corrections)

    @property
    def partition(self) -> tuple[str, str]:
        """Dataset and agency."""
        return self.contract.dataset, self.agency

    @property
    def quarantine(self) -> str:
        return object_keys.quarantine_key(self.contract.dataset, self.agency, self.source.delivery_id)

    def attempt(self, ended_at: datetime) -> Attempt:
        return Attempt(self.trigger, self.began_at, ended_at, self.event_time)

    def report(self, outcome: Outcome, check: CheckResult, ended_at: datetime) -> Report:
        corrections = self.corrections
        return Report(
            delivery_id=self.source.delivery_id,
            attempt_id=self.reprocessing.attempt_id if self.reprocessing else None,
            outcome=outcome,
            agency=self.agency,
            dataset=self.contract.dataset,
            source=self.source,
            contract=ContractReference.of(self.contract),
            code_version=code_version(),
            check=check,
            rules=tuple(rule.reason for rule in contract_rules(self.contract)),
            corrections=AppliedCorrections(len(corrections.rows), corrections.sha256) if corrections else None,
            written=WrittenObjects(bronze_key=self.bronze or None),
            attempt=self.attempt(ended_at),
        )
