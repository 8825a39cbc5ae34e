"""Two at the same time, and events at the wrong time: the end is that of the orderly course."""

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from etl_platform.object_keys import is_report
from etl_platform_tests.faults.bench import Bench
from etl_platform_tests.faults.end_state import written_versions
from etl_platform_tests.faults.processes import Zygote, wait
from etl_platform_tests.faults.proxy import Call, Fault, Harm, Moment
from etl_platform_tests.faults.scenarios import SCENARIOS, Arrive, Dropped, Scenario
from etl_platform_tests.integration.deliveries import as_csv, officers

pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster._utils.warnings.PreviewWarning"),
    # One worker, so that its bench starts once.
    pytest.mark.xdist_group("races"),
]
_MEET_WITHIN_S = 60


@pytest.fixture(scope="module")
def bench(endpoint_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("races"), endpoint_url, "races", read_timeout_s=_MEET_WITHIN_S) as bench:
        yield bench


@pytest.fixture(scope="module")
def second(bench: Bench) -> Zygote:
    return bench.another_zygote()


@pytest.mark.parametrize("operation", ["CopyObject bronze/", "PutObject silver/", "PutObject reports/"])
def test_two_runs_with_the_same_delivery_leave_what_one_leaves(bench: Bench, second: Zygote, operation: str) -> None:
    """The first lost its lease while it worked; both come to the same write at the same moment."""
    scenario = SCENARIOS["accepted"]
    orderly = bench.play(scenario, _nothing)
    bench.reset()
    bench.announce(*scenario.files)
    meeting = threading.Barrier(2, timeout=_MEET_WITHIN_S)
    met = threading.Event()

    def meet(call: Call) -> None:
        if not met.is_set():
            meeting.wait()
            met.set()

    def plan(call: Call) -> Fault | None:
        return Fault(Harm.PAUSE, Moment.BEFORE, meet) if str(call).startswith(operation) else None

    request = bench.next_request()
    with bench.proxy.watch(plan):
        first = _start(lambda: bench.run(request))
        wait(lambda: meeting.n_waiting == 1, f"the first run at {operation}", _MEET_WITHIN_S)
        bench.expire()
        again = bench.next_request(second)
        bench.run(again, zygote=second)
        first.join()
    bench.work_until_empty()

    assert met.is_set(), "both were there"
    assert bench.end_state().differences(orderly) == []


@pytest.mark.parametrize(
    ("held", "course"),
    [
        ("GetObject from_client/", "late event"),
        ("PutObject silver/", "late event"),
        ("PutObject reports/officer_detail/", "overwrite"),
    ],
)
def test_a_file_that_is_overwritten_while_it_is_read_never_comes_back(
    bench: Bench, second: Zygote, held: str, course: str
) -> None:
    """A run that is held up between event and record ends as if its file had come late, or in time."""
    scenario = SCENARIOS[course]
    old, new = scenario.files
    orderly = bench.play(scenario, _nothing)
    bench.reset()
    bench.announce(old)
    reached, go = threading.Event(), threading.Event()

    def hold(call: Call) -> None:
        if not reached.is_set():
            reached.set()
            assert go.wait(_MEET_WITHIN_S)

    def plan(call: Call) -> Fault | None:
        return Fault(Harm.PAUSE, Moment.BEFORE, hold) if str(call).startswith(held) else None

    request = bench.next_request()
    with bench.proxy.watch(plan):
        slow = _start(lambda: bench.run(request))
        assert reached.wait(_MEET_WITHIN_S)
        bench.announce(new)
        newer = bench.next_request(second)
        bench.run(newer, zygote=second)
        go.set()
        slow.join()

    # The run that was held up logs last, and its checks are about what the partition holds then: the newer file.
    # Which results were logged on the way differs; the latest ones do not.
    found, wanted = (replace(state, checks={}) for state in (bench.end_state(), orderly))
    assert found.differences(wanted) == []


def test_the_same_bytes_under_a_new_version_are_a_delivery_of_their_own(bench: Bench) -> None:
    first = Dropped("ss_same", "Officer_Detail.csv", as_csv(officers("S", 6, bad=2)))
    once = bench.play(Scenario("once", (first,), (Arrive((first,)),)), _nothing)
    second = Dropped("ss_same", "Officer_Detail.csv", first.content, version=2)

    twice = bench.play(Scenario("twice", (first, second), (Arrive((first,)), Arrive((second,)))), _nothing)

    (silver,) = [key for key in twice.objects if key.startswith("silver/")]
    assert _rows(twice.objects[silver][0]).equals(_rows(once.objects[silver][0]))
    reports = [value for key, value in twice.objects.items() if is_report(key)]
    assert [report["outcome"] for report in reports] == ["accepted", "accepted"]
    assert len({report["delivery_id"] for report in reports}) == 2
    assert len({report["sha256"] for report in reports}) == 1
    assert twice.queues == {"waiting": 0}


def test_an_event_that_comes_again_after_weeks_changes_nothing_though_its_version_is_gone(bench: Bench) -> None:
    old = Dropped("oo_old", "Officer_Detail.csv", as_csv(officers("Y", 6, bad=2)))
    new = Dropped("oo_old", "Officer_Detail.csv", as_csv(officers("Z", 7, bad=1)))
    orderly = bench.play(Scenario("old", (old, new), (Arrive((old,)), Arrive((new,)))), _nothing)
    before = written_versions(bench.aws, bench.made.bucket)
    versions = bench.aws.s3.list_object_versions(Bucket=bench.made.bucket, Prefix=old.key)["Versions"]
    (oldest,) = [item["VersionId"] for item in versions if not item["IsLatest"]]
    bench.aws.s3.delete_object(Bucket=bench.made.bucket, Key=old.key, VersionId=oldest)

    bench.announce(old)
    bench.work_until_empty()

    assert bench.end_state().differences(orderly) == []
    assert written_versions(bench.aws, bench.made.bucket) == before, "not even a rewrite of the same bytes"


def test_two_sensors_on_one_queue_share_its_messages(bench: Bench, second: Zygote) -> None:
    scenario = SCENARIOS["batch"]
    orderly = bench.play(scenario, _nothing)
    bench.reset()
    bench.announce(*scenario.files, *scenario.files)
    meeting = threading.Barrier(2, timeout=_MEET_WITHIN_S)

    receives: list[Call] = []

    def plan(call: Call) -> Fault | None:
        if call.operation != "ReceiveMessage" or len(receives) == 2:
            return None
        receives.append(call)
        return Fault(Harm.PAUSE, Moment.BEFORE, lambda _call: _ignore(meeting.wait()))

    requests: list[dict[str, Any]] = []
    with bench.proxy.watch(plan):
        ticks = [_start(lambda zygote=zygote: requests.extend(bench.tick(zygote=zygote))) for zygote in (None, second)]
        for tick in ticks:
            tick.join()
    held = [item["message_id"] for request in requests for item in _deliveries(request)]
    runs = [_start(lambda r=r, z=z: bench.run(r, zygote=z)) for r, z in zip(requests, (None, second), strict=False)]
    for run in runs:
        run.join()
    bench.work_until_empty()

    assert sorted(set(held)) == sorted(held), "no message went to both"
    assert len(held) == 2 * len(scenario.files)
    assert bench.end_state().differences(orderly) == []


def _nothing(_call: Call) -> None:
    """The plan of an undisturbed play."""


def _rows(silver: bytes) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(silver))


def _ignore(_value: object) -> None:
    """A hook answers nothing."""


def _deliveries(request: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = request["run_config"]["ops"]["ingest"]["config"]["deliveries"]
    return found


def _start(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread
