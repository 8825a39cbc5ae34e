"""Evaluates an expression that fails on some rows of a batch. Those rows have no value, all others have theirs.

Polars fails on the whole batch and names no row. Strict casts and parsers become lenient ones, whose nulls are the
rows that fail. Other failures are found by bisection.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import polars as pl

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.values.exact_integers import from_tree, to_tree

FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""PanicException is not a subclass of Exception."""
_EVALUATIONS = 20_000
"""A second, and enough for 1,500 rows scattered over a batch."""


@dataclass(frozen=True)
class Evaluated:
    """The values of an expression, null where it failed, and the rows on which it did."""

    values: pl.Series
    failed: pl.Series


def evaluate(frame: pl.DataFrame, expression: pl.Expr, name: str) -> Evaluated:
    """Evaluate an expression over a batch; ``name`` of its rule is for messages.

    Raises:
        UnreadableFileError: ``rule_fails`` where it fails on too many rows to find them.
    """
    try:
        return Evaluated(_values(frame, expression), _none(frame))
    except FAILURES:
        lenient = Lenient.of(expression)
    values, casts = _bisected(frame, lenient.value, name), _bisected(frame, lenient.failed, name)
    failed = values.failed | casts.failed | casts.values.fill_null(value=False)
    return Evaluated(_where(values.values, ~failed), failed)


def _values(frame: pl.DataFrame, expression: pl.Expr) -> pl.Series:
    # with_columns repeats the value of an expression without columns.
    plan = frame.lazy().with_columns(expression.alias("_value"))
    return plan.collect(engine="in-memory", optimizations=pl.QueryOptFlags.none())["_value"]


def _none(frame: pl.DataFrame) -> pl.Series:
    return pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)


def _where(values: pl.Series, wanted: pl.Series) -> pl.Series:
    return pl.select(pl.when(wanted).then(values)).to_series()


def _bisected(frame: pl.DataFrame, expression: pl.Expr, name: str) -> Evaluated:
    """Bisect what fails, down to single rows."""
    used = frame.select(list(dict.fromkeys(expression.meta.root_names())) or frame.columns[:1])
    values: list[pl.Series] = []
    failed: list[pl.Series] = []
    todo, evaluations = [used], 0
    while todo:
        part = todo.pop()
        evaluations += 1
        if evaluations > _EVALUATIONS:
            raise UnreadableFileError(
                "rule_fails",
                f"{name} cannot be evaluated on many rows of this file; correct their values, "
                f"or let the contract's SQL give NULL for them",
            )
        try:
            values.append(_values(part, expression))
            failed.append(_none(part))
        except FAILURES:
            if part.height > 1:
                half = part.height // 2
                todo += [part[half:], part[:half]]
            else:
                dtype = used.lazy().select(expression.alias("_value")).collect_schema()["_value"]
                values.append(pl.Series([None], dtype=dtype))
                failed.append(~_none(part))
    return Evaluated(pl.concat(values), pl.concat(failed))


@dataclass(frozen=True)
class Lenient:
    """An expression with lenient casts and parsers.

    Attributes:
        value: null where one of them fails.
        failed: true where one of them fails and its result is used. A branch of CASE that is not taken does not fail,
            nor does one side of AND or OR where the other one decides.
    """

    value: pl.Expr
    failed: pl.Expr

    @classmethod
    def of(cls, expression: pl.Expr) -> "Lenient":
        try:
            tree, failed = _lenient(to_tree(expression))
            value = from_tree(tree)
        except (pl.exceptions.PolarsError, ValueError):
            # What cannot be serialized is Polars' own or calls Python, and has no strict parts.
            return cls(expression, pl.lit(value=False))
        return cls(value, pl.lit(value=False) if failed is None else failed)


_Part = tuple[Any, pl.Expr | None]


def _lenient(tree: Any) -> _Part:
    """A serialized expression with lenient parts, and where it fails; None if no part can fail."""
    match tree:
        case list():
            found: _Part = _lenient_parts(tree)
        case {"Cast": {"expr": given, "options": "Strict"} as cast}:
            given, failed = _lenient(given)
            found = _loosened({"Cast": cast | {"expr": given, "options": "NonStrict"}}, given, failed)
        case {
            "Function": {"input": inputs, "function": {"StringExpr": {"Strptime": [dtype, {"strict": True} as how]}}}
        }:
            inputs, failed = _lenient_parts(inputs)
            lenient = {"StringExpr": {"Strptime": [dtype, how | {"strict": False}]}}
            found = _loosened(
                {"Function": tree["Function"] | {"input": inputs, "function": lenient}}, inputs[0], failed
            )
        case {"Ternary": {"predicate": predicate, "truthy": truthy, "falsy": falsy}}:
            found = _ternary(_lenient(predicate), _lenient(truthy), _lenient(falsy))
        case {"BinaryExpr": {"op": "And" | "Or" as operator, "left": left, "right": right}}:
            found = _either(operator, _lenient(left), _lenient(right))
        case {"Function": {"function": "Coalesce", "input": inputs}}:
            parts = [_lenient(part) for part in inputs]
            lenient = {"Function": tree["Function"] | {"input": [part for part, _ in parts]}}
            found = lenient, _failed_before_a_value(parts)
        case dict():
            values, failed = _lenient_parts([*tree.values()])
            found = dict(zip(tree, values, strict=True)), failed
        case _:
            found = tree, None
    return found


def _lenient_parts(trees: Sequence[Any]) -> tuple[list[Any], pl.Expr | None]:
    parts = [_lenient(part) for part in trees]
    return [part for part, _ in parts], _any(failed for _, failed in parts)


def _any(failures: Iterable[pl.Expr | None]) -> pl.Expr | None:
    found = [failed for failed in failures if failed is not None]
    return reduce(or_, found) if found else None


def _or_never(failed: pl.Expr | None) -> pl.Expr:
    return pl.lit(value=False) if failed is None else failed


def _loosened(tree: Any, given: Any, failed: pl.Expr | None) -> _Part:
    lost = from_tree(tree).is_null() & from_tree(given).is_not_null()
    return tree, lost if failed is None else failed | lost


def _ternary(predicate: _Part, truthy: _Part, falsy: _Part) -> _Part:
    tree = {"Ternary": {"predicate": predicate[0], "truthy": truthy[0], "falsy": falsy[0]}}
    if truthy[1] is None and falsy[1] is None:
        return tree, predicate[1]
    taken = pl.when(from_tree(predicate[0])).then(_or_never(truthy[1])).otherwise(_or_never(falsy[1]))
    return tree, _any((predicate[1], taken))


def _either(operator: str, left: _Part, right: _Part) -> _Part:
    """A side fails unless the other one has the value that decides: false for AND, true for OR."""
    tree = {"BinaryExpr": {"left": left[0], "op": operator, "right": right[0]}}
    if left[1] is None and right[1] is None:
        return tree, None
    decides = operator == "Or"
    left_failed, right_failed = _or_never(left[1]), _or_never(right[1])
    left_decides = from_tree(left[0]).eq_missing(decides) & ~left_failed
    right_decides = from_tree(right[0]).eq_missing(decides) & ~right_failed
    return tree, (left_failed & ~right_decides) | (right_failed & ~left_decides)


def _failed_before_a_value(parts: Sequence[_Part]) -> pl.Expr | None:
    """COALESCE fails where a part fails before one has a value."""
    failed: pl.Expr | None = None
    for tree, part_failed in reversed(parts):
        later = None if failed is None else from_tree(tree).is_null() & failed
        failed = _any((part_failed, later))
    return failed
