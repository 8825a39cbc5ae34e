"""What a queue makes of several calls at once, of which some fail, also for some of their entries. SQS is a fake."""

import threading
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


class Receiving:
    """Gives as many messages as it is asked for, from calls that wait for each other; the numbers asked for.

    Args:
        unanswered: the calls of so many messages that fail.
    """

    def __init__(self, calls: int, unanswered: Sequence[int] = ()) -> None:
        self._together, self._unanswered = threading.Barrier(calls, timeout=10), unanswered
        self.limits: list[int] = []

    def receive_message(self, **call: Any) -> dict[str, Any]:
        limit: int = call["MaxNumberOfMessages"]
        self.limits.append(limit)
        self._together.wait()
        if limit in self._unanswered:
            raise ConnectionClosedError(endpoint_url="https://sqs")
        names = [f"{limit}/{number}" for number in range(limit)]
        return {"Messages": [{"MessageId": name, "ReceiptHandle": name, "Body": ""} for name in names]}


def queue_of(sqs: FakeSqs | Receiving) -> Queue:
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


@pytest.mark.parametrize(("limit", "limits"), [(1, [1]), (10, [10]), (11, [6, 5]), (27, [9, 9, 9]), (40, [10] * 4)])
def test_more_than_ten_messages_are_received_by_calls_at_the_same_time(limit: int, limits: list[int]) -> None:
    sqs = Receiving(calls=len(limits))
    assert len(queue_of(sqs).receive(limit, 300)) == limit
    assert sorted(sqs.limits, reverse=True) == limits


def test_messages_that_one_of_several_calls_received_are_not_lost_with_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    messages = queue_of(Receiving(calls=2, unanswered=[6])).receive(11, 300)
    assert [message.message_id for message in messages] == [f"5/{number}" for number in range(5)]
    assert [record.message for record in caplog.records] == ["the queue did not answer one of several calls"]
    with pytest.raises(TransientError, match="ReceiveMessage"):
        queue_of(Receiving(calls=2, unanswered=[6, 5])).receive(11, 300)
