"""The application's PostgreSQL database, read only. Its schema is owned elsewhere; every query on it is in this module.

https://docs.sqlalchemy.org/en/20/core/connections.html#using-server-side-cursors-a-k-a-stream-results
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from etl_platform.application_db.agencies import Agency
from etl_platform.application_db.attachment_file import AttachmentFile
from etl_platform.engine.errors import PermanentError
from etl_platform.errors import SettingsError, TransientError

if TYPE_CHECKING:
    import polars as pl
    from sqlalchemy import Connection, Engine, Select

_ROWS_AT_ONCE = 20_000


OnFrame: TypeAlias = "Callable[[pl.DataFrame], None]"


class ApplicationDatabase:
    """Queries on one database; each call opens and closes its own connection.

    Every call raises:

    - TransientError: the server cannot be reached, disconnects, or refuses the login (psycopg2 cannot tell which)
    - PermanentError: the server refuses the query, for instance because a table or a column is missing
    - SettingsError: DATABASE_URL is not a valid URL
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def check(self) -> None:
        """Connect and run a query; return if both succeed."""
        from sqlalchemy import select, true

        with self._rows(select(true())) as batches:
            next(batches)

    def agencies(self) -> list[Agency]:
        """All agencies that have a slug, by id."""
        from sqlalchemy import select

        table = _table("agencies", "id", "slug", "name")
        with self._rows(select(table).where(table.c.slug != "").order_by(table.c.id)) as batches:
            return [Agency(*row) for batch in batches for row in batch]

    def attachment_files(self, agency_id: int) -> list[AttachmentFile]:
        """The attachments of an agency, by id; a null key or name becomes an empty text."""
        from sqlalchemy import func, select

        table = _table("attachments", "id", "agency_id", "s3_key", "file_name", "content_type", "size_bytes")
        names = (func.coalesce(table.c.s3_key, ""), func.coalesce(table.c.file_name, ""))
        columns = (table.c.id, *names, table.c.content_type, table.c.size_bytes)
        query = select(*columns).where(table.c.agency_id == agency_id).order_by(table.c.id)
        with self._rows(query) as batches:
            return [AttachmentFile(*row) for batch in batches for row in batch]

    def employment_history(self, agency_id: int, columns: Sequence[str], on_frame: OnFrame) -> None:
        """Stream the periods of service of an agency's officers, in frames of text columns; empty text becomes null.

        The order is by officer, start, employer and id, so that equal content comes in equal order. Rows stream through
        COPY, which takes a tenth of the CPU of a cursor.

        Args:
            columns: first the name for the officer's badge, then columns of the table.
        """
        from sqlalchemy import select

        _, *names = columns
        officers = _table("officers", "id", "agency_id", "badge_number")
        periods = _table("employment_history", "id", "officer_id", *names)
        badge = officers.c.badge_number.label("officer_id")
        query = (
            select(badge, *(periods.c[name] for name in names))
            .join_from(periods, officers, periods.c.officer_id == officers.c.id)
            .where(officers.c.agency_id == agency_id)
            # Compare bytes, because collations differ between servers.
            .order_by(badge.collate("C"), periods.c.start_date, periods.c.employer.collate("C"), periods.c.id)
        )
        self._copy(query, columns, on_frame)

    def _copy(self, query: "Select[Any]", columns: Sequence[str], on_frame: OnFrame) -> None:
        from sqlalchemy.dialects.postgresql.psycopg2 import dialect

        from etl_platform.application_db.copy_output import CopyOutput

        sql = query.compile(dialect=dialect(), compile_kwargs={"literal_binds": True})  # type: ignore[no-untyped-call]
        output = CopyOutput(columns, on_frame)
        with _errors(), self._connect() as connection:
            cursor = connection.connection.cursor()
            try:
                cursor.copy_expert(f"COPY ({sql}) TO STDOUT (FORMAT text, NULL '')", output)
            except BaseException:
                # Drop the connection: closing it would first read the rest of an unfinished COPY.
                connection.invalidate()
                raise
        output.flush()

    @contextmanager
    def _rows(self, query: "Select[Any]") -> Iterator[Iterator[Sequence[Any]]]:
        with _errors(), self._connect() as connection:
            yield connection.execute(query).partitions(_ROWS_AT_ONCE)

    @contextmanager
    def _connect(self) -> Iterator["Connection"]:
        with self._engine.connect() as connection:
            yield connection.execution_options(stream_results=True, max_row_buffer=_ROWS_AT_ONCE)

    @cached_property
    def _engine(self) -> "Engine":
        from sqlalchemy import create_engine, make_url
        from sqlalchemy.exc import ArgumentError
        from sqlalchemy.pool import NullPool

        try:
            url = make_url(self._url)
        except (ArgumentError, ValueError):
            raise SettingsError(
                "DATABASE_URL is not a database URL; write postgresql://user:password@host:5432/name"
            ) from None
        return create_engine(
            # Which driver a bare postgresql:// selects depends on the version of SQLAlchemy.
            url.set(drivername="postgresql+psycopg2"),
            poolclass=NullPool,
            connect_args={
                "connect_timeout": 5,
                "application_name": "etl-platform",
                "options": "-c default_transaction_read_only=on -c client_encoding=UTF8 -c datestyle=ISO",
            },
        )


def _table(name: str, *columns: str) -> Any:
    from sqlalchemy import column, table

    return table(name, *(column(item) for item in columns))


@contextmanager
def _errors() -> Iterator[None]:
    """Translate errors of SQLAlchemy and psycopg2; leave out statement and parameters, because messages are logged."""
    from psycopg2 import Error, OperationalError
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except (DBAPIError, Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        reason = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
        # The server sends a code with each refusal. Without a code there was no response.
        if isinstance(cause, OperationalError) or getattr(cause, "pgcode", None) is None:
            raise TransientError(f"the application database (DATABASE_URL): {reason}") from None
        raise PermanentError(f"the application database (DATABASE_URL): {reason}") from None
