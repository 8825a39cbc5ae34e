"""A queue as the platform uses it, in SQS (the emulator) and in the simulation's memory, and what is refused."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import pytest

from etl_platform.aws.queue import Queue
from etl_platform.errors import TransientError
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.settings import Settings
from etl_platform_tests.simulation.memory import MemoryQueue


@dataclass(frozen=True)
class Queues:
    """A queue with a dead-letter queue behind it after three receives."""

    events: Queue
    dead_letters: Queue
    attributes: Callable[[], dict[str, str]]
    """Of the one message among the dead letters."""


@pytest.fixture(params=["sqs", "memory"])
def queues(request: pytest.FixtureRequest) -> Queues:
    if request.param == "sqs":
        return _of_the_emulator(*(request.getfixturevalue(name) for name in ("settings", "aws", "provisioned")))
    dead = MemoryQueue(time.time)
    events = MemoryQueue(time.time, dead, max_receive_count=3)
    # What callers need of a queue is what Queue has; there is one real kind of it.
    return Queues(cast("Queue", events), cast("Queue", dead), lambda: dict(dead.visible()[0].attributes))


def _of_the_emulator(settings: Settings, aws: Clients, provisioned: Provisioned) -> Queues:
    arn = aws.sqs.get_queue_attributes(QueueUrl=provisioned.dlq_url, AttributeNames=["QueueArn"])["Attributes"]
    redrive = json.dumps({"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 3})
    name = f"own-{provisioned.queue_url.rpartition('/')[2]}"[:80]
    url = aws.sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": redrive})["QueueUrl"]

    def attributes() -> dict[str, str]:
        (found,) = aws.sqs.receive_message(
            QueueUrl=provisioned.dlq_url, MessageAttributeNames=["All"], VisibilityTimeout=0
        )["Messages"]
        return {name: value["StringValue"] for name, value in found["MessageAttributes"].items()}

    return Queues(Queue(settings, url), Queue(settings, provisioned.dlq_url), attributes)


@pytest.fixture
def queue(queues: Queues) -> Queue:
    return queues.events


@pytest.fixture
def dead_letters(queues: Queues) -> Queue:
    return queues.dead_letters


def test_a_received_message_is_hidden_and_counted(queue: Queue) -> None:
    queue.send('{"é": 1}', {})
    assert queue.depth() == (1, 0)

    (message,) = queue.receive(10, 60)

    assert message.body == '{"é": 1}'
    assert message.receive_count == 1
    assert message.message_id
    assert message.receipt_handle
    assert queue.depth() == (0, 1)
    assert queue.receive(10, 60) == []


def test_a_call_receives_at_most_its_limit(queue: Queue) -> None:
    for number in range(12):
        queue.send(str(number), {})

    batches = [queue.receive(10, 60), queue.receive(10, 60), queue.receive(10, 60)]

    assert [len(batch) for batch in batches] == [10, 2, 0]
    assert {message.body for batch in batches for message in batch} == {str(number) for number in range(12)}


def test_a_message_is_visible_again_when_its_timeout_is_set_to_zero(queue: Queue) -> None:
    queue.send("x", {})
    (first,) = queue.receive(1, 600)

    assert queue.change_visibility([first.receipt_handle], 0) == []

    (second,) = queue.receive(1, 600)
    assert second.message_id == first.message_id
    assert second.receive_count == 2


def test_a_message_with_a_longer_timeout_stays_invisible(queue: Queue, wait_until: Callable[..., None]) -> None:
    queue.send("kept", {})
    queue.send("let go", {})
    received = {message.body: message for message in queue.receive(10, 1)}
    assert received.keys() == {"kept", "let go"}

    assert queue.change_visibility([received["kept"].receipt_handle], 600) == []

    wait_until(lambda: queue.depth() == (1, 1), what="the end of the other message's visibility timeout")
    assert [message.body for message in queue.receive(10, 600)] == ["let go"]


def test_more_handles_than_one_batch_are_all_deleted(queue: Queue) -> None:
    for number in range(23):
        queue.send(str(number), {})
    handles = [message.receipt_handle for _ in range(3) for message in queue.receive(10, 60)]
    assert len(handles) == 23

    assert queue.delete(handles) == []

    assert queue.depth() == (0, 0)


@pytest.mark.parametrize("action", ["hide", "delete"])
def test_a_refused_handle_is_returned_and_the_others_succeed(queue: Queue, action: str) -> None:
    for body in ("a", "b"):
        queue.send(body, {})
    first, second = (message.receipt_handle for message in queue.receive(10, 600))
    handles = [first, "no handle of this queue", second]

    refused = queue.change_visibility(handles, 0) if action == "hide" else queue.delete(handles)

    assert refused == ["no handle of this queue"]
    assert queue.depth() == ((2, 0) if action == "hide" else (0, 0))


def test_a_message_that_was_deleted_cannot_be_hidden_again(queue: Queue) -> None:
    """So a run learns from its first heartbeat that somebody else has finished the work."""
    queue.send("x", {})
    (message,) = queue.receive(1, 600)
    queue.delete([message.receipt_handle])

    assert queue.change_visibility([message.receipt_handle], 600) == [message.receipt_handle]


def test_an_empty_list_of_handles_makes_no_call(settings: Settings) -> None:
    nowhere = Queue(replace(settings, aws_endpoint_url="http://127.0.0.1:1"), "http://127.0.0.1:1/queue")

    assert nowhere.delete([]) == []
    assert nowhere.change_visibility([], 10) == []


def test_attributes_are_sent_with_the_body(queues: Queues) -> None:
    queues.dead_letters.send("body", {"reason": "record 0: key is missing, é"})

    assert queues.attributes() == {"reason": "record 0: key is missing, é"}
    assert [message.body for message in queues.dead_letters.receive(1, 60)] == ["body"]


@pytest.mark.parametrize("action", ["hide", "delete"])
def test_a_handle_of_an_earlier_receive_is_refused_and_changes_nothing(queue: Queue, action: str) -> None:
    """Who lost a lease can neither end nor prolong the work of the one who has the message now."""
    queue.send("x", {})
    (stale,) = queue.receive(1, 600)
    queue.change_visibility([stale.receipt_handle], 0)
    (fresh,) = queue.receive(1, 600)

    refused = (
        queue.change_visibility([stale.receipt_handle], 0) if action == "hide" else queue.delete([stale.receipt_handle])
    )

    assert refused == [stale.receipt_handle]
    assert queue.depth() == (0, 1)
    assert queue.delete([fresh.receipt_handle]) == []
    assert queue.depth() == (0, 0)


def test_after_max_receives_a_message_is_in_the_dead_letter_queue(
    queue: Queue, dead_letters: Queue, wait_until: Callable[..., None]
) -> None:
    queue.send("poison", {})
    for receive in (1, 2, 3):
        (message,) = queue.receive(1, 600)
        assert message.receive_count == receive
        queue.change_visibility([message.receipt_handle], 0)

    assert queue.receive(1, 600) == []

    wait_until(lambda: dead_letters.depth()[0] == 1, what="the message among the dead letters")
    assert queue.depth() == (0, 0)
    assert [message.body for message in dead_letters.receive(1, 60)] == ["poison"]


def test_a_queue_that_does_not_answer_or_exist_is_a_transient_error(settings: Settings) -> None:
    silent = Queue(replace(settings, aws_endpoint_url="http://127.0.0.1:1"), "http://127.0.0.1:1/queue")
    absent = Queue(settings, f"{settings.aws_endpoint_url}/000000000000/no-such-queue")

    for queue in (silent, absent):
        with pytest.raises(TransientError):
            queue.receive(1, 60)
        with pytest.raises(TransientError):
            queue.send("x", {})
        with pytest.raises(TransientError):
            queue.depth()
