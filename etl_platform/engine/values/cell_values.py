"""Text cells → typed values, in the formats of a contract. Expressions only; ``rules`` checks the values."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial

import polars as pl

from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.values.agency_texts import contract_text, null_texts
from etl_platform.engine.values.decimals import MONEY_SIGNS, read_amount, read_decimal
from etl_platform.engine.values.excel_dates import EXCEL_ORIGIN, EXCEL_SERIAL, read_day_fraction, read_serial
from etl_platform.engine.values.fixed_dates import is_fixed, read_fixed
from etl_platform.engine.values.format_conflicts import contradiction
from etl_platform.engine.values.formats import (
    DEFAULT_DATE,
    DEFAULT_TIME,
    DEFAULT_TIMESTAMP,
    TextFormat,
    date_format,
    time_format,
)

_ISO = {
    ColumnType.DATE: DEFAULT_DATE,
    ColumnType.TIMESTAMP: DEFAULT_TIMESTAMP,
    ColumnType.TIME: DEFAULT_TIME,
}
_EXACT_FLOATS = 1 << 53
"""From here on a float skips whole numbers."""
_AMOUNT = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?"
_WITH_MILLISECONDS = "yyyy-MM-dd'T'HH:mm:ss.SSS"
_MONEY = rf"^(?:-?\s*\$?\s*{_AMOUNT}|\(\s*\$?\s*{_AMOUNT}\s*\))$"


def read_texts(contract: Contract, column: Column, texts: Sequence[str | None]) -> pl.Series:
    """Texts of a reference table as the type of a column; dates and times may also be ISO."""
    column = column.of_contract
    column = replace(column, formats=(*column.formats, *_ISO.get(column.type, ())))
    frame = pl.DataFrame({f"text:{column.name}": texts}, schema={f"text:{column.name}": pl.String})
    return frame.select(typed_value(column, contract).alias(column.name)).to_series()


def cell_text(column: Column, position: int | None, *, in_workbook: bool = False) -> pl.Expr:
    """A cell's text as ``text:<column>``: trimmed, in the contract's case, null tokens and blanks as null.

    What an agency writes in its own way becomes the contract's way first, so that everything else is the same.
    """
    name = f"text:{column.name}"
    if position is None:
        return pl.lit(None, pl.String).alias(name)
    text = pl.col(str(position))
    if column.overlay is not None:
        text = contract_text(text, column.overlay, in_workbook=in_workbook)
    if column.trim:
        text = text.str.strip_chars()
        text = pl.when(text != "").then(text)
    if column.case is not None:
        text = text.str.to_uppercase() if column.case == "upper" else text.str.to_lowercase()
    if column.null_tokens:
        tokens = null_texts(column.null_tokens, column.overlay, in_workbook=in_workbook)
        text = pl.when(~text.str.strip_chars().str.to_uppercase().is_in(tokens)).then(text)
    return text.alias(name)


def typed_value(column: Column, contract: Contract, *, serial_origin: date | None = None) -> pl.Expr:
    """The text as the column's type; null where it is not of that type.

    Args:
        serial_origin: day 0 of a workbook; its date columns may also hold ISO dates.

    Raises:
        ContractError: a format that is not supported.
    """
    text = pl.col(f"text:{column.name}")
    match column.type:
        case ColumnType.STRING:
            return text
        case ColumnType.DATE | ColumnType.TIMESTAMP | ColumnType.TIME:
            read = _time if column.type is ColumnType.TIME else _date_or_timestamp
            return read(column, contract, text, serial_origin)
        case ColumnType.INTEGER:
            return text.cast(pl.Int64, strict=False)
        case ColumnType.NUMBER:
            return _number(column, text)
        case ColumnType.BOOLEAN:
            return _boolean(column, text)


def _boolean(column: Column, text: pl.Expr) -> pl.Expr:
    folded = text.str.strip_chars().str.to_lowercase()
    yes = sorted({"true", *(v.lower() for v in column.true_values)})
    no = sorted({"false", *(v.lower() for v in column.false_values)})
    return pl.when(folded.is_in(yes)).then(True).when(folded.is_in(no)).then(False)


def _number(column: Column, text: pl.Expr) -> pl.Expr:
    if column.decimal:
        exact = read_decimal(text, *column.decimal)
        return pl.coalesce(exact, read_amount(text, _MONEY, *column.decimal)) if column.money else exact
    plain = text.map_batches(_read_numbers, return_dtype=pl.Float64, is_elementwise=True)
    return pl.coalesce(plain, _money(text)) if column.money else plain


def _read_numbers(texts: pl.Series) -> pl.Series:
    """Digits, sign and point. Polars alone would also accept 1e5, inf, nan and whole numbers that a float changes."""
    numbers = texts.cast(pl.Float64, strict=False)
    plain = numbers.is_finite()
    # Searching the joined text costs a quarter of searching each text, and most columns have no e.
    joined = texts.str.join("").item() or ""
    if "e" in joined or "E" in joined:
        plain &= ~texts.str.contains("[eE]")
    large = numbers.abs() >= _EXACT_FLOATS
    if large.any():
        plain &= ~large | _are_exact(texts, numbers)
    return numbers if plain.all() else numbers.set(~plain, None)


def _are_exact(texts: pl.Series, numbers: pl.Series) -> pl.Series:
    """Where a float is shown with the digits of its text; false where it is not large."""
    is_large = numbers.is_finite() & (numbers.abs() >= _EXACT_FLOATS)
    exact = [
        large is True and Decimal(text) == Decimal(repr(number))
        for text, number, large in zip(texts, numbers, is_large, strict=True)
    ]
    return pl.Series(exact, dtype=pl.Boolean)


def _money(text: pl.Expr) -> pl.Expr:
    """Dollars with sign, commas between thousands, or parentheses for a negative amount."""
    stripped = text.str.strip_chars()
    amount = stripped.str.replace_all(MONEY_SIGNS, "").cast(pl.Float64, strict=False)
    signed = pl.when(stripped.str.starts_with("(")).then(-amount).otherwise(amount)
    return pl.when(stripped.str.contains(_MONEY) & (amount.abs() < _EXACT_FLOATS)).then(signed)


def _date_or_timestamp(column: Column, contract: Contract, text: pl.Expr, serial_origin: date | None) -> pl.Expr:
    is_date = column.type is ColumnType.DATE
    readings: list[pl.Expr] = []
    patterns = column.formats or (DEFAULT_DATE if is_date else DEFAULT_TIMESTAMP)
    if serial_origin:
        patterns += DEFAULT_DATE if is_date else (*DEFAULT_TIMESTAMP, *DEFAULT_DATE, _WITH_MILLISECONDS)
    for pattern in dict.fromkeys(patterns):
        if pattern == EXCEL_SERIAL:
            continue
        try:
            form = date_format(pattern, column.two_digit_years_from)
        except ValueError as error:
            raise column_error(contract, column, str(error)) from None
        if is_date and is_fixed(pattern):
            read = partial(read_fixed, pattern=pattern)
            readings.append(text.map_batches(read, return_dtype=pl.Date, is_elementwise=True))
            continue
        value = _parsed(text, form, pl.Date() if is_date else pl.Datetime("us"))
        # 0020-01-05 is a typing error, not a date.
        readings.append(pl.when(text.str.contains(form.guard) & (value.dt.year() >= 1000)).then(value))
    if EXCEL_SERIAL in patterns:
        readings.append(read_serial(text, serial_origin or EXCEL_ORIGIN, is_date=is_date))
    if serial_origin and contradiction(patterns):
        # A date cell reads as ISO, and the same text in the contract's format may be another day.
        agree = pl.min_horizontal(readings) == pl.max_horizontal(readings)
        return pl.when(agree).then(pl.coalesce(readings))
    if is_date and is_fixed(patterns[0]) and len(readings) > 1:
        return _fixed_or(patterns[0], text, pl.coalesce(readings[1:]))
    return pl.coalesce(readings) if len(readings) > 1 else readings[0]


def _fixed_or(pattern: str, text: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Dates of fixed width, which most texts are; only the rest is read with the slower ``other``."""

    def read(texts: pl.Series) -> pl.Series:
        found = read_fixed(texts, pattern)
        if found.null_count() == texts.null_count():
            return found
        places = (found.is_null() & texts.is_not_null()).arg_true()
        rest = texts.gather(places).alias(text.meta.output_name()).to_frame().select(other)
        return found.scatter(places, rest.to_series())

    return text.map_batches(read, return_dtype=pl.Date, is_elementwise=True)


def _parsed(text: pl.Expr, form: TextFormat, dtype: pl.Date | pl.Datetime | pl.Time) -> pl.Expr:
    if form.pivot is None:
        return text.str.strptime(dtype, form.chrono, strict=False)
    century, first = divmod(form.pivot, 100)
    is_later = text.str.extract(form.guard, 1).cast(pl.Int32, strict=False) < first
    stated = pl.when(is_later).then(pl.lit(f"|{century + 1}")).otherwise(pl.lit(f"|{century}"))
    return (text + stated).str.strptime(dtype, f"{form.chrono}|%C", strict=False)


def _time(column: Column, contract: Contract, text: pl.Expr, serial_origin: date | None) -> pl.Expr:
    readings: list[pl.Expr] = []
    patterns = column.formats or DEFAULT_TIME
    if serial_origin:
        patterns += ("HH:mm:ss", "HH:mm:ss.SSS", "HH:mm:ss.SSSSSS")
    for pattern in dict.fromkeys(patterns):
        try:
            form = time_format(pattern)
        except ValueError as error:
            raise column_error(contract, column, str(error)) from None
        readings.append(pl.when(text.str.contains(form.guard)).then(_parsed(text, form, pl.Time())))
    if serial_origin:
        readings.append(read_day_fraction(text))
    return pl.coalesce(readings) if len(readings) > 1 else readings[0]


def column_error(contract: Contract, column: Column, message: str) -> ContractError:
    return ContractError(f"{column.name}: {message}", path=contract.path, line=column.line)
