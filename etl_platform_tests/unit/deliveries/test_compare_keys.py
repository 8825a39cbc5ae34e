"""Keys that two files of a partition share: found exactly, and at a cost that does not grow with the history."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.deliveries import compare_keys
from etl_platform.deliveries.compare_keys import _without_copy_mark
from etl_platform.deliveries.key_comparison import KeyComparison, SharedKeys
from etl_platform.deliveries.report import Report
from etl_platform.object_keys import silver_key
from etl_platform_tests.unit.intake_place import Place
from etl_platform_tests.unit.making import contract_of, custom, text, typed

FOLDER = "from_client/agency_a"
CONTRACT = contract_of([text("ident", primaryKey=True), typed("size", "integer")])


def place_in(root: Path, contract: Any = CONTRACT) -> Place:
    return Place(root, contract)


def ingest(place: Place, folder: str, idents: Any) -> Report:
    rows = "".join(f"{ident},1\n" for ident in idents)
    return place.ingest(place.drop(f"ident,size\n{rows}".encode(), f"{FOLDER}/{folder}/Things.csv")).report


@settings(max_examples=15, deadline=None)
@given(
    one=st.sets(st.integers(0, 30), min_size=1),
    two=st.sets(st.integers(0, 30), min_size=1),
)
def test_the_number_of_shared_keys_is_exact(
    tmp_path_factory: pytest.TempPathFactory, one: set[int], two: set[int]
) -> None:
    place = place_in(tmp_path_factory.mktemp("root"))
    first, second = ingest(place, "1", one), ingest(place, "2", two)
    shared = [SharedKeys(first.source.key, str(first.written.silver_key), first.delivery_id, len(one & two))] * bool(
        one & two
    )
    assert second.shared_keys == KeyComparison(1, 1, tuple(shared))
    assert Report.from_json(second.to_json()) == second


def test_a_key_of_several_columns_is_compared_as_a_whole(tmp_path: Path) -> None:
    place = place_in(tmp_path, contract_of([text("ident", primaryKey=True), typed("size", "integer", primaryKey=True)]))
    place.ingest(place.drop(b"ident,size\na,1\na,2\nb,1\n", f"{FOLDER}/1/Things.csv"))
    report = place.ingest(place.drop(b"ident,size\na,2\nb,2\nb,1\n", f"{FOLDER}/2/Things.csv")).report
    assert report.shared_keys is not None
    assert [shared.keys for shared in report.shared_keys.shared] == [2]


def test_keys_whose_type_changed_are_compared_as_text(tmp_path: Path) -> None:
    place = place_in(tmp_path, contract_of([typed("ident", "integer", primaryKey=True), typed("size", "integer")]))
    ingest(place, "1", [1, 2])
    place.use(CONTRACT)
    report = ingest(place, "2", [2, 3])
    assert report.shared_keys is not None
    assert [shared.keys for shared in report.shared_keys.shared] == [1]


def test_a_rejected_file_and_a_contract_without_a_key_are_not_compared(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    assert place.ingest(place.drop(b"size\n1\n")).report.shared_keys is None
    place.use(contract_of([text("ident"), typed("size", "integer")]))
    assert ingest(place, "1", [1]).shared_keys is None


def test_a_dry_run_compares_and_writes_nothing(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    ingest(place, "1", [1, 2])
    dry = place.ingest(place.drop(b"ident,size\n2,1\n", f"{FOLDER}/2/Things.csv"), dry_run=True).report
    assert dry.shared_keys is not None
    assert [shared.keys for shared in dry.shared_keys.shared] == [1]


def test_the_cost_does_not_grow_with_the_files_of_the_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_in(tmp_path)
    for day in range(12):
        ingest(place, str(day), [day])
    silver = place.root / "silver/things/agency=agency_a"
    for age, path in enumerate(sorted(silver.iterdir())):
        os.utime(path, (2_000 - age, 2_000 - age))
    read: list[str] = []
    download = place.store.download
    monkeypatch.setattr(place.store, "download", lambda head, path: read.append(head.key) or download(head, path))

    report = ingest(place, "again", [3])

    assert report.shared_keys is not None
    assert (report.shared_keys.files, report.shared_keys.compared) == (12, compare_keys.MAX_FILES)
    newest = [f"silver/things/agency=agency_a/{path.name}" for path in sorted(silver.iterdir())]
    assert [key for key in read if key.startswith("silver/")] == [
        key for key in newest if key != report.written.silver_key
    ][: compare_keys.MAX_FILES]


def test_large_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_in(tmp_path)
    ingest(place, "1", [1])
    monkeypatch.setattr(compare_keys, "MAX_BYTES", 10)
    assert ingest(place, "2", [1]).shared_keys == KeyComparison(1, 0)


def test_copies_by_name_are_read_before_newer_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_keys, "MAX_FILES", 1)
    patterns = custom(filePatterns=["things*"])
    place = place_in(tmp_path, contract_of([text("ident", primaryKey=True)], customs=patterns))
    for seconds, name in ((1_000, "Things (1).csv"), (2_000, "Things_2025.csv")):
        report = place.ingest(place.drop(b"ident\na\n", f"{FOLDER}/{name}")).report
        os.utime(place.root / str(report.written.silver_key), (seconds, seconds))
    report = place.ingest(place.drop(b"ident\na\n", f"{FOLDER}/Things.csv")).report
    assert report.shared_keys is not None
    assert [shared.source_key for shared in report.shared_keys.shared] == [f"{FOLDER}/Things (1).csv"]


@pytest.mark.parametrize(
    "name",
    [
        "Officer_Detail.csv",
        "Officer_Detail (1).csv",
        "Officer_Detail(12).csv",
        "Officer_Detail - Copy.csv",
        "Officer_Detail - Copy (2).csv",
        "Copy of Officer_Detail.csv",
        "Officer Detail - Kopie.csv",
        "sub/officer_detail.csv",
    ],
)
def test_names_of_copies_are_one_name(name: str) -> None:
    assert _without_copy_mark(silver_key("officer_detail", "a", f"{FOLDER}/{name}")) == "officer-detail"
