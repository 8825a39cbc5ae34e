"""Pairs the columns that a file lacks with those that its contract does not know, by name and by content."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.table import Table
from etl_platform.engine.reading.tables.headers import HeaderMatch
from etl_platform.engine.renames.name_words import name_score
from etl_platform.engine.renames.pairs import LEAST_LEAD, LEAST_SCORE, Pair, decided_pairs
from etl_platform.engine.result import Rename
from etl_platform.engine.rules.compile_contract import compile_contract

_SAMPLED_ROWS = 2_000
_MOST_PAIRS = 400
"""A file of another dataset lacks all columns; its pairs would say nothing."""
_LEAST_FIT = 0.95
_LEAST_LIKENESS = 0.4
_NAME, _CONTENT = 0.65, 0.35
_EVIDENCE = {
    **dict.fromkeys((ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.TIME, ColumnType.BOOLEAN), 0.8),
    **dict.fromkeys((ColumnType.INTEGER, ColumnType.NUMBER), 0.6),
    ColumnType.STRING: 0.4,
}
"""How much it says that all texts of a new column are of a type, from 0 to 1."""
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
    likely = [found for column in missing for place in new if (found := _likely(column, place, new[place], contract))]
    if not likely:
        return ()
    cells = _first_rows(table, sorted({found.position for found in likely}))
    pairs = (_scored(found, _fit(found, cells, table, contract)) for found in likely)
    return tuple(Rename(pair.other, pair.one, pair.score, pair.reason) for pair in decided_pairs(pairs))


@dataclass(frozen=True)
class _Likely:
    """A pair that can reach the least score by its names: ``name`` of the contract is ``likeness`` like the header."""

    column: Column
    position: int
    header: str
    name: str
    likeness: float


def _likely(column: Column, position: int, header: str, contract: Contract) -> _Likely | None:
    likeness, name = max((name_score(name, header, contract.dataset), name) for name in column.header_names)
    if likeness < _LEAST_LIKENESS or _NAME * likeness + _CONTENT * _evidence(column) < LEAST_SCORE - LEAST_LEAD:
        return None
    return _Likely(column, position, header, name, likeness)


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
