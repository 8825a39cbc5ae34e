"""An event of a delivery: a value, and its JSON form as a CloudEvent. It never has a value of a row. Pure.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from etl_platform.engine.json_fields import Json
from etl_platform.errors import ReportError
from etl_platform.object_keys import base_name

_TYPE = "etl_platform.delivery."
_OURS = ("outcome", "agency", "dataset", "file", "key", "delivery_id")


class EventKind(StrEnum):
    """What happened. The value is the attribute ``outcome`` of a message, and a name of the contacts file."""

    QUARANTINED = "accepted_with_quarantine"
    REJECTED = "rejected"
    IGNORED = "ignored"
    FAILED = "failed"
    OVERDUE = "overdue"
    RECOVERED = "recovered"
    TEST = "test"


@dataclass(frozen=True, kw_only=True)
class DeliveryEvent:
    """One event. The same event always has the same id, so that a receiver recognises a repeated one.

    Attributes:
        at: when it happened (UTC).
        agency, dataset: None where an object is ignored because it has none.
        key: source key of the file; None where no file is the cause.
        details: codes, names of the contract and counts.
    """

    id: str
    kind: EventKind
    at: datetime
    agency: str | None = None
    dataset: str | None = None
    key: str | None = None
    delivery_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> str | None:
        return None if self.key is None else base_name(self.key) or self.key

    def attributes(self) -> dict[str, str]:
        """What subscribers of a topic can filter by."""
        found = {"outcome": str(self.kind), "agency": self.agency, "dataset": self.dataset}
        return {name: value for name, value in found.items() if value}

    def to_json(self, bucket: str) -> dict[str, Any]:
        """The CloudEvent; ``bucket`` is the data bucket, the source of the event."""
        about = {
            "outcome": str(self.kind),
            "agency": self.agency,
            "dataset": self.dataset,
            "file": self.file,
            "key": self.key,
            "delivery_id": self.delivery_id,
        }
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": f"urn:etl-platform:{bucket}",
            "type": f"{_TYPE}{self.kind}",
            "subject": self.key or "/".join(part for part in (self.dataset, self.agency) if part) or str(self.kind),
            "time": self.at.isoformat(),
            "datacontenttype": "application/json",
            "data": {**about, **self.details},
        }

    @classmethod
    def from_json(cls, document: Json) -> "DeliveryEvent":
        """Read a CloudEvent of this platform.

        Raises:
            ReportError: the JSON is no such event.
        """
        try:
            data = document["data"]
            return cls(
                id=document["id"],
                kind=EventKind(data["outcome"]),
                at=datetime.fromisoformat(document["time"]),
                agency=data["agency"],
                dataset=data["dataset"],
                key=data["key"],
                delivery_id=data["delivery_id"],
                details={name: value for name, value in data.items() if name not in _OURS},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ReportError(f"not an event of a delivery: {error!r}") from None
