"""What becomes of one post of SNS: believed or not, then confirmed or queued. No HTTP server, no Dagster."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from etl_platform.aws.clients import nameless
from etl_platform.aws.sns_certificates import SnsCertificates
from etl_platform.aws.sns_message import CONFIRMATION, NOTIFICATION, SnsMessage, check_origin, parse_sns
from etl_platform.errors import NotificationRefusedError, TransientError
from etl_platform.gateway.seen_messages import Seen, SeenMessages
from etl_platform.settings import Settings

log = logging.getLogger(__name__)

OUTCOMES = ("queued", "confirmed", "unsubscribed", "replayed", "refused", "unavailable", "failed")
_STATUS = {"malformed": 400}
"""What is refused for another reason than its form is 403."""


class Sends(Protocol):
    def send(self, body: str, attributes: dict[str, str]) -> None: ...


@dataclass(frozen=True)
class Answer:
    """``outcome`` is one of OUTCOMES, ``reason`` a stable name beside ``refused`` and the like."""

    status: int
    outcome: str
    reason: str | None = None

    @property
    def document(self) -> dict[str, str]:
        return {"status": self.outcome} | ({"reason": self.reason} if self.reason else {})


class Webhook:
    """Takes the posts of SNS and gives notifications to the queue. Safe to use from several threads."""

    def __init__(self, settings: Settings, queue: Sends) -> None:
        emulator = settings.aws_endpoint_url if settings.gateway_dev_mode else None
        self._topics = frozenset(settings.gateway_allowed_topic_arns or ())
        self._believes_unsigned = emulator is not None
        self._certificates = SnsCertificates(emulator)
        self._queue = queue
        self._taken = SeenMessages()

    def take(self, body: bytes, now: datetime) -> Answer:
        """Take one post. 200 only after SQS has a notification; 503 says that SNS should come again."""
        message: SnsMessage | None = None
        try:
            message = parse_sns(body)
            check_origin(message, self._topics, now)
            if not (self._believes_unsigned and message.is_unsigned):
                self._certificates.check_signature(message, now)
            answer = self._once(message, now)
        except NotificationRefusedError as error:
            log.warning("post refused", extra=_about(message) | {"reason": error.code, "detail": error.message})
            return Answer(_STATUS.get(error.code, 403), "refused", error.code)
        except TransientError as error:
            log.error("post not taken", extra=_about(message) | {"error_type": nameless(error)})  # noqa: TRY400
            return Answer(503, "unavailable")
        log.info("post answered", extra=_about(message) | {"outcome": answer.outcome})
        return answer

    def _once(self, message: SnsMessage, now: datetime) -> Answer:
        claim = self._taken.claim(message, now)
        if claim is Seen.TAKEN:
            return Answer(409, "replayed")
        if claim is Seen.UNDER_WAY:
            # Whether the first one succeeds is not known yet, so SNS must not be told that it has.
            return Answer(503, "unavailable", "under_way")
        taken = False
        try:
            answer = self._act(message)
            taken = True
        finally:
            self._taken.settle(message, taken=taken, now=now)
        return answer

    def _act(self, message: SnsMessage) -> Answer:
        if message.type == NOTIFICATION:
            self._queue.send(message.envelope, {})
            return Answer(200, "queued")
        if message.type == CONFIRMATION:
            self._certificates.confirm(message)
            return Answer(200, "confirmed")
        # Its SubscribeURL would subscribe again, against the will of whoever ended it.
        return Answer(200, "unsubscribed")


def _about(message: SnsMessage | None) -> dict[str, str]:
    if message is None:
        return {}
    return {"message_id": message.message_id, "type": message.type, "topic_arn": message.topic_arn[:300]}
