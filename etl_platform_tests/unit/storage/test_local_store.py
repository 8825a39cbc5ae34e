"""A local folder as an object store: what another process sees while an object is written."""

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from etl_platform.errors import ObjectMissingError, PreconditionFailedError
from etl_platform.storage.local_store import LocalStore

KEY = "silver/things/agency=a/things.parquet"


def _write_until(root: Path, stop: object) -> None:
    store, number = LocalStore(root), 0
    while not stop.is_set():  # type: ignore[attr-defined]
        number += 1
        store.write("b", KEY, b"x" * number, metadata={"bytes": str(number)})


@contextmanager
def writer(root: Path) -> Iterator[None]:
    """Another process that replaces the object over and over."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    process = context.Process(target=_write_until, args=(root, stop))
    process.start()
    try:
        yield
    finally:
        stop.set()
        process.join()
    assert process.exitcode == 0


def test_a_reader_sees_an_object_with_its_own_metadata_while_another_process_replaces_it(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("b", KEY, b"", metadata={"bytes": "0"})
    sizes: set[int] = set()
    with writer(tmp_path):
        while len(sizes) < 100:
            head = store.head("b", KEY)
            assert head.metadata == {"bytes": str(head.size_bytes)}
            assert [one.key for one in store.list("b", "")] == [KEY], "no unfinished file is listed"
            sizes.add(head.size_bytes)


def test_a_writer_waits_for_a_reader_between_object_and_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader has seen the size of the old object when the writer begins."""
    store, rival = LocalStore(tmp_path), LocalStore(tmp_path)
    store.write("b", KEY, b"old", metadata={"version": "old"})
    writers: list[threading.Thread] = []
    meta = LocalStore._meta

    def meta_with_a_rival(self: LocalStore, key: str) -> Path:
        if self is store and not writers:
            writers.append(
                threading.Thread(target=rival.write, args=("b", KEY, b"newer"), kwargs={"metadata": {"version": "new"}})
            )
            writers[0].start()
            writers[0].join(0.2)
        return meta(self, key)

    monkeypatch.setattr(LocalStore, "_meta", meta_with_a_rival)
    head = store.head("b", KEY)
    writers[0].join()

    assert (head.size_bytes, head.metadata) == (3, {"version": "old"})
    assert store.head("b", KEY).metadata == {"version": "new"}


def test_a_folder_that_is_only_read_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "from_client").mkdir()
    (tmp_path / "from_client" / "a.csv").write_bytes(b"x")
    store = LocalStore(tmp_path)
    assert store.head("b", "from_client/a.csv").metadata == {}
    with pytest.raises(ObjectMissingError):
        store.head("b", "from_client/b.csv")
    assert [path.name for path in tmp_path.rglob("*")] == ["from_client", "a.csv"]


def test_a_write_whose_condition_is_not_met_leaves_nothing_behind(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("b", KEY, b"first")
    with pytest.raises(PreconditionFailedError):
        store.write("b", KEY, b"second", if_absent=True)
    assert store.read("b", KEY) == b"first"
    assert not list(tmp_path.rglob("*part"))
