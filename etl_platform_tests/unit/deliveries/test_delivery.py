"""Identity of object versions, and their order among the versions of a key."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.deliveries.delivery import ObjectVersion, SourceOrder

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def delivery_id(version: str | None, sequencer: str | None = None, etag: str | None = None, size: int = 1) -> str:
    return ObjectVersion("bucket", "key", version, etag, size, sequencer, NOON).delivery_id


def test_identity_is_the_version_else_the_sequencer_else_the_etag() -> None:
    assert delivery_id("v", "s", "e") == delivery_id("v", "t", "f") == delivery_id("v", size=2)
    assert delivery_id(None, "s", "e") == delivery_id(None, "s", "f") == delivery_id("s")
    assert delivery_id(None, None, "e") == delivery_id("e")


def test_an_event_and_a_listing_of_the_same_version_have_the_same_identity() -> None:
    assert ObjectVersion("bucket", "key", "v").delivery_id == ObjectVersion("bucket", "key", "v", "e", 1).delivery_id


def test_parts_of_an_identity_do_not_run_into_each_other() -> None:
    parts = [("ab", "c", "d"), ("a", "bc", "d"), ("a", "b", "cd")]
    assert len({ObjectVersion(*one).delivery_id for one in parts}) == 3


@given(st.tuples(*[st.text(max_size=8)] * 3), st.tuples(*[st.text(max_size=8)] * 3))
def test_different_objects_have_different_identities(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    ids = ObjectVersion(*one).delivery_id, ObjectVersion(*other).delivery_id
    assert (ids[0] == ids[1]) is (one == other)
    assert len(ids[0]) == 20


def test_a_version_without_a_time_has_no_order() -> None:
    with pytest.raises(ValueError, match="from_client/a"):
        _ = ObjectVersion("bucket", "from_client/a.csv", "v").order


def order(name: str, sequencer: str | None = None, seconds: int = 0) -> SourceOrder:
    return SourceOrder(name, sequencer, NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("00B", "00A"),
        ("0055AED6DCD90281E6", "0055AED6DCD90281E5"),
        ("00ab", "00AA"),
        ("00AB", "00aa"),
        ("0055AED6DCD90281E5AA", "0055AED6DCD90281E5"),
        ("1", "0FFFFFFF"),
    ],
)
def test_the_greater_sequencer_is_newer_even_if_its_time_is_older(newer: str, older: str) -> None:
    assert order("n", newer, 0).is_newer_than(order("o", older, 99))
    assert not order("o", older, 99).is_newer_than(order("n", newer, 0))


def test_sequencers_that_differ_only_in_padding_or_case_are_equal() -> None:
    for one, other in (("0A", "0A00"), ("0a", "0A")):
        assert not order("x", one).is_newer_than(order("y", other))
        assert not order("y", other).is_newer_than(order("x", one))


def test_if_a_sequencer_is_missing_last_modified_decides() -> None:
    assert order("n", None, 2).is_newer_than(order("o", "00FF", 1))
    assert not order("o", "00FF", 1).is_newer_than(order("n", None, 2))


SEQUENCERS = st.text("0123456789ABCDEFabcdef", min_size=1, max_size=6)
ORDERS = st.builds(order, st.sampled_from("abcd"), st.none() | SEQUENCERS, st.integers(0, 3))


@given(ORDERS, ORDERS)
def test_newer_is_irreflexive_and_asymmetric(one: SourceOrder, other: SourceOrder) -> None:
    assert not one.is_newer_than(one)
    assert not (one.is_newer_than(other) and other.is_newer_than(one))


@pytest.mark.parametrize("sequenced", [True, False])
@given(data=st.data())
def test_newer_is_transitive_where_all_or_no_versions_have_sequencers(sequenced: bool, data: st.DataObject) -> None:
    sequencer = SEQUENCERS if sequenced else st.none()
    one, two, three = (data.draw(st.builds(order, st.just(name), sequencer, st.integers(0, 3))) for name in "abc")
    if one.is_newer_than(two) and two.is_newer_than(three):
        assert one.is_newer_than(three)
