"""Identity and order of deliveries, and how messages are planned into runs."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.deliveries.delivery import Delivery, QueuedFile, SourceOrder, delivery_id, fit_runs, plan_runs
from etl_platform.deliveries.s3_events import ObjectCreated

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def delivery(version: str | None, sequencer: str | None, etag: str | None, size: int = 1) -> Delivery:
    return Delivery("bucket", "key", version, etag, size, sequencer, NOON)


def test_identity_is_the_version_else_the_sequencer_else_the_etag() -> None:
    assert (
        delivery("v", "s", "e").delivery_id == delivery("v", "t", "f").delivery_id == delivery_id("bucket", "key", "v")
    )
    assert (
        delivery(None, "s", "e").delivery_id
        == delivery(None, "s", "f").delivery_id
        == delivery_id("bucket", "key", "s")
    )
    assert delivery(None, None, "e").delivery_id == delivery_id("bucket", "key", "e")
    assert delivery("v", None, None, size=1).delivery_id == delivery("v", None, None, size=2).delivery_id


def test_parts_of_an_identity_do_not_run_into_each_other() -> None:
    assert len({delivery_id("ab", "c", "d"), delivery_id("a", "bc", "d"), delivery_id("a", "b", "cd")}) == 3


@given(st.tuples(*[st.text(max_size=8)] * 3), st.tuples(*[st.text(max_size=8)] * 3))
def test_different_objects_have_different_identities(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (delivery_id(*one) == delivery_id(*other)) is (one == other)
    assert len(delivery_id(*one)) == 20


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
def test_the_greater_sequencer_is_newer_whatever_the_clock_says(newer: str, older: str) -> None:
    assert order("n", newer, 0).is_newer_than(order("o", older, 99))
    assert not order("o", older, 99).is_newer_than(order("n", newer, 0))


def test_sequencers_that_differ_in_padding_or_case_alone_are_no_order() -> None:
    for one, other in (("0A", "0A00"), ("0a", "0A")):
        assert not order("x", one).is_newer_than(order("y", other))
        assert not order("y", other).is_newer_than(order("x", one))


def test_without_both_sequencers_last_modified_decides() -> None:
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
def test_newer_is_transitive_among_versions_of_one_kind(sequenced: bool, data: st.DataObject) -> None:
    sequencer = SEQUENCERS if sequenced else st.none()
    one, two, three = (data.draw(st.builds(order, st.just(name), sequencer, st.integers(0, 3))) for name in "abc")
    if one.is_newer_than(two) and two.is_newer_than(three):
        assert one.is_newer_than(three)


def queued(message: str, key: str, size: int | None = 1, receives: int = 1) -> QueuedFile:
    return QueuedFile(ObjectCreated("b", key, size_bytes=size), "things", message, f"r-{message}", receives)


FILES = st.tuples(st.none() | st.integers(0, 400), st.integers(1, 5))


@given(st.lists(st.lists(FILES, min_size=1, max_size=4), max_size=30), st.integers(1, 20), st.integers(1, 500))
def test_nothing_is_lost_nothing_comes_twice_and_messages_stay_whole(
    sizes: list[list[tuple[int | None, int]]], max_files: int, max_bytes: int
) -> None:
    messages = [
        [queued(f"m{i}", f"k{i}.{j}", size, files[0][1]) for j, (size, _) in enumerate(files)]
        for i, files in enumerate(sizes)
    ]
    runs = plan_runs(messages, max_files=max_files, max_bytes=max_bytes)
    planned = [tuple(files) for run in runs for files in run]
    assert sorted(planned, key=repr) == sorted(map(tuple, messages), key=repr)
    for run in runs:
        assert run
        files = [file for group in run for file in group]
        assert len({file.receive_count for file in files}) == 1
        if len(run) > 1:
            assert len(files) <= max(1, max_files // 10 ** (files[0].receive_count - 1))
            assert sum(file.size_bytes for file in files) <= max_bytes
    assert plan_runs(messages, max_files=max_files, max_bytes=max_bytes) == runs


def test_a_big_file_travels_alone() -> None:
    messages = [[queued("a", "a", 5)], [queued("big", "big", 101)], [queued("c", "c", 5)], [queued("d", "d", 5)]]
    runs = plan_runs(messages, max_bytes=100)
    assert [[file.message_id for group in run for file in group] for run in runs] == [["a"], ["big"], ["c", "d"]]


@pytest.mark.parametrize(("receives", "size"), [(1, 200), (2, 20), (3, 2), (4, 1), (20, 1), (1_000, 1)])
def test_batches_shrink_tenfold_with_each_receive(receives: int, size: int) -> None:
    messages = [[queued(str(i), str(i), receives=receives)] for i in range(400)]
    assert {len(run) for run in plan_runs(messages)} == {size}


def test_a_fresh_message_never_travels_with_one_that_was_received_before() -> None:
    runs = plan_runs([[queued("old", "x", receives=3)], [queued("new", "y")]])
    assert [[file.message_id for group in run for file in group] for run in runs] == [["new"], ["old"]]


def test_no_messages_make_no_runs() -> None:
    assert plan_runs([]) == []


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 400)), max_size=40), st.integers(1, 12))
def test_what_starts_and_what_waits_is_everything_once_and_fits(files: list[tuple[int, int]], room: int) -> None:
    messages = [[queued(str(n), f"k{n}", size, receives)] for n, (receives, size) in enumerate(files)]
    runs = plan_runs(messages, max_files=8, max_bytes=500)
    started, waiting = fit_runs(runs, room)
    assert len(started) <= room
    given_out = [file.message_id for run in started + waiting for files in run for file in files]
    assert sorted(given_out, key=int) == [str(n) for n in range(len(files))]
    assert not waiting or len(started) == room


def test_the_most_received_file_starts_first_and_alone() -> None:
    messages = [[queued(str(n), "k", receives=4 + (n == 7))] for n in range(10)]
    started, waiting = fit_runs(plan_runs(messages), 1)
    assert [[file.message_id for files in run for file in files] for run in started] == [["7"]]
    assert len(waiting) == 9


def test_first_arrivals_are_merged_into_the_room_that_is_left() -> None:
    fresh = [[queued(str(n), "k", size=1 << 29)] for n in range(6)]
    started, waiting = fit_runs(plan_runs([*fresh, [queued("old", "k", receives=3)]]), 3)
    assert waiting == []
    assert len(started) == 3
    assert [file.message_id for run in started for files in run for file in files].count("old") == 1
    assert sum(len(run) for run in started) == 7
