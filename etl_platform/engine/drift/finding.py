"""What is unusual about a file, beside the previous files of its series: values and their JSON form."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from etl_platform.engine.json_fields import Json, known_fields


class Change(StrEnum):
    """What differs."""

    COLUMN_GONE = "column_gone"
    COLUMN_NEW = "column_new"
    ROWS = "rows"
    BROKEN_RULE = "broken_rule"
    NULLS = "nulls"
    VALUES_GONE = "values_gone"
    VALUES_NEW = "values_new"
    DISTINCT = "distinct"
    DISTRIBUTION = "distribution"
    NOT_NEWER = "not_newer"


@dataclass(frozen=True)
class Finding:
    """One difference.

    Attributes:
        column: of the contract, or of the file if the contract does not know it; None for the whole file.
        found: what this file has, in words.
        usual: what the previous files have, in words.
        message: the difference as a sentence. It has no value of a masked column.
    """

    change: Change
    column: str | None
    found: str
    usual: str
    message: str

    def __str__(self) -> str:
        """Change and column, such as ``column_gone shift``."""
        return f"{self.change} {self.column}" if self.column else str(self.change)

    @classmethod
    def from_json(cls, data: Json) -> "Finding":
        return cls(**known_fields(cls, data) | {"change": Change(data["change"])})

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"change": str(self.change)}
