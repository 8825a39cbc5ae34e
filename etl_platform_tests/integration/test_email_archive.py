"""Drains of the email queue into the archive, against the emulator: a real queue and a real bucket."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from etl_platform.emails.archive import DrainResult, EmailArchive, EmailOutcome
from etl_platform.errors import TransientError
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.local.sample_emails import POISON, SENDERS, sample_emails
from etl_platform.object_keys import parse_email_key
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform_tests.integration.post import Post, Through, archive, counts, post, settings

__all__ = ["archive", "post", "settings"]
WaitUntil = Callable[..., None]


def test_each_email_is_stored_under_its_day_user_and_id_and_leaves_the_queue(post: Post, archive: EmailArchive) -> None:
    bodies = sample_emails(35)
    began = datetime.now(UTC)
    ids = post.send(*bodies)

    drained = archive.drain()

    assert counts(drained) == {EmailOutcome.ARCHIVED: 35}
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
    assert drained == DrainResult()
    assert str(drained) == "nothing to do"
    assert post.versions() == []


def test_a_redelivered_message_is_already_there(post: Post, archive: EmailArchive) -> None:
    post.send(*sample_emails(12))
    handles: list[str] = []

    def refuse(receipt_handles: Sequence[str]) -> list[str]:
        handles.extend(receipt_handles)
        return list(receipt_handles)

    first = replace(archive, queue=Through(archive.queue, delete=refuse)).drain()
    assert counts(first) == {EmailOutcome.ARCHIVED: 12}
    assert first.undeleted == 12
    assert "12 not deleted" in str(first)
    listing = post.versions()
    archive.queue.change_visibility(handles, 0)

    again = archive.drain()

    assert counts(again) == {EmailOutcome.ALREADY_THERE: 12}
    assert again.total.size_bytes == 0
    assert post.versions() == listing
    assert archive.queue.depth() == (0, 0)


def test_an_email_archived_by_another_version_of_the_package_is_already_there(
    post: Post, archive: EmailArchive
) -> None:
    def write_as_before(bucket: str, key: str, body: bytes, **how: Any) -> str:
        older = body.replace(version("etl-platform").encode(), b"0.0.1")
        archive.store.write(bucket, key, older)
        return archive.store.write(bucket, key, body, **how)

    (identity,) = post.send(*sample_emails(1))
    drained = replace(archive, store=Through(archive.store, write=write_as_before)).drain()

    assert counts(drained) == {EmailOutcome.ALREADY_THERE: 1}
    assert post.documents()[identity]["metadata"]["processor_version"] == "0.0.1"
    assert archive.queue.depth() == (0, 0)


def test_another_email_under_the_same_key_is_an_error_and_never_overwritten(post: Post, archive: EmailArchive) -> None:
    def somebody_was_here(bucket: str, key: str, body: bytes, **how: Any) -> str:
        archive.store.write(bucket, key, body.replace(b"Sample", b"Forged"))
        return archive.store.write(bucket, key, body, **how)

    post.send(*sample_emails(1))
    drained = replace(archive, store=Through(archive.store, write=somebody_was_here)).drain()

    assert counts(drained) == {EmailOutcome.FAILED: 1}
    assert "another email is archived under this message's key" in drained.errors[0]
    assert "john.doe" not in drained.errors[0]
    (document,) = post.documents().values()
    assert "Forged" in document["email_data"]["email_content"]
    assert archive.queue.depth() == (0, 1)


def test_a_poison_message_goes_to_the_dead_letter_queue_with_its_reason(post: Post, archive: EmailArchive) -> None:
    post.send("not JSON", *sample_emails(11, poison=True))

    drained = archive.drain()

    assert counts(drained) == {EmailOutcome.ARCHIVED: 11, EmailOutcome.POISON: 2}
    assert archive.queue.depth() == (0, 0)
    assert sorted(post.dead()) == [
        ("not JSON", "the message is not JSON: line 1, column 1"),
        (POISON, "missing: email_sender, email_timestream"),
    ]


def test_without_a_dead_letter_queue_a_poison_message_stays(post: Post, archive: EmailArchive) -> None:
    post.send(POISON)
    drained = replace(archive, dead_letters=None).drain()
    assert counts(drained) == {EmailOutcome.FAILED: 1}
    assert "EMAIL_DLQ_URL is not set" in drained.errors[0]
    assert archive.queue.depth() == (0, 1)


def test_a_failed_email_waits_longer_each_time_and_no_error_names_its_sender(post: Post, archive: EmailArchive) -> None:
    delays: list[int] = []

    def refuse_jane(bucket: str, key: str, body: bytes, **how: Any) -> str:
        if "jane" in key:
            raise TransientError(f"PUT s3://{bucket}/{key}: AccessDenied")
        return archive.store.write(bucket, key, body, **how)

    def hide_and_show(handles: Sequence[str], timeout_s: int) -> list[str]:
        delays.append(timeout_s)
        return archive.queue.change_visibility(handles, 0 if len(delays) < 3 else timeout_s)

    post.send(*sample_emails(5))
    hindered = replace(
        archive,
        store=Through(archive.store, write=refuse_jane),
        queue=Through(archive.queue, change_visibility=hide_and_show),
    )
    drained = [hindered.drain() for _ in range(3)]

    assert sum((d.total.counts for d in drained), Counter()) == {EmailOutcome.ARCHIVED: 4, EmailOutcome.FAILED: 3}
    assert delays == [30, 60, 120]
    assert archive.queue.depth() == (0, 1)
    assert all("jane" not in error for d in drained for error in d.errors)


def test_an_outage_ends_the_drain_before_the_whole_queue_is_received(post: Post, archive: EmailArchive) -> None:
    nowhere = replace(archive.settings, aws_endpoint_url="http://127.0.0.1:1")
    post.send(*sample_emails(60))

    hindered = replace(archive, store=Platform(nowhere).store, settings=replace(archive.settings, sns_worker_max=2))
    drained = hindered.drain()

    assert drained.total.counts[EmailOutcome.FAILED] <= 20
    assert archive.queue.depth()[0] >= 40
    assert "EndpointConnectionError" in drained.errors[0]
    assert not any("127.0.0.1" in error or "john" in error for error in drained.errors)


def test_a_stopped_drain_finishes_current_emails_and_returns_the_rest_at_once(
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

    assert counts(drained) == {EmailOutcome.ARCHIVED: 1}
    assert drained.returned == 9
    assert archive.queue.depth() == (9, 0)
    assert len(post.documents()) == 1
    assert counts(archive.drain()) == {EmailOutcome.ARCHIVED: 9}


def test_a_message_stays_invisible_while_its_put_takes_longer_than_the_timeout(
    post: Post, archive: EmailArchive, wait_until: WaitUntil
) -> None:
    go_on, beats = threading.Event(), []

    def slow(bucket: str, key: str, body: bytes, **how: Any) -> str:
        assert go_on.wait(30)
        return archive.store.write(bucket, key, body, **how)

    def change_visibility(handles: Sequence[str], timeout_s: int) -> list[str]:
        beats.append((time.monotonic(), timeout_s))
        return archive.queue.change_visibility(handles, timeout_s)

    post.send(*sample_emails(3))
    hindered = replace(
        archive,
        store=Through(archive.store, write=slow),
        queue=Through(archive.queue, change_visibility=change_visibility),
        settings=replace(archive.settings, email_visibility_timeout_seconds=2, sns_worker_max=1),
    )
    results: list[DrainResult] = []
    began = time.monotonic()
    draining = threading.Thread(target=lambda: results.append(hindered.drain()))
    draining.start()
    try:
        wait_until(lambda: bool(beats) and time.monotonic() > began + 4, what="twice the timeout")
        assert archive.queue.receive(10, 60) == []
    finally:
        go_on.set()
        draining.join()

    assert counts(results[0]) == {EmailOutcome.ARCHIVED: 3}
    assert {timeout_s for _, timeout_s in beats} == {2}
    assert archive.queue.depth() == (0, 0)


def test_two_drains_at_once_archive_every_email_once(post: Post, archive: EmailArchive, settings: Settings) -> None:
    ids = post.send(*sample_emails(80))
    other = Platform(settings).email_archive
    found: list[DrainResult] = []
    threads = [threading.Thread(target=lambda a=a: found.append(a.drain())) for a in (archive, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum((drained.total.counts for drained in found), Counter()) == {EmailOutcome.ARCHIVED: 80}
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
