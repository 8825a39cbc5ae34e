"""The application's PostgreSQL, read only. Its schema is owned elsewhere: every query on it stands here.

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


Take: TypeAlias = "Callable[[pl.DataFrame], None]"


class ApplicationDatabase:
    """Repositories over one database; each call opens a connection of its own and closes it.

    Every call raises TransientError where the server cannot be reached, goes away or refuses the login (psycopg2 does
    not tell these apart), PermanentError where it refuses the query: a table or a column is not there. SettingsError
    where there is no server to ask: DATABASE_URL is no URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def check(self) -> None:
        """Return if the server takes the login and answers."""
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
        """The attachments of an agency, by id; a key or a name that is null is an empty text."""
        from sqlalchemy import func, select

        table = _table("attachments", "id", "agency_id", "s3_key", "file_name", "content_type", "size_bytes")
        names = (func.coalesce(table.c.s3_key, ""), func.coalesce(table.c.file_name, ""))
        columns = (table.c.id, *names, table.c.content_type, table.c.size_bytes)
        query = select(*columns).where(table.c.agency_id == agency_id).order_by(table.c.id)
        with self._rows(query) as batches:
            return [AttachmentFile(*row) for batch in batches for row in batch]

    def employment_history(self, agency_id: int, columns: Sequence[str], take: Take) -> None:
        """Give ``take`` the periods of service of an agency's officers: frames of texts, an empty text as null.

        Ordered by officer, start, employer and id, so that the same content always comes in the same order. Millions of
        rows stream through COPY: a tenth of the CPU of a cursor's rows.

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
            # By bytes: the order of a collation differs from server to server.
            .order_by(badge.collate("C"), periods.c.start_date, periods.c.employer.collate("C"), periods.c.id)
        )
        self._copy(query, columns, take)

    def _copy(self, query: "Select[Any]", columns: Sequence[str], take: Take) -> None:
        """Give ``take`` a query's rows as frames of texts."""
        from sqlalchemy.dialects.postgresql.psycopg2 import dialect

        from etl_platform.application_db.copied_rows import CopiedRows

        sql = query.compile(dialect=dialect(), compile_kwargs={"literal_binds": True})  # type: ignore[no-untyped-call]
        rows = CopiedRows(columns, take)
        with _errors(), self._connect() as connection:
            cursor = connection.connection.cursor()
            try:
                cursor.copy_expert(f"COPY ({sql}) TO STDOUT (FORMAT text, NULL '')", rows)
            except BaseException:
                # A COPY that is left in the middle would be read to its end before the connection may close.
                connection.invalidate()
                raise
        rows.flush()

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
                "DATABASE_URL is no URL of a database; it looks like postgresql://user:password@host:5432/name"
            ) from None
        return create_engine(
            # A bare postgresql:// may mean another driver in another version.
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
    """SQLAlchemy's and psycopg2's errors, without statement and parameters: a message may end in a log."""
    from psycopg2 import Error, OperationalError
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except (DBAPIError, Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        said = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
        # What a server refuses has a code; without one nobody answered.
        if isinstance(cause, OperationalError) or getattr(cause, "pgcode", None) is None:
            raise TransientError(f"the application database (DATABASE_URL): {said}") from None
        raise PermanentError(f"the application database (DATABASE_URL): {said}") from None
