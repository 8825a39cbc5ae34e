"""Finds personal data in columns that the contract does not announce: open, unclassified or unknown ones.

Searched are a sample of the rows, and every different value of a column that has few of them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from etl_platform.engine.columns import DAMAGE
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.privacy.birth_dates import Days, are_birth_dates, days_of, is_named_birth
from etl_platform.engine.privacy.column_judgement import personal_kinds, told_kind
from etl_platform.engine.privacy.personal_data import PersonalData
from etl_platform.engine.privacy.personal_forms import LIKELY, PersonalKind
from etl_platform.engine.privacy.row_sample import RowSample, spread_places

_JUDGED = 128
"""Cells of a column that are looked at one by one, of those that pass a quick test."""
_FEW = 64
"""So few texts are looked at sooner than a regular expression is compiled."""
_LIKE_DATES = 5
_NO_DAYS: Days = np.empty(0, np.int64)
_DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1).toordinal()

Counts = Callable[[str], Mapping[str, int] | None]
"""The rows of each text of a column of the contract; None if the texts are too many to be counted."""


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
    """One pass over batches, in which a sample is kept; then the findings."""

    def __init__(self, columns: Sequence[SearchedColumn]) -> None:
        self._columns = columns
        self._sample = RowSample([column.place for column in columns])

    def update(self, batch: pl.DataFrame) -> None:
        if self._columns:
            self._sample.add(batch, batch[DAMAGE])

    def findings(self, counts: Counts, as_of: date | None) -> tuple[PersonalData, ...]:
        """What was found, in the order of the columns.

        Args:
            as_of: the day of delivery.
        """
        cells = {column: self._sample.column(column.place) for column in self._columns}
        dates = _Dates({column: _days(series, as_of) for column, series in cells.items()}, as_of)
        return tuple(
            PersonalData(column.name, kind, found, examined, column.in_contract)
            for column, series in cells.items()
            if len(series)
            for kind, found, examined in self._of_column(column, series, dates, counts)
        )

    def _of_column(
        self, column: SearchedColumn, cells: pl.Series, dates: "_Dates", counts: Counts
    ) -> Iterator[tuple[PersonalKind, int, int]]:
        """Kind, cells that look so, examined cells."""
        if len(days := dates.of[column]):
            newest = dates.newest_beside(column)
            if is_named_birth(column.names) or are_birth_dates(column.names, days, newest):
                yield PersonalKind.BIRTH_DATE, len(days), len(days)
        elif cells.dtype == pl.String:
            # Cells of a damaged row may be in a wrong column; the counts have them, too.
            counted = counts(column.name) if column.in_contract and self._sample.is_undamaged else None
            rows, examined = _likely(column, cells, counted)
            year = date.fromordinal(dates.newest_beside(column) + _EPOCH).year
            for kind, found in personal_kinds(column.names, rows, year):
                yield kind, found, examined


class _Dates:
    """The dates of the searched columns, and the newest ones.

    Args:
        of: the days of each column; none of a column of something else.
    """

    def __init__(self, of: Mapping[SearchedColumn, Days], as_of: date | None) -> None:
        self.of = of
        self._today = as_of.toordinal() - _EPOCH if as_of else None
        newest = ((int(days.max()), column) for column, days in of.items() if len(days))
        self._newest = sorted(newest, key=lambda pair: -pair[0])[:2]

    def newest_beside(self, column: SearchedColumn) -> int:
        """The day up to which people of the file can be born: the newest of the other columns, else that of delivery.

        Never after the delivery.
        """
        found = next((day for day, other in self._newest if other is not column), None)
        if found is None:
            found = self._today if self._today is not None else max((day for day, _ in self._newest), default=0)
        return found if self._today is None else min(found, self._today)


def _likely(
    column: SearchedColumn, cells: pl.Series, counted: Mapping[str, int] | None
) -> tuple[Mapping[str, int], int]:
    """The texts of a column to judge, with their rows, and how many cells they were chosen from."""
    if counted is not None and len(counted) <= _FEW:
        return counted, sum(counted.values())
    if _is_told(column.names):
        chosen = cells.gather(spread_places(len(cells), _JUDGED))
        return Counter(chosen.to_list()), len(chosen)
    if counted is not None:
        texts = pl.Series(counted.keys(), dtype=pl.String)
        likely_texts = texts.filter(texts.str.contains(LIKELY))
        if len(likely_texts) <= _JUDGED:
            return {text: counted[text] for text in likely_texts}, sum(counted.values())
    likely = cells.str.contains(LIKELY)
    hits = int(likely.sum())
    if hits > _JUDGED:
        places = spread_places(len(cells), _JUDGED * len(cells) // hits)
        cells, likely = cells.gather(places), likely.gather(places)
    return (Counter(cells.filter(likely).to_list()) if hits else {}), len(cells)


def _is_told(names: Sequence[str]) -> bool:
    """Whether the name of a column makes plain digits or dates enough."""
    return told_kind(names) is not None or is_named_birth(names)


def _days(cells: pl.Series, as_of: date | None) -> Days:
    """The days of a column of dates, typed or as text; of other columns none."""
    if cells.dtype == pl.String:
        return _days_of_texts(cells, as_of.year if as_of else 2000)
    if not cells.dtype.is_temporal():
        return _NO_DAYS
    numbers = cells.gather(spread_places(len(cells), _JUDGED)).to_physical().to_numpy()
    if cells.dtype == pl.Date:
        return numbers.astype(np.int64)
    return numbers // _DAY_US if not np.any(numbers % _DAY_US) else _NO_DAYS


def _days_of_texts(cells: pl.Series, year: int) -> Days:
    first = cells.head(_LIKE_DATES).to_list()
    if not first or len(days_of(map(str.strip, first), year)) < len(first) * 0.6:
        return _NO_DAYS
    chosen = cells.gather(spread_places(len(cells), _JUDGED)).to_list()
    found = days_of(map(str.strip, chosen), year)
    return found if len(found) >= 0.8 * len(chosen) else _NO_DAYS
