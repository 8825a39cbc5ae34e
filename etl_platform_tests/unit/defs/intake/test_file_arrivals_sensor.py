"""What the sensor receives and what it does with it, on a queue in memory."""

import json
import math
from collections.abc import Callable, Mapping

import pytest

from etl_platform.defs.intake.file_arrivals_sensor import run_requests
from etl_platform.errors import TransientError
from etl_platform.settings import Settings
from etl_platform_tests.simulation.memory import MemoryQueue, MemoryStore
from etl_platform_tests.simulation.world import MemoryPlatform

NOW = 1_767_600_000.0


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue(lambda: NOW)


@pytest.fixture
def dead_letters() -> MemoryQueue:
    return MemoryQueue(lambda: NOW)


@pytest.fixture
def platform(queue: MemoryQueue, dead_letters: MemoryQueue) -> MemoryPlatform:
    settings = Settings(data_bucket_name="bucket")
    return MemoryPlatform(settings, MemoryStore(lambda: NOW), queue, dead_letters, lambda: NOW)


def event(key: str, *more: Mapping[str, object]) -> str:
    record = {"s3": {"bucket": {"name": "bucket"}, "object": {"key": key, "size": 3, "versionId": key}}}
    return json.dumps({"Records": [record, *more]})


@pytest.mark.parametrize("room", [1, 3, 10])
@pytest.mark.parametrize("receives", [0, 1, 3, 7])
def test_a_tick_receives_no_message_that_it_cannot_start(
    platform: MemoryPlatform, queue: MemoryQueue, room: int, receives: int
) -> None:
    """After an outage each message travels alone; one that is only looked at is a receive nearer to its end."""
    for number in range(40):
        queue.send(event(f"from_client/agency_{number}/Things.csv"), {})
    for stored in queue.messages.values():
        stored.receive_count = receives
    requests = list(run_requests(platform, deadline=math.inf, room=room))
    started = sum(len(request.run_config["ops"]["ingest"]["config"]["deliveries"]) for request in requests)
    assert 0 < len(requests) <= room
    assert sum(stored.receive_count - receives for stored in queue.messages.values()) == started


@pytest.mark.parametrize("room", [1, 2, 10])
def test_however_little_room_there_is_new_files_travel_together(
    platform: MemoryPlatform, queue: MemoryQueue, room: int
) -> None:
    for number in range(40):
        queue.send(event(f"from_client/agency_{number}/Things.csv"), {})
    (request,) = run_requests(platform, deadline=math.inf, room=room)
    assert len(request.run_config["ops"]["ingest"]["config"]["deliveries"]) == 40


def test_a_file_that_came_back_and_does_not_fit_costs_no_other_a_receive(
    platform: MemoryPlatform, queue: MemoryQueue
) -> None:
    for number in range(5):
        queue.send(event(f"from_client/agency_{number}/Things.csv"), {})
    came_back = list(queue.messages.values())[2]
    came_back.receive_count = 3
    (request,) = run_requests(platform, deadline=math.inf, room=1)
    assert len(request.run_config["ops"]["ingest"]["config"]["deliveries"]) == 2
    assert [stored.receive_count for stored in queue.messages.values()] == [1, 1, 4, 0, 0]
    assert NOW < came_back.visible_at < NOW + platform.settings.visibility_timeout_seconds


def test_a_malformed_record_is_a_dead_letter_though_the_first_attempt_to_bury_it_failed(
    platform: MemoryPlatform, queue: MemoryQueue, dead_letters: MemoryQueue
) -> None:
    queue.send(event("from_client/agency_a/Things.csv", {"s3": {"bucket": {"name": "bucket"}}}), {})
    refusing = Refusing(dead_letters.send)
    platform.dead_letters = lambda _work_queue: refusing  # type: ignore[assignment]
    assert list(run_requests(platform, deadline=math.inf)) == []
    for stored in queue.messages.values():
        stored.visible_at = NOW
    (request,) = run_requests(platform, deadline=math.inf)
    assert [dead.attributes["reason"] for dead in dead_letters.messages.values()] == [
        "record 1: object is missing, not an object"
    ]
    assert len(request.run_config["ops"]["ingest"]["config"]["deliveries"]) == 1


class Refusing:
    """Dead letters that do not answer the first time."""

    def __init__(self, send: Callable[[str, Mapping[str, str]], None]) -> None:
        self._send, self._asked = send, False

    def send(self, body: str, attributes: Mapping[str, str]) -> None:
        if not self._asked:
            self._asked = True
            raise TransientError("the queue does not answer")
        self._send(body, attributes)
