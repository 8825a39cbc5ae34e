"""/metrics after real runs on the emulator: what Prometheus reads, from two gateways, against ledger and queue."""

import gc
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from etl_platform.aws.queue_age import QueueAges
from etl_platform.definitions import build_defs
from etl_platform.deliveries.ledger import Ledger
from etl_platform.errors import BucketMissingError, ObjectMissingError, TransientError
from etl_platform.gateway.bounded_calls import CachedCall
from etl_platform.local.http_server import serve_in_thread
from etl_platform.local.provision import Clients
from etl_platform.local.sample_emails import sample_emails
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.settings import Settings
from etl_platform.storage.s3_store import S3Store
from etl_platform_tests.integration.deliveries import as_csv, officers
from etl_platform_tests.integration.gateways import Running, running
from etl_platform_tests.unit.sns_posts import TOPIC

Labels = frozenset[tuple[str, str]]
SHARED = ("etl_platform_deliveries", "etl_platform_delivery_seconds", "etl_platform_runs", "etl_platform_messages",
          "etl_platform_emails", "etl_platform_s3", "etl_platform_breaker")  # fmt: skip


@pytest.fixture
def instance(dagster_home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        yield instance


@pytest.fixture
def own(settings: Settings, dagster_home: Path) -> Settings:
    return replace(settings, dagster_home=dagster_home, gateway_allowed_topic_arns=(TOPIC,))


def samples(gateway: Running) -> dict[tuple[str, Labels], float]:
    families = text_string_to_metric_families(requests.get(f"{gateway.url}/metrics", timeout=40).text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def of(found: dict[tuple[str, Labels], float], name: str, **labels: str) -> float:
    return found[name, frozenset({"pipeline": "file_processing", **labels}.items())]


def run(job: str, settings: Settings, instance: dg.DagsterInstance, **how: Any) -> None:
    platform = Platform(settings)
    built = build_defs(settings, platform=platform).resolve_job_def(job)
    assert built.execute_in_process(instance=instance, raise_on_error=False, **how).success


def deliver(settings: Settings, aws: Clients, instance: dg.DagsterInstance, files: dict[str, bytes]) -> None:
    """Drop files and work on the messages that announce them, as the sensor would ask for."""
    for key, body in files.items():
        aws.s3.put_object(Bucket=str(settings.data_bucket_name), Key=key, Body=body)
    platform, deliveries, deadline = Platform(settings), list[dict[str, Any]](), time.monotonic() + 15
    while len(deliveries) < len(files):
        assert time.monotonic() < deadline, "the events did not come"
        for message in platform.queue(FILE_EVENTS).receive(10, 300):
            envelope = json.loads(message.body)
            for record in json.loads(envelope.get("Message", message.body)).get("Records", []):
                place = record["s3"]
                deliveries.append(
                    {
                        "bucket": place["bucket"]["name"],
                        "key": place["object"]["key"],
                        "message_id": message.message_id,
                        "receipt_handle": message.receipt_handle,
                    }
                )
    run(
        "s3_data_quality_job",
        settings,
        instance,
        run_config={"ops": {"ingest": {"config": {"deliveries": deliveries}}}},
    )


def test_metrics_agree_with_the_ledger_and_with_another_gateway(
    own: Settings, aws: Clients, instance: dg.DagsterInstance
) -> None:
    began = datetime.now(UTC)
    deliver(
        own,
        aws,
        instance,
        {
            "from_client/nm_albuquerque/Officer_Detail.csv": as_csv(officers("A", 6)),
            "from_client/nc_durham/Officer_Detail.csv": as_csv(officers("B", 4, bad=1)),
            "from_client/nc_durham/Training.csv": b"",
        },
    )
    for body in sample_emails(4):
        aws.sqs.send_message(QueueUrl=str(own.email_queue_url), MessageBody=body)
    run("email_archive_job", own, instance)

    # Counted is the day on which the test began, should it end meanwhile.
    with running(own, lambda: began) as one, running(own, lambda: began) as other:
        found, again = samples(one), samples(other)

    reports = Ledger(S3Store(own), str(own.data_bucket_name)).reports()
    expected = Counter((str(report.outcome), report.dataset, report.agency) for report in reports)
    assert expected.total() == 3
    shown = {
        tuple(dict(labels)[name] for name in ("outcome", "dataset", "agency")): value
        for (name, labels), value in found.items()
        if name == "etl_platform_deliveries_total"
    }
    assert shown == expected
    assert of(found, "etl_platform_delivery_seconds_count") == 3
    spent = sum(report.attempt.seconds for report in reports)
    assert of(found, "etl_platform_delivery_seconds_sum") == pytest.approx(spent)
    assert of(found, "etl_platform_runs_total", job="s3_data_quality_job", status="success") == 1
    assert of(found, "etl_platform_messages_received_total") == 3
    assert of(found, "etl_platform_messages_deleted_total") == 3
    emails = {"pipeline": "email_archive"}
    assert of(found, "etl_platform_runs_total", job="email_archive_job", status="success", **emails) == 1
    for name in ("messages_received", "messages_deleted", "emails_archived"):
        assert of(found, f"etl_platform_{name}_total", **emails) == 4
    assert of(found, "etl_platform_breaker_active") == 0
    assert of(found, "etl_platform_source_up", source="dagster") == 1

    def shared(samples: dict[tuple[str, Labels], float]) -> dict[tuple[str, Labels], float]:
        return {key: value for key, value in samples.items() if key[0].startswith(SHARED)}

    assert shared(found) == shared(again)


def test_refused_s3_requests_are_counted_by_code_and_missing_objects_are_not(settings: Settings) -> None:
    errors: Counter[str] = Counter()
    store = S3Store(settings, errors=errors)
    with pytest.raises(ObjectMissingError):
        store.read(str(settings.data_bucket_name), "no such key")
    assert errors == {}
    with pytest.raises(BucketMissingError):
        store.read("no-such-bucket", "k")
    assert errors.pop("NoSuchBucket") == 1

    nowhere = S3Store(replace(settings, aws_endpoint_url="http://127.0.0.1:1", aws_max_attempts=3), errors=errors)
    with pytest.raises(TransientError):
        nowhere.read(str(settings.data_bucket_name), "k")
    assert errors == {"EndpointConnectionError": 3}


class _RefusesAll(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(403)
        self.end_headers()
        self.wfile.write(b"<Error><Code>AccessDenied</Code></Error>")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def test_a_denied_versioning_request_is_not_counted_as_an_s3_error(settings: Settings) -> None:
    errors: Counter[str] = Counter()
    with serve_in_thread(ThreadingHTTPServer(("127.0.0.1", 0), _RefusesAll)) as url:
        store = S3Store(replace(settings, aws_endpoint_url=url), errors=errors)
        assert store.is_versioned("b") is None
        assert errors == {}
        with pytest.raises(TransientError):
            store.check_bucket("b", "from_client/")
        assert errors == {"AccessDenied": 1}


def test_a_gateway_opens_dagsters_instance_once(own: Settings) -> None:
    gc.collect()
    gc.disable()
    try:
        before = _instances()
        with running(own) as gateway:
            for _ in range(3):
                assert of(samples(gateway), "etl_platform_source_up", source="dagster") == 1
            assert gateway.get("/breaker")[0] == 200
            assert _instances() - before == 1
    finally:
        gc.enable()


def _instances() -> int:
    return sum(isinstance(thing, dg.DagsterInstance) for thing in gc.get_objects())


def test_the_age_of_the_oldest_message_comes_from_cloudwatch(settings: Settings, endpoint_url: str) -> None:
    cloudwatch = boto3.client(
        "cloudwatch", "us-east-1", endpoint_url=endpoint_url, aws_access_key_id="x", aws_secret_access_key="x"
    )
    url = str(settings.file_events_queue_url)
    cloudwatch.put_metric_data(
        Namespace="AWS/SQS",
        MetricData=[
            {
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{"Name": "QueueName", "Value": url.rpartition("/")[2]}],
                "Value": 341.0,
            }
        ],
    )
    queues = {"file_processing": url, "email_archive": str(settings.email_queue_url)}
    assert QueueAges(settings).read(queues, datetime.now(UTC)) == {"file_processing": 341.0}

    with running(replace(settings, gateway_allowed_topic_arns=(TOPIC,))) as gateway:
        found = samples(gateway)
    assert of(found, "etl_platform_oldest_message_age_seconds") == 341.0
    assert of(found, "etl_platform_source_up", source="cloudwatch") == 1


def test_while_dagster_fails_its_latest_values_are_shown_with_their_age(
    own: Settings, instance: dg.DagsterInstance, dagster_home: Path, wait_until: Callable[..., None]
) -> None:
    began = datetime.now(UTC)
    run("breaker_reset_job", own, instance)
    with running(own, lambda: began) as gateway:
        before = samples(gateway)
        (dagster_home / "history").rename(dagster_home / "away")
        after = samples(gateway)
        (dagster_home / "away").rename(dagster_home / "history")
        again = samples(gateway)

    reset = {"job": "breaker_reset_job", "status": "success"}
    assert (of(before, "etl_platform_runs_total", **reset), of(after, "etl_platform_runs_total", **reset)) == (1, 1)
    assert [of(found, "etl_platform_source_up", source="dagster") for found in (before, after, again)] == [1, 0, 1]
    assert of(after, "etl_platform_readings_age_seconds", source="dagster") > of(
        before, "etl_platform_readings_age_seconds", source="dagster"
    )


def test_a_cached_call_in_progress_is_not_started_twice() -> None:
    inner: list[str] = []

    def question() -> str:
        with pytest.raises(TimeoutError):
            remembered()
        inner.append("asked")
        return "answer"

    remembered = CachedCall(question, fresh_s=60)
    assert [remembered(), remembered()] == ["answer", "answer"]
    assert inner == ["asked"]
