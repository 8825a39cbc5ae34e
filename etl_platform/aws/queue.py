"""One SQS queue: receive, change visibility, delete, send. Batch calls return what failed.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from etl_platform.aws.clients import SPARE_CONNECTIONS, make_client, transient_error
from etl_platform.errors import EntriesFailedError
from etl_platform.settings import Settings

MAX_PER_CALL = 10
"""Messages that one call receives, and entries of a batch call: SQS's limit."""
_LOST = {"ReceiptHandleIsInvalid", "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"}
_LOST |= {"InvalidParameterValue"}  # the handle of a message that no longer exists
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """``receive_count`` is SQS's approximate count; ``sent_at`` is UTC. The last two are message attributes.

    Attributes:
        reason: why it was sent to the dead-letter queue.
        redriven_by: who sent it back from there.
    """

    message_id: str
    receipt_handle: str
    body: str
    receive_count: int
    sent_at: datetime | None = None
    reason: str | None = None
    redriven_by: str | None = None


class Queue:
    """Raises TransientError if SQS refuses a call or does not answer."""

    def __init__(self, settings: Settings, url: str) -> None:
        self._sqs, self.url = make_client(settings, "sqs"), url

    def receive(self, limit: int, visibility_timeout_s: int, wait_s: int = 0) -> list[Message]:
        """Up to ``limit`` messages, invisible to other consumers for the timeout; more than ten by calls at once.

        Raises:
            TransientError: no call was answered. If one was, its messages are returned and the others' errors logged.
        """
        calls = -(-limit // MAX_PER_CALL)
        limits = [limit // calls + (number < limit % calls) for number in range(calls)]
        if calls == 1:
            return self._receive(limit, visibility_timeout_s, wait_s)
        with ThreadPoolExecutor(min(SPARE_CONNECTIONS, calls)) as pool:
            answers = [pool.submit(self._receive, one, visibility_timeout_s, wait_s) for one in limits]
        errors = [error for answer in answers if (error := answer.exception()) is not None]
        if len(errors) == calls:
            raise errors[0]
        for error in errors:
            log.warning("the queue did not answer one of several calls", extra={"error": str(error)})
        return [message for answer in answers if answer.exception() is None for message in answer.result()]

    def _receive(self, limit: int, visibility_timeout_s: int, wait_s: int) -> list[Message]:
        with _errors("ReceiveMessage"):
            answer = self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=limit,
                VisibilityTimeout=visibility_timeout_s,
                WaitTimeSeconds=wait_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                MessageAttributeNames=["reason", "redriven_by"],
            )
        return [_message(entry) for entry in answer.get("Messages", [])]

    def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        """Delete messages; returns the handles for which SQS reported a failure."""
        return list(self._each(receipt_handles, "DeleteMessageBatch", {}))

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
        """Set the visibility timeout, counted from now; returns the handles of messages that others received since.

        Raises:
            EntriesFailedError: SQS refused some entries for another reason; their timeouts are unchanged.
        """
        failed = self._each(receipt_handles, "ChangeMessageVisibilityBatch", {"VisibilityTimeout": timeout_s})
        lost = [handle for handle, code in failed.items() if code in _LOST]
        if unchanged := {code for code in failed.values() if code not in _LOST}:
            number = f"{len(failed) - len(lost)} of {len(receipt_handles)} messages"
            raise EntriesFailedError(f"ChangeMessageVisibilityBatch: {number}: {', '.join(sorted(unchanged))}", lost)
        return lost

    def _each(self, receipt_handles: Sequence[str], action: str, extra: Mapping[str, int]) -> dict[str, str]:
        """The handles that failed, each with SQS's error code."""
        call = {
            "DeleteMessageBatch": self._sqs.delete_message_batch,
            "ChangeMessageVisibilityBatch": self._sqs.change_message_visibility_batch,
        }[action]

        def send_batch(handles: Sequence[str]) -> dict[str, str]:
            entries = [{"Id": str(i), "ReceiptHandle": handle, **extra} for i, handle in enumerate(handles)]
            with _errors(action):
                answer = call(QueueUrl=self.url, Entries=entries)
            return {handles[int(entry["Id"])]: str(entry.get("Code")) for entry in answer.get("Failed", [])}

        batches = [
            receipt_handles[start : start + MAX_PER_CALL] for start in range(0, len(receipt_handles), MAX_PER_CALL)
        ]
        if len(batches) < 2:
            return send_batch(batches[0]) if batches else {}
        # Heartbeats of thousands of messages must fit into half a timeout.
        with ThreadPoolExecutor(min(SPARE_CONNECTIONS, len(batches))) as pool:
            answers = [pool.submit(send_batch, handles) for handles in batches]
        errors = [error for answer in answers if (error := answer.exception()) is not None]
        if len(errors) == len(batches):
            raise errors[0]
        failed: dict[str, str] = {}
        for handles, answer in zip(batches, answers, strict=True):
            error = answer.exception()
            # The messages of the other batches are done, so one failed call is a failure of its entries only.
            failed |= answer.result() if error is None else dict.fromkeys(handles, str(error))
        return failed

    def send(self, body: str, attributes: Mapping[str, str]) -> None:
        with _errors("SendMessage"):
            self._sqs.send_message(
                QueueUrl=self.url,
                MessageBody=body,
                MessageAttributes={k: {"DataType": "String", "StringValue": v} for k, v in attributes.items()},
            )

    def depth(self) -> tuple[int, int]:
        """Messages that are visible, and messages in flight; both approximate."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with _errors("GetQueueAttributes"):
            found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])


def _message(entry: Mapping[str, Any]) -> Message:
    system, attributes = entry.get("Attributes", {}), entry.get("MessageAttributes", {})
    sent_ms = system.get("SentTimestamp")
    return Message(
        entry["MessageId"],
        entry["ReceiptHandle"],
        entry["Body"],
        int(system.get("ApproximateReceiveCount", 1)),
        datetime.fromtimestamp(int(sent_ms) / 1_000, UTC) if sent_ms else None,
        *(attributes.get(name, {}).get("StringValue") for name in ("reason", "redriven_by")),
    )


@contextmanager
def _errors(what: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise transient_error(what, error) from error
