"""The email archive against the emulator: a real queue, a real bucket, real runs."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from etl_platform.adapters.sqs import Message
from etl_platform.cli import main
from etl_platform.core.errors import TransientError
from etl_platform.core.layout import email_key, parse_email_key
from etl_platform.core.mail import user_of
from etl_platform.definitions import build_defs
from etl_platform.email_archive import Drained, EmailArchive, Outcome
from etl_platform.local.dev import drop_email
from etl_platform.local.processes import LocalStackError
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.local.sample_emails import POISON, SENDERS, sample_emails
from etl_platform.local.stack import write_coordinates
from etl_platform.pipelines.email_archive import ASSET, CHECK
from etl_platform.pipelines.resources import Platform
from etl_platform.pipelines.run_logs import JSON_LOGS
from etl_platform.settings import Settings

WaitUntil = Callable[..., None]


class Post:
    """The validation service's side, and what anybody can see of the archive."""

    def __init__(self, aws: Clients, made: Provisioned) -> None:
        self._aws, self._made = aws, made

    def send(self, *bodies: str) -> list[str]:
        """Message ids, in order."""
        sent = [self._aws.sqs.send_message(QueueUrl=self._made.email_queue_url, MessageBody=body) for body in bodies]
        return [answer["MessageId"] for answer in sent]

    def versions(self) -> list[tuple[str, str, str]]:
        """Key, version and eTag of every version that is kept."""
        pages = self._aws.s3.get_paginator("list_object_versions").paginate(Bucket=self._made.email_bucket)
        return [(v["Key"], v["VersionId"], v["ETag"]) for page in pages for v in page.get("Versions", [])]

    def documents(self) -> dict[str, dict[str, Any]]:
        """By message id; each under the key that its own fields call for."""
        found: dict[str, dict[str, Any]] = {}
        for key, _, _ in self.versions():
            document = json.loads(self._aws.s3.get_object(Bucket=self._made.email_bucket, Key=key)["Body"].read())
            sent_at = datetime.strptime(document["processed_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            sender = document["email_data"]["email_sender"]
            assert key == email_key(user_of(sender), document["message_id"], sent_at)
            found[document["message_id"]] = document
        assert len(found) == len(self.versions())
        return found

    def dead(self) -> list[tuple[str, str | None]]:
        """Bodies and reasons in the dead-letter queue, which is emptied."""
        found = []
        while messages := self._aws.sqs.receive_message(
            QueueUrl=self._made.email_dlq_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                attributes = message.get("MessageAttributes", {})
                found.append((message["Body"], attributes.get("reason", {}).get("StringValue")))
                self._aws.sqs.delete_message(QueueUrl=self._made.email_dlq_url, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a long poll of a second: a test need not wait for two."""
    return replace(settings, aws_read_timeout_seconds=2)


@pytest.fixture
def post(aws: Clients, provisioned: Provisioned) -> Post:
    return Post(aws, provisioned)


@pytest.fixture
def archive(platform: Platform) -> EmailArchive:
    return platform.email_archive


def counts(drained: Drained) -> dict[Outcome, int]:
    return dict(drained.total.counts)


def test_every_email_lies_under_its_day_user_and_id_and_the_queue_is_empty(post: Post, archive: EmailArchive) -> None:
    bodies = sample_emails(35)
    began = datetime.now(UTC)
    ids = post.send(*bodies)

    drained = archive.drain()

    assert counts(drained) == {Outcome.ARCHIVED: 35}
    assert archive.queue.depth() == (0, 0)
    documents = post.documents()
    assert documents.keys() == set(ids)
    for identity, body in zip(ids, bodies, strict=True):
        document = documents[identity]
        assert list(document) == ["message_id", "processed_at", "email_data", "metadata"]
        assert document["email_data"] == json.loads(body)
        assert document["metadata"] == {
            "processor_version": version("etl-platform"),
            "source": "email-validation-service",
        }
        sent = datetime.fromisoformat(document["processed_at"])
        assert abs(sent - began) < timedelta(seconds=30)
    keys = [parse_email_key(key) for key, _, _ in post.versions()]
    users = {key.user for key in keys if key}
    assert users == {"john.doe", "jane.smith", "records", "jos%C3%A9.n%C3%BA%C3%B1ez", "_unknown"}
    assert len(users) == len(SENDERS)
    assert drained.total.size_bytes == sum(len(json.dumps(document)) for document in documents.values())
    assert 0 < drained.total.oldest_s < 60
    assert str(drained).startswith("35 archived; ")


def test_an_empty_queue_is_nothing_to_do(post: Post, archive: EmailArchive) -> None:
    drained = archive.drain()
    assert drained == Drained()
    assert str(drained) == "nothing to do"
    assert post.versions() == []


class Through:
    """Everything of the real thing, except what a test changes."""

    def __init__(self, real: Any, **changed: Any) -> None:
        self._real, self._changed = real, changed

    def __getattr__(self, name: str) -> Any:
        return self._changed[name] if name in self._changed else getattr(self._real, name)


def test_a_message_that_comes_again_is_there_already(post: Post, archive: EmailArchive) -> None:
    post.send(*sample_emails(12))
    handles: list[str] = []

    def refuse(receipt_handles: Sequence[str]) -> list[str]:
        handles.extend(receipt_handles)
        return list(receipt_handles)

    first = replace(archive, queue=Through(archive.queue, delete=refuse)).drain()
    assert counts(first) == {Outcome.ARCHIVED: 12}
    assert first.undeleted == 12
    assert "12 not deleted" in str(first)
    listing = post.versions()
    archive.queue.hide(handles, 0)

    again = archive.drain()

    assert counts(again) == {Outcome.ALREADY_THERE: 12}
    assert again.total.size_bytes == 0
    assert post.versions() == listing
    assert archive.queue.depth() == (0, 0)


def test_an_email_that_another_version_of_the_program_archived_is_there_already(
    post: Post, archive: EmailArchive
) -> None:
    def write_as_before(bucket: str, key: str, body: bytes, **how: Any) -> str:
        older = body.replace(version("etl-platform").encode(), b"0.0.1")
        archive.store.write(bucket, key, older)
        return archive.store.write(bucket, key, body, **how)

    (identity,) = post.send(*sample_emails(1))
    drained = replace(archive, store=Through(archive.store, write=write_as_before)).drain()

    assert counts(drained) == {Outcome.ALREADY_THERE: 1}
    assert post.documents()[identity]["metadata"]["processor_version"] == "0.0.1"
    assert archive.queue.depth() == (0, 0)


def test_another_email_under_the_same_key_is_an_error_and_never_overwritten(post: Post, archive: EmailArchive) -> None:
    def somebody_was_here(bucket: str, key: str, body: bytes, **how: Any) -> str:
        archive.store.write(bucket, key, body.replace(b"Sample", b"Forged"))
        return archive.store.write(bucket, key, body, **how)

    post.send(*sample_emails(1))
    drained = replace(archive, store=Through(archive.store, write=somebody_was_here)).drain()

    assert counts(drained) == {Outcome.FAILED: 1}
    assert "another email lies under this message's key" in drained.errors[0]
    assert "john.doe" not in drained.errors[0]
    (document,) = post.documents().values()
    assert "Forged" in document["email_data"]["email_content"]
    assert archive.queue.depth() == (0, 1)


def test_poison_goes_to_the_dead_letters_with_its_reason_and_stops_nobody(post: Post, archive: EmailArchive) -> None:
    post.send("not JSON", *sample_emails(11, poison=True))

    drained = archive.drain()

    assert counts(drained) == {Outcome.ARCHIVED: 11, Outcome.POISON: 2}
    assert archive.queue.depth() == (0, 0)
    assert sorted(post.dead()) == [
        ("not JSON", "the message is not JSON: line 1, column 1"),
        (POISON, "no email_sender, email_timestream"),
    ]


def test_poison_without_a_dead_letter_queue_stays_where_it_is(post: Post, archive: EmailArchive) -> None:
    post.send(POISON)
    drained = replace(archive, dead_letters=None).drain()
    assert counts(drained) == {Outcome.FAILED: 1}
    assert "EMAIL_DLQ_URL is not set" in drained.errors[0]
    assert archive.queue.depth() == (0, 1)


def test_an_email_that_cannot_be_put_stays_for_longer_each_time_and_no_error_names_its_sender(
    post: Post, archive: EmailArchive
) -> None:
    delays: list[int] = []

    def refuse_jane(bucket: str, key: str, body: bytes, **how: Any) -> str:
        if "jane" in key:
            raise TransientError(f"PUT s3://{bucket}/{key}: AccessDenied")
        return archive.store.write(bucket, key, body, **how)

    def hide_and_show(handles: Sequence[str], timeout_s: int) -> list[str]:
        delays.append(timeout_s)
        return archive.queue.hide(handles, 0 if len(delays) < 3 else timeout_s)

    post.send(*sample_emails(5))
    hindered = replace(
        archive, store=Through(archive.store, write=refuse_jane), queue=Through(archive.queue, hide=hide_and_show)
    )
    drained = [hindered.drain() for _ in range(3)]

    assert sum((d.total.counts for d in drained), Counter()) == {Outcome.ARCHIVED: 4, Outcome.FAILED: 3}
    assert delays == [30, 60, 120]
    assert archive.queue.depth() == (0, 1)
    assert all("jane" not in error for d in drained for error in d.errors)


def test_an_outage_ends_the_drain_instead_of_receiving_the_whole_queue_for_nothing(
    post: Post, archive: EmailArchive
) -> None:
    nowhere = replace(archive.settings, aws_endpoint_url="http://127.0.0.1:1")
    post.send(*sample_emails(60))

    hindered = replace(archive, store=Platform(nowhere).store, settings=replace(archive.settings, sns_worker_max=2))
    drained = hindered.drain()

    assert drained.total.counts[Outcome.FAILED] <= 20
    assert archive.queue.depth()[0] >= 40
    assert "EndpointConnectionError" in drained.errors[0]
    assert not any("127.0.0.1" in error or "john" in error for error in drained.errors)


def test_told_to_stop_it_ends_what_is_in_hand_and_gives_the_rest_back_at_once(
    post: Post, archive: EmailArchive
) -> None:
    stop, written = threading.Event(), []

    def put_then_stop(bucket: str, key: str, body: bytes, **how: Any) -> str:
        written.append(archive.store.write(bucket, key, body, **how))
        stop.set()
        return written[-1]

    post.send(*sample_emails(10))
    hindered = replace(
        archive,
        store=Through(archive.store, write=put_then_stop),
        settings=replace(archive.settings, sns_worker_max=1),
    )
    drained = hindered.drain(stop)

    assert counts(drained) == {Outcome.ARCHIVED: 1}
    assert drained.given_back == 9
    assert archive.queue.depth() == (9, 0)
    assert len(post.documents()) == 1
    assert counts(archive.drain()) == {Outcome.ARCHIVED: 9}


def test_a_message_is_held_while_its_put_takes_longer_than_the_timeout(
    post: Post, archive: EmailArchive, wait_until: WaitUntil
) -> None:
    go_on, beats = threading.Event(), []

    def slow(bucket: str, key: str, body: bytes, **how: Any) -> str:
        assert go_on.wait(30)
        return archive.store.write(bucket, key, body, **how)

    def hide(handles: Sequence[str], timeout_s: int) -> list[str]:
        beats.append((time.monotonic(), timeout_s))
        return archive.queue.hide(handles, timeout_s)

    post.send(*sample_emails(3))
    hindered = replace(
        archive,
        store=Through(archive.store, write=slow),
        queue=Through(archive.queue, hide=hide),
        settings=replace(archive.settings, email_visibility_timeout_seconds=2, sns_worker_max=1),
    )
    results: list[Drained] = []
    began = time.monotonic()
    draining = threading.Thread(target=lambda: results.append(hindered.drain()))
    draining.start()
    try:
        wait_until(lambda: bool(beats) and time.monotonic() > began + 4, what="twice the timeout")
        assert archive.queue.receive(10, 60) == []
    finally:
        go_on.set()
        draining.join()

    assert counts(results[0]) == {Outcome.ARCHIVED: 3}
    assert {timeout_s for _, timeout_s in beats} == {2}
    assert archive.queue.depth() == (0, 0)


def test_two_drains_at_once_archive_every_email_once(post: Post, archive: EmailArchive, settings: Settings) -> None:
    ids = post.send(*sample_emails(80))
    other = Platform(settings).email_archive
    found: list[Drained] = []
    threads = [threading.Thread(target=lambda a=a: found.append(a.drain())) for a in (archive, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum((drained.total.counts for drained in found), Counter()) == {Outcome.ARCHIVED: 80}
    assert post.documents().keys() == set(ids)


def test_emails_are_encrypted_with_the_key_that_is_set(
    post: Post, settings: Settings, aws: Clients, provisioned: Provisioned
) -> None:
    key_id = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
    post.send(*sample_emails(1))
    Platform(replace(settings, email_kms_key_id=key_id)).email_archive.drain()

    ((key, _, _),) = post.versions()
    head = aws.s3.head_object(Bucket=provisioned.email_bucket, Key=key)
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key_id)


def execute(platform: Platform, instance: dg.DagsterInstance, **how: Any) -> dg.ExecuteInProcessResult:
    job = build_defs(platform.settings, platform=platform).resolve_job_def("email_archive_job")
    return job.execute_in_process(instance=instance, raise_on_error=False, **how)


def latest(instance: dg.DagsterInstance) -> tuple[str | None, Mapping[str, Any]]:
    """Partition and metadata of the asset's last materialization."""
    (record,) = instance.fetch_materializations(ASSET, limit=1).records
    made = record.asset_materialization
    assert made is not None
    return made.partition, {name: value.value for name, value in made.metadata.items()}


def test_a_run_materializes_the_day_and_poison_makes_its_check_red(post: Post, platform: Platform) -> None:
    today = datetime.now(UTC).date().isoformat()
    post.send(*sample_emails(5, poison=True))
    with dg.DagsterInstance.ephemeral() as instance:
        result = execute(platform, instance)

        assert result.success
        partition, metadata = latest(instance)
        assert partition == today
        assert {name: metadata[name] for name in ("archived", "already_there", "poison", "failed")} == {
            "archived": 5,
            "already_there": 0,
            "poison": 1,
            "failed": 0,
        }
        assert metadata["bytes"] > 1_000
        assert metadata["oldest_message_age_s"] > 0
        assert metadata["summary"].startswith("5 archived, 1 poison; ")
        (check,) = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        found = check.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
        assert (found.check_name, found.passed, found.partition) == (CHECK, False, today)

        before = post.versions()
        assert execute(platform, instance).success
        assert post.versions() == before
        assert latest(instance) == (partition, metadata)


def test_a_run_tells_of_every_day_on_which_its_emails_were_sent(post: Post, platform: Platform) -> None:
    def receive(*how: Any) -> list[Message]:
        """Every second message was sent two days before."""
        found = queue.receive(*how)
        return [replace(m, sent_at=(m.sent_at or now) - timedelta(days=2)) if n % 2 else m for n, m in enumerate(found)]

    now = datetime.now(UTC)
    queue, real = platform.email_queue, platform.email_archive
    platform.email_archive = replace(
        real, queue=Through(queue, receive=receive), settings=replace(real.settings, sns_worker_max=1)
    )
    post.send(*sample_emails(6))
    with dg.DagsterInstance.ephemeral() as instance:
        assert execute(platform, instance).success
        records = instance.fetch_materializations(ASSET, limit=10).records
        days = {(now - timedelta(days=ago)).date().isoformat() for ago in (0, 2)}
        assert {record.partition_key for record in records} == days
        found = [record.asset_materialization.metadata["archived"].value for record in records]
    assert found == [3, 3]
    assert platform.drained is not None
    assert platform.drained.total.oldest_s > 2 * 86_400


def test_a_run_for_a_day_drains_and_tells_what_the_archive_holds_of_that_day(post: Post, platform: Platform) -> None:
    today = datetime.now(UTC).date()
    post.send(*sample_emails(4))
    with dg.DagsterInstance.ephemeral() as instance:
        assert execute(platform, instance, partition_key=today.isoformat()).success
        _, first = latest(instance)
        assert (first["archived"], first["emails_in_archive"], first["bytes_in_archive"]) == (4, 4, first["bytes"])

        assert execute(platform, instance, partition_key=today.isoformat()).success
        _, again = latest(instance)
        assert (again["archived"], again["emails_in_archive"], again["bytes_in_archive"]) == (0, 4, first["bytes"])

        assert execute(platform, instance, partition_key=(today - timedelta(days=1)).isoformat()).success
        partition, other = latest(instance)
        assert (partition, other["emails_in_archive"]) == ((today - timedelta(days=1)).isoformat(), 0)


def test_a_run_that_leaves_emails_in_the_queue_fails_and_still_tells_what_it_did(
    post: Post, platform: Platform
) -> None:
    def refuse_jane(bucket: str, key: str, body: bytes, **how: Any) -> str:
        if "jane" in key:
            raise TransientError(f"PUT s3://{bucket}/{key}: AccessDenied")
        return store.write(bucket, key, body, **how)

    store = platform.store
    platform.store = Through(store, write=refuse_jane)  # type: ignore[assignment]
    post.send(*sample_emails(5))
    with dg.DagsterInstance.ephemeral() as instance:
        result = execute(platform, instance)
        assert not result.success
        told = latest(instance)[1]
        assert told["summary"].startswith("4 archived, 1 failed; ")
        (error,) = told["errors"]
        assert error.endswith(": TransientError"), "the day's metadata tell why"
        logged = " ".join(entry.user_message for entry in instance.all_logs(result.run_id))
        assert "TransientError" in logged
        assert "jane" not in logged.casefold()


def tick(platform: Platform, instance: dg.DagsterInstance) -> Any:
    definitions = build_defs(platform.settings, platform=platform)
    with dg.build_sensor_context(
        instance=instance, repository_def=definitions.get_repository_def(), resources={"platform": platform}
    ) as context:
        return definitions.resolve_sensor_def("email_arrivals_sensor").evaluate_tick(context)


def test_the_sensor_asks_for_one_run_while_emails_wait_and_touches_no_message(post: Post, platform: Platform) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(platform, instance).skip_message == "no emails wait"
        post.send(*sample_emails(3))
        (request,) = tick(platform, instance).run_requests
        assert (request.asset_selection, request.asset_check_keys) == ([ASSET], [])
        assert request.run_config == JSON_LOGS
        assert platform.email_queue.depth() == (3, 0)
        assert all(message.receive_count == 1 for message in platform.email_queue.receive(10, 0))

        run = instance.add_run(
            dg.DagsterRun("email_archive_job", run_id=make_new_run_id(), status=dg.DagsterRunStatus.STARTED)
        )
        assert "queued or under way" in tick(platform, instance).skip_message
        instance.report_run_failed(run)
        assert len(tick(platform, instance).run_requests) == 1


def test_without_an_email_queue_the_sensor_says_so_and_stands_still() -> None:
    platform = Platform(Settings())
    sensor = build_defs(platform.settings, platform=platform).resolve_sensor_def("email_arrivals_sensor")
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    with dg.DagsterInstance.ephemeral() as instance:
        skipped = tick(platform, instance).skip_message
    assert "EMAIL_QUEUE_URL (or SQS_QUEUE_URL), EMAIL_BUCKET_NAME (or S3_BUCKET_NAME) not set" in skipped


@pytest.fixture
def terminal(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell with the old service's names in its environment, and nothing else of ours."""
    monkeypatch.chdir(tmp_path)
    for name in (field.name.upper() for field in fields(Settings)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", settings.aws_endpoint_url or "")
    monkeypatch.setenv("SQS_QUEUE_URL", settings.email_queue_url or "")
    monkeypatch.setenv("S3_BUCKET_NAME", settings.email_bucket_name or "")
    monkeypatch.setenv("EMAIL_DLQ_URL", settings.email_dlq_url or "")


@pytest.mark.usefixtures("terminal")
def test_the_command_line_says_in_one_line_what_was_done(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    post.send(*sample_emails(3))
    assert main(["run", "email_archive_job"]) == 0
    assert capsys.readouterr().out.startswith("email_archive_job: 3 archived; ")
    assert main(["run", "email_archive_job"]) == 0
    assert capsys.readouterr().out == "email_archive_job: nothing to do\n"
    post.send(POISON)
    assert main(["run", "email_archive_job"]) == 1
    assert capsys.readouterr().out.startswith("email_archive_job: 1 poison; ")


@pytest.mark.usefixtures("terminal")
def test_the_last_line_says_why_an_email_stayed(
    post: Post, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("S3_BUCKET_NAME", "no-such-bucket")
    (message_id,) = post.send(*sample_emails(1))
    assert main(["run", "email_archive_job"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("email_archive_job: failed: 1 failed; ")
    assert f"the first error: message {message_id} for s3://no-such-bucket: " in line
    assert "NoSuchBucket" in line


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SQS_QUEUE_URL", None, "EMAIL_QUEUE_URL (or SQS_QUEUE_URL) not set"),
        ("S3_BUCKET_NAME", None, "EMAIL_BUCKET_NAME (or S3_BUCKET_NAME) not set"),
        ("MAX_MESSAGES_PER_POLL", "11", "MAX_MESSAGES_PER_POLL='11': takes a whole number from 1 to 10"),
        ("MAX_MESSAGES_PER_POLL", "0", "MAX_MESSAGES_PER_POLL='0': takes a whole number from 1 to 10"),
    ],
)
def test_a_missing_or_wrong_setting_is_one_line_and_exit_2(
    name: str, value: str | None, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(name, raising=False)
    if value is not None:
        monkeypatch.setenv(name, value)
    assert main(["run", "email_archive_job"]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_samples_sent_into_the_dev_stack_are_archived(
    post: Post, archive: EmailArchive, settings: Settings, provisioned: Provisioned, tmp_path: Path
) -> None:
    with pytest.raises(LocalStackError, match="make dev"):
        drop_email(1, poison=False, project=tmp_path)
    (tmp_path / ".local").mkdir()
    coordinates = {
        "AWS_ENDPOINT_URL": settings.aws_endpoint_url or "",
        "EMAIL_QUEUE_URL": provisioned.email_queue_url,
    }
    write_coordinates(tmp_path / ".local" / "stack.env", coordinates)

    assert drop_email(4, poison=True, project=tmp_path) == 5
    assert counts(archive.drain()) == {Outcome.ARCHIVED: 4, Outcome.POISON: 1}
    assert len(post.documents()) == 4
