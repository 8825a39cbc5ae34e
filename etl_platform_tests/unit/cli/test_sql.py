"""``etl-platform sql``: what it prints, its exit codes, and the files that it writes."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from etl_platform.cli.main import main
from etl_platform.settings import Settings
from etl_platform_tests.unit.tables.bucket import ROW, Bucket


@pytest.fixture(autouse=True)
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Two agencies in the bucket that the environment names."""
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    made = Bucket(tmp_path)
    for agency, size in (("agency_a", 7), ("agency_b", 1_234)):
        made.write(agency, ROW | {"size": size})
    monkeypatch.setenv("LOCAL_S3_ROOT", str(made.root))
    monkeypatch.setenv("CONTRACTS_DIR", str(made.contracts_dir))
    return made


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["sql", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_rows_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "SELECT ident, size, flag, fee, moment, agency FROM things ORDER BY agency")

    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["ident", "size", "flag", "fee", "moment", "agency"],
        ["─────", "─────", "────", "────", "──────", "────────"],
        ["a", "7", "true", "1.50", "agency_a"],
        ["a", "1,234", "true", "1.50", "agency_b"],
        ["2", "rows"],
    ]


def test_a_query_without_rows_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "FROM things WHERE agency = 'agency_x'")[:2] == (0, "0 rows\n")


def test_a_long_result_names_how_to_get_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "SELECT range FROM range(1000)")

    assert out.splitlines()[-1] == "1,000 rows; 200 shown; --csv prints all"
    assert len(out.splitlines()) == 203


@pytest.mark.parametrize("width", [80, 30])
def test_a_table_fits_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda **_: os.terminal_size((width, 24)))

    _, out, _ = call(capsys, "SELECT repeat('word ', 30) AS text_column, * FROM things")

    *table, _ = out.splitlines()
    assert max(map(len, table)) <= width
    assert "…" in "".join(table)


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\\x1b" in call(capsys, "SELECT chr(27) || '[2J' AS x")[1]


def test_json_lines_have_every_digit_and_iso_dates(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "SELECT *, [1, 2] AS list, 'nan'::DOUBLE AS nan FROM things LIMIT 1", "--json")

    assert code == 0
    assert json.loads(out) == {
        "ident": "a",
        "size": 7,
        "share": 0.25,
        "fee": "1.50",
        "flag": True,
        "day": "2026-01-31",
        "moment": None,
        "hour": "09:05:00",
        "agency": "agency_a",
        "list": [1, 2],
        "nan": "nan",
    }


def test_csv_has_a_header_and_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "SELECT size, flag, moment, 'a, b' AS t FROM things ORDER BY size DESC", "--csv")

    assert out == 'size,flag,moment,t\n1234,true,,"a, b"\n7,true,,"a, b"\n'


def test_out_writes_parquet_with_the_types(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = call(capsys, "SELECT fee, day FROM things", "--out", "fees.parquet")

    assert (code, out) == (0, "2 rows written to fees.parquet\n")
    assert call(capsys, "SELECT 1", "--out", "one.parquet")[1] == "1 row written to one.parquet\n"
    assert pl.read_parquet(tmp_path / "fees.parquet").rows() == [(Decimal("1.50"), date(2026, 1, 31))] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("SELECT 1", "--out", "x.csv"), "--out x.csv must end with .parquet"),
        (("SELECT 1", "--out", "no/x.parquet"), "--out no/x.parquet: the folder does not exist"),
        (("FROM nothing",), "Table with name nothing does not exist! The tables are reports, things"),
        (("DROP VIEW things",), "only one SELECT can be run: the tables are read-only"),
    ],
)
def test_a_wrong_call_says_what_is_right(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = call(capsys, *arguments)

    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_an_existing_file_is_not_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("precious")

    code, _, err = call(capsys, "SELECT 1", "--out", "x.parquet")

    assert (code, (tmp_path / "x.parquet").read_text()) == (2, "precious")
    assert "exists already" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_query_that_is_ended_by_a_signal_leaves_no_file(tmp_path: Path, number: signal.Signals) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    # The object of each row is downloaded before the endless part of the query begins.
    query = "SELECT count(*) FROM things, range(1_000_000_000_000)"
    # The tests themselves may run where a signal is ignored, such as under nohup.
    program = (
        f"import signal, sys; signal.signal({number}, signal.SIG_DFL); "
        "from etl_platform.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "sql", query]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(scratch)}, stderr=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + 60
            while not any(path.is_file() for path in scratch.rglob("*")) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert any(scratch.iterdir()), "the query did not begin"
            process.send_signal(number)
            errors = process.communicate(timeout=60)[1]
        finally:
            process.kill()

    assert (process.returncode, errors) == (128 + number, b"")
    assert list(scratch.iterdir()) == []
