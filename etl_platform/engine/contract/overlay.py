"""What an agency's overlay changes in the reading of its files, as frozen values. No files."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from etl_platform.engine.json_fields import Json, known_fields

EVERY_COLUMN = "every column"
"""Stands for a name in ``meanings``; no column has a blank in its name."""

_EXCHANGED = str.maketrans(",.", ".,")


@dataclass(frozen=True)
class ColumnOverlay:
    """How an agency writes one column.

    Attributes:
        null_tokens: texts that mean empty, besides those of the contract.
        decimal_comma: whether comma and point have changed places.
        values: the agency's texts, each with the text of the contract that it means.
        contract_formats, contract_pivot: what the contract has, since its bounds and tables are not of the agency.
    """

    null_tokens: tuple[str, ...] = ()
    decimal_comma: bool = False
    values: tuple[tuple[str, str], ...] = ()
    contract_formats: tuple[str, ...] = ()
    contract_pivot: int | None = None

    def as_sent(self, text: str) -> str:
        """A text that was brought into the contract's way, as the agency wrote it."""
        return text.translate(_EXCHANGED) if self.decimal_comma else text

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of the agency that the contract alone would read as something else."""
        return (*(text for text, _ in self.values), *self.null_tokens)


@dataclass(frozen=True)
class Overlay:
    """The overlay of one agency and dataset.

    Attributes:
        path: of the file, for messages; ``name`` is the same below the folder of the contracts.
        lines: by column, its line in the file.
        sha256: over its text.
        settings: what it sets, each as a text for people.
        meanings: by column, the agency's texts with what they mean; None where they mean empty.
        contact: whom to ask about the agency's files.
        overrides: names of the fields of ``ReadingOverrides`` that it sets.
    """

    path: str
    name: str
    sha256: str
    lines: Mapping[str, int]
    settings: tuple[str, ...] = ()
    meanings: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    contact: str | None = None
    overrides: frozenset[str] = frozenset()

    @property
    def meaning_texts(self) -> list[str]:
        """``meanings`` of each column as a text for people."""
        return list(map(meaning_text, self.meanings, self.meanings.values()))


def meaning_text(column: str, texts: Mapping[str, str | None]) -> str:
    means = (f"{text!r} means {'empty' if value is None else repr(value)}" for text, value in texts.items())
    return f"{column}: {', '.join(means)}"


@dataclass(frozen=True)
class AppliedOverlay:
    """The overlay with which a file was read.

    Attributes:
        file: its path below the folder of the contracts.
        sha256: over its text.
        settings: what it sets, each as a text for people.
        meanings: by column, the agency's texts with what they mean; null where they mean empty.
        changed_cells: by column, the cells in which one of ``meanings`` took the place of the text.
    """

    file: str
    sha256: str
    settings: tuple[str, ...] = ()
    meanings: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    changed_cells: Mapping[str, int] = field(default_factory=dict)
    contact: str | None = None

    @classmethod
    def of(cls, overlay: Overlay) -> "AppliedOverlay":
        return cls(overlay.name, overlay.sha256, overlay.settings, overlay.meanings, contact=overlay.contact)

    @classmethod
    def from_json(cls, data: Json) -> "AppliedOverlay":
        return cls(**known_fields(cls, data) | {"settings": tuple(data.get("settings", ()))})

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"settings": list(self.settings)}
