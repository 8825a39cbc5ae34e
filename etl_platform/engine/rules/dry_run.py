"""Evaluates an expression on sample rows, to tell an expression that never works from one that fails on some values."""

from collections.abc import Mapping

import polars as pl

from etl_platform.engine.rules.failing_rows import FAILURES, Lenient

_SAMPLES = (("1", 1), ("0", 0), ("2026-01-05", 1), ("2026-01-05 10:20:30", 1), ("10:20:30", 1), ("a", 2))
"""A text and a number for all columns. Numbers become dates as days since 1970."""


def type_of(expression: pl.Expr, schema: Mapping[str, pl.DataType]) -> pl.DataType:
    """The type of an expression that can be evaluated.

    Raises:
        PolarsError, PanicException: it fails on rows without values, or on every sample.
    """
    # Some of Polars' functions take a column where it has one row and fail where it has several.
    nothing = pl.DataFrame({name: pl.Series([None, None], dtype=dtype) for name, dtype in schema.items()})
    found = nothing.select(expression).dtypes[0]
    lenient = Lenient.of(expression).value
    error: BaseException | None = None
    for text, number in _SAMPLES:
        try:
            _rows(schema, text, number).select(lenient)
        except FAILURES as failure:
            error = error or failure
        else:
            return found
    assert error is not None
    raise error


def _rows(schema: Mapping[str, pl.DataType], text: str, number: int) -> pl.DataFrame:
    numbers = pl.Series([number, number], dtype=pl.Int8)
    values = {name: [text, text] if dtype == pl.String else numbers.cast(dtype) for name, dtype in schema.items()}
    return pl.DataFrame(values, schema=schema)
