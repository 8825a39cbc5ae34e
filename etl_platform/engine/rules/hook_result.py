"""Checks what a transform hook returned, and puts its computed columns into the batch. Frames in, frames out."""

from collections.abc import Callable

import polars as pl

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import TransformError
from etl_platform.engine.values.silver_types import fits, settled

Transform = Callable[[pl.DataFrame], pl.DataFrame]
"""From rows as silver has them, without computed columns, to the computed ones: ``text:<column>`` and ``<column>``."""


def hook_error(contract: Contract, message: str) -> TransformError:
    assert contract.hook is not None
    what = f"the transform hook {contract.hook.path} of {contract.dataset} {message}"
    return TransformError(what, path=contract.path, line=contract.hook.line)


def given_columns(contract: Contract) -> list[str]:
    """The columns that a hook gets, in silver's order."""
    return [column.name for column in contract.columns if not column.computed]


def computed_columns(contract: Contract, given: pl.DataFrame, returned: object, schema: pl.Schema) -> pl.DataFrame:
    """The computed columns of what a hook returned.

    Raises:
        TransformError: not a frame, other rows, or a column that is missing, unknown, changed or of another type.
    """
    if not isinstance(returned, pl.DataFrame):
        raise hook_error(contract, f"returned {type(returned).__name__}, not a polars DataFrame")
    check_shape(contract, given.height, returned.height, returned.columns)
    for name in given.columns:
        if returned.schema[name] != given.schema[name] or not returned[name].equals(given[name]):
            raise hook_error(contract, f"changed {name} or the order of rows; it may only add its computed columns")
    computed: list[pl.Expr] = []
    for column in contract.columns:
        if column.computed:
            if not fits(column, returned.schema[column.name]):
                message = f"returned {column.name} as {returned.schema[column.name]}, not {column.type_name}"
                raise hook_error(contract, message)
            computed += settled(column, pl.col(column.name), schema)
    return returned.select(computed)


def check_shape(contract: Contract, rows: int, returned_rows: int, names: list[str]) -> None:
    """Raise TransformError unless the frame has as many rows as before and exactly silver's columns."""
    if returned_rows != rows:
        raise hook_error(contract, f"returned {returned_rows:,} rows for {rows:,}")
    expected = [column.name for column in contract.columns]
    if missing := [name for name in expected if name not in names]:
        raise hook_error(contract, f"did not return {missing[0]}")
    if unknown := [name for name in names if name not in expected]:
        raise hook_error(contract, f"returned {unknown[0]!r}, which the contract does not declare with computed: true")


def spread(computed: pl.DataFrame, good: pl.Series) -> pl.DataFrame:
    """The good rows' values at their positions in the whole batch; null elsewhere."""
    positions = pl.select(pl.when(good).then(good.cast(pl.UInt32).cum_sum() - 1)).to_series()
    return computed.select(pl.all().gather(positions))
