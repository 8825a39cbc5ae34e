"""A compiled contract applied to batches of rows. Frames in, frames out; no files, no Dagster.

A batch holds the file's cells as text in columns named by position (``"0"``, ``"1"``, …). ``CompiledContract``
adds three families of columns: ``text:<column>`` (trimmed, null tokens and blanks as null), ``<column>``
(typed) and ``rule:<reason>`` (true where the row breaks the rule). ``failed:<reason>`` is true on rows where a rule
could not be evaluated.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from etl_platform.engine.columns import BAD, DAMAGE, FAILED, OUTSIDE, REASONS
from etl_platform.engine.contract.model import ColumnType, Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform.engine.rules.derived_columns import Derivation
from etl_platform.engine.rules.failing_rows import FAILURES
from etl_platform.engine.rules.failing_values import derive_values, flag_rows
from etl_platform.engine.rules.hook_result import Transform, given_columns, spread
from etl_platform.engine.values.agency_texts import changed
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

    @property
    def changed_cells(self) -> dict[str, pl.Expr]:
        """Counts of the cells to which the agency's overlay gives another meaning."""
        return {
            column.name: changed(pl.col(str(self.positions[column.name])), column.overlay).sum()
            for column in self.contract.columns
            if column.overlay is not None and column.overlay.texts and column.name in self.positions
        }

    def key_hashes(self, cells: pl.DataFrame) -> dict[str, pl.Series]:
        """Per uniqueness rule, the 64-bit hashes of the rows' keys.

        Rows with an incomplete key and rows of another table are left out.
        """
        if DAMAGE in cells.columns and (outside := cells[DAMAGE].eq_missing(OUTSIDE)).any():
            cells = cells.filter(~outside)
        used = {part for columns in self.keys.values() for name in columns for part in self.derivation.inputs[name]}
        stages = [_only(stage, used) for stage in self.derivation.stages]
        read = cells.lazy().select_seq(_only(self.texts, used)).with_columns_seq(_only(self.typed, used))
        try:
            keys = _collect(_with_stages(read, stages).select_seq(self._key_columns()))
        except FAILURES:
            derived, _ = derive_values(self._read(read), stages, self.derivation.inputs)
            keys = derived.select(self._key_columns())
        return {reason: keys[f"key:{reason}"].drop_nulls() for reason in self.keys}

    def _key_columns(self) -> list[pl.Expr]:
        return [_key(self.contract, columns).alias(f"key:{reason}") for reason, columns in self.keys.items()]

    def check(self, cells: pl.DataFrame, repeated: Mapping[str, pl.Series]) -> pl.DataFrame:
        """Check a batch against every rule.

        Args:
            cells: text columns by position, ``_line`` and ``_damage`` (null where the row is undamaged).
            repeated: per uniqueness rule, the key hashes that occur more than once in the file.

        Returns:
            The batch with all families of columns, ``key:<reason>`` hashes and ``_bad``. Rows of another table break
            no rule and have no key.
        """
        checked = self._check(cells, repeated)
        return self._without_rules_outside(checked) if checked[DAMAGE].eq_missing(OUTSIDE).any() else checked

    def _without_rules_outside(self, batch: pl.DataFrame) -> pl.DataFrame:
        inside = pl.col(DAMAGE).ne_missing(OUTSIDE)
        flags = [name for name in batch.columns if name.startswith(("rule:", FAILED))]
        keys = [pl.when(inside).then(f"key:{reason}").alias(f"key:{reason}") for reason in self.keys]
        return batch.with_columns(*(pl.col(flag) & inside for flag in flags), *keys)

    def _check(self, cells: pl.DataFrame, repeated: Mapping[str, pl.Series]) -> pl.DataFrame:
        read = cells.lazy().with_columns_seq(self.texts).with_columns_seq(self.typed)
        stages = self.derivation.stages
        try:
            plan = _with_stages(read, stages).with_columns_seq(*self.flags, *self._key_columns())
            return _collect(self._with_bad(plan, repeated))
        except FAILURES:
            derived, failed = derive_values(self._read(read), stages, self.derivation.inputs)
            flagged = flag_rows(derived, self.flags, self._uses, failed)
            return _collect(self._with_bad(flagged.lazy().with_columns(self._key_columns()), repeated))

    def _with_bad(self, plan: pl.LazyFrame, repeated: Mapping[str, pl.Series]) -> pl.LazyFrame:
        """Add the flags of repeated keys, and ``_bad``."""
        unique = [
            pl.col(f"key:{reason}").is_in(repeated[reason].implode()).fill_null(value=False).alias(f"rule:{reason}")
            for reason in self.keys
        ]
        flags = [flag.meta.output_name() for flag in (*self.flags, *unique)]
        bad = pl.any_horizontal(*flags, pl.col(DAMAGE).is_not_null())
        return plan.with_columns_seq(unique).with_columns_seq(bad.alias(BAD))

    def _read(self, plan: pl.LazyFrame) -> pl.DataFrame:
        """The cells as text and typed. Only the engine's own expressions are in the plan."""
        try:
            return _collect(plan)
        except FAILURES as error:
            # Polars' own message quotes values, which may have to be masked.
            message = f"the columns cannot be read ({type(error).__name__})"
            raise ContractError(message, path=self.contract.path) from None

    @property
    def _uses(self) -> Mapping[str, frozenset[str]]:
        """The columns that each rule uses, directly or by derivation."""
        found = self.derivation.inputs
        return {reason: frozenset().union(*(found[n] for n in names)) for reason, names in self.inputs.items()}

    def add_computed(self, batch: pl.DataFrame, transform: Transform) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Run the transform hook on the rows that are good so far, and check its computed columns.

        Returns:
            The checked batch with the computed columns, null in rows that were bad; and the computed columns alone.
        """
        good = ~batch[BAD]
        computed = transform(batch.filter(good).select(given_columns(self.contract)))
        whole = batch.hstack(spread(computed, good))
        late = {flag.meta.output_name(): pl.lit(good) & flag for flag in self.late_flags}
        try:
            flagged = _collect(whole.lazy().with_columns(**late))
        except FAILURES:
            flagged = flag_rows(whole, self.late_flags, self._uses, {}, among=good)
        return flagged.with_columns(pl.any_horizontal(BAD, *late).alias(BAD)), computed

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


def _collect(plan: pl.LazyFrame) -> pl.DataFrame:
    # Every batch runs the same plan and needs every column; skip the optimizer.
    return plan.collect(engine="in-memory", optimizations=pl.QueryOptFlags.none())


def _with_stages(plan: pl.LazyFrame, stages: Iterable[Sequence[pl.Expr]]) -> pl.LazyFrame:
    for stage in stages:
        plan = plan.with_columns_seq(stage)
    return plan


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
