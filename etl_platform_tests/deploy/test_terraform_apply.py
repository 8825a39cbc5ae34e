"""Both stacks for real, against moto: applied, planned again without a change, destroyed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from etl_platform.deliveries.s3_events import parse_message
from etl_platform_tests.deploy.terraform_stacks import NETWORK, PROCESSING, REGION, Workplace, moto, moto_clients

BUCKET = "etl-file-processing-client-etl"
ACCOUNT = "123456789012"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/etl-file-processing@sha256:{'0' * 64}"
THEIRS = {
    "Id": "theirs",
    "QueueArn": f"arn:aws-us-gov:sqs:{REGION}:{ACCOUNT}:theirs",
    "Events": ["s3:ObjectRemoved:*"],
}
ADOPTED = {
    "aws_profile": "",
    "alarm_emails": '["on-call@example.gov"]',
    "bucket_is_versioned": "true",
    "data_is_trailed": "true",
    "create_s3_notifications": "true",
    "create_email_queues": "true",
    "create_email_bucket": "true",
    "attachments_source_bucket": "documents",
    "attachments_destination_bucket": "copies",
    "db_deletion_protection": "false",
}
OUTPUTS = {
    "attachments_destination_bucket", "attachments_source_bucket", "cluster_endpoint", "cluster_name",
    "data_bucket_name", "database_host", "database_login", "database_name", "database_secret_arn", "database_username",
    "ecr_repository_url", "email_bucket_name", "email_dlq_url", "email_queue_url", "file_events_dlq_url",
    "file_events_queue_url", "image", "kms_key_arns", "namespace", "region", "service_account_name",
    "role_arns", "topic_arn",
}  # fmt: skip
"""What manage.sh, and the values that it hands to helm, read."""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workplace, Any]]:
    """The stacks before moto, in which the data bucket is there already and tells others of its objects."""
    folder = tmp_path_factory.mktemp("moto")
    with moto(folder) as url, moto_clients(url) as client:
        client("sqs").create_queue(QueueName="theirs")
        s3 = client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [THEIRS]}
        )
        infra = Workplace(folder / "infra", url)
        (folder / "infra" / PROCESSING / "terraform" / "container_image.txt").write_text(f"{IMAGE}\n")
        yield infra, client


def test_both_stacks_are_applied_planned_without_changes_and_destroyed(aws: tuple[Workplace, Any]) -> None:
    """The data bucket is one that is there already; what others set on it is there before, meanwhile and after."""
    infra, client = aws
    infra.run(NETWORK, "apply", "-auto-approve", variables={"aws_profile": ""})
    infra.run(PROCESSING, "apply", "-auto-approve", variables=ADOPTED)

    outputs = {
        name: output["value"] for name, output in json.loads(infra.run(PROCESSING, "output", "-json").stdout).items()
    }
    assert outputs.keys() >= OUTPUTS
    assert outputs["image"] == IMAGE
    assert len(set(outputs["role_arns"].values())) == 8
    assert all(arn.startswith(f"arn:aws-us-gov:iam::{ACCOUNT}:role/") for arn in outputs["role_arns"].values())
    assert outputs["database_secret_arn"] is not None
    assert _notifications(client("s3")) == {"QueueConfigurations": ["theirs"], "TopicConfigurations": ["file-arrivals"]}
    _assert_a_file_is_announced(client, outputs["file_events_queue_url"])
    for stack, variables in ((NETWORK, {"aws_profile": ""}), (PROCESSING, ADOPTED)):
        again = infra.run(stack, "plan", "-detailed-exitcode", variables=variables, check=False)
        assert again.returncode == 0, again.stdout

    infra.run(PROCESSING, "destroy", "-auto-approve", variables=ADOPTED)
    infra.run(NETWORK, "destroy", "-auto-approve", variables={"aws_profile": ""})
    assert _notifications(client("s3")) == {"QueueConfigurations": ["theirs"]}
    for stack in (NETWORK, PROCESSING):
        assert "values" not in json.loads(infra.run(stack, "show", "-json").stdout), f"{stack} left something"
    assert [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]] == [BUCKET]


def _notifications(s3: Any) -> dict[str, list[str]]:
    found = s3.get_bucket_notification_configuration(Bucket=BUCKET)
    kinds = ("QueueConfigurations", "TopicConfigurations")
    return {kind: [entry["Id"] for entry in found[kind]] for kind in kinds if found.get(kind)}


def _assert_a_file_is_announced(client: Any, queue_url: str) -> None:
    client("s3").put_object(Bucket=BUCKET, Key="from_client/nm_albuquerque/Training.csv", Body=b"officer_id\n")
    client("s3").put_object(Bucket=BUCKET, Key="silver/training/x.parquet", Body=b"")
    received = client("sqs").receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
    created = [event for message in received for event in parse_message(message["Body"]).created]
    assert [(event.bucket, event.key) for event in created] == [(BUCKET, "from_client/nm_albuquerque/Training.csv")]
