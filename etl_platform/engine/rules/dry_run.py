"""Evaluates expressions on sample rows, to tell an expression that never works from one that fails on some values."""

from collections.abc import Mapping, Sequence

import polars as pl

from etl_platform.engine.rules.failing_rows import FAILURES, Lenient

_SAMPLES = (("1", 1), ("0", 0), ("2026-01-05", 1), ("2026-01-05 10:20:30", 1), ("10:20:30", 1), ("a", 2))
"""A text and a number for all columns. Numbers become dates as days since 1970."""


class DryRun:
    """Sample rows of a schema."""

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self._schema = schema
        # Some of Polars' functions take a column where it has one row and fail where it has several.
        self._nothing = pl.DataFrame({name: pl.Series([None, None], dtype=dtype) for name, dtype in schema.items()})
        self._samples: list[pl.DataFrame] = []

    def type_of(self, expression: pl.Expr) -> pl.DataType:
        """The type of an expression that can be evaluated.

        Raises:
            PolarsError, PanicException: it fails on rows without values, or on every sample.
        """
        found = self._nothing.select(expression).dtypes[0]
        try:
            self._sample(0).select(expression)
        except FAILURES:
            self._try_lenient(Lenient.of(expression).value)
        return found

    def types_of(self, expressions: Sequence[pl.Expr]) -> list[pl.DataType] | None:
        """The types of several expressions at once, which costs a tenth; None if one fails on the first rows."""
        try:
            found = self._nothing.select(expressions).dtypes
            self._sample(0).select(expressions)
        except FAILURES:
            return None
        return found

    def _try_lenient(self, lenient: pl.Expr) -> None:
        error: BaseException | None = None
        for place in range(len(_SAMPLES)):
            try:
                self._sample(place).select(lenient)
            except FAILURES as failure:
                error = error or failure
            else:
                return
        assert error is not None
        raise error

    def _sample(self, place: int) -> pl.DataFrame:
        while len(self._samples) <= place:
            text, number = _SAMPLES[len(self._samples)]
            numbers = pl.Series([number, number], dtype=pl.Int8)
            values = {
                name: [text, text] if dtype == pl.String else numbers.cast(dtype, strict=False)
                for name, dtype in self._schema.items()
            }
            self._samples.append(pl.DataFrame(values, schema=self._schema))
        return self._samples[place]
