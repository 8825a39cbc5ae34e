"""The rows of a table → silver and quarantine, checked, counted and profiled in one pass. No verdict on the file."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from etl_platform.engine.ambiguity import ContraryTexts
from etl_platform.engine.columns import (
    BAD,
    DAMAGE,
    DUPLICATES_DIFFER,
    FAILED,
    LINE,
    MEMBER,
    OVERFLOW,
    REASONS,
)
from etl_platform.engine.contract.overlay import AppliedOverlay
from etl_platform.engine.output.parquet import ParquetSink
from etl_platform.engine.personal_data_search import PersonalDataSearch, unannounced_columns
from etl_platform.engine.privacy.masking import HIDDEN, shown
from etl_platform.engine.profile import Profiler
from etl_platform.engine.reading.prefetch import prefetch
from etl_platform.engine.reading.table import Table
from etl_platform.engine.repairs import order_repairs
from etl_platform.engine.result import CheckResult
from etl_platform.engine.row_examples import RowExamples
from etl_platform.engine.rules.compiled_contract import CompiledContract
from etl_platform.engine.rules.dataset_verdicts import ColumnFacts, evaluate_rules
from etl_platform.engine.rules.hook import load_transform
from etl_platform.engine.rules.hook_result import given_columns
from etl_platform.engine.rules.key_hashes import KeyHashes, checksum

SILVER, QUARANTINE = "silver.parquet", "quarantine.parquet"
_COMBINATIONS = 1_000
"""Sets of reasons that are counted, the most frequent ones; the others count for no repair."""
_PREVIEW_ROWS = 5
Progress = Callable[[str, int], None]
"""Called with the stage (``keys`` or ``rows``) and the rows done so far."""


def split(
    table: Table,
    compiled: CompiledContract,
    duplicates: Sequence[tuple[int, int]],
    out_dir: Path,
    progress: Progress,
    *,
    footer: Mapping[str, str],
) -> "SplitRows":
    """Find repeated keys, then read, check and write in one pass.

    A cheap reader finds the keys first; it can misread damaged rows. If the pass then finds other keys, both steps are
    repeated with the full reader. A small table is read once, by the full reader.

    Args:
        duplicates: pairs of positions of columns with the same header.
        footer: metadata for the footer of silver.
    """
    batches = _batches(table)
    for cheaply in (False,) if table.is_small else (True, False):
        with tempfile.TemporaryDirectory(prefix="keys-", dir=out_dir) as scratch:
            rows = prefetch(table.some_columns(_key_positions(compiled))) if cheaply else batches()
            keys = _scan_keys(rows, compiled, Path(scratch), progress)
            repeated = {reason: found.repeated() for reason, found in keys.items()}
        one_pass = SplitRows(compiled, table, duplicates, footer)
        one_pass.run(batches(), repeated, out_dir, progress)
        if all(found.checksum == one_pass.checksums[reason] for reason, found in keys.items()):
            break
    return one_pass


def _batches(table: Table) -> Callable[[], Iterator[pl.DataFrame]]:
    """The batches of a table, at each call from the first one."""
    if not table.is_small:
        return lambda: prefetch(table.batches())
    held = list(table.batches())
    return lambda: iter(held)


def _key_positions(compiled: CompiledContract) -> list[int]:
    sources = {source for names in compiled.keys.values() for name in names for source in compiled.sources(name)}
    return sorted(compiled.positions[name] for name in sources if name in compiled.positions)


def _scan_keys(
    batches: Iterator[pl.DataFrame], compiled: CompiledContract, scratch: Path, progress: Progress
) -> dict[str, KeyHashes]:
    keys = {reason: KeyHashes(scratch / str(index)) for index, reason in enumerate(compiled.keys)}
    if not keys:
        return keys
    rows = 0
    for cells in batches:
        for reason, hashes in compiled.key_hashes(cells).items():
            keys[reason].add(hashes)
        rows += cells.height
        progress("keys", rows)
    return keys


class SplitRows:
    """One pass over the rows: its counts, examples and profile, and the two files that it writes."""

    def __init__(
        self,
        compiled: CompiledContract,
        table: Table,
        duplicates: Sequence[tuple[int, int]],
        footer: Mapping[str, str],
    ) -> None:
        contract = compiled.contract
        self._compiled, self._table, self._names = compiled, table, table.names
        self._duplicates, self._footer = duplicates, footer
        self._columns = [column.name for column in contract.columns]
        self._masked = frozenset(column.name for column in contract.columns if column.masked)
        types = dict(compiled.schema)
        computed = [column.name for column in contract.columns if column.computed]
        forms = contract.drift_limits.severity is not None
        given = {name: types[name] for name in given_columns(contract)}
        self._profiler = Profiler(given, self._masked, compiled.empty, forms=forms)
        self._transform = load_transform(contract, compiled.schema)
        self._computed = Profiler({name: types[name] for name in computed}, self._masked, forms=forms)
        self._counts: Counter[str] = Counter()
        self._unevaluated: Counter[str] = Counter()
        self._combinations: Counter[str] = Counter()
        self._changed: Counter[str] = Counter()
        self._changes = compiled.changed_cells
        self._examples = RowExamples(compiled, table.names)
        self._preview: list[dict[str, Any]] = []
        self._accepted = self._quarantined = 0
        self.masked = self._masked
        """The masked columns; after ``add_to`` also those in which personal data was found."""
        self._unnamed = {place: False for place, cell in enumerate(table.header) if not cell.strip()}
        """By position of a column without a name: whether any of its cells has text."""
        headers = {name: table.names[place] for name, place in compiled.positions.items()}
        self._search = PersonalDataSearch(
            unannounced_columns(contract, compiled.schema, headers, _extra_columns(table, compiled, duplicates))
        )
        self.checksums = dict.fromkeys(compiled.keys, 0)
        self.contrary = ContraryTexts(compiled)

    def run(
        self,
        batches: Iterator[pl.DataFrame],
        repeated: Mapping[str, pl.Series],
        out_dir: Path,
        progress: Progress,
    ) -> None:
        with (
            ParquetSink(out_dir / SILVER, self._compiled.schema, self._footer) as silver,
            ParquetSink(out_dir / QUARANTINE, _quarantine_schema(self._names, self._table.members)) as quarantine,
        ):
            whole = (_mark_differing_duplicates(cells, self._duplicates) for cells in batches)
            checked = (self._compiled.check(cells, repeated) for cells in whole)
            for batch in checked if self._table.is_small else prefetch(checked):
                good, bad = self._count_and_separate(batch)
                silver.write(good)
                quarantine.write(bad)
                progress("rows", self._profiler.rows)
        self._accepted, self._quarantined = silver.rows, quarantine.rows

    def _count_and_separate(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The good rows of a checked batch, typed, and its bad rows as sent."""
        self._profiler.update(batch)
        self._note_unnamed_columns(batch)
        if self._changes:
            undamaged = batch.filter(pl.col(DAMAGE).is_null())
            self._changed.update(undamaged.select(**self._changes).row(0, named=True))
        if self._transform is not None:
            batch, computed = self._compiled.add_computed(batch, self._transform)
            self._computed.update(computed)
        self._search.update(batch)
        for reason in self.checksums:
            self.checksums[reason] = (self.checksums[reason] + checksum(batch[f"key:{reason}"])) % 2**64
        good = batch.select(self._columns)
        # Gather by row number: a filter costs more over the batch's many columns.
        bad = batch[batch[BAD].arg_true()]
        if bad.height:
            good = good.filter(~batch[BAD])
            broken = _rows_per_reason(bad, self._compiled)
            self._counts.update(broken)
            self._unevaluated.update(_rows_per_failure(bad))
            self._examples.update(bad, broken)
            self.contrary.update(bad)
            bad = self._compiled.explain(bad)
            self._combinations.update(dict(bad[REASONS].value_counts().rows()))
            if len(self._combinations) > _COMBINATIONS:
                # By text where counts are equal: Polars counts in any order.
                kept = sorted(self._combinations.items(), key=lambda one: (-one[1], one[0]))[:_COMBINATIONS]
                self._combinations = Counter(dict(kept))
        else:
            bad = self._compiled.explain(bad)
        if len(self._preview) < _PREVIEW_ROWS:
            self._preview += good.head(_PREVIEW_ROWS - len(self._preview)).rows(named=True)
        return good, _quarantined(bad, self._names)

    def _note_unnamed_columns(self, batch: pl.DataFrame) -> None:
        """Note unnamed columns with text. Damaged rows are skipped: their surplus text has a reason already."""
        for place in [place for place, filled in self._unnamed.items() if not filled]:
            cells = batch[str(place)]
            if cells.null_count() < len(cells):
                has_text = cells.str.contains(r"\S") & batch[DAMAGE].is_null()
                self._unnamed[place] = has_text.any()

    def add_to(self, result: CheckResult, as_of: date | None) -> CheckResult:
        """The result with the counts, examples, profile and verdicts of the pass; ``as_of`` is the day of delivery."""
        assert result.columns is not None
        unnamed = tuple(_unnamed(place) for place, filled in self._unnamed.items() if filled)
        personal_data = self._search.findings(as_of)
        masked = self.masked = self._masked | self._columns_from(
            {found.column for found in personal_data if found.in_contract}
        )
        profile = self._profiler.result(masked) | self._computed.result(masked)
        rows, rules = self._profiler.rows, self._compiled.contract.dataset_rules
        verdicts = evaluate_rules(rules if rows else (), rows, self._facts, as_of=as_of, masked=masked)
        return replace(
            result,
            rows=rows,
            accepted_rows=self._accepted,
            quarantined_rows=self._quarantined,
            reasons={reason: self._counts[reason] for reason in sorted(self._counts)},
            examples=self._examples.result(masked),
            unevaluated={reason: self._unevaluated[reason] for reason in sorted(self._unevaluated)},
            columns=replace(result.columns, extra=result.columns.extra + unnamed),
            profile={name: profile[name] for name in self._columns},
            dataset_rules=tuple(verdicts),
            personal_data=personal_data,
            preview=tuple(_preview(self._preview, masked)),
            overlay=self._applied_overlay(),
            repairs=order_repairs(self._combinations),
        )

    def _applied_overlay(self) -> AppliedOverlay | None:
        overlay = self._compiled.contract.overlay
        return None if overlay is None else replace(AppliedOverlay.of(overlay), changed_cells=dict(+self._changed))

    def _columns_from(self, names: Set[str]) -> set[str]:
        """Columns of these names, and those that are derived from one."""
        return {name for name in self._columns if not names.isdisjoint((name, *self._compiled.sources(name)))}

    def _facts(self, name: str) -> ColumnFacts:
        return (self._computed if self._compiled.contract.column(name).computed else self._profiler).facts(name)


def _extra_columns(table: Table, compiled: CompiledContract, duplicates: Sequence[tuple[int, int]]) -> dict[str, str]:
    """The columns of the file that the contract does not have: name and place in a batch."""
    known = {*compiled.positions.values(), *(place for pair in duplicates for place in pair)}
    return {
        (name if cell.strip() else _unnamed(place)): str(place)
        for place, (name, cell) in enumerate(zip(table.names, table.header, strict=True))
        if place not in known
    }


def _unnamed(place: int) -> str:
    return f"column {place + 1} (no name)"


def _mark_differing_duplicates(cells: pl.DataFrame, duplicates: Sequence[tuple[int, int]]) -> pl.DataFrame:
    """Rows in which two columns of the same name have different texts are damaged: either could be the right one."""
    if not duplicates:
        return cells
    differ = pl.any_horizontal(pl.col(str(one)).ne_missing(pl.col(str(other))) for one, other in duplicates)
    return cells.with_columns(pl.coalesce(DAMAGE, pl.when(differ).then(pl.lit(DUPLICATES_DIFFER))).alias(DAMAGE))


def _rows_per_reason(bad: pl.DataFrame, compiled: CompiledContract) -> Counter[str]:
    """How many of the bad rows break each rule or have each kind of damage."""
    sums = bad.select(pl.col(f"rule:{reason}").sum().alias(reason) for reason in compiled.reasons)
    broken = Counter({found.name: found.item() for found in sums if found.item()})
    broken.update(dict(bad[DAMAGE].drop_nulls().value_counts().rows()))
    return broken


def _rows_per_failure(bad: pl.DataFrame) -> dict[str, int]:
    """How many of the bad rows each rule could not be evaluated on."""
    return {name.removeprefix(FAILED): int(bad[name].sum()) for name in bad.columns if name.startswith(FAILED)}


def _preview(rows: Iterable[dict[str, Any]], masked: Set[str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {name: HIDDEN if name in masked and value is not None else shown(value) for name, value in row.items()}


def _quarantine_schema(names: Sequence[str], members: Sequence[str]) -> pl.Schema:
    """The sender's columns and the engine's; ``_member`` only where several members were read."""
    cells: Mapping[str, Any] = dict.fromkeys(names, pl.String)
    member: Mapping[str, Any] = {MEMBER: pl.String} if members else {}
    return pl.Schema({**cells, **member, LINE: pl.UInt32, OVERFLOW: pl.String, REASONS: pl.String})


def _quarantined(bad: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Bad rows with their cells as sent."""
    # Copy the strings, so that a few bad rows do not pin the whole chunk in memory.
    cells = [(pl.col(str(position)) + "").alias(name) for position, name in enumerate(names)]
    return bad.select(*cells, *_member(bad), LINE, OVERFLOW, REASONS)


def _member(bad: pl.DataFrame) -> list[str]:
    return [MEMBER] if MEMBER in bad.columns else []
