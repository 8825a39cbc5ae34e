"""A tick records a few ignored files itself; what it cannot record goes to a run. Queue and store are in memory."""

import math
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg
import pytest

from etl_platform.defs.intake.file_arrivals_sensor import run_requests
from etl_platform.defs.intake.ignored_files import IGNORED_FILES
from etl_platform.defs.intake.record_ignored import MAX_RECORDED_PER_TICK, record_ignored
from etl_platform.errors import TransientError
from etl_platform.object_keys import IGNORED_REPORTS
from etl_platform_tests.simulation.files import BUCKET
from etl_platform_tests.simulation.memory import MemoryQueue
from etl_platform_tests.simulation.world import MemoryPlatform
from etl_platform_tests.unit.defs.intake.test_file_arrivals_sensor import NOW, event, keys_of, platform_of


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue(lambda: NOW)


@pytest.fixture
def platform(queue: MemoryQueue) -> MemoryPlatform:
    return platform_of(queue, MemoryQueue(lambda: NOW), lambda: NOW)


def tick(instance: dg.DagsterInstance, platform: MemoryPlatform, **room: int) -> list[dg.RunRequest]:
    record = partial(record_ignored, instance, platform)
    return list(run_requests(platform, deadline=math.inf, record=record, **room))


def send(queue: MemoryQueue, photos: int, files: int = 0) -> None:
    for number in range(photos):
        queue.send(event(f"from_client/agency_a/IMG_{number}.jpg"), {})
    for number in range(files):
        queue.send(event(f"from_client/agency_{number}/Things.csv"), {})


def recorded(platform: MemoryPlatform) -> int:
    return sum(1 for _ in platform.store.list(BUCKET, IGNORED_REPORTS))


def events(instance: dg.DagsterInstance) -> list[str]:
    found = instance.fetch_observations(IGNORED_FILES, limit=100).records
    return sorted(str(one.asset_observation.metadata["source"].value) for one in found if one.asset_observation)


def test_a_few_ignored_files_are_recorded_without_a_run(
    instance: dg.DagsterInstance, platform: MemoryPlatform, queue: MemoryQueue
) -> None:
    send(queue, photos=3, files=2)
    (request,) = tick(instance, platform)
    assert len(keys_of(request)) == 2
    assert recorded(platform) == 3
    assert events(instance) == [f"s3://bucket/from_client/agency_a/IMG_{number}.jpg" for number in range(3)]
    assert len(queue.messages) == 2, "the messages of recorded files are deleted, those of the run are not"


def test_more_ignored_files_are_left_to_a_run(
    instance: dg.DagsterInstance, platform: MemoryPlatform, queue: MemoryQueue
) -> None:
    send(queue, photos=MAX_RECORDED_PER_TICK + 1)
    (request,) = tick(instance, platform)
    assert request.job_name == "ignored_files_job"
    assert len(keys_of(request)) == MAX_RECORDED_PER_TICK + 1
    assert (recorded(platform), events(instance)) == (0, [])


def test_ignored_files_of_which_all_runs_are_unfinished_do_not_stop_good_files(
    instance: dg.DagsterInstance, platform: MemoryPlatform, queue: MemoryQueue
) -> None:
    send(queue, photos=2 * MAX_RECORDED_PER_TICK, files=5)
    started: list[str] = []
    for _ in range(3):
        before = recorded(platform)
        for request in tick(instance, platform, room=10, ignored_room=0):
            assert request.job_name == "s3_data_quality_job"
            started += keys_of(request)
        assert recorded(platform) - before <= MAX_RECORDED_PER_TICK
    assert len(started) == 5
    assert recorded(platform) == 2 * MAX_RECORDED_PER_TICK
    assert {stored.receive_count for stored in queue.messages.values()} == {1}


@pytest.mark.parametrize("ignored_room", [1, 0])
def test_ignored_files_that_cannot_be_recorded_get_a_run_and_keep_their_messages(
    instance: dg.DagsterInstance, platform: MemoryPlatform, queue: MemoryQueue, ignored_room: int
) -> None:
    send(queue, photos=3)
    ingest: Any = platform.intake.ingest

    def refuse(arrived: Any, *arguments: Any) -> Any:
        if "IMG_1" in arrived.version.key:
            raise TransientError("503")
        return ingest(arrived, *arguments)

    platform.intake.ingest = refuse  # type: ignore[method-assign]
    (request,) = tick(instance, platform, room=10, ignored_room=ignored_room)
    assert (request.job_name, keys_of(request)) == ("ignored_files_job", ["from_client/agency_a/IMG_1.jpg"])
    assert recorded(platform) == len(events(instance)) == 2
    (left,) = queue.messages.values()
    assert left.receive_count == 1
    assert left.visible_at > NOW


def test_files_whose_recording_hangs_are_left_to_a_run(
    instance: dg.DagsterInstance, platform: MemoryPlatform, queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl_platform.defs.intake.record_ignored._TIMEOUT_S", 0)
    release = threading.Event()
    platform.intake.ingest = lambda *_: release.wait(30)  # type: ignore[method-assign,assignment,return-value]
    send(queue, photos=12)
    (request,) = tick(instance, platform)
    release.set()
    assert len(keys_of(request)) == 12
    assert len(queue.messages) == 12


def test_a_probe_records_nothing_itself(
    instance: dg.DagsterInstance, platform: MemoryPlatform, queue: MemoryQueue
) -> None:
    send(queue, photos=1, files=1)
    jobs = [request.job_name for request in tick(instance, platform, room=1, probe_of=1)]
    assert jobs == ["s3_data_quality_job", "ignored_files_job"]
    assert recorded(platform) == 0
