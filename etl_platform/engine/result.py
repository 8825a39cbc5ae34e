"""What a check of one file found: values and their JSON form. No files, no frames.

``CheckResult.to_json`` is ``report.json`` of ``etl-platform check``, and a part of each report of the ledger.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from etl_platform.engine.contract.dataset_rules import Severity
from etl_platform.engine.contract.overlay import AppliedOverlay
from etl_platform.engine.file_dialect import FileDialect
from etl_platform.engine.json_fields import Json, known_fields, without_null
from etl_platform.engine.matched_columns import FileColumns
from etl_platform.engine.privacy.personal_data import PersonalData, read_findings
from etl_platform.engine.repairs import Repair


class CheckOutcome(StrEnum):
    """Whether the file as a whole is accepted; an accepted file may have quarantined rows."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class FileError:
    """Why a file as a whole is not accepted.

    Attributes:
        code: stable name of the reason, such as ``missing_column``.
        message: what is wrong, and what the sender can do.
        line: 1-based line of the problem, if it is in one line.
    """

    code: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True)
class Example:
    """A row that broke a rule.

    Attributes:
        value: the cells that the rule is about; masked if their column is.
        member: the archive member that the row is in, where several were read.
    """

    line: int
    value: str | None
    member: str | None = None

    @property
    def place(self) -> str:
        """Its line, and the archive member if there are several."""
        return f"{self.line}" if self.member is None else f"{self.line} of {self.member}"

    def to_json(self) -> dict[str, Any]:
        return without_null({"line": self.line, "member": self.member}, "member") | {"value": self.value}


@dataclass(frozen=True)
class ValueCount:
    """How many rows have a value."""

    value: str
    rows: int


@dataclass(frozen=True)
class Bin:
    """Rows whose value lies from ``low`` up to ``high``; None for the open ends. Dates are ISO text."""

    low: Any
    high: Any
    rows: int


DECILES = tuple(level / 10 for level in range(11))
"""The shares of the rows below each of ``ColumnProfile.deciles``, smallest and largest value included."""


@dataclass(frozen=True)
class ColumnProfile:
    """The values of one column over all rows.

    Attributes:
        distinct: different values, with the relative error ``distinct_error``, which is 0 where they were counted.
        min, max: as JSON, dates as ISO text; None where there is no value, or the column is masked.
        top: the most frequent values, all of a column of codes; None where there were too many to count.
        histogram: the bins that have values; None for texts.
        deciles: one value for each of DECILES, from a sample of a large file; None where ``histogram`` is None.
        masked: whether values of the column must not be shown; then only counts, lengths and forms are kept.
        forms: number of values of each form, in a sample, see ``value_forms``; None where ``top`` has all values.
    """

    nulls: int
    empty: int
    distinct: int
    distinct_error: float
    min_length: int | None
    max_length: int | None
    min: Any = None
    max: Any = None
    top: tuple[ValueCount, ...] | None = None
    histogram: tuple[Bin, ...] | None = None
    deciles: tuple[Any, ...] | None = None
    masked: bool = False
    forms: Mapping[str, int] | None = None

    @classmethod
    def from_json(cls, data: Json) -> "ColumnProfile":
        found = known_fields(cls, data) | {"masked": "min" not in data}
        if "top" in data:
            found["top"] = tuple(ValueCount(item["value"], item["rows"]) for item in data["top"])
        if "deciles" in data:
            found["deciles"] = tuple(data["deciles"])
        if "histogram" in data:
            found["histogram"] = tuple(Bin(item["from"], item["to"], item["rows"]) for item in data["histogram"])
        return cls(**found)

    def to_json(self) -> dict[str, Any]:
        found = {known.name: getattr(self, known.name) for known in fields(self)}
        if found.pop("masked"):
            del found["min"], found["max"]
        if self.top is not None:
            found["top"] = [asdict(item) for item in self.top]
        if self.histogram is not None:
            found["histogram"] = [{"from": item.low, "to": item.high, "rows": item.rows} for item in self.histogram]
        if self.deciles is not None:
            found["deciles"] = list(self.deciles)
        return without_null(found, "top", "histogram", "deciles", "forms")


@dataclass(frozen=True)
class DatasetVerdict:
    """One dataset rule applied to one file.

    Attributes:
        rule: the rule as a sentence.
        found: a number or an ISO date; None where nothing could be measured.
        allowed: the limit in words.
    """

    name: str
    rule: str
    found: float | str | None
    allowed: str
    passed: bool
    severity: Severity
    message: str

    @property
    def rejects(self) -> bool:
        return not self.passed and self.severity is Severity.ERROR

    @classmethod
    def from_json(cls, data: Json) -> "DatasetVerdict":
        return cls(**known_fields(cls, data) | {"severity": Severity(data["severity"])})

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"severity": str(self.severity)}


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        rows, accepted_rows, quarantined_rows: None without a check, because there was no file to read.
        reasons: rows per broken rule; a row counts once for each rule that it breaks.
        examples: per rule, the first five rows.
        unevaluated: rows per row rule that failed on them; ``reasons`` has them, too.
        dialect, columns: None where reading failed before they were known.
        dataset_rules: the verdict of each dataset rule of the contract.
        personal_data: what looks like it in columns that do not announce it; None if the rows were not examined.
        errors: why the file is rejected; empty where it is accepted.
        preview: the first accepted rows; values of masked columns are hidden.
        overlay: the agency's overlay with which the file was read; None where it has none.
        sentences: each of ``reasons`` as a sentence; empty in reports of release 0.2.
        repairs: what to correct first, and how many rows are good then.
    """

    rows: int | None = None
    accepted_rows: int | None = None
    quarantined_rows: int | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)
    unevaluated: Mapping[str, int] = field(default_factory=dict)
    dialect: FileDialect | None = None
    columns: FileColumns | None = None
    profile: Mapping[str, ColumnProfile] = field(default_factory=dict)
    dataset_rules: tuple[DatasetVerdict, ...] = ()
    personal_data: tuple[PersonalData, ...] | None = None
    errors: tuple[FileError, ...] = ()
    preview: tuple[Json, ...] = ()
    overlay: AppliedOverlay | None = None
    sentences: Mapping[str, str] = field(default_factory=dict)
    repairs: tuple[Repair, ...] = ()

    @property
    def outcome(self) -> CheckOutcome:
        return CheckOutcome.REJECTED if self.errors else CheckOutcome.ACCEPTED

    @classmethod
    def from_json(cls, data: Json) -> "CheckResult":
        examples = {
            rule: tuple(Example(**known_fields(Example, row)) for row in rows)
            for rule, rows in data.get("examples", {}).items()
        }
        profile = data.get("profile", {})
        return cls(
            rows=data.get("rows"),
            accepted_rows=data.get("accepted_rows"),
            quarantined_rows=data.get("quarantined_rows"),
            reasons=data.get("reasons", {}),
            examples=examples,
            unevaluated=data.get("unevaluated", {}),
            dialect=FileDialect.from_json(data["dialect"]) if data.get("dialect") else None,
            columns=FileColumns.from_json(data["columns"]) if data.get("columns") else None,
            profile={name: ColumnProfile.from_json(column) for name, column in profile.items()},
            dataset_rules=tuple(map(DatasetVerdict.from_json, data.get("dataset_rules", ()))),
            personal_data=read_findings(data.get("personal_data")),
            errors=tuple(FileError(**known_fields(FileError, error)) for error in data.get("errors", ())),
            preview=tuple(data.get("preview", ())),
            overlay=AppliedOverlay.from_json(data["overlay"]) if data.get("overlay") else None,
            sentences=data.get("sentences", {}),
            repairs=tuple(map(Repair.from_json, data.get("repairs", ()))),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "outcome": str(self.outcome),
            "rows": self.rows,
            "accepted_rows": self.accepted_rows,
            "quarantined_rows": self.quarantined_rows,
            "reasons": dict(self.reasons),
            "examples": {rule: [row.to_json() for row in rows] for rule, rows in self.examples.items()},
            "unevaluated": dict(self.unevaluated),
            "dialect": self.dialect.to_json() if self.dialect else {},
            "columns": self.columns.to_json() if self.columns else {},
            "profile": {name: column.to_json() for name, column in self.profile.items()},
            "dataset_rules": [verdict.to_json() for verdict in self.dataset_rules],
            "personal_data": None if self.personal_data is None else [one.to_json() for one in self.personal_data],
            "errors": [asdict(error) for error in self.errors],
            "preview": [dict(row) for row in self.preview],
            "overlay": self.overlay.to_json() if self.overlay else None,
            "sentences": dict(self.sentences),
            "repairs": [repair.to_json() for repair in self.repairs],
        }
