"""The examples of docs/onboard/ do what the pages say."""

import re
import shlex
from pathlib import Path

import pytest

from etl_platform.cli.main import main
from etl_platform.settings import Settings
from etl_platform_tests.unit.making import PROJECT

PAGES = "\n".join(
    (PROJECT / "docs" / "onboard" / name).read_text("utf-8") for name in ("dataset.md", "special-columns.md", "api.md")
)
FILE = re.compile(r"^`([\w./]+)`[^\n]*:\n\n```\w+\n(.*?)```$", re.MULTILINE | re.DOTALL)
SESSION = re.compile(r"^```console\n(\$ .*?)```$", re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Every command of the pages with what it prints."""
    found = []
    for session in SESSION.findall(PAGES):
        for part in session.split("$ ")[1:]:
            command, _, printed = part.partition("\n")
            found.append((command, printed))
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the pages, in a working folder without settings."""
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, content in FILE.findall(PAGES):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return tmp_path


@pytest.mark.parametrize(("command", "printed"), commands(), ids=lambda value: value.partition("\n")[0][:60])
def test_a_command_prints_what_its_page_shows(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, printed: str
) -> None:
    program, *arguments = shlex.split(command)
    assert program == "etl-platform"
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == printed.strip()
    assert not captured.err


def test_the_pages_have_their_examples(folder: Path) -> None:
    assert len(commands()) >= 4
    assert (folder / "contracts" / "references" / "courts.csv").is_file()


def test_silver_holds_what_the_page_says(folder: Path) -> None:
    import polars as pl

    main(["check", "Citations.csv", "--contract", "contracts/citations.odcs.yaml", "--out", "result"])
    shown = re.search(r"Silver holds `([^`]+)`", PAGES)
    assert shown is not None
    row = pl.read_parquet(folder / "result" / "silver.parquet").row(0)
    assert ", ".join(map(str, row)) == shown[1]
