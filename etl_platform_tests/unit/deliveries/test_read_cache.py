"""Partitions of many files: what has not changed is not read again, and a cache never changes an answer."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, ObjectVersion, Outcome
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.partition_state import JudgedPartition, PartitionState
from etl_platform.deliveries.read_cache import FEW, ReadCache
from etl_platform.deliveries.report import Trigger
from etl_platform_tests.unit.deliveries.counted_store import CountedStore
from etl_platform_tests.unit.intake_place import GOOD, things

FILES = 2 * FEW
CONTENTS = st.sampled_from([b"a", b"b", b"b\nc", b"d\te", b" f\n", b""])
PARTITION = ("things", "agency_a")


class Partition:
    """A partition of many source keys."""

    def __init__(self) -> None:
        self.store = CountedStore()
        self.use("integer")
        for number in range(FILES):
            self.deliver(number)

    def use(self, size_type: str) -> None:
        contract = things(size_type=size_type)
        self.intake = Intake(self.store, {"things": contract}, "b", "from_client/", lambda: datetime.now(UTC))

    def deliver(self, number: int, content: bytes = GOOD) -> None:
        self.store.now += 1
        key = f"from_client/agency_a/{number}/Things.csv"
        self.store.write("b", key, content)
        source = ObjectVersion.of(self.store.head("b", key))
        self.intake.ingest(self.intake.route(source), Trigger(Cause.EVENT))

    def read_again(self) -> list[tuple[Outcome, bool]]:
        results = self.intake.reprocess(*PARTITION, Trigger(Cause.REPROCESS))
        return [(result.outcome, result.repeated) for result in results]

    def requests(self, call: Callable[[], object]) -> dict[str, int]:
        self.store.counted()
        call()
        return self.store.counted()

    @property
    def state(self) -> PartitionState:
        return PartitionState(self.store, "b")

    def rot(self) -> None:
        """Replace every cache by something else."""
        for key in self.store.contents("b", object_keys.INDEX):
            if key.endswith(".gz"):
                self.store.write("b", key, b"rotten")


@pytest.fixture(scope="module")
def delivered() -> Partition:
    return Partition()


def test_the_content_of_a_partition_costs_a_few_requests_after_the_first_time(delivered: Partition) -> None:
    first = delivered.state.content(*PARTITION)
    assert delivered.requests(lambda: delivered.state.content(*PARTITION)) == {"LIST": 2, "GET": 1}
    delivered.deliver(0, GOOD + b"c,3\n")
    assert delivered.requests(lambda: delivered.state.content(*PARTITION)) == {"LIST": 2, "GET": 2}
    second = delivered.state.content(*PARTITION)
    assert (first.rows, second.rows) == (2 * FILES, 2 * FILES + 1)
    delivered.rot()
    assert delivered.state.content(*PARTITION) == second


def test_silver_that_no_report_names_is_looked_at_once_and_counted() -> None:
    """As after an agency was renamed: the reports name the objects of before."""
    partition = Partition()
    renamed = "things", "agency_b"
    for head in partition.store.list("b", object_keys.silver_prefix(*PARTITION)):
        body, metadata = partition.store.read("b", head.key), partition.store.head("b", head.key).metadata
        partition.store.write("b", head.key.replace("agency_a", "agency_b"), body, metadata=metadata)
    state = partition.state
    assert partition.requests(lambda: state.content(*renamed))["HEAD"] == FILES
    assert partition.requests(lambda: state.content(*renamed)) == {"LIST": 2}
    # Of the next process, the cache answers.
    assert partition.requests(lambda: partition.state.content(*renamed)) == {"LIST": 2, "GET": 1}
    assert state.content(*renamed).rows == partition.state.content(*PARTITION).rows == 2 * FILES


def test_a_report_that_was_noted_is_not_read() -> None:
    partition = Partition()
    noted, fresh = partition.state, partition.state
    noted.judged(*PARTITION)
    key = "from_client/agency_a/new/Things.csv"
    partition.store.write("b", key, GOOD)
    source = ObjectVersion.of(partition.store.head("b", key))
    result = partition.intake.ingest(partition.intake.route(source), Trigger(Cause.EVENT))
    assert result.report_etag is not None
    noted.note(result.report, result.report_etag)
    assert partition.requests(lambda: noted.judged(*PARTITION)) == {"LIST": 2}
    assert noted.judged(*PARTITION) == fresh.judged(*PARTITION)
    assert noted.content(*PARTITION) == fresh.content(*PARTITION)


def test_reports_of_a_partition_are_read_once(delivered: Partition) -> None:
    ledger = Ledger(delivered.store, "b")
    prefix = object_keys.report_prefix(*PARTITION)
    first = ledger.reports(prefix)
    assert delivered.requests(lambda: ledger.reports(prefix)) == {"LIST": 1, "GET": 1}
    assert ledger.reports(prefix) == first
    delivered.rot()
    assert ledger.reports(prefix) == first


def test_reading_a_partition_again_costs_one_request_for_each_file_that_has_not_changed() -> None:
    partition = Partition()
    assert partition.read_again() == [(Outcome.ACCEPTED, False)] * FILES
    partition.read_again()

    results: list[tuple[Outcome, bool]] = []

    found = partition.requests(lambda: results.extend(partition.read_again()))

    assert found == {"LIST": 2, "GET": 1, "HEAD": FILES}
    assert results == [(Outcome.ACCEPTED, True)] * FILES
    assert partition.requests(lambda: partition.state.judged(*PARTITION)) == {"LIST": 2, "GET": 1}


def test_a_changed_file_among_unchanged_ones_is_read_again() -> None:
    partition = Partition()
    partition.read_again()
    partition.deliver(3, GOOD + b"c,3\n")
    results = partition.read_again()
    assert results.count((Outcome.ACCEPTED, True)) == FILES - 1
    assert results.count((Outcome.ACCEPTED, False)) == 1


def test_a_run_reads_of_a_partition_that_it_judged_before_only_what_is_new() -> None:
    partition = Partition()
    state = partition.state
    first = state.judged(*PARTITION)
    assert partition.requests(lambda: state.judged(*PARTITION)) == {"LIST": 2}
    assert state.judged(*PARTITION) is first
    partition.deliver(0, GOOD + b"c,3\n")
    partition.deliver(FILES)
    assert partition.requests(lambda: state.judged(*PARTITION)) == {"LIST": 2, "GET": 2}
    assert state.judged(*PARTITION) == partition.state.judged(*PARTITION)
    assert len(state.judged(*PARTITION).files) == FILES + 1


def test_refused_files_cost_no_request_each_to_find_what_silver_holds_of_them() -> None:
    partition = Partition()
    for number in range(FILES):
        partition.deliver(number, b"size\n1\n")
    judged: list[JudgedPartition] = []
    partition.state.judged(*PARTITION)
    found = partition.requests(lambda: judged.append(partition.state.judged(*PARTITION)))
    assert found == {"LIST": 2, "GET": 1}
    assert [(one.report.outcome, one.in_silver is not None) for one in judged[0].files] == [
        (Outcome.REJECTED, True)
    ] * FILES


def test_a_few_objects_have_no_cache() -> None:
    store = CountedStore()
    heads = []
    for number in range(FEW):
        store.write("b", f"k{number}", b"x")
        heads.append(store.head("b", f"k{number}"))
    store.counted()
    assert ReadCache(store, "b", "cache").read_all(heads, lambda key: key.encode()) == [
        f"k{number}".encode() for number in range(FEW)
    ]
    assert store.counted() == {}


@settings(max_examples=40, deadline=None)
@given(rounds=st.lists(st.dictionaries(st.integers(0, 40), CONTENTS), max_size=5))
def test_a_cache_gives_what_reading_gives(rounds: list[dict[int, bytes]]) -> None:
    """Objects are written between readings, some with contents that a cache does not keep."""
    store = CountedStore()
    for number in range(30):
        store.write("b", f"o/{number}", b"first")
    for changes in rounds:
        for number, content in changes.items():
            store.write("b", f"o/{number}", content)
        heads = list(store.list("b", "o/"))
        found = ReadCache(store, "b", "cache").read_all(heads, lambda key: store.read("b", key))
        assert found == [store.read("b", head.key).strip() for head in heads]
