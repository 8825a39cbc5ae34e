"""The rules of one drafted column, with the evidence for each as a sentence. Quotes no value of a personal column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from etl_platform.engine.column_words import words
from etl_platform.engine.contract.model import Column, ColumnType
from etl_platform.engine.drafting.column_names import is_code_name, is_key_name
from etl_platform.engine.drafting.draft_text import DraftColumn
from etl_platform.engine.drafting.file_columns import SharedColumn
from etl_platform.engine.drafting.personal_columns import classify, is_attribute, looks_personal, may_be_births
from etl_platform.engine.drafting.value_rules import (
    allowed_values,
    are_periods,
    attribute_values,
    code_pattern,
    completed_list,
    date_bounds,
    implied_bounds,
    named_format,
    number_bounds,
)
from etl_platform.engine.drafting.value_types import guess_type, nearly_typed, without_tokens
from etl_platform.engine.output.plain_text import counted

_KEY_TYPES = frozenset({ColumnType.STRING, ColumnType.INTEGER})
_LONGEST_KEY = 60
_LABELS_SHOWN = 3


@dataclass(frozen=True)
class SharedFacts:
    """What all files say about a shared column.

    Attributes:
        rows, filled: over all files; a text that means empty is not filled.
        distinct: different texts; None where they were too many to count.
        may_be_unique: whether no text was seen twice in a file, so far.
    """

    shared: SharedColumn
    values: Mapping[str, int]
    rows: int
    filled: int
    distinct: int | None
    may_be_unique: bool
    absent: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.shared.name


def typed_column(shared: SharedColumn, labels: Sequence[str], this_year: int) -> tuple[Column, SharedFacts, list[str]]:
    """The column with its type and null tokens but no rules, the facts, and remarks about the type."""
    guess = guess_type(shared.name, shared.counts, shared.filled, this_year)
    column = replace(guess.column, name=shared.name, trim=True, synonyms=shared.synonyms)
    values = without_tokens(shared.counts, column)
    facts = _facts(shared, column, values, labels)
    may_be_key = column.type in _KEY_TYPES and facts.may_be_unique and _is_required(facts)
    column = replace(column, unique=may_be_key and max(map(len, values), default=0) <= _LONGEST_KEY)
    return column, facts, [*guess.remarks, *_differences(shared, column, this_year)]


def _facts(shared: SharedColumn, column: Column, values: Mapping[str, int], labels: Sequence[str]) -> SharedFacts:
    samples = shared.samples.values()
    tokens = sum(shared.counts.values()) - sum(values.values())
    once = all(max(without_tokens(s.counts, column).values(), default=0) <= 1 for s in samples)
    return SharedFacts(
        shared=shared,
        values=values,
        rows=sum(sample.rows for sample in samples),
        filled=shared.filled - tokens,
        distinct=len(values) if shared.complete else None,
        may_be_unique=once and bool(values),
        absent=tuple(label for label in labels if label not in shared.samples),
    )


def _is_required(facts: SharedFacts) -> bool:
    return not facts.absent and facts.filled == facts.rows


def _differences(shared: SharedColumn, column: Column, this_year: int) -> list[str]:
    """How the files write a column, if they differ; for a text, why it has no other type."""
    found: dict[str, list[str]] = {}
    for label, sample in shared.samples.items():
        if sample.counts:
            own = guess_type(shared.name, sample.counts, sample.filled, this_year).column
            found.setdefault(" or ".join(own.formats) or str(own.type), []).append(label)
    if len(found) < 2:
        return []
    ways = ", ".join(f"{way} in {_labels(labels)}" for way, labels in found.items())
    if column.type is ColumnType.STRING:
        return [f"text, because the files differ and no type reads all of them: {ways}"]
    return [f"the files differ: {ways}"]


def with_rules(column: Column, facts: SharedFacts, profile: tuple[Any, Any], today: date) -> DraftColumn:
    """The column with its rules.

    Args:
        column: its type is settled, and ``unique`` is true only if all rows were counted.
        profile: its least and greatest value, as a profile shows them.
    """
    personal = classify(facts.name, facts.values)
    births = personal is None and may_be_births(facts.name, facts.values, today)
    hidden = personal is not None or births or looks_personal(facts.name, facts.values)
    column = replace(
        column,
        required=_is_required(facts),
        unique=column.unique and is_key_name(facts.name),
        classification=personal.classification if personal else None,
    )
    evidence = [_filled(facts), *_tokens(facts, column), *_distinct(facts, column, hidden=hidden)]
    if facts.shared.synonyms:
        pairs = {pair.other: pair for pair in facts.shared.pairs}.values()
        evidence += [f"{pair.other} is taken as another name: {pair.reason}" for pair in pairs]
    if facts.absent:
        evidence.append(f"absent in {_labels(facts.absent)}")
    if personal:
        evidence.append(f"{personal.classification}: {personal.reason}")
    elif births:
        evidence.append("may be birth dates, so no value is shown here; if they are, write classification: restricted")
    elif hidden:
        evidence.append("may name persons, so no value is shown here")
    column = _with_bounds(column, facts, profile, today, hidden=hidden)
    rows: dict[str, int] = {}
    if column.type is ColumnType.STRING:
        column = replace(column, named_format=named_format(facts.values))
    if column.type is ColumnType.STRING and not hidden and not column.named_format:
        column, rows = _with_texts(column, facts)
    elif column.type is ColumnType.STRING and facts.distinct and is_attribute(facts.name):
        column, rows = replace(column, allowed=attribute_values(facts.values)), dict(facts.values)
    return DraftColumn(column, tuple(evidence), rows)


def _with_texts(column: Column, facts: SharedFacts) -> tuple[Column, dict[str, int]]:
    printable = all(map(str.isprintable, facts.values))
    # The next file has officers, cases and months that this one does not have.
    is_open = column.unique or (is_key_name(facts.name) and not is_code_name(facts.name))
    is_open = is_open or any(nearly_typed(facts.name, facts.values)) or are_periods(facts.values)
    allowed = completed_list(facts.values) or allowed_values(facts.values)
    if facts.distinct and printable and not is_open and allowed:
        return replace(column, allowed=allowed), dict(facts.values)
    return replace(column, pattern=code_pattern(facts.values)), {}


def _with_bounds(column: Column, facts: SharedFacts, profile: tuple[Any, Any], today: date, *, hidden: bool) -> Column:
    low, high = profile
    if low is None or high is None:
        return column
    if column.type in {ColumnType.INTEGER, ColumnType.NUMBER}:
        if implied := implied_bounds(words(facts.name), low, high):
            return replace(column, minimum=implied[0], maximum=implied[1])
        least, most = number_bounds(words(facts.name), low, high, whole=column.type is ColumnType.INTEGER)
        return replace(column, minimum=least if not hidden or least == 0 else None, maximum=None if hidden else most)
    if column.type in {ColumnType.DATE, ColumnType.TIMESTAMP}:
        days = [date.fromisoformat(str(value)[:10]) for value in (low, high)]
        first, past = date_bounds(words(facts.name), days[0], days[1], today)
        shown = column.type is ColumnType.DATE and not hidden
        return replace(column, minimum=first if shown else None, not_future=past)
    return column


def _filled(facts: SharedFacts) -> str:
    if facts.filled == facts.rows:
        return f"filled in all {facts.rows:,} rows" if facts.rows > 1 else "filled in the only row"
    return f"filled in {facts.filled:,} of {facts.rows:,} rows"


def _tokens(facts: SharedFacts, column: Column) -> list[str]:
    rows = sum(facts.shared.counts[text] for text in column.null_tokens)
    return [f"{' or '.join(column.null_tokens)} means empty in {counted(rows, 'row')}"] if rows else []


def _distinct(facts: SharedFacts, column: Column, *, hidden: bool) -> list[str]:
    if column.unique:
        return ["no value twice in a file"]
    if facts.distinct is None or hidden or column.type is ColumnType.BOOLEAN:
        return []
    return [counted(facts.distinct, "distinct value")]


def _labels(labels: Sequence[str]) -> str:
    more = len(labels) - _LABELS_SHOWN
    return ", ".join(labels[:_LABELS_SHOWN]) + (f" and {more} more" if more > 0 else "")
