"""A table with some of its cells corrected. The corrections themselves are in ``corrections``."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import polars as pl

from etl_platform.engine.columns import BROKEN_CHARACTER, CONTROL_CHARACTER, DAMAGE, LINE, MEMBER, OVERFLOW
from etl_platform.engine.corrections import Corrections
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.file_dialect import FileDialect
from etl_platform.engine.reading.characters.cell_characters import lost_characters
from etl_platform.engine.reading.table import Table

_SET = "_set:"
"""Prefix of the columns that are joined to a batch: whether a cell is corrected, and its new text."""


class CorrectedTable:
    """The same table, in which corrected cells replace the sent ones; a corrected row is damaged only by lost letters.

    Raises:
        UnreadableFileError: ``corrections_misplaced`` where a corrected line or column does not occur exactly once in
            the file as it is read today.
    """

    def __init__(self, table: Table, corrections: Corrections) -> None:
        self._table = table
        self.header, self.names = table.header, table.names
        self.serial_origin, self.members, self.is_small = table.serial_origin, table.members, table.is_small
        self._rows = len(corrections.rows)
        self._places = [MEMBER, LINE] if table.members else [LINE]
        self._cells = self._frame(corrections)

    def _frame(self, corrections: Corrections) -> pl.DataFrame:
        """One row for each corrected row: its place, the new texts by position, and which of them are set."""
        positions = {name: str(position) for position, name in enumerate(self.names)}
        wanted = {name for cells in corrections.rows.values() for name in cells}
        if unknown := sorted(wanted - set(positions)):
            raise _misplaced(f"the column {unknown[0]!r}, which the file does not have")
        columns: dict[str, pl.Series] = {
            MEMBER: pl.Series([member for member, _ in corrections.rows], dtype=pl.String),
            LINE: pl.Series([line for _, line in corrections.rows], dtype=pl.UInt32),
        }
        for name in sorted(wanted):
            rows = corrections.rows.values()
            columns[f"{_SET}{positions[name]}"] = pl.Series([name in cells for cells in rows], dtype=pl.Boolean)
            columns[f"{_SET}text:{positions[name]}"] = pl.Series([cells.get(name) for cells in rows], dtype=pl.String)
        return pl.DataFrame(columns).select(
            *self._places, pl.exclude(MEMBER, LINE), pl.lit(value=True).alias(f"{_SET}row")
        )

    def batches(self) -> Iterator[pl.DataFrame]:
        matched = 0
        for frame in self._table.batches():
            hits = frame[LINE].is_in(self._cells[LINE].implode()).any()
            corrected = self._correct(frame) if hits else None
            if corrected is None:
                yield frame
                continue
            matched += int(corrected[f"{_SET}row"].sum())
            yield corrected.select(frame.columns)
        if matched != self._rows:
            raise _misplaced(f"{self._rows:,} lines, of which the file has {matched:,}")

    def _correct(self, frame: pl.DataFrame) -> pl.DataFrame:
        joined = frame.join(self._cells, on=self._places, how="left", maintain_order="left")
        row = pl.col(f"{_SET}row").fill_null(value=False)
        cells = [
            pl.when(pl.col(name).fill_null(value=False))
            .then(pl.col(f"{_SET}text:{name.removeprefix(_SET)}"))
            .otherwise(pl.col(name.removeprefix(_SET)))
            .alias(name.removeprefix(_SET))
            for name in self._cells.columns
            if name.startswith(_SET) and name.removeprefix(_SET).isdigit()
        ]
        still_lost = lost_characters([name for name in frame.columns if name.isdigit()])
        return joined.with_columns(*cells).with_columns(
            pl.when(~row).then(pl.col(OVERFLOW)).alias(OVERFLOW),
            pl.when(~row)
            .then(pl.col(DAMAGE))
            .when(pl.col(DAMAGE).is_in((BROKEN_CHARACTER, CONTROL_CHARACTER)))
            .then(still_lost)
            .alias(DAMAGE),
        )

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        # The cheap reader has no line numbers, which the corrections need.
        return self.batches()

    def describe(self) -> FileDialect:
        return replace(self._table.describe(), corrected_rows=self._rows)


def _misplaced(what: str) -> UnreadableFileError:
    return UnreadableFileError(
        "corrections_misplaced",
        f"the corrections of this delivery name {what}; the contract or the reader has changed since; export the "
        "quarantine again and correct the new export",
    )
