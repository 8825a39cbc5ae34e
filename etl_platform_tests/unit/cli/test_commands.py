"""The command line, called with arguments: exit codes, stdout, stderr, and written files."""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from etl_platform.cli.jobs import JOBS
from etl_platform.cli.main import build_parser, main
from etl_platform.deliveries.waiting import WaitingRecords
from etl_platform.engine.contract_folder import load_contracts
from etl_platform.engine.output.quarantine_files import read_corrections
from etl_platform.settings import Settings
from etl_platform.storage.local_store import LocalStore
from etl_platform_tests.unit.deliveries.failed_delivery import RECORD
from etl_platform_tests.unit.intake_place import Place
from etl_platform_tests.unit.making import (
    CONTRACTS,
    PROJECT,
    contract_data,
    contract_text,
    custom,
    listing,
    text,
    yaml_text,
)

KEYS = {"outcome", "rows", "accepted_rows", "quarantined_rows", "reasons", "dialect", "columns", "profile", "errors"}
SAMPLE = (CONTRACTS / "event.json").read_text("utf-8")
KEY = "from_client/nm_albuquerque/Officer_Detail.csv"
ROSTER = (
    "officer_id,last_name,first_name,hire_date,dob,employment_status\n"
    "A1,Doe,Jo,2001-02-03,1970-01-01,ACTIVE\n"
    "A2,Roe,Al,2001-02-03,1971-01-01,ACTIVE\n"
    "A3,Poe,Em,2001-99-03,1971-13-41,ACTIVE\n"
)
CONTRACT = contract_text(
    """
    apiVersion: v3.2.0
    kind: DataContract
    id: things
    version: 1.0.0
    status: active
    schema:
      - name: things
        properties:
          - {name: ident, logicalType: string, required: true}
          - {name: size, logicalType: integer}
        quality:
          - {name: small, type: custom, engine: rowRule, implementation: size < 10}
    """
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, without settings in the environment."""
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(list(arguments))
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def write(name: str, content: str) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(content, "utf-8")
    return name


def test_a_good_file_is_accepted_and_a_bad_one_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "check", write("Officer_Detail.csv", ROSTER))
    assert code == 0
    assert out.startswith("ACCEPTED")
    assert "line 4: 2001-99-03" in out
    assert "1971" not in out
    code, out, _ = call(capsys, "check", write("Officer_Detail.csv", "officer_id,first_name,dob\n1,Jo,1970-01-01\n"))
    assert code == 1
    assert out.startswith("REJECTED")
    assert "missing_column" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "missing.csv"],
        ["check", "empty"],
        ["check", "Officer_Detail.csv", "unknown.csv", "--contract", "nobody"],
        ["check", "Officer_Detail.csv", "unknown.csv", "--contract", "broken.odcs.yaml"],
        ["check", "Officer_Detail.csv", "unknown.csv", "--out", "unknown.csv"],
        ["check", ".", "--out", "."],
        ["check", "Officer_Detail.csv.filepart"],
        ["check", "unknown.csv"],
        ["check", "Officer_Detail.csv", "--contract", "nobody"],
        ["check", "Officer_Detail.csv", "--contract", "missing.odcs.yaml"],
        ["check", "Officer_Detail.csv", "--contract", "."],
        ["check", "Officer_Detail.csv", "--contract", "broken.odcs.yaml"],
        ["check", "Officer_Detail.csv", "--contract", "bad_rule.odcs.yaml"],
        ["check", "Officer_Detail.csv", "--contract", "training", "--profile-only"],
        ["check", "Officer_Detail.csv", "--out", "unknown.csv"],
        ["check", "Officer_Detail.csv", "--out", "unknown.csv/below"],
        ["check"],
        ["nonsense"],
        [],
        ["run", "no_such_job"],
        ["run", "s3_data_quality_job"],
        ["run", "s3_data_quality_job", "--", "--event-json", "{}"],
        ["run", "s3_data_quality_job", "--", "--event-json", "[1"],
        ["run", "s3_data_quality_job", "--", "--events-file", "missing.json"],
        ["run", "s3_data_quality_job", "--", "--event-json", SAMPLE, "--events-file", "x"],
        ["status", "--since", "yesterday"],
        ["status", "--outcome", "refused"],
        ["status", "--stuck", "--dataset", "officer_detail"],
        ["contract", "check", "missing"],
        ["contract", "check", "empty"],
    ],
)
def test_invalid_arguments_exit_2_with_a_message_on_stderr(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    write("Officer_Detail.csv", ROSTER)
    write("unknown.csv", "a\n1\n")
    write("broken.odcs.yaml", CONTRACT.replace("v3.2.0", "v0"))
    write("bad_rule.odcs.yaml", CONTRACT.replace("size < 10", "sise < 10"))
    write("Officer_Detail.csv.filepart", ROSTER)
    Path("empty").mkdir()
    code, out, err = call(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.strip()
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ["silver.parquet", "quarantine.parquet", "quarantine.csv", "report.json"])
@pytest.mark.parametrize("more", [["--contract", "officer_detail"], ["--profile-only"]])
def test_an_input_file_is_not_overwritten_by_results(
    capsys: pytest.CaptureFixture[str], name: str, more: list[str]
) -> None:
    code, _, err = call(capsys, "check", write(f"result/{name}", ROSTER), "--out", "result", *more)
    assert (code, Path("result", name).read_text("utf-8")) == (2, ROSTER)
    assert "name another folder" in err


def test_control_characters_of_a_file_are_shown_as_codes(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J\nACCEPTED"
    content = (
        f'report {evil},\n"officer_id","last_name","hire_date","{evil}"\nA1,Doe,2001-02-03,x\n"A2{evil}",Roe,y,z\n'
    )
    for more in [], ["--profile-only"]:
        _, out, _ = call(capsys, "check", write("Officer_Detail.csv", content), *more)
        assert "\x1b" not in out
        assert out.count("\nACCEPTED") == 0
        assert "\\x1b[2J\\x0aACCEPTED" in out


def test_characters_that_a_console_cannot_print_are_replaced() -> None:
    renamed = write("Officer_Detail.csv", ROSTER.replace("officer_id", "tax_number"))
    command = [sys.executable, "-m", "etl_platform", "check", renamed]
    done = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": "cp1252"}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"tax_number ? officer_id" in done.stdout


@pytest.mark.parametrize("more", [[], ["--profile-only"]])
@pytest.mark.parametrize("content", [ROSTER, "", "officer_id\n"])
def test_json_has_the_same_keys_for_every_outcome(
    capsys: pytest.CaptureFixture[str], content: str, more: list[str]
) -> None:
    code, out, err = call(capsys, "check", write("Officer_Detail.csv", content), "--json", *more)
    report = json.loads(out)
    assert set(report) >= KEYS
    assert code == (1 if report["outcome"] == "rejected" else 0)
    assert err == ""
    for error in report["errors"]:
        assert set(error) == {"code", "message", "line"}


def test_json_counts_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "check", write("Officer_Detail.csv", ROSTER), "--json")
    report = json.loads(out)
    assert (report["rows"], report["accepted_rows"], report["quarantined_rows"]) == (3, 2, 1)
    assert report["reasons"] == {"hire_date.type": 1, "dob.type": 1}
    assert {"encoding", "delimiter", "header_line"} <= set(report["dialect"])


def test_out_has_silver_quarantine_and_report(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    call(capsys, "check", write("Officer_Detail.csv", ROSTER), "--out", "made/here")
    assert set(listing(folder / "made/here")) == {
        "silver.parquet",
        "quarantine.parquet",
        "quarantine.csv",
        "report.json",
    }
    _, out, _ = call(capsys, "check", "Officer_Detail.csv", "--json")
    written = json.loads((folder / "made/here/report.json").read_text("utf-8"))
    assert {**written, "checked_at": ""} == {**json.loads(out), "checked_at": ""}
    assert (written["file"], written["dataset"]) == ("Officer_Detail.csv", "officer_detail")
    assert written["contract"]["version"]
    assert datetime.fromisoformat(written["checked_at"]).tzinfo is not None


def test_each_of_several_files_has_its_own_folder_of_results(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    write("sent/a/Officer_Detail.csv", ROSTER)
    write("sent/b/Officer_Detail.csv", ROSTER.partition("A3")[0])
    write("Officers.csv", "officer_id,first_name,dob\n1,Jo,1970-01-01\n")
    code, out, err = call(capsys, "check", "Officers.csv", "sent", "--contract", "officer_detail", "--out", "made")
    assert (code, err) == (1, "")
    made = {path.parent.relative_to(folder / "made").as_posix() for path in (folder / "made").rglob("report.json")}
    assert made == {"Officers.csv", "a/Officer_Detail.csv", "b/Officer_Detail.csv"}
    assert not (folder / "made/Officers.csv/silver.parquet").exists()
    assert (folder / "made/a/Officer_Detail.csv/quarantine.csv").exists()
    assert not (folder / "made/b/Officer_Detail.csv/quarantine.csv").exists()
    assert out.count("ACCEPTED") == 2
    total = "3 files: 2 accepted, 1 rejected; 4 good rows, 1 quarantined in accepted files"
    assert out.splitlines()[-1] == total


def test_several_files_give_one_json_document_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    names = [write(f"sent/{name}.csv", content) for name, content in (("one", ROSTER), ("three", ""), ("two", ROSTER))]
    for arguments in names, ["sent"]:
        code, out, err = call(capsys, "check", *arguments, "--contract", "officer_detail", "--out", "made", "--json")
        documents = [json.loads(line) for line in out.splitlines()]
        assert (code, err) == (1, "")
        assert [(document["file"], document["outcome"]) for document in documents] == [
            (names[0], "accepted"),
            (names[1], "rejected"),
            (names[2], "accepted"),
        ]
        assert all(document["dataset"] == "officer_detail" and set(document) >= KEYS for document in documents)
        report = json.loads(Path("made/one.csv/report.json").read_text("utf-8"))
        assert documents[0] == report


def test_a_file_that_cannot_be_checked_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    write("sent/Officer_Detail.csv", ROSTER)
    write("sent/unknown.csv", "a\n1\n")
    write("sent/x.tmp", ROSTER)
    code, out, _ = call(capsys, "check", "sent", "sent/x.tmp", "--out", "made", "--json")
    found = {line["file"]: line for line in map(json.loads, out.splitlines())}
    assert code == 2
    assert {name: (line["outcome"], [error["code"] for error in line["errors"]]) for name, line in found.items()} == {
        "sent/Officer_Detail.csv": ("accepted", []),
        "sent/unknown.csv": ("not_checked", ["no_contract"]),
        "sent/x.tmp": ("not_checked", ["half_sent"]),
    }
    code, out, _ = call(capsys, "check", "sent", "--out", "made")
    assert code == 2
    assert "NOT CHECKED  unknown.csv" in out
    assert "never deliveries, left out: 1 half_sent (x.tmp)" in out
    assert out.splitlines()[-1].startswith("2 files: 1 accepted, 0 rejected, 1 not checked; 2 good rows")


def test_a_name_that_does_not_exist_does_not_stop_the_check_of_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    write("Officer_Detail.csv", ROSTER)
    code, out, _ = call(capsys, "check", "nope.csv", "Officer_Detail.csv")
    assert code == 2
    assert "NOT CHECKED  nope.csv" in out
    assert "nope.csv does not exist; name files or folders to check" in " ".join(out.split())
    assert out.splitlines()[-1].startswith("2 files: 1 accepted, 0 rejected, 1 not checked")
    code, out, err = call(capsys, "check", "nope.csv")
    assert (code, out) == (2, "")
    assert "nope.csv does not exist" in err


def test_a_fault_with_one_file_of_several_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    write("made/a.csv", "a file where the results of a.csv would be")
    names = [write("a.csv", ROSTER), write("b.csv", ROSTER)]
    code, out, err = call(capsys, "check", *names, "--contract", "officer_detail", "--out", "made")
    assert (code, err) == (2, "")
    assert "NOT CHECKED  a.csv\n  failed: --out made/a.csv: " in out
    assert "ACCEPTED  b.csv as officer_detail" in out


def test_a_file_that_ends_the_process_does_not_stop_the_others(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder that aborts, or the system for want of memory, ends a process without an exception."""
    write(
        "hook_that_aborts.py",
        "import os\n\ndef run(frame):\n    if 'abort' in frame['ident']:\n        os.abort()\n"
        "    return frame.with_columns(made=frame['ident'])\n",
    )
    monkeypatch.syspath_prepend(folder)
    data = contract_data(
        [text("ident"), text("made", customProperties=custom(computed=True))],
        customs=custom(transform="hook_that_aborts:run"),
    )
    write("things.odcs.yaml", json.dumps(data))
    names = [write(f"{name}.csv", f"ident,size\n{name},1\n") for name in ("a", "abort", "b")]
    code, out, _ = call(capsys, "check", *names, "--contract", "things.odcs.yaml", "--json", "--out", "made")
    found = [json.loads(line) for line in out.splitlines()]
    assert [line["outcome"] for line in found] == ["accepted", "not_checked", "accepted"]
    assert "ended the process" in found[1]["errors"][0]["message"]
    assert code == 1
    assert sorted(path.name for path in Path("made").iterdir() if (path / "silver.parquet").exists()) == [
        "a.csv",
        "b.csv",
    ]


def test_a_folder_is_profiled_without_contracts(capsys: pytest.CaptureFixture[str]) -> None:
    write("sent/deep/er/a.csv", "x,y\n1,2\n")
    write("sent/__MACOSX/._a.csv", "x")
    write("sent/.git/config", "x")
    code, out, _ = call(capsys, "check", "sent", "--profile-only", "--out", "made")
    assert code == 0
    assert "ACCEPTED  a.csv" in out
    assert [path.as_posix() for path in Path("made").rglob("report.json")] == ["made/a.csv/report.json"]


def test_results_of_an_earlier_call_are_not_checked(capsys: pytest.CaptureFixture[str]) -> None:
    write("sent/Officer_Detail.csv", ROSTER)
    for _ in range(2):
        code, out, _ = call(capsys, "check", "sent", "--out", "sent/results")
        assert code == 0
        assert out.splitlines()[-1].startswith("1 file: 1 accepted")


def test_without_out_no_file_is_written(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    write("Officer_Detail.csv", ROSTER)
    before = listing(folder)
    call(capsys, "check", "Officer_Detail.csv")
    assert listing(folder) == before


def test_a_contract_may_be_named_by_path_or_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    write("whatever.csv", ROSTER)
    assert call(capsys, "check", "whatever.csv", "--contract", "officer_detail")[0] == 0
    write("things.odcs.yaml", CONTRACT)
    assert call(capsys, "check", write("x.csv", "ident,size\na,1\n"), "--contract", "things.odcs.yaml")[0] == 0


def test_contract_check_accepts_the_shipped_contracts(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "contract", "check")
    assert (code, err) == (0, "")
    # A contract that is added needs no change here.
    named = [line.partition(":")[0] for line in out.splitlines() if not line.startswith("  ")]
    assert {Path(name).name for name in named} >= {path.name for path in CONTRACTS.glob("*.odcs.yaml")}
    assert call(capsys, "contract", "check", str(CONTRACTS / "training.odcs.yaml"))[0] == 0


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("v3.2.0", "v9", 1),
        ("size < 10", "sise < 10", 12),
        ("size < 10", "size <", 12),
        ("logicalType: integer", "logicalType: real", 10),
    ],
)
def test_contract_check_prints_file_and_line_of_an_error(
    capsys: pytest.CaptureFixture[str], old: str, new: str, line: int
) -> None:
    write("c/a.odcs.yaml", CONTRACT.replace(old, new))
    write("c/b.odcs.yaml", CONTRACT.replace("things", "others"))
    code, out, err = call(capsys, "contract", "check", "c")
    assert code == 2
    assert f"c/a.odcs.yaml:{line}: " in err
    assert "others" in out


def test_contract_check_prints_every_error(capsys: pytest.CaptureFixture[str]) -> None:
    write("c/a.odcs.yaml", CONTRACT.replace("size < 10", "size <"))
    write("c/b.odcs.yaml", CONTRACT.replace("things", "others").replace("name: small", "name: ident__required"))
    write("c/c.odcs.yaml", CONTRACT.replace("things", "more"))
    write("c/d.odcs.yaml", CONTRACT.replace("things", "More"))
    code, out, err = call(capsys, "contract", "check", "c")
    assert (code, out) == (2, "")
    assert [line.partition(": ")[0] for line in err.splitlines()] == [
        "c/a.odcs.yaml:12",
        "c/b.odcs.yaml:12",
        "c/c.odcs.yaml",
        "c/d.odcs.yaml",
    ]
    assert "'ident__required' and 'ident.required' of line 9 would share the check ident__required" in err


def test_a_contract_in_error_does_not_stop_the_check_of_other_files(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("c/a.odcs.yaml", CONTRACT)
    write("c/b.odcs.yaml", CONTRACT.replace("things", "others").replace("integer", "real"))
    monkeypatch.setenv("CONTRACTS_DIR", "c")
    good, bad = write("things.csv", "ident,size\na,1\n"), write("others.csv", "ident,size\na,1\n")
    assert call(capsys, "check", good)[0] == 0
    code, _, err = call(capsys, "check", bad)
    assert code == 2
    assert err.startswith("etl-platform: others.csv would wait for its contract: c/b.odcs.yaml:10: ")
    assert call(capsys, "check", good, "--contract", "others")[0] == 2
    code, _, err = call(capsys, "replay", "--agency", "a", "--dataset", "others")
    assert code == 2
    assert "--dataset others: its contract is in error and set aside: c/b.odcs.yaml:10: " in err
    code, _, err = call(capsys, "replay", "--agency", "a", "--dataset", "unknown")
    assert "unknown dataset; choose one of others, things" in err


@pytest.fixture
def two_agencies(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a file that the contract of then accepted, one row of agency_a is refused; size is an integer."""
    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    monkeypatch.setenv("CONTRACTS_DIR", "c")
    write("c/a.odcs.yaml", CONTRACT)
    for agency, content in (("agency_a", "ident,size\na,1\nb,many\n"), ("agency_b", "ident,size\na,1\nb,5\n")):
        key = f"from_client/{agency}/things.csv"
        write(f"root/{key}", content)
        assert call(capsys, "run", "s3_data_quality_job", "--event-json", bare_event(key))[0] == 0


@pytest.mark.usefixtures("two_agencies")
def test_a_replay_of_all_agencies_shows_each_that_changes_and_the_command_that_does_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    replay = ["replay", "--dataset", "things"]
    code, out, _ = call(capsys, *replay, "--dry-run")
    assert (code, out) == (0, "2 agencies up to date\n")

    write("c/a.odcs.yaml", CONTRACT.replace("integer}", "string}").replace("size < 10", "size <> '5'"))
    code, out, err = call(capsys, *replay, "--dry-run")
    header, ruler, *lines, said, command = out.splitlines()
    assert header.split("  ")[0] == "agency"
    assert [line.split() for line in lines] == [
        ["agency_a", "1", "1", "0", "1", "0", "0"],
        ["agency_b", "1", "0", "1", "1", "0", "0"],
    ]
    assert (code, err) == (0, "")
    assert said.startswith("0 agencies up to date; dry run: nothing was written.")
    assert command == "etl-platform replay --dataset things --all-agencies"
    found = list(map(json.loads, call(capsys, *replay, "--dry-run", "--json")[1].splitlines()))
    assert [(one["agency"], one["now_good"], one["now_bad"]) for one in found] == [
        ("agency_a", 1, 0),
        ("agency_b", 0, 1),
    ]
    assert call(capsys, *replay, "--dry-run", "--csv")[1].splitlines()[1] == "agency_a,1,1,0,1,0,0"

    code, out, _ = call(capsys, *command.split()[1:])
    assert (code, out.splitlines()[:-1], out.splitlines()[-1]) == (
        0,
        [header, ruler, *lines],
        "2 agencies read again, 0 agencies were up to date",
    )
    assert call(capsys, *command.split()[1:])[:2] == (0, "2 agencies up to date\n")


@pytest.mark.usefixtures("two_agencies")
def test_one_agency_that_fails_does_not_stop_a_replay_of_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    write("c/a.odcs.yaml", CONTRACT.replace("size < 10", "size < 9"))
    write("c/agencies/agency_b/things.yaml", "encodng: utf-8\n")
    assert call(capsys, "agency", "retire", "agency_a")[0] == 0
    code, out, err = call(capsys, "replay", "--dataset", "things", "--dry-run")
    assert (code, out) == (1, "0 agencies up to date\n")
    assert err.startswith("etl-platform: agency_b: ")
    assert "did you mean encoding" in err
    assert call(capsys, "agency", "restore", "agency_a")[0] == 0
    assert "agency_a" in call(capsys, "replay", "--dataset", "things", "--dry-run")[1]


@pytest.mark.usefixtures("two_agencies")
def test_a_replay_says_what_it_lacks_without_an_agency(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "replay", "--dataset", "things")
    assert (code, "--all-agencies" in err) == (2, True)
    code, _, err = call(capsys, "replay", "--dataset", "things", "--dry-run", "--delivery", "0123")
    assert (code, "--delivery is about one agency" in err) == (2, True)
    assert call(capsys, "replay", "--dataset", "things", "--agency", "a", "--all-agencies")[0] == 2
    write("c/b.odcs.yaml", CONTRACT.replace("things", "others"))
    code, out, _ = call(capsys, "replay", "--dataset", "others", "--dry-run")
    assert (code, out) == (1, "no active agency has delivered any others yet\n")


def test_jobs_are_listed_one_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "jobs")
    assert code == 0
    assert any(line.startswith("s3_data_quality_job  ") for line in out.splitlines())


def results() -> list[dict[str, Any]]:
    path = Path("dry_run_results.jsonl")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


@pytest.mark.parametrize("dashes", [["--"], []])
def test_the_sample_event_runs_dry_against_a_local_root(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path, dashes: list[str]
) -> None:
    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    write(f"root/{KEY}", ROSTER)
    before = listing(folder)
    command = ["run", "s3_data_quality_job", *dashes, "--events-file", str(CONTRACTS / "event.json"), "--dry-run"]
    code, out, _ = call(capsys, *command)
    assert [result["outcome"] for result in results()] == ["accepted"]
    assert (code, out.strip()) == (0, "s3_data_quality_job: 1 delivery: 1 accepted")
    after = listing(folder)
    assert after.pop("dry_run_results.jsonl")
    assert after == before
    call(capsys, *command)
    assert len(results()) == 2


def bare_event(key: str, **described: str) -> str:
    return json.dumps({"Records": [{"s3": {"bucket": {"name": "b-1"}, "object": {"key": key, **described}}}]})


@pytest.mark.parametrize(
    ("key", "content", "code", "outcome"),
    [
        (KEY, ROSTER, 0, "accepted"),
        (KEY, None, 1, "rejected"),
        (KEY, "", 1, "rejected"),
        ("from_client/a/unknown.csv", "x", 0, "ignored"),
        ("from_client/../../etc/Officer_Detail.csv", None, 1, "rejected"),
        ("from_client/a/", None, 0, "ignored"),
    ],
)
def test_a_dry_run_records_every_outcome(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    content: str | None,
    code: int,
    outcome: str,
) -> None:
    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    Path("root").mkdir()
    if content is not None:
        write(f"root/{key}", content)
    event = bare_event(key) if content is not None else bare_event(key, eTag="of-a-deleted-object")
    found, _, _ = call(capsys, "run", "s3_data_quality_job", "--dry-run", "--event-json", event)
    assert [result["outcome"] for result in results()] == [outcome]
    assert found == code


@pytest.mark.parametrize("dry_run", [["--dry-run"], []])
def test_a_file_that_a_person_names_and_that_does_not_exist_is_wrong_usage_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, dry_run: list[str]
) -> None:
    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    write(f"root/{KEY}", ROSTER)
    events = [bare_event(KEY), bare_event("from_client/typo/Officer_Detail.csv"), bare_event("Officer_Detail.csv")]
    write("events", "\n".join(events))
    code, out, err = call(capsys, "run", "s3_data_quality_job", "--events-file", "events", *dry_run)
    assert (code, out) == (2, "")
    assert "2 files not found: no s3://b-1/from_client/typo/Officer_Detail.csv; no s3://b-1/Officer_Detail.csv" in err
    assert [path.as_posix() for path in Path("root").rglob("*") if path.is_file()] == [f"root/{KEY}"]


def test_events_may_be_a_list_or_one_per_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    write(f"root/{KEY}", ROSTER)
    event = bare_event(KEY)
    for content in (f"[{event}, {event}]", f"{event}\n\n{event}\n"):
        write("events", content)
        code, out, _ = call(capsys, "run", "s3_data_quality_job", "--events-file", "events", "--dry-run")
        assert (code, out.strip()) == (0, "s3_data_quality_job: 2 deliveries: 2 accepted")


def test_no_events_are_nothing_to_do(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    for event in ('{"Records": []}', '{"Event": "s3:TestEvent"}'):
        code, out, _ = call(capsys, "run", "s3_data_quality_job", "--event-json", event, "--dry-run")
        assert (code, out.strip()) == (0, "s3_data_quality_job: 0 deliveries: nothing to do")


def test_an_invalid_setting_is_one_line_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNS_WORKER_MAX", "many")
    code, out, err = call(capsys, "check", write("Officer_Detail.csv", ROSTER))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "SNS_WORKER_MAX" in err


def test_status_shows_deliveries_newest_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    from etl_platform.deliveries.delivery import Cause, ObjectVersion
    from etl_platform.deliveries.intake import Intake
    from etl_platform.deliveries.report import Trigger
    from etl_platform.engine.contract_folder import load_contracts
    from etl_platform.platform import utc_now
    from etl_platform.storage.local_store import LocalStore

    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    assert call(capsys, "status")[:2] == (0, call(capsys, "status")[1])
    assert "no report since" in call(capsys, "status")[1]
    intake = Intake(LocalStore(folder / "root"), load_contracts(CONTRACTS), "local", "from_client/", utc_now)
    for agency, content in (("first", ROSTER), ("sec ond", "")):
        write(f"root/from_client/{agency}/Officer_Detail.csv", content)
        version = ObjectVersion("local", f"from_client/{agency}/Officer_Detail.csv")
        intake.ingest(intake.route(version), Trigger(Cause.EVENT))
    code, out, _ = call(capsys, "status", "--since", "1h")
    lines = out.splitlines()[2:]
    assert code == 0
    assert [("rejected" in line, "accepted" in line) for line in lines] == [(True, False), (False, True)]
    assert lines[0].endswith("  empty_file: the file has zero bytes; export it again")
    _, out, _ = call(capsys, "status", "--agency", "sec ond", "--json")
    assert [json.loads(line)["outcome"] for line in out.splitlines()] == ["rejected"]
    assert len(call(capsys, "status", "--outcome", "rejected")[1].splitlines()) == 3
    assert len(call(capsys, "status", "--dataset", "officer_detail")[1].splitlines()) == 4
    nothing = call(capsys, "status", "--dataset", "training", "--outcome", "failed")[1]
    assert nothing.startswith("no failed delivery of training since ")


def test_overdue_names_who_should_have_sent_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    from etl_platform.deliveries.delivery import Cause, ObjectVersion
    from etl_platform.deliveries.intake import Intake
    from etl_platform.deliveries.report import Trigger
    from etl_platform.engine.contract_folder import load_contracts
    from etl_platform.platform import utc_now
    from etl_platform.storage.local_store import LocalStore

    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    contracts = folder / "own_contracts"
    monkeypatch.setenv("CONTRACTS_DIR", str(contracts))
    for name, every in (("hours", "1"), ("years", "8760")):
        frequency = f"slaProperties: [{{property: frequency, value: {every}, unit: h}}]"
        write(
            f"own_contracts/{name}.odcs.yaml",
            "apiVersion: v3.2.0\nkind: DataContract\nid: x-" + name + "\nname: X\nversion: 1.0.0\nstatus: active\n"
            f"schema: [{{name: {name}, physicalName: {name}.csv, dataGranularityDescription: One row., "
            f"properties: [{{name: a, logicalType: string, classification: public}}]}}]\n{frequency}\n",
        )
    intake = Intake(LocalStore(folder / "root"), load_contracts(contracts), "local", "from_client/", utc_now)
    for agency, name in (("early", "hours"), ("first", "years")):
        write(f"root/from_client/{agency}/{name}.csv", "a\n1\n")
        at = time.time() - 5 * 24 * 3600
        os.utime(folder / f"root/from_client/{agency}/{name}.csv", (at, at))
        intake.ingest(intake.route(ObjectVersion("local", f"from_client/{agency}/{name}.csv")), Trigger(Cause.EVENT))
    code, out, _ = call(capsys, "overdue")
    assert (code, len(out.splitlines())) == (1, 3)
    assert out.splitlines()[-1].split()[:2] == ["early", "hours"]
    code, out, _ = call(capsys, "overdue", "--json")
    assert (code, json.loads(out)["last_file"]) == (1, "hours.csv")
    code, out, _ = call(capsys, "overdue", "--agency", "first")
    assert (code, out.split(";")[0]) == (0, "no file is overdue")


@pytest.mark.parametrize("command", [["status"], ["history", "--agency", "first"]])
def test_a_report_that_cannot_be_read_is_named_and_the_others_are_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path, command: list[str]
) -> None:
    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    write("root/from_client/first/Officer_Detail.csv", ROSTER)
    event = {"s3": {"bucket": {"name": "local"}, "object": {"key": "from_client/first/Officer_Detail.csv"}}}
    assert call(capsys, "run", "s3_data_quality_job", "--", "--event-json", json.dumps({"Records": [event]}))[0] == 0
    write("root/reports/officer_detail/agency=first/broken.json", "{")
    code, out, err = call(capsys, *command)
    assert (code, "accepted" in out) == (1, True)
    assert err.startswith(
        "etl-platform: not shown: s3://local/reports/officer_detail/agency=first/broken.json: not JSON"
    )


def test_check_imports_neither_dagster_nor_boto3_nor_pandas(folder: Path) -> None:
    write("Officer_Detail.csv", ROSTER)
    script = (
        "import sys\nfrom etl_platform.cli.main import main\ncode = main(['check', 'Officer_Detail.csv'])\n"
        "print([m for m in ('dagster', 'boto3', 'botocore', 'pandas', 'sqlalchemy') if m in sys.modules], code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] 0"


def test_the_module_can_be_run_as_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "etl_platform", "check", "nowhere.csv"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "nowhere.csv" in done.stderr


@pytest.mark.parametrize("job", JOBS)
def test_each_job_has_help_with_an_example_even_if_a_setting_is_invalid(
    job: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_MESSAGES_PER_POLL", "11")
    code, out, err = call(capsys, "run", job, "--", "--help")
    assert (code, err) == (0, "")
    example = out.rpartition("example:\n  etl-platform ")[2].partition("\n")[0].split()
    assert example[:2] == ["run", job]
    arguments = argparse.ArgumentParser()
    JOBS[job].add_arguments(arguments)
    arguments.parse_args(example[3:])


def leaf_commands(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for group in groups:
        for name, command in group.choices.items():
            yield from leaf_commands(command, (*path, name))
    if not groups:
        yield path


@pytest.mark.parametrize("command", list(leaf_commands(build_parser())), ids=" ".join)
def test_the_help_of_each_command_has_an_example_and_exit_codes(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, *command, "--help")
    assert (code, err) == (0, "")
    assert f"example:\n  etl-platform {' '.join(command)}" in out
    assert "exit codes: 0 " in out
    assert not [line for line in out.splitlines() if line.strip() in {"--agency A", "--dataset D"}], "no help text"


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--version")
    assert code == 0
    assert re.fullmatch(r"etl-platform \d+\.\d+\.\d+\n", out)


def test_a_report_of_one_row_has_no_plural(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "check", write("Officer_Detail.csv", ROSTER.splitlines()[0] + "\nA1,Doe\n"))
    assert "1 row: 0 good, 1 quarantined\n  no_good_rows: the only row breaks a rule; " in out
    assert "\n  1 row without the cells of the header, or with a stray quote\n" in out
    assert "line 2\n" in out


def test_a_file_whose_encoding_is_unknown_is_not_called_read(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"A{n},Mu\x96oz,Jo,2001-02-03,1970-01-01,ACTIVE" for n in range(9)]
    content = "\n".join((ROSTER.splitlines()[0], *names)).encode("latin-1")
    Path("Officer_Detail.csv").write_bytes(content)
    code, out, _ = call(capsys, "check", "Officer_Detail.csv")
    assert code == 1
    assert "encoding_undecidable" in out
    assert "read as" not in out


def test_several_contracts_are_checked_at_once_and_a_missing_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "things.odcs.yaml").write_text(CONTRACT, "utf-8")
    (tmp_path / "latin.odcs.yaml").write_bytes(b"id: \xe9")
    paths = [str(tmp_path / name) for name in ("things.odcs.yaml", "nobody.odcs.yaml", "latin.odcs.yaml")]
    assert main(["contract", "check", *paths]) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{paths[0]}: things, ")
    assert captured.err.splitlines() == [
        f"{paths[2]}: cannot be read: byte 5 is not UTF-8; save it as UTF-8",
        f"{paths[1]}: cannot be read: there is no such file",
    ]


def test_status_and_history_take_the_agency_as_they_show_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    key = "from_client/St. Paul's (west)/Officer_Detail.csv"
    write(f"root/{key}", ROSTER)
    assert call(capsys, "run", "s3_data_quality_job", "--event-json", bare_event(key))[0] == 0
    shown = call(capsys, "status")[1].splitlines()[-1].split("  ")[1]
    assert shown == "St.%20Paul%27s%20%28west%29"

    for name in (shown, "St. Paul's (west)"):
        assert "accepted" in call(capsys, "status", "--agency", name)[1]
        assert "accepted" in call(capsys, "history", "--agency", name)[1]
        quarantine = call(capsys, "quarantine", "--agency", name, "--dataset", "officer_detail")[1]
        assert "Officer_Detail.csv" in quarantine
        assert call(capsys, "replay", "--agency", name, "--dataset", "officer_detail", "--dry-run")[0] == 0
    out = "mended rows.csv"
    exported = call(capsys, "quarantine", "--agency", name, "--dataset", "officer_detail", "--out", out)[1]
    assert exported.startswith("1 row of 1 delivery written")
    assert f"replay --agency {shown} --dataset officer_detail --corrections 'mended rows.csv' --dry-run" in exported
    nothing = call(capsys, "status", "--agency", "st paul")[1]
    assert nothing.startswith("no report of st%20paul since")
    assert "`etl-platform agency list` shows all agencies" in nothing


def test_status_leaves_out_that_a_file_was_ignored_once_it_is_ingested(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    monkeypatch.setenv("CONTRACTS_DIR", "contracts")
    write("contracts/things.odcs.yaml", CONTRACT)
    key = "from_client/nm_albuquerque/Officer_Detail.csv"
    write(f"root/{key}", ROSTER)
    assert call(capsys, "run", "s3_data_quality_job", "--event-json", bare_event(key))[0] == 0
    assert "no_contract" in call(capsys, "status")[1]
    write("contracts/officer_detail.odcs.yaml", (CONTRACTS / "officer_detail.odcs.yaml").read_text("utf-8"))
    assert call(capsys, "run", "s3_data_quality_job", "--event-json", bare_event(key))[0] == 0

    out = call(capsys, "status")[1]
    assert "accepted" in out
    assert "ignored" not in out
    documents = [json.loads(line) for line in call(capsys, "status", "--json")[1].splitlines()]
    assert sorted(document["outcome"] for document in documents) == ["accepted", "ignored"]


def test_status_shows_deliveries_that_failed_above_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    write(f"root/{KEY}", ROSTER)
    assert call(capsys, "run", "s3_data_quality_job", "--event-json", bare_event(KEY))[0] == 0
    records = WaitingRecords(LocalStore(Path("root")), "local")
    records.put(RECORD)

    code, out, _ = call(capsys, "status", "--since", "1d")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "failed, and not done yet:"
    assert lines[1].split() == ["since", "(UTC)", "agency", "file", "dataset", "failed", "next", "try", "why"]
    assert "its message has expired" in lines[3]
    assert lines[3].endswith("TransientError: COPY: 503")
    assert "accepted" in lines[-1]
    documents = [json.loads(line) for line in call(capsys, "status", "--json")[1].splitlines()]
    assert [document["outcome"] for document in documents] == ["failed", "accepted"]
    assert "failed" not in call(capsys, "status", "--agency", "nm_albuquerque")[1]


def test_stuck_names_what_is_not_checked_and_exits_1_only_if_something_is_stuck(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    code, out, _ = call(capsys, "status", "--stuck")
    lines = {line.split("  ")[0]: line for line in out.splitlines()}
    assert code == 0
    assert lines.keys() == {"ok", "not checked"}
    states = {check["name"]: check for check in json.loads(call(capsys, "status", "--stuck", "--json")[1])["checks"]}
    not_checked = {name for name, check in states.items() if check["state"] == "not checked"}
    assert not_checked == {"dead_letters", "queue", "email_dead_letters", "email_queue", "breaker"}
    assert "FILE_EVENTS_QUEUE_URL is not set" in out
    assert "DAGSTER_HOME is not set" in out

    WaitingRecords(LocalStore(Path("root")), "local").put(RECORD)
    code, out, _ = call(capsys, "status", "--stuck")
    assert code == 1
    (line,) = [line for line in out.splitlines() if line.startswith("STUCK")]
    assert "Things.csv of agency_a" in line
    assert "correct what the error names" in line
    document = json.loads(call(capsys, "status", "--stuck", "--json")[1])
    assert document["stuck"]
    assert document["checks"][0].keys() == {"name", "state", "detail", "remedy"}


def test_without_a_bucket_stuck_checks_nothing_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "status", "--stuck")
    assert code == 0
    assert {line.split("  ")[0] for line in out.splitlines()[1:]} == {"not checked"}
    assert "DATA_BUCKET_NAME is not set" in out


def test_a_page_is_written_and_replaces_no_other_file(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    file = write("Officer_Detail.csv", ROSTER)
    assert call(capsys, "check", file, "--html", "verdict.html")[0] == 0
    assert "Officer_Detail.csv" in (folder / "verdict.html").read_text("utf-8")
    for place in ("Officer_Detail.csv", "no/such/folder.html", "verdict"):
        code, _, err = call(capsys, "check", file, "--html", place)
        assert (code, "--html" in err) == (2, True)
    assert (folder / file).read_text("utf-8") == ROSTER


def test_each_of_several_files_has_its_page(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    write("sent/a/Officer_Detail.csv", ROSTER)
    write("sent/b/Officer_Detail.csv", ROSTER)
    write("sent/b/Unknown.csv", ROSTER)
    assert call(capsys, "check", "sent", "--html", "pages")[0] == 2
    assert "--html verdict.html" in call(capsys, "check", "sent", "--html", write("verdict.html", ""))[2]
    pages = {"a/Officer_Detail.csv.html", "b/Officer_Detail.csv.html", "Unknown.csv.html"}
    assert set(listing(folder / "pages")) == pages


def test_values_of_personal_columns_are_shown_to_who_asks(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    file = write("Officer_Detail.csv", ROSTER)
    _, out, _ = call(capsys, "check", file)
    assert "9999-99-99" in out
    (note,) = (line for line in out.splitlines() if "--show-values" in line)
    assert note.startswith("Values that may be personal are masked: ")
    _, out, _ = call(capsys, "check", file, "--show-values", "--html", "mine.html")
    assert "line 4: 1971-13-41" in out
    assert "masked" not in out
    page = (folder / "mine.html").read_text("utf-8")
    assert "1971-13-41" in page
    assert "This page shows values of personal columns." in page


def test_nothing_is_said_to_be_masked_where_all_values_are_shown(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    columns = [text("ident", logicalTypeOptions={"maxLength": 1}), text("secret", classification="restricted")]
    write("open.odcs.yaml", yaml_text(contract_data(columns)))
    _, out, _ = call(capsys, "check", write("things.csv", "ident,secret\na,x\nbb,y\n"), "--contract", "open.odcs.yaml")
    assert "line 3: bb" in out
    assert "--show-values" not in out


def test_a_delivery_is_shown_with_those_before_it(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_S3_ROOT", "root")
    code, _, err = call(capsys, "show", "0123456789abcdef0123")
    assert (code, "no report of a delivery 0123456789abcdef0123" in err) == (2, True)
    place = Place(folder / "root", load_contracts(CONTRACTS)["officer_detail"], bucket="local")
    key = "from_client/first/Officer_Detail.csv"
    contents = (ROSTER, "officer_id\n1\n", ROSTER.replace("1971-13-41", "1971-01-41"))
    sent = [place.ingest(place.drop(content.encode(), key, seconds=9 + n)) for n, content in enumerate(contents)]
    code, out, _ = call(capsys, "show", sent[-1].report.delivery_id)
    assert code == 0
    assert "hire_date must be a date" in out
    assert re.findall(r"1970-01-01 *(.*?)  ", out) == ["accepted", "rejected", "(this file)"]
    assert call(capsys, "show", sent[1].report.delivery_id, "--html", "page.html")[0] == 0
    page = (folder / "page.html").read_text("utf-8")
    assert "no_header_match" in page
    assert "1971" not in page


def test_refused_rows_are_a_workbook_and_a_good_file_leaves_none(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    file = write("Officer_Detail.csv", ROSTER)
    assert call(capsys, "check", file, "--xlsx", "fix.xlsx")[0] == 0
    assert [row.place for row in read_corrections(folder / "fix.xlsx")] == [(None, 4)]
    write("Officer_Detail.csv", ROSTER.replace("2001-99-03,1971-13-41", "2001-09-03,1971-03-04"))
    code, _, err = call(capsys, "check", file, "--xlsx", "fix.xlsx")
    assert (code, err) == (0, "no row is refused, so fix.xlsx is not written\n")
    assert not (folder / "fix.xlsx").exists()


def test_each_of_several_files_has_its_workbook_which_is_no_delivery(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    write("sent/a/Officer_Detail.csv", ROSTER)
    write("sent/b/Officer_Detail.csv", ROSTER.replace("2001-99-03,1971-13-41", "2001-09-03,1971-03-04"))
    for _ in range(2):
        code, out, err = call(capsys, "check", "sent", "--xlsx", "sent/fix")
        assert (code, err) == (0, "")
        assert "2 files: 2 accepted" in out
        assert set(listing(folder / "sent/fix")) == {"a/Officer_Detail.csv.xlsx"}
    assert [row.place for row in read_corrections(folder / "sent/fix/a/Officer_Detail.csv.xlsx")] == [(None, 4)]
    write("fix.xlsx", "no folder")
    assert call(capsys, "check", "sent", "--xlsx", "fix.xlsx")[0] == 2


def test_a_template_replaces_no_file(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out, _ = call(capsys, "contract", "template", "officer_detail", "--out", "empty.xlsx")
    assert (code, out) == (0, "empty.xlsx: officer_detail, 16 columns; save the filled file as Officer_Detail.xlsx\n")
    code, _, err = call(capsys, "contract", "template", "officer_detail", "--out", "empty.xlsx")
    assert (code, "may have been filled in" in err) == (2, True)
    assert call(capsys, "contract", "template", "unknown", "--out", "other.xlsx")[0] == 2
