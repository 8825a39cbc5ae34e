"""The examples of a page: files that it shows by name, and commands with what they print. No tests."""

import re
import shlex
from pathlib import Path

import pytest

from etl_platform.cli.main import main
from etl_platform.settings import Settings

_FILE = re.compile(r"^`([\w./]+)`[^\n]*:\n\n```\w+\n(.*?)```$", re.MULTILINE | re.DOTALL)
_SESSION = re.compile(r"^```console\n(\$ .*?)```$", re.MULTILINE | re.DOTALL)


def commands_of(page: str) -> list[tuple[str, str]]:
    """Every command of a page with what it prints."""
    parts = [part for session in _SESSION.findall(page) for part in session.split("$ ")[1:]]
    return [(command, printed) for command, _, printed in (part.partition("\n") for part in parts)]


def enter_folder_of(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the files of a page into the folder, which becomes the working folder without settings."""
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(folder)
    for name, content in _FILE.findall(page):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")


def assert_prints(command: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *arguments = shlex.split(command)
    assert program == "etl-platform"
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == printed.strip()
    assert not captured.err
