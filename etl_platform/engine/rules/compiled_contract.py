"""A compiled contract applied to batches of rows. Frames in, frames out; no files, no Dagster.

A batch holds the file's cells as text in columns named by position (``"0"``, ``"1"``, …). ``CompiledContract``
adds three families of columns: ``text:<column>`` (trimmed, null tokens and blanks as null), ``<column>``
(typed) and ``rule:<reason>`` (true where the row breaks the rule).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from etl_platform.engine.columns import BAD, DAMAGE, REASONS
from etl_platform.engine.contract.model import ColumnType, Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform.engine.rules.derived_columns import Derivation
from etl_platform.engine.rules.hook_result import Transform, given_columns, spread
from etl_platform.engine.values.other_readings import OtherReading

KEY_SEED = 7
"""Seed of every hash of a key or text, because the profile reuses the hashes of keys."""


@dataclass(frozen=True)
class CompiledContract:
    """Expressions for one contract over one file's header.

    Attributes:
        positions: of each contract column in the file.
        texts, typed: the ``text:<column>`` and typed columns.
        flags: the ``rule:<reason>`` columns, except those in ``late_flags`` and of ``keys``.
        late_flags: of rules about computed columns, which exist only after the transform hook.
        keys: the columns of each uniqueness rule, by reason.
        inputs: the columns that each rule uses, by reason.
        reasons: every reason that the rules can give, in report order.
        lineage: per column of silver, the contract's columns in the file that it comes from.
        other_readings: of columns that the file has, the readings that the contract excludes.
    """

    contract: Contract
    positions: Mapping[str, int]
    texts: tuple[pl.Expr, ...]
    typed: tuple[pl.Expr, ...]
    flags: tuple[pl.Expr, ...]
    late_flags: tuple[pl.Expr, ...]
    keys: Mapping[str, tuple[str, ...]]
    inputs: Mapping[str, tuple[str, ...]]
    reasons: tuple[str, ...]
    schema: pl.Schema
    derivation: Derivation
    lineage: Mapping[str, tuple[str, ...]]
    other_readings: tuple[OtherReading, ...] = ()

    def sources(self, column: str) -> tuple[str, ...]:
        """The contract's columns in the file that a column of silver comes from."""
        return self.lineage[column]

    @property
    def empty(self) -> dict[str, pl.Expr]:
        """Counts of blank cells, for columns with null tokens; elsewhere every null is a blank cell."""
        found: dict[str, pl.Expr] = {}
        for column in self.contract.columns:
            if column.null_tokens and column.name in self.positions:
                cell = pl.col(str(self.positions[column.name]))
                blank = column.trim or "" in map(str.strip, column.null_tokens)
                found[column.name] = (cell.is_null() | (cell.str.strip_chars() == "") & blank).sum()
        return found

    def key_hashes(self, cells: pl.DataFrame) -> dict[str, pl.Series]:
        """Per uniqueness rule, the 64-bit hashes of the rows' keys; rows with an incomplete key are left out."""
        used = {part for columns in self.keys.values() for name in columns for part in self.derivation.inputs[name]}
        plan = cells.lazy().select_seq(_only(self.texts, used)).with_columns_seq(_only(self.typed, used))
        for stage in self.derivation.stages:
            plan = plan.with_columns_seq(_only(stage, used))
        keys = self._collect(plan.select_seq(self._key_columns()), cells)
        return {reason: keys[f"key:{reason}"].drop_nulls() for reason in self.keys}

    def _key_columns(self) -> list[pl.Expr]:
        return [_key(self.contract, columns).alias(f"key:{reason}") for reason, columns in self.keys.items()]

    def check(self, cells: pl.DataFrame, repeated: Mapping[str, pl.Series]) -> pl.DataFrame:
        """Check a batch against every rule.

        Args:
            cells: text columns by position, ``_line`` and ``_damage`` (null where the row is undamaged).
            repeated: per uniqueness rule, the key hashes that occur more than once in the file.

        Returns:
            The batch with all families of columns, ``key:<reason>`` hashes and ``_bad``.
        """
        unique = [
            pl.col(f"key:{reason}").is_in(repeated[reason].implode()).fill_null(value=False).alias(f"rule:{reason}")
            for reason in self.keys
        ]
        flags = [flag.meta.output_name() for flag in (*self.flags, *unique)]
        plan = (
            cells.lazy()
            .with_columns_seq(self.texts)
            .with_columns_seq(self.typed)
            .pipe(self._derived)
            .with_columns_seq(*self.flags, *self._key_columns())
            .with_columns_seq(unique)
            .with_columns_seq(pl.any_horizontal(*flags, pl.col(DAMAGE).is_not_null()).alias(BAD))
        )
        return self._collect(plan, cells)

    def _collect(self, plan: pl.LazyFrame, cells: pl.DataFrame) -> pl.DataFrame:
        try:
            # Every batch runs the same plan and needs every column; skip the optimizer.
            return plan.collect(engine="in-memory", optimizations=pl.QueryOptFlags.none())
        except pl.exceptions.PolarsError as error:
            # Polars' own message quotes values, which may be classified.
            name, line = self._failing(cells)
            message = (
                f"{name} fails on a value of this file ({type(error).__name__}); let it return NULL for such values"
            )
            raise ContractError(message, path=self.contract.path, line=line) from None

    def _failing(self, cells: pl.DataFrame) -> tuple[str, int | None]:
        """The first rule or derived column that cannot be evaluated, and its line."""
        lines = declared_lines(self.contract)
        for step in (self.texts, self.typed, *self.derivation.stages, self.flags, self.late_flags):
            for expression in step:
                name = expression.meta.output_name()
                try:
                    cells = cells.with_columns(expression)
                except pl.exceptions.ColumnNotFoundError:
                    continue
                except pl.exceptions.PolarsError:
                    name = name.removeprefix("rule:").removeprefix("text:")
                    return name, lines.get(name)
        return "a rule", None

    def _derived(self, plan: pl.LazyFrame) -> pl.LazyFrame:
        for stage in self.derivation.stages:
            plan = plan.with_columns_seq(stage)
        return plan

    def add_computed(self, batch: pl.DataFrame, transform: Transform) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Run the transform hook on the rows that are good so far, and check its computed columns.

        Returns:
            The checked batch with the computed columns, null in rows that were bad; and the computed columns alone.
        """
        good = ~batch[BAD]
        computed = transform(batch.filter(good).select(given_columns(self.contract)))
        late = {flag.meta.output_name(): pl.lit(good) & flag for flag in self.late_flags}
        whole = batch.hstack(spread(computed, good))
        plan = whole.lazy().with_columns(**late).with_columns(pl.any_horizontal(BAD, *late).alias(BAD))
        return self._collect(plan, whole), computed

    def explain(self, bad: pl.DataFrame) -> pl.DataFrame:
        """Bad rows with their ``reasons``: rule names joined by ``;`` in report order."""
        parts = [pl.when(f"rule:{reason}").then(pl.lit(reason)) for reason in self.reasons]
        return bad.with_columns(
            pl.concat_str([pl.col(DAMAGE), *parts], separator=";", ignore_nulls=True).alias(REASONS)
        )


def declared_lines(contract: Contract) -> dict[str, int]:
    """The line of the contract that declares each column and each rule."""
    lines = {column.name: column.line for column in contract.columns}
    lines |= {rule.reason: lines[rule.column] for rule in contract_rules(contract) if rule.column}
    return lines | {rule.name: rule.line for rule in contract.row_rules}


def _only(expressions: Sequence[pl.Expr], names: set[str]) -> list[pl.Expr]:
    return [e for e in expressions if e.meta.output_name().removeprefix("text:") in names]


def _key(contract: Contract, columns: tuple[str, ...]) -> pl.Expr:
    """The hash of a row's key; null where a part is empty or has the wrong type, which other rules report.

    Typed values are hashed, because 1/5/2026 and 2026-01-05 are one day; codes as texts, because two may share a label.
    """
    parts = [contract.column(name) for name in columns]
    values = [pl.col(f"text:{c.name}" if c.type is ColumnType.STRING or c.is_code else c.name) for c in parts]
    whole = pl.all_horizontal([value.is_not_null() for value in values])
    hashed = values[0].hash(KEY_SEED) if len(values) == 1 else pl.struct(values).hash(KEY_SEED)
    return pl.when(whole).then(hashed)
