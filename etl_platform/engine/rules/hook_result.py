"""What a transform hook may hand back, and its computed columns put into the batch. Frames in, frames out."""

from collections.abc import Callable

import polars as pl

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import TransformError
from etl_platform.engine.values.silver_types import fits, settled

Transform = Callable[[pl.DataFrame], pl.DataFrame]
"""Accepted rows as silver has them, without computed columns → these, as ``text:<column>`` and ``<column>``."""


def hook_error(contract: Contract, message: str) -> TransformError:
    assert contract.hook is not None
    what = f"the transform hook {contract.hook.path} of {contract.dataset} {message}"
    return TransformError(what, path=contract.path, line=contract.hook.line)


def given_columns(contract: Contract) -> list[str]:
    """The columns that a hook is given, in silver's order."""
    return [column.name for column in contract.columns if not column.computed]


def computed_columns(contract: Contract, given: pl.DataFrame, returned: object, schema: pl.Schema) -> pl.DataFrame:
    """Hold what a hook returned against what it may return.

    Raises:
        TransformError: no frame, other rows, a column that is missing, unknown, changed or of another type.
    """
    if not isinstance(returned, pl.DataFrame):
        raise hook_error(contract, f"returned {type(returned).__name__}, not a polars DataFrame")
    check_shape(contract, given.height, returned.height, returned.columns)
    for name in given.columns:
        if returned.schema[name] != given.schema[name] or not returned[name].equals(given[name]):
            raise hook_error(contract, f"changed {name} or the order of rows; it may only add its computed columns")
    made: list[pl.Expr] = []
    for column in contract.columns:
        if column.computed:
            if not fits(column, returned.schema[column.name]):
                message = f"returned {column.name} as {returned.schema[column.name]}, not {column.type_name}"
                raise hook_error(contract, message)
            made += settled(column, pl.col(column.name), schema)
    return returned.select(made)


def check_shape(contract: Contract, rows: int, returned_rows: int, names: list[str]) -> None:
    """Raise TransformError unless there are as many rows and exactly the columns of silver."""
    if returned_rows != rows:
        raise hook_error(contract, f"returned {returned_rows:,} rows for {rows:,}")
    expected = [column.name for column in contract.columns]
    if missing := [name for name in expected if name not in names]:
        raise hook_error(contract, f"did not return {missing[0]}")
    if unknown := [name for name in names if name not in expected]:
        raise hook_error(contract, f"returned {unknown[0]!r}, which the contract does not have as computed: true")


def spread(made: pl.DataFrame, good: pl.Series) -> pl.DataFrame:
    """Values of the good rows at their places in the whole batch; null elsewhere."""
    places = pl.select(pl.when(good).then(good.cast(pl.UInt32).cum_sum() - 1)).to_series()
    return made.select(pl.all().gather(places))
