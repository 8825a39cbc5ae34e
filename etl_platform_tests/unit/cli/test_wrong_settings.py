"""A wrong ``.env`` is one line and exit code 2, in every command of every entry point."""

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_platform.cli.main import build_parser, main
from etl_platform.definitions import build_defs
from etl_platform.errors import SettingsError
from etl_platform.settings import Settings

WRONG = "PORT='eighty': takes a whole number from 1 to 65,535"
NO_SETTINGS = {"contract draft", "jobs", "token", "ui"}
"""These commands read none."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the wrong file."""
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / ".env").write_text("PORT=eighty\n", "utf-8")
    (tmp_path / "Officer_Detail.csv").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands(parser: argparse.ArgumentParser, *names: str) -> Iterator[tuple[str, list[str]]]:
    """Every command with the arguments of the example of its help."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for group in groups:
        for name, below in group.choices.items():
            yield from commands(below, *names, name)
    if not groups:
        example = re.search(r"^  etl-platform (.+)$", parser.epilog or "", re.MULTILINE)
        assert example, names
        yield " ".join(names), shlex.split(example[1])


COMMANDS = dict(commands(build_parser()))


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - NO_SETTINGS))
def test_every_command_ends_with_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(COMMANDS[name]) == 2
    assert capsys.readouterr() == ("", f"etl-platform: {WRONG}\n")


@pytest.mark.parametrize(
    ("arguments", "program"),
    [(("etl_platform", "status"), "etl-platform"), (("etl_platform.local", "dev"), "error")],
)
def test_modules_that_are_run_end_with_one_line(folder: Path, arguments: tuple[str, ...], program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{program}: {WRONG}\n")


def test_dagster_gets_the_same_line_as_the_error_of_the_code_location() -> None:
    with pytest.raises(SettingsError) as raised:
        build_defs()
    assert str(raised.value) == WRONG


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"A=1\nPORT 8080\n", ".env, line 2: not a setting; write NAME=value"),
        (b"PORT\n", ".env, line 1: not a setting; write NAME=value"),
        (b"DATABASE_URL='postgresql://a:secret@b/c\n", ".env, line 1: not a setting; write NAME=value"),
        (b"PORT=\xff\n", ".env: byte 6 is not UTF-8; save it as UTF-8"),
    ],
)
def test_a_line_that_sets_nothing_is_not_passed_over(
    folder: Path, content: bytes, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".env").write_bytes(content)
    assert main(["status"]) == 2
    assert capsys.readouterr().err == f"etl-platform: {problem}\n"


def test_an_env_file_that_is_a_folder_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".env").unlink()
    (folder / ".env").mkdir()
    assert main(["status"]) == 2
    assert capsys.readouterr().err == "etl-platform: .env cannot be read: Is a directory\n"
