"""What the sensor receives and what it does with it, on a queue in memory."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.aws.queue import Message
from etl_platform.defs.intake.agency_turns import AgencyTurns
from etl_platform.defs.intake.file_arrivals_sensor import run_requests
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.routing import RoutedObject, Router
from etl_platform.errors import ReportError, TransientError
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.settings import Settings
from etl_platform_tests.simulation.files import BUCKET, PREFIX, contracts
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
    return platform_of(queue, dead_letters, lambda: NOW)


def platform_of(queue: MemoryQueue, dead_letters: MemoryQueue, clock: Callable[[], float]) -> MemoryPlatform:
    return MemoryPlatform(Settings(data_bucket_name="bucket"), MemoryStore(clock), queue, dead_letters, clock)


def keys_of(request: dg.RunRequest) -> list[str]:
    return [delivery["key"] for delivery in request.run_config["ops"]["ingest"]["config"]["deliveries"]]


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


def test_a_retried_message_that_does_not_fit_starts_in_the_one_run_beyond_the_limit(
    platform: MemoryPlatform, queue: MemoryQueue
) -> None:
    for number in range(5):
        queue.send(event(f"from_client/agency_{number}/Things.csv"), {})
    list(queue.messages.values())[2].receive_count = 3
    requests = list(run_requests(platform, deadline=math.inf, room=1))
    assert [keys_of(request) for request in requests] == [
        ["from_client/agency_2/Things.csv"],
        [f"from_client/agency_{number}/Things.csv" for number in (0, 1, 3)],
    ]
    assert [stored.receive_count for stored in queue.messages.values()] == [1, 1, 4, 1, 0]


@pytest.mark.parametrize("retried", [3, 20, 40])
@pytest.mark.parametrize("room", [1, 3, 10])
def test_retried_messages_behind_new_ones_start_in_at_most_four_times_the_allowed_runs(
    platform: MemoryPlatform, queue: MemoryQueue, room: int, retried: int
) -> None:
    for number in range(10 + retried):
        queue.send(event(f"from_client/agency_{number}/Things.csv"), {})
    for stored in list(queue.messages.values())[10:]:
        stored.receive_count = 7
    requests = list(run_requests(platform, deadline=math.inf, room=room))
    started = sum(len(keys_of(request)) for request in requests)
    received = [stored for stored in queue.messages.values() if stored.receive_count not in {0, 7}]
    assert started == len(received) >= 10
    assert len(requests) <= 4 * room


@pytest.mark.parametrize(("room", "messages", "calls"), [(10, 1_000, 28), (50, 1_000, 28), (1, 502, 170)])
def test_of_a_thousand_new_messages_few_calls_receive_what_the_runs_can_take(
    platform: MemoryPlatform, queue: MemoryQueue, room: int, messages: int, calls: int
) -> None:
    limits: list[int] = []
    receive = queue.receive

    def count(limit: int, visibility_timeout_s: int, wait_s: int = 0) -> list[Message]:
        limits.append(limit)
        return receive(limit, visibility_timeout_s, wait_s)

    queue.receive = count  # type: ignore[method-assign]
    for number in range(1_000):
        queue.send(event(f"from_client/agency_{number}/Things.csv"), {})
    requests = list(run_requests(platform, deadline=math.inf, room=room))
    assert sum(len(keys_of(request)) for request in requests) == messages
    assert len(requests) <= room
    assert limits[0] <= room
    assert max(limits) <= 40
    assert len(limits) <= calls


def test_big_files_leave_the_tick_when_each_run_has_one(platform: MemoryPlatform, queue: MemoryQueue) -> None:
    """Merged into the runs that may start, a thousand of them would be one run of a day."""
    for number in range(100):
        body = json.loads(event(f"from_client/agency_{number}/Things.csv"))
        body["Records"][0]["s3"]["object"]["size"] = 1 << 30
        queue.send(json.dumps(body), {})
    requests = list(run_requests(platform, deadline=math.inf, room=5))
    assert len(requests) == 5
    assert max(len(keys_of(request)) for request in requests) <= 2


@given(st.lists(st.sampled_from([0, 15, 17, 19]), min_size=1, max_size=12), st.integers(1, 3), st.randoms())
@settings(max_examples=20, deadline=None)
def test_no_message_becomes_a_dead_letter_without_a_try_at_each_receive(
    receives: list[int], room: int, random: Random
) -> None:
    """Each file fails as often as it is tried; SQS gives messages in any order."""
    now = [NOW]
    dead = MemoryQueue(lambda: now[0])
    queue = MemoryQueue(lambda: now[0], dead, order=lambda found: random.sample(found, len(found)))
    platform = platform_of(queue, dead, lambda: now[0])
    for number, count in enumerate(receives):
        queue.send(event(f"from_client/agency_{number}/Things.csv"), {})
        list(queue.messages.values())[-1].receive_count = count
    tries: Counter[str] = Counter()
    while queue.messages:
        requests = list(run_requests(platform, deadline=math.inf, room=room, clock=lambda: now[0]))
        assert len(requests) <= 4 * room
        for request in requests:
            tries.update(keys_of(request))
        now[0] += 3_600
    for number, count in enumerate(receives):
        assert tries[f"from_client/agency_{number}/Things.csv"] == FILE_EVENTS.max_receives - count


@pytest.mark.parametrize(("may_start", "started"), [(0, 0), (1, 1)])
def test_of_an_agency_that_is_held_back_only_so_many_retried_messages_start(
    platform: MemoryPlatform, queue: MemoryQueue, may_start: int, started: int
) -> None:
    for _ in range(6):
        queue.send(event("from_client/held/Things.csv"), {})
    messages = list(queue.messages.values())
    for stored in messages[:4]:
        stored.receive_count = 2
    messages[4].receive_count = FILE_EVENTS.max_receives - 1
    for number in range(3):
        queue.send(event(f"from_client/other_{number}/Things.csv"), {})
    requests = list(run_requests(platform, deadline=math.inf, turns=AgencyTurns({"held": may_start})))
    tried = Counter(key.split("/")[1] for request in requests for key in keys_of(request))
    first_and_last_receive = 2
    assert tried.pop("held") == started + first_and_last_receive
    assert tried.total() == 3
    assert sum(stored.visible_at == NOW + 120 for stored in messages) == 4 - started
    assert {stored.visible_at for stored in messages[4:]} == {NOW + platform.settings.visibility_timeout_seconds}


@pytest.mark.parametrize("failing", [("failing",), ("failing", "other"), ()], ids=str)
def test_a_probe_prefers_a_message_of_another_agency(
    platform: MemoryPlatform, queue: MemoryQueue, failing: tuple[str, ...]
) -> None:
    for folder in ("failing", "failing", "other", "other"):
        queue.send(event(f"from_client/{folder}/Things.csv"), {})
    turns = AgencyTurns(failing=failing)
    (request,) = run_requests(platform, deadline=math.inf, room=1, probe_of=5.0, turns=turns)
    (key,) = keys_of(request)
    assert key.split("/")[1] == ("other" if failing == ("failing",) else "failing")
    assert sum(stored.visible_at > NOW for stored in queue.messages.values()) == 1, "the others are visible"
    assert sum(stored.receive_count for stored in queue.messages.values()) == (3 if failing else 1)


def test_an_unreachable_dead_letter_queue_holds_back_only_the_malformed_part(
    platform: MemoryPlatform, queue: MemoryQueue, dead_letters: MemoryQueue
) -> None:
    queue.send(event("from_client/agency_a/Things.csv", {"s3": {"bucket": {"name": "bucket"}}}), {})
    refusing = Refusing(dead_letters.send)
    platform.dead_letters = lambda _work_queue: refusing  # type: ignore[assignment]
    (request,) = run_requests(platform, deadline=math.inf)
    (delivery,) = request.run_config["ops"]["ingest"]["config"]["deliveries"]
    assert delivery["key"] == "from_client/agency_a/Things.csv"
    assert delivery["receipt_handle"] is None, "the run would delete the malformed part"
    (stored,) = queue.messages.values()
    assert stored.visible_at == NOW + 30

    stored.visible_at = NOW
    (request,) = run_requests(platform, deadline=math.inf)
    assert [dead.attributes["reason"] for dead in dead_letters.messages.values()] == [
        "record 1: object is missing, not an object"
    ]
    (delivery,) = request.run_config["ops"]["ingest"]["config"]["deliveries"]
    assert delivery["receipt_handle"] == stored.handle


@pytest.mark.parametrize("error", [TransientError("503"), ReportError("not a report"), KeyError("key"), OSError(28)])
def test_a_message_that_cannot_be_handled_does_not_stop_the_tick(
    platform: MemoryPlatform, queue: MemoryQueue, error: Exception
) -> None:
    for key in ("from_client/agency_a/Things.csv", "from_client/agency_b/no contract.csv", "from_client/c/Things.csv"):
        queue.send(event(key), {})

    router = platform.intake.router()

    def refuse_one(version: ObjectVersion) -> RoutedObject:
        if "no contract" in version.key:
            raise error
        return router.route(version)

    platform.intake.router = lambda *_: SimpleNamespace(route=refuse_one)  # type: ignore[method-assign,assignment]
    (request,) = run_requests(platform, deadline=math.inf)
    assert keys_of(request) == ["from_client/agency_a/Things.csv", "from_client/c/Things.csv"]
    assert list(queue.messages.values())[1].visible_at == NOW + 30


@pytest.mark.parametrize("error", [TransientError("503"), ReportError("not a register")])
def test_a_register_of_agencies_that_cannot_be_read_does_not_stop_the_tick(
    platform: MemoryPlatform, queue: MemoryQueue, error: Exception
) -> None:
    queue.send(event("from_client/agency_a/Things.csv"), {})

    def refuse(*_: object) -> None:
        raise error

    platform.store.read = refuse  # type: ignore[method-assign,assignment]
    (request,) = run_requests(platform, deadline=math.inf)
    assert keys_of(request) == ["from_client/agency_a/Things.csv"]


def test_messages_received_before_the_queue_stopped_answering_start(
    platform: MemoryPlatform, queue: MemoryQueue
) -> None:
    for number in range(30):
        queue.send(event(f"from_client/agency_{number}/Things.csv"), {})
    receive, calls = queue.receive, itertools.count()

    def once(limit: int, visibility_timeout_s: int, _wait_s: int) -> list[Message]:
        if next(calls):
            raise TransientError("the queue does not answer")
        return receive(limit, visibility_timeout_s)

    queue.receive = once  # type: ignore[method-assign,assignment]
    (request,) = run_requests(platform, deadline=math.inf)
    assert len(keys_of(request)) == 10
    with pytest.raises(TransientError):
        list(run_requests(platform, deadline=math.inf))


def test_a_flood_of_ignored_files_is_left_to_runs_of_its_own(platform: MemoryPlatform, queue: MemoryQueue) -> None:
    """The tick neither reads nor records an ignored file, or a file behind them would wait for each."""
    store, looked_at = platform.store, list[str]()
    intake: Any = Routers(Intake(store, contracts(), BUCKET, PREFIX, lambda: datetime.now(UTC)), looked_at)
    platform.intake = intake
    for number in range(1_500):
        queue.send(event(f"from_client/agency_a/IMG_{number}.jpg"), {})
    for number in range(3):
        queue.send(event(f"from_client/agency_{number}/Things.csv"), {})

    requests = list(run_requests(platform, deadline=math.inf))

    sizes = [len(request.run_config["ops"]["ingest"]["config"]["deliveries"]) for request in requests]
    assert [(request.job_name, size) for request, size in zip(requests, sizes, strict=True)] == [
        ("s3_data_quality_job", 3),
        ("ignored_files_job", 500),
        ("ignored_files_job", 1_000),
    ]
    assert looked_at == ["router"]
    assert [stored.receive_count for stored in queue.messages.values()] == [1] * 1_503


def test_a_message_with_an_ignored_and_a_known_file_is_one_run_of_the_intake(
    platform: MemoryPlatform, queue: MemoryQueue
) -> None:
    other = json.loads(event("from_client/agency_a/IMG_1.jpg"))["Records"][0]
    queue.send(event("from_client/agency_a/Things.csv", other), {})

    (request,) = run_requests(platform, deadline=math.inf)

    assert request.job_name == "s3_data_quality_job"
    assert len(request.run_config["ops"]["ingest"]["config"]["deliveries"]) == 2
    assert request.asset_selection == [dg.AssetKey(["bronze", "things"]), dg.AssetKey(["silver", "things"])]


def test_a_probe_is_a_file_that_a_contract_knows(platform: MemoryPlatform, queue: MemoryQueue) -> None:
    for name in ("IMG_1.jpg", "Things.csv", "Things.csv"):
        queue.send(event(f"from_client/agency_a/{name}"), {})

    probe, ignored = run_requests(platform, deadline=math.inf, room=1, probe_of=NOW)

    assert (probe.job_name, ignored.job_name) == ("s3_data_quality_job", "ignored_files_job")
    assert [stored.receive_count for stored in queue.messages.values()] == [1, 1, 0]


@pytest.mark.parametrize(("arrive_together", "waits"), [([], [20]), ([1], [20, 0]), ([1, 1, 3], [20, 0, 1, 1])])
def test_a_tick_waits_for_the_first_message_and_briefly_for_more_of_a_burst(
    platform: MemoryPlatform, queue: MemoryQueue, arrive_together: list[int], waits: list[int]
) -> None:
    waited: list[int] = []
    receive, coming = queue.receive, iter(arrive_together)

    def wait(limit: int, visibility_timeout_s: int, wait_s: int = 0) -> list[Message]:
        waited.append(wait_s)
        for number in range(next(coming, 0)):
            queue.send(event(f"from_client/agency_{number}/Things.csv"), {})
        return receive(limit, visibility_timeout_s, wait_s)

    queue.receive = wait  # type: ignore[method-assign]

    requests = list(run_requests(platform, deadline=math.inf, wait_s=20))

    assert waited == waits
    assert len(requests) == (1 if arrive_together else 0)


class Routers:
    """An intake of which a tick may only use the router."""

    def __init__(self, intake: Intake, asked: list[str]) -> None:
        self._intake, self._asked = intake, asked

    def router(self) -> Router:
        self._asked.append("router")
        return self._intake.router()


class Refusing:
    """Dead letters that do not answer the first time."""

    def __init__(self, send: Callable[[str, Mapping[str, str]], None]) -> None:
        self._send, self._asked = send, False

    def send(self, body: str, attributes: Mapping[str, str]) -> None:
        if not self._asked:
            self._asked = True
            raise TransientError("the queue does not answer")
        self._send(body, attributes)
