"""Unusual keys, key-only records and missing objects: S3 → SNS → SQS → sensor → a run in this process."""

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import dagster as dg
import polars as pl
import pytest

from etl_platform.definitions import build_defs
from etl_platform.defs.intake.file_arrivals_sensor import run_requests
from etl_platform.deliveries.report import Report
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform_tests.integration.deliveries import as_csv, officers

ROSTER = "from_client/nm_albuquerque/Officer_Detail.csv"
LONG = "from_client/long_agency/" + "/".join(["x" * 230] * 4) + "/officers_"
UNUSUAL_KEYS = {
    "spaces": "from_client/new  mexico pd /Officers (final) .csv",
    "plus": "from_client/a+b/Officers+2026.csv",
    "encoded plus": "from_client/a%2Bb/Officers%2B2026.csv",
    "percent": "from_client/100%/Officers 5%.csv",
    "unicode": "from_client/cañón_警察/Officers é 🚓.csv",
    "dots as agency": "from_client/../Officers.csv",
    "dots inside": "from_client/aa/../bb/Officers.csv",
    "double slash": "from_client/aa//Officers.csv",
    "partition syntax": "from_client/agency=x/Officers.csv",
    "quotes and markup": "from_client/a'\"<b>&c/Officers;#?.csv",
    "1024 bytes": LONG + "y" * (1_024 - len(LONG) - 4) + ".csv",
    "1024 bytes of Unicode": "from_client/é/officers_" + "é" * 498 + ".csv",
}


@dataclass
class Line:
    """The whole intake in one process: what waits in the queue is planned by the sensor and worked on."""

    platform: Platform
    instance: dg.DagsterInstance
    wait_until: Callable[..., None]

    def work(self, messages: int = 1) -> list[dg.ExecuteInProcessResult]:
        """Wait for that many messages besides S3's test event, and run what the sensor asks for."""
        self.wait_until(
            lambda: self.platform.queue(FILE_EVENTS).depth()[0] >= messages + 1, what="the messages in the queue"
        )
        self.platform.finished.clear()
        definitions = build_defs(self.platform.settings, platform=self.platform)
        return [
            definitions.resolve_job_def(str(request.job_name)).execute_in_process(
                run_config=request.run_config,
                asset_selection=request.asset_selection,
                instance=self.instance,
                raise_on_error=False,
            )
            for request in run_requests(self.platform, deadline=time.monotonic() + 10)
        ]

    @property
    def reports(self) -> list[Report]:
        return [item.report for item in self.platform.finished]

    def is_drained(self) -> bool:
        return self.platform.queue(FILE_EVENTS).depth() == self.platform.dead_letters(FILE_EVENTS).depth() == (0, 0)


@pytest.fixture
def line(platform: Platform, wait_until: Callable[..., None]) -> Any:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Line(platform, instance, wait_until)


@pytest.mark.parametrize("key", UNUSUAL_KEYS.values(), ids=UNUSUAL_KEYS.keys())
def test_an_unusual_key_becomes_silver_like_any_other(
    aws: Clients, provisioned: Provisioned, line: Line, key: str
) -> None:
    assert len(key.encode()) <= 1_024
    body = as_csv(officers("A", 6, bad=2))
    made = aws.s3.put_object(Bucket=provisioned.bucket, Key=key, Body=body)

    (run,) = line.work()

    assert run.success
    (report,) = line.reports
    assert report.outcome == "accepted", report.check.errors
    assert report.source.key == key
    assert report.source.version_id == made["VersionId"]
    written = report.written
    assert line.platform.store.read(provisioned.bucket, str(written.bronze_key)) == body
    silver = pl.read_parquet(io.BytesIO(line.platform.store.read(provisioned.bucket, str(written.silver_key))))
    assert silver["officer_id"].to_list() == ["A0002", "A0003", "A0004", "A0005"]
    keys = (written.bronze_key, written.silver_key, written.quarantine_key)
    assert all(f"/agency={report.agency}/" in key for key in keys if key)
    assert line.instance.get_dynamic_partitions("officer_detail_agencies") == [report.agency]
    (materialization,) = line.instance.fetch_materializations(
        dg.AssetKey(["silver", "officer_detail"]), limit=10
    ).records
    assert materialization.partition_key == report.agency
    assert line.is_drained()


def test_keys_that_differ_only_in_encoding_are_two_agencies(aws: Clients, provisioned: Provisioned, line: Line) -> None:
    for agency in ("a+b", "a b", "a%2Bb", "a%20b"):
        aws.s3.put_object(
            Bucket=provisioned.bucket, Key=f"from_client/{agency}/Officers.csv", Body=as_csv(officers("A", 2))
        )

    runs = line.work(4)

    assert all(run.success for run in runs)
    assert {report.outcome for report in line.reports} == {"accepted"}
    assert len({report.agency for report in line.reports}) == 4
    assert len({report.written.silver_key for report in line.reports}) == 4


def test_an_agency_with_an_unusual_name_can_be_read_again(aws: Clients, provisioned: Provisioned, line: Line) -> None:
    key = "from_client/cañón + pd/Officers.csv"
    aws.s3.put_object(Bucket=provisioned.bucket, Key=key, Body=as_csv(officers("A", 2)))
    line.work()
    (agency,) = line.instance.get_dynamic_partitions("officer_detail_agencies")
    line.platform.finished.clear()
    job = build_defs(line.platform.settings, platform=line.platform).resolve_job_def("s3_data_quality_job")

    run = job.execute_in_process(
        partition_key=agency,
        asset_selection=[dg.AssetKey([layer, "officer_detail"]) for layer in ("bronze", "silver")],
        instance=line.instance,
    )

    assert run.success
    assert [(report.outcome, report.source.key) for report in line.reports] == [("accepted", key)]


def test_a_record_with_only_bucket_and_key_gets_the_rest_from_the_object(
    aws: Clients, provisioned: Provisioned, line: Line
) -> None:
    body = as_csv(officers("A", 3))
    with_events_withheld = "from_client/nm albuquerque/Officer Detail.csv"
    made = aws.s3.put_object(Bucket=provisioned.bucket, Key=with_events_withheld, Body=body)
    line.wait_until(lambda: line.platform.queue(FILE_EVENTS).depth() == (2, 0), what="the object's own event")
    aws.sqs.purge_queue(QueueUrl=provisioned.queue_url)
    publish(aws, provisioned, "s3:TestEvent", None)
    publish(aws, provisioned, provisioned.bucket, with_events_withheld)

    (run,) = line.work()

    assert run.success
    (report,) = line.reports
    assert report.outcome == "accepted"
    assert report.source.version_id == made["VersionId"]
    assert report.source.etag == made["ETag"].strip('"')
    assert report.source.size_bytes == len(body)
    assert report.source.sequencer is None
    assert line.is_drained()


def test_a_record_with_only_bucket_and_key_is_the_same_delivery_as_the_full_event(
    aws: Clients, provisioned: Provisioned, line: Line
) -> None:
    aws.s3.put_object(Bucket=provisioned.bucket, Key=ROSTER, Body=as_csv(officers("A", 3)))
    line.work()
    publish(aws, provisioned, "s3:TestEvent", None)
    publish(aws, provisioned, provisioned.bucket, ROSTER)

    (run,) = line.work()

    assert run.success
    assert [str(item.outcome) for item in line.platform.finished] == ["duplicate"]


def test_an_event_of_an_object_that_never_was_is_ignored_with_its_code(
    aws: Clients, provisioned: Provisioned, line: Line
) -> None:
    publish(aws, provisioned, provisioned.bucket, ROSTER)

    (run,) = line.work()

    assert run.success
    (report,) = line.reports
    assert report.outcome == "ignored"
    assert [error.code for error in report.check.errors] == ["no_such_object"]
    (head,) = line.platform.store.list(provisioned.bucket, "reports/_ignored/")
    assert Report.from_json(json.loads(line.platform.store.read(provisioned.bucket, head.key))) == report
    assert line.is_drained()


def test_a_file_that_arrives_after_its_key_was_reported_missing_is_ingested(
    aws: Clients, provisioned: Provisioned, line: Line
) -> None:
    publish(aws, provisioned, provisioned.bucket, ROSTER)
    line.work()
    aws.s3.put_object(Bucket=provisioned.bucket, Key=ROSTER, Body=as_csv(officers("A", 3)))
    publish(aws, provisioned, "s3:TestEvent", None)

    line.work()

    assert [report.outcome for report in line.reports] == ["accepted"]


def test_one_missing_object_of_a_message_does_not_stop_the_other(
    aws: Clients, provisioned: Provisioned, line: Line
) -> None:
    there = "from_client/nm_albuquerque/Officers_b.csv"
    aws.s3.put_object(Bucket=provisioned.bucket, Key=there, Body=as_csv(officers("A", 3)))
    publish(aws, provisioned, provisioned.bucket, ROSTER, there)

    runs = line.work(2)

    assert all(run.success for run in runs)
    found = {(report.source.key, report.outcome) for report in line.reports}
    assert found == {(ROSTER, "rejected"), (there, "accepted")}
    assert line.is_drained()


def test_an_older_version_announced_late_is_superseded_and_kept_in_bronze(
    aws: Clients, provisioned: Provisioned, line: Line
) -> None:
    older = as_csv(officers("OLD", 3))
    aws.s3.put_object(Bucket=provisioned.bucket, Key=ROSTER, Body=older)
    line.wait_until(lambda: line.platform.queue(FILE_EVENTS).depth() == (2, 0), what="the older version's event")
    late = [m.body for m in line.platform.queue(FILE_EVENTS).receive(10, 300) if "Officer_Detail" in m.body]
    aws.sqs.purge_queue(QueueUrl=provisioned.queue_url)
    publish(aws, provisioned, "s3:TestEvent", None)
    aws.s3.put_object(Bucket=provisioned.bucket, Key=ROSTER, Body=as_csv(officers("NEW", 4)))
    line.work()
    (silver,) = [report.written.silver_key for report in line.reports]
    before = line.platform.store.head(provisioned.bucket, silver)
    publish(aws, provisioned, "s3:TestEvent", None)
    aws.sns.publish(TopicArn=provisioned.topic_arn, Message=json.loads(late[0])["Message"])

    (run,) = line.work()

    assert run.success
    (report,) = line.reports
    assert report.outcome == "superseded"
    assert line.platform.store.read(provisioned.bucket, report.written.bronze_key) == older
    assert line.platform.store.head(provisioned.bucket, silver) == before


def publish(aws: Clients, provisioned: Provisioned, bucket: str, *keys: str | None) -> None:
    """Publish records of only bucket and key, form-encoded as in S3's events; without a key, a test event."""
    records = [
        {"s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}}} for key in keys if key
    ]
    message = {"Records": records} if records else {"Service": "Amazon S3", "Event": "s3:TestEvent"}
    aws.sns.publish(TopicArn=provisioned.topic_arn, Message=json.dumps(message))
