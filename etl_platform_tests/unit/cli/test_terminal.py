"""Every command that prints a table, on terminals of several widths, in pipes and as CSV."""

import argparse
import csv
import io
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
    return {"first": made.first.report.delivery_id, "last": made.last.report.delivery_id}


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
