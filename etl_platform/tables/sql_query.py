"""One SQL query over silver, quarantine and reports, in DuckDB within limits. What the tables are is in sql_tables.

A query can only read the tables: no other file, no network, no extension, no setting.
"""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from etl_platform.engine.contract_folder import ContractFolder
from etl_platform.engine.errors import UsageError
from etl_platform.errors import ObjectMissingError, PreconditionFailedError, TransientError
from etl_platform.tables.sql_tables import SqlTables, quarantine_table
from etl_platform.tables.table_files import SCHEME, TableFiles
from etl_platform.tables.table_objects import TableSource

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_LIMIT_MB = 1_024
DISK_LIMIT_MB = 10_240
"""For what does not fit into the memory. DuckDB alone would take 90 % of what is free."""
_THREADS = 8
"""More than a pod has cores: a thread mostly waits for S3."""
_ATTEMPTS = 5
_SIGNALS_S = 0.2
_CHUNK = 10_000
_RESULT = "results.main.result"
"""In a database of its own, so that SHOW TABLES does not list it."""
T = TypeVar("T")


class QueryResult:
    """The complete result of a query; it is on disk where it does not fit into the memory.

    Attributes:
        columns: their names; a repeated name gets a number.
        height: the number of rows.
    """

    def __init__(self, connection: "DuckDBPyConnection") -> None:
        self._connection = connection
        self.columns = [str(entry[0]) for entry in connection.execute(f"FROM {_RESULT} LIMIT 0").description or ()]
        found = connection.execute(f"SELECT count(*) FROM {_RESULT}").fetchone()  # noqa: S608 - a constant
        self.height = int(found[0]) if found else 0

    def rows(self, limit: int | None = None) -> Iterator[tuple[Any, ...]]:
        """The first rows, in the order of the query."""
        self._connection.execute(f"FROM {_RESULT}" + (f" LIMIT {limit}" if limit is not None else ""))
        while chunk := self._connection.fetchmany(_CHUNK):
            yield from chunk

    def write_parquet(self, path: Path) -> None:
        """Only to the path that ``run_query`` was given as ``out``; OSError if it cannot be written."""
        import duckdb

        try:
            self._connection.execute(f"COPY {_RESULT} TO {_literal(path)} (FORMAT parquet, COMPRESSION zstd)")
        except duckdb.Error as error:
            raise OSError(f"{path} cannot be written: {error}") from error


def run_query(source: TableSource, sql: str, use: Callable[[QueryResult], T], out: Path | None = None) -> T:
    """Run one SELECT and pass its result to ``use``. If an object is replaced meanwhile, the query runs again.

    Args:
        out: a file that ``use`` may write.

    Raises:
        UsageError: the SQL is wrong, is not one SELECT, or names a table that does not exist.
        TableError: an object does not fit its contract.
        TransientError: infrastructure, or the objects keep changing.
    """
    for _ in range(_ATTEMPTS):
        with tempfile.TemporaryDirectory(prefix="etl-platform-sql-") as folder:
            files = TableFiles(Path(folder))
            with _connection(source, files, Path(folder) / "spill", out) as connection:
                try:
                    _create_result(connection, sql, source.contract_folder)
                except UsageError:
                    if files.error is None:
                        raise
                    if isinstance(files.error, ObjectMissingError | PreconditionFailedError):
                        # Replaced or removed since it was listed.
                        continue
                    raise files.error from None
                return use(QueryResult(connection))
    raise TransientError(f"the tables changed {_ATTEMPTS} times while they were read; try again")


@contextmanager
def _connection(
    source: TableSource, files: TableFiles, spill: Path, out: Path | None
) -> Iterator["DuckDBPyConnection"]:
    """A database in memory with the tables. Its settings are locked once they are made."""
    import duckdb

    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"}) as connection:
        connection.execute("ATTACH ':memory:' AS results")
        SqlTables(source, files).create(connection)
        settings = {
            "allowed_directories": f"['{SCHEME}://', {_literal(f'{spill}/')}]",
            "allowed_paths": f"[{_literal(out)}]" if out else "[]",
            "temp_directory": _literal(spill),
            "max_temp_directory_size": f"'{DISK_LIMIT_MB}MB'",
            "memory_limit": f"'{MEMORY_LIMIT_MB}MB'",
            "threads": str(_THREADS),
            "enable_progress_bar": "false",
            "TimeZone": "'UTC'",
            "enable_external_access": "false",
            "lock_configuration": "true",
        }
        for name, value in settings.items():
            connection.execute(f"SET {name} = {value}")
        yield connection


def _create_result(connection: "DuckDBPyConnection", sql: str, folder: ContractFolder) -> None:
    """Store the result, so that it is complete before any of it is shown."""
    import duckdb

    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
            raise UsageError("only one SELECT can be run: the tables are read-only")
        _execute(connection, f"CREATE TABLE {_RESULT} AS ({statements[0].query.rstrip().removesuffix(';')}\n)")
    except duckdb.OutOfMemoryException as error:
        limits = f"{MEMORY_LIMIT_MB:,} MB of memory or {DISK_LIMIT_MB:,} MB of disk"
        raise UsageError(f"the query needs more than {limits}; narrow it") from error
    except duckdb.Error as error:
        message = " ".join(str(error).partition("\n\nLINE ")[0].split())
        if isinstance(error, duckdb.CatalogException) and "Table with name" in message:
            message = f"{message.partition(' Did you mean')[0]} {_tables_text(folder)}"
        raise UsageError(message) from error


def _execute(connection: "DuckDBPyConnection", sql: str) -> None:
    """Execute in a thread of its own: DuckDB does not notice Ctrl-C while it works."""
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(connection.execute, sql)
        try:
            # Python handles a signal only when its main thread runs, which a signal to another thread does not wake.
            while not work.done():
                wait([work], timeout=_SIGNALS_S)
            work.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise


def _tables_text(folder: ContractFolder) -> str:
    names = sorted(folder.good)
    text = f"The tables are {', '.join(['reports', *names, *map(quarantine_table, names)])}."
    if folder.in_error:
        text += f" Contracts in error have none: {', '.join(broken.dataset for broken in folder.in_error)}."
    return text


def _literal(path: "Path | str") -> str:
    return "'" + str(path).replace("'", "''") + "'"
