"""The plots of a page: broken rules, empty cells, distributions of values, the last deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass

from etl_platform.engine.columns import DAMAGED_ROW
from etl_platform.engine.drift.words import percent
from etl_platform.engine.pages.distributions import Distribution, distribution
from etl_platform.engine.pages.page_facts import PageFacts
from etl_platform.engine.pages.page_sentences import rule_sentence
from etl_platform.engine.problem_table import column_hint
from etl_platform.engine.result import Example

_MAX_RULES, _MAX_COLUMNS, _MAX_DISTRIBUTIONS = 100, 40, 12


@dataclass(frozen=True)
class BrokenRule:
    """One rule that rows broke. ``about`` is what the contract says of its column, ``share`` 0 to 1 of the rows."""

    reason: str
    sentence: str
    about: str
    hint: str
    rows: int
    share: float
    unevaluated: int
    examples: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class EmptyShare:
    """How much of a column is empty, 0 to 1; ``before`` in the last file, None where that is not known."""

    column: str
    share: float
    words: str
    before: float | None
    before_words: str


@dataclass(frozen=True)
class DeliveryRow:
    """One of the last deliveries; ``good`` and ``bad`` are shares of the largest one's rows."""

    day: str
    outcome: str
    rows: int | None
    refused: int | None
    good: float
    bad: float
    is_this: bool


def broken_rules(facts: PageFacts) -> tuple[list[BrokenRule], int]:
    """The rules with the most rows first, and how many more there are."""
    result = facts.result
    ordered = sorted(result.reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    found = [_broken_rule(facts, reason, rows) for reason, rows in ordered[:_MAX_RULES]]
    return found, max(0, len(ordered) - _MAX_RULES)


def _broken_rule(facts: PageFacts, reason: str, rows: int) -> BrokenRule:
    result = facts.result
    return BrokenRule(
        reason,
        rule_sentence(facts, reason),
        facts.descriptions.get(reason.rpartition(".")[0], ""),
        column_hint(facts.result, reason),
        rows,
        rows / (result.rows or rows),
        result.unevaluated.get(reason, 0),
        [(example.place, _value(reason, example)) for example in result.examples.get(reason, ())],
    )


def _value(reason: str, example: Example) -> str:
    # A damaged row has no one value that is wrong, only cells beyond the header.
    empty = "" if reason.startswith(DAMAGED_ROW) else "(empty)"
    return empty if example.value is None else example.value


def empty_shares(facts: PageFacts) -> tuple[list[EmptyShare], int]:
    """The columns of the file that are empty most, and how many columns are filled more."""
    rows, missing = facts.result.rows or 0, set(facts.result.columns.missing) if facts.result.columns else set()
    shares = {name: one.nulls / rows for name, one in facts.result.profile.items() if rows and name not in missing}
    ordered = sorted(shares.items(), key=lambda pair: -pair[1])
    return [_empty_share(facts, *pair) for pair in ordered[:_MAX_COLUMNS]], max(0, len(ordered) - _MAX_COLUMNS)


def _empty_share(facts: PageFacts, column: str, share: float) -> EmptyShare:
    last = facts.last.profile.get(column) if facts.last else None
    before = last.nulls / facts.last.rows if facts.last and last else None
    return EmptyShare(column, share, percent(share), before, "" if before is None else percent(before))


def distributions(facts: PageFacts) -> tuple[list[Distribution], int]:
    """The columns that differ most from the last file, those that are unusual first, and how many more there are."""
    before = facts.last.profile if facts.last else {}
    unusual = {finding.column for finding in facts.drift.findings} if facts.drift else set()
    found = [
        one
        for name, column in facts.result.profile.items()
        if name not in facts.personal and (one := distribution(name, column, before.get(name))) is not None
    ]
    found.sort(key=lambda one: (one.column not in unusual, -one.distance))
    return found[:_MAX_DISTRIBUTIONS], max(0, len(found) - _MAX_DISTRIBUTIONS)


def delivery_rows(facts: PageFacts) -> list[DeliveryRow]:
    most = max((file.rows or 0 for file in facts.series), default=0) or 1
    return [
        DeliveryRow(
            f"{file.at:%Y-%m-%d}",
            file.outcome,
            file.rows,
            file.quarantined,
            ((file.rows or 0) - (file.quarantined or 0)) / most,
            (file.quarantined or 0) / most,
            file.is_this,
        )
        for file in facts.series
    ]
