"""A foreign key: columns whose values rows of another dataset must have. Values only."""

from dataclasses import dataclass

from etl_platform.engine.contract.dataset_rules import Severity


@dataclass(frozen=True)
class Reference:
    """One column of a contract, as ``from`` or ``to`` names it.

    Attributes:
        by_id: whether the names may be ids.
        file: the file name of the contract, if it is given.
    """

    text: str
    dataset: str
    column: str
    by_id: bool = False
    file: str | None = None


@dataclass(frozen=True)
class ForeignKey:
    """Columns whose values rows of a dataset must have, in silver of the same agency.

    Attributes:
        columns: of the contract.
        to: the columns that are referenced, in the same order.
        dataset, other_columns: the names behind ``to``; ids until they are resolved.
        severity: of the check if a value is missing.
        waits_for: why it cannot be evaluated: the other contract is set aside. Empty if it can be.
        line: of the contract.
    """

    columns: tuple[str, ...]
    to: tuple[Reference, ...]
    dataset: str
    other_columns: tuple[str, ...]
    severity: Severity
    line: int
    waits_for: str = ""

    @property
    def name(self) -> str:
        return ", ".join(self.columns)

    def __str__(self) -> str:
        return f"{self.name} → {self.dataset}.{', '.join(self.other_columns)}"
