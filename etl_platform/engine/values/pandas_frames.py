"""Polars frames as pandas frames, for people who write pandas."""

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import pandas as pd

_PANDAS = {pl.String: "string", pl.Int64: "Int64", pl.Float64: "Float64", pl.Boolean: "boolean"}


def to_pandas(frame: pl.DataFrame) -> "pd.DataFrame":
    """Nullable dtypes, dates and timestamps as datetime64, decimals and times as objects.

    Polars' own ``to_pandas`` needs pyarrow.
    """
    import pandas as pd

    columns: dict[str, pd.Series[Any]] = {}
    for series in frame:
        if series.dtype.is_temporal() and series.dtype != pl.Time:
            unit = "s" if series.dtype == pl.Date else "us"
            columns[series.name] = pd.Series(series.to_numpy(), dtype=f"datetime64[{unit}]")
        else:
            kind = _PANDAS.get(series.dtype.base_type(), "object")
            columns[series.name] = pd.Series(series.to_list(), dtype=kind)
    return pd.DataFrame(columns, index=pd.RangeIndex(frame.height))
