"""check_file: a local file against its contract, in bounded memory. The one engine behind runs and the CLI.

No S3, no Dagster: what an agency runs before it sends is what the platform runs on arrival.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from etl_platform.adapters.ahead import one_ahead
from etl_platform.adapters.corrected import CorrectedTable
from etl_platform.adapters.key_hashes import KeyHashes, checksum
from etl_platform.adapters.opening import open_table
from etl_platform.adapters.parquet import ParquetSink
from etl_platform.adapters.quarantine_files import export_csv
from etl_platform.adapters.tabular import Table
from etl_platform.adapters.transform_hook import load_transform
from etl_platform.core.contracts import Contract
from etl_platform.core.corrections import Corrections
from etl_platform.core.dataset_rules import ColumnFacts, Measure, Verdict, hold
from etl_platform.core.deliveries import Outcome
from etl_platform.core.errors import UnreadableFileError
from etl_platform.core.headers import HeaderMatch, match_header
from etl_platform.core.hooks import given_columns
from etl_platform.core.masking import HIDDEN, shape, shown
from etl_platform.core.profile import Profiler
from etl_platform.core.rule_names import LINE, MEMBER, OVERFLOW, REASONS, TWINS_DIFFER
from etl_platform.core.rules import BAD, DAMAGE, CompiledContract, compile_contract

SILVER, QUARANTINE, QUARANTINE_CSV, REPORT = (
    "silver.parquet",
    "quarantine.parquet",
    "quarantine.csv",
    "report.json",
)
_EXAMPLES = 5
_PREVIEW_ROWS = 5
Progress = Callable[[str, int], None]
"""Told the stage (``keys`` or ``rows``) and the rows done so far."""


@dataclass
class CheckResult:
    """What a check found. ``to_json`` is the report that people, scripts and the ledger read.

    Attributes:
        reasons: rows per broken rule; a row counts once under each rule that it breaks.
        examples: per rule, the first five lines with their values, masked where classified.
        verdicts: each dataset rule of the contract, held against the whole file.
        preview: the first accepted rows, classified values hidden.
    """

    outcome: Outcome
    rows: int = 0
    accepted_rows: int = 0
    quarantined_rows: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    dialect: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    preview: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "outcome": str(self.outcome),
            "rows": self.rows,
            "accepted_rows": self.accepted_rows,
            "quarantined_rows": self.quarantined_rows,
            "reasons": self.reasons,
            "examples": self.examples,
            "dialect": self.dialect,
            "columns": self.columns,
            "profile": self.profile,
            "dataset_rules": [verdict.to_json() for verdict in self.verdicts],
            "errors": self.errors,
            "preview": self.preview,
        }

    def reject(self, code: str, message: str, line: int | None = None) -> None:
        self.outcome = Outcome.REJECTED
        self.errors.append({"code": code, "message": message, "line": line})


def check_file(
    path: Path,
    contract: Contract,
    out_dir: Path,
    progress: Progress = lambda _stage, _rows: None,
    *,
    as_of: date | None = None,
    delivery_id: str | None = None,
    corrections: Corrections | None = None,
) -> CheckResult:
    """Read, check and split one file.

    Writes ``silver.parquet`` (typed contract columns; only if accepted) and, where rows broke a rule,
    ``quarantine.parquet`` (the file's own columns as text, ``_line``, ``reasons``) into ``out_dir``.
    ``as_of`` is the day of delivery (UTC); a contract that asks for freshness needs it. ``delivery_id`` stands in the
    footer of ``silver.parquet``, so that no two deliveries make the same bytes.
    ``corrections`` take the place of cells before anything is checked, so that they are held against the same rules.

    Raises:
        ValueError: freshness is asked for and no day is given.
        ContractError: the contract's rules do not compile, or its transform hook fails.
        OSError: the file cannot be opened, or the disk is full.
    """
    result = CheckResult(Outcome.ACCEPTED)
    if as_of is None and any(rule.measure is Measure.FRESHNESS for rule in contract.dataset_rules):
        raise ValueError(f"{contract.path} asks for freshness, which needs the day of delivery")
    # Before the file is opened: a broken rule is the contract's fault, whatever the file is like.
    load_transform(contract, compile_contract(contract, {}).schema)
    for name in (SILVER, QUARANTINE, QUARANTINE_CSV, REPORT):
        (out_dir / name).unlink(missing_ok=True)
    table: Table | None = None
    try:
        table = open_table(path, contract)
        if corrections:
            table = CorrectedTable(table, corrections)
        match = match_header(table.header, contract)
        result.columns = _columns(table, match)
        if _refuse_header(result, contract, match):
            return result
        compiled = compile_contract(contract, match.positions, serial_origin=table.serial_origin)
        result.columns["made_of"] = {c.name: compiled.sources(c.name) for c in contract.columns if not c.in_file}
        twins = [(match.positions[name], place) for name, places in match.twins.items() for place in places]
        made_from = {"delivery_id": delivery_id} if delivery_id else {}
        _split(table, compiled, twins, out_dir, progress, made_from=made_from).fill(result, as_of)
    except UnreadableFileError as error:
        result.reject(error.code, error.message, error.line)
    except pl.exceptions.PanicException:
        # No Exception by birth, and its message may quote values.
        raise RuntimeError("Polars panicked on this file") from None
    finally:
        if table is not None:
            result.dialect = table.describe()
    _judge(result, contract)
    if result.outcome is not Outcome.ACCEPTED:
        (out_dir / SILVER).unlink(missing_ok=True)
    if not result.quarantined_rows:
        (out_dir / QUARANTINE).unlink(missing_ok=True)
    return result


def check_contract(contract: Contract) -> None:
    """Compile a contract's rules and run its transform hook on no rows; ContractError where either fails."""
    schema = compile_contract(contract, {}).schema
    transform = load_transform(contract, schema)
    if transform is not None:
        transform(pl.DataFrame(schema={name: schema[name] for name in given_columns(contract)}))


def profile_file(path: Path, progress: Progress = lambda _stage, _rows: None) -> CheckResult:
    """Read and profile any file without a contract: every column is text."""
    result = CheckResult(Outcome.ACCEPTED)
    table: Table | None = None
    try:
        table = open_table(path, None)
        result.columns = {"header": list(table.names)}
        places = [str(position) for position in range(len(table.names))]
        profiler = Profiler(dict.fromkeys(places, pl.String()))
        for batch in table.batches():
            profiler.update(batch.select(*places, *(pl.col(place).alias(f"text:{place}") for place in places)))
            progress("rows", profiler.rows)
        result.rows = result.accepted_rows = profiler.rows
        result.profile = dict(zip(table.names, profiler.result().values(), strict=True))
    except UnreadableFileError as error:
        result.reject(error.code, error.message, error.line)
    finally:
        if table is not None:
            result.dialect = table.describe()
    return result


def write_report(result: CheckResult, out_dir: Path) -> None:
    """``report.json``, and the quarantine once more as CSV for people with a spreadsheet."""
    (out_dir / REPORT).write_text(json.dumps(result.to_json(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    if (out_dir / QUARANTINE).exists():
        export_csv({"": out_dir / QUARANTINE}, out_dir / QUARANTINE_CSV)


def _columns(table: Table, match: HeaderMatch) -> dict[str, Any]:
    return {
        "header": list(table.names),
        "matched": {name: table.names[position] for name, position in match.positions.items()},
        "synonyms": match.synonyms,
        "missing": list(match.missing),
        "extra": list(match.extra),
        "twins": {name: [table.names[place] for place in places] for name, places in match.twins.items()},
    }


def _refuse_header(result: CheckResult, contract: Contract, match: HeaderMatch) -> bool:
    required = {column.name for column in contract.columns if column.required}
    for name in match.missing:
        if name in required:
            known = ", ".join((name, *contract.column(name).synonyms))
            result.reject(
                "missing_column", f"the required column {name} is not in the header; it may be called {known}"
            )
    for name in match.ambiguous:
        result.reject("ambiguous_column", f"two columns of the file could be {name}; keep one")
    return result.outcome is Outcome.REJECTED


def _split(
    table: Table,
    compiled: CompiledContract,
    twins: Sequence[tuple[int, int]],
    out_dir: Path,
    progress: Progress,
    *,
    made_from: Mapping[str, str],
) -> "_Pass":
    """Find repeated keys, then read, check and write in one pass.

    Keys are looked for by a cheap reading of their columns. Where the pass itself then sees other keys, the
    file is damaged in a way that fooled it, and both are done again with the full reading.
    """
    for cheaply in (True, False):
        with tempfile.TemporaryDirectory(prefix="keys-", dir=out_dir) as scratch:
            keys = _scan_keys(table, compiled, Path(scratch), progress, cheaply=cheaply)
            repeated = {reason: found.repeated() for reason, found in keys.items()}
        one_pass = _Pass(compiled, table.names, twins, made_from)
        one_pass.run(table, repeated, out_dir, progress)
        if all(found.checksum == one_pass.checksums[reason] for reason, found in keys.items()):
            break
    return one_pass


def _scan_keys(
    table: Table, compiled: CompiledContract, scratch: Path, progress: Progress, *, cheaply: bool
) -> dict[str, KeyHashes]:
    keys = {reason: KeyHashes(scratch / str(index)) for index, reason in enumerate(compiled.keys)}
    if not keys:
        return keys
    sources = {source for names in compiled.keys.values() for name in names for source in compiled.sources(name)}
    positions = sorted(compiled.positions[name] for name in sources if name in compiled.positions)
    rows = 0
    for cells in table.some_columns(positions) if cheaply else table.batches():
        for reason, hashes in compiled.key_hashes(cells).items():
            keys[reason].add(hashes)
        rows += cells.height
        progress("keys", rows)
    return keys


class _Pass:
    """One pass over the rows: what it counts, shows and writes."""

    def __init__(
        self,
        compiled: CompiledContract,
        names: Sequence[str],
        twins: Sequence[tuple[int, int]],
        made_from: Mapping[str, str],
    ) -> None:
        contract = compiled.contract
        self._compiled, self._names, self._twins, self._made_from = compiled, names, twins, made_from
        self._columns = [column.name for column in contract.columns]
        self._sensitive = frozenset(column.name for column in contract.columns if column.sensitive)
        types = dict(compiled.schema)
        computed = [column.name for column in contract.columns if column.computed]
        self._profiler = Profiler({n: types[n] for n in given_columns(contract)}, self._sensitive, compiled.empty)
        self._transform = load_transform(contract, compiled.schema)
        self._computed = Profiler({name: types[name] for name in computed}, self._sensitive)
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[dict[str, Any]]] = {}
        self._preview: list[dict[str, Any]] = []
        self._accepted = self._quarantined = 0
        self.checksums = dict.fromkeys(compiled.keys, 0)

    def run(self, table: Table, repeated: Mapping[str, pl.Series], out_dir: Path, progress: Progress) -> None:
        with (
            ParquetSink(out_dir / SILVER, self._compiled.schema, self._made_from) as silver,
            ParquetSink(out_dir / QUARANTINE, _quarantine_schema(self._names, table.members)) as quarantine,
        ):
            batches = (_compare_twins(cells, self._twins) for cells in one_ahead(table.batches()))
            checked = (self._compiled.check(cells, repeated) for cells in batches)
            for batch in one_ahead(checked):
                good, bad = self._take(batch)
                silver.write(good)
                quarantine.write(bad)
                progress("rows", self._profiler.rows)
        self._accepted, self._quarantined = silver.rows, quarantine.rows

    def _take(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Count a checked batch; its good rows typed, its bad rows as they were sent."""
        self._profiler.update(batch)
        if self._transform is not None:
            batch, made = self._compiled.add_computed(batch, self._transform)
            self._computed.update(made)
        for reason in self.checksums:
            self.checksums[reason] = (self.checksums[reason] + checksum(batch[f"key:{reason}"])) % 2**64
        good = batch.select(self._columns)
        # By place: a filter would walk every one of the batch's many columns.
        bad = batch[batch[BAD].arg_true()]
        if bad.height:
            good = good.filter(~batch[BAD])
            _count(bad, self._compiled, self._counts)
            _collect_examples(bad, self._compiled, self._examples)
        if len(self._preview) < _PREVIEW_ROWS:
            self._preview += _preview(good.head(_PREVIEW_ROWS - len(self._preview)), self._sensitive)
        return good, _as_sent(self._compiled.explain(bad), self._names)

    def fill(self, result: CheckResult, as_of: date | None) -> None:
        result.rows = self._profiler.rows
        result.accepted_rows, result.quarantined_rows = self._accepted, self._quarantined
        result.reasons = {reason: self._counts[reason] for reason in sorted(self._counts)}
        result.examples, result.preview = self._examples, self._preview
        profile = self._profiler.result() | self._computed.result()
        result.profile = {name: profile[name] for name in self._columns}
        if result.rows:
            rules = self._compiled.contract.dataset_rules
            result.verdicts = hold(rules, result.rows, self._facts, as_of=as_of, sensitive=self._sensitive)

    def _facts(self, name: str) -> ColumnFacts:
        return (self._computed if self._compiled.contract.column(name).computed else self._profiler).facts(name)


def _compare_twins(cells: pl.DataFrame, twins: Sequence[tuple[int, int]]) -> pl.DataFrame:
    """Rows in which two columns of the same name say different things are damaged: either could be meant."""
    if not twins:
        return cells
    differ = pl.any_horizontal(pl.col(str(one)).ne_missing(pl.col(str(other))) for one, other in twins)
    return cells.with_columns(pl.coalesce(DAMAGE, pl.when(differ).then(pl.lit(TWINS_DIFFER))).alias(DAMAGE))


def _count(bad: pl.DataFrame, compiled: CompiledContract, counts: Counter[str]) -> None:
    sums = bad.select(pl.col(f"rule:{reason}").sum().alias(reason) for reason in compiled.reasons)
    counts.update({found.name: found.item() for found in sums if found.item()})
    counts.update(dict(bad[DAMAGE].drop_nulls().value_counts().rows()))


def _collect_examples(bad: pl.DataFrame, compiled: CompiledContract, examples: dict[str, list[dict[str, Any]]]) -> None:
    places = [LINE, *_member(bad)]
    keys = [place.removeprefix("_") for place in places]
    for reason in compiled.reasons:
        room = _EXAMPLES - len(examples.get(reason, ()))
        if room <= 0:
            continue
        inputs = compiled.inputs[reason]
        rows = bad.filter(f"rule:{reason}").head(room).select(*places, *(f"text:{name}" for name in inputs))
        for row in rows.rows():
            values = row[len(places) :]
            shown = [_shown(compiled.contract, name, value) for name, value in zip(inputs, values, strict=True)]
            value = (
                shown[0] if len(shown) == 1 else ", ".join(f"{n}={v or ''}" for n, v in zip(inputs, shown, strict=True))
            )
            examples.setdefault(reason, []).append({**dict(zip(keys, row, strict=False)), "value": value})
    damaged = bad.filter(pl.col(DAMAGE).is_not_null()).group_by(DAMAGE, maintain_order=True).head(_EXAMPLES)
    for *place, reason, overflow in damaged.select(*places, DAMAGE, OVERFLOW).rows():
        if len(examples.setdefault(reason, [])) < _EXAMPLES:
            examples[reason].append({**dict(zip(keys, place, strict=True)), "value": overflow and shape(overflow)})


def _shown(contract: Contract, name: str, value: str | None) -> str | None:
    if value is None:
        return None
    return shape(value) if contract.column(name).sensitive else shown(value)


def _preview(good: pl.DataFrame, sensitive: frozenset[str]) -> Iterator[dict[str, Any]]:
    for row in good.rows(named=True):
        yield {name: HIDDEN if name in sensitive and value is not None else shown(value) for name, value in row.items()}


def _quarantine_schema(names: Sequence[str], members: Sequence[str]) -> pl.Schema:
    """The sender's columns and ours; lines of an archive's members count within each."""
    cells: Mapping[str, Any] = dict.fromkeys(names, pl.String)
    member: Mapping[str, Any] = {MEMBER: pl.String} if members else {}
    return pl.Schema({**cells, **member, LINE: pl.UInt32, OVERFLOW: pl.String, REASONS: pl.String})


def _as_sent(bad: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    # Texts made anew: as they are, a few bad rows waiting to be written would keep all that was read with them.
    cells = [(pl.col(str(position)) + "").alias(name) for position, name in enumerate(names)]
    return bad.select(*cells, *_member(bad), LINE, OVERFLOW, REASONS)


def _member(bad: pl.DataFrame) -> list[str]:
    return [MEMBER] if MEMBER in bad.columns else []


def _judge(result: CheckResult, contract: Contract) -> None:
    """Reject a whole file for what its rows add up to."""
    if result.errors:
        return
    if not result.rows:
        result.reject("no_rows", "the file has a header and no rows")
        return
    percent = 100 * result.quarantined_rows / result.rows
    limit = contract.max_rejected_percent
    if not result.accepted_rows:
        result.reject("no_good_rows", f"all {result.rows:,} rows break a rule")
    elif limit is not None and percent > limit:
        result.reject("too_many_bad_rows", f"{percent:.2f} % of the rows break a rule; the contract allows {limit} %")
    for verdict in result.verdicts:
        if verdict.rejects:
            result.reject(verdict.rule.code, f"{verdict.rule.name}: {verdict.message}")
