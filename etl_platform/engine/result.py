"""What a check of one file found, and the report that it becomes. No files."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from etl_platform.engine.rules.dataset_verdicts import Verdict


class CheckOutcome(StrEnum):
    """Whether a file as a whole is taken; single rows may be quarantined all the same."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass
class CheckResult:
    """What a check found. ``to_json`` is the report that people, scripts and the ledger read.

    Attributes:
        reasons: rows per broken rule; a row counts once under each rule that it breaks.
        examples: per rule, the first five lines with their values, masked where classified.
        verdicts: each dataset rule of the contract, held against the whole file.
        preview: the first accepted rows, classified values hidden.
    """

    outcome: CheckOutcome
    rows: int = 0
    accepted_rows: int = 0
    quarantined_rows: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    dialect: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    preview: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "outcome": str(self.outcome),
            "rows": self.rows,
            "accepted_rows": self.accepted_rows,
            "quarantined_rows": self.quarantined_rows,
            "reasons": self.reasons,
            "examples": self.examples,
            "dialect": self.dialect,
            "columns": self.columns,
            "profile": self.profile,
            "dataset_rules": [verdict.to_json() for verdict in self.verdicts],
            "errors": self.errors,
            "preview": self.preview,
        }

    def reject(self, code: str, message: str, line: int | None = None) -> None:
        self.outcome = CheckOutcome.REJECTED
        self.errors.append({"code": code, "message": message, "line": line})
