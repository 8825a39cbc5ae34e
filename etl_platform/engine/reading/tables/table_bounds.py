"""Rows below the header that belong to no table or to another one: repeated headers, second tables, titles. No files.

A repeated header is dropped and noted. Rows of another table are damaged, because their columns have other meanings.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from etl_platform.engine.columns import DAMAGE, LINE, NO_KNOWN_CELL, OUTSIDE, OVERFLOW
from etl_platform.engine.contract.model import Contract, fold
from etl_platform.engine.file_dialect import DroppedLine
from etl_platform.engine.privacy.masking import shape
from etl_platform.engine.reading.read_notes import ReadNotes
from etl_platform.engine.reading.tables.header_words import HEADER_WORDS, are_names, has_header_word, written_forms
from etl_platform.engine.reading.tables.headers import match_header

_NOTED_REPEATS = 20
_MEASURED_COLUMNS, _TESTED_COLUMNS = 3, 2
"""Columns with the longest names, whose cells are measured, and first columns, whose cells are compared."""
_NAMED_COLUMNS = 100
"""Columns in which the names of another table are searched."""
_ROWS_BEFORE = 20
"""Rows above a blank line that show what the cells of a column look like."""
_TESTED_GAPS = 1_000
"""Rows below blank lines that are looked at in one batch."""
_TESTED_WORDS = 200
_DIGIT = re.compile(r"\d")
_SPELT_LETTERS = 16
_AGAIN, _OTHER, _TITLE = "header again", "other header", "title"
Row = tuple[Any, ...]


@cache
def _lower_words() -> pl.Series:
    """Not a constant: it would start the threads of Polars at import, and a process that forks must not have them."""
    return pl.Series(sorted(HEADER_WORDS), dtype=pl.String)


class TableBounds:
    """Applied to all batches of one table, in order.

    Args:
        header: the cells of the header as sent.
        delimiter: joins the cells of a dropped line in the report.
    """

    def __init__(self, header: Sequence[str], contract: Contract, delimiter: str, notes: ReadNotes) -> None:
        self._delimiter, self._notes = delimiter, notes
        names = {fold(cell): fold(cell) for cell in header if fold(cell)}
        names |= contract.known_headers
        self._names = names
        self._own = [names.get(fold(cell)) for cell in header]
        self._named = sum(name is not None for name in self._own)
        self._cells = [str(place) for place in range(len(header))]
        self._filters = self._tests(header, contract)
        positions = match_header(header, contract).positions
        # Without a known cell a row breaks the rule of a required column anyway.
        required = any(column.required for column in contract.file_columns)
        self._known = [] if required else [str(place) for place in positions.values()]
        self._outside = False
        self._before: list[Row] = []
        self._blank_lines = 0
        self._next_line = 0

    def _tests(self, header: Sequence[str], contract: Contract) -> list[pl.Expr]:
        """Tests that every row of names passes, from the cheapest to the strictest, which few rows reach.

        The first one lets rows pass that begin with a header word, too.
        """
        places = [place for place, name in enumerate(self._own) if name is not None]
        longest = sorted(places, key=lambda place: -len(fold(header[place])))[:_MEASURED_COLUMNS]
        fits = pl.all_horizontal(_length_fits(place, header[place]) for place in longest).fill_null(value=True)
        aliases = [alias for column in contract.file_columns for alias in column.header_names]
        written = pl.Series(written_forms([*header[:_NAMED_COLUMNS], *aliases]), dtype=pl.String)
        forms, words = written.implode(), pl.concat([written, _lower_words()]).implode()
        known = [pl.col(name).is_in(forms) for name in self._cells[:_NAMED_COLUMNS]]
        damaged = pl.col(DAMAGE).is_not_null()
        first, *second = (pl.col(str(place)) for place in places[:_TESTED_COLUMNS])
        likely = pl.any_horizontal(fits, first.is_in(words), *(cell.is_in(forms) for cell in second), damaged)
        starts = pl.any_horizontal(cell.is_in(forms) for cell in (first, *second))
        named = starts.fill_null(value=False) | damaged
        spelt = [pl.col(str(place)).str.contains(_spelling(header[place])) for place in longest]
        own = pl.all_horizontal(spelt).fill_null(value=True) & pl.any_horizontal(spelt).fill_null(value=False)
        return [likely, fits | named, own | named, own | (pl.sum_horizontal(known) >= min(2, len(places)))]

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The batch without repeated headers; rows of other tables are damaged."""
        if not frame.height:
            return frame
        likely = frame.select(self._filters[0]).to_series().arg_true()
        marks = dict(self._rows_of_words(frame, likely)) if len(likely) else {}
        marks |= dict(self._after_blank_lines(frame))
        marks |= dict(self._rows_of_names(frame, likely)) if len(likely) else {}
        self._before = [*self._before, *frame.tail(_ROWS_BEFORE).select(self._cells).rows()][-_ROWS_BEFORE:]
        if marks or self._outside:
            frame = self._with_marks(frame, marks)
        return self._without_known_cell(frame)

    def _rows_of_names(self, frame: pl.DataFrame, places: pl.Series) -> Iterator[tuple[int, str]]:
        frame = frame[places]
        for test in self._filters[1:]:
            found = frame.select(test).to_series().arg_true()
            if not len(found):
                return
            frame, places = frame[found], places[found]
        for place, row in zip(places, frame.select(OVERFLOW, DAMAGE, *self._cells).rows(), strict=True):
            overflow, damage, *cells = row
            if kind := self._kind(cells, overflow, damaged=damage is not None):
                yield place, kind

    def _rows_of_words(self, frame: pl.DataFrame, places: pl.Series) -> Iterator[tuple[int, str]]:
        """Headers of other tables without a name of this one: rows of header words, unlike the rows above."""
        first = next(str(place) for place, name in enumerate(self._own) if name is not None)
        found = frame[first][places].is_in(_lower_words().implode()).fill_null(value=False)
        for place in places.filter(found)[:_TESTED_WORDS]:
            around = frame[max(0, place - _ROWS_BEFORE) : place + 2].select(*self._cells, OVERFLOW).rows()
            at = min(place, _ROWS_BEFORE)
            before = [row[:-1] for row in around[:at]] or self._before
            texts = _texts(around[at], self._delimiter)
            titled = at > 0 and len(_texts(before[-1])) == 1 and len(before) > 1 and len(_texts(before[-2])) > 1
            before = before[:-1] if titled else before
            if len(before) > 1 and _is_other_header(around[at], texts, before, self._names, around[at + 1 :]):
                yield place - titled, _OTHER

    def _kind(self, cells: Sequence[str | None], overflow: str | None, *, damaged: bool) -> str | None:
        """Whether a row repeats the header or is that of another table; None for other rows."""
        found = [self._names.get(fold(cell)) if cell else None for cell in cells]
        texts = [cell for cell in (*cells, *(overflow or "").split(self._delimiter)) if cell and cell.strip()]
        own = sum(name is not None and name == mine for name, mine in zip(found, self._own, strict=True))
        # Blanks around quotes damage a row; it repeats the header if every name is in its place.
        if own == len(texts) and own >= (self._named if damaged else min(2, self._named)):
            return _AGAIN
        known = len({self._names[name] for text in texts if (name := fold(text)) in self._names})
        if known >= 2 and known * 2 >= len(texts):
            return _OTHER
        words = sum(fold(text) in self._names or has_header_word(text) for text in texts)
        return _OTHER if known and words >= 3 and words * 4 >= len(texts) * 3 and are_names(texts) else None

    def _after_blank_lines(self, frame: pl.DataFrame) -> Iterator[tuple[int, str]]:
        """Titles and headers of another table below blank lines."""
        lines, blank_lines = frame[LINE], self._notes.blank_lines
        expected, self._next_line = self._next_line, lines[-1] + 1
        if blank_lines == self._blank_lines:
            return
        self._blank_lines = blank_lines
        gaps = pl.concat([pl.Series([0] * (0 < expected < lines[0]), dtype=pl.UInt32), (lines.diff() > 1).arg_true()])
        if len(gaps) > 2 and len(gaps) * 2 >= frame.height:
            # Such a file has blank lines between its rows.
            return
        filled = pl.sum_horizontal(pl.col(name).is_not_null() for name in self._cells) + pl.col(OVERFLOW).is_not_null()
        digits = pl.any_horizontal(pl.col(name).str.contains("[0-9]") for name in self._cells[:_NAMED_COLUMNS])
        found = frame[gaps].select((filled == 1) | ~digits.fill_null(value=False)).to_series().arg_true()
        yield from self._titles(frame, gaps[found[:_TESTED_GAPS]].to_list())

    def _titles(self, frame: pl.DataFrame, gaps: Sequence[int]) -> Iterator[tuple[int, str]]:
        for gap in gaps:
            around = frame[max(0, gap - _ROWS_BEFORE) : gap + 3].select(*self._cells, OVERFLOW).rows()
            at = min(gap, _ROWS_BEFORE)
            before = [row[:-1] for row in around[:at]] or self._before
            if not before or (gap and frame[LINE][gap] - frame[LINE][gap - 1] == 1 + _line_breaks(before[-1])):
                continue
            below = [_texts(row, self._delimiter) for row in around[at:]]
            titled = len(below[0]) == 1 and all(len(_texts(row)) > 1 for row in before)
            if titled:
                yield gap, _TITLE
            row, texts = around[at + titled : at + titled + 1], below[titled : titled + 1]
            after = around[at + titled + 1 : at + titled + 2]
            if row and _is_other_header(row[0], texts[0], before, self._names, after, titled=titled, apart=True):
                yield gap, _OTHER

    def _with_marks(self, frame: pl.DataFrame, marks: dict[int, str]) -> pl.DataFrame:
        outside = np.full(frame.height, self._outside)
        for place, kind in sorted(marks.items()):
            if kind == _TITLE:
                outside[place] = True
            else:
                self._outside = kind == _OTHER
                outside[place:] = self._outside
        frame = self._mark(frame, pl.Series(outside), OUTSIDE)
        again = pl.Series([place for place, kind in marks.items() if kind == _AGAIN], dtype=pl.UInt32).sort()
        if not len(again):
            return frame
        room = max(0, _NOTED_REPEATS - self._notes.repeated_headers)
        for line, *cells in frame[again[:room]].select(LINE, *self._cells).rows():
            text = self._delimiter.join(cell or "" for cell in cells)
            self._notes.dropped.append(DroppedLine(line, _AGAIN, text))
        self._notes.repeated_headers += len(again)
        return frame.filter(~pl.int_range(frame.height, dtype=pl.UInt32).is_in(again.implode()))

    def _without_known_cell(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows with text only in columns that the contract does not have are damaged."""
        if not self._known or not all(frame[name].null_count() for name in self._known):
            return frame
        nothing = frame.select(pl.all_horizontal(pl.col(name).is_null() for name in self._known)).to_series()
        return self._mark(frame, nothing, NO_KNOWN_CELL)

    def _mark(self, frame: pl.DataFrame, rows: pl.Series, reason: str) -> pl.DataFrame:
        """The frame with a reason in these rows, except those that are damaged already."""
        if not rows.any():
            return frame
        before, outside = frame[DAMAGE].null_count(), reason == OUTSIDE
        there = pl.when(rows if outside else rows & frame[DAMAGE].is_null()).then(pl.lit(reason)).otherwise(DAMAGE)
        frame = frame.with_columns(there.alias(DAMAGE))
        if not outside:
            self._notes.ragged_rows += before - frame[DAMAGE].null_count()
        return frame


def _length_fits(place: int, name: str) -> pl.Expr:
    """Whether a cell has about as many bytes as a name: blanks, punctuation and another normal form add some."""
    folded = fold(name)
    least = len(folded) if folded.isascii() else len(folded) // 2
    return pl.col(str(place)).str.len_bytes().is_between(least, 3 * len(name.encode()) + 12)


def _spelling(name: str) -> str:
    """A pattern that finds a name however it is written: any case, with or without blanks and punctuation."""
    letters = (letter if letter.isascii() else ".{1,4}" for letter in fold(name)[:_SPELT_LETTERS])
    return "(?i)^[^a-z0-9]*" + "[^a-z0-9]*".join(letters)


def _texts(row: Row, delimiter: str | None = None) -> list[str]:
    """The cells that are not blank; with a delimiter, the last cell holds the overflow of the row."""
    cells = row if delimiter is None else (*row[:-1], *(row[-1] or "").split(delimiter))
    return [cell for cell in cells if cell and cell.strip()]


def _line_breaks(row: Row) -> int:
    return sum(max(cell.count("\n"), cell.count("\r")) for cell in row if cell)


def _is_other_header(
    row: Row,
    texts: Sequence[str],
    before: Sequence[Row],
    names: dict[str, str],
    after: Sequence[Row],
    *,
    titled: bool = False,
    apart: bool = False,
) -> bool:
    """Whether a row names other columns: its cells are names, and unlike the cells above.

    Args:
        before, after: rows above it, and the one below it.
        titled, apart: a title, or a blank line, is above it.
    """
    if len(texts) < 2 or not are_names(texts):
        return False
    words = sum(fold(text) in names or has_header_word(text) for text in texts)
    numbered = [place for place in range(len(before[0])) if _has_numbers([above[place] for above in before])]
    cells = [row[place] for place in numbered if row[place]]
    unlike = sum(not _DIGIT.search(cell) for cell in cells)
    if unlike < len(cells):
        return False
    if not unlike:
        return words > 1 and words * 4 >= len(texts) * (2 if titled else 3)
    foreign = apart and bool(after) and all(_is_foreign(place, before, after[0]) for place in numbered)
    worded = words > 0 and (unlike > 1 or (apart and len(texts) > 2))
    return titled or foreign or worded or words * 2 >= len(texts)


def _is_foreign(place: int, before: Sequence[Row], row: Row) -> bool:
    """Whether the cell of a row has another pattern of letters and digits than all cells above."""
    return _pattern(row[place]) not in {_pattern(above[place]) for above in before}


def _pattern(cell: str | None) -> str:
    return re.sub(r"(.)\1+", r"\1", shape(cell or ""))


def _has_numbers(column: Sequence[str | None]) -> bool:
    """Whether all cells of a column have digits, and most are filled."""
    filled = [text for text in column if text]
    return len(filled) * 2 > len(column) and all(map(_DIGIT.search, filled))
