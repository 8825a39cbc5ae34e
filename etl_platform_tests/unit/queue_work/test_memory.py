"""Memory that concurrent work shares: never more than all of it, and everybody gets some."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.queue_work import memory
from etl_platform.queue_work.memory import MemoryBudget, budget_of_run

WAIT_S = 30


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 15), min_size=1, max_size=30))
def test_reservations_never_exceed_the_budget_unless_one_is_alone(sizes: Sequence[int]) -> None:
    budget, lock, held, seen = MemoryBudget(10), threading.Lock(), list[int](), list[tuple[int, ...]]()

    def work(size: int) -> None:
        with budget.reserve(size):
            with lock:
                held.append(size)
                seen.append(tuple(held))
            with lock:
                held.remove(size)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, sizes))
    assert len(seen) == len(sizes)
    assert all(sum(together) <= 10 or len([size for size in together if size]) == 1 for together in seen)


def test_small_work_goes_on_beside_large_work_and_while_other_large_work_waits() -> None:
    budget, small_is_done, second_began = MemoryBudget(10), threading.Event(), threading.Event()

    def second() -> None:
        with budget.reserve(8):
            second_began.set()

    def small() -> None:
        with budget.reserve(2):
            small_is_done.set()

    with ThreadPoolExecutor(2) as pool, budget.reserve(8):
        large = pool.submit(second)
        pool.submit(small).result(WAIT_S)
        assert small_is_done.is_set()
        assert not second_began.is_set()
    large.result(WAIT_S)
    assert second_began.is_set()


def test_an_error_frees_what_was_reserved() -> None:
    budget = MemoryBudget(10)
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), budget.reserve(9):
            raise ValueError("x")
    with budget.reserve(5), budget.reserve(5):
        pass


@pytest.mark.parametrize(
    ("container", "machine", "mib"),
    [
        ("2147483648\n", "MemTotal:  24684000 kB\nMemFree: 1 kB\n", 2048),
        ("max\n", "MemTotal:  1048576 kB\n", 1024),
        ("9223372036854771712\n", "MemTotal:  1048576 kB\n", 1024),
        (None, "MemTotal:  1048576 kB\n", 1024),
        ("1073741824\n", None, 1024),
        (None, None, None),
    ],
)
def test_the_memory_of_a_run_is_the_limit_of_its_container_or_the_machine_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, container: str | None, machine: str | None, mib: int | None
) -> None:
    for name, content in (("memory.max", container), ("meminfo", machine)):
        if content is not None:
            (tmp_path / name).write_text(content, "ascii")
    monkeypatch.setattr(memory, "_CONTAINER_LIMITS", (tmp_path / "memory.max", tmp_path / "absent"))
    monkeypatch.setattr(memory, "_MACHINE", tmp_path / "meminfo")
    found, expected = budget_of_run(), MemoryBudget() if mib is None else budget_of_run(mib << 20)
    assert vars(found)["_size_bytes"] == vars(expected)["_size_bytes"]
    assert (vars(found)["_size_bytes"] is None) == (mib is None)
