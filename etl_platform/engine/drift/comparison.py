"""A file beside the previous files of its series, as its report keeps it: values and their JSON form."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from etl_platform.engine.contract.drift_limits import DriftLimits
from etl_platform.engine.drift.compare import NO_RULES, compare
from etl_platform.engine.drift.finding import Finding
from etl_platform.engine.drift.series_names import without_copy
from etl_platform.engine.drift.summary import FileSummary
from etl_platform.engine.json_fields import Json, known_fields

KEPT = 12
"""Previous files that a file is compared with: a year of monthly files."""
_NAMED = 5
"""Findings of a previous file that later reports name."""


def previous_files(file: FileSummary, series: Iterable[FileSummary]) -> list[FileSummary]:
    """The files of a series that a file is compared with, the oldest first.

    An agency that gives each file another name has replaced those of the same name.
    """
    before = [one for one in series if one.at < file.at and one.delivery_id != file.delivery_id]
    name = without_copy(file.name)
    # Of a file that was compared before names were kept, the name is empty.
    is_replaced = any(without_copy(one.name) not in {"", name} for one in before)
    return [one for one in before if not (is_replaced and without_copy(one.name) == name)][-KEPT:]


@dataclass(frozen=True)
class PastFile:
    """A previous file of the series, in a few numbers.

    Attributes:
        at: when the delivered object was written, UTC.
        quarantined: share of the rows in quarantine, 0 to 1.
        unusual: what was unusual about it then: change and column.
    """

    delivery_id: str
    name: str
    at: datetime
    rows: int
    quarantined: float
    unusual: tuple[str, ...]

    @classmethod
    def of(cls, file: FileSummary) -> "PastFile":
        return cls(file.delivery_id, file.name, file.at, file.rows, file.quarantined, file.unusual)

    @classmethod
    def from_json(cls, data: Json) -> "PastFile":
        moment = datetime.fromisoformat(data["at"])
        return cls(**known_fields(cls, data) | {"at": moment, "unusual": tuple(data["unusual"])})

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"at": self.at.isoformat(), "unusual": list(self.unusual)}


@dataclass(frozen=True)
class DriftComparison:
    """What is unusual about an accepted file.

    Attributes:
        files: the number of previous files that it was compared with.
        last: the delivery id of the newest of them; None for the first file of a series.
        previous: these files, the oldest first; empty in reports of builds before 0.3.
    """

    files: int
    last: str | None
    findings: tuple[Finding, ...] = ()
    previous: tuple[PastFile, ...] = ()

    @property
    def unusual(self) -> tuple[str, ...]:
        """Change and column of the first findings, and how many more there are."""
        more = len(self.findings) - _NAMED
        return (*map(str, self.findings[:_NAMED]), *([f"and {more} more"] if more > 0 else []))

    @classmethod
    def of(
        cls,
        file: FileSummary,
        previous: Sequence[FileSummary],
        limits: DriftLimits,
        row_rules: Mapping[str, Sequence[str]] = NO_RULES,
    ) -> "DriftComparison":
        """The arguments are those of ``compare``."""
        last = previous[-1].delivery_id if previous else None
        findings = compare(file, previous, limits, row_rules)
        return cls(len(previous), last, findings, tuple(map(PastFile.of, previous)))

    @classmethod
    def from_json(cls, data: Json) -> "DriftComparison":
        findings = tuple(map(Finding.from_json, data["findings"]))
        previous = tuple(map(PastFile.from_json, data.get("previous", ())))
        return cls(**known_fields(cls, data) | {"findings": findings, "previous": previous})

    def to_json(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "last": self.last,
            "findings": [finding.to_json() for finding in self.findings],
            "previous": [file.to_json() for file in self.previous],
        }
