"""Creates the platform's AWS resources in an emulator: buckets, topic, queues, subscription, notification.

Terraform creates the real ones. Creating them twice changes nothing.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl_platform.queue_work.queues import EMAILS, FILE_EVENTS, QUEUES, WorkQueue

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        NotificationConfigurationTypeDef,
        PublicAccessBlockConfigurationTypeDef,
        ServerSideEncryptionConfigurationTypeDef,
    )
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

TOPIC = "file-processing-topic"
ATTACHMENTS_BUCKETS = {
    "ATTACHMENTS_SOURCE_BUCKET": "benchmarkanalytics-production-env-userdocument-test",
    "ATTACHMENTS_DESTINATION_BUCKET": "etl-ba-research-client-etl",
}
REGION = "us-east-1"
KEY_ID = KEY_SECRET = "test"  # noqa: S105 - credentials of the emulator's default account
_NOTIFICATION_ID = "file-arrivals"
_CLOSED: "PublicAccessBlockConfigurationTypeDef" = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
_ENCRYPTED: "ServerSideEncryptionConfigurationTypeDef" = {
    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
}
_FOURTEEN_DAYS_S = 14 * 24 * 3600


@dataclass(frozen=True)
class Provisioned:
    """The names and URLs of the created resources, as environment variables of the platform."""

    environment: Mapping[str, str]

    @property
    def topic_arn(self) -> str:
        return self.value_of("gateway_allowed_topic_arns")

    @property
    def bucket(self) -> str:
        return self.value_of(FILE_EVENTS.bucket_setting)

    @property
    def queue_url(self) -> str:
        return self.value_of(FILE_EVENTS.url_setting)

    @property
    def dlq_url(self) -> str:
        return self.value_of(FILE_EVENTS.dlq_url_setting)

    @property
    def email_queue_url(self) -> str:
        return self.value_of(EMAILS.url_setting)

    @property
    def email_dlq_url(self) -> str:
        return self.value_of(EMAILS.dlq_url_setting)

    @property
    def email_bucket(self) -> str:
        return self.value_of(EMAILS.bucket_setting)

    @property
    def attachments_source(self) -> str:
        return self.value_of("attachments_source_bucket")

    @property
    def attachments_destination(self) -> str:
        return self.value_of("attachments_destination_bucket")

    def value_of(self, setting: str) -> str:
        """The value of a field of ``Settings``."""
        return self.environment[setting.upper()]


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
    source_prefix: str = "from_client/",
    rename: Callable[[str], str] = str,
    visibility_timeout_s: int = 300,
) -> Provisioned:
    """Create what is missing: the queues and buckets of every queue-fed job, the topic, the buckets of attachments.

    The data bucket notifies the topic of new objects below ``source_prefix``, and the topic sends them to the queue.

    Args:
        rename: maps the default name of a topic, a queue or a queue's bucket to the name to use.

    Raises:
        botocore.exceptions.ClientError: the emulator refused a call.
    """
    environment = dict(ATTACHMENTS_BUCKETS)
    with open_clients(endpoint_url, region) as aws:
        for queue in QUEUES:
            environment[queue.bucket_setting.upper()] = rename(queue.bucket_name)
            url, dlq_url = _queue_pair(aws.sqs, queue, rename, visibility_timeout_s)
            environment |= {queue.url_setting.upper(): url, queue.dlq_url_setting.upper(): dlq_url}
        environment["GATEWAY_ALLOWED_TOPIC_ARNS"] = aws.sns.create_topic(Name=rename(TOPIC))["TopicArn"]
        made = Provisioned(environment)
        for bucket in [*(made.value_of(queue.bucket_setting) for queue in QUEUES), *ATTACHMENTS_BUCKETS.values()]:
            _bucket(aws.s3, bucket, region)
        _connect(aws, made, source_prefix)
    return made


def _connect(aws: Clients, made: Provisioned, source_prefix: str) -> None:
    """Bucket → topic → file events queue."""
    queue_arn = _arn(aws.sqs, made.queue_url)
    aws.sns.set_topic_attributes(
        TopicArn=made.topic_arn,
        AttributeName="Policy",
        AttributeValue=_policy("s3.amazonaws.com", "sns:Publish", made.topic_arn, f"arn:aws:s3:::{made.bucket}"),
    )
    policy = _policy("sns.amazonaws.com", "sqs:SendMessage", queue_arn, made.topic_arn)
    aws.sqs.set_queue_attributes(QueueUrl=made.queue_url, Attributes={"Policy": policy})
    aws.sns.subscribe(TopicArn=made.topic_arn, Protocol="sqs", Endpoint=queue_arn)
    _notification(aws.s3, made.bucket, source_prefix, made.topic_arn)


def _bucket(s3: "S3Client", bucket: str, region: str) -> None:
    existing = {item.get("Name") for item in s3.list_buckets()["Buckets"]}
    if bucket not in existing:
        # S3 refuses us-east-1 as a LocationConstraint.
        location: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **location)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=_CLOSED)
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=_ENCRYPTED)


def _queue_pair(
    sqs: "SQSClient", queue: WorkQueue, rename: Callable[[str], str], visibility_timeout_s: int
) -> tuple[str, str]:
    """URLs of a queue and of its dead-letter queue."""
    retention = {"MessageRetentionPeriod": str(_FOURTEEN_DAYS_S)}
    dlq_url = _queue(sqs, rename(queue.dlq_name), retention)
    redrive = {"deadLetterTargetArn": _arn(sqs, dlq_url), "maxReceiveCount": queue.max_receives}
    attributes = retention | {"VisibilityTimeout": str(visibility_timeout_s), "RedrivePolicy": json.dumps(redrive)}
    return _queue(sqs, rename(queue.queue_name), attributes), dlq_url


def _queue(sqs: "SQSClient", name: str, attributes: "dict[QueueAttributeNameType, str] | dict[str, str]") -> str:
    """Create a queue if it is missing and set its attributes; returns its URL."""
    known = sqs.list_queues(QueueNamePrefix=name).get("QueueUrls", [])
    url = next((url for url in known if url.endswith(f"/{name}")), None)
    # CreateQueue fails for an existing queue with other attributes, so set them afterwards.
    url = url or sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)  # type: ignore[arg-type]
    return url


def _arn(sqs: "SQSClient", url: str) -> str:
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


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
