"""Primary keys that a file shares with other files of its partition: values and their JSON form. No store."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from etl_platform.engine.json_fields import Json, known_fields
from etl_platform.object_keys import base_name


@dataclass(frozen=True)
class SharedKeys:
    """Another file of the partition in silver, and how many primary keys it has in common with this one.

    Attributes:
        source_key: of the other file; its silver key where its report is gone.
    """

    source_key: str
    silver_key: str
    delivery_id: str
    keys: int

    def __str__(self) -> str:
        return f"{self.keys:,} keys are also in {base_name(self.source_key)}"


@dataclass(frozen=True)
class KeyComparison:
    """An accepted file compared with others of its partition.

    Attributes:
        files: the other files of the partition.
        compared: how many of them were compared; the others were too many or too large.
    """

    files: int
    compared: int
    shared: Sequence[SharedKeys] = ()

    @classmethod
    def from_json(cls, data: Json) -> "KeyComparison":
        shared = tuple(SharedKeys(**known_fields(SharedKeys, item)) for item in data["shared"])
        return cls(**known_fields(cls, data) | {"shared": shared})

    def to_json(self) -> dict[str, Any]:
        return {"files": self.files, "compared": self.compared, "shared": [asdict(item) for item in self.shared]}
