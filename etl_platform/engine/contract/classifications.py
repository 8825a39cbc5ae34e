"""Which classifications let values be shown, and what ``contract check`` says about columns without one. No files."""

from collections.abc import Iterator, Sequence
from typing import Protocol

OPEN = frozenset({"public", "internal"})
"""Classifications of values that may be shown. Any other classification masks the values, and so does none."""
_KNOWN = OPEN | {"confidential", "restricted"}


class Classified(Protocol):
    """A column with its classification as it is written in the contract."""

    @property
    def name(self) -> str: ...

    @property
    def classification(self) -> str | None: ...

    @property
    def line(self) -> int: ...


def is_open(classification: str | None) -> bool:
    return (classification or "").lower() in OPEN


def classification_notes(path: str, columns: Sequence[Classified]) -> Iterator[str]:
    """A sentence about the columns without a classification, and one about each that has an unknown one."""
    unstated = [column for column in columns if not column.classification]
    if unstated:
        names = ", ".join(column.name for column in unstated)
        yield (
            f"{path}:{unstated[0].line}: values are masked where no classification is stated: {names}; "
            "write classification: internal, or public, where they may be shown"
        )
    for column in columns:
        if column.classification and column.classification.lower() not in _KNOWN:
            yield (
                f"{path}:{column.line}: {column.name}: classification {column.classification!r} is unknown, so its "
                f"values are masked; {' and '.join(sorted(OPEN))} are shown"
            )
