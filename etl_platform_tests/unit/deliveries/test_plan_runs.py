"""How queue messages are grouped into runs, and which runs start."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.plan_runs import QueuedFile, RunPlan, Suspects, fit_runs, plan_runs


def queued(message: str, key: str, size: int | None = 1, receives: int = 1) -> QueuedFile:
    return QueuedFile(ObjectVersion("b", key, size_bytes=size), "agency_a", "things", message, f"r-{message}", receives)


FILES = st.tuples(st.none() | st.integers(0, 400), st.integers(1, 5))


@given(st.lists(st.lists(FILES, min_size=1, max_size=4), max_size=30), st.integers(1, 20), st.integers(1, 500))
def test_every_message_is_planned_once_and_stays_in_one_run(
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


def test_a_big_file_gets_its_own_run() -> None:
    messages = [[queued("a", "a", 5)], [queued("big", "big", 101)], [queued("c", "c", 5)], [queued("d", "d", 5)]]
    runs = plan_runs(messages, max_bytes=100)
    assert [[file.message_id for group in run for file in group] for run in runs] == [["a"], ["big"], ["c", "d"]]


@pytest.mark.parametrize(("receives", "size"), [(1, 500), (2, 50), (3, 5), (4, 1), (20, 1), (1_000, 1)])
def test_runs_are_ten_times_smaller_with_each_receive(receives: int, size: int) -> None:
    messages = [[queued(str(i), str(i), receives=receives)] for i in range(1_000)]
    assert {len(run) for run in plan_runs(messages)} == {size}


def test_a_new_message_never_shares_a_run_with_a_retried_one() -> None:
    runs = plan_runs([[queued("old", "x", receives=3)], [queued("new", "y")]])
    assert [[file.message_id for group in run for file in group] for run in runs] == [["new"], ["old"]]


def test_files_of_a_partition_are_planned_together_those_of_few_files_first() -> None:
    plan = RunPlan(max_files=5)
    for number, agency in enumerate("abacabaca"):
        plan.add([replace(queued(str(number), f"k{number}"), agency=agency)])
    planned = [[files[0].agency for files in run] for run in plan.by_partition().runs]
    assert planned == [["b", "b", "c", "c", "a"], ["a", "a", "a", "a"]]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 3), st.integers(1, 300)), max_size=30))
def test_planning_by_partition_loses_no_message_and_keeps_the_limits(sent: list[tuple[str, int, int]]) -> None:
    plan = RunPlan(max_files=8, max_bytes=500)
    messages = [
        [replace(queued(f"m{number}", f"k{number}", size, receives), agency=agency)]
        for number, (agency, receives, size) in enumerate(sent)
    ]
    for files in messages:
        plan.add(files)
    runs = plan.by_partition().runs
    assert sorted((files for run in runs for files in run), key=repr) == sorted(messages, key=repr)
    for run in runs:
        files = [file for group in run for file in group]
        assert len({file.receive_count for file in files}) == 1
        assert len(run) == 1 or (len(files) <= 8 and sum(file.size_bytes for file in files) <= 500)


def test_no_messages_make_no_runs() -> None:
    assert plan_runs([]) == []


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 400)), max_size=40), st.integers(1, 12))
def test_every_file_starts_and_only_new_files_are_merged(files: list[tuple[int, int]], slots: int) -> None:
    messages = [[queued(str(n), f"k{n}", size, receives)] for n, (receives, size) in enumerate(files)]
    runs = plan_runs(messages, max_files=8, max_bytes=500)
    started = fit_runs(runs, slots)
    all_files = [file.message_id for run in started for files in run for file in files]
    assert sorted(all_files, key=int) == [str(n) for n in range(len(files))]
    retried = [run for run in runs if run[0][0].receive_count > 1]
    assert [run for run in started if run in retried] == sorted(
        retried, key=lambda run: run[0][0].receive_count, reverse=True
    )
    assert len(started) <= max(slots, len(retried) + 1)


def test_runs_of_new_files_are_merged_into_the_remaining_slots() -> None:
    new = [[queued(str(n), "k", size=1 << 29)] for n in range(6)]
    started = fit_runs(plan_runs([*new, [queued("old", "k", receives=3)]]), 3)
    assert len(started) == 3
    assert [file.message_id for run in started for files in run for file in files].count("old") == 1
    assert sum(len(run) for run in started) == 7


@pytest.mark.parametrize(("mates", "slots", "together"), [(10, 10, 1), (10, 20, 1), (200, 10, 20), (30, 10, 3)])
def test_messages_of_a_run_that_died_are_spread_over_all_slots(mates: int, slots: int, together: int) -> None:
    dead = [[queued(str(n), str(n), receives=2)] for n in range(mates)]
    others = [[queued(f"other {n}", str(n), receives=2)] for n in range(5)]
    suspects = Suspects.spread({files[0].message_id for files in dead}, slots)
    runs = plan_runs([*others, *dead], suspects)
    sizes = {len(run) for run in runs if run[0][0].message_id in suspects.message_ids}
    assert sizes == {together}
    assert [[files[0].message_id for files in run] for run in runs if run[0] in others] == [
        [f"other {n}" for n in range(5)]
    ]
