"""The body of an SQS message as the object versions that it announces. No network, no Dagster.

Four envelopes are recognised by their shape: S3 directly to SQS, S3 through SNS (wrapped), S3 through SNS with raw
delivery (same shape as the first), and EventBridge. Keys in S3 records are form-encoded and decoded once; EventBridge
keys are not encoded.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from etl_platform.deliveries.delivery import ObjectVersion, parse_time
from etl_platform.errors import MalformedEventError
from etl_platform.object_keys import MAX_KEY_BYTES


@dataclass(frozen=True)
class ParsedMessage:
    """The contents of one queue message.

    Attributes:
        created: object versions to ingest.
        ignored: the events that need no work, such as a test event or a deletion.
        malformed: what is wrong with the parts that are not an S3 event.
    """

    created: tuple[ObjectVersion, ...] = ()
    ignored: tuple[str, ...] = ()
    malformed: tuple[str, ...] = ()


def parse_message(body: str) -> ParsedMessage:
    """Parse an SQS body or an event file. Never raises for bad input: errors are in ``malformed``."""
    try:
        return _parse(_json_object(body, "the message"))
    except MalformedEventError as error:
        return ParsedMessage(malformed=(_printable(str(error)),))


def _parse(envelope: dict[str, Any]) -> ParsedMessage:
    if isinstance(envelope.get("Message"), str) and "Records" not in envelope:
        envelope = _json_object(envelope["Message"], "the SNS Message")
    if envelope.get("Event") == "s3:TestEvent":
        return ParsedMessage(ignored=("s3:TestEvent",))
    if "detail-type" in envelope:
        return _collect([envelope], _from_eventbridge)
    records = envelope.get("Records")
    if records is None:
        raise MalformedEventError(f"neither Records nor another known envelope; the fields are {_names(envelope)}")
    if not isinstance(records, list):
        raise MalformedEventError(f"Records is {_kind(records)}, not a list")
    if not records:
        return ParsedMessage(ignored=("empty Records",))
    return _collect(records, _from_s3)


def _collect(records: list[Any], read: Callable[[Any], ObjectVersion | str]) -> ParsedMessage:
    created: list[ObjectVersion] = []
    ignored: list[str] = []
    malformed: list[str] = []
    for position, record in enumerate(records):
        try:
            found = read(record)
        except MalformedEventError as error:
            malformed.append(_printable(f"record {position}: {error}"))
            continue
        if isinstance(found, str):
            ignored.append(found)
        else:
            created.append(found)
    return ParsedMessage(tuple(created), tuple(ignored), tuple(malformed))


def _from_s3(record: Any) -> ObjectVersion | str:
    if not isinstance(record, dict):
        raise MalformedEventError(f"is {_kind(record)}, not an object")
    version = str(record.get("eventVersion", "2.1"))
    if version.partition(".")[0] != "2":
        raise MalformedEventError(f"eventVersion {version!r} is not 2.x")
    name = str(record.get("eventName", "ObjectCreated:Put"))
    if not name.removeprefix("s3:").startswith("ObjectCreated:"):
        return name
    s3 = _member(record, "s3")
    described = _member(s3, "object")
    return ObjectVersion(
        bucket=_text(_member(s3, "bucket"), "name"),
        key=_key(unquote_plus(_text(described, "key"), errors="surrogateescape")),
        version_id=_optional(described.get("versionId")),
        etag=_optional(described.get("eTag")),
        size_bytes=_size(described.get("size")),
        sequencer=_optional(described.get("sequencer")),
        last_modified=parse_time(record.get("eventTime")),
    )


def _from_eventbridge(event: Any) -> ObjectVersion | str:
    if event["detail-type"] != "Object Created":
        return str(event["detail-type"])
    detail = _member(event, "detail")
    described = _member(detail, "object")
    return ObjectVersion(
        bucket=_text(_member(detail, "bucket"), "name"),
        key=_key(_text(described, "key")),
        version_id=_optional(described.get("version-id")),
        etag=_optional(described.get("etag")),
        size_bytes=_size(described.get("size")),
        sequencer=_optional(described.get("sequencer")),
        last_modified=parse_time(event.get("time")),
    )


def _json_object(text: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedEventError(f"{what} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedEventError(f"{what} is {_kind(value)}, not a JSON object")
    return value


def _member(parent: dict[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise MalformedEventError(f"{name} is {_kind(value)}, not an object")
    return value


def _text(parent: dict[str, Any], name: str) -> str:
    value = parent.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedEventError(f"{name} is {_kind(value)}, not a non-empty string")
    if not _is_utf8(value):
        raise MalformedEventError(f"{name} is not UTF-8")
    return value


def _key(key: str) -> str:
    if not _is_utf8(key):
        raise MalformedEventError("key is not UTF-8 after decoding")
    size = len(key.encode())
    if size > MAX_KEY_BYTES:
        raise MalformedEventError(f"key has {size} bytes, more than S3's {MAX_KEY_BYTES}")
    return key


def _optional(value: object) -> str | None:
    return value.strip('"') or None if isinstance(value, str) and _is_utf8(value) else None


def _is_utf8(text: str) -> bool:
    """JSON can contain half of a surrogate pair, which cannot be stored as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _printable(text: str) -> str:
    """The text with characters escaped that SQS attributes do not allow: https://www.w3.org/TR/REC-xml/#charsets"""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _kind(value: object) -> str:
    return "missing" if value is None else type(value).__name__


def _names(envelope: dict[str, Any]) -> str:
    return ", ".join(sorted(map(str, envelope))[:8]) or "(none)"
