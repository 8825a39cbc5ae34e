"""The breaker end to end: S3 is broken by the proxy until it opens, and mended while it is open."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from etl_platform_tests.faults.bench import Bench
from etl_platform_tests.faults.processes import wait
from etl_platform_tests.faults.proxy import Call, Fault, Harm
from etl_platform_tests.faults.scenarios import Arrive, Dropped, Scenario
from etl_platform_tests.integration.deliveries import as_csv, officers

pytestmark = pytest.mark.filterwarnings("ignore::dagster._utils.warnings.PreviewWarning")
COOLDOWN_S = 20
FILES = tuple(
    Dropped(f"br_{number}", "Officer_Detail.csv", as_csv(officers(f"Q{number}", 4, bad=1))) for number in range(6)
)


@pytest.fixture
def bench(endpoint_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    settings = {"CIRCUIT_BREAKER_COOLDOWN_SECONDS": str(COOLDOWN_S)}
    with Bench(tmp_path_factory.mktemp("breaker"), endpoint_url, "breaker", settings=settings) as bench:
        yield bench


def test_an_outage_opens_the_breaker_and_its_end_is_found_by_one_probe_with_nothing_lost(bench: Bench) -> None:
    orderly = bench.play(Scenario("orderly", FILES, (Arrive(FILES),)), lambda _call: None)
    bench.reset()
    with bench.proxy.watch(_s3_is_down):
        for file in FILES[:5]:
            bench.announce(file)
            (request,) = bench.tick()
            assert bench.run(request) == {"success": False, "outcomes": []}
    opened = time.time()
    bench.announce(FILES[5])
    bench.expire()
    assert _status(bench)["active"]
    assert _status(bench)["consecutive_failures"] == 5

    with bench.proxy.watch(_s3_is_down):
        received = bench.proxy.count("ReceiveMessage")
        skipped = bench.process({"do": "tick"})
        assert skipped is not None
        assert skipped["requests"] == []
        assert "breaker" in skipped["skipped"]
        assert bench.proxy.count("ReceiveMessage") == received, "a cooldown burns no receive counts"
        _wait_for_the_end_of_the_cooldown(bench)
        assert time.time() - opened >= COOLDOWN_S - 5
        # Half-open and still broken: one run, one delivery, and the breaker is open again.
        (probe,) = bench.tick()
        assert len(probe["run_config"]["ops"]["ingest"]["config"]["deliveries"]) == 1
        assert bench.run(probe) == {"success": False, "outcomes": []}
        assert bench.tick() == []
        _wait_for_the_end_of_the_cooldown(bench)

    bench.expire()
    (probe,) = bench.tick()
    assert bench.run(probe) == {"success": True, "outcomes": ["accepted"]}
    assert not _status(bench)["active"]
    bench.expire()
    bench.work_until_empty()
    assert bench.end_state().differences(orderly) == []


def _s3_is_down(call: Call) -> Fault | None:
    """S3 throttles every call; SQS works."""
    return None if call.operation in {"ReceiveMessage", *_QUEUE_CALLS} else Fault(Harm.SLOW_DOWN)


_QUEUE_CALLS = {"ChangeMessageVisibilityBatch", "DeleteMessageBatch", "SendMessage", "GetQueueAttributes"}


def _wait_for_the_end_of_the_cooldown(bench: Bench) -> None:
    ends = time.monotonic() + _status(bench)["cooldown_remaining"]
    wait(lambda: time.monotonic() > ends, "the time that the status gives", COOLDOWN_S + 20)
    # It gives whole seconds.
    wait(lambda: _status(bench)["cooldown_remaining"] == 0, "the end of the cooldown")


def _status(bench: Bench) -> dict[str, Any]:
    answer = bench.process({"do": "cli", "arguments": ["breaker", "status", "--json"]})
    assert answer is not None
    found: dict[str, Any] = json.loads(answer["printed"])
    return found
