"""The example of docs/onboard/agency-habits.md does what the page says."""

import re
from pathlib import Path

import pytest

from etl_platform.engine.overlays.fields import COLUMN_FIELDS, TOP_FIELDS
from etl_platform_tests.unit.making import PROJECT
from etl_platform_tests.unit.page_examples import assert_prints, commands_of, enter_folder_of

PAGE = (PROJECT / "docs/onboard/agency-habits.md").read_text("utf-8")
CONTRACT_PAGE = (PROJECT / "docs/onboard/dataset.md").read_text("utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter_folder_of(f"{CONTRACT_PAGE}\n{PAGE}", tmp_path, monkeypatch)
    monkeypatch.setenv("CONTRACTS_DIR", "contracts")
    return tmp_path


def test_the_page_has_its_examples(folder: Path) -> None:
    assert len(commands_of(PAGE)) == 2
    assert (folder / "contracts/agencies/mesa/jail_bookings.yaml").is_file()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("command", "printed"), commands_of(PAGE), ids=lambda value: value.partition("\n")[0][:60])
def test_a_command_prints_what_the_page_shows(capsys: pytest.CaptureFixture[str], command: str, printed: str) -> None:
    assert_prints(command, printed, capsys)


def test_the_reference_lists_every_field_of_an_overlay_and_no_other() -> None:
    page = (PROJECT / "docs/reference/overlay.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    listed = {name.partition(":")[0] for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert listed == {*TOP_FIELDS, *COLUMN_FIELDS}
