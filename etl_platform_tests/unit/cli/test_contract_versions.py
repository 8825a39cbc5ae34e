"""``etl-platform contract versions`` in real git repositories: branches, the main branch, and shallow clones."""

import shutil
import subprocess
from pathlib import Path

import pytest

from etl_platform.cli.main import main
from etl_platform_tests.unit.making import contract_data, text, yaml_text

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
IDENTITY = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *IDENTITY, *arguments], check=True, capture_output=True)


def write(folder: Path, version: str, *columns: str, commit: bool = True) -> None:
    data = contract_data([text(name) for name in columns], version=version)
    (folder / "things.odcs.yaml").write_text(yaml_text(data), "utf-8")
    if commit:
        git(folder, "add", "-A")
        git(folder, "commit", "-m", version)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-b", "main")
    write(folder, "1.0.0", "a", "b")
    return folder


def clone(origin: Path, *options: str) -> Path:
    folder = origin.parent / "clone"
    subprocess.run(["git", "clone", "-q", *options, f"file://{origin}", str(folder)], check=True, capture_output=True)
    return folder


def test_an_edit_that_is_not_committed_is_compared_with_head(origin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "versions", str(origin)]) == 0
    write(origin, "1.0.0", "a", "b", "c", commit=False)
    assert main(["contract", "versions", str(origin)]) == 2
    assert "was changed, and version is still 1.0.0; write 1.1.0" in capsys.readouterr().err
    write(origin, "1.1.0", "a", "b", "c", commit=False)
    assert main(["contract", "versions", str(origin)]) == 0


def test_a_commit_on_the_main_branch_is_compared_with_the_one_before(
    origin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(origin, "1.1.0", "a")
    assert main(["contract", "versions", str(origin)]) == 2
    assert "for a breaking change (the column b is gone); write 2.0.0" in capsys.readouterr().err


def test_the_commits_of_a_branch_are_compared_with_where_it_began(origin: Path) -> None:
    branch = clone(origin)
    git(branch, "checkout", "-b", "work")
    write(branch, "1.0.0", "a", "b", "c")
    (branch / "README").write_text("x", "utf-8")
    git(branch, "add", "-A")
    git(branch, "commit", "-m", "the contract is not in this commit")
    assert main(["contract", "versions", str(branch)]) == 2
    write(branch, "1.1.0", "a", "b", "c")
    assert main(["contract", "versions", str(branch)]) == 0


def test_a_clone_without_history_is_compared_with_head(origin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(origin, "1.1.0", "a", "b", "c")
    shallow = clone(origin, "--depth", "1")
    assert main(["contract", "versions", str(shallow)]) == 0
    assert "versions compared with HEAD\n" in capsys.readouterr().out
    write(shallow, "1.1.0", "a", "b", commit=False)
    assert main(["contract", "versions", str(shallow)]) == 2


def test_a_commit_that_is_not_here_is_an_error_with_what_to_do(
    origin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["contract", "versions", str(origin), "--since", "v9"]) == 2
    assert "git fetch --deepen" in capsys.readouterr().err
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "x.odcs.yaml").write_text("", "utf-8")
    assert main(["contract", "versions", str(bare)]) == 2
    assert "is not in a git repository" in capsys.readouterr().err


def test_a_new_contract_needs_no_earlier_version(origin: Path) -> None:
    data = contract_data([text("a")], dataset="others")
    (origin / "others.odcs.yaml").write_text(yaml_text(data), "utf-8")
    assert main(["contract", "versions", str(origin)]) == 0


def test_what_cannot_be_read_is_named_and_the_other_contracts_are_compared(
    origin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(origin, "1.0.0", "a")
    write(origin, "1.0.0", "a", "b", commit=False)
    (origin / "latin.odcs.yaml").write_bytes(b"id: \xe9")
    (origin / "broken.odcs.yaml").write_text("id: [", "utf-8")
    assert main(["contract", "versions", str(origin)]) == 2
    lines = capsys.readouterr().err
    assert "latin.odcs.yaml: byte 5 is not UTF-8" in lines
    assert "broken.odcs.yaml" in lines
    assert "things.odcs.yaml" in lines


def test_a_folder_that_is_not_there_or_has_no_contract_is_a_usage_error(
    origin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["contract", "versions", str(origin / "nowhere")]) == 2
    assert "is not a folder of contracts" in capsys.readouterr().err
    (origin / "empty").mkdir()
    assert main(["contract", "versions", str(origin / "empty")]) == 2
    assert "has no contract" in capsys.readouterr().err
