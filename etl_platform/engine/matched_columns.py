"""The columns of a file beside those of its contract: values and their JSON form only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from etl_platform.engine.json_fields import Json, known_fields, without_null


@dataclass(frozen=True)
class Rename:
    """A new column that probably is a column of the contract. ``score`` is from 0 to 1; ``reason`` quotes no value."""

    header: str
    column: str
    score: float
    reason: str


@dataclass(frozen=True)
class FileColumns:
    """The header of a file, and which columns of the contract it has.

    Attributes:
        header: the names as sent, made unique.
        matched: by column of the contract, the name that the sender uses.
        synonyms: columns that matched by a synonym; by the sender's name, the contract's.
        missing: columns of the contract that the file does not have.
        extra: columns of the file that the contract does not have.
        duplicates: by column of the contract, further columns of the file with its name.
        derived_from: by derived column, the columns that it is computed from; None where the header was rejected.
        renames: which of ``extra`` are probably which of ``missing``.
    """

    header: tuple[str, ...] = ()
    matched: Mapping[str, str] = field(default_factory=dict)
    synonyms: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    duplicates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    derived_from: Mapping[str, tuple[str, ...]] | None = None
    renames: tuple[Rename, ...] = ()

    def sent_as(self, column: str) -> tuple[str, ...]:
        """The names in the file of what a derived or renamed column comes from; empty if that is the column itself."""
        sources = (self.derived_from or {}).get(column) or (column,)
        names = tuple(self.matched.get(source, source) for source in sources)
        is_known = any(source in self.matched for source in sources)
        return names if is_known and names != (column,) else ()

    @classmethod
    def from_json(cls, data: Json) -> "FileColumns":
        found = known_fields(cls, data) | {name: tuple(data.get(name, ())) for name in ("header", "missing", "extra")}
        derived_from = None if data.get("made_of") is None else _tuples(data["made_of"])
        found["renames"] = tuple(Rename(**known_fields(Rename, rename)) for rename in data.get("renames", ()))
        return cls(**found, duplicates=_tuples(data.get("twins", {})), derived_from=derived_from)

    def to_json(self) -> dict[str, Any]:
        found = {
            "header": list(self.header),
            "matched": dict(self.matched),
            "synonyms": dict(self.synonyms),
            "missing": list(self.missing),
            "extra": list(self.extra),
            "twins": _lists(self.duplicates),
            "made_of": None if self.derived_from is None else _lists(self.derived_from),
            "renames": list(map(asdict, self.renames)) or None,
        }
        return without_null(found, "made_of", "renames")


def _tuples(lists: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in lists.items()}


def _lists(tuples: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {name: list(values) for name, values in tuples.items()}
