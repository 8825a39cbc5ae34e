"""get_s3_files_job on a real PostgreSQL server and the emulator: arguments, metadata, output of a run."""

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
from etl_platform.defs.runs.run_policies import NOT_REPEATED
from etl_platform.engine.errors import PermanentError
from etl_platform.local.application_database import seeded_rows
from etl_platform.platform import Platform
from etl_platform_tests.faults.proxy import FaultProxy, Harm
from etl_platform_tests.integration.attachment_buckets import (
    AGENCY,
    CSV,
    JOB,
    PARQUET,
    AttachmentBuckets,
    buckets,
    copies_of,
    database_url,
    proxied,
    seeded,
)

__all__ = ["buckets", "database_url", "seeded"]
pytestmark = pytest.mark.filterwarnings("ignore::dagster._utils.warnings.PreviewWarning")


@pytest.fixture
def command(seeded: AttachmentBuckets, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs ``etl-platform run get_s3_files_job --`` with these arguments and the settings of the seeded buckets."""
    settings = seeded.settings
    for name in ("aws_endpoint_url", "attachments_source_bucket", "attachments_destination_bucket", "database_url"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return lambda *arguments: main(["run", JOB, "--", *arguments])


def test_every_attachment_is_copied_below_its_id_and_a_second_run_writes_nothing(
    seeded: AttachmentBuckets, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--agency-id", "10") == 0
    assert capsys.readouterr().out == (f"{JOB}: nm_albuquerque: 12 copied, 0 already there of 12 attachments\n")
    first = seeded.versions()
    assert len(first) == 12 + 2
    for number, agency, key, name, *_ in seeded_rows(officers_per_agency=1).attachments:
        if agency == 10:
            copy = seeded.read(f"attachments/agency=nm_albuquerque/{number}/{name}")
            assert copy == seeded.aws.s3.get_object(Bucket=seeded.source, Key=key)["Body"].read()

    assert command("--agency-id", "10") == 0
    assert capsys.readouterr().out == (f"{JOB}: nm_albuquerque: 0 copied, 12 already there of 12 attachments\n")
    assert seeded.versions() == first


def test_parquet_and_csv_metadata_have_a_row_for_each_attachment(
    seeded: AttachmentBuckets, command: Callable[..., int]
) -> None:
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


def test_a_dry_run_lists_the_copies_and_writes_nothing(
    seeded: AttachmentBuckets, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
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
    assert "0 to copy (0 bytes), 12 already there" in capsys.readouterr().out


def test_an_unknown_agency_is_a_usage_error_that_lists_known_ones(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--agency-id", "99") == 2
    assert "has 10 nm_albuquerque, 11 la_new_orleans, 12 nc_durham" in capsys.readouterr().err


def test_a_missing_bucket_setting_is_a_usage_error(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATTACHMENTS_DESTINATION_BUCKET", "")
    assert command("--agency-id", "10") == 2
    assert "ATTACHMENTS_DESTINATION_BUCKET not set" in capsys.readouterr().err


def test_a_missing_bucket_is_a_permanent_error(buckets: AttachmentBuckets) -> None:
    buckets.put("docs/a.pdf")
    settings = buckets.settings
    for pair in ((buckets.source, "no-such-bucket"), ("no-such-bucket", buckets.destination)):
        copies = AttachmentCopies(ObjectCopies(settings, *pair), Platform(settings).store)
        with pytest.raises(PermanentError, match="bucket no-such-bucket does not exist"):
            copies.run(AGENCY, buckets.files("docs/a.pdf"), lambda _done, _total: None)


@pytest.mark.parametrize("bucket", ["s3://documents", "documents/10", "", "my documents"])
def test_an_invalid_bucket_name_is_a_usage_error(bucket: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", JOB, "--", "--agency-id", "10", "--source-bucket", bucket])
    assert caught.value.code == 2


def test_the_last_line_has_the_error_of_a_failed_run(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--agency-id", "10", "--source-bucket", "no-such-bucket") == 1
    printed = capsys.readouterr().out
    assert printed.startswith(f"{JOB}: failed: PermanentError: bucket no-such-bucket does not exist;")
    assert printed.count("\n") == 1
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert command("--agency-id", "10") == 1
    assert capsys.readouterr().out.startswith(f"{JOB}: failed: TransientError: s3://")


def test_an_unexpected_exception_is_shown_by_type_and_line_without_its_message(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise KeyError(" ".join(["Jane", "Roe"]))

    monkeypatch.setattr(AttachmentCopies, "run", fail)
    assert command("--agency-id", "10") == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f'{JOB}: failed: a bug in the platform: KeyError at File "{__file__}", line ')
    assert printed.out.count("\n") == 1
    assert "Jane Roe" not in printed.out + printed.err


def test_an_agency_without_attachments_is_a_no_op(
    seeded: AttachmentBuckets, command: Callable[..., int], database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO agencies VALUES (13, 'tx_el_paso', 'El Paso') ON CONFLICT DO NOTHING")
    connection.close()
    assert command("--agency-id", "13") == 0
    assert capsys.readouterr().out == f"{JOB}: tx_el_paso: no attachments in the database, nothing to do\n"
    assert seeded.versions() == []


def test_a_run_of_the_partition_shows_counts_and_a_red_check(seeded: AttachmentBuckets) -> None:
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
        "nm_albuquerque: 11 copied, 0 already there, 1 size_differs, 1 missing of 12 attachments"
    )
    assert (values["copied"], values["size_differs"], values["missing"]) == (10, 1, 1)
    assert "documents/10/1002/Statement.txt" in repr(values["not_copied"])
    assert not check.passed
    assert {name: value.value for name, value in check.metadata.items()} == {"in_database": 12, "at_destination": 10}


def test_an_unknown_partition_is_a_permanent_error(seeded: AttachmentBuckets) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("agencies", ["zz_nowhere"])
        job = build_defs(seeded.settings, platform=Platform(seeded.settings)).resolve_job_def(JOB)
        result = job.execute_in_process(instance=instance, partition_key="zz_nowhere", raise_on_error=False)
    (event,) = result.filter_events(lambda item: item.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    assert failure
    assert "zz_nowhere" in (failure.description or "")


def test_two_concurrent_runs_have_the_result_of_one(buckets: AttachmentBuckets) -> None:
    keys = [f"docs/{number}.pdf" for number in range(60)]
    for key in keys:
        buckets.put(key)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(buckets.run, buckets.files(*keys, "docs/none")) for _ in range(2)]
        rows = [run.result().rows for run in both]
    assert rows[0] == rows[1]
    assert len(buckets.objects()) == 60 + 2
    hashes = {
        buckets.aws.s3.head_object(Bucket=buckets.destination, Key=key)["Metadata"]["rows-sha256"]
        for key in (CSV, PARQUET)
    }
    assert len(hashes) == 1
    versions = buckets.versions()
    buckets.run(buckets.files(*keys, "docs/none"))
    assert buckets.versions() == versions


@pytest.mark.parametrize("harm", [Harm.SLOW_DOWN, Harm.ERROR, Harm.RESET, Harm.TIMEOUT])
def test_an_infrastructure_failure_fails_the_run_after_the_metadata_is_written(
    seeded: AttachmentBuckets, harm: Harm
) -> None:
    with FaultProxy(str(seeded.settings.aws_endpoint_url)) as proxy, proxy.watch(copies_of("100002", harm)):
        settings = proxied(seeded, proxy)
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("agencies", [AGENCY.partition])
            job = build_defs(settings, platform=Platform(settings)).resolve_job_def(JOB)
            result = job.execute_in_process(
                instance=instance, partition_key=AGENCY.partition, tags=NOT_REPEATED, raise_on_error=False
            )
    (event,) = result.filter_events(lambda item: item.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    assert failure
    assert "TransientError: 1 of 12 attachments were not copied" in (failure.description or "")
    statuses = pl.read_parquet(io.BytesIO(seeded.read(PARQUET)))["status"].to_list()
    assert statuses.count("failed") == 1
    assert statuses.count("copied") == 11


def test_repeated_attachment_ids_are_a_permanent_error(buckets: AttachmentBuckets) -> None:
    files = buckets.files("docs/a.pdf")
    with pytest.raises(PermanentError, match="more than once: 1"):
        buckets.run([*files, replace(files[0], source_key="docs/b.pdf")])


def test_invalid_parquet_metadata_is_ignored_and_replaced(buckets: AttachmentBuckets) -> None:
    buckets.put("docs/a.pdf")
    buckets.run(buckets.files("docs/a.pdf"))
    buckets.aws.s3.put_object(Bucket=buckets.destination, Key=PARQUET, Body=b"not Parquet")
    buckets.aws.s3.put_object(
        Bucket=buckets.destination, Key="attachments/agency=nm_albuquerque/1/a_b.pdf", Body=b"other"
    )
    assert [row.status for row in buckets.run(buckets.files("docs/a.pdf")).rows] == ["copied"]
    assert pl.read_parquet(io.BytesIO(buckets.read(PARQUET))).height == 1


def test_a_formula_is_escaped_in_the_csv(buckets: AttachmentBuckets, tmp_path: Path) -> None:
    file = AttachmentFile(1, "=cmd|' /C calc'!A0", "=HYPERLINK(1)", "@x", 5)
    buckets.put(file.source_key)
    buckets.run([file])
    (row,) = csv.DictReader(io.StringIO(buckets.read(CSV).decode("utf-8-sig")))
    assert (row["source_key"], row["file_name"], row["content_type"]) == (
        "'=cmd|' /C calc'!A0",
        "'=HYPERLINK(1)",
        "'@x",
    )
    assert pl.read_parquet(io.BytesIO(buckets.read(PARQUET)))["file_name"].to_list() == ["=HYPERLINK(1)"]
