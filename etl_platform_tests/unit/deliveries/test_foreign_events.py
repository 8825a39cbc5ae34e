"""Events that no agency caused: of another bucket, or of an object that never was."""

from datetime import UTC, datetime

import pytest

from etl_platform.deliveries.delivery import Cause, ObjectVersion, Outcome
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.report import Trigger
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.unit.intake_place import GOOD, KEY, things

BUCKET = "bucket"


class Deployment:
    """An intake over a versioned bucket in memory, which ingests objects of this bucket only."""

    def __init__(self) -> None:
        self.store = MemoryStore(lambda: 1_000_000_000.0)
        contract = things()
        self.intake = Intake(
            self.store,
            {contract.dataset: contract},
            BUCKET,
            "from_client/",
            lambda: datetime(2026, 11, 30, tzinfo=UTC),
            source_bucket=BUCKET,
        )

    def ingest(self, key: str, version_id: str | None = "nowhere", bucket: str = BUCKET) -> DeliveryResult:
        version = ObjectVersion(bucket, key, version_id)
        return self.intake.ingest(self.intake.route(version), Trigger(Cause.EVENT, receive_count=1))


@pytest.fixture
def place() -> Deployment:
    return Deployment()


def code_of(result: DeliveryResult) -> tuple[Outcome, str, str | None]:
    return result.outcome, result.report.check.errors[0].code, result.report.agency


def test_an_object_of_another_bucket_is_ignored_and_not_read(place: Deployment) -> None:
    place.store.write("theirs", KEY, GOOD)

    result = place.ingest(KEY, None, bucket="theirs")

    assert code_of(result) == (Outcome.IGNORED, "foreign_bucket", None)
    assert not list(place.store.list(BUCKET, "bronze/"))


def test_an_event_of_an_object_that_never_was_makes_no_agency(place: Deployment) -> None:
    result = place.ingest("from_client/nobody/Things.csv")

    assert code_of(result) == (Outcome.IGNORED, "no_such_object", None)
    assert not list(place.store.list(BUCKET, "reports/things/"))
    assert not place.intake.has_sent("things", "nobody")


def test_a_file_that_was_deleted_before_it_was_read_is_rejected(place: Deployment) -> None:
    place.store.write(BUCKET, KEY, GOOD)
    version_id = place.store.head(BUCKET, KEY).version_id
    place.store.delete(BUCKET, KEY)

    assert code_of(place.ingest(KEY))[:2] == (Outcome.REJECTED, "NoSuchKey")
    assert version_id


def test_a_missing_file_of_an_agency_that_sends_is_rejected(place: Deployment) -> None:
    place.store.write(BUCKET, KEY, GOOD)
    place.ingest(KEY, place.store.head(BUCKET, KEY).version_id)

    assert code_of(place.ingest("from_client/agency_a/again/Things.csv"))[:2] == (Outcome.REJECTED, "NoSuchKey")


def test_an_agency_whose_name_begins_like_one_that_sends_is_another_one(place: Deployment) -> None:
    place.store.write(BUCKET, KEY, GOOD)

    assert code_of(place.ingest("from_client/agency/Things.csv"))[:2] == (Outcome.IGNORED, "no_such_object")
