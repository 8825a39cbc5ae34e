"""Every command that prints a table, on terminals of several widths, in pipes and as CSV."""

import argparse
import csv
import io
import json
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from etl_platform.cli.main import build_parser, main
from etl_platform.settings import Settings
from etl_platform_tests.unit.cli.deliveries_of_long_names import AGENCY, COLUMN, DATASET, FILE, LongNames

TABLES = {
    "today": f"{AGENCY[:50]}",
    "status --since 365d": AGENCY,
    "status --stuck": "",
    "overdue": DATASET,
    "agency list": AGENCY,
    f"history --agency {AGENCY}": "accepted",
    "show {last}": COLUMN,
    "diff {last} {first}": COLUMN,
    f"quarantine --agency {AGENCY} --dataset {DATASET}": FILE,
    "sql 'SELECT agency, dataset, source.key, outcome FROM reports ORDER BY ALL'": AGENCY,
    f"replay --agency {AGENCY} --dataset {DATASET} --dry-run": FILE,
    "reconcile --grace 1d": AGENCY,
    f"erase --agency {AGENCY} --by me": FILE,
    "doctor": "",
    f"check fix.csv --contract {DATASET}": COLUMN,
    f"check fix.csv other.csv --contract {DATASET}": COLUMN,
    "check fix.csv --profile-only": COLUMN,
}
"""Each command with a name that its table shows."""
NO_TABLE = {"dlq", "breaker", "overview"}
"""Their tables need a queue or Dagster; they are printed by the same class."""
_ESCAPE = re.compile(r"\x1b\[\d*m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("terminal")
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.__dataclass_fields__:
            patch.delenv(name.upper(), raising=False)
        patch.delenv("NO_COLOR", raising=False)
        patch.setenv("TERM", "xterm")
        patch.setenv("LOCAL_S3_ROOT", str(folder / "root"))
        patch.setenv("CONTRACTS_DIR", str(folder / "contracts"))
        patch.chdir(folder)
        (folder / "root").mkdir()
        yield folder


@pytest.fixture(scope="module")
def ids(folder: Path) -> dict[str, str]:
    made = LongNames(folder / "contracts")
    for name in ("fix.csv", "other.csv"):
        (folder / name).write_text(f"ident,{COLUMN}\nid1,many\nid2,2\n,3\n")
    return {name: getattr(made, name).report.delivery_id for name in ("first", "last", "ignored")}


def printed(command: str, ids: dict[str, str], patch: pytest.MonkeyPatch, out: io.StringIO) -> str:
    patch.setattr(sys, "stdout", out)
    arguments = [part.format(**ids) if part.startswith("{") else part for part in shlex.split(command)]
    assert main(arguments) in {0, 1}
    return out.getvalue()


@pytest.mark.parametrize("command", TABLES)
def test_a_table_fits_the_terminal_and_loses_no_name(
    command: str, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {}
    for width in (80, 120, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        texts[width] = _ESCAPE.sub("", printed(command, ids, monkeypatch, Terminal()))
        # A terminal wraps a sentence itself; a line of a table has gaps.
        assert not [line for line in texts[width].splitlines() if len(line) > width and re.search(r"\S  |─", line)]
        assert TABLES[command] in texts[width]
    # Nothing is left out of a narrow one.
    words = [re.sub(r"[\s─]|\d+:\d+(:\d+)?", "", text) for text in texts.values()]
    assert words[0] == words[1] == words[2]


@pytest.mark.parametrize("command", TABLES)
def test_a_pipe_gets_no_colours_and_no_progress(
    command: str, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = printed(command, ids, monkeypatch, io.StringIO())
    assert "\x1b" not in out
    assert "\x1b" not in capfd.readouterr().err


def test_no_color_is_respected(ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    command = "status --since 365d"
    assert "\x1b" in printed(command, ids, monkeypatch, Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in printed(command, ids, monkeypatch, Terminal())


@pytest.mark.parametrize("command", TABLES)
def test_every_table_is_printed_as_csv_too(command: str, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = list(csv.reader(io.StringIO(printed(f"{command} --csv", ids, monkeypatch, io.StringIO()))))
    header, *rows = lines
    assert rows
    assert all(header)
    assert {len(row) for row in rows} == {len(header)}
    assert any(TABLES[command] in cell for row in rows for cell in row)


def test_every_command_with_json_has_csv_unless_it_prints_no_table() -> None:
    commands = dict(_options(build_parser(), ()))
    lacking = {words for words, options in commands.items() if "--json" in options and "--csv" not in options}
    assert lacking == {("dlq", "show"), ("dlq", "redrive"), ("breaker", "status"), ("breaker", "reset")}
    tried = {tuple(command.split()[:2]) for command in TABLES} | {(command.split()[0],) for command in TABLES}
    assert {words for words, options in commands.items() if "--csv" in options} - tried == {("dlq", "list")}


def _options(
    parser: argparse.ArgumentParser, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Sequence[str]]]:
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in below:
        for name, one in action.choices.items():
            yield from _options(one, (*words, name))
    if not below:
        yield words, [option for action in parser._actions for option in action.option_strings]


def test_the_day_is_on_one_screen(ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    text = printed("today", ids, monkeypatch, io.StringIO())
    assert "3 files of 1 agency: 1 accepted, 1 ignored, 1 rejected; 2 rows of accepted files quarantined" in text
    parts = {part.partition("\n")[0] for part in text.split("\n\n")}
    assert {"refused:", "failed, and not done yet:", "stuck:", "overdue:"} <= parts
    assert "nothing is refused" not in text


def test_the_day_as_json_has_every_part(ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(printed("today --json", ids, monkeypatch, io.StringIO()))
    assert [len(found[name]) for name in ("refused", "failed", "overdue")] == [2, 1, 1]
    assert {one["state"] for one in found["stuck"]} == {"stuck"}
    assert sum(sum(one["outcomes"].values()) for one in found["arrivals"]) == 3


def test_the_history_of_one_file_states_that_nobody_was_notified_without_a_channel(
    ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = printed("history --delivery {last}", ids, monkeypatch, io.StringIO())
    assert "nobody was notified of this file: there is no channel; set DELIVERY_EVENTS_TOPIC_ARN" in text


def test_a_day_without_anything_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_S3_ROOT", str(tmp_path))
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["today"]) == 0
    assert "nothing has arrived" in out.getvalue()
    assert "nothing is refused, stuck or overdue" in out.getvalue()


@pytest.mark.parametrize(
    "command",
    [
        "status --agency {}",
        "history --agency {}",
        f"quarantine --dataset {DATASET} --agency {{}}",
        f"replay --dataset {DATASET} --agency {{}}",
        "erase --by me --agency {}",
        "overdue --agency {}",
        "reconcile --agency {}",
    ],
)
def test_a_misspelt_agency_is_answered_with_a_near_one(
    command: str, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ids
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    main(shlex.split(command.format(AGENCY.replace("angeles", "angels"))))
    assert f"did you mean {AGENCY}?" in out.getvalue()


def test_an_ignored_file_is_shown_with_its_reason(ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed("show {ignored}", ids, monkeypatch, io.StringIO())
    assert text.startswith("IGNORED  Another_Kind")
    assert "no_contract" in text


def test_no_cell_of_a_csv_runs_as_a_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "=cmd|calc!A0.csv"
    file.write_text(f"ident,{COLUMN}\nid1,many\n")
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    main(["check", str(file), "--contract", DATASET, "--csv"])
    assert out.getvalue().splitlines()[1].startswith("'=cmd")


def test_several_files_get_a_workbook_each_and_a_page_each(ids: dict[str, str], tmp_path: Path) -> None:
    assert ids
    assert main(["check", "fix.csv", "nothing.csv", "--xlsx", str(tmp_path / "x"), "--html", str(tmp_path / "h")]) == 2
    assert [path.name for path in sorted((tmp_path / "h").iterdir())] == ["fix.csv.html", "nothing.csv.html"]
    assert "not checked" in (tmp_path / "h" / "nothing.csv.html").read_text().lower()
    assert not (tmp_path / "x" / "nothing.csv.xlsx").exists()


def test_a_page_says_why_a_file_was_not_checked(
    ids: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ids
    page = tmp_path / "page.html"
    assert main(["check", "other.csv", "--html", str(page)]) == 2
    assert "no contract matches the file name other.csv" in capsys.readouterr().err
    text = page.read_text()
    assert "Not checked: other.csv" in text
    assert "The file was not checked" in text
    assert "No contract matches the file name other.csv" in text
