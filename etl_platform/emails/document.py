"""Converts an SQS message to an archived email's key and document, or to an error. No network, no clock.

The body is the email validation service's JSON object, bare or in the envelope of an SNS subscription. Reasons never
quote a value, because the message contains private mail.
"""

import json
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from etl_platform.object_keys import email_key

FIELDS = ("email_subject", "email_sender", "email_timestream", "email_content")
SOURCE = "email-validation-service"


@dataclass(frozen=True)
class ArchivedEmail:
    key: str
    document: bytes


@dataclass(frozen=True)
class UnreadableEmail:
    """A poison message: not an email, and no retry changes that; ``reason`` is plain ASCII."""

    reason: str


def read_email(body: str, message_id: str, sent_at: datetime, version: str) -> ArchivedEmail | UnreadableEmail:
    """The same message always gives the same key and the same bytes.

    Args:
        message_id: the id that SQS gave the message.
        sent_at: SQS's SentTimestamp, with a time zone.
        version: this package's version, for the document's metadata.
    """
    fields = _fields(body)
    if isinstance(fields, UnreadableEmail):
        return fields
    document = {
        "message_id": message_id,
        "processed_at": f"{sent_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "email_data": {name: fields[name] for name in FIELDS},
        "metadata": {"processor_version": version, "source": SOURCE},
    }
    # ASCII: JSON can contain half of a surrogate pair (of a truncated emoji), which UTF-8 cannot encode.
    return ArchivedEmail(email_key(user_of(fields["email_sender"]), message_id, sent_at), json.dumps(document).encode())


def user_of(sender: str) -> str:
    """The local part of an address: ``Jane <Jane.Roe+news@x.example>`` → ``jane.roe``; empty if there is none.

    ``+news`` is a tag of the same mailbox. In practice no two mailboxes differ only in case (RFC 5321, 2.4).
    """
    _, angle, rest = sender.rpartition("<")
    address = rest.partition(">")[0] if angle else sender
    local, at, _ = address.rpartition("@")
    local = (local if at else address).strip()
    if len(local) > 1 and local[0] == local[-1] == '"':
        local = local[1:-1]
    return unicodedata.normalize("NFC", (local.partition("+")[0] or local).strip().lower())


def is_same_email(found: bytes, document: bytes) -> bool:
    """Whether two documents hold the same email. They may differ in the version of the package that wrote them."""
    try:
        return found == document or _without_version(found) == _without_version(document)
    except (ValueError, RecursionError, LookupError, TypeError):
        return False


def _without_version(document: bytes) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(document)
    del whole["metadata"]["processor_version"]
    return whole


def _fields(body: str) -> dict[str, str] | UnreadableEmail:
    found = _json_object(body, "the message")
    if isinstance(found, UnreadableEmail):
        return found
    if isinstance(found.get("Message"), str) and not any(name in found for name in FIELDS):
        found = _json_object(found["Message"], "the SNS Message")
        if isinstance(found, UnreadableEmail):
            return found
    if missing := [name for name in FIELDS if name not in found]:
        return UnreadableEmail(f"missing: {', '.join(missing)}")
    if wrong := [f"{name} is {_kind(found[name])}" for name in FIELDS if not isinstance(found[name], str)]:
        return UnreadableEmail(f"{', '.join(wrong)}, not a string")
    return found


def _json_object(text: str, what: str) -> dict[str, Any] | UnreadableEmail:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        return UnreadableEmail(f"{what} is not JSON: line {error.lineno}, column {error.colno}")
    except (ValueError, RecursionError) as error:
        return UnreadableEmail(f"{what} cannot be read as JSON: {type(error).__name__}")
    return found if isinstance(found, dict) else UnreadableEmail(f"{what} is {_kind(found)}, not a JSON object")


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
