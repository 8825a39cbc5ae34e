"""From AWS calls that a proxy saw to the IAM actions that they need, and whether policies grant them.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from etl_platform_tests.deploy.iam_policies import Request, Statements, allows, many
from etl_platform_tests.faults.proxy import Call

_OF_OBJECTS = {
    "PutObject": "s3:PutObject",
    "CopyObject": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "PostMultipartUpload": "s3:PutObject",
    "DeleteMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
    "GetObjectTagging": "s3:GetObjectTagging",
}
_OF_BUCKETS = {
    "HeadBucket": "s3:ListBucket",
    "ListObjects": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "GetBucketVersioning": "s3:GetBucketVersioning",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "GetBucketPolicy": "s3:GetBucketPolicy",
    "GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "GetBucketNotificationConfiguration": "s3:GetBucketNotification",
}
_OF_QUEUES = {
    "ReceiveMessage": "sqs:ReceiveMessage",
    "SendMessage": "sqs:SendMessage",
    "DeleteMessageBatch": "sqs:DeleteMessage",
    "ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
}


@dataclass(frozen=True)
class Need:
    """One action on one thing. ``bucket`` and ``key`` are empty for a queue, ``prefix`` None where no list is asked.

    ``creates``: the call is refused if the key exists.
    """

    action: str
    bucket: str = ""
    key: str = ""
    prefix: str | None = None
    creates: bool = False


def needs(call: Call) -> Iterator[Need]:
    """What IAM checks of one call.

    Raises:
        KeyError: the call is none that is known here.
    """
    if call.operation == "GetCallerIdentity":
        return
    if call.operation in _OF_QUEUES:
        yield Need(_OF_QUEUES[call.operation])
        return
    url = urlsplit(call.target)
    query = parse_qs(url.query, keep_blank_values=True)
    bucket, _, key = unquote(url.path).lstrip("/").partition("/")
    if call.operation in _OF_BUCKETS:
        listed = call.operation.startswith("List")
        yield Need(_OF_BUCKETS[call.operation], bucket, prefix=query.get("prefix", [None])[0] if listed else None)
    elif call.operation == "DeleteObjects":
        # The keys are in the body, and below every prefix that is erased.
        yield Need("s3:DeleteObjectVersion", bucket, "from_client/")
    elif call.operation in {"GetObject", "HeadObject"}:
        yield _read(bucket, key, "versionId" in query)
    else:
        yield Need(_OF_OBJECTS[call.operation], bucket, key, creates=call.creates)
    if call.copy_source:
        source, _, version = call.copy_source.lstrip("/").partition("?")
        bucket, _, key = unquote(source).partition("/")
        yield _read(bucket, key, bool(version))


def _read(bucket: str, key: str, has_version: bool) -> Need:
    return Need("s3:GetObjectVersion" if has_version else "s3:GetObject", bucket, key)


def actions(statements: Statements) -> set[str]:
    """The actions that statements allow."""
    return {action for each in statements if each["Effect"] == "Allow" for action in many(each["Action"])}


def grants(statements: Statements, need: Need) -> bool:
    """Whether the statements allow it. Of a queue, which a call names in its body, only the action counts."""
    if not need.bucket:
        return need.action in actions(statements)
    resource = f"s3:::{need.bucket}" + (f"/{need.key}" if need.key else "")
    return allows(statements, Request(need.action, resource, need.prefix, need.creates))
