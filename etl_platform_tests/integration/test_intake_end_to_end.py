"""S3 → SNS → SQS → sensor → runs → silver, through a real Dagster daemon."""

import io
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.local.provision import Clients, open_clients
from etl_platform.local.stack import Stack
from etl_platform.object_keys import is_report
from etl_platform_tests.integration.deliveries import File, two_hundred_files

# A Dagster daemon, its code server and its runs keep every core busy: one such stack at a time.
pytestmark = pytest.mark.xdist_group("daemon")
PHASE_DEADLINE_S = 400.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), poll_interval_s=1) as stack:
        yield stack


def test_two_hundred_files_become_silver_once_however_often_they_are_announced(stack: Stack) -> None:
    began = time.monotonic()
    files = two_hundred_files()
    with ExitStack() as open_things:
        scene = _Scene(stack, open_things.enter_context(open_clients(stack.emulator.endpoint_url)))
        scene.record_notifications()
        stack.start_daemon()
        identities = scene.drop(files)
        scene.wait(lambda: len(scene.reports()) == len(files), "200 reports")
        instance = open_things.enter_context(
            dg.DagsterInstance.from_config(str(stack.dagster_home))  # its tables exist by now
        )
        scene.wait(lambda: scene.is_idle(instance), "empty queue and finished runs")
        first_pass = time.monotonic() - began

        _compare_reports(scene.reports(), identities)
        _compare_silver(scene, files)
        _compare_events(instance, files, Counter(accepted=160, rejected=40))
        runs = instance.get_runs()
        before = scene.versions()

        scene.announce_all_again()
        scene.wait(lambda: _outcomes(instance, files)["duplicate"] == len(files), "200 duplicates")
        scene.wait(lambda: scene.is_idle(instance), "empty queue and finished runs")
        _compare_events(instance, files, Counter(accepted=160, rejected=40, duplicate=200))
        assert scene.versions() == before, "a second delivery of an event changed an object"
        all_runs = instance.get_runs()

    assert {run.status for run in all_runs} == {dg.DagsterRunStatus.SUCCESS}
    assert len(runs) < 40, "a batch is one run"
    print(
        f"\n200 files of 20 agencies: {first_pass:.0f} s and {len(runs)} runs; with every event a second "
        f"time {time.monotonic() - began:.0f} s and {len(all_runs)} runs"
    )


class _Scene:
    """What the test does to the stack and sees of it, as a sender and a person on call would."""

    def __init__(self, stack: Stack, aws: Clients) -> None:
        self._stack, self._aws, self._made = stack, aws, stack.resources
        self._recorder_url = ""
        self._read: dict[str, dict[str, Any]] = {}

    def record_notifications(self) -> None:
        """Subscribe a queue of the test's own: it keeps every notification as S3 sent it."""
        sqs = self._aws.sqs
        self._recorder_url = sqs.create_queue(QueueName="recorder")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self._recorder_url, AttributeNames=["QueueArn"])
        self._aws.sns.subscribe(TopicArn=self._made.topic_arn, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])

    def drop(self, files: list[File]) -> dict[str, File]:
        """Put every file; files by the delivery id that the platform must give them."""

        def put(file: File) -> str:
            made = self._aws.s3.put_object(Bucket=self._made.bucket, Key=file.key, Body=file.content)
            return ObjectVersion(self._made.bucket, file.key, made["VersionId"]).delivery_id

        with ThreadPoolExecutor(8) as pool:
            return dict(zip(pool.map(put, files), files, strict=True))

    def announce_all_again(self) -> None:
        """Publish the notifications that S3 sent once more, word for word."""
        for message in self._recorded():
            self._aws.sns.publish(TopicArn=self._made.topic_arn, Message=message)

    def _recorded(self) -> list[str]:
        found: list[str] = []
        while messages := self._aws.sqs.receive_message(QueueUrl=self._recorder_url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            found += [json.loads(message["Body"])["Message"] for message in messages]
        assert len(found) == 200, "S3 announced every file once"
        return found

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PHASE_DEADLINE_S
        while not condition():
            self._stack.check()
            assert time.monotonic() < deadline, (
                f"no {what} within {PHASE_DEADLINE_S:.0f} s: {len(self.reports())} reports, "
                f"queue {self._depth(self._made.queue_url)}, dead letters {self._depth(self._made.dlq_url)}"
                f"\n{self._log_end()}"
            )
            time.sleep(0.3)

    def is_idle(self, instance: dg.DagsterInstance) -> bool:
        assert self._depth(self._made.dlq_url) == 0, "nothing of this is a dead letter"
        runs = instance.get_runs()
        failed = [run.run_id for run in runs if run.status is dg.DagsterRunStatus.FAILURE]
        assert not failed, f"runs failed: {failed}\n{self._log_end()}"
        return self._depth(self._made.queue_url) == 0 and all(run.is_finished for run in runs)

    def reports(self) -> dict[str, dict[str, Any]]:
        """Records of the ledger by delivery id."""
        for key in filter(is_report, self._keys("reports/")):
            identity = key.rpartition("/")[2].removesuffix(".json")
            if identity not in self._read:
                self._read[identity] = json.loads(self._get(key))
        return self._read

    def silver(self, dataset: str, agency: str) -> pl.DataFrame:
        """The partition: every object below it, under one schema."""
        objects = [self._get(key) for key in self._keys(f"silver/{dataset}/agency={agency}/")]
        return pl.concat([pl.read_parquet(io.BytesIO(body)) for body in objects])

    def partitions(self) -> set[tuple[str, str]]:
        return {
            (dataset, folder.removeprefix("agency="))
            for _, dataset, folder, _ in (key.split("/") for key in self._keys("silver/"))
        }

    def versions(self) -> dict[tuple[str, str], str]:
        """eTag of every version of every object, so that even a rewrite of the same bytes shows."""
        pages = self._aws.s3.get_paginator("list_object_versions").paginate(Bucket=self._made.bucket)
        return {
            (item["Key"], item["VersionId"]): item["ETag"]
            for page in pages
            for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        }

    def _keys(self, prefix: str) -> list[str]:
        pages = self._aws.s3.get_paginator("list_objects_v2").paginate(Bucket=self._made.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def _get(self, key: str) -> bytes:
        return self._aws.s3.get_object(Bucket=self._made.bucket, Key=key)["Body"].read()

    def _depth(self, url: str) -> int:
        found = self._aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(int(value) for name, value in found.items() if name.startswith("ApproximateNumber"))

    def _log_end(self) -> str:
        return (Path(self._stack.work_dir) / "dagster.log").read_text(errors="replace")[-4_000:]


def _compare_reports(reports: dict[str, dict[str, Any]], identities: dict[str, File]) -> None:
    assert reports.keys() == identities.keys()
    found = {
        record["source"]["key"]: (
            record["outcome"],
            record["dataset"],
            record["agency"],
            record["rows"] or None,
            [error["code"] for error in record["errors"]],
        )
        for record in reports.values()
    }
    expected = {
        file.key: (file.outcome, file.dataset, file.agency, file.rows, [file.error] if file.error else [])
        for file in identities.values()
    }
    assert found == expected
    quarantined = {record["source"]["key"]: record["quarantined_rows"] for record in reports.values()}
    assert all(quarantined[file.key] == file.quarantined for file in identities.values() if file.outcome == "accepted")


def _compare_silver(scene: _Scene, files: list[File]) -> None:
    expected: dict[tuple[str, str], set[str]] = defaultdict(set)
    id_columns: dict[str, str] = {}
    for file in files:
        if file.outcome == "accepted":
            expected[file.dataset, file.agency] |= file.good
            id_columns[file.dataset] = file.id_column
    assert scene.partitions() == expected.keys()
    for (dataset, agency), good in expected.items():
        ids = scene.silver(dataset, agency)[id_columns[dataset]].to_list()
        assert len(ids) == len(good), (dataset, agency)
        assert set(ids) == good, (dataset, agency)


def _compare_events(instance: dg.DagsterInstance, files: list[File], outcomes: Counter[str]) -> None:
    """Dagster knows each partition, what was written to it and what was not."""
    for dataset in {file.dataset for file in files}:
        senders = {file.agency for file in files if file.dataset == dataset}
        assert set(instance.get_dynamic_partitions(f"{dataset}_agencies")) == senders
    for layer, wanted in (("bronze", files), ("silver", [f for f in files if f.outcome == "accepted"])):
        for dataset in {file.dataset for file in files}:
            counts = Counter(
                record.partition_key
                for record in instance.fetch_materializations(dg.AssetKey([layer, dataset]), limit=1_000).records
            )
            assert counts == Counter(file.agency for file in wanted if file.dataset == dataset), (
                layer,
                dataset,
            )
    assert _outcomes(instance, files) == outcomes


def _outcomes(instance: dg.DagsterInstance, files: list[File]) -> Counter[str]:
    """The events of bronze, one for each delivery, by outcome."""
    found: Counter[str] = Counter()
    for dataset in {file.dataset for file in files}:
        for fetch in (instance.fetch_materializations, instance.fetch_observations):
            for record in fetch(dg.AssetKey(["bronze", dataset]), limit=1_000).records:
                event = record.asset_materialization or record.asset_observation
                assert event is not None
                found[str(event.metadata["outcome"].value)] += 1
    return found
