"""Silver as frames: whose rows, which columns, and one state of the bucket."""

import gc
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from etl_platform.errors import TableError, TransientError
from etl_platform.tables.silver_frames import read_silver, scan_silver
from etl_platform_tests.unit.making import text, typed
from etl_platform_tests.unit.tables.bucket import PROPERTIES, ROW, Bucket

TYPES = [pl.String, pl.Int64, pl.Float64, pl.Decimal(10, 2), pl.Boolean, pl.Date, pl.Datetime("us"), pl.Time, pl.String]


def test_one_agency_has_its_rows_in_the_types_of_the_contract(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW)
    bucket.write("agency_b", ROW | {"ident": "b"})

    frame = read_silver(bucket.platform, "things", "agency_a")

    assert list(frame.schema.items()) == list(zip([*(p["name"] for p in PROPERTIES), "agency"], TYPES, strict=True))
    assert frame.rows(named=True) == [ROW | {"moment": None, "agency": "agency_a"}]


def test_several_agencies_and_all_agencies_are_one_frame(bucket: Bucket) -> None:
    for agency in ("agency_a", "agency_b", "agency c"):
        bucket.write(agency, ROW)
    bucket.write("agency_a", ROW | {"ident": "z"}, file_name="more/things.csv")

    def counts(agencies: list[str] | None) -> dict[str, int]:
        return dict(read_silver(bucket.platform, "things", agencies)["agency"].value_counts().rows())

    assert counts(["agency_a", "agency_b", "agency_x"]) == {"agency_a": 2, "agency_b": 1}
    assert counts(None) == {"agency_a": 2, "agency_b": 1, "agency%20c": 1}


def test_an_agency_without_silver_is_an_empty_frame_of_the_same_types(bucket: Bucket) -> None:
    frame = read_silver(bucket.platform, "things", "agency_x")

    assert (frame.height, list(frame.dtypes)) == (0, TYPES)


def test_columns_are_chosen_in_the_order_given(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW)

    frame = read_silver(bucket.platform, "things", columns=["size", "agency", "ident"])

    assert frame.columns == ["size", "agency", "ident"]
    assert frame.rows() == [(7, "agency_a", "a")]


def test_an_unknown_column_or_dataset_is_an_error_that_names_the_known_ones(bucket: Bucket) -> None:
    with pytest.raises(TableError, match=r"things has no column sise; did you mean size"):
        read_silver(bucket.platform, "things", columns=["ident", "sise"])
    with pytest.raises(TableError, match="thing: unknown dataset; did you mean things"):
        read_silver(bucket.platform, "thing")


def test_a_column_that_a_later_contract_added_is_null_in_older_files(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW)
    bucket.agree([*PROPERTIES, text("note"), typed("weight", "number", physicalType="decimal(5,1)")])
    bucket.write("agency_b", ROW | {"note": "new", "weight": Decimal("2.5")})

    frame = read_silver(bucket.platform, "things", columns=["agency", "note", "weight"])

    assert frame.rows() == [("agency_a", None, None), ("agency_b", "new", Decimal("2.5"))]


def test_a_type_that_a_later_contract_widened_is_read_as_the_wider_type(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW)
    bucket.agree([text("ident"), text("size"), typed("fee", "number", physicalType="decimal(12,3)")])

    assert read_silver(bucket.platform, "things").rows() == [("a", "7", Decimal("1.500"), "agency_a")]


def test_a_type_that_a_later_contract_narrowed_asks_for_a_replay_and_quotes_no_value(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW | {"ident": "secret"})
    bucket.agree([typed("ident", "integer")])

    with pytest.raises(TableError, match=r"ident is String there and Int64 now\. Replay .*--agency agency_a") as error:
        read_silver(bucket.platform, "things")
    assert "secret" not in str(error.value)


def test_a_lazy_frame_filters_and_selects_like_the_eager_one(bucket: Bucket) -> None:
    for agency in ("agency_a", "agency_b"):
        bucket.write(agency, *(ROW | {"ident": f"{agency}{n}", "size": n} for n in range(4)))
    lazy, eager = scan_silver(bucket.platform, "things"), read_silver(bucket.platform, "things")

    wanted = (pl.col("size") > 1) & (pl.col("agency") == "agency_b")
    assert lazy.filter(wanted).select("ident").collect().rows() == [("agency_b2",), ("agency_b3",)]
    assert lazy.filter(pl.col("size") > 2).head(1).collect().equals(eager.filter(pl.col("size") > 2).head(1))
    assert lazy.collect().equals(eager)
    assert lazy.group_by("agency").len().collect(engine="streaming")["len"].to_list() == [4, 4]


def test_a_lazy_frame_keeps_its_rows_when_a_file_is_replaced(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW)
    lazy = scan_silver(bucket.platform, "things", columns=["ident"])

    bucket.write("agency_a", ROW | {"ident": "newer"})

    assert lazy.collect().rows() == [("a",)]
    assert read_silver(bucket.platform, "things", columns=["ident"]).rows() == [("newer",)]


def test_the_copies_behind_a_lazy_frame_live_as_long_as_what_is_derived_from_it(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.write("agency_a", ROW)
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(copies))
    lazy = scan_silver(bucket.platform, "things")

    derived = lazy.select("ident")
    del lazy
    gc.collect()
    assert derived.collect().rows() == [("a",)]
    del derived
    gc.collect()
    assert list(copies.iterdir()) == []


def test_a_file_that_is_replaced_between_list_and_read_is_listed_again(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW)
    newer = [ROW | {"ident": "newer"}]

    platform = bucket.watched(lambda _: bucket.write("agency_a", newer.pop()) if newer else None)

    assert read_silver(platform, "things", columns=["ident"]).rows() == [("newer",)]


def test_files_that_never_stop_changing_are_an_error_that_may_be_retried(bucket: Bucket) -> None:
    bucket.write("agency_a", ROW)

    platform = bucket.watched(lambda _: bucket.write("agency_a", ROW))

    with pytest.raises(TransientError, match="silver of things changed 5 times while it was read; try again"):
        read_silver(platform, "things")
