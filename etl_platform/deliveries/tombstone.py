"""What stays of an erased delivery beside its identity: who erased it, when and why. Pure."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from etl_platform.engine.json_fields import Json, known_fields


@dataclass(frozen=True)
class Tombstone:
    """Who erased a delivery, when (UTC) and why.

    Attributes:
        by: the caller, with what was typed as ``--by`` in brackets; of a job its name.
        caller: the ARN of the caller; None without AWS.
        outcome: what the delivery was before; None where it had no report.
    """

    by: str
    at: datetime
    reason: str = ""
    caller: str | None = None
    outcome: str | None = None

    def __str__(self) -> str:
        return f"erased on {self.at:%Y-%m-%d} by {self.by}" + (f": {self.reason}" if self.reason else "")

    @classmethod
    def from_json(cls, data: Json) -> "Tombstone":
        return cls(**known_fields(cls, data) | {"at": datetime.fromisoformat(data["at"])})

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"at": self.at.isoformat()}
