"""The files that arguments name: labels that no two share, folders, and names that are left out."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.errors import UsageError
from etl_platform.engine.named_files import _labels, find_files


def made(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a\n1\n", "utf-8")
    return paths


def labels(*arguments: Path, out: Path | None = None) -> list[str]:
    return [file.label for file in find_files(arguments, [out] if out else ()).files]


def test_a_label_is_the_file_name_and_only_same_names_have_folders_in_front(tmp_path: Path) -> None:
    made(tmp_path, "x/2024/A.csv", "x/2025/A.csv", "y/2025/A.csv", "x/B.csv")
    assert labels(tmp_path) == ["2024/A.csv", "x/2025/A.csv", "B.csv", "y/2025/A.csv"]


def test_names_that_differ_in_case_alone_have_different_labels_on_any_file_system(tmp_path: Path) -> None:
    one, two = made(tmp_path, "x/A.csv", "y/a.csv")
    assert labels(one, two) == ["x/A.csv", "y/a.csv"]


def test_a_file_named_twice_is_checked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made(tmp_path, "x/a.csv")
    assert labels(Path("x/a.csv"), Path("x"), Path("x/../x/a.csv"), tmp_path / "x" / "a.csv") == ["a.csv"]


def test_a_file_that_an_argument_names_is_checked_whatever_its_name(tmp_path: Path) -> None:
    (path, *_) = made(tmp_path, "a.tmp", "b.tmp", "c.csv")
    found = find_files([tmp_path, path])
    assert [file.label for file in found.files] == ["c.csv", "a.tmp"]
    assert [(left.path.name, left.code) for left in found.left_out] == [("b.tmp", "half_sent")]


def test_the_folder_of_results_and_links_to_folders_are_not_walked(tmp_path: Path) -> None:
    made(tmp_path, "a.csv", "results/a.csv/report.json")
    (tmp_path / "round").symlink_to(tmp_path, target_is_directory=True)
    assert labels(tmp_path, out=tmp_path / "results") == ["a.csv"]


def test_a_pipe_in_a_folder_is_no_file(tmp_path: Path) -> None:
    made(tmp_path, "a.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    assert labels(tmp_path) == ["a.csv"]
    with pytest.raises(UsageError, match="is not a file"):
        labels(tmp_path / "pipe.csv")


@given(st.sets(st.lists(st.sampled_from(["a", "A", "b", "c"]), min_size=1, max_size=4).map(tuple), min_size=1))
def test_no_two_files_share_a_label_and_each_label_ends_its_path(paths: set[tuple[str, ...]]) -> None:
    made_labels = _labels([Path("/", *parts) for parts in paths])
    assert len(made_labels) == len(paths)
    assert len(set(made_labels.values())) == len(paths)
    assert all(path.as_posix().endswith(f"/{label}") for path, label in made_labels.items())
