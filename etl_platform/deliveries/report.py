"""The report of a delivery: values and their JSON form. No store, no clock.

Each delivery has one report, and each reprocessing of it another one. A report is never changed; what happens to its
delivery later is an amendment beside it. Only a tombstone replaces the report of an erased delivery. Every report has
every field, on one line, so that DuckDB and Athena read the reports as a table.

A new field does not change SCHEMA_VERSION: if JSON lacks a field, its default is used, and unknown fields are skipped.
SCHEMA_VERSION is raised if an older release would misread a report. So a higher version is an error.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from etl_platform.deliveries.delivery import Cause, ObjectVersion, Outcome, derived_from, parse_time
from etl_platform.deliveries.key_comparison import KeyComparison
from etl_platform.deliveries.tombstone import Tombstone
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.corrections import ChangedRow, RowChanges
from etl_platform.engine.drift.comparison import DriftComparison
from etl_platform.engine.json_fields import Json, known_fields
from etl_platform.engine.matched_columns import FileColumns
from etl_platform.engine.result import CheckResult
from etl_platform.errors import ReportError

SCHEMA_VERSION = 1
T = TypeVar("T")


@dataclass(frozen=True)
class Trigger:
    """Why a delivery is processed, and which message or person caused it.

    Attributes:
        message_id, receive_count: of the queue message that announced it.
        by: the caller who asked for a replay or redrove the message: an ARN or a local user, and a note in brackets.
    """

    cause: Cause
    run_id: str | None = None
    message_id: str | None = None
    receive_count: int | None = None
    by: str | None = None


@dataclass(frozen=True)
class Attempt:
    """The work that made a report; all times are UTC.

    Attributes:
        event_time: of the S3 event that announced the delivery.
    """

    trigger: Trigger
    began_at: datetime
    ended_at: datetime
    event_time: datetime | None = None

    @property
    def seconds(self) -> float:
        return round((self.ended_at - self.began_at).total_seconds(), 3)

    @classmethod
    def from_json(cls, data: Json) -> "Attempt":
        trigger = known_fields(Trigger, data) | {"cause": Cause(data["cause"])}
        began_at, ended_at = (datetime.fromisoformat(data[name]) for name in ("began_at", "ended_at"))
        return cls(Trigger(**trigger), began_at, ended_at, parse_time(data.get("event_time")))

    def to_json(self) -> dict[str, Any]:
        return {
            "cause": str(self.trigger.cause),
            "run_id": self.trigger.run_id,
            "message_id": self.trigger.message_id,
            "receive_count": self.trigger.receive_count,
            "event_time": self.event_time.isoformat() if self.event_time else None,
            "by": self.trigger.by,
            "began_at": self.began_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class ContractReference:
    """The contract of a delivery; ``sha256`` is over its text, its reference tables and the overlay of the agency."""

    id: str
    version: str
    sha256: str

    @classmethod
    def of(cls, contract: Contract) -> "ContractReference":
        return cls(contract.id, contract.version, contract.sha256)


@dataclass(frozen=True)
class AppliedCorrections:
    """The corrections that were in effect: corrected rows, and a hash of them."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class ReplayChanges:
    """What a reprocessing changed. ``in_silver_before``: whether silver held this delivery before."""

    in_silver_before: bool
    rows: RowChanges

    @classmethod
    def from_json(cls, data: Json) -> "ReplayChanges":
        lines = tuple(ChangedRow(**known_fields(ChangedRow, line)) for line in data["lines"])
        return cls(data["in_silver_before"], RowChanges(**known_fields(RowChanges, data) | {"lines": lines}))

    def to_json(self) -> dict[str, Any]:
        lines = [asdict(line) for line in self.rows.lines]
        return {"in_silver_before": self.in_silver_before, **asdict(self.rows), "lines": lines}


@dataclass(frozen=True)
class WrittenObjects:
    """The objects that were written for a delivery; None where there is no such object."""

    bronze_key: str | None = None
    silver_key: str | None = None
    silver_etag: str | None = None
    silver_sha256: str | None = None
    quarantine_key: str | None = None
    quarantine_etag: str | None = None
    quarantine_sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of a delivery.

    Attributes:
        attempt_id: of the reprocessing that the report is about; None for the arrival.
        source: the delivered object version.
        agency, dataset, contract: None where the object is ignored, because it has no agency or no contract.
        sha256: of the delivered bytes; None where they were not read.
        check: the result of the check; if there was no check, only the errors that explain why.
        rules: the reasons of all rules of the contract; None in a report of release 0.2.
        shared_keys: of an accepted file with a primary key: the keys that other files of the partition have, too.
        drift: of an accepted file: how it differs from the previous files of its series.
        superseded_by: the newer delivery that silver holds.
        tombstone: of an erased delivery. Source, contract and ``sha256`` are all that is left beside it.
    """

    delivery_id: str
    outcome: Outcome
    source: ObjectVersion
    attempt: Attempt
    attempt_id: str | None = None
    agency: str | None = None
    dataset: str | None = None
    contract: ContractReference | None = None
    code_version: str = ""
    sha256: str | None = None
    check: CheckResult = field(default_factory=CheckResult)
    rules: tuple[str, ...] | None = None
    shared_keys: KeyComparison | None = None
    drift: DriftComparison | None = None
    corrections: AppliedCorrections | None = None
    changes: ReplayChanges | None = None
    superseded_by: str | None = None
    written: WrittenObjects = field(default_factory=WrittenObjects)
    tombstone: Tombstone | None = None

    @property
    def outline(self) -> "Report":
        """The report without profile, preview and columns, its largest parts: to keep thousands in memory.

        Of the columns, those that the file lacks are kept: checks say which rules these leave without a value.
        """
        missing = self.check.columns.missing if self.check.columns else ()
        columns = FileColumns(missing=missing) if missing else None
        return replace(self, check=replace(self.check, profile={}, preview=(), columns=columns), changes=None)

    @property
    def is_replay(self) -> bool:
        return self.attempt.trigger.cause is Cause.REPROCESS

    @property
    def partition(self) -> tuple[str, str]:
        """Dataset and agency.

        Raises:
            ValueError: the object is ignored, so it belongs to no dataset.
        """
        if self.dataset is None or self.agency is None:
            raise ValueError(f"{self.source.key} belongs to no dataset")
        return self.dataset, self.agency

    @property
    def derived_from(self) -> str | None:
        """Hash of everything that the result depends on, as metadata of silver and quarantine have it."""
        if self.contract is None:
            return None
        corrections = self.corrections.sha256 if self.corrections else None
        return derived_from(self.delivery_id, self.contract.sha256, self.code_version, corrections)

    @classmethod
    def from_json(cls, data: Json) -> "Report":
        """Read a report.

        Raises:
            ReportError: the JSON is not a report, or has a newer schema.
        """
        with _reading(data):
            return cls(
                **known_fields(cls, data)
                | {
                    "outcome": Outcome(data["outcome"]),
                    "source": ObjectVersion.from_json(data["source"]),
                    "attempt": Attempt.from_json(data["attempt"]),
                    "contract": _optional(ContractReference, data.get("contract")),
                    "check": CheckResult.from_json(data),
                    "rules": _read(tuple, data.get("rules")),
                    "shared_keys": _read(KeyComparison.from_json, data.get("shared_keys")),
                    "drift": _read(DriftComparison.from_json, data.get("drift")),
                    "corrections": _optional(AppliedCorrections, data.get("corrections")),
                    "changes": _read(ReplayChanges.from_json, data.get("changes")),
                    "written": WrittenObjects(**known_fields(WrittenObjects, data.get("written", {}))),
                    "tombstone": _read(Tombstone.from_json, data.get("tombstone")),
                }
            )

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "delivery_id": self.delivery_id,
            "attempt_id": self.attempt_id,
            "outcome": str(self.outcome),
            "agency": self.agency,
            "dataset": self.dataset,
            "source": self.source.to_json(),
            "contract": asdict(self.contract) if self.contract else None,
            "code_version": self.code_version,
            "sha256": self.sha256,
            # "outcome" above is the delivery's; the check only knows accepted and rejected.
            **{name: value for name, value in self.check.to_json().items() if name != "outcome"},
            "rules": None if self.rules is None else list(self.rules),
            "shared_keys": self.shared_keys.to_json() if self.shared_keys else None,
            "drift": self.drift.to_json() if self.drift else None,
            "corrections": asdict(self.corrections) if self.corrections else None,
            "changes": self.changes.to_json() if self.changes else None,
            "superseded_by": self.superseded_by,
            "written": asdict(self.written),
            "tombstone": self.tombstone.to_json() if self.tombstone else None,
            "attempt": self.attempt.to_json(),
        }


class AmendmentKind(StrEnum):
    """What happened to a delivery after its report: a newer delivery replaced it in silver, or it was replayed."""

    SUPERSEDED = "superseded"
    REPLAYED = "replayed"


@dataclass(frozen=True, kw_only=True)
class Amendment:
    """What happened to a delivery after its report. Its JSON has the kind under the name ``fact``.

    Attributes:
        attempt: the work during which it happened.
        attempt_id: of the reprocessing that replayed the delivery.
        superseded_by: the delivery that replaced it in silver.
        changes: of the replay.
    """

    kind: AmendmentKind
    delivery_id: str
    agency: str
    dataset: str
    attempt: Attempt
    attempt_id: str | None = None
    superseded_by: str | None = None
    changes: ReplayChanges | None = None

    @classmethod
    def from_json(cls, data: Json) -> "Amendment":
        """Read an amendment.

        Raises:
            ReportError: the JSON is not an amendment, or has a newer schema.
        """
        with _reading(data):
            return cls(
                **known_fields(cls, data)
                | {
                    "kind": AmendmentKind(data["fact"]),
                    "attempt": Attempt.from_json(data["attempt"]),
                    "changes": _read(ReplayChanges.from_json, data.get("changes")),
                }
            )

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "fact": str(self.kind),
            "delivery_id": self.delivery_id,
            "agency": self.agency,
            "dataset": self.dataset,
            "attempt_id": self.attempt_id,
            "superseded_by": self.superseded_by,
            "changes": self.changes.to_json() if self.changes else None,
            "attempt": self.attempt.to_json(),
        }


@contextmanager
def _reading(data: Json) -> Iterator[None]:
    try:
        version = data.get("schema_version", 0)
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise ReportError(
                f"schema_version is {version}, but this release reads versions up to {SCHEMA_VERSION}; "
                "update etl-platform"
            )
        yield
    except KeyError as error:
        raise ReportError(f"the field {error} is missing") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise ReportError(f"not a report: {error}") from None


def _optional(kind: type[T], data: Json | None) -> T | None:
    return None if data is None else kind(**known_fields(kind, data))


def _read(from_json: Callable[[Json], T], data: Json | None) -> T | None:
    return None if data is None else from_json(data)
