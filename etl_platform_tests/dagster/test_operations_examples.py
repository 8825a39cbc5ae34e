"""The examples of docs/operate/correct-rows.md and query-reports.md do what the pages say."""

import json
import os
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from etl_platform.cli.main import main
from etl_platform.deliveries.delivery import Cause, ObjectVersion
from etl_platform.deliveries.report import Trigger
from etl_platform.platform import Platform
from etl_platform.settings import Settings, load_settings
from etl_platform_tests.unit.making import PROJECT

OPERATE = PROJECT / "docs" / "operate"
PAGE = (OPERATE / "correct-rows.md").read_text("utf-8")
FILES = dict(re.findall(r"^`([\w./]+)`:\n\n```csv\n(.*?)```$", PAGE, re.MULTILINE | re.DOTALL))
SESSIONS = re.findall(r"^```console\n(\$ .*?)```$", PAGE, re.MULTILINE | re.DOTALL)
SOURCE = "from_client/la_new_orleans/Training.csv"
# What differs between runs: times, run ids, and the hash of the contract.
VARIABLE = re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d(:\d\d)?|run [0-9a-f]{8}|(?<=1\.1\.0 )[0-9a-f]{6}")


def without_variable_parts(text: str) -> str:
    return VARIABLE.sub("…", text).strip()


def do(command: str) -> int:
    program, *arguments = shlex.split(command)
    assert program == "etl-platform"
    return main(arguments)


def ingest(key: str) -> None:
    """Ingest one file of the local root, without Dagster."""
    intake = Platform(load_settings()).intake
    intake.ingest(intake.route(ObjectVersion("local", key)), Trigger(Cause.EVENT, "8ce2b4a9-run"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which the page's file was ingested."""
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    source = tmp_path / "root" / SOURCE
    source.parent.mkdir(parents=True)
    source.write_text(FILES[SOURCE], "utf-8")
    arrived = datetime(2025, 7, 1, 8, tzinfo=UTC).timestamp()
    os.utime(source, (arrived, arrived))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    ingest(SOURCE)
    return tmp_path


def test_the_worked_example_moves_rows_from_quarantine_to_silver(
    folder: Path, dagster_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))
    monkeypatch.setenv("LOGNAME", "jane")
    commands = [part for session in SESSIONS for part in session.split("$ ")[1:]]
    assert len(commands) == 6
    for number, part in enumerate(commands):
        if number == 2:
            exported = (folder / "fix.csv").read_text("utf-8-sig")
            assert exported.replace("2025-02-30", "2025-02-28").replace("'-1", "1") == FILES["fix.csv"]
            (folder / "fix.csv").write_text(FILES["fix.csv"], "utf-8")
        command, _, printed = part.partition("\n")
        assert do(command) == 0, command
        assert without_variable_parts(capsys.readouterr().out) == without_variable_parts(printed), command
    (silver,) = folder.glob("root/silver/**/*.parquet")
    assert pl.read_parquet(silver)["officer_id"].to_list() == ["NOL0001", "NOL0002", "NOL0003", "NOL0005"]

    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        runs = instance.get_runs(dg.RunsFilter(tags={"etl_platform/by": "jane"}))
        assert [run.tags["dagster/partition"] for run in runs] == ["la_new_orleans"] * 2
        newest = instance.fetch_materializations(dg.AssetKey(["silver", "training"]), limit=1).records[0]
        assert newest.partition_key == "la_new_orleans"
        made = newest.asset_materialization
        assert made is not None
        assert made.metadata["dagster/partition_row_count"].value == 4
        assert made.metadata["quarantined_rows"].value == 1


def test_the_queries_of_the_page_read_the_reports(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ingest("from_client/la_new_orleans/gone/training.csv")
    ingest("from_client/la_new_orleans/unknown.csv")
    assert do("etl-platform replay --agency la_new_orleans --dataset training --by jane") == 0
    capsys.readouterr()

    page = (OPERATE / "query-reports.md").read_text("utf-8")
    found: list[list[dict[str, Any]]] = []
    for query in re.findall(r"^```sql\n(SELECT.*?);\n(?:```|\n)", page, re.MULTILINE | re.DOTALL)[:3]:
        assert main(["sql", query, "--json"]) == 0
        found.append([json.loads(line) for line in capsys.readouterr().out.splitlines()])

    months, rules, refused = found
    (month,) = [row for row in months if row["month"].startswith("2025-07")]
    assert (month["agency"], month["dataset"], month["deliveries"], month["replays"]) == (
        "la_new_orleans",
        "training",
        2,
        1,
    )
    assert [row["rows"] for row in rules] == [2, 2, 2]
    assert {row["key"] for row in refused} == {
        "from_client/la_new_orleans/gone/training.csv",
        "from_client/la_new_orleans/unknown.csv",
    }


def test_commands_for_an_agency_without_deliveries_print_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert do("etl-platform replay --agency tx_el_paso --dataset training") == 1
    assert capsys.readouterr().out.strip() == "tx_el_paso has not delivered any training yet"
    assert do("etl-platform history --agency tx_el_paso") == 0
    assert do("etl-platform quarantine --agency tx_el_paso --dataset training") == 0


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (
            "replay --agency la_new_orleans --dataset trainig",
            "--dataset trainig: unknown dataset; did you mean training?",
        ),
        ("replay --agency la_new_orleans --dataset training --delivery abc", "has no delivery abc of training"),
        ("replay --agency la_new_orleans --dataset training --corrections no.csv", "no.csv: no such file"),
        ("replay --agency la_new_orleans --dataset training --corrections s3://local/no.csv", "--corrections s3://"),
        ("quarantine --agency la_new_orleans --dataset training --delivery abc", "has no delivery abc of training"),
        ("quarantine --agency la_new_orleans --dataset training --out root", "exists already"),
        (
            "history --agency la_new_orleans --dataset trainig",
            "--dataset trainig: unknown dataset; did you mean training?",
        ),
    ],
)
def test_an_impossible_request_is_one_line_on_stderr(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, problem: str
) -> None:
    assert do(f"etl-platform {command}") == 2
    captured = capsys.readouterr()
    assert problem in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert not captured.out
