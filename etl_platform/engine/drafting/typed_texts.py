"""Which of some texts a column of a given type and format would read, by the engine's own readers. No files."""

from collections.abc import Iterable, Sequence

import polars as pl

from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.engine.values.cell_values import typed_value

NO_CONTRACT = Contract(
    path="draft",
    id="draft",
    version="",
    sha256="",
    dataset="draft",
    physical_name="",
    file_patterns=(),
    description="",
    grain="",
    owner=None,
    domain=None,
    line=1,
    columns=(),
    primary_key=(),
    row_rules=(),
)
"""Stands for the contract to draft; ``typed_value`` names it in messages about invalid formats."""


def candidate(kind: ColumnType, *formats: str, money: bool = False, pivot: int | None = None) -> Column:
    return Column("c", kind, 1, formats=formats, money=money, two_digit_years_from=pivot)


def read_by_each(texts: Iterable[str], columns: Sequence[Column]) -> list[set[str]]:
    """For each candidate, the texts that it reads as values of its type."""
    distinct = list(dict.fromkeys(texts))
    frame = pl.DataFrame({"text:c": distinct}, schema={"text:c": pl.String})
    values = frame.select(
        typed_value(column, NO_CONTRACT).is_not_null().alias(str(place)) for place, column in enumerate(columns)
    )
    return [
        {text for text, fits in zip(distinct, values[str(place)], strict=True) if fits} for place in range(len(columns))
    ]
