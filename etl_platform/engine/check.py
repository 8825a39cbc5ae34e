"""The engine's functions for callers: check or profile one local file in bounded memory, and check a contract.

Called by intake runs, by ``etl-platform check`` and by ``etl-platform-check`` on a sender's machine.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from etl_platform.engine.columns import LINE, REASONS
from etl_platform.engine.contract.dataset_rules import Measure
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract.overlay import AppliedOverlay, Overlay
from etl_platform.engine.corrected_table import CorrectedTable
from etl_platform.engine.corrections import Corrections
from etl_platform.engine.errors import ContradictedOverrideError, UnreadableFileError
from etl_platform.engine.machine_errors import machine_error
from etl_platform.engine.matched_columns import FileColumns, Rename
from etl_platform.engine.personal_data_search import PersonalDataSearch, SearchedColumn
from etl_platform.engine.profile import Profiler
from etl_platform.engine.reading.open_table import open_table
from etl_platform.engine.reading.table import Table
from etl_platform.engine.reading.tables.headers import NO_HEADER_MATCH, HeaderMatch, match_header
from etl_platform.engine.renames.last_file import PreviousFiles, no_files
from etl_platform.engine.renames.suggest import suggest_renames
from etl_platform.engine.result import CheckResult, FileError
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform.engine.rules.compiled_contract import CompiledContract
from etl_platform.engine.rules.contract_rules import sentences_of
from etl_platform.engine.rules.hook import load_transform
from etl_platform.engine.rules.hook_result import given_columns
from etl_platform.engine.split import QUARANTINE, SILVER, Progress, split

_SAMPLE_DAY = date(2000, 1, 1)
"""Stands in for the day of delivery when a contract is checked without a file."""
RESULTS = (SILVER, QUARANTINE, "quarantine.csv", "report.json")
_REFUSED_ROWS = FileError(
    "refused_rows",
    f"the columns {LINE} and {REASONS} show that these are only the refused rows of a file; put the corrected cells "
    "into your own file and send that whole (the data team takes these rows with `etl-platform replay --corrections`)",
)


def check_file(
    path: Path,
    contract: Contract,
    out_dir: Path,
    progress: Progress = lambda _stage, _rows: None,
    *,
    as_of: date | None = None,
    delivery_id: str | None = None,
    corrections: Corrections | None = None,
    previous: PreviousFiles = no_files,
) -> CheckResult:
    """Read, check and split one file.

    Args:
        out_dir: gets ``silver.parquet`` (typed columns of the contract) if the file is accepted and, if rows broke a
            rule, ``quarantine.parquet`` (the file's own columns as text, ``_line``, ``reasons``).
        as_of: the day of delivery (UTC); a contract with freshness, ``notFuture`` or ``delivery_day`` needs it.
        delivery_id: written into the footer of ``silver.parquet``, so that no two deliveries give the same bytes.
        corrections: replace cells before anything is checked, so that the same rules apply to them.
        previous: the previous files of the series, by which renamed columns are found.

    Raises:
        ValueError: the day of delivery is needed and not given.
        ContractError: the contract's rules do not compile, or its transform hook fails.
        OSError, MemoryError, RuntimeError: an error of the machine, which is never a verdict on the file.
    """
    _refuse_broken_contract(contract, as_of)
    _delete(out_dir, *RESULTS)
    with _reading(contract.overlay) as reading:
        if contract.overlay is not None:
            # Before the file is opened, since the overlay may be why it cannot be read.
            reading.result = replace(reading.result, overlay=AppliedOverlay.of(contract.overlay))
        table = reading.table = _open(path, contract, reading, previous)
        if corrections:
            table = reading.table = CorrectedTable(table, corrections)
        match = match_header(table.header, contract)
        renames = suggest_renames(table, match, contract, previous)
        reading.result = _with_columns(reading.result, table, match, renames)
        found = tuple(_header_errors(table, contract, match, renames))
        reading.result = replace(reading.result, errors=found)
        if not reading.result.errors:
            compiled = compile_contract(
                contract, match.positions, delivery_day=as_of, serial_origin=table.serial_origin
            )
            reading.result = _with_lineage(reading.result, compiled)
            footer = {"delivery_id": delivery_id} if delivery_id else {}
            rows = split(table, compiled, match.duplicate_pairs(), out_dir, progress, footer=footer)
            result = rows.add_to(reading.result, as_of)
            result = replace(result, sentences=sentences_of(contract, result.reasons))
            errors = rows.contrary.errors(table, rows.masked)
            reading.result = replace(result, errors=(*errors, *_row_errors(result, contract)))
    result = reading.result
    _delete(out_dir, *([SILVER] if result.errors else []), *([] if result.quarantined_rows else [QUARANTINE]))
    return result


@dataclass
class _Reading:
    """A file that is being read: the result so far, and the table once it is open."""

    result: CheckResult
    table: Table | None = None


@contextmanager
def _reading(overlay: Overlay | None = None) -> Iterator[_Reading]:
    """Ends with a result for a file that cannot be read, and with the dialect of any file that was opened."""
    reading = _Reading(CheckResult(rows=0, accepted_rows=0, quarantined_rows=0))
    try:
        yield reading
    except UnreadableFileError as error:
        if cause := machine_error(error):
            raise cause from None
        message = error.message
        if isinstance(error, ContradictedOverrideError) and overlay and error.override in overlay.overrides:
            message = error.message_about("overlay", overlay.name)
        reading.result = replace(reading.result, errors=(FileError(error.code, message, error.line),))
    except pl.exceptions.PanicException:
        # A panic is not a subclass of Exception, and its message may quote values.
        raise RuntimeError("Polars panicked on this file") from None
    finally:
        if reading.table is not None:
            dialect = reading.table.describe()
            # A line that was left out may hold the values of a row.
            dialect = dialect.masked if reading.result.personal_data else dialect
            reading.result = replace(reading.result, dialect=dialect)


def _refuse_broken_contract(contract: Contract, as_of: date | None) -> None:
    """Raise before the file is opened, because a broken contract is an error whatever the file contains."""
    if as_of is None and any(rule.measure is Measure.FRESHNESS for rule in contract.dataset_rules):
        raise ValueError(f"{contract.path} has a freshness rule, which needs the day of delivery; pass it as as_of")
    load_transform(contract, compile_contract(contract, {}, delivery_day=as_of).schema)


def _delete(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def check_contract(contract: Contract) -> None:
    """Compile a contract's rules and run its transform hook on an empty frame; ContractError where either fails."""
    schema = compile_contract(contract, {}, delivery_day=_SAMPLE_DAY).schema
    transform = load_transform(contract, schema)
    if transform is not None:
        transform(pl.DataFrame(schema={name: schema[name] for name in given_columns(contract)}))


def profile_file(
    path: Path, progress: Progress = lambda _stage, _rows: None, *, as_of: date | None = None
) -> CheckResult:
    """Read and profile any file without a contract: every column is text."""
    with _reading() as reading:
        table = reading.table = open_table(path, None)
        reading.result = replace(reading.result, columns=FileColumns(header=tuple(table.names)))
        positions = [str(position) for position in range(len(table.names))]
        profiler = Profiler(dict.fromkeys(positions, pl.String()))
        columns = zip(table.names, positions, strict=True)
        search = PersonalDataSearch([SearchedColumn(name, place, in_contract=False) for name, place in columns])
        for batch in table.batches():
            search.update(batch)
            profiler.update(batch.select(*positions, *(pl.col(name).alias(f"text:{name}") for name in positions)))
            progress("rows", profiler.rows)
        found = search.findings(as_of)
        masked = {str(table.names.index(one.column)) for one in found}
        profile = dict(zip(table.names, profiler.result(masked).values(), strict=True))
        reading.result = replace(
            reading.result, rows=profiler.rows, accepted_rows=profiler.rows, profile=profile, personal_data=found
        )
    return reading.result


def _open(path: Path, contract: Contract, reading: _Reading, previous: PreviousFiles) -> Table:
    """Open a file. Of one whose header names too few columns, say which of its columns may be which.

    Raises:
        UnreadableFileError: what ``open_table`` raises, or ``refused_rows``.
    """
    try:
        return open_table(path, contract)
    except UnreadableFileError as error:
        table = _open_without_contract(path)
        if table is not None and _is_export(table):
            # Where the header is pinned, an export that has it elsewhere cannot be read with the contract.
            raise UnreadableFileError(_REFUSED_ROWS.code, _REFUSED_ROWS.message) from error
        hint = None
        if table is not None and error.code == NO_HEADER_MATCH:
            hint = _likely_header(table, contract, reading, previous)
        if hint is None:
            raise
        raise UnreadableFileError(error.code, f"{error.message}; {hint}", error.line) from error


def _open_without_contract(path: Path) -> Table | None:
    try:
        return open_table(path, None)
    except UnreadableFileError:
        return None


def _is_export(table: Table) -> bool:
    """Whether a file is one of our exports of refused rows, corrected or not. It would replace the whole file."""
    return {LINE, REASONS} <= {cell.strip() for cell in table.header}


def _likely_header(table: Table, contract: Contract, reading: _Reading, previous: PreviousFiles) -> str | None:
    match, dialect = match_header(table.header, contract), table.describe()
    renames = suggest_renames(table, match, contract, previous)
    # Without renames, what looks like a header may be a row of data.
    if not renames or dialect.header_remark:
        return None
    reading.result = _with_columns(reading.result, table, match, renames)
    pairs = ", ".join(f"{rename.header} may be {rename.column}" for rename in renames)
    return f"on line {dialect.header_line}, {pairs}"


def _with_columns(result: CheckResult, table: Table, match: HeaderMatch, renames: tuple[Rename, ...]) -> CheckResult:
    columns = FileColumns(
        header=tuple(table.names),
        matched={name: table.names[position] for name, position in match.positions.items()},
        synonyms=match.synonyms,
        missing=tuple(match.missing),
        extra=tuple(match.extra),
        duplicates={name: tuple(table.names[place] for place in places) for name, places in match.duplicates.items()},
        renames=renames,
    )
    return replace(result, columns=columns)


def _with_lineage(result: CheckResult, compiled: CompiledContract) -> CheckResult:
    assert result.columns is not None
    derived = [column.name for column in compiled.contract.columns if not column.in_file]
    derived_from = {name: tuple(compiled.sources(name)) for name in derived}
    return replace(result, columns=replace(result.columns, derived_from=derived_from))


def _header_errors(
    table: Table, contract: Contract, match: HeaderMatch, renames: Sequence[Rename]
) -> Iterator[FileError]:
    if _is_export(table):
        yield _REFUSED_ROWS
        return
    candidates = {rename.column: f"; {rename.header} may be it" for rename in renames}
    required = {column.name for column in contract.columns if column.required}
    for name in match.missing:
        if name in required:
            known = ", ".join(contract.column(name).header_names)
            advice = f"add it under one of the names {known}{candidates.get(name, '')}"
            yield FileError("missing_column", f"the header lacks the required column {name}; {advice}")
    for name in match.ambiguous:
        yield FileError("ambiguous_column", f"two columns of the file match {name}; send only one of them")


def _row_errors(result: CheckResult, contract: Contract) -> Iterator[FileError]:
    """Why the file as a whole is rejected for its rows."""
    if not result.rows:
        yield FileError("no_rows", "the file has a header and no rows; export it again")
        return
    percent = 100 * (result.quarantined_rows or 0) / result.rows
    limit = contract.max_rejected_percent
    if not result.accepted_rows:
        every = "the only row breaks" if result.rows == 1 else f"all {result.rows:,} rows break"
        yield FileError("no_good_rows", f"{every} a rule; correct this and send the file again")
    elif limit is not None and percent > limit:
        yield FileError(
            "too_many_bad_rows",
            f"{percent:.2f} % of the rows break a rule, and the contract allows {limit} %; "
            "correct them and send the file again",
        )
    if contract.rejects_personal_data and result.personal_data:
        found = "; ".join(map(str, result.personal_data))
        advice = "send the file without these values, or ask the data team to classify the column in the contract"
        yield FileError("personal_data", f"{found}; {advice}")
    codes = {rule.name: rule.code for rule in contract.dataset_rules}
    for verdict in result.dataset_rules:
        if verdict.rejects:
            yield FileError(codes[verdict.name], f"{verdict.name}: {verdict.message}")
