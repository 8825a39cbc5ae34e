"""Quarantine files: exported for people, read back with corrections, compared. No decisions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

import polars as pl

from etl_platform.engine.columns import DAMAGE, DELIVERY, LINE, MEMBER, OVERFLOW, REASONS, RESERVED
from etl_platform.engine.corrections import Cells, ChangedRow, GivenRow, Place, RowChanges, read_given
from etl_platform.engine.errors import UnreadableFileError, UsageError
from etl_platform.engine.output.formula_guard import guarded, unguarded
from etl_platform.engine.output.parquet import row_group_rows
from etl_platform.engine.reading.open_table import open_table

MAX_LINES = 1_000
"""Changed lines that are listed; further ones are only counted."""


def export_csv(parts: Mapping[str, Path], out: Path) -> int:
    """Write the quarantined rows of deliveries as one CSV for a spreadsheet.

    A cell that a spreadsheet would run as a formula gets a leading ``'``, which ``read_corrections`` removes.

    Args:
        parts: quarantine files by delivery id; with ``""`` the CSV has no column for it. All have the same columns.

    Returns:
        The number of rows.
    """
    written = 0
    with out.open("wb") as file:
        for _, frame in export_frames(parts):
            # With a byte order mark Excel reads the file as UTF-8.
            frame.write_csv(file, include_header=not written, include_bom=not written)
            written += frame.height
    return written


def export_frames(parts: Mapping[str, Path]) -> Iterator[tuple[str, pl.DataFrame]]:
    """The quarantined rows as people get them, in groups, each with the delivery id; see ``export_csv``."""
    for name, path in parts.items():
        plan = pl.scan_parquet(path)
        columns = plan.collect_schema().names()
        cells = [column for column in columns if column not in RESERVED]
        first = [pl.lit(name).alias(DELIVERY)] if name else []
        first += [pl.col(column) for column in (MEMBER, LINE) if column in columns]
        texts = [guarded(pl.col(column)) for column in (*cells, OVERFLOW)]
        header = dict(zip(cells, guarded_names(cells), strict=True))
        plan = plan.select(*first, *texts, REASONS).rename(header)
        # Groups of rows, because Polars' CSV sink reads far ahead of what it has written.
        for frame in _groups(plan, row_group_rows(len(columns))):
            yield name, frame


def _groups(plan: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    for start in count(0, rows):
        frame = plan.slice(start, rows).collect()
        if frame.height:
            yield frame
        if frame.height < rows:
            return


def guarded_names(names: Sequence[str]) -> list[str]:
    """The names of columns as an export has them."""
    return _map_names(names, guarded)


def read_corrections(path: Path) -> list[GivenRow]:
    """The rows of a corrections file: .xlsx, or CSV with any delimiter and encoding.

    Raises:
        UsageError: it cannot be read, or is not a corrections file.
    """
    try:
        table = open_table(path, None)
        header = _map_names(table.header, unguarded)
        return read_given(header, (row for frame in table.batches() for row in _texts(frame, len(header))))
    except UnreadableFileError as error:
        raise UsageError(f"the corrections cannot be read: {error}") from None


def _texts(frame: pl.DataFrame, width: int) -> Iterator[tuple[int, Sequence[str | None]]]:
    cells = [str(position) for position in range(width)]
    frame = frame.with_columns(unguarded(pl.col(name)) for name in cells)
    for line, damage, *texts in frame.select(LINE, DAMAGE, *cells).iter_rows():
        if damage is not None:
            raise UsageError(
                f"line {line} of the corrections cannot be split into cells ({damage}); correct its cells and quotes"
            )
        yield line, texts


def _map_names(names: Sequence[str], change: Callable[[pl.Expr], pl.Expr]) -> list[str]:
    return pl.select(change(pl.lit(pl.Series(names, dtype=pl.String)))).to_series().to_list()


def quarantined_rows(path: Path, places: Sequence[Place]) -> dict[Place, tuple[Cells, str]]:
    """The rows of a quarantine file at these places, with their reasons."""
    wanted = set(places)
    lines = pl.Series([line for _, line in places], dtype=pl.UInt32)
    found = pl.scan_parquet(path).filter(pl.col(LINE).is_in(lines.implode())).collect()
    rows: dict[Place, tuple[Cells, str]] = {}
    for row in found.iter_rows(named=True):
        place = row.get(MEMBER), row[LINE]
        if place in wanted:
            rows[place] = {name: text for name, text in row.items() if name not in RESERVED}, row[REASONS]
    return rows


def row_changes(before: Path | None, after: Path | None) -> RowChanges:
    """Rows whose reasons differ in a later quarantine file; None is an empty file. Without values."""
    found = (
        _reasons(before, "before")
        .join(_reasons(after, "after"), on=[MEMBER, LINE], how="full", coalesce=True, nulls_equal=True)
        .filter(pl.col("before").ne_missing(pl.col("after")))
        .sort(MEMBER, LINE)
        .collect()
    )
    good, bad = found["after"].is_null(), found["before"].is_null()
    lines = found.head(MAX_LINES).select(MEMBER, LINE, "before", "after").rows()
    return RowChanges(
        now_good=int(good.sum()),
        now_bad=int(bad.sum()),
        other_reasons=int((~good & ~bad).sum()),
        lines=tuple(ChangedRow(*row) for row in lines),
    )


def _reasons(path: Path | None, name: str) -> pl.LazyFrame:
    schema = {MEMBER: pl.String, LINE: pl.UInt32, name: pl.String}
    if path is None:
        return pl.LazyFrame(schema=schema)
    plan = pl.scan_parquet(path)
    if MEMBER not in plan.collect_schema():
        plan = plan.with_columns(pl.lit(None, pl.String).alias(MEMBER))
    return plan.select(MEMBER, LINE, pl.col(REASONS).alias(name))
