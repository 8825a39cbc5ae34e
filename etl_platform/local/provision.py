"""Creates the platform's AWS resources in an emulator: buckets, topic, queues, subscription, notification.

Terraform creates the real ones. Creating them twice changes nothing.
"""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import NotificationConfigurationTypeDef
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

BUCKET = "etl-file-processing-client-etl"
TOPIC = "file-processing-topic"
QUEUE = "file-processing-queue"
DEAD_LETTER_QUEUE = "file-processing-dlq"
EMAIL_QUEUE = "email-validation-queue"
EMAIL_DEAD_LETTER_QUEUE = "email-validation-dlq"
EMAIL_BUCKET = "etl-email-archive"
ATTACHMENTS_SOURCE = "benchmarkanalytics-production-env-userdocument-test"
ATTACHMENTS_DESTINATION = "etl-ba-research-client-etl"
REGION = "us-east-1"
KEY_ID = KEY_SECRET = "test"  # noqa: S105 - credentials of the emulator's default account
MAX_RECEIVE_COUNT = 20
_NOTIFICATION_ID = "file-arrivals"
_FOURTEEN_DAYS_S = 14 * 24 * 3600


@dataclass(frozen=True)
class Provisioned:
    """The names and URLs of the created resources, which are the platform's settings."""

    bucket: str
    topic_arn: str
    queue_url: str
    dlq_url: str
    email_queue_url: str
    email_dlq_url: str
    email_bucket: str = EMAIL_BUCKET
    attachments_source: str = ATTACHMENTS_SOURCE
    attachments_destination: str = ATTACHMENTS_DESTINATION


@dataclass(frozen=True)
class Clients:
    """One boto3 client per service."""

    s3: "S3Client"
    sns: "SNSClient"
    sqs: "SQSClient"


@contextmanager
def open_clients(endpoint_url: str, region: str = REGION) -> Iterator[Clients]:
    """Clients of the emulator, which ignore the AWS configuration of the current user."""
    import boto3
    import botocore.session
    from botocore.config import Config

    # An AWS_PROFILE that does not exist would be an error, and a proxy cannot reach the loopback interface.
    no_user_setup = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    session = boto3.Session(
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=KEY_SECRET,
        region_name=region,
        botocore_session=botocore.session.Session(session_vars=no_user_setup),
    )
    config = Config(proxies={}, connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 3})
    with ExitStack() as stack:
        clients: dict[str, Any] = {}
        for service in ("s3", "sns", "sqs"):
            clients[service] = session.client(service, endpoint_url=endpoint_url, config=config)
            stack.enter_context(closing(clients[service]))
        yield Clients(**clients)


def provision(
    endpoint_url: str,
    *,
    region: str = REGION,
    bucket: str = BUCKET,
    source_prefix: str = "from_client/",
    topic: str = TOPIC,
    queue: str = QUEUE,
    dead_letter_queue: str = DEAD_LETTER_QUEUE,
    email_queue: str = EMAIL_QUEUE,
    email_dead_letter_queue: str = EMAIL_DEAD_LETTER_QUEUE,
    email_bucket: str = EMAIL_BUCKET,
    visibility_timeout_s: int = 300,
) -> Provisioned:
    """Create what is missing: versioned buckets, topic, file and email queues with their dead-letter queues.

    The data bucket notifies the topic of new objects below ``source_prefix``, and the topic sends them to the queue.

    Raises:
        botocore.exceptions.ClientError: the emulator refused a call.
    """
    with open_clients(endpoint_url, region) as aws:
        for name in (bucket, email_bucket, ATTACHMENTS_SOURCE, ATTACHMENTS_DESTINATION):
            _bucket(aws.s3, name, region)
        topic_arn = aws.sns.create_topic(Name=topic)["TopicArn"]
        aws.sns.set_topic_attributes(
            TopicArn=topic_arn,
            AttributeName="Policy",
            AttributeValue=_policy("s3.amazonaws.com", "sns:Publish", topic_arn, f"arn:aws:s3:::{bucket}"),
        )
        queue_url, queue_arn, dlq_url = _queue_pair(aws.sqs, queue, dead_letter_queue, visibility_timeout_s)
        policy = _policy("sns.amazonaws.com", "sqs:SendMessage", queue_arn, topic_arn)
        aws.sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": policy})
        aws.sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn)
        _notification(aws.s3, bucket, source_prefix, topic_arn)
        email_queue_url, _, email_dlq_url = _queue_pair(
            aws.sqs, email_queue, email_dead_letter_queue, visibility_timeout_s
        )
    return Provisioned(bucket, topic_arn, queue_url, dlq_url, email_queue_url, email_dlq_url, email_bucket)


def _bucket(s3: "S3Client", bucket: str, region: str) -> None:
    existing = {item.get("Name") for item in s3.list_buckets()["Buckets"]}
    if bucket not in existing:
        # S3 refuses us-east-1 as a LocationConstraint.
        location: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **location)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def _queue_pair(sqs: "SQSClient", name: str, dead_letters: str, visibility_timeout_s: int) -> tuple[str, str, str]:
    """URL and ARN of a queue, and the URL of its dead-letter queue."""
    retention = {"MessageRetentionPeriod": str(_FOURTEEN_DAYS_S)}
    dlq_url, dlq_arn = _queue(sqs, dead_letters, retention)
    redrive = {"deadLetterTargetArn": dlq_arn, "maxReceiveCount": MAX_RECEIVE_COUNT}
    attributes = retention | {"VisibilityTimeout": str(visibility_timeout_s), "RedrivePolicy": json.dumps(redrive)}
    url, arn = _queue(sqs, name, attributes)
    return url, arn, dlq_url


def _queue(
    sqs: "SQSClient", name: str, attributes: "dict[QueueAttributeNameType, str] | dict[str, str]"
) -> tuple[str, str]:
    """Create a queue if it is missing and set its attributes; returns its URL and ARN."""
    known = sqs.list_queues(QueueNamePrefix=name).get("QueueUrls", [])
    url = next((url for url in known if url.endswith(f"/{name}")), None)
    # CreateQueue fails for an existing queue with other attributes, so set them afterwards.
    url = url or sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)  # type: ignore[arg-type]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, arn


def _notification(s3: "S3Client", bucket: str, prefix: str, topic_arn: str) -> None:
    wanted: NotificationConfigurationTypeDef = {
        "TopicConfigurations": [
            {
                "Id": _NOTIFICATION_ID,
                "TopicArn": topic_arn,
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
            }
        ]
    }
    found = s3.get_bucket_notification_configuration(Bucket=bucket).get("TopicConfigurations", [])
    # S3 sends an s3:TestEvent for each call, so do not write an unchanged configuration again.
    if [(item.get("Id"), item["TopicArn"]) for item in found] != [(_NOTIFICATION_ID, topic_arn)]:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)


def _policy(service: str, action: str, resource: str, source_arn: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": action,
        "Resource": resource,
        "Condition": {"ArnEquals": {"aws:SourceArn": source_arn}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
