"""Finds personal data in columns that the contract does not announce: open, unclassified or unknown ones.

Searched is a sample of the rows: all of a small file.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from etl_platform.engine.columns import DAMAGE
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.privacy.birth_dates import (
    LEAST_DATES,
    Days,
    are_birth_dates,
    days_of,
    is_named_birth,
    may_be_births,
)
from etl_platform.engine.privacy.column_judgement import named_kind, personal_kinds
from etl_platform.engine.privacy.personal_data import PersonalData
from etl_platform.engine.privacy.personal_forms import LIKELY, PersonalKind
from etl_platform.engine.privacy.row_sample import FIRST_CHARACTERS, RowSample, spread_places

_JUDGED = 64
"""Cells of a column that are looked at one by one, of those that pass a quick test."""
_FEW = 64
"""So few rows are looked at sooner than a regular expression is compiled."""
_FIRST_TEXTS = 5
_NO_DAYS: Days = np.empty(0, np.int64)
_DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1).toordinal()
_NO_YEAR = 2000
"""Stands in for the year of the delivery if nobody knows it."""

Kinds = Iterator[tuple[PersonalKind, int, int]]
"""A kind, the cells that look so, and the examined cells."""


@dataclass(frozen=True)
class SearchedColumn:
    """A column to search.

    Attributes:
        name: as messages have it.
        place: of its values in a batch.
        header: the name that the file gives it.
    """

    name: str
    place: str
    in_contract: bool = True
    header: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,) if self.header is None else (self.name, self.header)


def unannounced_columns(
    contract: Contract, schema: pl.Schema, headers: Mapping[str, str], extra: Mapping[str, str]
) -> list[SearchedColumn]:
    """The columns whose classification does not say that they hold personal data.

    Args:
        schema: types of the contract's columns.
        headers: of its columns in the file.
        extra: the columns that the contract does not have: name and place in a batch.
    """
    found = []
    for column in contract.columns:
        if (column.masked and column.classification) or schema[column.name] in (pl.Boolean, pl.Time):
            continue
        is_date = schema[column.name].is_temporal()
        place = column.name if is_date else f"text:{column.name}"
        found.append(SearchedColumn(column.name, place, header=headers.get(column.name)))
    return found + [SearchedColumn(name, place, in_contract=False) for name, place in extra.items()]


class PersonalDataSearch:
    """Keeps a sample of the rows in one pass over the batches; then finds what looks like personal data."""

    def __init__(self, columns: Sequence[SearchedColumn]) -> None:
        self._columns = columns
        self._sample = RowSample([column.place for column in columns])

    def update(self, batch: pl.DataFrame) -> None:
        if self._columns:
            self._sample.add(batch, batch[DAMAGE])

    def findings(self, as_of: date | None) -> tuple[PersonalData, ...]:
        """What was found, in the order of the columns.

        Args:
            as_of: the day of delivery.
        """
        rows = self._sample.rows()
        if rows is None:
            return ()
        year = as_of.year if as_of else _NO_YEAR
        likely = _likely_places(rows)
        births = dict(_births(self._columns, rows, as_of))
        return tuple(
            PersonalData(column.name, kind, found, examined, column.in_contract)
            for column in self._columns
            for kind, found, examined in _of_column(column, rows[column.place], births, likely, year)
        )


def _of_column(
    column: SearchedColumn, cells: pl.Series, births: Mapping[str, int], likely: Mapping[str, int], year: int
) -> Kinds:
    if dates := births.get(column.place):
        yield PersonalKind.BIRTH_DATE, dates, dates
    elif cells.dtype == pl.String:
        is_named = named_kind(column.names) is not None or is_named_birth(column.names)
        hits = likely.get(column.place, 0)
        if not is_named and not hits:
            return
        # Thinned are all cells and not the hits, so that the share of the found ones is kept.
        most = _JUDGED if is_named else _JUDGED * len(cells) // hits
        chosen = cells if len(cells) <= most else cells.gather(spread_places(len(cells), most))
        texts = Counter([text[:FIRST_CHARACTERS] for text in chosen.to_list() if text is not None])
        for kind, found in personal_kinds(column.names, texts, year):
            yield kind, found, texts.total()


def _likely_places(rows: pl.DataFrame) -> Mapping[str, int]:
    """The columns of texts in which a quick test passes, with the cells that pass it."""
    places = [name for name, dtype in rows.schema.items() if dtype == pl.String]
    if rows.height <= _FEW or not places:
        return dict.fromkeys(places, rows.height)
    return rows.select(pl.col(places).str.contains(LIKELY).sum()).row(0, named=True)


def _births(columns: Sequence[SearchedColumn], rows: pl.DataFrame, as_of: date | None) -> Iterator[tuple[str, int]]:
    """The columns of birth dates, with the dates that were examined."""
    today, year = (as_of.toordinal() - _EPOCH, as_of.year) if as_of else (None, _NO_YEAR)
    found = {}
    for column in columns:
        cells = rows[column.place]
        is_typed = cells.dtype.is_temporal()
        if is_typed and is_named_birth(column.names) and (dates := len(cells) - cells.null_count()):
            yield column.place, dates
        elif may_be_births(column.names) and len(days := _days(cells, year)) >= LEAST_DATES:
            found[column] = days
    if not found:
        return
    last = _newest([rows[column.place] for column in columns if column not in found], year)
    last = min((day for day in (last, today) if day is not None), default=max(int(d.max()) for d in found.values()))
    for column, days in found.items():
        if are_birth_dates(days, last):
            yield column.place, len(days)


def _newest(columns: Sequence[pl.Series], year: int) -> int | None:
    """The newest day of columns of dates."""
    days = (_days(cells, year) for cells in columns)
    return max((int(one.max()) for one in days if len(one)), default=None)


def _days(cells: pl.Series, year: int) -> Days:
    """The days of a column of enough dates, typed or as text; of other columns none."""
    if len(cells) < LEAST_DATES:
        return _NO_DAYS
    if cells.dtype == pl.String:
        return _days_of_texts(cells, year)
    if not cells.dtype.is_temporal():
        return _NO_DAYS
    cells = cells.drop_nulls()
    numbers = cells.gather(spread_places(len(cells), _JUDGED)).to_physical().to_numpy()
    if cells.dtype == pl.Date:
        return numbers.astype(np.int64)
    return numbers // _DAY_US if not np.any(numbers % _DAY_US) else _NO_DAYS


def _days_of_texts(cells: pl.Series, year: int) -> Days:
    first = [text for text in cells.head(_FIRST_TEXTS).to_list() if text is not None]
    if first and len(days_of(map(str.strip, first), year)) < len(first) * 0.6:
        return _NO_DAYS
    cells = cells.drop_nulls()
    chosen = cells.gather(spread_places(len(cells), _JUDGED)).to_list()
    found = days_of(map(str.strip, chosen), year)
    return found if len(found) >= 0.8 * len(chosen) else _NO_DAYS
