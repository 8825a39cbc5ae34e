"""What several unit tests make: contracts, tables read back, folders listed. No tests."""

import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from etl_platform.engine.check_output import CheckedFile, write_report
from etl_platform.engine.columns import DAMAGE, LINE, OVERFLOW
from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.model import Contract, ReferenceTable
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.open_table import open_table
from etl_platform.engine.reading.table import Table
from etl_platform.engine.result import CheckResult
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform.engine.rules.compiled_contract import CompiledContract

PROJECT = Path(__file__).parents[2]
CONTRACTS = PROJECT / "contracts"
SHIPPED = ("complaints", "employment_history", "officer_detail", "traffic_stops", "training", "use_of_force")
"""The datasets of the project; the contracts that an installation adds need not be as complete."""


def text(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "logicalType": "string", **more}


def typed(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "logicalType": kind, **more}


def custom(**values: Any) -> list[dict[str, Any]]:
    return [{"property": name, "value": value} for name, value in values.items()]


def row_rule(name: str, sql: str) -> dict[str, Any]:
    return {"name": name, "type": "custom", "engine": "rowRule", "implementation": sql}


def contract_data(
    properties: Sequence[Mapping[str, Any]],
    *,
    dataset: str = "things",
    quality: Sequence[Mapping[str, Any]] = (),
    customs: Sequence[Mapping[str, Any]] = (),
    **top: Any,
) -> dict[str, Any]:
    """A contract; its columns may be shown unless their ``classification`` says otherwise, None for no such field."""
    schema: dict[str, Any] = {"name": dataset, "properties": [_classified(entry) for entry in properties]}
    if quality:
        schema["quality"] = [dict(rule) for rule in quality]
    if customs:
        schema["customProperties"] = [dict(item) for item in customs]
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": dataset,
        "version": "1.0.0",
        "status": "active",
        "schema": [schema],
        **top,
    }


def _classified(entry: Mapping[str, Any]) -> dict[str, Any]:
    fields = {"classification": "public", **entry}
    return (
        fields if fields["classification"] is not None else {k: v for k, v in fields.items() if k != "classification"}
    )


def yaml_text(data: Mapping[str, Any]) -> str:
    """YAML in the order of the mapping, by libyaml: the emitter in Python takes ten times as long."""
    return str(yaml.dump(data, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True))


def contract_of(
    properties: Sequence[Mapping[str, Any]], *, references: Sequence[ReferenceTable] = (), **more: Any
) -> Contract:
    source = yaml_text(contract_data(properties, **more))
    return parse_contract(source, "made.odcs.yaml", {table.name: table for table in references})


def reference(name: str, header: str, *rows: str) -> ReferenceTable:
    """A table as if it had been read; cells stand between commas, the first row in line 2."""
    cells = tuple(tuple(row.split(",")) for row in rows)
    lines = tuple(range(2, len(rows) + 2))
    return ReferenceTable(name, f"references/{name}.csv", f"sha of {rows}", tuple(header.split(",")), cells, lines)


@cache
def compiled_once(contract: Contract, delivery_day: date | None) -> CompiledContract:
    positions = {column.name: i for i, column in enumerate(contract.file_columns)}
    return compile_contract(contract, positions, delivery_day=delivery_day)


def checked(
    contract: Contract, rows: Sequence[tuple[str | None, ...]], *, delivery_day: date | None = None
) -> pl.DataFrame:
    """Every row with its reasons, in file order, as the engine says; empty cells are null."""
    compiled, width = compiled_once(contract, delivery_day), len(contract.file_columns)
    cells = {str(i): pl.Series([row[i] or None for row in rows], dtype=pl.String) for i in range(width)}
    frame = pl.DataFrame(cells).with_columns(
        pl.int_range(2, len(rows) + 2, dtype=pl.UInt32).alias(LINE),
        pl.lit(None, pl.String).alias(DAMAGE),
        pl.lit(None, pl.String).alias(OVERFLOW),
    )
    repeated = {}
    for reason, hashes in compiled.key_hashes(frame).items():
        counts = hashes.value_counts()
        repeated[reason] = counts.filter(pl.col("count") > 1)[counts.columns[0]]
    return compiled.explain(compiled.check(frame, repeated))


def write_results(result: CheckResult, contract: Contract, folder: Path) -> None:
    """Write report and quarantine of a checked file, as the command does."""
    write_report(CheckedFile(Path("a.csv"), "a.csv", contract, result, datetime(2026, 11, 30, tzinfo=UTC)), folder)


def contract_text(source: str) -> str:
    return textwrap.dedent(source).lstrip("\n")


def read_back(path: Path, contract: Contract | None = None) -> tuple[Table, pl.DataFrame]:
    """The opened table and all its batches in one frame."""
    table = open_table(path, contract)
    batches = list(table.batches())
    return table, pl.concat(batches) if batches else pl.DataFrame()


def cells_of(frame: pl.DataFrame) -> list[tuple[str, ...]]:
    """Text cells by position, nulls as empty texts."""
    names = [name for name in frame.columns if name.isdigit()]
    return [tuple(cell or "" for cell in row) for row in frame.select(names).rows()]


def cells_read(path: Path, contract: Contract, content: bytes) -> list[tuple[str, ...]]:
    """The text cells of a file with this content."""
    path.write_bytes(content)
    return cells_of(read_back(path, contract)[1])


def refusal(path: Path, contract: Contract, content: bytes | None = None) -> UnreadableFileError:
    """The error with which a file is refused; ``content`` is written to it before."""
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableFileError) as caught:
        read_back(path, contract)
    return caught.value


def listing(folder: Path) -> dict[str, bytes]:
    """Every file under a folder with its bytes; the lock file of a local store is no object."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }
