"""How many requests a run makes to the object store for its files: the table of decision 0059."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl_platform.storage.object_store import ObjectStore
from etl_platform_tests.dagster.workshop import Workshop

CONTRACT = """apiVersion: v3.1.0
kind: DataContract
id: hours
name: Hours
version: 1.0.0
status: active
schema:
  - name: hours
    physicalName: Hours.csv
    dataGranularityDescription: One row per officer.
    properties:
      - {name: officer_id, logicalType: string, required: true}
"""
OF_A_RUN = 2
"""The register of agencies, and whether the bucket keeps versions."""
REQUESTS = ("head", "download", "copy", "read", "read_with_etag", "write", "list", "versions", "is_versioned", "delete")


class NotedStore:
    """A store that counts requests by kind."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._store, name)
        if name in REQUESTS:
            # The local store asks itself; what it asks is not counted.
            self.calls[name] += 1
        return method


@pytest.fixture
def hours(workshop: Workshop, tmp_path: Path) -> Workshop:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "hours.odcs.yaml").write_text(CONTRACT, "utf-8")
    workshop.contracts_dir, workshop.wrap_store = tmp_path / "contracts", NotedStore
    # One after another, so that no two are at the same place.
    workshop.workers = 1
    return workshop


def requests_of(workshop: Workshop, *keys: str) -> int:
    """Requests of one run, but for those of each run, and for the records of failed deliveries by hand."""
    assert workshop.ingest(*keys, datasets=["hours"], message_id="m1").success
    return sum(workshop.platforms[-1].store.calls.values()) - OF_A_RUN - len(keys)


def test_a_first_file_and_a_second_one_of_another_name(hours: Workshop) -> None:
    assert requests_of(hours, hours.drop("Hours.csv", b"officer_id\na\n")) == 16
    # The report of the first one is read for the checks.
    assert requests_of(hours, hours.drop("more/Hours.csv", b"officer_id\nb\n")) == 17


def test_a_duplicate(hours: Workshop) -> None:
    key = hours.drop("Hours.csv", b"officer_id\na\n")
    requests_of(hours, key)
    assert requests_of(hours, key) == 2
    assert hours.outcomes == ["duplicate"]


@pytest.mark.parametrize(("files", "requests"), [(2, 7 * 2 + 7 + 1), (10, 7 * 10 + 7 + 1)])
def test_files_of_one_partition_share_their_listings(hours: Workshop, files: int, requests: int) -> None:
    """Seven for each file, seven for the partition, one for the run: the list of erased deliveries."""
    keys = [hours.drop(f"{number}/Hours.csv", f"officer_id\nb{number}\n".encode()) for number in range(files)]
    assert requests_of(hours, *keys) == requests


def test_silver_is_listed_once_more_after_its_event_is_logged_and_no_file_is_asked_for_then(hours: Workshop) -> None:
    """Whether a newer version came meanwhile is seen in that listing, so it must not be older than the event."""
    events_at_listings, asked = list[int](), list[str]()

    class Watched(NotedStore):
        def __getattr__(self, name: str) -> Callable[..., Any]:
            method = super().__getattr__(name)

            def call(bucket: str, key: str, *arguments: Any, **how: Any) -> Any:
                if key.startswith("silver/"):
                    if name == "list":
                        events_at_listings.append(len(hours.materializations("silver", "hours")))
                    elif events_at_listings:
                        asked.append(key)
                return method(bucket, key, *arguments, **how)

            return call if name in {"list", "head"} else method

    hours.wrap_store = Watched
    requests_of(hours, hours.drop("Hours.csv", b"officer_id\na\n"))
    assert events_at_listings == [0, 1]
    assert asked == []


def test_the_rows_of_a_partition_are_counted_without_looking_at_its_objects(hours: Workshop) -> None:
    keys = [hours.drop(f"{number}/Hours.csv", f"officer_id\nb{number}\n".encode()) for number in range(10)]
    requests_of(hours, *keys)
    requests_of(hours, hours.drop("last/Hours.csv", b"officer_id\nc\nd\n"))
    # Those of the source, and of silver at both keys.
    assert hours.platforms[-1].store.calls["head"] == 4  # type: ignore[attr-defined]
    last = hours.materializations("silver", "hours")[-1]
    assert last.metadata["dagster/partition_row_count"].value == 12
