"""The application database: queries on a real PostgreSQL server, and errors when it does not answer."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import psycopg2
import pytest

from etl_platform.application_db.attachment_file import AttachmentFile
from etl_platform.application_db.database import ApplicationDatabase
from etl_platform.attachments.plan import Problem, Status, destination_keys, plan_copies
from etl_platform.employment.periods import SCHEMA as EMPLOYMENT
from etl_platform.engine.errors import PermanentError
from etl_platform.errors import SettingsError, TransientError
from etl_platform.local.application_database import SCHEMA, create_application_database, seeded_rows


@pytest.fixture(scope="module")
def url(new_database: Callable[[], str]) -> str:
    url = new_database()
    create_application_database(url, seeded_rows(officers_per_agency=30, attachments_per_agency=7))
    return url


@pytest.fixture
def database(url: str) -> ApplicationDatabase:
    return ApplicationDatabase(url)


def test_agencies_are_sorted_by_id(database: ApplicationDatabase) -> None:
    assert [(agency.id, agency.slug) for agency in database.agencies()] == [
        (10, "nm_albuquerque"),
        (11, "la_new_orleans"),
        (12, "nc_durham"),
    ]


def test_the_check_passes_only_if_the_server_answers(database: ApplicationDatabase, tmp_path: Path) -> None:
    database.check()

    with pytest.raises(TransientError):
        ApplicationDatabase(f"postgresql:///application?host={tmp_path}").check()


def test_attachments_are_limited_to_the_agency(database: ApplicationDatabase) -> None:
    files = database.attachment_files(11)
    assert [file.id for file in files] == list(range(110_001, 110_008))
    assert all(file.source_key.startswith("documents/11/") for file in files)
    assert database.attachment_files(999) == []


def test_the_employment_history_has_a_fixed_order(database: ApplicationDatabase) -> None:
    frames: list[pl.DataFrame] = []
    database.employment_history(10, EMPLOYMENT.names(), frames.append)
    rows = pl.concat(frames)
    assert rows.schema == dict.fromkeys(EMPLOYMENT.names(), pl.String())
    expected = seeded_rows(officers_per_agency=30).employment_history
    assert rows.height == sum(period[1] // 10_000 == 10 for period in expected)
    order = [(row["officer_id"].encode(), row["start_date"], row["employer"].encode()) for row in rows.to_dicts()]
    assert order == sorted(order)


def test_an_agency_without_history_gives_no_frame(database: ApplicationDatabase) -> None:
    frames: list[pl.DataFrame] = []
    database.employment_history(999, EMPLOYMENT.names(), frames.append)
    assert frames == []


def test_an_error_in_the_callback_is_not_translated(database: ApplicationDatabase) -> None:
    def fail(_frame: pl.DataFrame) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        database.employment_history(10, EMPLOYMENT.names(), fail)


def test_the_connection_cannot_write(url: str) -> None:
    """The schema belongs to another system: a mistake here must not change it."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    with ApplicationDatabase(url)._connect() as connection, pytest.raises(DBAPIError, match="read-only"):
        connection.execution_options(stream_results=False).execute(text("DELETE FROM agencies"))


def test_a_missing_table_is_permanent_and_named(new_database: Callable[[], str]) -> None:
    url = new_database()
    create = SCHEMA.replace("CREATE TABLE agencies", "CREATE TABLE bureaus").replace("agencies", "bureaus")
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(create)
    connection.close()
    with pytest.raises(PermanentError, match="agencies"):
        ApplicationDatabase(url).agencies()


def test_nulls_in_a_schema_without_constraints_become_empty_texts(new_database: Callable[[], str]) -> None:
    url = new_database()
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA.replace(" NOT NULL", ""))
        cursor.execute("INSERT INTO agencies VALUES (1, NULL, NULL), (2, '', 'B'), (3, 'c', NULL)")
        cursor.execute("INSERT INTO attachments (id, agency_id) VALUES (7, 3)")
        cursor.execute("INSERT INTO officers VALUES (5, 3, NULL)")
        cursor.execute("INSERT INTO employment_history (id, officer_id) VALUES (6, 5)")
    connection.close()
    database = ApplicationDatabase(url)
    assert [agency.id for agency in database.agencies()] == [3], "without a slug there is no partition"
    files = database.attachment_files(3)
    assert files == [AttachmentFile(7, "", "", None, None)]
    assert plan_copies(destination_keys(files, "c"), {}, {}, {}).problems == {
        "attachments/agency=c/7/file": Problem(Status.MISSING, "NoSuchKey")
    }
    frames: list[pl.DataFrame] = []
    database.employment_history(3, EMPLOYMENT.names(), frames.append)
    assert pl.concat(frames).row(0) == (None,) * len(EMPLOYMENT)


def test_a_server_that_does_not_answer_is_a_transient_error_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(TransientError) as caught:
        ApplicationDatabase("postgresql://app:hunter2@127.0.0.1:1/app").agencies()
    assert "hunter2" not in str(caught.value)


def test_an_invalid_url_is_an_error_that_does_not_show_it() -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL") as caught:
        ApplicationDatabase("postgresql://app:hunter2@host:port/x").agencies()
    assert "hunter2" not in str(caught.value)
