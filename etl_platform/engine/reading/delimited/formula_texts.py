"""Cells that write a text as a formula, ``="00123"``, so that Excel keeps its zeros. Frames of text in, frames out.

Other formulas stay as they are: only a spreadsheet can calculate them.
"""

from collections.abc import Sequence

import polars as pl

from etl_platform.engine.columns import LINE
from etl_platform.engine.reading.read_notes import ReadNotes

FORMULA_TEXT = "formula_text"
"""The kind of changed cells in a note."""
_START = '="'
_WHOLE = r'^\s*="((?:[^"]|"")*)"\s*$'


def has_formula_texts(text: bytes) -> bool:
    # Few files have an equals sign, and one letter is found ten times faster than two.
    return b"=" in text and _START.encode() in text


def read_formula_texts(frame: pl.DataFrame, names: Sequence[str], notes: ReadNotes) -> pl.DataFrame:
    """The frame with the texts that such cells show."""
    changed: list[pl.Series] = []
    for position, name in enumerate(names):
        cells = frame[str(position)]
        places = cells.str.contains(_WHOLE).fill_null(value=False)
        if places.any():
            inner = cells.str.extract(_WHOLE).str.replace_all('""', '"', literal=True).replace("", None)
            changed.append(inner.zip_with(places, cells))
            notes.add_cleaned(FORMULA_TEXT, name, int(places.sum()), frame[LINE][int(places.arg_true()[0])])
    return frame.with_columns(changed)
