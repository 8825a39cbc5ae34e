"""Dataset rules evaluated for one file. Numbers in, verdicts out; no frames."""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from etl_platform.engine.contract.dataset_rules import DatasetRule, Measure
from etl_platform.engine.privacy.masking import HIDDEN
from etl_platform.engine.result import DatasetVerdict


@dataclass(frozen=True)
class ColumnFacts:
    """A column over all rows of a file, quarantined ones included. ``newest`` is for dates and timestamps only."""

    nulls: int
    newest: Any


def evaluate_rules(
    rules: Iterable[DatasetRule],
    rows: int,
    facts: Callable[[str], ColumnFacts],
    *,
    as_of: date | None,
    masked: Set[str] = frozenset(),
) -> list[DatasetVerdict]:
    """Evaluate a contract's dataset rules for a file.

    Args:
        rows: of the file, at least 1.
        facts: of a column; called only for columns of a rule.
        as_of: the day of delivery (UTC); a freshness rule needs it.
        masked: columns whose values must not be shown.
    """
    return [_evaluate(rule, rows, facts, as_of, masked) for rule in rules]


def _evaluate(
    rule: DatasetRule, rows: int, facts: Callable[[str], ColumnFacts], as_of: date | None, masked: Set[str]
) -> DatasetVerdict:
    if rule.column is None:
        message = f"the file has {rows:,} row{'s' if rows > 1 else ''}; the contract allows {rule.limit}"
        return _verdict(rule, rows, rule.limit, message, passed=rule.allows(rows))
    known = facts(rule.column)
    if rule.measure is Measure.FRESHNESS:
        assert as_of is not None
        return _freshness(rule, known.newest, as_of, hidden=rule.column in masked)
    share = 100 * known.nulls / rows
    found = share if rule.measure is Measure.NULL_SHARE else known.nulls
    message = (
        f"{rule.column} is empty in {known.nulls:,} of {rows:,} rows ({share:.2f} %); the contract allows {rule.limit}"
    )
    return _verdict(rule, found, rule.limit, message, passed=rule.allows(found))


def _freshness(rule: DatasetRule, newest: date | None, as_of: date, *, hidden: bool) -> DatasetVerdict:
    (days,) = rule.bounds
    allowed = f"{as_of - timedelta(days=days)} or later ({days:,} days before {as_of})"
    if newest is None:
        message = f"no {rule.column} could be read as a date; the contract allows {allowed}"
        return _verdict(rule, None, allowed, message, passed=False)
    day = newest.date() if isinstance(newest, datetime) else newest
    found = HIDDEN if hidden else day.isoformat()
    message = f"the newest {rule.column} is {found}; the contract allows {allowed}"
    return _verdict(rule, found, allowed, message, passed=rule.allows((as_of - day).days))


def _verdict(
    rule: DatasetRule, found: float | str | None, allowed: str, message: str, *, passed: bool
) -> DatasetVerdict:
    return DatasetVerdict(rule.name, rule.text, found, allowed, passed, rule.severity, message)
