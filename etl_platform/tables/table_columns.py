"""The columns of silver and of a quarantine as tables, and one object's rows in these columns. No network."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from etl_platform.engine.columns import LINE, MEMBER, OVERFLOW, REASONS, RESERVED
from etl_platform.engine.contract.model import Contract, fold
from etl_platform.engine.values.silver_types import dtype
from etl_platform.errors import TableError
from etl_platform.tables.table_objects import TableObject

DELIVERY, OTHER_CELLS = "_delivery_id", "_other_cells"


def agency_column(contract: Contract) -> str:
    """The column with the partition: ``agency``, unless the contract has a column of that name."""
    return "_agency" if any(fold(column.name) == "agency" for column in contract.columns) else "agency"


def silver_schema(contract: Contract) -> pl.Schema:
    """The contract's columns and the agency, which is last as in every reader of Hive partitions."""
    columns = {column.name: dtype(column) for column in contract.columns}
    return pl.Schema({**columns, agency_column(contract): pl.String()})


def quarantine_schema(contract: Contract) -> pl.Schema:
    """The contract's columns as the texts that were sent, where they were found, and the agency."""
    texts = [column.name for column in contract.file_columns]
    added: dict[str, pl.DataType] = {
        DELIVERY: pl.String(),
        MEMBER: pl.String(),
        LINE: pl.Int64(),
        OVERFLOW: pl.String(),
        OTHER_CELLS: pl.String(),
        REASONS: pl.String(),
    }
    taken = {fold(name, keep="_") for name in added}
    own = {name: pl.String() for name in texts if fold(name, keep="_") not in taken}
    return pl.Schema({**own, **added, agency_column(contract): pl.String()})


def silver_rows(path: Path, found: TableObject, schema: pl.Schema, agency: str) -> pl.LazyFrame:
    """The rows of a silver object in the columns of ``schema``. ``agency`` is the name of the partition column.

    An object that was written under an older contract may lack columns, which are then null.

    Raises:
        TableError: it has a column with another type, in which its values may not fit.
    """
    plan = pl.scan_parquet(path, glob=False)
    there = plan.collect_schema()
    cells = [
        pl.lit(found.agency).alias(name) if name == agency else _typed(name, wanted, there.get(name), found)
        for name, wanted in schema.items()
    ]
    return plan.select(cells)


def _typed(name: str, wanted: pl.DataType, there: pl.DataType | None, found: TableObject) -> pl.Expr:
    if there is None:
        return pl.lit(None, wanted).alias(name)
    if there == wanted:
        return pl.col(name)
    if _widens(there, wanted):
        return pl.col(name).cast(wanted)
    raise TableError(
        f"{found.head.key} was written under another contract: {name} is {there} there and {wanted} now. "
        f"Replay the dataset for {found.agency}: etl-platform replay --agency {found.agency} --dataset D"
    )


def _widens(there: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether every value of a type has the same meaning in the other type."""
    if isinstance(there, pl.Decimal) and isinstance(wanted, pl.Decimal):
        whole, wanted_whole = there.precision - there.scale, wanted.precision - wanted.scale
        return there.scale <= wanted.scale and whole <= wanted_whole
    return wanted == pl.String or (there == pl.Date and wanted.base_type() == pl.Datetime)


def quarantine_rows(path: Path, found: TableObject, contract: Contract) -> pl.LazyFrame:
    """The rows of a quarantine object under the contract's names; cells of other columns as one JSON text."""
    plan = pl.scan_parquet(path, glob=False)
    there = plan.collect_schema().names()
    names = _contract_names(there, contract)
    others = [name for name in there if name not in RESERVED and name not in names.values()]
    agency, cells = agency_column(contract), []
    for name, wanted in quarantine_schema(contract).items():
        if name == agency:
            cell = pl.lit(found.agency)
        elif name == DELIVERY:
            cell = pl.lit(found.head.key.rpartition("/")[2].removesuffix(".parquet"))
        elif name == OTHER_CELLS:
            cell = pl.struct(others).struct.json_encode() if others else pl.lit(None, wanted)
        else:
            source = names.get(name, name)
            cell = pl.col(source).cast(wanted) if source in there else pl.lit(None, wanted)
        cells.append(cell.alias(name))
    return plan.select(cells)


def _contract_names(header: Sequence[str], contract: Contract) -> dict[str, str]:
    """The column of the file for each column of the contract that it has."""
    known, found = contract.known_headers, dict[str, str]()
    for name in header:
        if name not in RESERVED and (column := known.get(fold(name))):
            found.setdefault(column, name)
    return found
