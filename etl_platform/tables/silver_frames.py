"""Silver as Polars frames: one agency, several or all, in the columns of the contract."""

import shutil
import tempfile
import weakref
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.near_names import did_you_mean_or_all
from etl_platform.errors import TableError
from etl_platform.tables.table_columns import agency_column, silver_rows, silver_schema
from etl_platform.tables.table_objects import (
    TableObject,
    TableSource,
    download_all,
    list_objects,
    read_consistently,
)


def read_silver(
    source: TableSource,
    dataset: str,
    agency: str | Collection[str] | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The rows of ``scan_silver`` in memory."""
    return scan_silver(source, dataset, agency, columns).collect(engine="streaming")


def scan_silver(
    source: TableSource,
    dataset: str,
    agency: str | Collection[str] | None = None,
    columns: Sequence[str] | None = None,
) -> pl.LazyFrame:
    """The rows of a dataset in silver as one listing of the bucket shows them.

    The objects are downloaded to temporary files, which are removed when the frame and all frames derived from it are
    gone. So a file that is replaced later does not change the frame.

    Args:
        source: a ``Platform``.
        agency: one partition, several, or all of them, which is the default. An agency without silver has no rows.
        columns: by default all columns of the contract, in its order, and ``agency``.

    Raises:
        TableError: there is no such dataset or column, or an object does not fit the contract.
        ContractError: the contract is set aside for an error.
        TransientError: infrastructure, or the objects keep changing.
    """
    contract = _contract_of(source, dataset)
    schema = _chosen(silver_schema(contract), columns, dataset)
    agencies = [agency] if isinstance(agency, str) else agency

    def read(objects: Sequence[TableObject]) -> _Snapshot:
        return _Snapshot(source, objects, schema, agency_column(contract))

    snapshot = read_consistently(
        lambda: list_objects(source, "silver", dataset, agencies), read, f"silver of {dataset}"
    )
    return register_io_source(snapshot, schema=schema, is_pure=True)


def _contract_of(source: TableSource, dataset: str) -> Contract:
    contract = source.contract_folder.find(dataset)
    if contract is None:
        hint = did_you_mean_or_all(dataset, sorted(source.contract_folder.good))
        raise TableError(f"{dataset}: unknown dataset{hint}")
    return contract


def _chosen(schema: pl.Schema, columns: Sequence[str] | None, dataset: str) -> pl.Schema:
    unknown = [name for name in columns or () if name not in schema]
    if unknown:
        raise TableError(f"{dataset} has no column {', '.join(unknown)}{did_you_mean_or_all(unknown[0], schema)}")
    return schema if columns is None else pl.Schema({name: schema[name] for name in columns})


class _Snapshot:
    """Local copies of the objects of one listing; Polars calls it for their rows. Removed with the last reference."""

    def __init__(self, source: TableSource, objects: Sequence[TableObject], schema: pl.Schema, agency: str) -> None:
        folder = Path(tempfile.mkdtemp(prefix="etl-platform-silver-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        paths = download_all(source, objects, folder)
        parts = [silver_rows(path, found, schema, agency) for path, found in zip(paths, objects, strict=True)]
        self._plan = pl.concat(parts) if parts else pl.LazyFrame(schema=schema)

    def __call__(
        self, columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        plan = self._plan if rows is None else self._plan.head(rows)
        if predicate is not None:
            plan = plan.filter(predicate)
        yield from plan.select(columns or pl.all()).collect_batches(engine="streaming")
