"""Text → exact decimal numbers, without rounding and without floats."""

from decimal import Decimal

import polars as pl

MONEY_SIGNS = r"[$,()\s]"
"""Removed from an amount before it is read as a number."""
_DIGITS_OF_A_FLOAT = 15
_MAX_DIGITS = 38


def read_decimal(text: pl.Expr, precision: int, scale: int) -> pl.Expr:
    """Digits with sign and point; null where the type cannot hold them all. Zeros at either end do not count."""
    fits = rf"^[+-]?0*[0-9]{{0,{precision - scale}}}(?:\.[0-9]{{0,{scale}}}0*)?$"
    # Polars rounds to the scale, so the pattern decides first which texts it may cast.
    number = text.cast(pl.Decimal(precision, scale), strict=False)
    return pl.when(text.str.contains(fits) & text.str.contains("[0-9]")).then(number)


def read_amount(text: pl.Expr, shape: str, precision: int, scale: int) -> pl.Expr:
    """An amount of dollars whose whole text matches ``shape``; parentheses make it negative."""
    stripped = text.str.strip_chars()
    amount = read_decimal(stripped.str.replace_all(MONEY_SIGNS, ""), precision, scale)
    signed = pl.when(stripped.str.starts_with("(")).then(-amount).otherwise(amount)
    return pl.when(stripped.str.contains(shape)).then(signed)


def exact_bound(bound: float, scale: int) -> Decimal:
    """The exact decimal of a bound in the contract.

    Raises:
        ValueError: more digits than the scale of the type, or than a YAML number keeps.
    """
    value = Decimal(str(bound))
    if not value.is_finite() or (isinstance(bound, float) and len(value.as_tuple().digits) > _DIGITS_OF_A_FLOAT):
        raise ValueError(f"{bound!r} is not exact as a YAML number; write at most {_DIGITS_OF_A_FLOAT} digits")
    whole, _, places = format(value, "f").lstrip("-").partition(".")
    if len(places.rstrip("0")) > scale or len(whole.lstrip("0")) > _MAX_DIGITS - scale:
        raise ValueError(f"{bound!r} has more digits than a scale of {scale} allows")
    return value
