"""What a partition holds: rows and version of its silver objects, and the newest delivery of each source key."""

import json

from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.partition_state import PartitionState
from etl_platform_tests.unit.intake_place import GOOD, Place

BAD_HEADER, MORE = b"size\n1\n", b"ident,size\na,1\nb,2\nc,3\n"


def state(place: Place) -> PartitionState:
    return PartitionState(place.store, "bucket")


def test_the_rows_of_a_partition_are_those_of_all_of_its_objects(place: Place) -> None:
    for key, content in (("Things.csv", GOOD), ("more/Things.csv", MORE)):
        place.ingest(place.drop(content, f"from_client/agency_a/{key}"))

    assert state(place).content("things", "agency_a").rows == 5
    assert state(place).content("things", "agency_b").rows == 0


def test_the_version_of_a_partition_is_that_of_its_bytes(place: Place) -> None:
    key = "from_client/agency_a/Things.csv"
    place.ingest(place.drop(GOOD, key, seconds=1_000))
    first = state(place).content("things", "agency_a")
    place.ingest(place.drop(MORE, key, seconds=2_000))
    second = state(place).content("things", "agency_a")
    place.ingest(place.drop(BAD_HEADER, key, seconds=3_000))

    assert first.version != second.version
    assert state(place).content("things", "agency_a") == second, "a refused file changes no silver"


def test_objects_of_older_releases_are_counted_from_their_reports(place: Place) -> None:
    place.ingest(place.drop(GOOD, "from_client/agency_a/Things.csv"))
    now = state(place).content("things", "agency_a")
    for path in (place.root / ".meta").rglob("*silver*/**/*"):
        if path.is_file():
            kept = {k: v for k, v in json.loads(path.read_text()).items() if k not in {"rows", "sha256"}}
            path.write_text(json.dumps(kept))

    assert state(place).content("things", "agency_a") == now


def test_the_newest_delivery_of_each_key_is_judged_and_rows_are_those_in_silver_if_it_was_not_read(
    place: Place,
) -> None:
    for seconds, content in ((1_000, GOOD), (2_000, BAD_HEADER)):
        place.ingest(place.drop(content, "from_client/agency_a/Things.csv", seconds=seconds))
    place.ingest(place.drop(MORE, "from_client/agency_a/more/Things.csv"))

    first, second = state(place).judged("things", "agency_a").files

    assert (first.report.outcome, second.report.outcome) == (Outcome.REJECTED, Outcome.ACCEPTED)
    assert first.checked
    assert first.checked.check.rows == 2
    assert second.checked is second.report
    assert state(place).judged("things", "agency_b").files == ()


def test_a_refused_file_is_no_longer_judged_once_silver_holds_a_newer_one(place: Place) -> None:
    """Its message may be redelivered after that, and its events are logged again."""
    refused = place.ingest(place.drop(BAD_HEADER, "from_client/agency_a/Things.csv", seconds=1_000)).report
    accepted = place.ingest(place.drop(GOOD, "from_client/agency_a/Things.csv", seconds=2_000)).report

    (judged,) = state(place).judged("things", "agency_a").files

    assert refused.outcome is Outcome.REJECTED
    assert judged.report is judged.checked
    assert judged.report.delivery_id == accepted.delivery_id


def test_a_refused_file_without_rows_in_silver_has_no_rows_to_judge(place: Place) -> None:
    place.ingest(place.drop(BAD_HEADER, "from_client/agency_a/Things.csv"))

    (file,) = state(place).judged("things", "agency_a").files

    assert file.report.outcome is Outcome.REJECTED
    assert file.checked is None
