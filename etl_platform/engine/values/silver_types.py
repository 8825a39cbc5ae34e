"""The types of silver's columns, and how derived values become these types."""

from collections.abc import Callable

import polars as pl

from etl_platform.engine.contract.model import Column, ColumnType

DTYPES: dict[ColumnType, pl.DataType] = {
    ColumnType.STRING: pl.String(),
    ColumnType.DATE: pl.Date(),
    ColumnType.TIMESTAMP: pl.Datetime("us"),
    ColumnType.INTEGER: pl.Int64(),
    ColumnType.NUMBER: pl.Float64(),
    ColumnType.BOOLEAN: pl.Boolean(),
    ColumnType.TIME: pl.Time(),
}
_FITS: dict[ColumnType, Callable[[pl.DataType], bool]] = {
    ColumnType.STRING: lambda found: found == pl.String,
    ColumnType.INTEGER: lambda found: found.is_integer(),
    ColumnType.NUMBER: lambda found: found.is_numeric(),
    ColumnType.BOOLEAN: lambda found: found == pl.Boolean,
    ColumnType.TIME: lambda found: found == pl.Time,
    ColumnType.DATE: lambda found: found == pl.Date,
    ColumnType.TIMESTAMP: lambda found: found in {pl.Date(), pl.Datetime("us"), pl.Datetime("ms")},
}


def dtype(column: Column) -> pl.DataType:
    return pl.Decimal(*column.decimal) if column.decimal else DTYPES[column.type]


def settled(column: Column, value: pl.Expr, schema: pl.Schema) -> tuple[pl.Expr, pl.Expr]:
    """A derived value as ``text:<column>`` and as its declared type; null where it does not fit the type."""
    dtype = schema[column.name]
    if column.type is ColumnType.STRING:
        # As in a file, an empty text is null.
        typed = text = pl.when(value != "").then(value).cast(pl.String)
    else:
        text = value.cast(pl.String)
        typed = value.cast(dtype, strict=False)
        if column.decimal:
            # A cast to a smaller scale rounds.
            typed = pl.when(typed == value).then(typed)
        elif column.type is ColumnType.NUMBER:
            typed = pl.when(typed.is_finite()).then(typed)
    return text.alias(f"text:{column.name}"), typed.alias(column.name)


def fits(column: Column, found: pl.DataType) -> bool:
    """Whether a derived value's type can be cast to the declared one without a guess or a loss."""
    if column.decimal:
        return found == pl.Null or found.is_integer() or found.is_decimal()
    return found == pl.Null or _FITS[column.type](found)
