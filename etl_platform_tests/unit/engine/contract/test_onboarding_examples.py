"""The examples of docs/onboard/ do what the pages say."""

import re
from pathlib import Path

import pytest

from etl_platform.cli.main import main
from etl_platform_tests.unit.making import PROJECT
from etl_platform_tests.unit.page_examples import assert_prints, commands_of, enter_folder_of

PAGES = "\n".join(
    (PROJECT / "docs" / "onboard" / name).read_text("utf-8") for name in ("dataset.md", "special-columns.md", "api.md")
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the pages, in a working folder without settings."""
    monkeypatch.syspath_prepend(tmp_path)
    enter_folder_of(PAGES, tmp_path, monkeypatch)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("command", "printed"), commands_of(PAGES), ids=lambda value: value.partition("\n")[0][:60])
def test_a_command_prints_what_its_page_shows(capsys: pytest.CaptureFixture[str], command: str, printed: str) -> None:
    assert_prints(command, printed, capsys)


def test_the_pages_have_their_examples(folder: Path) -> None:
    assert len(commands_of(PAGES)) >= 4
    assert (folder / "contracts" / "references" / "courts.csv").is_file()


def test_silver_holds_what_the_page_says(folder: Path) -> None:
    import polars as pl

    main(["check", "Citations.csv", "--contract", "contracts/citations.odcs.yaml", "--out", "result"])
    shown = re.search(r"Silver holds `([^`]+)`", PAGES)
    assert shown is not None
    row = pl.read_parquet(folder / "result" / "silver.parquet").row(0)
    assert ", ".join(map(str, row)) == shown[1]
