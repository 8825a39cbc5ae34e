"""The six situations in which somebody could wait for someone else, and two figures of a stack at rest. No tests.

Each function runs one on a stack of its own and returns what it measured.
"""

import statistics
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from etl_platform_tests.fairness.dataset import DATASET, POISON, small_file, zip_of_15_mib
from etl_platform_tests.fairness.scene import Scene, agencies, open_scene
from etl_platform_tests.faults.proxy import Call, Fault, Harm

POD_MIB = 2_048
_QUEUE_CALLS = {
    "ReceiveMessage",
    "GetQueueAttributes",
    "ChangeMessageVisibilityBatch",
    "DeleteMessageBatch",
    "SendMessage",
}
_IDLE_S, _SINGLES = 60.0, 10


@dataclass(frozen=True)
class Figure:
    """``value`` must be at most ``bound``, and ``wrong`` empty."""

    name: str
    value: float
    bound: float
    unit: str
    wrong: str = ""

    @property
    def is_ok(self) -> bool:
        return self.value <= self.bound and not self.wrong


def refused_by_s3() -> list[Figure]:
    """30 files of one agency that S3 refuses, in three ways, beside ten good ones of others."""
    refused = {f"st_refused/{number:02}/Badges.csv": small_file(f"R{number}") for number in range(30)}
    good = {f"{agency}/Badges.csv": small_file(agency) for agency in agencies(10)}
    harms = (Harm.ARCHIVED, Harm.CUSTOMER_KEY, Harm.DENIED)

    def refuse(call: Call) -> Fault | None:
        name = call.key.removeprefix("from_client/")
        if name not in refused or call.operation not in {"GetObject", "HeadObject", "CopyObject"}:
            return None
        return Fault(harms[int(name.split("/")[1]) % 3])

    with open_scene(settings={}) as scene, scene.proxy.watch(refuse):
        scene.stack.start_daemon()
        scene.warm_up()
        began = time.time()
        scene.put(refused | good)
        seconds = scene.wait_for_reports(good) - began
        # What S3 answers 403 for is only rejected at its third receive.
        scene.wait_for_reports(refused)
    return [
        Figure("30 files that S3 refuses: the last of 10 good files", seconds, 60, "s", _wrong(scene, good, refused))
    ]


def kills_its_run() -> list[Figure]:
    """A file that kills its run, and nine others in the same run, which it takes with it."""
    mates = {f"{agency}/Badges.csv": small_file(agency * 20) for agency in agencies(9)}
    # Files are read in the order of their sizes.
    with open_scene(settings={"SNS_WORKER_MAX": "1"}) as scene:
        scene.put(mates | {"st_poison/Badges.csv": small_file(POISON)})
        scene.stack.start_daemon()
        last = scene.wait_for_reports(mates)
        killed = min(mark.stat().st_mtime for mark in scene.marks.iterdir())
    return [
        Figure("a file that kills its run: its 9 mates, after its death", last - killed, 60, "s", _wrong(scene, mates))
    ]


def ten_zips() -> list[Figure]:
    """Ten zips of 15 MiB and ten small files at once, in a run with the memory of the chart's pod."""
    body = zip_of_15_mib()
    zips = {f"{agency}/Badges.zip": body for agency in agencies(10, "st_zip")}
    small = {f"{agency}/Badges.csv": small_file(agency) for agency in agencies(10)}
    peaks: list[float] = []
    with open_scene(settings={"RUN_MEMORY_MIB": str(POD_MIB)}) as scene:
        scene.stack.start_daemon()
        scene.warm_up()
        began = time.time()
        scene.put(zips | small)
        with _repeated(lambda: peaks.append(scene.peak_mib())):
            seconds = scene.wait_for_reports(small) - began
            scene.wait_for_reports(zips)
    return [
        Figure("ten zips of 15 MiB: the last of 10 small files", seconds, 60, "s", _wrong(scene, small | zips)),
        Figure("ten zips of 15 MiB: memory of the largest process", max(peaks), POD_MIB, "MiB"),
    ]


def flood() -> list[Figure]:
    """3,000 files that no contract knows, and ten good ones among them."""
    unknown = {f"st_photos/{number:04}/photo.jpg": b"jpg" for number in range(3_000)}
    good = {f"{agency}/Badges.csv": small_file(agency) for agency in agencies(10)}
    with open_scene(settings={}) as scene:
        scene.stack.start_daemon()
        scene.warm_up()
        scene.put(dict(list(unknown.items())[:1_500]))
        began = time.time()
        scene.put(good | dict(list(unknown.items())[1_500:]))
        seconds = scene.wait_for_reports(good) - began
    return [Figure("3,000 files of no contract: the last of 10 good files", seconds, 60, "s", _wrong(scene, good))]


def backfill() -> list[Figure]:
    """A backfill over 20 agencies, during which three files arrive, one after the other."""
    old = {f"{agency}/Badges.csv": small_file(agency) for agency in agencies(20, "st_old")}
    waits: list[float] = []
    arrivals = [f"{agency}/Badges.csv" for agency in agencies(3, "st_new")]
    with open_scene(settings={}) as scene, scene.instance() as instance:
        ui = scene.start_ui()
        scene.put(old)
        scene.wait_for_reports(old)
        scene.wait_until_idle()
        launched = ui.backfill(None, [["bronze", DATASET], ["silver", DATASET]])
        of_backfill = dg.RunsFilter(tags={"dagster/backfill": launched}, statuses=[dg.DagsterRunStatus.STARTED])
        scene.wait(lambda: instance.get_runs_count(of_backfill) > 0, "run of the backfill")
        for name in arrivals:
            began = time.time()
            scene.put({name: small_file("N1")})
            waits.append(scene.wait_for_reports([name]) - began)
        is_running = ui.backfill_status(launched) == "REQUESTED"
    wrong = _wrong(scene, arrivals) or ("" if is_running else "the backfill ended before the last file arrived")
    return [Figure("a backfill over 20 agencies: the slowest of 3 arriving files", max(waits), 60, "s", wrong)]


def retried_with_room_for_one() -> list[Figure]:
    """20 files whose first two tries fail, with room for one run and five receives before the dead-letter queue."""
    files = {f"{agency}/Badges.csv": small_file(agency) for agency in agencies(20)}
    works = threading.Event()

    def fail(call: Call) -> Fault | None:
        is_file = call.operation == "GetObject" and call.key.startswith("from_client/")
        return Fault(Harm.SLOW_DOWN) if is_file and not works.is_set() else None

    with (
        open_scene(max_receives=5, settings={"MAX_RUNS_IN_FLIGHT": "1"}) as scene,
        scene.instance() as instance,
        scene.proxy.watch(fail),
    ):
        scene.put(files)
        began = time.time()
        scene.stack.start_daemon()
        failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
        scene.wait(lambda: instance.get_runs_count(failed) > 1, "second failed run")
        works.set()
        scene.wait(lambda: _is_done(scene, files), "end of all files")
        seconds, dead = time.time() - began, scene.dead_letters()
    wrong = f"{dead} of 20 messages are dead letters" if dead else _wrong(scene, files)
    return [Figure("20 files retried twice with room for one run: the last of them", seconds, 420, "s", wrong)]


def at_rest() -> list[Figure]:
    """The default poll of 30 s: calls to SQS without work, and how long one file takes that comes alone."""
    with open_scene(settings={}) as scene:
        scene.stack.start_daemon()
        scene.warm_up()
        with scene.proxy.watch():
            began = time.monotonic()
            scene.wait(lambda: time.monotonic() - began > _IDLE_S, "minute")
            calls = sum(call.operation in _QUEUE_CALLS for call in list(scene.proxy.calls))
        waits: list[float] = []
        for agency in agencies(_SINGLES):
            name, put_at = f"{agency}/Badges.csv", time.time()
            scene.put({name: small_file(agency)})
            waits.append(scene.wait_for_reports([name]) - put_at)
            scene.wait_until_idle()
    return [
        Figure(f"a single file, median of {_SINGLES}", statistics.median(waits), 8, "s", _wrong(scene, scene.outcomes)),
        Figure("at rest: calls to SQS per second", calls / _IDLE_S, 1, "/s"),
    ]


def _wrong(scene: Scene, accepted: Collection[str], rejected: Collection[str] = ()) -> str:
    """What became of files otherwise than it should, as a text; empty if nothing did."""
    expected = dict.fromkeys(accepted, "accepted") | dict.fromkeys(rejected, "rejected")
    wrong = {name: scene.outcomes.get(name) for name in expected if scene.outcomes.get(name) != expected[name]}
    return ", ".join(f"{name} is {outcome}" for name, outcome in sorted(wrong.items()))


def _is_done(scene: Scene, files: Collection[str]) -> bool:
    scene.look()
    return len(scene.reported_at.keys() & set(files)) + scene.dead_letters() >= len(files)


@contextmanager
def _repeated(call: Callable[[], None]) -> Iterator[None]:
    """Repeat a call in a thread, four times a second."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(0.25):
            call()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


SCENARIOS: Mapping[str, Callable[[], list[Figure]]] = {
    "refused": refused_by_s3,
    "kill": kills_its_run,
    "zips": ten_zips,
    "flood": flood,
    "backfill": backfill,
    "retried": retried_with_room_for_one,
    "rest": at_rest,
}
