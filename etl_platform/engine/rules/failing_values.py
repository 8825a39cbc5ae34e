"""Checks a batch on which an expression fails, one expression at a time: the rows that fail break the rule.

A value that cannot be derived is null. What is derived from it is null too and passes its rules, because the row has a
reason already.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce
from itertools import groupby
from operator import or_

import polars as pl

from etl_platform.engine.columns import FAILED
from etl_platform.engine.rules.failing_rows import evaluate
from etl_platform.engine.rules.kinds import DERIVE

FailedRows = Mapping[str, pl.Series]
"""By derived column, the rows on which its expression fails; columns that never fail are left out."""


def derive_values(
    frame: pl.DataFrame, stages: Iterable[Sequence[pl.Expr]], inputs: Mapping[str, frozenset[str]]
) -> tuple[pl.DataFrame, FailedRows]:
    """Add derived columns to a batch.

    Args:
        stages: as in ``Derivation``.
        inputs: as in ``Derivation``.
    """
    failed: dict[str, pl.Series] = {}
    for stage in stages:
        for name, pair in groupby(stage, lambda expression: expression.meta.output_name().removeprefix("text:")):
            found = {expression.meta.output_name(): evaluate(frame, expression, name) for expression in pair}
            failing = reduce(or_, (one.failed for one in found.values()))
            blocked = _any_of(failed, inputs[name])
            lost = failing | blocked if blocked is not None else failing
            frame = frame.with_columns(
                pl.select(pl.when(~lost).then(one.values)).to_series().alias(alias) for alias, one in found.items()
            )
            if blocked is not None:
                failing &= ~blocked
            if failing.any():
                failed[name] = failing
    return frame, failed


def flag_rows(
    frame: pl.DataFrame,
    flags: Iterable[pl.Expr],
    uses: Mapping[str, Collection[str]],
    failed: FailedRows,
    *,
    among: pl.Series | None = None,
) -> pl.DataFrame:
    """Add the flags of rules, and ``failed:<reason>`` where some rows fail.

    Args:
        flags: true where a row breaks a rule, without nulls; named ``rule:<reason>``.
        uses: by reason, the columns that the rule uses, directly or by derivation.
        failed: of the columns that were derived.
        among: the rows that are checked; all if None.
    """
    found: list[pl.Series] = []
    for flag in flags:
        alias = flag.meta.output_name()
        reason = alias.removeprefix("rule:")
        column, _, kind = reason.rpartition(".")
        if kind == DERIVE and column in failed:
            found.append(failed[column].alias(alias))
            continue
        evaluated = evaluate(frame, flag, reason)
        blocked = _any_of(failed, uses[reason])
        found.append(_among(evaluated.values.fill_null(value=True), among, blocked).alias(alias))
        failing = _among(evaluated.failed, among, blocked)
        if failing.any():
            found.append(failing.alias(f"{FAILED}{reason}"))
    return frame.with_columns(found)


def _among(rows: pl.Series, among: pl.Series | None, blocked: pl.Series | None) -> pl.Series:
    rows = rows if among is None else rows & among
    return rows if blocked is None else rows & ~blocked


def _any_of(failed: FailedRows, names: Collection[str]) -> pl.Series | None:
    rows = [series for name, series in failed.items() if name in names]
    return reduce(or_, rows) if rows else None
