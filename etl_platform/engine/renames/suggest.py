"""Pairs the columns that a file lacks with those that its contract does not know.

The name, the rules that the values keep, and what the previous files of the series held decide together.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from etl_platform.engine.column_words import words
from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.engine.drift.summary import ColumnSummary
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.matched_columns import Rename
from etl_platform.engine.profile import Profiler
from etl_platform.engine.reading.table import Table
from etl_platform.engine.reading.tables.headers import HeaderMatch
from etl_platform.engine.renames.last_file import LastSeen, Likeness, PreviousFiles, last_seen, likeness, no_files
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
_NAME_BESIDE_LAST, _LEAST_BESIDE_LAST = 0.45, 0.4
"""What a name counts, and how alike it must be, if the last file shows what the column held; codes need no name."""
_LIKE, _UNLIKE, _CONTRADICTED = 0.5, 0.3, 0.15
"""From which likeness to the last file on it counts, up to which it contradicts, and what a contradiction costs."""


def suggest_renames(
    table: Table, match: HeaderMatch, contract: Contract, previous: PreviousFiles = no_files
) -> tuple[Rename, ...]:
    """The columns of the contract that the file probably has under another name, best first.

    Reads the first rows of the file if it lacks columns, and unknown ones may be them.
    """
    missing = [contract.column(name) for name in match.missing]
    known = {*match.positions.values(), *(place for places in match.duplicates.values() for place in places)}
    new = {place: cell for place, cell in enumerate(table.header) if place not in known and cell.strip()}
    if not missing or not new or len(missing) * len(new) > _MOST_PAIRS:
        return ()
    seen = last_seen(previous())
    subject = " ".join((contract.dataset, *_shared_words(contract), *_prefix(table.header)))
    pairs = (
        (column, place, seen.get(column.name))
        for column in missing
        for place in new
        if _may_be_one(column, new[place], contract.dataset)
    )
    likely = [found for column, place, last in pairs if (found := _likely(column, place, new[place], subject, last))]
    if not likely:
        return ()
    cells = _first_rows(table, sorted({found.position for found in likely}))
    scored = (_scored(found, _content(found, cells, table, contract)) for found in likely)
    return tuple(Rename(pair.other, pair.one, pair.score, pair.reason) for pair in decided_pairs(scored))


@dataclass(frozen=True)
class _Likely:
    """A pair that can reach the least score: ``name`` of the contract is ``likeness`` like the header."""

    column: Column
    position: int
    header: str
    name: str
    likeness: float
    last: LastSeen | None
    is_like_by_name: bool


@dataclass(frozen=True)
class _Content:
    """The first rows of a new column as those of a missing one.

    Attributes:
        fit: the share of the filled cells that keep its rules; None if none is filled.
        like_last: how like they are to what it held in the last file.
    """

    fit: float | None = None
    like_last: Likeness | None = None


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


def _likely(column: Column, position: int, header: str, subject: str, last: LastSeen | None) -> _Likely | None:
    if last is not None and last.excludes(header):
        return None
    like, name = max((name_score(name, header, subject), name) for name in column.header_names)
    least = _LEAST_OF_CLOSED if _is_closed(column) else _LEAST_LIKENESS
    is_like = like >= least and _NAME * like + _CONTENT * _evidence(column) >= LEAST_SCORE - LEAST_LEAD
    may_be_like_last = last is not None and (bool(last.column.values) or like >= _LEAST_BESIDE_LAST)
    if not is_like and not may_be_like_last:
        return None
    return _Likely(column, position, header, name, like, last, is_like)


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


def _scored(pair: _Likely, content: _Content) -> Pair:
    by_name = _NAME * pair.likeness if pair.is_like_by_name else 0.0
    reason = f"the name is like {pair.name} ({pair.likeness:.0%})"
    if content.fit is None:
        return Pair(pair.column.name, pair.header, round(by_name, 2), f"{reason}, without values")
    reason += f", {content.fit:.0%} of its values keep the rules of the column"
    if content.fit < _LEAST_FIT:
        return Pair(pair.column.name, pair.header, 0.0, reason)
    score = by_name and by_name + _CONTENT * _evidence(pair.column) * content.fit
    if like := content.like_last:
        score = _beside_last(pair, score, like)
        reason += f", and {like.share:.0%} of them are as in the last file that had it"
    return Pair(pair.column.name, pair.header, round(score, 2), reason)


def _beside_last(pair: _Likely, score: float, like: Likeness) -> float:
    """The score by name and rules, changed by what the last file shows."""
    if like.share >= _LIKE:
        return max(score, _NAME_BESIDE_LAST * pair.likeness + like.strength * like.share)
    return score - _CONTRADICTED if like.share <= _UNLIKE else score


def _is_closed(column: Column) -> bool:
    """Whether few texts can be values of the column, so that those of another one would break its rules."""
    return bool(column.allowed or column.lookup)


def _evidence(column: Column) -> float:
    if column.allowed or column.lookup:
        return 1.0
    return 0.8 if column.pattern else _EVIDENCE[column.type]


def _content(pair: _Likely, cells: pl.DataFrame | None, table: Table, contract: Contract) -> _Content:
    if cells is None:
        return _Content()
    column = replace(pair.column, not_future=False)
    alone = replace(contract, columns=(column,), primary_key=(), row_rules=(), dataset_rules=(), hook=None)
    compiled = compile_contract(alone, {column.name: pair.position}, serial_origin=table.serial_origin)
    flags = [flag for flag in compiled.flags if not flag.meta.output_name().endswith(_IGNORED)]
    checked = cells.select(compiled.texts).with_columns(compiled.typed).with_columns(flags)
    filled = checked.filter(pl.col(f"text:{column.name}").is_not_null())
    if not filled.height:
        return _Content()
    broken = pl.any_horizontal([pl.lit(value=False), *(flag.meta.output_name() for flag in flags)])
    fit = 1 - float(filled.select(broken.sum()).item()) / filled.height
    like = None if pair.last is None else likeness(pair.last.column, _summary(column, checked, contract))
    return _Content(fit, like)


def _summary(column: Column, checked: pl.DataFrame, contract: Contract) -> ColumnSummary:
    """The first rows as a file of the series is summarised."""
    masked = frozenset([column.name]) if column.masked else frozenset[str]()
    profiler = Profiler({column.name: checked.schema[column.name]}, masked)
    profiler.update(checked)
    profile = profiler.result()[column.name]
    return ColumnSummary.of(profile, checked.height, is_key=column.name in contract.keys)
