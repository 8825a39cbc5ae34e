"""Foreign keys are looked up exactly, and at a cost that does not grow with the files of a flood."""

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.deliveries import key_columns
from etl_platform.deliveries.foreign_key_lookup import ForeignKeyLookup, ForeignKeyResult
from etl_platform.engine.contract.model import Contract
from etl_platform.object_keys import silver_key
from etl_platform.storage.object_store import ObjectHead
from etl_platform_tests.unit.deliveries.counted_store import CountedStore
from etl_platform_tests.unit.making import contract_of, text, typed

BUCKET, AGENCY = "data", "agency_a"
KEY = typed("officer", "integer", relationships=[{"to": "officers.badge"}])
STOPS = contract_of([text("stop"), KEY], dataset="stops")


class Downloads(CountedStore):
    """Counts the downloads of each dataset."""

    def __init__(self) -> None:
        super().__init__()
        self.downloads: Counter[str] = Counter()

    def download(self, head: ObjectHead, path: Path) -> str:
        self.downloads[head.key.split("/")[1]] += 1
        return super().download(head, path)

    def put(self, dataset: str, name: str, **columns: pl.Series) -> None:
        buffer = io.BytesIO()
        pl.DataFrame(columns).write_parquet(buffer)
        metadata = {"delivery-id": name, "last-modified": "2026-10-01T00:00:00+00:00"}
        self.write(BUCKET, silver_key(dataset, AGENCY, name), buffer.getvalue(), metadata=metadata)

    def officers(self, name: str, badges: Any) -> None:
        self.put("officers", name, badge=pl.Series(list(badges), dtype=pl.Int64))

    def stops(self, name: str, officers: Any) -> None:
        self.put("stops", name, officer=pl.Series(list(officers), dtype=pl.Int64))


def looked_up(lookup: ForeignKeyLookup, contract: Contract = STOPS) -> ForeignKeyResult:
    (result,) = lookup.evaluate(contract, AGENCY)
    return result


KEYS = st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=8)


@settings(max_examples=60, deadline=None)
@given(officers=st.lists(KEYS, min_size=1, max_size=3), stops=st.lists(KEYS, min_size=1, max_size=4))
def test_the_rows_with_a_missing_key_are_counted_exactly(
    officers: list[list[int | None]], stops: list[list[int | None]]
) -> None:
    store = Downloads()
    for place, badges in enumerate(officers):
        store.officers(f"o{place}", badges)
    for place, badges in enumerate(stops):
        store.stops(f"s{place}", badges)
    known = {badge for badges in officers for badge in badges}
    rows = [badge for badges in stops for badge in badges if badge is not None]

    result = looked_up(ForeignKeyLookup(store, BUCKET))

    assert (result.rows, result.missing) == (len(rows), sum(badge not in known for badge in rows))
    for _, one in result.worst:
        assert {int(example) for example in one.examples} <= set(rows) - known


def test_a_flood_reads_the_other_dataset_once_and_each_file_once() -> None:
    store = Downloads()
    store.officers("o", range(100))
    lookup = ForeignKeyLookup(store, BUCKET)
    for place in range(60):
        store.stops(f"s{place}", [place, 1_000])
        assert looked_up(lookup).missing == place + 1
    assert store.downloads == {"officers": 1, "stops": 60}


def test_files_of_both_datasets_in_turn_are_each_read_once() -> None:
    store = Downloads()
    lookup = ForeignKeyLookup(store, BUCKET)
    for place in range(40):
        store.stops(f"s{place}", [place])
        store.officers(f"o{place}", [place])
        assert looked_up(lookup).missing == 0
    assert store.downloads == {"officers": 40, "stops": 40}
    assert store.calls["PUT"] == 80


def test_the_next_run_reads_only_what_is_new() -> None:
    store = Downloads()
    store.officers("o", range(100))
    for place in range(50):
        store.stops(f"s{place}", [place, 1_000])
    looked_up(ForeignKeyLookup(store, BUCKET))
    store.stops("new", [2_000])
    store.downloads.clear()

    result = looked_up(ForeignKeyLookup(store, BUCKET))

    assert (result.missing, store.downloads) == (51, {"officers": 1, "stops": 1})


def test_results_of_an_earlier_state_of_the_other_dataset_are_not_used() -> None:
    store = Downloads()
    store.officers("o", range(10))
    for place in range(30):
        store.stops(f"s{place}", [place])
    assert looked_up(ForeignKeyLookup(store, BUCKET)).missing == 20
    store.officers("o", range(25))
    assert looked_up(ForeignKeyLookup(store, BUCKET)).missing == 5


def test_nothing_is_read_if_nothing_has_changed() -> None:
    store = Downloads()
    store.officers("o", [1])
    store.stops("s", [1])
    lookup = ForeignKeyLookup(store, BUCKET)
    first = looked_up(lookup)
    store.downloads.clear()
    assert looked_up(lookup) is first
    assert store.downloads == {}


def test_keys_that_are_too_large_to_keep_are_read_again(monkeypatch: Any) -> None:
    monkeypatch.setattr(key_columns, "KEPT_BYTES", 1)
    store = Downloads()
    store.officers("o", range(10))
    lookup = ForeignKeyLookup(store, BUCKET)
    for place in range(3):
        store.stops(f"s{place}", [place, 50])
        assert looked_up(lookup).missing == place + 1


def test_an_object_of_another_type_is_not_evaluated() -> None:
    store = Downloads()
    store.put("officers", "o", badge=pl.Series(["1"]))
    store.stops("s", [1])
    result = looked_up(ForeignKeyLookup(store, BUCKET))
    assert "was written under another contract: badge is String there and Int64 now" in (result.problem or "")


def test_an_object_without_the_column_has_no_keys() -> None:
    store = Downloads()
    store.put("officers", "o", other=pl.Series([1]))
    store.stops("s", [1])
    assert looked_up(ForeignKeyLookup(store, BUCKET)).missing == 1


def test_masked_examples_are_not_those_of_an_open_column() -> None:
    """The cache keeps examples; a column that is no longer open must not show those."""
    store = Downloads()
    store.officers("o", [1])
    for place in range(20):
        store.stops(f"s{place}", [500 + place])
    looked_up(ForeignKeyLookup(store, BUCKET))
    columns = tuple(replace(column, classification="restricted") for column in STOPS.columns)
    result = looked_up(ForeignKeyLookup(store, BUCKET), replace(STOPS, columns=columns))
    assert {example for _, one in result.worst for example in one.examples} == {"999"}
