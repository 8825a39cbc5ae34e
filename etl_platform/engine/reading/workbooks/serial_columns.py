"""Bare numbers in the date columns of a workbook → dates, where the column shows that they are. No files.

A cell with a date format is a date already. A number in the default format may also be a year (2015), a month (201503)
or a day (20150301). So it is a day number only with five digits, in a column of which most cells are dates or such.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.engine.reading.tables.headers import match_header
from etl_platform.engine.values.cell_values import cell_text, typed_value
from etl_platform.engine.values.excel_dates import EXCEL_SERIAL, read_serial

_BARE_DATE, _BARE_MOMENT = r"^[1-6][0-9]{4}$", r"^[1-6][0-9]{4}(?:\.[0-9]+)?$"
"""10000 is 1927-05-18, 69999 is 2091-08-25."""


def resolve_serials(
    frames: Sequence[pl.DataFrame], header: Sequence[str], contract: Contract, origin: date
) -> list[pl.DataFrame]:
    """The frames with ISO dates in place of the bare numbers of dated columns; ``origin`` is day 0."""
    positions = match_header(header, contract).positions
    changes = [
        _as_date(positions[column.name], origin, is_date=column.type is ColumnType.DATE)
        for column in contract.file_columns
        if column.name in positions and _is_open(column) and _is_dated(frames, column, positions, contract, origin)
    ]
    return [frame.with_columns(changes) for frame in frames] if changes else list(frames)


def _is_open(column: Column) -> bool:
    """Whether the contract leaves it open how a number in this column is read."""
    return column.type in {ColumnType.DATE, ColumnType.TIMESTAMP} and EXCEL_SERIAL not in column.formats


def _is_dated(
    frames: Sequence[pl.DataFrame], column: Column, positions: Mapping[str, int], contract: Contract, origin: date
) -> bool:
    """Whether most filled cells of a column are dates or bare numbers of five digits, and some are such numbers."""
    position = positions[column.name]
    bare = sum(int(frame[str(position)].str.contains(_BARE_MOMENT).sum()) for frame in frames)
    if not bare:
        return False
    value = typed_value(column, contract, serial_origin=origin).alias("value")
    filled = dated = 0
    for frame in frames:
        read = frame.select(cell_text(column, position, in_workbook=True)).with_columns(value)
        filled += frame.height - read[f"text:{column.name}"].null_count()
        dated += frame.height - read["value"].null_count()
    return 2 * (dated + bare) > filled


def _as_date(position: int, origin: date, *, is_date: bool) -> pl.Expr:
    text = pl.col(str(position))
    value = read_serial(text, origin, is_date=is_date)
    iso = value.dt.to_string("%Y-%m-%d" if is_date else "%Y-%m-%dT%H:%M:%S%.3f").str.strip_suffix(".000")
    bare = text.str.contains(_BARE_DATE if is_date else _BARE_MOMENT)
    return pl.when(bare & iso.is_not_null()).then(iso).otherwise(text).alias(str(position))
