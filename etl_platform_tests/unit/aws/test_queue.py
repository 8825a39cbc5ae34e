"""What a queue makes of batch calls that fail for some of their entries. SQS is a fake."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from etl_platform.aws.queue import Queue
from etl_platform.errors import EntriesFailedError, TransientError
from etl_platform.settings import Settings


class FakeSqs:
    """Fails each handle in ``codes`` with its code, and each call that contains a handle in ``unanswered``."""

    def __init__(self, codes: Mapping[str, str], unanswered: Sequence[str] = ()) -> None:
        self._codes, self._unanswered = codes, unanswered

    def delete_message_batch(self, **call: Any) -> dict[str, Any]:
        return self.change_message_visibility_batch(**call)

    def change_message_visibility_batch(self, **call: Any) -> dict[str, Any]:
        entries = call["Entries"]
        if any(entry["ReceiptHandle"] in self._unanswered for entry in entries):
            raise ConnectionClosedError(endpoint_url="https://sqs")
        failed = [(entry["Id"], self._codes.get(entry["ReceiptHandle"])) for entry in entries]
        return {"Failed": [{"Id": number, "Code": code} for number, code in failed if code]}


def queue_of(sqs: FakeSqs) -> Queue:
    queue = Queue(Settings(aws_endpoint_url="http://127.0.0.1:1"), "http://127.0.0.1:1/queue")
    queue._sqs = sqs
    return queue


def test_an_entry_that_failed_does_not_count_as_extended() -> None:
    queue = queue_of(FakeSqs({"lost": "ReceiptHandleIsInvalid", "failed": "InternalError"}))
    with pytest.raises(EntriesFailedError, match="1 of 3 messages: InternalError") as raised:
        queue.change_visibility(["lost", "failed", "good"], 300)
    assert raised.value.lost == ("lost",)
    assert queue.change_visibility(["lost", "good"], 300) == ["lost"]


def test_of_many_messages_a_call_that_failed_is_a_failure_of_its_own_entries() -> None:
    handles = [str(number) for number in range(25)]
    queue = queue_of(FakeSqs({}, unanswered=["12"]))
    with pytest.raises(EntriesFailedError, match="10 of 25 messages"):
        queue.change_visibility(handles, 300)
    assert queue.delete(handles) == handles[10:20]


def test_if_every_call_fails_the_queue_does_not_answer() -> None:
    queue = queue_of(FakeSqs({}, unanswered=["0", "12"]))
    with pytest.raises(TransientError) as raised:
        queue.change_visibility([str(number) for number in range(20)], 300)
    assert not isinstance(raised.value, EntriesFailedError)
