"""Invisible characters of cells, and signs of a lost letter. Frames of text in, frames out; no files.

Invisible characters are removed, blanks of every kind become plain ones, and accents are composed (NFC), all with a
note. So one text has one form, and two keys that look alike are one. Control and replacement characters are damage of
their row, because what they stood for is lost.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from etl_platform.engine.columns import DAMAGE, LINE
from etl_platform.engine.reading.characters.character_notes import CharacterNotes
from etl_platform.engine.reading.characters.double_encoding import MAYBE_DOUBLE_ENCODED, decode_again
from etl_platform.engine.reading.characters.unusual_characters import BLANKS, INVISIBLES, LOST_BY, has_unusual

INVISIBLE, BLANK, ACCENT, DOUBLE_ENCODED = "invisible", "blank", "accent", "double_encoded"
"""Kinds of changed cells in a note."""


def clean_cells(frame: pl.DataFrame, names: Sequence[str], read: frozenset[int], notes: CharacterNotes) -> pl.DataFrame:
    """The frame with clean cells and the damage of its rows.

    Args:
        names: of the columns, by position.
        read: positions of the columns in which lost characters are damage.
    """
    damage: list[pl.Expr] = []
    cleaned: list[pl.Series] = []
    for position, name in enumerate(names):
        cells = frame[str(position)]
        if not has_unusual((cells.str.join("").item() or "").encode()):
            continue
        cells = _clean(cells, frame[LINE], name, notes)
        cleaned.append(cells)
        if position in read:
            damage.append(_lost(cells.name))
    if not cleaned:
        return frame
    return frame.with_columns(*cleaned).with_columns(pl.coalesce(DAMAGE, *damage).alias(DAMAGE))


def lost_characters(columns: Sequence[str]) -> pl.Expr:
    """The damage of rows in which a cell of these columns has a lost character; else null."""
    return pl.coalesce(_lost(column) for column in columns)


def lost_cell(names: Sequence[str]) -> tuple[pl.Expr, pl.Expr]:
    """Name and text of a row's first cell with a lost character; null without one."""
    cells = {name: pl.when(_lost(str(position)).is_not_null()) for position, name in enumerate(names)}
    found = pl.coalesce(cell.then(pl.lit(name)) for name, cell in cells.items())
    text = pl.coalesce(cell.then(pl.col(str(position))) for position, cell in enumerate(cells.values()))
    return found.alias("lost_in"), text.alias("lost_text")


def _lost(column: str) -> pl.Expr:
    return pl.coalesce(pl.when(pl.col(column).str.contains(what)).then(pl.lit(why)) for why, what in LOST_BY.items())


def _clean(cells: pl.Series, lines: pl.Series, name: str, notes: CharacterNotes) -> pl.Series:
    for what, changed in _steps(cells):
        places = (changed != cells).fill_null(value=False).arg_true()
        if len(places):
            notes.add_cleaned(what, name, len(places), lines[int(places[0])])
            cells = changed
    return cells.replace("", None)


def _steps(cells: pl.Series) -> Iterator[tuple[str, pl.Series]]:
    """Each kind of change, and the cells after it."""
    yield DOUBLE_ENCODED, (cells := _decode_again(cells))
    yield INVISIBLE, (cells := cells.str.replace_all(INVISIBLES, ""))
    yield BLANK, (cells := cells.str.replace_all(BLANKS, " "))
    yield ACCENT, cells.str.normalize("NFC")


def _decode_again(cells: pl.Series) -> pl.Series:
    places = cells.str.contains(MAYBE_DOUBLE_ENCODED).arg_true()
    # Series.scatter writes in place.
    return cells.clone().scatter(places, list(map(decode_again, cells.gather(places)))) if len(places) else cells
