"""One SQS queue: receive, extend, delete, send. Batch answers are read for what failed.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from etl_platform.aws.clients import CALLS_BESIDE_WORK, make_client, transient
from etl_platform.settings import Settings

_BATCH = 10
_LOST = {"ReceiptHandleIsInvalid", "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"}
_LOST |= {"InvalidParameterValue"}  # a handle whose message is gone altogether


@dataclass(frozen=True)
class Message:
    """``receive_count`` is approximate, as SQS says; ``sent_at`` is UTC, and ``reason`` an attribute of that name."""

    message_id: str
    receipt_handle: str
    body: str
    receive_count: int
    sent_at: datetime | None = None
    reason: str | None = None


class Queue:
    def __init__(self, settings: Settings, url: str) -> None:
        self._sqs, self.url = make_client(settings, "sqs"), url

    def receive(self, limit: int, visibility_timeout_s: int, wait_s: int = 0) -> list[Message]:
        """Up to ``limit`` (1 to 10) messages, hidden from others for the timeout."""
        with _errors("ReceiveMessage"):
            answer = self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=limit,
                VisibilityTimeout=visibility_timeout_s,
                WaitTimeSeconds=wait_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                MessageAttributeNames=["reason"],
            )
        return [_message(entry) for entry in answer.get("Messages", [])]

    def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        """Delete messages; the handles that SQS refused, for whatever reason."""
        return list(self._each(receipt_handles, "DeleteMessageBatch", {}))

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
        """Set the visibility timeout, counted from now; the handles that belong to somebody else by now."""
        failed = self._each(receipt_handles, "ChangeMessageVisibilityBatch", {"VisibilityTimeout": timeout_s})
        return [handle for handle, code in failed.items() if code in _LOST]

    def _each(self, receipt_handles: Sequence[str], action: str, extra: Mapping[str, int]) -> dict[str, str]:
        """The handles that failed, each with SQS's code."""
        call = {
            "DeleteMessageBatch": self._sqs.delete_message_batch,
            "ChangeMessageVisibilityBatch": self._sqs.change_message_visibility_batch,
        }[action]

        def refused(handles: Sequence[str]) -> dict[str, str]:
            entries = [{"Id": str(i), "ReceiptHandle": handle, **extra} for i, handle in enumerate(handles)]
            with _errors(action):
                answer = call(QueueUrl=self.url, Entries=entries)
            return {handles[int(entry["Id"])]: str(entry.get("Code")) for entry in answer.get("Failed", [])}

        batches = [receipt_handles[start : start + _BATCH] for start in range(0, len(receipt_handles), _BATCH)]
        if len(batches) < 2:
            return refused(batches[0]) if batches else {}
        # Heartbeats of thousands of messages must fit into half a timeout; and a batch that fails must not cost the
        # others theirs, so the error is raised when all have been tried.
        with ThreadPoolExecutor(min(CALLS_BESIDE_WORK, len(batches))) as pool:
            answers = [pool.submit(refused, handles) for handles in batches]
        return dict(pair for answer in answers for pair in answer.result().items())

    def send(self, body: str, attributes: Mapping[str, str]) -> None:
        with _errors("SendMessage"):
            self._sqs.send_message(
                QueueUrl=self.url,
                MessageBody=body,
                MessageAttributes={k: {"DataType": "String", "StringValue": v} for k, v in attributes.items()},
            )

    def depth(self) -> tuple[int, int]:
        """Messages that wait, and messages that somebody holds; both approximate."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with _errors("GetQueueAttributes"):
            found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])


def _message(entry: Mapping[str, Any]) -> Message:
    system = entry.get("Attributes", {})
    sent_ms = system.get("SentTimestamp")
    return Message(
        entry["MessageId"],
        entry["ReceiptHandle"],
        entry["Body"],
        int(system.get("ApproximateReceiveCount", 1)),
        datetime.fromtimestamp(int(sent_ms) / 1_000, UTC) if sent_ms else None,
        entry.get("MessageAttributes", {}).get("reason", {}).get("StringValue"),
    )


@contextmanager
def _errors(what: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise transient(what, error) from error
