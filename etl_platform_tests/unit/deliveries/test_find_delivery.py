"""A delivery is found by its id, at the cost of the last days if it is recent."""

from datetime import UTC, datetime, timedelta

from etl_platform.deliveries.delivery import Cause
from etl_platform.deliveries.find_delivery import find_delivery
from etl_platform.deliveries.last_deliveries import LastDeliveries
from etl_platform.deliveries.ledger import Ledger
from etl_platform_tests.unit.deliveries.counted_store import CountedStore
from etl_platform_tests.unit.making_reports import report_of

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def bucket_of(agencies: int) -> CountedStore:
    """Each agency has a delivery of today and one of 100 days ago."""
    store = CountedStore()
    for number in range(agencies):
        for half, age in enumerate((0 * DAY, 100 * DAY)):
            store.now = (NOW - age).timestamp()
            found = report_of(f"{number:019x}{half}", agency=f"a{number}", last_modified=NOW - age, ended_at=NOW - age)
            Ledger(store, "b").put(found)
    LastDeliveries(store, "b", NOW).complete_index()
    store.counted()
    return store


def test_a_recent_delivery_is_found_in_as_many_requests_however_many_agencies_there_are() -> None:
    costs = []
    for agencies in (3, 60):
        store = bucket_of(agencies)
        found = find_delivery(store, "b", f"{1:019x}0", NOW)
        assert found is not None
        assert found.agency == "a1"
        costs.append(store.counted())
    assert costs[0] == costs[1]


def test_an_old_delivery_is_found_in_its_partition() -> None:
    found = find_delivery(bucket_of(3), "b", f"{2:019x}1", NOW)
    assert found is not None
    assert (found.agency, found.source.last_modified) == ("a2", NOW - 100 * DAY)


def test_the_last_reprocessing_is_found_and_an_unknown_delivery_is_not() -> None:
    store = bucket_of(3)
    replay = report_of(
        f"{1:019x}1", agency="a1", cause=Cause.REPROCESS, ended_at=NOW + DAY, attempt_id="abc", last_modified=NOW
    )
    Ledger(store, "b").put(replay)
    assert find_delivery(store, "b", replay.delivery_id, NOW) == replay
    assert find_delivery(store, "b", "f" * 20, NOW) is None
