"""SQS body → created objects, ignored notes, malformed parts. No network, no Dagster.

Four envelopes carry the same facts and are told apart by shape: S3 straight to SQS, S3 through SNS (wrapped),
S3 through SNS with raw delivery (looks like the first), and EventBridge. Keys in S3 records are form-encoded
and decoded once; EventBridge keys are not encoded.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from etl_platform.errors import MalformedEventError
from etl_platform.object_keys import MAX_KEY_BYTES


@dataclass(frozen=True)
class ObjectCreated:
    """One object version that an event announces. Only bucket and key are certain; a HEAD supplies the rest."""

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size_bytes: int | None = None
    sequencer: str | None = None
    event_time: str | None = None


@dataclass(frozen=True)
class ParsedMessage:
    """What one queue message holds.

    Attributes:
        created: objects to take in.
        ignored: why a part needs no work (test event, a deletion).
        malformed: what is wrong with the parts that are no event.
    """

    created: tuple[ObjectCreated, ...] = ()
    ignored: tuple[str, ...] = ()
    malformed: tuple[str, ...] = ()


def parse_message(body: str) -> ParsedMessage:
    """Read one SQS body or event file. Never raises on bad input: what is wrong is in ``malformed``."""
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
        raise MalformedEventError(f"no Records and no known envelope; found the fields {_names(envelope)}")
    if not isinstance(records, list):
        raise MalformedEventError(f"Records is {_kind(records)}, not a list")
    if not records:
        return ParsedMessage(ignored=("empty Records",))
    return _collect(records, _from_s3)


def _collect(records: list[Any], read: Any) -> ParsedMessage:
    created: list[ObjectCreated] = []
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


def _from_s3(record: Any) -> ObjectCreated | str:
    if not isinstance(record, dict):
        raise MalformedEventError(f"is {_kind(record)}, not an object")
    version = str(record.get("eventVersion", "2.1"))
    if version.partition(".")[0] != "2":
        raise MalformedEventError(f"eventVersion {version!r} is not 2.x")
    name = str(record.get("eventName", "ObjectCreated:Put"))
    if not name.removeprefix("s3:").startswith("ObjectCreated:"):
        return name
    s3 = _member(record, "s3")
    entry = _member(s3, "object")
    return ObjectCreated(
        bucket=_text(_member(s3, "bucket"), "name"),
        key=_key(unquote_plus(_text(entry, "key"), errors="surrogateescape")),
        version_id=_optional(entry.get("versionId")),
        etag=_optional(entry.get("eTag")),
        size_bytes=_size(entry.get("size")),
        sequencer=_optional(entry.get("sequencer")),
        event_time=_optional(record.get("eventTime")),
    )


def _from_eventbridge(event: Any) -> ObjectCreated | str:
    if event["detail-type"] != "Object Created":
        return str(event["detail-type"])
    detail = _member(event, "detail")
    entry = _member(detail, "object")
    return ObjectCreated(
        bucket=_text(_member(detail, "bucket"), "name"),
        key=_key(_text(entry, "key")),
        version_id=_optional(entry.get("version-id")),
        etag=_optional(entry.get("etag")),
        size_bytes=_size(entry.get("size")),
        sequencer=_optional(entry.get("sequencer")),
        event_time=_optional(event.get("time")),
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
    """JSON can spell half a surrogate pair, which no store can write down."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _printable(text: str) -> str:
    """What a queue attribute can hold: https://www.w3.org/TR/REC-xml/#charsets"""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _kind(value: object) -> str:
    return "missing" if value is None else type(value).__name__


def _names(envelope: dict[str, Any]) -> str:
    return ", ".join(sorted(map(str, envelope))[:8]) or "(none)"
