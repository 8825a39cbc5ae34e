"""get_s3_files_job on a real PostgreSQL and the emulator: its arguments, its metadata, and what a run says."""

import csv
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import psycopg2
import pytest

from etl_platform.application_db.attachment_file import AttachmentFile
from etl_platform.attachments.copy_agency import AttachmentCopies
from etl_platform.attachments.object_copies import ObjectCopies
from etl_platform.cli.main import main
from etl_platform.definitions import build_defs
from etl_platform.engine.errors import PermanentError
from etl_platform.local.application_database import seeded_rows
from etl_platform.platform import Platform
from etl_platform_tests.faults.proxy import FaultProxy, Harm
from etl_platform_tests.integration.attachment_place import (
    AGENCY,
    CSV,
    JOB,
    PARQUET,
    Place,
    copies_of,
    database_url,
    place,
    proxied,
    seeded,
)

__all__ = ["database_url", "place", "seeded"]
pytestmark = pytest.mark.filterwarnings("ignore::dagster._utils.warnings.PreviewWarning")


@pytest.fixture
def command(seeded: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """``etl-platform run get_s3_files_job --`` with these arguments, in the environment of the seeded place."""
    settings = seeded.settings
    for name in ("aws_endpoint_url", "attachments_source_bucket", "attachments_destination_bucket", "database_url"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return lambda *arguments: main(["run", JOB, "--", *arguments])


def test_every_file_lies_under_its_own_id_and_the_second_run_writes_nothing(
    seeded: Place, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--agency-id", "10") == 0
    assert capsys.readouterr().out == (f"{JOB}: nm_albuquerque: 12 copied, 0 there already of 12 attachments\n")
    first = seeded.versions()
    assert len(first) == 12 + 2
    for number, agency, key, name, *_ in seeded_rows(officers_per_agency=1).attachments:
        if agency == 10:
            copy = seeded.read(f"attachments/agency=nm_albuquerque/{number}/{name}")
            assert copy == seeded.aws.s3.get_object(Bucket=seeded.source, Key=key)["Body"].read()

    assert command("--agency-id", "10") == 0
    assert capsys.readouterr().out == (f"{JOB}: nm_albuquerque: 0 copied, 12 there already of 12 attachments\n")
    assert seeded.versions() == first


def test_metadata_has_a_row_for_each_attachment_in_both_forms(seeded: Place, command: Callable[..., int]) -> None:
    seeded.aws.s3.delete_object(Bucket=seeded.source, Key="documents/10/1001/Photo.jpg")
    assert command("--agency-id", "10") == 1
    table = pl.read_parquet(io.BytesIO(seeded.read(PARQUET)))
    text = seeded.read(CSV)
    assert text.startswith(b"\xef\xbb\xbf")
    assert text.count(b"\r\n") == 13
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert [{name: str(v) if v is not None else "" for name, v in row.items()} for row in table.to_dicts()] == rows
    assert rows[0] == {
        "attachment_id": "100001",
        "agency_id": "10",
        "agency": "nm_albuquerque",
        "source_bucket": seeded.source,
        "source_key": "documents/10/1001/Photo.jpg",
        "destination_bucket": seeded.destination,
        "destination_key": "attachments/agency=nm_albuquerque/100001/Photo.jpg",
        "file_name": "Photo.jpg",
        "content_type": "image/jpeg",
        "recorded_size_bytes": "36",
        "size_bytes": "",
        "source_etag": "",
        "destination_etag": "",
        "status": "missing",
        "error": "NoSuchKey",
    }
    assert {row["status"] for row in rows[1:]} == {"copied"}
    assert all(row["size_bytes"] == row["recorded_size_bytes"] for row in rows[1:])


def test_a_dry_run_says_what_would_be_copied_and_writes_nothing(
    seeded: Place, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--agency-id", "11", "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "documents/11/1001/Photo.jpg" in printed
    assert "attachments/agency=la_new_orleans/110001/Photo.jpg" in printed
    assert "12 to copy" in printed
    assert seeded.versions() == []
    assert command("--agency-id", "11") == 0
    capsys.readouterr()
    assert command("--agency-id", "11", "--dry-run") == 0
    assert "0 to copy (0 bytes), 12 there already" in capsys.readouterr().out


def test_an_unknown_agency_is_a_usage_error_that_lists_those_there_are(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--agency-id", "99") == 2
    assert "it has 10 nm_albuquerque, 11 la_new_orleans, 12 nc_durham" in capsys.readouterr().err


def test_a_missing_bucket_setting_is_named_before_anything_starts(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATTACHMENTS_DESTINATION_BUCKET", "")
    assert command("--agency-id", "10") == 2
    assert "ATTACHMENTS_DESTINATION_BUCKET not set" in capsys.readouterr().err


def test_a_bucket_that_is_not_there_fails_the_run_for_good(place: Place) -> None:
    place.put("docs/a.pdf")
    settings = place.settings
    for pair in ((place.source, "no-such-bucket"), ("no-such-bucket", place.destination)):
        copies = AttachmentCopies(ObjectCopies(settings, *pair), Platform(settings).store)
        with pytest.raises(PermanentError, match="no bucket no-such-bucket"):
            copies.run(AGENCY, place.files("docs/a.pdf"), lambda _settled, _all: None)


@pytest.mark.parametrize("bucket", ["s3://documents", "documents/10", "", "my documents"])
def test_what_is_no_name_of_a_bucket_is_a_usage_error(bucket: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", JOB, "--", "--agency-id", "10", "--source-bucket", bucket])
    assert caught.value.code == 2


def test_the_last_line_says_why_a_run_failed(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--agency-id", "10", "--source-bucket", "no-such-bucket") == 1
    assert capsys.readouterr().out == f"{JOB}: failed: PermanentError: there is no bucket no-such-bucket\n"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert command("--agency-id", "10") == 1
    assert capsys.readouterr().out.startswith(f"{JOB}: failed: TransientError: s3://")


def test_a_bug_is_told_by_name_and_place_without_the_value_that_it_quotes(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stumble(*_: Any) -> None:
        raise KeyError(" ".join(["Jane", "Roe"]))

    monkeypatch.setattr(AttachmentCopies, "run", stumble)
    assert command("--agency-id", "10") == 1
    told = capsys.readouterr()
    assert told.out.startswith(f'{JOB}: failed: a bug in the platform: KeyError at File "{__file__}", line ')
    assert told.out.count("\n") == 1
    assert "Jane Roe" not in told.out + told.err


def test_an_agency_without_attachments_is_a_no_op(
    seeded: Place, command: Callable[..., int], database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO agencies VALUES (13, 'tx_el_paso', 'El Paso') ON CONFLICT DO NOTHING")
    connection.close()
    assert command("--agency-id", "13") == 0
    assert capsys.readouterr().out == f"{JOB}: tx_el_paso: no attachments in the database, nothing to do\n"
    assert seeded.versions() == []


def test_a_run_of_the_partition_shows_counts_and_a_red_check(seeded: Place) -> None:
    seeded.aws.s3.delete_object(Bucket=seeded.source, Key="documents/10/1002/Statement.txt")
    seeded.put("documents/10/1003/Report.pdf", b"another size")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("agencies", [AGENCY.partition])
        job = build_defs(seeded.settings, platform=Platform(seeded.settings)).resolve_job_def(JOB)
        result = job.execute_in_process(instance=instance, partition_key=AGENCY.partition)
        (check,) = result.get_asset_check_evaluations()
        (made,) = instance.fetch_materializations(dg.AssetKey("attachments"), limit=5).records
    materialization = made.asset_materialization
    assert materialization
    assert materialization.partition == check.partition == AGENCY.partition
    values = {name: value.value for name, value in materialization.metadata.items()}
    assert values["summary"] == (
        "nm_albuquerque: 11 copied, 0 there already, 1 size_differs, 1 missing of 12 attachments"
    )
    assert (values["copied"], values["size_differs"], values["missing"]) == (10, 1, 1)
    assert "documents/10/1002/Statement.txt" in repr(values["not_copied"])
    assert not check.passed
    assert {name: value.value for name, value in check.metadata.items()} == {"in_database": 12, "at_destination": 10}


def test_a_partition_that_the_database_does_not_know_fails_for_good(seeded: Place) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("agencies", ["zz_nowhere"])
        job = build_defs(seeded.settings, platform=Platform(seeded.settings)).resolve_job_def(JOB)
        result = job.execute_in_process(instance=instance, partition_key="zz_nowhere", raise_on_error=False)
    (event,) = result.filter_events(lambda item: item.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    assert failure
    assert "zz_nowhere" in (failure.description or "")


def test_two_runs_at_once_leave_what_one_leaves(place: Place) -> None:
    keys = [f"docs/{number}.pdf" for number in range(60)]
    for key in keys:
        place.put(key)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(place.run, place.files(*keys, "docs/none")) for _ in range(2)]
        rows = [run.result().rows for run in both]
    assert rows[0] == rows[1]
    assert len(place.objects()) == 60 + 2
    hashes = {
        place.aws.s3.head_object(Bucket=place.destination, Key=key)["Metadata"]["rows-sha256"] for key in (CSV, PARQUET)
    }
    assert len(hashes) == 1
    versions = place.versions()
    place.run(place.files(*keys, "docs/none"))
    assert place.versions() == versions


@pytest.mark.parametrize("harm", [Harm.SLOW_DOWN, Harm.ERROR, Harm.RESET, Harm.TIMEOUT])
def test_infrastructure_that_stays_broken_fails_the_run_after_the_metadata_is_written(
    seeded: Place, harm: Harm
) -> None:
    with FaultProxy(str(seeded.settings.aws_endpoint_url)) as proxy, proxy.watch(copies_of("100002", harm)):
        settings = proxied(seeded, proxy)
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("agencies", [AGENCY.partition])
            job = build_defs(settings, platform=Platform(settings)).resolve_job_def(JOB)
            result = job.execute_in_process(instance=instance, partition_key=AGENCY.partition, raise_on_error=False)
    (event,) = result.filter_events(lambda item: item.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    assert failure
    assert "TransientError: 1 of 12 attachments were not copied" in (failure.description or "")
    statuses = pl.read_parquet(io.BytesIO(seeded.read(PARQUET)))["status"].to_list()
    assert statuses.count("failed") == 1
    assert statuses.count("copied") == 11


def test_ids_that_repeat_are_refused_as_a_whole(place: Place) -> None:
    files = place.files("docs/a.pdf")
    with pytest.raises(PermanentError, match="stand for several files: 1"):
        place.run([*files, replace(files[0], source_key="docs/b.pdf")])


def test_metadata_that_is_no_parquet_is_forgotten_and_written_anew(place: Place) -> None:
    place.put("docs/a.pdf")
    place.run(place.files("docs/a.pdf"))
    place.aws.s3.put_object(Bucket=place.destination, Key=PARQUET, Body=b"not Parquet")
    place.aws.s3.put_object(Bucket=place.destination, Key="attachments/agency=nm_albuquerque/1/a_b.pdf", Body=b"other")
    assert [row.status for row in place.run(place.files("docs/a.pdf")).rows] == ["copied"]
    assert pl.read_parquet(io.BytesIO(place.read(PARQUET))).height == 1


def test_a_cell_that_a_spreadsheet_would_run_is_neutralised_in_the_csv(place: Place, tmp_path: Path) -> None:
    file = AttachmentFile(1, "=cmd|' /C calc'!A0", "=HYPERLINK(1)", "@x", 5)
    place.put(file.source_key)
    place.run([file])
    (row,) = csv.DictReader(io.StringIO(place.read(CSV).decode("utf-8-sig")))
    assert (row["source_key"], row["file_name"], row["content_type"]) == (
        "'=cmd|' /C calc'!A0",
        "'=HYPERLINK(1)",
        "'@x",
    )
    assert pl.read_parquet(io.BytesIO(place.read(PARQUET)))["file_name"].to_list() == ["=HYPERLINK(1)"]
