"""The expressions of one column that the flags of rule kinds use. No rules."""

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import polars as pl

from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.engine.rules.derived_columns import Derivation, has_unknown_key
from etl_platform.engine.values.cell_values import column_error, read_texts, typed_value
from etl_platform.engine.values.decimals import exact_bound


@dataclass(frozen=True)
class CompiledColumn:
    """Implements ``kinds.ColumnValues``.

    Attributes:
        day: of delivery; None where no rule of the contract needs it.
    """

    column: Column
    contract: Contract
    derivation: Derivation
    day: date | None

    @property
    def text(self) -> pl.Expr:
        return pl.col(f"text:{self.column.name}")

    @property
    def value(self) -> pl.Expr:
        return pl.col(self.column.name)

    @property
    def delivery_day(self) -> date:
        assert self.day is not None
        return self.day

    def failed_input(self) -> pl.Expr | None:
        has_inputs = self.column.derived or self.column.lookup is not None
        return self.derivation.failed([self.column.name]) if has_inputs else None

    def unknown_key(self) -> pl.Expr:
        return has_unknown_key(self.column, self.contract, partial(read_texts, self.contract))

    def typed(self, literal: str | float) -> Any:
        column = self.column.of_contract
        if isinstance(literal, int | float) and column.decimal:
            try:
                return exact_bound(literal, column.decimal[1])
            except ValueError as error:
                raise column_error(self.contract, column, str(error)) from None
        if isinstance(literal, int | float) and column.type is ColumnType.NUMBER:
            return float(literal)
        typed = pl.DataFrame({f"text:{column.name}": [str(literal)]}).select(typed_value(column, self.contract)).item()
        if typed is None and column.type in {ColumnType.DATE, ColumnType.TIMESTAMP}:
            # Bounds are ISO dates, whatever formats the agencies write.
            typed = pl.Series([str(literal)]).str.to_date("%Y-%m-%d", strict=False).item()
        if typed is None and column.type is ColumnType.TIME:
            (typed,) = read_texts(self.contract, column, [str(literal)])
        if typed is None:
            raise column_error(self.contract, column, f"{literal!r} is not a valid {column.type_name}")
        return typed
