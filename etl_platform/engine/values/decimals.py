"""Text → exact decimal numbers: never rounded, never through a float."""

from decimal import Decimal

import polars as pl

_MONEY_SIGNS = r"[$,()\s]"
_DIGITS_OF_A_FLOAT = 15
_MOST_DIGITS = 38


def read_decimal(text: pl.Expr, precision: int, scale: int) -> pl.Expr:
    """Digits with sign and point; null where the type cannot hold them all. Zeros at either end are no digits."""
    held = rf"^[+-]?0*[0-9]{{0,{precision - scale}}}(?:\.[0-9]{{0,{scale}}}0*)?$"
    # Polars rounds what the scale cannot hold, so what it may see is decided before.
    number = text.cast(pl.Decimal(precision, scale), strict=False)
    return pl.when(text.str.contains(held) & text.str.contains("[0-9]")).then(number)


def read_amount(text: pl.Expr, shape: str, precision: int, scale: int) -> pl.Expr:
    """Dollars whose whole text has the given shape; parentheses make them negative."""
    stripped = text.str.strip_chars()
    amount = read_decimal(stripped.str.replace_all(_MONEY_SIGNS, ""), precision, scale)
    signed = pl.when(stripped.str.starts_with("(")).then(-amount).otherwise(amount)
    return pl.when(stripped.str.contains(shape)).then(signed)


def exact_bound(bound: float, scale: int) -> Decimal:
    """A bound as the contract writes it.

    Raises:
        ValueError: more digits than the type's scale has, or than YAML's numbers keep.
    """
    value = Decimal(str(bound))
    if not value.is_finite() or (isinstance(bound, float) and len(value.as_tuple().digits) > _DIGITS_OF_A_FLOAT):
        raise ValueError(f"{bound!r} is not held exactly by YAML; write at most {_DIGITS_OF_A_FLOAT} digits")
    whole, _, places = format(value, "f").lstrip("-").partition(".")
    if len(places.rstrip("0")) > scale or len(whole.lstrip("0")) > _MOST_DIGITS - scale:
        raise ValueError(f"{bound!r} has more digits than a scale of {scale} allows")
    return value
