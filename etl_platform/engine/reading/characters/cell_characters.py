"""Invisible characters of cells, and signs of a lost letter. Frames of text in, frames out; no files.

Invisible characters are removed, blanks of every kind become plain ones, and accents are composed (NFC), all with a
note. So one text has one form, and two keys that look alike are one. Control and replacement characters are damage of
their row, because what they stood for is lost.
"""

import re
from collections.abc import Iterator, Sequence
from unicodedata import is_normalized

import polars as pl

from etl_platform.engine.columns import BROKEN_CHARACTER, CONTROL_CHARACTER, DAMAGE, LINE
from etl_platform.engine.reading.characters.character_notes import CharacterNotes
from etl_platform.engine.reading.characters.double_encoding import MAYBE_DOUBLE_ENCODED, decode_again

INVISIBLE, BLANK, ACCENT, DOUBLE_ENCODED = "invisible", "blank", "accent", "double_encoded"
"""Kinds of changed cells in a note."""

_INVISIBLES = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffc\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Unicode's Default_Ignorable_Code_Point, and marks of annotations and embedded objects."""
_INVISIBLE = f"[{_INVISIBLES}]"
_BLANK = "[\v\f\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u2800\u3000]"
_CONTROL = "[\0-\x08\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]"
_BROKEN = "\ufffd"
_COMBINING = "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_UNUSUAL = re.compile("|".join((_INVISIBLE, _BLANK, _CONTROL, _BROKEN, _COMBINING, MAYBE_DOUBLE_ENCODED)))
_PLAIN_BYTES = bytes(range(32, 127)) + b"\t\r\n"
_DAMAGE = {CONTROL_CHARACTER: _CONTROL, BROKEN_CHARACTER: _BROKEN}
LOST = frozenset(_DAMAGE)
"""Reasons of rows in which a character is lost."""


def has_unusual(text: bytes) -> bool:
    """Whether a text in UTF-8 may have characters that ``clean_cells`` changes; one fast pass for plain ASCII."""
    rest = text.translate(None, _PLAIN_BYTES)
    if not rest:
        return False
    characters = rest.decode("utf-8", "replace")
    return _UNUSUAL.search(characters) is not None or not is_normalized("NFC", characters)


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


def clean_text(text: str) -> str:
    """A text as a cell with it would be after ``clean_cells``."""
    if not has_unusual(text.encode("utf-8", "surrogatepass")):
        return text
    *_, (_, cleaned) = _steps(pl.Series([text]))
    return str(cleaned.item())


def has_lost(text: str) -> bool:
    """Whether a cell with this text would be damage of its row."""
    return any(re.search(what, text) for what in _DAMAGE.values())


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
    return pl.coalesce(pl.when(pl.col(column).str.contains(what)).then(pl.lit(why)) for why, what in _DAMAGE.items())


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
    yield INVISIBLE, (cells := cells.str.replace_all(_INVISIBLE, ""))
    yield BLANK, (cells := cells.str.replace_all(_BLANK, " "))
    yield ACCENT, cells.str.normalize("NFC")


def _decode_again(cells: pl.Series) -> pl.Series:
    places = cells.str.contains(MAYBE_DOUBLE_ENCODED).arg_true()
    # Series.scatter writes in place.
    return cells.clone().scatter(places, list(map(decode_again, cells.gather(places)))) if len(places) else cells
