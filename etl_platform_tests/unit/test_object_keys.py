"""Object keys: with any agency and file name, a key stays below its prefix and within S3's limit."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from etl_platform import object_keys

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
def test_an_agency_may_be_named_by_its_folder_or_by_its_partition(folder: str) -> None:
    partition = object_keys.segment(folder)
    assert object_keys.partition_of(partition) == partition
    if object_keys.segment(unquote(folder)) != folder:
        # Not a text that is itself a partition, such as "%2F".
        assert object_keys.partition_of(folder) == partition


@given(NAMES)
def test_a_segment_is_safe_and_short(name: str) -> None:
    segment = object_keys.segment(name)
    assert SAFE.fullmatch(segment)
    assert segment not in {".", ".."}
    assert segment.strip(".")
    assert len(segment) <= 100


@settings(max_examples=300)
@given(NAMES, NAMES)
def test_a_segment_is_injective(one: str, other: str) -> None:
    assert (object_keys.segment(one) == object_keys.segment(other)) is (one == other)


@pytest.mark.parametrize("pair", [("a b", "a+b"), ("a b", "a%20b"), (".", "%2E"), ("é" * 99, "é" * 100), ("A", "a")])
def test_similar_names_get_different_segments(pair: tuple[str, str]) -> None:
    assert object_keys.segment(pair[0]) != object_keys.segment(pair[1])


@given(st.text(st.sampled_from("abcXYZ019-_. +é"), min_size=1, max_size=12))
def test_a_short_name_can_be_read_back_from_its_segment(name: str) -> None:
    assert unquote(object_keys.segment(name)) == name


@settings(max_examples=300)
@given(NAMES, NAMES)
def test_every_key_stays_below_its_prefix_and_within_the_limit(agency: str, file_name: str) -> None:
    source = object_keys.parse_source_key(f"from_client/{agency}/{file_name}", "from_client/")
    assume(source is not None)
    assert source is not None
    dataset = "officer_detail"
    keys = {
        object_keys.bronze_key(dataset, source.agency, IDENTITY, source.file_name): object_keys.bronze_prefix(
            dataset, source.agency
        ),
        object_keys.silver_key(dataset, source.agency, f"from_client/{agency}/{file_name}"): object_keys.silver_prefix(
            dataset, source.agency
        ),
        object_keys.quarantine_key(dataset, source.agency, IDENTITY): f"quarantine/{dataset}/agency={source.agency}/",
        object_keys.report_key(dataset, source.agency, IDENTITY): object_keys.report_prefix(dataset, source.agency),
    }
    for key, prefix in keys.items():
        assert key.startswith(prefix)
        assert len(key.encode()) <= object_keys.MAX_KEY_BYTES
        parts = key.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert len(parts) == prefix.count("/") + (2 if prefix.startswith("bronze") else 1)


@given(NAMES, NAMES.filter(lambda name: "/" not in name))
def test_a_bronze_key_can_be_parsed(agency: str, file_name: str) -> None:
    segment = object_keys.segment(agency)
    key = object_keys.bronze_key("officer_detail", segment, IDENTITY, file_name)
    assert object_keys.parse_delivery_object(key) == object_keys.DeliveryObject("officer_detail", segment, IDENTITY)
    if len(file_name.encode()) < 800 and file_name.strip("."):
        assert object_keys.base_name(key) == file_name


@given(NAMES)
def test_keys_with_a_delivery_id_can_be_parsed(agency: str) -> None:
    parts = "officer_detail", object_keys.segment(agency), IDENTITY
    expected = object_keys.DeliveryObject(*parts)
    assert object_keys.parse_delivery_object(object_keys.quarantine_key(*parts)) == expected
    assert object_keys.parse_delivery_object(object_keys.corrections_key(*parts, 12_345)) == expected
    assert object_keys.parse_delivery_object(object_keys.report_key(*parts)) == expected
    assert object_keys.parse_delivery_object(object_keys.report_key(*parts, "5")) == replace(expected, attempt_id="5")
    assert object_keys.parse_delivery_object(object_keys.amendment_key(*parts, "superseded")) is None
    assert object_keys.parse_ignored_key(object_keys.ignored_key(IDENTITY)) == IDENTITY
    assert object_keys.report_key(*parts, "5").startswith(object_keys.report_prefix(*parts))


@pytest.mark.parametrize("layer", object_keys.LAYERS)
def test_a_folder_belongs_to_a_dataset_or_to_a_partition(layer: str) -> None:
    assert object_keys.parse_folder(object_keys.partition_prefix(layer, "d")) == object_keys.Folder("d")
    assert object_keys.parse_folder(object_keys.partition_prefix(layer, "d", "a")) == object_keys.Folder("d", "a")


@pytest.mark.parametrize(
    "prefix",
    [
        object_keys.IGNORED_REPORTS,
        object_keys.AMENDMENTS,
        "quarantine/_corrections/",
        object_keys.corrections_prefix("d", "a"),
        "emails/",
    ],
)
def test_a_folder_outside_the_datasets_is_not_parsed(prefix: str) -> None:
    assert object_keys.parse_folder(prefix) is None


def test_a_truncated_name_keeps_its_extension() -> None:
    key = object_keys.bronze_key("officer_detail", "a" * 100, IDENTITY, "é" * 500 + ".csv.gz")
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
def test_an_invalid_bronze_key_is_not_parsed(key: str) -> None:
    assert object_keys.parse_delivery_object(key) is None


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
    found = object_keys.parse_source_key(key, "from_client/")
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
def test_every_source_key_has_a_different_silver_key(keys: list[str]) -> None:
    one, other = (object_keys.silver_key("d", "a", f"from_client/a/{key}") for key in keys)
    assert one.casefold() != other.casefold()


def test_every_written_key_lies_below_a_prefix_that_cannot_be_a_source() -> None:
    written = [
        object_keys.bronze_key("d", "a", IDENTITY, "x"),
        object_keys.silver_key("d", "a", "k"),
        object_keys.quarantine_key("d", "a", IDENTITY),
        object_keys.report_key("d", "a", IDENTITY, "5"),
        object_keys.ignored_key(IDENTITY),
        object_keys.email_key("a", "m", datetime(2026, 1, 1, tzinfo=UTC)),
        object_keys.attachment_key("a", 1, "x"),
        object_keys.attachments_metadata_key("a", "csv"),
    ]
    assert all(key.startswith(object_keys.WRITTEN_PREFIXES) for key in written)
