"""The employment-history export on a real PostgreSQL server and emulated buckets."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import psycopg2
import pytest

from etl_platform.application_db.database import ApplicationDatabase
from etl_platform.cli.main import main
from etl_platform.definitions import build_defs
from etl_platform.defs.runs.run_policies import NOT_REPEATED
from etl_platform.employment.checks import HistoryCheck
from etl_platform.employment.export import EmploymentHistoryExport
from etl_platform.employment.periods import SCHEMA
from etl_platform.engine.check import check_file
from etl_platform.engine.contract_folder import load_contracts
from etl_platform.errors import PreconditionFailedError, TransientError
from etl_platform.local.application_database import Rows, create_application_database
from etl_platform.platform import Platform
from etl_platform.settings import Settings

CSV = "exports/employment_history/agency=nm_albuquerque/employment_history.csv"
PARQUET = CSV.replace(".csv", ".parquet")
ASSET = dg.AssetKey(["exports", "employment_history"])
PERIODS = (
    (
        1,
        1,
        "Desert Bend PD",
        date(2001, 2, 3),
        date(2004, 5, 6),
        "NM",
        "NM0010001",
        "Officer",
        "FULL_TIME",
        "RESIGNED",
        True,
    ),
    (2, 1, "Cedar, Mill\nPD", date(2004, 5, 6), None, "NC", None, "Sergeant", "FULL_TIME", None, None),
    (3, 2, "=cmd|' /C calc'!A0", date(2010, 1, 1), date(2012, 1, 1), None, "-7", "Officer", None, "RETIRED", False),
    (4, 2, "Peña \\N \\. SO", date(2011, 6, 1), None, "", None, "Wizard", "RESERVE", None, None),
    (5, 3, "Gulf Parish SO", date(2015, 1, 1), date(2014, 1, 1), "LA", None, "Captain", "PART_TIME", None, None),
)
ROWS = Rows(
    agencies=(
        (10, "nm_albuquerque", "Albuquerque Police Department"),
        (11, "nc_durham", "Durham Police Department"),
        (12, "tx el/paso", "El Paso Police Department"),
    ),
    officers=((1, 10, "NM00001"), (2, 10, "NM00002"), (3, 10, "NM00003"), (4, 12, "TX1"), (5, 11, "NC1")),
    employment_history=(*PERIODS, (6, 4, "El Paso PD", date(2020, 1, 1), *(None,) * 7)),
    attachments=(),
)


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    url = new_database()
    create_application_database(url, ROWS)
    return url


@pytest.fixture
def export(url: str, platform: Platform) -> EmploymentHistoryExport:
    return EmploymentHistoryExport(
        ApplicationDatabase(url), platform.store, platform.bucket, ("Officer", "Sergeant", "Captain")
    )


@pytest.fixture
def terminal(url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment of the command line: the test's bucket and database."""
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", str(settings.aws_endpoint_url))
    monkeypatch.setenv("DATA_BUCKET_NAME", str(settings.data_bucket_name))
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.chdir(tmp_path)


def execute(url: str, *statements: str) -> None:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


def objects_in(platform: Platform) -> dict[str, tuple[str, str | None]]:
    """Every object with its eTag and version."""
    heads = [platform.store.head(platform.bucket, item.key) for item in platform.store.list(platform.bucket, "")]
    return {head.key: (head.etag, head.version_id) for head in heads}


def test_csv_and_parquet_contain_the_rows_of_the_agency(
    export: EmploymentHistoryExport, platform: Platform, tmp_path: Path
) -> None:
    result = export.export("nm_albuquerque")

    assert platform.store.read(platform.bucket, CSV).decode() == (
        "officer_id,employer,start_date,end_date,state,agency_code,rank,employment_type,separation_reason,eligible_for_rehire\r\n"
        "NM00001,Desert Bend PD,2001-02-03,2004-05-06,NM,NM0010001,Officer,FULL_TIME,RESIGNED,true\r\n"
        'NM00001,"Cedar, Mill\nPD",2004-05-06,,NC,,Sergeant,FULL_TIME,,\r\n'
        "NM00002,'=cmd|' /C calc'!A0,2010-01-01,2012-01-01,,'-7,Officer,,RETIRED,false\r\n"
        "NM00002,Peña \\N \\. SO,2011-06-01,,,,Wizard,RESERVE,,\r\n"
        "NM00003,Gulf Parish SO,2015-01-01,2014-01-01,LA,,Captain,PART_TIME,,\r\n"
    )
    (tmp_path / "export.parquet").write_bytes(platform.store.read(platform.bucket, PARQUET))
    rows = pl.read_parquet(tmp_path / "export.parquet")
    assert rows.schema == SCHEMA
    badges = {1: "NM00001", 2: "NM00002", 3: "NM00003"}
    expected = [
        (badges[officer], *(value or (None if value == "" else value) for value in rest))
        for _, officer, *rest in PERIODS
    ]
    assert rows.rows() == expected
    assert {finding.check: (finding.rows, finding.first_rows) for finding in result.findings} == {
        HistoryCheck.OVERLAPPING: (1, (5,)),
        HistoryCheck.REVERSED: (1, (6,)),
        HistoryCheck.UNKNOWN_RANK: (1, (5,)),
        HistoryCheck.LOST_DATE: (0, ()),
    }
    assert result.summary == (
        f"nm_albuquerque: 5 rows, 1 overlapping, 1 reversed, 1 with an unknown rank; wrote {CSV} and {PARQUET}"
    )


def test_the_contract_accepts_the_export_except_failed_checks(
    export: EmploymentHistoryExport, platform: Platform, url: str, tmp_path: Path
) -> None:
    contract = load_contracts(Settings().contracts_dir)["employment_history"]
    export.export("nm_albuquerque")
    (tmp_path / "Employment_History.csv").write_bytes(platform.store.read(platform.bucket, CSV))
    result = check_file(tmp_path / "Employment_History.csv", contract, tmp_path)
    assert (str(result.outcome), result.rows, dict(result.reasons)) == ("accepted", 5, {"end_not_before_start": 1})

    execute(url, "DELETE FROM employment_history WHERE id IN (3, 5)")
    export.export("nm_albuquerque")
    (tmp_path / "Employment_History.csv").write_bytes(platform.store.read(platform.bucket, CSV))
    (tmp_path / "export.parquet").write_bytes(platform.store.read(platform.bucket, PARQUET))
    result = check_file(tmp_path / "Employment_History.csv", contract, tmp_path)
    assert (result.rows, result.quarantined_rows, result.columns.missing) == (3, 0, ())
    silver = pl.read_parquet(tmp_path / "silver.parquet").select(SCHEMA.names())
    assert silver.equals(pl.read_parquet(tmp_path / "export.parquet"))


def test_a_second_export_writes_nothing_and_a_changed_row_writes_both(
    export: EmploymentHistoryExport, platform: Platform, url: str
) -> None:
    first = export.export("nm_albuquerque")
    before = objects_in(platform)
    again = export.export("nm_albuquerque")
    assert objects_in(platform) == before
    assert not any(item.written for item in again.objects)
    assert again.summary.endswith("; unchanged, nothing written")
    assert [item.sha256 for item in again.objects] == [item.sha256 for item in first.objects]

    execute(url, "UPDATE employment_history SET rank = 'Captain' WHERE id = 4")
    assert all(item.written for item in export.export("nm_albuquerque").objects)
    assert {key for key, state in objects_in(platform).items() if before[key] != state} == {CSV, PARQUET}


def test_an_agency_without_rows_keeps_its_earlier_export(
    export: EmploymentHistoryExport, platform: Platform, url: str
) -> None:
    nothing = export.export("nc_durham")
    assert (nothing.summary, objects_in(platform)) == ("nc_durham: no rows, nothing written", {})

    export.export("nm_albuquerque")
    before = objects_in(platform)
    execute(url, "DELETE FROM employment_history")
    after = export.export("nm_albuquerque")
    today = datetime.now(UTC).date()
    assert after.summary == f"nm_albuquerque: no rows, nothing written; the export of {today} stays unchanged"
    assert objects_in(platform) == before


def test_a_lost_connection_is_a_transient_error_and_uploads_nothing(
    export: EmploymentHistoryExport, platform: Platform, url: str
) -> None:
    columns = "n, 1, repeat('x', 90), DATE '2020-01-01' + n % 900"
    execute(url, f"INSERT INTO employment_history SELECT {columns} FROM generate_series(100, 300000) AS n")
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'etl-platform'"

    def progress(_rows: int) -> None:
        execute(url, kill)

    with pytest.raises(TransientError, match="the application database"):
        export.export("nm_albuquerque", progress)
    assert objects_in(platform) == {}


def test_an_export_does_not_overwrite_one_that_wrote_meanwhile(
    export: EmploymentHistoryExport, platform: Platform
) -> None:
    def progress(_rows: int) -> None:
        if not objects_in(platform):
            platform.store.write(platform.bucket, CSV, b"newer rows")

    with pytest.raises(PreconditionFailedError):
        export.export("nm_albuquerque", progress)
    assert platform.store.read(platform.bucket, CSV) == b"newer rows"


@pytest.mark.usefixtures("terminal")
def test_a_second_run_of_the_command_writes_nothing(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "employment_history_job", "--", "--agency-id", "10"]) == 0
    findings = "5 rows, 1 overlapping, 1 reversed, 1 with an unknown rank"
    assert capsys.readouterr().out == f"employment_history_job: nm_albuquerque: {findings}; wrote {CSV} and {PARQUET}\n"

    assert main(["run", "employment_history_job", "--", "--all"]) == 0
    other = "exports/employment_history/agency=tx%20el%2Fpaso/employment_history"
    assert capsys.readouterr().out.splitlines() == [
        f"employment_history_job: nm_albuquerque: {findings}; unchanged, nothing written",
        "employment_history_job: nc_durham: no rows, nothing written",
        f"employment_history_job: tx%20el%2Fpaso: 1 row; wrote {other}.csv and {other}.parquet",
    ]
    before = objects_in(platform)
    assert main(["run", "employment_history_job", "--", "--agency", "nm_albuquerque"]) == 0
    assert main(["run", "employment_history_job", "--", "--all"]) == 0
    assert objects_in(platform) == before


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("asked", [("--agency-id", "99"), ("--agency", "../nm_albuquerque")])
def test_an_unknown_agency_is_a_usage_error_that_lists_known_ones(
    asked: tuple[str, str], platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "employment_history_job", "--", *asked]) == 2
    err = capsys.readouterr().err
    assert f"{' '.join(asked)}: unknown agency" in err
    assert "10 nm_albuquerque, 11 nc_durham" in err
    assert objects_in(platform) == {}


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("asked", [(), ("--all", "--agency-id", "10"), ("--agency-id", "-1"), ("--agency-id", "x")])
def test_exactly_one_of_the_agency_options_is_required(asked: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "employment_history_job", "--", *asked])
    assert caught.value.code == 2


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("missing", ["DATABASE_URL", "DATA_BUCKET_NAME"])
def test_a_missing_setting_is_a_usage_error(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(missing)
    assert main(["run", "employment_history_job", "--", "--all"]) == 2
    assert f"{missing} not set" in capsys.readouterr().err


@pytest.mark.usefixtures("terminal")
def test_a_missing_employment_history_contract_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "contracts"
    folder.mkdir()
    training = Settings().contracts_dir / "training.odcs.yaml"
    (folder / training.name).write_bytes(training.read_bytes())
    monkeypatch.setenv("CONTRACTS_DIR", str(folder))
    assert main(["run", "employment_history_job", "--", "--all"]) == 2
    assert "no contract employment_history" in capsys.readouterr().err


@pytest.mark.usefixtures("terminal")
def test_a_refused_login_is_an_error_without_the_password(
    url: str, platform: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url.replace("postgres:@", "somebody:hunter2@"))
    assert main(["run", "employment_history_job", "--", "--agency-id", "10"]) == 1
    printed = capsys.readouterr()
    assert "the application database (DATABASE_URL): connection to server" in printed.err
    assert '"somebody" does not exist' in printed.err
    assert "hunter2" not in printed.out + printed.err
    assert objects_in(platform) == {}


def run(platform: Platform, partition: str, instance: dg.DagsterInstance) -> Any:
    instance.add_dynamic_partitions("agencies", [partition])
    job = build_defs(platform.settings, platform=platform).resolve_job_def("employment_history_job")
    return job.execute_in_process(partition_key=partition, instance=instance, tags=NOT_REPEATED, raise_on_error=False)


def with_database(platform: Platform, url: str) -> Platform:
    settings = platform.settings
    return Platform(
        Settings(
            aws_endpoint_url=settings.aws_endpoint_url,
            data_bucket_name=settings.data_bucket_name,
            aws_max_attempts=1,
            database_url=url,
        )
    )


def test_failed_checks_are_warnings_in_dagster(platform: Platform, url: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(with_database(platform, url), "nm_albuquerque", instance)
        assert result.success
        (record,) = instance.fetch_materializations(ASSET, limit=9).records
        assert record.partition_key == "nm_albuquerque"
        assert record.asset_materialization
        metadata = record.asset_materialization.metadata
        assert metadata["dagster/partition_row_count"].value == 5
        checks = {item.check_name: item for item in result.get_asset_check_evaluations()}
        assert {name: item.passed for name, item in checks.items()} == {
            "periods_do_not_overlap": False,
            "end_not_before_start": False,
            "rank_is_known": False,
            "dates_are_days": True,
        }
        assert {item.severity for item in checks.values()} == {dg.AssetCheckSeverity.WARN}
        assert {item.partition for item in checks.values()} == {"nm_albuquerque"}
        assert checks["periods_do_not_overlap"].metadata["first_rows_of_the_csv"].value == "5"
        assert "Wizard" in repr(checks["rank_is_known"].metadata["values"])
        everything = repr(result.all_events)
        assert "NM00002" not in everything, "officers are named only in the export"


def test_a_run_of_an_unknown_agency_does_nothing(platform: Platform, url: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(with_database(platform, url), "la_new_orleans", instance)
        assert result.success
        assert instance.fetch_materializations(ASSET, limit=9).records == []
        (record,) = instance.fetch_observations(ASSET, limit=9).records
        assert record.asset_observation
        assert "no such agency" in str(record.asset_observation.metadata["summary"].value)
    assert objects_in(platform) == {}


def test_an_unreachable_database_fails_the_run_without_the_password(platform: Platform) -> None:
    away = with_database(platform, "postgresql://app:hunter2@127.0.0.1:1/app")
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(away, "nm_albuquerque", instance)
        assert not result.success
        (event,) = result.filter_events(lambda event: event.is_step_failure)
        assert event.step_failure_data.user_failure_data
        assert "TransientError: the application database" in event.step_failure_data.user_failure_data.description
        assert "hunter2" not in repr(result.all_events)


def test_the_schedule_requests_a_run_of_each_agency(platform: Platform, url: str, tmp_path: Path) -> None:
    here = with_database(platform, url)
    definitions = build_defs(here.settings, platform=here)
    schedule = definitions.resolve_schedule_def("employment_history_schedule")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        context = dg.build_schedule_context(
            instance,
            scheduled_execution_time=datetime(2026, 3, 1, 7, tzinfo=UTC),
            resources={"platform": here},
            repository_def=definitions.get_repository_def(),
        )
        requests = schedule.evaluate_tick(context).run_requests
        assert requests is not None
        assert [(request.run_key, request.partition_key) for request in requests] == [
            ("nc_durham@2026-03-01", "nc_durham"),
            ("nm_albuquerque@2026-03-01", "nm_albuquerque"),
            ("tx%20el%2Fpaso@2026-03-01", "tx%20el%2Fpaso"),
        ]
        assert set(instance.get_dynamic_partitions("agencies")) == {request.partition_key for request in requests}
