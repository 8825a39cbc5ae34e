"""What a delivery is: an object version that arrived, its identity, its order among versions, its outcomes. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from etl_platform.engine.json_fields import Json, known_fields
from etl_platform.storage.object_store import ObjectHead


class Outcome(StrEnum):
    """What became of a delivery. Only ``failed`` is retried; ``ignored`` is never final.

    ``erased``: everything of it was removed but its tombstone, which is its report then.
    """

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    FAILED = "failed"
    ERASED = "erased"


class Cause(StrEnum):
    """Why a delivery is processed: for its event once, and again for each reprocessing."""

    EVENT = "event"
    REPROCESS = "reprocess"


@dataclass(frozen=True)
class SourceOrder:
    """The place of one version among the versions of its key."""

    delivery_id: str
    sequencer: str | None
    last_modified: datetime

    def is_newer_than(self, other: "SourceOrder") -> bool:
        """By sequencer when both have one and they differ, else by LastModified; ``VersionOrder`` knows more."""
        if self.delivery_id == other.delivery_id:
            return False
        one, another = self._sequencers(other)
        return one > another if one != another else self.last_modified > other.last_modified

    def has_other_sequencer(self, other: "SourceOrder") -> bool:
        """Whether both have a sequencer, and not the same: then it decides."""
        one, another = self._sequencers(other)
        return one != another

    def _sequencers(self, other: "SourceOrder") -> tuple[str, str]:
        """Both sequencers as they compare (right-padded, lexicographic); empty unless both have one.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
        """
        if not (self.sequencer and other.sequencer):
            return "", ""
        width = max(len(self.sequencer), len(other.sequencer))
        return self.sequencer.ljust(width, "0").upper(), other.sequencer.ljust(width, "0").upper()


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an S3 object, as an event, a HEAD, a listing or a report describes it.

    Only bucket and key are always known.

    Attributes:
        etag: without quotes.
        last_modified: UTC; of a version that only an event describes, the time of the event.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size_bytes: int | None = None
    sequencer: str | None = None
    last_modified: datetime | None = None

    @classmethod
    def of(cls, head: ObjectHead, sequencer: str | None = None) -> "ObjectVersion":
        """The version of an object that was looked up or listed. Only its event contains a sequencer."""
        return cls(head.bucket, head.key, head.version_id, head.etag, head.size_bytes, sequencer, head.last_modified)

    @property
    def is_named_only(self) -> bool:
        """Whether only bucket, key and version are given: no event, HEAD or listing described it."""
        return not any((self.etag, self.size_bytes is not None, self.sequencer, self.last_modified))

    @property
    def delivery_id(self) -> str:
        """Identity of the version: 20 hex digits of a SHA-256 over length-prefixed parts."""
        digest = hashlib.sha256()
        for part in (self.bucket, self.key, self.version_id or self.sequencer or self.etag or ""):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(4, "big") + data)
        return digest.hexdigest()[:20]

    @property
    def order(self) -> SourceOrder:
        """The place of this version among the versions of its key.

        Raises:
            ValueError: ``last_modified`` is not known.
        """
        if self.last_modified is None:
            raise ValueError(f"{self.key}: the order of a version without last_modified is not known")
        return SourceOrder(self.delivery_id, self.sequencer, self.last_modified)

    @classmethod
    def from_json(cls, data: Json) -> "ObjectVersion":
        return cls(**known_fields(cls, data) | {"last_modified": parse_time(data.get("last_modified"))})

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"last_modified": self.last_modified.isoformat() if self.last_modified else None}


def parse_time(text: object) -> datetime | None:
    """ISO 8601 as UTC; None for anything else. A time without an offset is read as UTC."""
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class Reprocessing:
    """One reprocessing of a delivery. The same reprocessing twice has the same id and changes nothing.

    Attributes:
        derived_from: see the function of the same name.
        after: the reprocessing that wrote the current silver object. Because of it, a return to an older contract is a
            new reprocessing.
        attempt_id: hash of ``derived_from`` and ``after``.
    """

    attempt_id: str
    derived_from: str
    after: str | None

    @classmethod
    def of(cls, derived_from: str, after: str | None, after_derived_from: str | None) -> "Reprocessing":
        """``after`` and ``after_derived_from`` describe the silver object; ``after`` is None if an arrival wrote it."""
        if after is not None and after_derived_from == derived_from:
            return cls(after, derived_from, after)
        return cls(_short_hash([derived_from, after]) if after else derived_from, derived_from, after)


def derived_from(delivery_id: str, contract: str, code: str, corrections: str | None = None) -> str:
    """Hash of everything that the result of a check depends on: delivery, contract, code and corrections.

    Args:
        contract, corrections: their SHA-256; None without corrections.
        code: the version of this package.
    """
    return _short_hash([delivery_id, contract, code, *([corrections] if corrections else [])])


def _short_hash(parts: Sequence[str]) -> str:
    return hashlib.sha256(":".join(parts).encode()).hexdigest()[:12]
