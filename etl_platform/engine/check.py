"""check_file: a local file against its contract, in bounded memory. The one engine behind runs and the CLI.

No S3, no Dagster: what an agency runs before it sends is what the platform runs on arrival.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from etl_platform.engine.contract.dataset_rules import Measure
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.corrected_table import CorrectedTable
from etl_platform.engine.corrections import Corrections
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.output.quarantine_files import export_csv
from etl_platform.engine.profile import Profiler
from etl_platform.engine.reading.headers import HeaderMatch, match_header
from etl_platform.engine.reading.open_table import open_table
from etl_platform.engine.reading.text_table import Table
from etl_platform.engine.result import CheckOutcome, CheckResult
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform.engine.rules.hook import load_transform
from etl_platform.engine.rules.hook_result import given_columns
from etl_platform.engine.split import QUARANTINE, SILVER, Progress, split

QUARANTINE_CSV, REPORT = "quarantine.csv", "report.json"
_SAMPLE_DAY = date(2000, 1, 1)
"""The day of delivery where a contract is checked without a file."""
RESULTS = (SILVER, QUARANTINE, QUARANTINE_CSV, REPORT)


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
    ``as_of`` is the day of delivery (UTC); a contract with freshness, ``notFuture`` or ``delivery_day`` needs it.
    ``delivery_id`` is written into the footer of ``silver.parquet``, so that no two deliveries make the same bytes.
    ``corrections`` take the place of cells before anything is checked, so that the same rules apply to them.

    Raises:
        ValueError: the day of delivery is needed and not given.
        ContractError: the contract's rules do not compile, or its transform hook fails.
        OSError: the file cannot be opened, or the disk is full.
    """
    result = CheckResult(CheckOutcome.ACCEPTED)
    if as_of is None and any(rule.measure is Measure.FRESHNESS for rule in contract.dataset_rules):
        raise ValueError(f"{contract.path} asks for freshness, which needs the day of delivery")
    # Before the file is opened: a broken rule is the contract's fault, whatever the file is like.
    load_transform(contract, compile_contract(contract, {}, delivery_day=as_of).schema)
    for name in RESULTS:
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
        compiled = compile_contract(contract, match.positions, delivery_day=as_of, serial_origin=table.serial_origin)
        result.columns["made_of"] = {c.name: compiled.sources(c.name) for c in contract.columns if not c.in_file}
        duplicates = [(match.positions[name], place) for name, places in match.duplicates.items() for place in places]
        made_from = {"delivery_id": delivery_id} if delivery_id else {}
        split(table, compiled, duplicates, out_dir, progress, made_from=made_from).fill(result, as_of)
    except UnreadableFileError as error:
        result.reject(error.code, error.message, error.line)
    except pl.exceptions.PanicException:
        # No Exception by birth, and its message may quote values.
        raise RuntimeError("Polars panicked on this file") from None
    finally:
        if table is not None:
            result.dialect = table.describe()
    _judge(result, contract)
    if result.outcome is not CheckOutcome.ACCEPTED:
        (out_dir / SILVER).unlink(missing_ok=True)
    if not result.quarantined_rows:
        (out_dir / QUARANTINE).unlink(missing_ok=True)
    return result


def check_contract(contract: Contract) -> None:
    """Compile a contract's rules and run its transform hook on no rows; ContractError where either fails."""
    schema = compile_contract(contract, {}, delivery_day=_SAMPLE_DAY).schema
    transform = load_transform(contract, schema)
    if transform is not None:
        transform(pl.DataFrame(schema={name: schema[name] for name in given_columns(contract)}))


def profile_file(path: Path, progress: Progress = lambda _stage, _rows: None) -> CheckResult:
    """Read and profile any file without a contract: every column is text."""
    result = CheckResult(CheckOutcome.ACCEPTED)
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
        "twins": {name: [table.names[place] for place in places] for name, places in match.duplicates.items()},
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
    return result.outcome is CheckOutcome.REJECTED


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
