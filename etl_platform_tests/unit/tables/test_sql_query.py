"""SQL over the tables: what it reads, what it may not do, and what it says about wrong queries."""

import _thread
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_platform.deliveries.delivery import Cause, ObjectVersion
from etl_platform.deliveries.report import Trigger
from etl_platform.engine.errors import ContractError, UsageError
from etl_platform.errors import TableError, TransientError
from etl_platform.platform import Platform
from etl_platform.tables.silver_frames import read_silver
from etl_platform.tables.sql_query import run_query
from etl_platform_tests.unit.making import text, typed
from etl_platform_tests.unit.tables.bucket import ROW, Bucket


def rows(source: Platform, sql: str) -> list[tuple[Any, ...]]:
    return run_query(source, sql, lambda result: list(result.rows()))


def deliver(bucket: Bucket, content: str, agency: str = "agency_a") -> None:
    key = f"from_client/{agency}/things.csv"
    path = bucket.root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    intake = bucket.platform.intake
    intake.ingest(intake.route(ObjectVersion("local", key)), Trigger(Cause.EVENT))


def test_a_query_has_the_same_rows_as_a_frame(bucket: Bucket) -> None:
    for agency in ("agency_a", "agency_b", "agency c"):
        bucket.write(agency, ROW, ROW | {"ident": agency, "size": None, "flag": False})

    found = run_query(bucket.platform, "FROM things ORDER BY agency, size", lambda r: (r.columns, list(r.rows())))

    frame = read_silver(bucket.platform, "things").sort("agency", "size", nulls_last=True)
    assert found == (frame.columns, frame.rows())


def test_only_the_agencies_that_the_query_needs_are_downloaded(bucket: Bucket) -> None:
    for agency in ("agency_a", "agency_b", "agency c"):
        bucket.write(agency, ROW)
    seen: list[str] = []
    platform = bucket.watched(lambda head: seen.append(head.key))

    assert rows(platform, "SELECT ident, agency FROM things WHERE agency = 'agency%20c'") == [("a", "agency%20c")]
    assert [key.split("/")[2] for key in seen] == ["agency=agency%20c"]
    assert rows(platform, "SELECT count(*) FROM reports") == [(3,)]
    assert len(seen) == 1


def test_older_files_have_the_columns_of_the_contract(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW)
    bucket.agree([typed("size", "integer"), text("ident"), text("note")])
    bucket.write("agency_b", {"ident": "b", "size": 1, "note": "new"})

    assert rows(bucket.platform, "FROM things ORDER BY agency") == [
        (7, "a", None, "agency_a"),
        (1, "b", "new", "agency_b"),
    ]


def test_an_object_that_does_not_fit_the_contract_is_named(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW)
    bucket.agree([typed("ident", "integer")])

    with pytest.raises(TableError, match="ident is String there and Int64 now"):
        rows(bucket.platform, "FROM things")


def test_quarantine_has_the_contracts_columns_as_they_were_sent(bucket: Bucket) -> None:
    deliver(bucket, "The Ident,size,colour\na,1,red\nb,many,blue\n")

    found = rows(
        bucket.platform,
        "SELECT ident, size, share, _line, reasons, _other_cells, agency FROM things_quarantine",
    )

    assert found == [("b", "many", None, 3, "size.type", '{"colour":"blue"}', "agency_a")]


def test_reports_have_typed_fields_and_include_ignored_files(bucket: Bucket) -> None:
    deliver(bucket, "ident,size\na,1\nb,many\n")
    deliver(bucket, "nothing\n", "agency_b")
    path = bucket.root / "from_client" / "agency_b" / "other.csv"
    path.write_text("x,y\n1,2\n")
    intake = bucket.platform.intake
    intake.ingest(intake.route(ObjectVersion("local", "from_client/agency_b/other.csv")), Trigger(Cause.EVENT))

    sql = (
        "SELECT outcome, dataset, quarantined_rows, reasons['size.type'], errors[1].code, "
        "attempt.ended_at > TIMESTAMPTZ '2020-01-01' FROM reports ORDER BY outcome"
    )
    assert rows(bucket.platform, sql) == [
        ("accepted", "things", 1, 1, None, True),
        ("ignored", None, None, None, "no_contract", True),
        ("rejected", "things", 0, None, "no_header_match", True),
    ]


def test_tables_without_objects_are_empty(bucket: Bucket) -> None:
    for table in ("things", "things_quarantine", "reports"):
        assert rows(bucket.platform, f"SELECT count(*) FROM {table}") == [(0,)]


def test_the_tables_and_their_columns_can_be_listed(bucket: Bucket) -> None:
    assert rows(bucket.platform, "SHOW TABLES") == [("reports",), ("things",), ("things_quarantine",)]
    described = {row[0]: row[1] for row in rows(bucket.platform, "DESCRIBE things")}
    assert described["fee"] == "DECIMAL(10,2)"
    assert list(described)[-1] == "agency"


@pytest.mark.parametrize(
    "sql",
    [
        "COPY things TO '{folder}/stolen.csv'",
        "ATTACH '{folder}/new.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '90GB'",
        "CREATE TABLE mine AS FROM things",
        "DROP VIEW things",
        "SELECT 1; SELECT 2",
        "EXPLAIN ANALYZE SELECT 1",
        "",
    ],
)
def test_only_one_select_is_run(bucket: Bucket, tmp_path: Path, sql: str) -> None:
    with pytest.raises(UsageError, match="only one SELECT can be run: the tables are read-only"):
        rows(bucket.platform, sql.format(folder=tmp_path))
    assert not (tmp_path / "stolen.csv").exists()


@pytest.mark.parametrize(
    "source",
    [
        "read_text('{folder}/secret.txt')",
        "read_csv('{folder}/secret.txt')",
        "read_blob('{folder}/*')",
        "glob('{folder}/*')",
        "sniff_csv('{folder}/secret.txt')",
        "read_text('etl://../{folder}/secret.txt')",
        "read_csv('https://example.invalid/x.csv')",
        "'{folder}/secret.txt'",
    ],
)
def test_no_file_and_no_network_can_be_read(bucket: Bucket, tmp_path: Path, source: str) -> None:
    (tmp_path / "secret.txt").write_text("secret\n")

    with pytest.raises((UsageError, TableError)) as error:
        rows(bucket.platform, f"SELECT * FROM {source.format(folder=tmp_path)}")
    assert "secret\n" not in str(error.value)


def test_a_query_cannot_close_the_statement_around_it(bucket: Bucket) -> None:
    with pytest.raises(UsageError, match="syntax error"):
        rows(bucket.platform, "SELECT 1); DROP VIEW things; SELECT (1")
    assert rows(bucket.platform, "SELECT 1 -- a comment") == [(1,)]
    assert rows(bucket.platform, "SELECT 1;\n") == [(1,)]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("FROM thing", r"Table with name thing does not exist! The tables are reports, things, things_quarantine\."),
        ("SELECT sise FROM things", r'"sise" not found in FROM clause! Candidate bindings: .*"size"'),
        ("SELEC 1", "syntax error at or near"),
    ],
)
def test_a_wrong_query_says_what_there_is(bucket: Bucket, sql: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        rows(bucket.platform, sql)


def test_a_query_runs_again_if_a_file_is_replaced_meanwhile(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW)
    newer = [ROW | {"ident": "newer"}]

    platform = bucket.watched(lambda _: bucket.write("agency_a", newer.pop()) if newer else None)

    assert rows(platform, "SELECT ident FROM things") == [("newer",)]


def test_tables_that_never_stop_changing_are_an_error_that_may_be_retried(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW)

    platform = bucket.watched(lambda _: bucket.write("agency_a", ROW))

    with pytest.raises(TransientError, match="the tables changed 5 times while they were read; try again"):
        rows(platform, "FROM things")


def test_a_result_is_written_as_parquet(bucket: Bucket, tmp_path: Path) -> None:
    bucket.write("agency_a", ROW)
    out = tmp_path / "it's.parquet"

    run_query(bucket.platform, "FROM things", lambda result: result.write_parquet(out), out)

    assert pl.read_parquet(out)["fee"].to_list() == [ROW["fee"]]


def test_a_result_beyond_the_memory_limit_is_spilled_to_disk(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl_platform.tables.sql_query.MEMORY_LIMIT_MB", 60)

    height = run_query(bucket.platform, "SELECT hash(range), range FROM range(6_000_000)", lambda r: r.height)

    assert height == 6_000_000


def test_a_result_beyond_the_disk_limit_is_refused_and_leaves_nothing(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("etl_platform.tables.sql_query.MEMORY_LIMIT_MB", 60)
    monkeypatch.setattr("etl_platform.tables.sql_query.DISK_LIMIT_MB", 20)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with pytest.raises(UsageError, match=r"needs more than 60 MB of memory or 20 MB of disk; narrow it"):
        run_query(bucket.platform, "SELECT hash(range), range FROM range(6_000_000)", lambda r: r.height)

    assert list(tmp_path.glob("etl-platform-sql-*")) == []


def test_a_contract_in_error_has_no_table_and_the_others_can_be_queried(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW)
    (bucket.contracts_dir / "broken.odcs.yaml").write_text("schema: [{name: broken}]")

    assert rows(bucket.platform, "SELECT ident FROM things") == [("a",)]
    with pytest.raises(UsageError, match=r"Contracts in error have none: broken\."):
        rows(bucket.platform, "FROM broken")
    with pytest.raises(ContractError, match=r"broken\.odcs\.yaml"):
        read_silver(bucket.platform, "broken")


def test_ctrl_c_ends_a_query(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW)
    platform = bucket.watched(lambda _: _thread.interrupt_main())

    with pytest.raises(KeyboardInterrupt):
        rows(platform, "SELECT sum(hash(a.range)) FROM things, range(1_000_000) a, range(1_000_000) b")
