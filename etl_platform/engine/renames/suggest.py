"""Pairs the columns that a file lacks with those that its contract does not know, by name and by content."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from etl_platform.engine.column_words import words
from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.matched_columns import Rename
from etl_platform.engine.reading.table import Table
from etl_platform.engine.reading.tables.headers import HeaderMatch
from etl_platform.engine.renames.meanings import KINDS
from etl_platform.engine.renames.name_words import meanings, name_score, roles
from etl_platform.engine.renames.pairs import LEAST_LEAD, LEAST_SCORE, Pair, decided_pairs
from etl_platform.engine.rules.compile_contract import compile_contract

_SAMPLED_ROWS = 2_000
_MOST_PAIRS = 1_000
"""A wide file of another dataset lacks all columns; its pairs would say nothing."""
_LEAST_SHARED = 3
"""So many names with a word make it one of what all columns are about."""
_LEAST_FIT = 0.95
_LEAST_LIKENESS, _LEAST_OF_CLOSED = 0.7, 0.5
"""How alike names must be; less where the values prove more."""
_NAME, _CONTENT = 0.65, 0.35
_EVIDENCE = {
    **dict.fromkeys((ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.TIME, ColumnType.BOOLEAN), 0.8),
    **dict.fromkeys((ColumnType.INTEGER, ColumnType.NUMBER), 0.6),
    ColumnType.STRING: 0.4,
}
"""How much it says that all texts of a new column are of a type, from 0 to 1."""
_MOMENTS = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.TIME})
_MOMENT_WORDS = frozenset({"date", "time"})
_ANYBODY = roles("officer")
"""Whom a column may be about whose names do not say it."""
_IGNORED = (".required", ".unique")


def suggest_renames(table: Table, match: HeaderMatch, contract: Contract) -> tuple[Rename, ...]:
    """The columns of the contract that the file probably has under another name, best first.

    Reads the first rows of the file if it lacks columns, and the names of unknown ones are like theirs.
    """
    missing = [contract.column(name) for name in match.missing]
    known = {*match.positions.values(), *(place for places in match.duplicates.values() for place in places)}
    new = {place: cell for place, cell in enumerate(table.header) if place not in known and cell.strip()}
    if len(missing) * len(new) > _MOST_PAIRS:
        return ()
    subject = " ".join((contract.dataset, *_shared_words(contract), *_prefix(table.header)))
    pairs = (
        (column, place) for column in missing for place in new if _may_be_one(column, new[place], contract.dataset)
    )
    likely = [found for column, place in pairs if (found := _likely(column, place, new[place], subject))]
    if not likely:
        return ()
    cells = _first_rows(table, sorted({found.position for found in likely}))
    scored = (_scored(found, _fit(found, cells, table, contract)) for found in likely)
    return tuple(Rename(pair.other, pair.one, pair.score, pair.reason) for pair in decided_pairs(scored))


@dataclass(frozen=True)
class _Likely:
    """A pair that can reach the least score by its names: ``name`` of the contract is ``likeness`` like the header."""

    column: Column
    position: int
    header: str
    name: str
    likeness: float


def _prefix(header: Sequence[str]) -> list[str]:
    """The word with which at least half of the names start, such as that of a table."""
    first = Counter(found[0] for name in header if len(found := words(name)) > 1)
    return [word for word, times in first.items() if times >= max(_LEAST_SHARED, len(header) / 2)]


def _shared_words(contract: Contract) -> list[str]:
    """Words in the names of several columns: what the rows are about, not what one column is."""
    names = Counter(
        word
        for column in contract.file_columns
        for word in {word for name in column.header_names for word in meanings(name)}
    )
    return [word for word, times in names.items() if times >= _LEAST_SHARED and word not in KINDS]


def _likely(column: Column, position: int, header: str, subject: str) -> _Likely | None:
    likeness, name = max((name_score(name, header, subject), name) for name in column.header_names)
    least = _LEAST_OF_CLOSED if _is_closed(column) else _LEAST_LIKENESS
    if likeness < least or _NAME * likeness + _CONTENT * _evidence(column) < LEAST_SCORE - LEAST_LEAD:
        return None
    return _Likely(column, position, header, name, likeness)


def _may_be_one(column: Column, header: str, dataset: str) -> bool:
    """Whether the header says nothing that the column is not: the role of another person, or a day or time."""
    own = roles(*column.header_names)
    others = roles(header) - own - roles(dataset)
    if others and (own or others != _ANYBODY):
        return False
    said = {word for name in column.header_names for word in meanings(name)}
    return column.type in _MOMENTS or _MOMENT_WORDS.isdisjoint(set(meanings(header)) - said)


def _first_rows(table: Table, positions: Sequence[int]) -> pl.DataFrame | None:
    try:
        cells = next(iter(table.some_columns(positions)), None)
    except UnreadableFileError:
        # The pass over all rows reports it; names alone are compared.
        return None
    return None if cells is None else cells.head(_SAMPLED_ROWS)


def _scored(pair: _Likely, fit: float | None) -> Pair:
    by_name = f"the name is like {pair.name} ({pair.likeness:.0%})"
    if fit is None:
        return Pair(pair.column.name, pair.header, round(_NAME * pair.likeness, 2), f"{by_name}, without values")
    score = _NAME * pair.likeness + _CONTENT * _evidence(pair.column) * fit if fit >= _LEAST_FIT else 0.0
    reason = f"{by_name}, {fit:.0%} of its values keep the rules of the column"
    return Pair(pair.column.name, pair.header, round(score, 2), reason)


def _is_closed(column: Column) -> bool:
    """Whether few texts can be values of the column, so that those of another one would break its rules."""
    return bool(column.allowed or column.lookup)


def _evidence(column: Column) -> float:
    if column.allowed or column.lookup:
        return 1.0
    return 0.8 if column.pattern else _EVIDENCE[column.type]


def _fit(pair: _Likely, cells: pl.DataFrame | None, table: Table, contract: Contract) -> float | None:
    """The share of the filled cells that keep the rules of the column; None if none is filled."""
    if cells is None:
        return None
    column = replace(pair.column, not_future=False)
    alone = replace(contract, columns=(column,), primary_key=(), row_rules=(), dataset_rules=(), hook=None)
    compiled = compile_contract(alone, {column.name: pair.position}, serial_origin=table.serial_origin)
    flags = [flag for flag in compiled.flags if not flag.meta.output_name().endswith(_IGNORED)]
    checked = cells.select(compiled.texts).with_columns(compiled.typed).with_columns(flags)
    filled = checked.filter(pl.col(f"text:{column.name}").is_not_null())
    if not filled.height:
        return None
    broken = pl.any_horizontal([pl.lit(value=False), *(flag.meta.output_name() for flag in flags)])
    return 1 - float(filled.select(broken.sum()).item()) / filled.height
