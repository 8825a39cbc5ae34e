"""What the columns of a file hold: texts with their rows up to a limit, and empty cells. One pass, bounded memory."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from etl_platform.engine.columns import DAMAGE, TOO_FEW
from etl_platform.engine.contract.model import Column, ColumnType, fold
from etl_platform.engine.drafting.typed_texts import NO_CONTRACT
from etl_platform.engine.drafting.word_lists import ALWAYS_EMPTY, EMPTY_BESIDE_VALUES
from etl_platform.engine.errors import EtlPlatformError, UnreadableFileError
from etl_platform.engine.file_dialect import FileDialect
from etl_platform.engine.reading.open_table import open_table
from etl_platform.engine.reading.prefetch import prefetch
from etl_platform.engine.reading.table import Table

COUNTED_VALUES = 2_000
"""Up to so many distinct texts of a column are all kept, with their rows."""
_SAMPLED_VALUES = 10_000
_PER_BATCH = 500
_SIGNS = ALWAYS_EMPTY | EMPTY_BESIDE_VALUES


class DraftError(EtlPlatformError):
    """No contract can be drafted from these files; the message names the file and what to do."""


@dataclass
class ColumnSample:
    """The cells of one column of one file, without blanks around them.

    Attributes:
        empty: rows whose cell is empty or blank.
        counts: rows of each text; all texts of the column if ``complete``, else some from each part of the file, and
            all that may mean empty.
        differs: whether another column of the same name holds something else.
    """

    header: str
    position: int
    rows: int = 0
    empty: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    complete: bool = True
    differs: bool = False

    @property
    def filled(self) -> int:
        return self.rows - self.empty

    def update(self, cells: pl.Series) -> None:
        texts = cells.str.strip_chars()
        texts = texts.filter(texts != "")
        self.rows += len(cells)
        self.empty += len(cells) - len(texts)
        if self.complete:
            self.counts.update(_counted(texts))
            if len(self.counts) > COUNTED_VALUES:
                self.complete = False
                kept = {text: rows for text, rows in self.counts.items() if may_mean_empty(text)}
                self.counts = Counter(_spread(self.counts, COUNTED_VALUES) | kept)
            return
        empty = _may_mean_empty(texts)
        self.counts.update(_counted(texts.filter(empty)))
        if len(self.counts) < _SAMPLED_VALUES:
            self.counts.update(texts.filter(~empty).gather_every(max(1, len(texts) // _PER_BATCH)).to_list())


def may_mean_empty(text: str) -> bool:
    """Whether a text is a known sign for an empty cell, or has no letter and no digit."""
    return text.upper() in _SIGNS or not any(map(str.isalnum, text))


def _may_mean_empty(texts: pl.Series) -> pl.Series:
    return texts.str.to_uppercase().is_in(list(_SIGNS)) | ~texts.str.contains(r"[\p{L}\p{N}]")


def _counted(texts: pl.Series) -> dict[str, int]:
    counted = texts.value_counts()
    return dict(zip(counted[:, 0].to_list(), counted[:, 1].to_list(), strict=True))


@dataclass(frozen=True)
class FileSample:
    """One file: the name by which comments call it, its rows, and its columns in order."""

    path: Path
    label: str
    rows: int
    columns: tuple[ColumnSample, ...]
    dialect: FileDialect


def sample_file(path: Path, label: str) -> FileSample:
    """Read a file once.

    Raises:
        DraftError: it cannot be read, has no header or no rows.
        OSError: an error of the machine.
    """
    try:
        table = open_table(path, None)
        columns = [ColumnSample(header, position) for position, header in enumerate(table.header)]
        pairs = list(_of_one_name(columns))
        rows = 0
        for batch in prefetch(_with_bounds(path, table).batches()):
            rows += batch.height
            whole = batch.filter(pl.col(DAMAGE).is_null() | (pl.col(DAMAGE) == TOO_FEW))
            for column in columns:
                column.update(whole[str(column.position)])
            for one, other in pairs:
                if not other.differs and whole[str(one.position)].ne_missing(whole[str(other.position)]).any():
                    one.differs = other.differs = True
    except UnreadableFileError as error:
        raise DraftError(f"{path}: {error}") from error
    dialect = table.describe()
    _refuse_unusable(path, table, dialect, rows)
    return FileSample(path, label, rows, tuple(columns), dialect)


def _with_bounds(path: Path, table: Table) -> Table:
    """The table read as by a contract with its columns: without repeated headers, second tables marked as damage."""
    names = {fold(header): header for header in table.header if fold(header)}
    columns = tuple(Column(name, ColumnType.STRING, 1, classification="internal") for name in names.values())
    if not columns:
        return table
    try:
        bounded = open_table(path, replace(NO_CONTRACT, columns=columns))
    except UnreadableFileError:
        # The check of the draft has the same error, with the columns of the draft.
        return table
    return bounded if list(bounded.header) == list(table.header) else table


def _of_one_name(columns: list[ColumnSample]) -> Iterator[tuple[ColumnSample, ColumnSample]]:
    first: dict[str, ColumnSample] = {}
    for column in columns:
        if (other := first.setdefault(column.header, column)) is not column:
            yield other, column


def _refuse_unusable(path: Path, table: Table, dialect: FileDialect, rows: int) -> None:
    if dialect.header_remark:
        raise DraftError(
            f"{path}: line {dialect.header_line} looks like data, not like a header; "
            "add a line with the names of the columns, or write the contract by hand with header: none"
        )
    if not any(fold(header) for header in table.header):
        raise DraftError(f"{path}: the header has no names; name the columns in it")
    if not rows:
        raise DraftError(f"{path}: the file has a header and no rows; draft from a file with rows")


def _spread(counts: Counter[str], most: int) -> dict[str, int]:
    return dict(list(counts.items())[:: -(-len(counts) // most)])
