"""Object keys: whatever agencies and files are called, a key stays under its prefix and within S3's limit."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from etl_platform.core import layout

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60) | st.sampled_from(
    [
        ".",
        "..",
        "...",
        "a/../b",
        "../..",
        " ",
        "a b",
        "a+b",
        "%2F",
        "%2e%2e",
        "~",
        "Peña",
        "\0",
        "\\..\\",
        "a=b",
        "x" * 500,
        "é" * 400,
    ]
)
IDENTITY = "0123456789abcdef0123"
SAFE = re.compile(r"[A-Za-z0-9._%~-]+")


@given(NAMES)
def test_a_segment_is_safe_and_short(name: str) -> None:
    made = layout.segment(name)
    assert SAFE.fullmatch(made)
    assert made not in {".", ".."}
    assert made.strip(".")
    assert len(made) <= 100


@settings(max_examples=300)
@given(NAMES, NAMES)
def test_a_segment_is_injective(one: str, other: str) -> None:
    assert (layout.segment(one) == layout.segment(other)) is (one == other)


@pytest.mark.parametrize("pair", [("a b", "a+b"), ("a b", "a%20b"), (".", "%2E"), ("é" * 99, "é" * 100), ("A", "a")])
def test_names_that_look_alike_get_segments_of_their_own(pair: tuple[str, str]) -> None:
    assert layout.segment(pair[0]) != layout.segment(pair[1])


@given(st.text(st.sampled_from("abcXYZ019-_. +é"), min_size=1, max_size=12))
def test_a_short_name_can_be_read_back_from_its_segment(name: str) -> None:
    assert unquote(layout.segment(name)) == name


@settings(max_examples=300)
@given(NAMES, NAMES)
def test_no_key_leaves_its_prefix_or_passes_the_limit(agency: str, file_name: str) -> None:
    source = layout.parse_source_key(f"from_client/{agency}/{file_name}", "from_client/")
    assume(source is not None)
    assert source is not None
    dataset = "officer_detail"
    keys = {
        layout.bronze_key(dataset, source.agency, IDENTITY, source.file_name): layout.bronze_prefix(
            dataset, source.agency
        ),
        layout.silver_key(dataset, source.agency, f"from_client/{agency}/{file_name}"): layout.silver_prefix(
            dataset, source.agency
        ),
        layout.quarantine_key(dataset, source.agency, IDENTITY): f"quarantine/{dataset}/agency={source.agency}/",
        layout.report_key(dataset, source.agency, IDENTITY): layout.report_prefix(dataset, source.agency),
    }
    for key, prefix in keys.items():
        assert key.startswith(prefix)
        assert len(key.encode()) <= layout.MAX_KEY_BYTES
        parts = key.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert len(parts) == prefix.count("/") + (2 if prefix.startswith("bronze") else 1)


@given(NAMES, NAMES.filter(lambda name: "/" not in name))
def test_a_bronze_key_can_be_taken_apart_again(agency: str, file_name: str) -> None:
    segment = layout.segment(agency)
    key = layout.bronze_key("officer_detail", segment, IDENTITY, file_name)
    assert layout.parse_delivery_object(key) == layout.DeliveryObject("officer_detail", segment, IDENTITY)
    if len(file_name.encode()) < 800 and file_name.strip("."):
        assert layout.base_name(key) == file_name


@given(NAMES)
def test_what_is_named_by_its_delivery_says_so(agency: str) -> None:
    place = "officer_detail", layout.segment(agency), IDENTITY
    whose = layout.DeliveryObject(*place)
    assert layout.parse_delivery_object(layout.quarantine_key(*place)) == whose
    assert layout.parse_delivery_object(layout.corrections_key(*place, 12_345)) == whose
    assert layout.parse_delivery_object(layout.report_key(*place)) == whose
    assert layout.parse_delivery_object(layout.report_key(*place, "5")) == replace(whose, attempt_id="5")
    assert layout.parse_delivery_object(layout.fact_key(*place, "superseded")) is None
    assert layout.parse_ignored_key(layout.ignored_key(IDENTITY)) == IDENTITY
    assert layout.report_key(*place, "5").startswith(layout.report_prefix(*place))


@pytest.mark.parametrize("layer", layout.LAYERS)
def test_a_folder_is_of_a_dataset_or_of_a_partition(layer: str) -> None:
    assert layout.parse_folder(layout.partition_prefix(layer, "d")) == layout.Folder("d")
    assert layout.parse_folder(layout.partition_prefix(layer, "d", "a")) == layout.Folder("d", "a")


@pytest.mark.parametrize(
    "prefix",
    [layout.IGNORED_REPORTS, layout.FACTS, "quarantine/_corrections/", layout.corrections_prefix("d", "a"), "emails/"],
)
def test_what_lies_beside_the_datasets_is_none(prefix: str) -> None:
    assert layout.parse_folder(prefix) is None


def test_a_name_that_is_cut_keeps_its_extension() -> None:
    key = layout.bronze_key("officer_detail", "a" * 100, IDENTITY, "é" * 500 + ".csv.gz")
    assert len(key.encode()) <= 1_024
    assert key.endswith("é.csv.gz")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "bronze",
        "bronze//agency=a/00/x",
        "bronze/d/agency=a/XYZ/x",
        "silver/d/agency=a/00/x",
        "bronze/d/agency=a/00/x/y",
    ],
)
def test_what_is_no_bronze_key_is_not_taken_for_one(key: str) -> None:
    assert layout.parse_delivery_object(key) is None


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("from_client/a/x.csv", ("a", "x.csv")),
        ("from_client/a/2026/01/x.csv", ("a", "x.csv")),
        ("from_client/a b/x y.csv", ("a%20b", "x y.csv")),
        ("from_client/../x.csv", ("%2E%2E", "x.csv")),
        ("from_client//x.csv", None),
        ("from_client/ /x.csv", None),
        ("from_client/x.csv", None),
        ("from_client/a/", None),
        ("from_client/a/ ", None),
        ("from_clientx/a/x.csv", None),
        ("other/a/x.csv", None),
        ("", None),
    ],
)
def test_agency_and_file_name_of_a_source_key(key: str, expected: tuple[str, str] | None) -> None:
    found = layout.parse_source_key(key, "from_client/")
    assert (found and (found.agency, found.file_name)) == expected


@given(
    st.lists(
        st.sampled_from(
            ["a.csv", "A.csv", "b/a.csv", "a.CSV", "a.xlsx", "a-.csv", "é.csv", "è.csv", " .csv", "日.csv"]
        ),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_every_source_key_has_a_silver_key_of_its_own(keys: list[str]) -> None:
    one, other = (layout.silver_key("d", "a", f"from_client/a/{key}") for key in keys)
    assert one.casefold() != other.casefold()


def test_what_the_platform_writes_lies_under_a_prefix_that_is_never_a_source() -> None:
    written = [
        layout.bronze_key("d", "a", IDENTITY, "x"),
        layout.silver_key("d", "a", "k"),
        layout.quarantine_key("d", "a", IDENTITY),
        layout.report_key("d", "a", IDENTITY, "5"),
        layout.ignored_key(IDENTITY),
        layout.email_key("a", "m", datetime(2026, 1, 1, tzinfo=UTC)),
        layout.attachment_key("a", 1, "x"),
        layout.attachments_metadata_key("a", "csv"),
    ]
    assert all(key.startswith(layout.WRITTEN_PREFIXES) for key in written)
