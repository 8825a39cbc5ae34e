"""The JSON that SNS posts over HTTP: its fields, the text that is signed, trusted URLs. No network, no clock.

https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html
https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
"""

import base64
import binascii
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from etl_platform.errors import NotificationRefusedError

MAX_BODY_BYTES = 256 << 10
MAX_AGE = timedelta(hours=1)
"""SNS retries for at most an hour, regardless of the delivery policy."""
MAX_AHEAD = timedelta(minutes=15)
UNSIGNED = "FAKE"
"""The emulator's value of the field Signature."""

NOTIFICATION, CONFIRMATION, UNSUBSCRIBED = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    UNSUBSCRIBED: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_SIGNATURE = ("SignatureVersion", "Signature", "SigningCertURL")
_OPTIONAL = "Subject"
# Match the whole URL as ASCII text. Parsing is not safe: two URL parsers may find different hosts in one URL.
_CERTIFICATE = r"/[A-Za-z0-9_-]{1,200}\.pem"
_SUBSCRIBE = r"/\?[A-Za-z0-9_.~%:&=+-]{1,2000}"
_TOPIC_ARN = re.compile(r"arn:(aws|aws-us-gov|aws-cn):sns:([a-z]{2,5}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}):[0-9]{12}:.+")


@dataclass(frozen=True)
class SnsMessage:
    """One post. ``fields`` holds the signed fields and those of the signature; all other fields are dropped.

    Attributes:
        sent_at: its Timestamp, with a time zone.
        signature: decoded from base64; ``signature_version`` is ``1`` (SHA1) or ``2`` (SHA256).
    """

    fields: dict[str, str]
    sent_at: datetime

    @property
    def type(self) -> str:
        return self.fields["Type"]

    @property
    def message_id(self) -> str:
        return self.fields["MessageId"]

    @property
    def topic_arn(self) -> str:
        return self.fields["TopicArn"]

    @property
    def subscribe_url(self) -> str:
        return self.fields["SubscribeURL"]

    @property
    def signing_cert_url(self) -> str:
        return self.fields["SigningCertURL"]

    @property
    def signature_version(self) -> str:
        return self.fields["SignatureVersion"]

    @property
    def is_unsigned(self) -> bool:
        return self.fields["Signature"] == UNSIGNED

    @property
    def signature(self) -> bytes:
        """Raises NotificationRefusedError if it is not base64."""
        try:
            return base64.b64decode(self.fields["Signature"], validate=True)
        except (binascii.Error, ValueError):
            raise NotificationRefusedError("bad_signature", "the Signature is not base64") from None

    @property
    def signed_text(self) -> bytes:
        """``Key\\nValue\\n`` of each signed field in alphabetical order; a missing Subject is left out."""
        return "".join(f"{name}\n{self.fields[name]}\n" for name in _SIGNED[self.type] if name in self.fields).encode()

    @property
    def envelope(self) -> str:
        """The body for the queue: the verified fields as the JSON that SNS itself sends to SQS.

        A field that was added to the body beside the signed ones, such as ``Records``, is not in it.
        """
        text = json.dumps(self.fields, ensure_ascii=False, separators=(",", ":"))
        # SQS refuses these two characters, which JSON allows.
        return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def parse_sns(body: bytes) -> SnsMessage:
    """Read the body of a post.

    Raises:
        NotificationRefusedError: ``malformed``, naming the field; no value is quoted.
    """
    document = _json_object(body)
    kind = document.get("Type")
    if not isinstance(kind, str) or kind not in _SIGNED:
        hint = (
            "; turn raw message delivery off in the subscription, because raw messages are not signed"
            if "Records" in document
            else ""
        )
        raise _malformed(f"Type is not one of {', '.join(_SIGNED)}{hint}")
    names = [*_SIGNED[kind], *_SIGNATURE]
    fields = {name: _text(document, name) for name in names if name != _OPTIONAL or document.get(name) is not None}
    if fields["SignatureVersion"] not in {"1", "2"}:
        raise _malformed("SignatureVersion is neither 1 nor 2")
    if len(fields["MessageId"]) > 100:
        raise _malformed("MessageId is longer than 100 characters")
    return SnsMessage(fields, _sent_at(fields["Timestamp"]))


def check_origin(message: SnsMessage, allowed_topics: Collection[str], now: datetime) -> None:
    """Raise NotificationRefusedError: ``foreign_topic``, or ``stale`` if older than an hour or in the future."""
    if message.topic_arn not in allowed_topics:
        raise NotificationRefusedError("foreign_topic", "the TopicArn is not in GATEWAY_ALLOWED_TOPIC_ARNS")
    if not -MAX_AHEAD <= now - message.sent_at <= MAX_AGE:
        raise NotificationRefusedError("stale", "the Timestamp is older than an hour, or in the future")


def check_certificate_url(message: SnsMessage, emulator: str | None = None) -> None:
    """Raise NotificationRefusedError unless the SigningCertURL is SNS's in the topic's region, or on the emulator."""
    if not _is_of_sns(message.signing_cert_url, _CERTIFICATE, message.topic_arn, emulator):
        raise NotificationRefusedError(
            "bad_signature", "the SigningCertURL does not belong to SNS in the topic's region"
        )


def check_subscribe_url(message: SnsMessage, emulator: str | None = None) -> None:
    """Raise NotificationRefusedError unless the SubscribeURL confirms this topic in its region, or at the emulator."""
    url = message.subscribe_url
    if not _is_of_sns(url, _SUBSCRIBE, message.topic_arn, emulator):
        raise NotificationRefusedError(
            "bad_subscribe_url", "the SubscribeURL does not belong to SNS in the topic's region"
        )
    query = parse_qs(urlsplit(url).query)
    if (query.get("Action"), query.get("TopicArn")) != (["ConfirmSubscription"], [message.topic_arn]):
        raise NotificationRefusedError(
            "bad_subscribe_url", "the SubscribeURL does not confirm a subscription to this topic"
        )


def _is_of_sns(url: str, rest: str, topic_arn: str, emulator: str | None) -> bool:
    """Whether the URL is on the emulator, or the host of SNS in the topic's region followed by a match of ``rest``."""
    topic = _TOPIC_ARN.fullmatch(topic_arn)
    if topic is None:
        return _is_on(url, emulator)
    partition, region = topic.groups()
    host = f"https://sns.{region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"
    return bool(re.fullmatch(re.escape(host) + rest, url)) or _is_on(url, emulator)


def _is_on(url: str, emulator: str | None) -> bool:
    return emulator is not None and bool(re.fullmatch(re.escape(emulator.rstrip("/")) + r"/[!-\[\]-~]*", url))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _malformed("the body is not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise _malformed("the body is not a JSON object")
    return document


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise _malformed(f"{name} is {'missing' if value is None else type(value).__name__}, not a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _malformed(f"{name} contains half a surrogate pair") from None
    return value


def _sent_at(text: str) -> datetime:
    try:
        sent_at = datetime.fromisoformat(text)
    except ValueError:
        raise _malformed("Timestamp is not a time") from None
    if sent_at.tzinfo is None:
        raise _malformed("Timestamp has no time zone")
    return sent_at


def _malformed(message: str) -> NotificationRefusedError:
    return NotificationRefusedError("malformed", message)
