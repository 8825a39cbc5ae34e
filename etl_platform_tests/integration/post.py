"""The email validation service's side of the queue, and what anybody can see of the archive."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from etl_platform.emails.archive import DrainResult, EmailArchive, EmailOutcome
from etl_platform.emails.document import user_of
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.object_keys import email_key
from etl_platform.platform import Platform
from etl_platform.settings import Settings


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


def counts(drained: DrainResult) -> dict[EmailOutcome, int]:
    return dict(drained.total.counts)


class Through:
    """Everything of the real thing, except what a test changes."""

    def __init__(self, real: Any, **changed: Any) -> None:
        self._real, self._changed = real, changed

    def __getattr__(self, name: str) -> Any:
        return self._changed[name] if name in self._changed else getattr(self._real, name)


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
