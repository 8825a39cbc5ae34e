"""The example of docs/onboard/agency-habits.md does what the page says."""

import re
import shlex
from pathlib import Path

import pytest

from etl_platform.cli.main import main
from etl_platform.engine.overlays.fields import COLUMN_FIELDS, TOP_FIELDS
from etl_platform.settings import Settings
from etl_platform_tests.unit.making import PROJECT

PAGE = (PROJECT / "docs/onboard/agency-habits.md").read_text("utf-8")
CONTRACT_PAGE = (PROJECT / "docs/onboard/dataset.md").read_text("utf-8")
FILE = re.compile(r"^`([\w./]+)`[^\n]*:\n\n```\w+\n(.*?)```$", re.MULTILINE | re.DOTALL)
SESSION = re.compile(r"^```console\n(\$ .*?)```$", re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    parts = [part for session in SESSION.findall(PAGE) for part in session.split("$ ")[1:]]
    return [(command, printed) for command, _, printed in (part.partition("\n") for part in parts)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CONTRACTS_DIR", "contracts")
    monkeypatch.chdir(tmp_path)
    for name, content in (*FILE.findall(CONTRACT_PAGE), *FILE.findall(PAGE)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return tmp_path


def test_the_page_has_its_examples(folder: Path) -> None:
    assert len(commands()) == 2
    assert (folder / "contracts/agencies/mesa/jail_bookings.yaml").is_file()


@pytest.mark.parametrize(("command", "printed"), commands(), ids=lambda value: value.partition("\n")[0][:60])
def test_a_command_prints_what_the_page_shows(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, printed: str
) -> None:
    program, *arguments = shlex.split(command)
    assert program == "etl-platform"
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == printed.strip()
    assert not captured.err


def test_the_reference_lists_every_field_of_an_overlay_and_no_other() -> None:
    page = (PROJECT / "docs/reference/overlay.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    listed = {name.partition(":")[0] for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert listed == {*TOP_FIELDS, *COLUMN_FIELDS}
