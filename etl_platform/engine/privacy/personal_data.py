"""Personal data in a column that the contract does not announce: one finding, and its JSON form."""

from dataclasses import dataclass
from typing import Any

from etl_platform.engine.json_fields import Json, known_fields
from etl_platform.engine.privacy.personal_forms import PersonalKind


@dataclass(frozen=True)
class PersonalData:
    """Cells of one column that look like personal data.

    Attributes:
        column: of the contract, or of the file if the contract does not know it.
        found, examined: cells that look so, and cells that were examined; of a large file, those of a sample.
        in_contract: whether the contract has the column.
    """

    column: str
    kind: PersonalKind
    found: int
    examined: int
    in_contract: bool = True

    def __str__(self) -> str:
        cells = f"{self.found:,} of {self.examined:,} examined cells"
        return f"{self.column}: what looks like {self.kind.plural} is in {cells}"

    @classmethod
    def from_json(cls, data: Json) -> "PersonalData":
        return cls(**known_fields(cls, data) | {"kind": PersonalKind(data["kind"])})

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "kind": str(self.kind),
            "found": self.found,
            "examined": self.examined,
            "in_contract": self.in_contract,
        }


def read_findings(data: list[Json] | None) -> tuple[PersonalData, ...] | None:
    """The findings of a report; None of one whose rows were not examined."""
    return None if data is None else tuple(map(PersonalData.from_json, data))
