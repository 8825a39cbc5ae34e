"""From AWS calls that a proxy saw to the IAM actions that they need, and whether policies grant them.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from etl_platform_tests.faults.proxy import Call

Policies = Mapping[str, Sequence[Mapping[str, Any]]]
"""Statements by the policy's Terraform name."""

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
    """One action on one thing. ``bucket`` and ``key`` are empty for a queue, ``prefix`` None where no list is asked."""

    action: str
    bucket: str = ""
    key: str = ""
    prefix: str | None = None


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
    elif call.operation in {"GetObject", "HeadObject"}:
        yield _read(bucket, key, "versionId" in query)
    else:
        yield Need(_OF_OBJECTS[call.operation], bucket, key)
    if call.copy_source:
        source, _, version = call.copy_source.lstrip("/").partition("?")
        bucket, _, key = unquote(source).partition("/")
        yield _read(bucket, key, bool(version))


def _read(bucket: str, key: str, has_version: bool) -> Need:
    return Need("s3:GetObjectVersion" if has_version else "s3:GetObject", bucket, key)


def actions(statements: Sequence[Mapping[str, Any]]) -> set[str]:
    return {action for statement in statements for action in _many(statement["Action"])}


def grants(statements: Sequence[Mapping[str, Any]], need: Need) -> bool:
    """Whether one of the statements allows it. Of a queue, which a call names in its body, only the action counts."""
    return any(
        need.action in _many(statement["Action"]) and _covers(statement, need) and _holds(statement, need)
        for statement in statements
    )


def _covers(statement: Mapping[str, Any], need: Need) -> bool:
    if not need.bucket:
        return True
    wanted = f"s3:::{need.bucket}" + (f"/{need.key}" if need.key else "")
    return any(fnmatchcase(wanted, resource.split(":", 2)[2]) for resource in _many(statement["Resource"]))


def _holds(statement: Mapping[str, Any], need: Need) -> bool:
    for operator, wanted in statement.get("Condition", {}).items():
        assert operator in {"StringLike", "StringLikeIfExists"}, operator
        assert list(wanted) == ["s3:prefix"], wanted
        if need.prefix is None:
            return bool(operator == "StringLikeIfExists")
        return any(fnmatchcase(need.prefix, pattern) for pattern in _many(wanted["s3:prefix"]))
    return True


def _many(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
