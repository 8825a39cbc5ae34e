"""Handles one post from SNS: verify it, then confirm a subscription or queue a notification. No HTTP, no Dagster."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from etl_platform.aws.clients import error_type
from etl_platform.aws.sns_certificates import SnsCertificates
from etl_platform.aws.sns_message import CONFIRMATION, NOTIFICATION, SnsMessage, check_origin, parse_sns
from etl_platform.errors import NotificationRefusedError, TransientError
from etl_platform.gateway.seen_messages import Claim, SeenMessages
from etl_platform.settings import Settings

log = logging.getLogger(__name__)

OUTCOMES = ("queued", "confirmed", "unsubscribed", "replayed", "refused", "unavailable", "failed")
_STATUS = {"malformed": 400}
"""HTTP status by the reason of a refusal; 403 for every other reason."""


class MessageSender(Protocol):
    def send(self, body: str, attributes: dict[str, str]) -> None: ...


@dataclass(frozen=True)
class PostResult:
    """The response to a post: ``outcome`` is one of OUTCOMES, ``reason`` a stable name that explains it."""

    status: int
    outcome: str
    reason: str | None = None

    @property
    def document(self) -> dict[str, str]:
        return {"status": self.outcome} | ({"reason": self.reason} if self.reason else {})


class Webhook:
    """Receives the posts of SNS and puts notifications into the queue. Thread-safe."""

    def __init__(self, settings: Settings, queue: MessageSender) -> None:
        emulator = settings.aws_endpoint_url if settings.gateway_dev_mode else None
        self._topics = frozenset(settings.gateway_allowed_topic_arns or ())
        self._accepts_unsigned = emulator is not None
        self._certificates = SnsCertificates(emulator)
        self._queue = queue
        self._seen = SeenMessages()

    def handle(self, body: bytes, now: datetime) -> PostResult:
        """Handle one post. 200 only after SQS has stored a notification; after 503 SNS retries."""
        message: SnsMessage | None = None
        try:
            message = parse_sns(body)
            check_origin(message, self._topics, now)
            if message.type == CONFIRMATION:
                # Before the certificate is fetched: a refused post costs no request.
                self._certificates.check_confirmation(message)
            if not (self._accepts_unsigned and message.is_unsigned):
                self._certificates.check_signature(message, now)
            result = self._handle_once(message, now)
        except NotificationRefusedError as error:
            log.warning("post refused", extra=_about(message) | {"reason": error.code, "detail": error.message})
            return PostResult(_STATUS.get(error.code, 403), "refused", error.code)
        except TransientError as error:
            log.error("post not accepted", extra=_about(message) | {"error_type": error_type(error)})  # noqa: TRY400
            return PostResult(503, "unavailable")
        log.info("post answered", extra=_about(message) | {"outcome": result.outcome})
        return result

    def _handle_once(self, message: SnsMessage, now: datetime) -> PostResult:
        claim = self._seen.claim(message, now)
        if claim is Claim.ALREADY_ACCEPTED:
            return PostResult(409, "replayed")
        if claim is Claim.IN_PROGRESS:
            # The first post may still fail, so this one must not be answered with success.
            return PostResult(503, "unavailable", "under_way")
        accepted = False
        try:
            result = self._act(message)
            accepted = True
        finally:
            self._seen.finish(message, accepted=accepted, now=now)
        return result

    def _act(self, message: SnsMessage) -> PostResult:
        if message.type == NOTIFICATION:
            self._queue.send(message.envelope, {})
            return PostResult(200, "queued")
        if message.type == CONFIRMATION:
            self._certificates.confirm(message)
            return PostResult(200, "confirmed")
        # Do not request its SubscribeURL: that would undo an intended unsubscription.
        return PostResult(200, "unsubscribed")


def _about(message: SnsMessage | None) -> dict[str, str]:
    if message is None:
        return {}
    return {"message_id": message.message_id, "type": message.type, "topic_arn": message.topic_arn[:300]}
