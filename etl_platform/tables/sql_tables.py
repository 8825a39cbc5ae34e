"""Silver, quarantine and reports as views of DuckDB. Queries and their limits are in ``sql_query``."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import polars as pl

from etl_platform.engine.contract.model import Contract
from etl_platform.errors import ObjectMissingError
from etl_platform.tables.report_columns import REPORT_COLUMNS, duckdb_type, quoted
from etl_platform.tables.table_columns import (
    agency_column,
    quarantine_rows,
    quarantine_schema,
    silver_rows,
    silver_schema,
)
from etl_platform.tables.table_files import Make, TableFiles
from etl_platform.tables.table_objects import TableObject, TableSource, list_objects, list_report_heads

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

REPORTS = "reports"
_READERS = 16
Rows = Callable[[Path, TableObject], pl.LazyFrame]


def quarantine_table(dataset: str) -> str:
    return f"{dataset}_quarantine"


class SqlTables:
    """One view per dataset, one per quarantine, and one of all reports, on one state of the bucket."""

    def __init__(self, source: TableSource, files: TableFiles) -> None:
        self._source, self._files = source, files

    def create(self, connection: "DuckDBPyConnection") -> None:
        """Create the views. Nothing is listed or downloaded before a query uses them."""
        connection.register_filesystem(self._files)
        views = {REPORTS: self._reports()}
        for dataset, contract in self._source.contract_folder.good.items():
            views[quarantine_table(dataset)] = self._partitions("quarantine", contract, quarantine_schema(contract))
        for dataset, contract in self._source.contract_folder.good.items():
            views[dataset] = self._partitions("silver", contract, silver_schema(contract))
        for name, rows in views.items():
            connection.execute(f"CREATE VIEW {quoted(name)} AS FROM {rows}")
        self._files.lists = True

    def _partitions(self, layer: str, contract: Contract, schema: pl.Schema) -> str:
        """The table function that reads a layer of a dataset; the folder of each file gives its agency."""
        dataset, agency = contract.dataset, agency_column(contract)
        inside = pl.Schema({name: kind for name, kind in schema.items() if name != agency})
        columns = self._files.add_file(f"{layer}/{dataset}/{agency}=/columns", lambda path: _write_empty(path, inside))

        def rows(path: Path, found: TableObject) -> pl.LazyFrame:
            if layer == "silver":
                return silver_rows(path, found, inside, agency)
            return quarantine_rows(path, found, contract).drop(agency)

        def list_files() -> Sequence[str]:
            objects = list_objects(self._source, layer, dataset)
            return [self._add(layer, dataset, agency, found, rows) for found in objects]

        pattern = self._files.add_pattern(f"{layer}/{dataset}/*", columns, list_files)
        return f"read_parquet('{pattern}', hive_partitioning = true, hive_types = {{'{agency}': VARCHAR}})"

    def _add(self, layer: str, dataset: str, agency: str, found: TableObject, rows: Rows) -> str:
        # DuckDB decodes the folder's name once, and partitions of Dagster are encoded.
        folder = f"{layer}/{dataset}/{agency}={quote(found.agency)}"
        return self._files.add_file(f"{folder}/{quote(found.head.key, safe='')}", self._download(found, rows))

    def _download(self, found: TableObject, rows: Rows) -> Make:
        def make(path: Path) -> None:
            stored, fitted = path.with_suffix(".stored"), path.with_suffix(".fitted")
            self._source.store.download(found.head, stored)
            plan = rows(stored, found)
            if list(plan.collect_schema().items()) == list(pl.read_parquet_schema(stored).items()):
                stored.rename(path)
            else:
                plan.sink_parquet(fitted)
                fitted.rename(path)
                stored.unlink()

        return make

    def _reports(self) -> str:
        url = self._files.add_file("reports/all.json", self._write_reports)
        types = ", ".join(f"{quoted(name)}: '{duckdb_type(kind)}'" for name, kind in REPORT_COLUMNS.items())
        return f"read_json('{url}', format = 'newline_delimited', columns = {{{types}}})"

    def _write_reports(self, path: Path) -> None:
        """All reports as lines of one file: an object each would be opened one after the other."""
        keys = [head.key for head in list_report_heads(self._source)]
        with ThreadPoolExecutor(_READERS) as pool, path.with_suffix(".part").open("wb") as file:
            file.writelines(line + b"\n" for line in pool.map(self._read_report, keys) if line)
        path.with_suffix(".part").rename(path)

    def _read_report(self, key: str) -> bytes:
        try:
            return b" ".join(self._source.store.read(self._source.bucket, key).split(b"\n")).strip()
        except ObjectMissingError:
            return b""


def _write_empty(path: Path, schema: pl.Schema) -> None:
    pl.DataFrame(schema=schema).write_parquet(path)
