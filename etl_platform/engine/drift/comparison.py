"""A file beside the previous files of its series, as its report keeps it: values and their JSON form."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl_platform.engine.contract.drift_limits import DriftLimits
from etl_platform.engine.drift.compare import NO_RULES, compare
from etl_platform.engine.drift.finding import Finding
from etl_platform.engine.drift.summary import FileSummary
from etl_platform.engine.json_fields import Json, known_fields

KEPT = 12
"""Previous files that a file is compared with: a year of monthly files."""


def previous_files(file: FileSummary, series: Iterable[FileSummary]) -> list[FileSummary]:
    """The files of a series that a file is compared with, the oldest first.

    An agency that gives each file another name has replaced those of the same name.
    """
    before = [one for one in series if one.at < file.at and one.delivery_id != file.delivery_id]
    # Of a file that was compared before names were kept, the name is empty.
    is_replaced = any(one.name not in {"", file.name} for one in before)
    return [one for one in before if not (is_replaced and one.name == file.name)][-KEPT:]


@dataclass(frozen=True)
class DriftComparison:
    """What is unusual about an accepted file.

    Attributes:
        files: the number of previous files that it was compared with.
        last: the delivery id of the newest of them; None for the first file of a series.
    """

    files: int
    last: str | None
    findings: tuple[Finding, ...] = ()

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
        return cls(len(previous), last, compare(file, previous, limits, row_rules))

    @classmethod
    def from_json(cls, data: Json) -> "DriftComparison":
        return cls(**known_fields(cls, data) | {"findings": tuple(map(Finding.from_json, data["findings"]))})

    def to_json(self) -> dict[str, Any]:
        return {"files": self.files, "last": self.last, "findings": [finding.to_json() for finding in self.findings]}
