"""What counts as a bucket that is used over TLS only, and one that announces its files."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.aws.bucket_setup import Finding, announcement, queue_arn, requires_tls

BUCKET, PREFIX = "files", "from_client/"
TOPIC = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:file-processing-topic"
OTHER = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:theirs"
QUEUE_URL = "https://sqs.us-gov-west-1.amazonaws.com/111122223333/file-processing-queue"
QUEUE = "arn:aws-us-gov:sqs:us-gov-west-1:111122223333:file-processing-queue"


def deny(**changed: Any) -> dict[str, Any]:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws-us-gov:s3:::{BUCKET}", f"arn:aws-us-gov:s3:::{BUCKET}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement | changed]}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"Principal": {"AWS": "*"}},
        {"Principal": {"AWS": ["*"]}},
        {"Action": ["s3:*"]},
        {"Action": "*"},
        {"Resource": "*"},
        {"Condition": {"Bool": {"AWS:SecureTransport": [False]}}},
        {"Condition": {"BoolIfExists": {"aws:SecureTransport": "false"}}},
    ],
)
def test_a_policy_that_denies_every_request_without_tls_is_recognised(changed: dict[str, Any]) -> None:
    assert requires_tls(deny(**changed), BUCKET)


@pytest.mark.parametrize(
    "changed",
    [
        {"Effect": "Allow"},
        {"Principal": {"AWS": "arn:aws-us-gov:iam::111122223333:root"}},
        {"Action": "s3:PutObject"},
        {"Resource": f"arn:aws-us-gov:s3:::{BUCKET}"},
        {"Resource": f"arn:aws-us-gov:s3:::{BUCKET}/*"},
        {"Resource": ["arn:aws-us-gov:s3:::other", "arn:aws-us-gov:s3:::other/*"]},
        {"Resource": [f"arn:aws-us-gov:s3:::{BUCKET}", f"arn:aws-us-gov:s3:::{BUCKET}/from_client/*"]},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"Condition": {"StringEquals": {"aws:SecureTransport": "false"}}},
        {"Condition": {"Bool": {"aws:SecureTransport": "false", "aws:PrincipalIsAWSService": "false"}}},
        {"Condition": {"Bool": {"aws:SecureTransport": "false"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Condition": {}},
        {"Condition": None},
    ],
)
def test_a_policy_that_lets_some_request_pass_without_tls_is_not(changed: dict[str, Any]) -> None:
    assert not requires_tls(deny(**changed), BUCKET)


def test_two_statements_may_cover_bucket_and_objects_together() -> None:
    one, other = deny(Resource="arn:aws:s3:::files")["Statement"], deny(Resource="arn:aws:s3:::files/*")["Statement"]
    assert requires_tls({"Statement": [*one, *other]}, BUCKET)
    assert not requires_tls({"Statement": one}, BUCKET)
    assert not requires_tls({}, BUCKET)


def entry(target: str = TOPIC, events: Sequence[str] = ("s3:ObjectCreated:*",), **rules: str) -> dict[str, Any]:
    filtered = [{"Name": name, "Value": value} for name, value in rules.items()]
    named = "QueueArn" if ":sqs:" in target else "TopicArn"
    return {named: target, "Events": list(events), "Filter": {"Key": {"FilterRules": filtered}}}


def asked(*entries: dict[str, Any], **more: Any) -> Finding:
    topics = [one for one in entries if "TopicArn" in one]
    queues = [one for one in entries if "QueueArn" in one]
    configuration = {"TopicConfigurations": topics, "QueueConfigurations": queues, **more}
    return announcement(configuration, PREFIX, [TOPIC, queue_arn(QUEUE_URL)])


@pytest.mark.parametrize(
    "one",
    [entry(), entry(prefix=PREFIX), entry(Prefix="from_"), entry(prefix=""), entry(suffix=""), entry(QUEUE)],
)
def test_every_new_file_is_announced(one: dict[str, Any]) -> None:
    assert asked(entry(OTHER, ["s3:ObjectRemoved:*"]), one).remedy == ""


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (entry(events=["s3:ObjectCreated:Put"]), "hears only of s3:ObjectCreated:Put"),
        (entry(prefix="from_client/nm_albuquerque/"), "hears only of the prefix from_client/nm_albuquerque/"),
        (entry(Suffix=".csv"), "hears only of the suffix .csv"),
        (entry(events=["s3:ObjectRemoved:*"]), "nothing is announced"),
    ],
)
def test_files_that_are_not_announced_are_named(one: dict[str, Any], reason: str) -> None:
    found = asked(one)
    assert reason in found.text
    assert "s3_configure_notifications.sh" in found.remedy


def test_announcements_to_somebody_else_are_named() -> None:
    found = asked(entry(OTHER))
    assert OTHER in found.text
    assert "subscribed" in found.remedy
    assert asked(entry(OTHER), entry()).remedy == ""


def test_the_rules_of_eventbridge_are_not_seen() -> None:
    assert not asked(EventBridgeConfiguration={}).is_known
    assert asked(entry(), EventBridgeConfiguration={}).is_known


@given(st.text("ab/", max_size=8), st.text("ab/", max_size=8))
def test_a_filter_is_complete_exactly_if_every_key_below_the_prefix_passes_it(prefix: str, rule: str) -> None:
    found = announcement({"TopicConfigurations": [entry(prefix=rule)]}, prefix, [TOPIC])
    passes = all(f"{prefix}{rest}".startswith(rule) for rest in ("", "a", "b", "/"))
    assert (found.remedy == "") == passes
