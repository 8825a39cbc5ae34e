"""One column of an overlay → the contract's column as the agency writes it. No files."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

from etl_platform.engine.contract.located_yaml import Located, Where
from etl_platform.engine.contract.model import Column, ColumnType, Contract, fold
from etl_platform.engine.contract.overlay import ColumnOverlay
from etl_platform.engine.contract.two_digit_years import PIVOT, has_two_digit_year
from etl_platform.engine.errors import ErrorList
from etl_platform.engine.near_names import did_you_mean
from etl_platform.engine.overlays.fields import (
    COLUMN_FIELDS,
    cell_text,
    cell_texts,
    mapping,
    text,
    texts,
    unknown_fields,
    whole,
)
from etl_platform.engine.reading.characters.unusual_characters import clean_text
from etl_platform.engine.values.formats import DEFAULT_DATE, DEFAULT_TIME, DEFAULT_TIMESTAMP, date_format, time_format

_DEFAULTS = {
    ColumnType.DATE: DEFAULT_DATE,
    ColumnType.TIMESTAMP: DEFAULT_TIMESTAMP,
    ColumnType.TIME: DEFAULT_TIME,
}
_COMMA, _POINT = "comma", "point"


class ColumnOverlayReader:
    """Reads the entry of one column.

    Args:
        headers: by name in the form of ``fold``, the column that it means; a new synonym is added.
        errors: gets each error of the entry.
    """

    def __init__(
        self, document: Located, contract: Contract, name: str, headers: dict[str, str], errors: ErrorList
    ) -> None:
        self._document, self._contract, self._headers, self._errors = document, contract, headers, errors
        self._here: Where = ("columns", name)
        self.settings: list[str] = []

    def column(self, column: Column, entry: Any) -> Column:
        """The column with what the entry sets; errors are collected, and what is in error is left out."""
        collect, document = self._errors.collect, self._document
        with collect():
            entry = mapping(document, entry, "{synonyms: ['Class Date']}", *self._here)
        if not isinstance(entry, dict):
            return column
        for error in unknown_fields(document, entry, COLUMN_FIELDS, self._contract.path, self._here):
            with collect():
                raise error
        readers: dict[str, Callable[[Column, Any], Column]] = {
            "synonyms": self._with_synonyms,
            PIVOT: self._with_pivot,
            "formats": self._with_formats,
            "decimals": self._with_decimals,
            "values": self._with_values,
            "nullTokens": self._with_null_tokens,
        }
        for field, read in readers.items():
            if field in entry:
                with collect():
                    column = read(column, entry[field])
        if PIVOT in entry:
            with collect():
                self._check_pivot(column)
        return column

    def _with_synonyms(self, column: Column, value: Any) -> Column:
        found = []
        for place, synonym in enumerate(texts(self._document, value, *self._here, "synonyms")):
            with self._errors.collect():
                found += self._new_synonym(column, synonym, place)
        if found:
            self._set(column, f"also named {', '.join(found)}")
        return replace(column, synonyms=(*column.synonyms, *found))

    def _new_synonym(self, column: Column, synonym: str, place: int) -> list[str]:
        where = (*self._here, "synonyms", place)
        if not (folded := fold(synonym)):
            raise self._document.error(f"the header {synonym!r} has no letter or digit", *where)
        owner = self._headers.setdefault(folded, column.name)
        if owner != column.name:
            message = f"the header {synonym!r} already belongs to {owner}; remove it from one of them"
            raise self._document.error(message, *where)
        return [] if folded in map(fold, column.header_names) else [synonym]

    def _with_pivot(self, column: Column, value: Any) -> Column:
        return replace(column, two_digit_years_from=whole(self._document, value, 1_000, 9_900, *self._here, PIVOT))

    def _check_pivot(self, column: Column) -> None:
        if not has_two_digit_year(column.formats):
            raise self._document.error(f"{column.name}: {PIVOT} needs a format with yy; remove it", *self._here, PIVOT)
        self._set(column, f"years of two digits from {column.two_digit_years_from}")

    def _with_formats(self, column: Column, value: Any) -> Column:
        formats, where = texts(self._document, value, *self._here, "formats"), (*self._here, "formats")
        if column.type is ColumnType.NUMBER and formats == ("money",):
            self._set(column, "amounts such as $1,500.00")
            return replace(column, money=True)
        if column.type not in _DEFAULTS:
            takes = "formats of a number takes money alone" if column.type is ColumnType.NUMBER else "it has no formats"
            raise self._document.error(f"{column.name} is of the type {column.type}; {takes}", *where)
        for place, pattern in enumerate(formats):
            if pattern == "excelSerial" and column.type is not ColumnType.TIME:
                continue
            try:
                if column.type is ColumnType.TIME:
                    time_format(pattern)
                else:
                    date_format(pattern, column.two_digit_years_from)
            except ValueError as error:
                raise self._document.error(f"{column.name}: {error}", *where, place) from None
        self._refuse_contradiction(column, formats, where)
        before = column.formats or _DEFAULTS[column.type]
        self._set(column, f"written as {' or '.join(formats)}, instead of {' or '.join(before)}")
        return replace(column, formats=formats)

    def _refuse_contradiction(self, column: Column, formats: tuple[str, ...], where: Where) -> None:
        from etl_platform.engine.values.format_conflicts import contradiction

        if found := contradiction(formats):
            one, other, example = found
            what = f"{one!r}" if one == other else f"{one!r} and {other!r}"
            message = f"{column.name}: {what} read {example!r} as different values; an agency needs one order"
            raise self._document.error(message, *where)

    def _with_decimals(self, column: Column, value: Any) -> Column:
        where = (*self._here, "decimals")
        written = text(self._document, value, *where)
        if written not in (_COMMA, _POINT):
            raise self._document.error(f"decimals takes {_COMMA} or {_POINT}, not {written!r}", *where)
        if column.type is not ColumnType.NUMBER:
            message = f"{column.name} is of the type {column.type}; decimals needs a number"
            raise self._document.error(message, *where)
        if written == _POINT:
            return column
        self._set(column, "numbers have a decimal comma")
        return _with_overlay(column, decimal_comma=True)

    def _with_null_tokens(self, column: Column, value: Any) -> Column:
        where = (*self._here, "nullTokens")
        return with_null_tokens(self._document, column, cell_texts(self._document, value, *where), where)

    def _with_values(self, column: Column, value: Any) -> Column:
        where = (*self._here, "values")
        found: dict[str, str] = {}
        for written, means in mapping(self._document, value, "{P: Passed}", *where).items():
            with self._errors.collect():
                meaning = cell_text(self._document, means, *where, written)
                theirs = clean_text(written).strip()
                if not theirs or theirs in found:
                    message = f"{column.name}: the text {theirs!r} is empty or repeated; remove it"
                    raise self._document.error(message, *where, written)
                if problem := _unknown_meaning(column, meaning):
                    raise self._document.error(f"{column.name}: {problem}", *where, written)
                found[theirs] = meaning
        return _with_overlay(column, values=tuple(found.items()))

    def _set(self, column: Column, what: str) -> None:
        self.settings.append(f"{column.name}: {what}")


def with_null_tokens(document: Located, column: Column, tokens: tuple[str, ...], where: Where) -> Column:
    """The column with further null tokens; ContractError for a text that is an allowed value of the column."""
    known = {token.strip().upper() for token in column.null_tokens}
    allowed = {value.strip().upper(): value for value in _allowed(column)}
    for token in tokens:
        if (value := allowed.get(token.strip().upper())) is not None:
            message = f"{token!r} is the value {value!r} of {column.name} and cannot mean empty; remove it"
            raise document.error(message, *where)
    exchanged = {text.upper() for pair in (column.overlay.values if column.overlay else ()) for text in pair}
    if both := next((token for token in tokens if token.strip().upper() in exchanged), None):
        raise document.error(f"{both!r} of {column.name} is in values and in nullTokens; keep one of them", *where)
    new = tuple(token for token in tokens if token.strip().upper() not in known)
    own = column.overlay.null_tokens if column.overlay else ()
    return _with_overlay(replace(column, null_tokens=(*column.null_tokens, *new)), null_tokens=(*own, *new))


def with_contract_formats(column: Column, contract_column: Column) -> Column:
    """The column, remembering the formats of the contract where the agency has others."""
    is_same = (column.formats, column.two_digit_years_from) == (
        contract_column.formats,
        contract_column.two_digit_years_from,
    )
    if is_same and column.overlay is None:
        return column
    return _with_overlay(
        column, contract_formats=contract_column.formats, contract_pivot=contract_column.two_digit_years_from
    )


def meanings(column: Column, of_all: Collection[str]) -> Iterator[tuple[str, str | None]]:
    """The agency's texts with what they mean, None where they mean empty; without the null tokens of all columns."""
    if column.overlay is not None:
        yield from column.overlay.values
        yield from ((token, None) for token in column.overlay.null_tokens if token not in of_all)


def _with_overlay(column: Column, **changes: Any) -> Column:
    return replace(column, overlay=replace(column.overlay or ColumnOverlay(), **changes))


def _allowed(column: Column) -> tuple[str, ...]:
    """The only texts that a value can be, if the contract lists them."""
    if column.type is ColumnType.BOOLEAN:
        return ("true", "false", *column.true_values, *column.false_values)
    if column.lookup is not None and column.lookup.source is None:
        return column.lookup.table.cells(column.lookup.key)
    return column.allowed or ()


def _unknown_meaning(column: Column, meaning: str) -> str | None:
    """Why no value of the column is this text; None if one is, or if only the rules can tell."""
    if meaning.strip().upper() in {token.strip().upper() for token in column.null_tokens}:
        return f"{meaning!r} means empty in the contract; write the text under nullTokens"
    allowed = _allowed(column)
    fold_case = str.lower if column.type is ColumnType.BOOLEAN or column.case == "lower" else str
    fold_case = str.upper if column.case == "upper" else fold_case
    if not allowed or fold_case(meaning) in map(fold_case, allowed):
        return None
    choice = f"; use {', '.join(allowed[:12])}{', …' if len(allowed) > 12 else ''}"
    return f"{meaning!r} is not a value of the contract{did_you_mean(meaning, allowed) or choice}"
