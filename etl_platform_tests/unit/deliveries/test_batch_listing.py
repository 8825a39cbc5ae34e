"""What a batch takes from listings: only what was absent, and what came since is found by the conditional writes."""

from datetime import UTC, datetime

import pytest

from etl_platform import object_keys
from etl_platform.deliveries.batch_listing import BatchListing
from etl_platform.deliveries.delivery import Cause, ObjectVersion, Outcome
from etl_platform.deliveries.erased_deliveries import ErasedDeliveries
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.report import Trigger
from etl_platform.deliveries.routing import RoutedObject
from etl_platform_tests.unit.deliveries.counted_store import CountedStore
from etl_platform_tests.unit.intake_place import GOOD, things

CONTRACT = things()
DATASET, AGENCY = CONTRACT.dataset, "agency_a"
EVENT = Trigger(Cause.EVENT, "run")


class Bucket:
    """A bucket of one agency, and an intake over it."""

    def __init__(self) -> None:
        self.store = CountedStore()
        self.intake = Intake(
            self.store, {DATASET: CONTRACT}, "b", "from_client/", lambda: datetime.fromtimestamp(self.store.now, UTC)
        )

    def put(self, name: str, content: bytes = GOOD) -> RoutedObject:
        self.store.now += 10
        key = f"from_client/{AGENCY}/{name}/Things.csv"
        self.store.write("b", key, content)
        return self.intake.route(ObjectVersion.of(self.store.head("b", key)))

    def silver(self) -> dict[str, bytes]:
        return self.store.contents("b", "silver/")


def listed(bucket: Bucket, *files: RoutedObject) -> BatchListing:
    """The listing of a batch, after each of its lists was made."""
    listing = bucket.intake.listing(files)
    listing.lacks_report(DATASET, AGENCY, "")
    listing.lacks_silver(DATASET, AGENCY, "")
    listing.lacks_erased("")
    return listing


def test_a_batch_of_several_files_of_a_partition_asks_once_for_all_of_them() -> None:
    bucket = Bucket()
    files = [bucket.put(str(number)) for number in range(5)]
    bucket.store.counted()
    listing = bucket.intake.listing(files)
    assert {bucket.intake.ingest(file, EVENT, listing).outcome for file in files} == {Outcome.ACCEPTED}
    together = sum(bucket.store.counted().values())
    others = [bucket.put(f"more{number}") for number in range(5)]
    bucket.store.counted()
    assert {bucket.intake.ingest(file, EVENT).outcome for file in others} == {Outcome.ACCEPTED}
    # A GET for the report, a LIST for the erased, two HEAD for silver: for each file, or three LIST for all.
    assert sum(bucket.store.counted().values()) - together == 5 * 4 - 3


def test_a_single_file_of_a_partition_is_not_listed() -> None:
    bucket = Bucket()
    file = bucket.put("one")
    bucket.store.counted()
    listing = listed(bucket, file)
    assert bucket.store.counted() == {}
    assert not listing.lacks_report(DATASET, AGENCY, file.version.delivery_id)
    assert not listing.lacks_silver(DATASET, AGENCY, file.key)
    assert not listing.lacks_erased(file.key)


def test_a_listing_knows_nothing_of_other_partitions() -> None:
    bucket = Bucket()
    listing = listed(bucket, bucket.put("a"), bucket.put("b"))
    assert not listing.lacks_report(DATASET, "agency_b", "0" * 20)
    assert not listing.lacks_silver("other", AGENCY, "from_client/agency_a/a/Things.csv")


@pytest.mark.parametrize("there", [999, 1_000, 1_001])
def test_a_listing_that_does_not_fit_into_one_request_is_not_used(there: int) -> None:
    bucket = Bucket()
    for number in range(there):
        bucket.store.write("b", object_keys.report_key(DATASET, AGENCY, f"{number:020x}"), b"")
        bucket.store.write("b", object_keys.silver_key(DATASET, AGENCY, f"{number}.csv"), b"")
        bucket.store.write("b", object_keys.erased_key(f"{number}.csv", f"{number:020x}", None), b"")
    listing = listed(bucket, bucket.put("a"), bucket.put("b"))
    fits = there < 1_000
    assert listing.lacks_report(DATASET, AGENCY, "f" * 20) is fits
    assert listing.lacks_silver(DATASET, AGENCY, "new.csv") is fits
    assert listing.lacks_erased("new.csv") is fits
    assert not listing.lacks_report(DATASET, AGENCY, f"{7:020x}")
    assert not listing.lacks_silver(DATASET, AGENCY, "7.csv")
    assert not listing.lacks_erased("7.csv")


def test_an_object_at_the_short_key_of_release_0_2_is_silver() -> None:
    bucket = Bucket()
    files = bucket.put("a"), bucket.put("b")
    bucket.store.write("b", object_keys.short_silver_key(DATASET, AGENCY, files[0].key), b"")
    listing = listed(bucket, *files)
    assert not listing.lacks_silver(DATASET, AGENCY, files[0].key)
    assert listing.lacks_silver(DATASET, AGENCY, files[1].key)


def test_a_delivery_that_another_process_reported_since_the_listing_is_a_duplicate() -> None:
    bucket = Bucket()
    files = bucket.put("a"), bucket.put("b")
    listing = listed(bucket, *files)
    first = bucket.intake.ingest(files[0], EVENT)
    silver = bucket.silver()
    again = bucket.intake.ingest(files[0], Trigger(Cause.EVENT, "other run"), listing)
    assert (first.outcome, again.outcome) == (Outcome.ACCEPTED, Outcome.DUPLICATE)
    assert again.report == first.report
    assert bucket.silver() == silver


def test_a_newer_version_that_another_process_accepted_since_the_listing_stays_in_silver() -> None:
    bucket = Bucket()
    old = bucket.put("a")
    new = bucket.put("a", b"ident,size\nc,3\n")
    listing = listed(bucket, old, new)
    assert bucket.intake.ingest(new, EVENT).outcome is Outcome.ACCEPTED
    silver = bucket.silver()
    assert bucket.intake.ingest(old, EVENT, listing).outcome is Outcome.SUPERSEDED
    assert bucket.silver() == silver


def test_an_older_version_that_another_process_accepted_since_the_listing_is_replaced() -> None:
    bucket = Bucket()
    old = bucket.put("a")
    new = bucket.put("a", b"ident,size\nc,3\n")
    listing = listed(bucket, old, new)
    first = bucket.intake.ingest(old, EVENT)
    result = bucket.intake.ingest(new, EVENT, listing)
    assert result.outcome is Outcome.ACCEPTED
    amended = bucket.store.contents("b", object_keys.AMENDMENTS)
    assert [key for key in amended if first.report.delivery_id in key]
    (body,) = bucket.silver().values()
    assert result.report.delivery_id.encode() in body


def test_bytes_that_were_erased_before_they_came_again_are_refused_in_a_batch() -> None:
    bucket = Bucket()
    first = bucket.intake.ingest(bucket.put("a"), EVENT).report
    ErasedDeliveries(bucket.store, "b").add(first.source.key, first.delivery_id, first.sha256)
    files = bucket.put("a"), bucket.put("b")
    listing = listed(bucket, *files)
    outcomes = [bucket.intake.ingest(file, EVENT, listing).outcome for file in files]
    assert outcomes == [Outcome.REJECTED, Outcome.ACCEPTED]
