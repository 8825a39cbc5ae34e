"""The transform hook of a contract, imported and called. Pandas is imported only for a hook that uses it."""

import importlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import polars as pl

from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.engine.rules.hook_result import Transform, check_shape, computed_columns, hook_error
from etl_platform.engine.values.pandas_frames import to_pandas

if TYPE_CHECKING:
    import pandas as pd


def load_transform(contract: Contract, schema: pl.Schema) -> Transform | None:
    """The contract's hook as a function of batches; None if the contract has no hook.

    Raises:
        TransformError: the module cannot be imported, has no such function, or needs pandas, which is not installed. A
            call raises it where the function raises, or returns anything except the rows that it got and its computed
            columns.
    """
    hook = contract.hook
    if hook is None:
        return None
    if hook.pandas and find_spec("pandas") is None:
        raise hook_error(contract, "takes a pandas frame, and pandas is not installed; run: pip install pandas")
    function = _import(contract, hook.path)

    def transform(given: pl.DataFrame) -> pl.DataFrame:
        if not hook.pandas:
            return computed_columns(contract, given, _call(contract, function, given.clone()), schema)
        sent = to_pandas(given)
        returned = _from_pandas(contract, given, sent, _call(contract, function, sent.copy()))
        return computed_columns(contract, given, returned, schema)

    return transform


def _import(contract: Contract, path: str) -> Callable[[Any], Any]:
    module, _, name = path.partition(":")
    try:
        function = getattr(importlib.import_module(module), name, None)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code may raise anything
        raise hook_error(contract, f"cannot be imported: {type(error).__name__}: {error}") from None
    if not callable(function):
        raise hook_error(contract, f"does not exist: {module} has no function {name}")
    found: Callable[[Any], Any] = function
    return found


def _call(contract: Contract, function: Callable[[Any], Any], frame: object) -> object:
    try:
        return function(frame)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code may raise anything
        hook_frames = error.__traceback__.tb_next if error.__traceback__ else None
        where = f" in line {hook_frames.tb_lineno} of {hook_frames.tb_frame.f_code.co_filename}" if hook_frames else ""
        # The error's message and the traceback may quote values.
        raise hook_error(contract, f"raised {type(error).__name__}{where}") from None


def _from_pandas(contract: Contract, given: pl.DataFrame, sent: "pd.DataFrame", returned: object) -> pl.DataFrame:
    import pandas as pd

    if not isinstance(returned, pd.DataFrame):
        raise hook_error(contract, f"returned {type(returned).__name__}, not a pandas DataFrame")
    names = [str(name) for name in returned.columns]
    check_shape(contract, given.height, len(returned), names)
    if len(set(names)) != len(names):
        raise hook_error(contract, "returned two columns with the same name")
    columns: list[pl.Series] = []
    for name, series in returned.reset_index(drop=True).items():
        column = contract.column(str(name))
        if column.computed:
            columns.append(_series(contract, column, series))
        elif not series.equals(sent[name]):
            raise hook_error(contract, f"changed {name} or the order of rows; it may only add its computed columns")
        else:
            columns.append(given[str(name)])
    return pl.DataFrame(columns)


def _series(contract: Contract, column: Column, series: "pd.Series[Any]") -> pl.Series:
    """Undo pandas' conversions: integers with missing values are floats there, dates are timestamps at midnight."""
    import pandas as pd

    values = [None if missing else value for value, missing in zip(series.tolist(), pd.isna(series), strict=True)]
    if column.type is ColumnType.INTEGER and all(
        v is None or (isinstance(v, float) and v.is_integer()) for v in values
    ):
        values = [None if v is None else int(v) for v in values]
    if column.type in {ColumnType.DATE, ColumnType.TIMESTAMP}:
        values = [v.to_pydatetime(warn=False) if isinstance(v, pd.Timestamp) else v for v in values]
    try:
        built = pl.Series(column.name, values, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        raise hook_error(contract, f"returned {column.name} with values of several types") from None
    if column.type is ColumnType.DATE and built.dtype.base_type() == pl.Datetime:
        days = built.cast(pl.Date)
        return days if days.cast(built.dtype).equals(built) else built
    return built
