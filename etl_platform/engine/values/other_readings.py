"""The other reading of a column's values: day and month exchanged, or a comma as decimal point.

One text may have a value in both. Expressions only; ``ambiguity`` counts what they read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.engine.values.cell_values import typed_value
from etl_platform.engine.values.excel_dates import EXCEL_SERIAL
from etl_platform.engine.values.format_conflicts import ambiguous_text
from etl_platform.engine.values.formats import (
    DEFAULT_DATE,
    DEFAULT_TIMESTAMP,
    TWO_DIGIT_YEARS,
    YEARS,
    Field,
    pattern_pieces,
)

_MONTHS, _DAYS = frozenset({"MM", "M"}), frozenset({"dd", "d"})
_ORDER_WORDS = {"MDY": "month first", "DMY": "day first", "YMD": "year first"}
_MOMENTS = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP})
_OUR_AMOUNT = r"^[-+(]?\s*\$?\s*[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?\s*\)?$"
_CURRENCY, _UNIT = r"(?:[A-Z]{2,3}|[A-Z]{0,2}\p{Sc})?", r"(?:[\p{L}\p{Sc}%]{1,4}\.?)?"
_COMMA_AMOUNT = (
    rf"^[-+(]?\s*{_CURRENCY}\s*[-+]?"
    r"(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[1-9][0-9]{0,2}(?:[ '\u2019\u00A0\u202F][0-9]{3})+|[0-9]+)(?:,[0-9]+)?"
    rf"\s*{_UNIT}\s*\)?$"
)
_GROUP_SIGNS = r"[^0-9,]"


@dataclass(frozen=True)
class OtherReading:
    """Two readings of the texts of one column.

    Attributes:
        code: of the file that cannot be read because both readings occur.
        ours, theirs: what is particular to the contract's reading and to the other, in words.
        our_value: of ``text:<column>``, where the contract's reading could be the wrong one; elsewhere null.
        their_value: of ``text:<column>``, in the other reading.
    """

    column: str
    code: str
    ours: str
    theirs: str
    our_value: pl.Expr
    their_value: pl.Expr


def other_readings(contract: Contract, serial_origin: date | None) -> tuple[OtherReading, ...]:
    """The other readings of a contract's columns, where they have any."""
    found: list[OtherReading] = []
    for column in contract.file_columns:
        if column.is_code:
            continue
        if column.type is ColumnType.NUMBER:
            found.append(_decimal_comma(column, contract))
        elif column.type in _MOMENTS:
            found += _other_orders(column, contract, serial_origin)
    return tuple(found)


def _decimal_comma(column: Column, contract: Contract) -> OtherReading:
    text = pl.col(f"text:{column.name}").str.strip_chars()
    # 1,234 is an English thousand, also in a column that takes no commas.
    is_other = text.str.contains(_COMMA_AMOUNT)
    digits = text.str.replace_all(_GROUP_SIGNS, "").str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    value = pl.when(text.str.contains(r"^[-(]|[$€£]\s*-")).then(-digits).otherwise(digits)
    ours = typed_value(column, contract).cast(pl.Float64)
    is_contrary = text.str.contains("[.,]") & ~text.str.contains(_OUR_AMOUNT)
    theirs = pl.when(is_other & (ours.is_not_null() | is_contrary)).then(value)
    words = ("a decimal point", "a decimal comma")
    if column.overlay is not None and column.overlay.decimal_comma:
        # The texts have a point by now, but their agency writes a comma.
        words = words[::-1]
    return OtherReading(column.name, "ambiguous_numbers", *words, ours, theirs)


def _other_orders(column: Column, contract: Contract, serial_origin: date | None) -> Iterator[OtherReading]:
    """The other orders of day, month and year that a column's formats have, each with all its formats."""
    ours: dict[tuple[str, str], list[str]] = {}
    theirs: dict[tuple[str, str], list[str]] = {}
    for pattern in column.formats:
        for order, other, exchanged in _exchanged(pattern):
            ours.setdefault((order, other), []).append(pattern)
            theirs.setdefault((order, other), []).append(exchanged)
    for (order, other), read in ours.items():
        patterns, others = [*read], theirs[order, other]
        if serial_origin and {order, other} == {"MDY", "DMY"}:
            # A spreadsheet that mistook the order made dates of some texts, with day and month exchanged.
            cells = DEFAULT_DATE if column.type is ColumnType.DATE else DEFAULT_TIMESTAMP
            patterns += cells
            others += [cell.replace("MM-dd", "dd-MM") for cell in cells]
        yield OtherReading(
            column.name,
            "ambiguous_dates",
            _ORDER_WORDS[order],
            _ORDER_WORDS[other],
            typed_value(replace(column, formats=tuple(patterns)), contract),
            typed_value(replace(column, formats=tuple(others)), contract),
        )


def _exchanged(pattern: str) -> Iterator[tuple[str, str, str]]:
    """For a pattern of numbers: its order, another order that some of its texts have, and the pattern in that order."""
    if pattern == EXCEL_SERIAL:
        return
    pieces = pattern_pieces(pattern)
    places = [i for i, piece in enumerate(pieces) if isinstance(piece, Field) and _letter(piece)]
    order = "".join(_letter(pieces[i]) for i in places)
    by_letter = {_letter(pieces[i]): pieces[i] for i in places}
    if order not in _ORDER_WORDS or len(by_letter) < len(order):
        return
    two_digits = by_letter["Y"] in {Field(letters) for letters in TWO_DIGIT_YEARS}
    for other in _ORDER_WORDS:
        # Four digits are never a month or a day.
        if other == order or (not two_digits and other.index("Y") != order.index("Y")):
            continue
        for lenient in (True, False):
            exchanged = _written(pieces, places, other, by_letter, lenient=lenient)
            if ambiguous_text(exchanged, exchanged) is None:
                yield order, other, exchanged
                break


def _letter(piece: Field | str) -> str:
    letters = piece.letters if isinstance(piece, Field) else ""
    return "Y" if letters in YEARS else "M" if letters in _MONTHS else "D" if letters in _DAYS else ""


def _written(
    pieces: Sequence[Field | str],
    places: Sequence[int],
    order: str,
    by_letter: dict[str, Field | str],
    *,
    lenient: bool,
) -> str:
    """The pattern with its date fields in another order; lenient takes months and days of one or two digits."""
    one_digit: dict[str, Field | str] = {"M": Field("M"), "D": Field("d")} if lenient else {}
    exchanged = dict(zip(places, (one_digit.get(letter, by_letter[letter]) for letter in order), strict=True))
    written = [exchanged.get(i, piece) for i, piece in enumerate(pieces)]
    return "".join(piece.letters if isinstance(piece, Field) else f"'{piece}'" for piece in written)
