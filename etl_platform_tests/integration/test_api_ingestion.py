"""api_ingestion_job on emulated S3: versions, conditional writes, killed runs, reconciliation of snapshots."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from etl_platform.defs.operations.reconciliation import make_reconciler
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.report import Trigger
from etl_platform.errors import TransientError
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.local.sample_api import SECRET_NAME, TOKEN, SampleApi, sample_api
from etl_platform.platform import Platform
from etl_platform.rest_apis.ingestion import ApiIngestionResult
from etl_platform.settings import Settings
from etl_platform_tests.integration.api_server import Answer, ApiServer, Asked, api_server

AGENCY = "nm_albuquerque"
KEY = f"from_api/{AGENCY}/Training.csv"


@pytest.fixture
def sources_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv(SECRET_NAME, TOKEN)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "apis"
    folder.mkdir()
    return folder


@pytest.fixture
def api(sources_dir: Path) -> Iterator[SampleApi]:
    with sample_api() as api:
        (sources_dir / "academy.yaml").write_text(api.declaration(AGENCY))
        yield api


@pytest.fixture
def settings(settings: Settings, sources_dir: Path) -> Settings:
    return replace(settings, api_sources_dir=sources_dir)


def ingest(platform: Platform, **how: Any) -> ApiIngestionResult:
    (source,) = platform.api_sources
    (resource,) = source.resources
    return platform.api_ingester.ingest(
        source, resource, Trigger(Cause.EVENT, "run"), now=datetime(2026, 6, 1, tzinfo=UTC), **how
    )


def versions(aws: Clients, bucket: str) -> list[tuple[str, str, str]]:
    """Every object version with its eTag."""
    pages = aws.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    return sorted((v["Key"], v["VersionId"], v["ETag"]) for page in pages for v in page.get("Versions", []))


def test_a_second_run_writes_no_object_version(
    platform: Platform, api: SampleApi, aws: Clients, provisioned: Provisioned
) -> None:
    first = ingest(platform)
    before = versions(aws, provisioned.bucket)

    again = ingest(platform)

    assert first.ingested is not None
    assert first.ingested.outcome is Outcome.ACCEPTED
    assert first.ingested.report.source.version_id
    assert (again.landed, again.records) == (False, 1)
    assert versions(aws, provisioned.bucket) == before
    head = aws.s3.head_object(Bucket=provisioned.bucket, Key=KEY)
    assert head["Metadata"]["cursor"] == "2025-01-01T09%3A39%3A00Z"


def test_an_updated_record_supersedes_the_earlier_snapshot(platform: Platform, api: SampleApi) -> None:
    first = ingest(platform)
    api.records[5] |= {"provider": "Another", "updated_at": "2025-02-01T00:00:00Z"}

    second = ingest(platform)

    assert (second.new, second.changed, second.rows) == (0, 1, 100)
    assert first.ingested is not None
    assert second.ingested is not None
    assert second.ingested.outcome is Outcome.ACCEPTED
    replaced = platform.intake.successor(first.ingested.report)
    assert replaced is not None
    assert replaced.delivery_id == second.ingested.report.delivery_id


def test_reconciliation_accepts_a_snapshot_beside_a_file_of_the_same_dataset(
    platform: Platform, api: SampleApi, aws: Clients, provisioned: Provisioned
) -> None:
    ingest(platform)
    api.records[5] |= {"provider": "Another", "updated_at": "2025-02-01T00:00:00Z"}
    ingest(platform)
    key = f"from_client/{AGENCY}/Training.csv"
    body = aws.s3.get_object(Bucket=provisioned.bucket, Key=KEY)["Body"].read()
    aws.s3.put_object(Bucket=provisioned.bucket, Key=key, Body=body)

    later = datetime.now(UTC) + timedelta(hours=1)
    found = make_reconciler(platform, later, timedelta()).reconcile()

    assert [(finding.kind, finding.key) for finding in found.findings] == [("missing", key)], (
        "the file that was not ingested"
    )


def test_a_reprocessed_partition_reads_the_snapshot_from_bronze(platform: Platform, api: SampleApi) -> None:
    ingest(platform)

    (again,) = platform.intake.reprocess("training", AGENCY, Trigger(Cause.REPROCESS, "run"))

    assert again.outcome is Outcome.ACCEPTED
    assert again.report.source.key == KEY


def test_one_of_two_concurrent_runs_lands(
    platform: Platform, settings: Settings, api: SampleApi, aws: Clients, provisioned: Provisioned
) -> None:
    ingest(platform)
    api.records.append(api.records[0] | {"officer_id": "NEW1", "updated_at": "2025-03-01T00:00:00Z"})
    both_read = [Event(), Event()]

    def run(number: int) -> ApiIngestionResult:
        def wait(_pages: int, _records: int) -> None:
            both_read[number].set()
            assert both_read[1 - number].wait(30)

        return ingest(Platform(settings), on_progress=wait)

    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(run, 0), pool.submit(run, 1)]
    errors = [one.exception() for one in results if one.exception()]

    assert len(errors) == 1
    assert isinstance(errors[0], TransientError)
    assert "another run landed this snapshot meanwhile" in str(errors[0])
    assert len([v for v in versions(aws, provisioned.bucket) if v[0] == KEY]) == 2
    done = ingest(platform)
    assert (done.landed, done.rows) == (False, 101)


PROGRAM = """
from datetime import UTC, datetime
from etl_platform.deliveries.delivery import Cause
from etl_platform.deliveries.report import Trigger
from etl_platform.platform import Platform
platform = Platform()
(source,) = platform.api_sources
platform.api_ingester.ingest(source, source.resources[0], Trigger(Cause.EVENT, "dying"), now=datetime.now(UTC))
"""


def test_a_killed_run_writes_nothing_and_the_next_reads_everything_once(
    settings: Settings,
    platform: Platform,
    sources_dir: Path,
    aws: Clients,
    provisioned: Provisioned,
    wait_until: Callable[..., None],
) -> None:
    held = Event()
    with api_server() as server:
        server.answer = _courses(server, hold_page=2, until=held)
        (sources_dir / "academy.yaml").write_text(SampleApi(server.url).declaration(AGENCY))
        environment = os.environ | {
            "AWS_ENDPOINT_URL": str(settings.aws_endpoint_url),
            "DATA_BUCKET_NAME": provisioned.bucket,
            "API_SOURCES_DIR": str(sources_dir),
        }
        with subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment) as dying:
            try:
                wait_until(lambda: len(server.asked) == 2, within_s=60, what="the second page is asked for")
            finally:
                os.kill(dying.pid, signal.SIGKILL)
        held.set()
        assert versions(aws, provisioned.bucket) == []

        server.answer = _courses(server)
        done = ingest(platform)

    assert (done.records, done.rows) == (100, 100)
    assert done.ingested is not None
    assert done.ingested.report.check.rows == 100


def _courses(server: ApiServer, hold_page: int = 0, until: Event | None = None) -> Callable[[Asked], Answer]:
    """The answers of the sample API; one page is delayed until the test releases it."""
    sample = SampleApi(server.url)

    def answer(asked: Asked) -> Answer:
        if until is not None and asked.number == hold_page:
            until.wait(60)
        query = "&".join(f"{name}={value}" for name, value in asked.query.items())
        status, document = sample.answer(f"{asked.path}?{query}", asked.headers.get("Authorization"))
        return Answer(document, status)

    return answer
