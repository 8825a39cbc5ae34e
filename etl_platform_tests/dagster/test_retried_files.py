"""Files that come back: soon alone where one may have killed its run, and still in batches after an outage."""

from typing import Any

import dagster as dg
import pytest

from etl_platform_tests.dagster.ticks import CountedQueue, tick


def sizes(found: Any) -> list[int]:
    return [len(request.run_config["ops"]["ingest"]["config"]["deliveries"]) for request in found.run_requests]


def test_recovery_from_an_outage_stays_batched(instance: dg.DagsterInstance) -> None:
    """Each of 500 files failed once: not 500 runs, but as many files as ten runs of twenty take."""
    queue = CountedQueue(*(f"agency_{number}" for number in range(500)), receives=2)

    found = sizes(tick(instance, queue))

    assert len(found) == 10
    assert sum(found) > 150
    assert queue.given_back == []


@pytest.mark.parametrize(("receives", "size"), [(1, 50), (2, 50), (3, 5), (4, 1), (19, 1)])
def test_batches_shrink_tenfold_with_each_receive(instance: dg.DagsterInstance, receives: int, size: int) -> None:
    queue = CountedQueue(*(f"agency_{number}" for number in range(50)), receives=receives)

    assert max(sizes(tick(instance, queue))) == size


@pytest.mark.parametrize("cap", [1, 2, 5])
def test_where_few_runs_may_start_the_receives_of_the_others_are_not_used_up(
    instance: dg.DagsterInstance, cap: int
) -> None:
    """Their way to the dead-letter queue is 20 receives long, and they only share it with the file that kills."""
    queue = CountedQueue(*(f"agency_{number}" for number in range(50)), receives=4)

    assert sizes(tick(instance, queue, max_runs_in_flight=cap)) == [1] * cap

    assert queue.given_back == []
    assert len(queue.waiting) == 50 - cap
