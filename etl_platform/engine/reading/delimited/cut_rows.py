"""Rows that a stray line break cut in two: a line with one cell beside a row of the usual width. Frames, no files.

The line belongs to the last cell of the row above or to the first cell of the row below, and nothing shows which. So
both rows are damaged: one of them holds half a value that may pass every rule.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from etl_platform.engine.columns import CUT, DAMAGE, LINE, OVERFLOW, TOO_FEW
from etl_platform.engine.reading.tables.preamble_and_footer import is_footer

_REMARK = r"(?i)^\s*(?:#+\s|//|--+\s|[-=*\s]*page [0-9])"
"""Comments and page numbers: lines of their own, which no cell has lost."""


def mark_cut_rows(frame: pl.DataFrame, above: pl.DataFrame | None, below: pl.DataFrame | None) -> pl.DataFrame:
    """The frame with the neighbours of one-cell lines damaged.

    Args:
        above: the ``last_row`` of the batch before it.
        below: the batch after it.
    """
    around = [frame] if below is None else [frame, below.head(1)]
    if above is not None:
        around.insert(0, above)
    if not any((part[DAMAGE] == TOO_FEW).any() for part in around):
        return frame
    rows = pl.concat(around)
    pieces = _one_cell_lines(rows)
    adjacent = np.diff(rows[LINE].to_numpy().astype(np.int64)) == 1
    cut = np.zeros(rows.height, np.bool_)
    cut[1:] |= pieces[:-1] & adjacent
    cut[:-1] |= pieces[1:] & adjacent
    start = 0 if above is None else 1
    marked = pl.Series(cut[start : start + frame.height]) & frame[DAMAGE].is_null()
    if not marked.any():
        return frame
    return frame.with_columns(pl.when(marked).then(pl.lit(CUT)).otherwise(DAMAGE).alias(DAMAGE))


def last_row(frame: pl.DataFrame) -> pl.DataFrame:
    """A copy of the last row, which does not keep the memory of the batch."""
    return pl.DataFrame(frame.tail(1).rows(), frame.schema, orient="row")


def _one_cell_lines(rows: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows are short and have text in their first cell only, unless it is a remark or a footer."""
    first, *others = (name for name in rows.columns if name.isdigit())
    alone = pl.all_horizontal(pl.col(name).is_null() for name in (*others, OVERFLOW))
    piece = pl.col(first).is_not_null() & ~pl.col(first).str.contains(_REMARK)
    found = rows.select((pl.col(DAMAGE) == TOO_FEW) & piece & alone).to_series().fill_null(value=False)
    width = len(others) + 1
    # Footers are left out only at the end of the file, which a batch does not know.
    footers = [place for place in found.arg_true() if is_footer([rows[first][place]], width, short=True)]
    return found.scatter(footers, values=False).to_numpy() if footers else found.to_numpy()
