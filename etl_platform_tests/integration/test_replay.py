"""Quarantine → fix → replay against the emulator: conditional writes, metadata and versions are S3's."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from etl_platform.aws.account import caller_arn
from etl_platform.cli.main import main
from etl_platform.deliveries.delivery import Cause, ObjectVersion
from etl_platform.deliveries.report import Trigger
from etl_platform.local.provision import KEY_ID, KEY_SECRET, Clients, Provisioned
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform_tests.integration.deliveries import as_csv, officers

KEY = "from_client/nm_albuquerque/Officer_Detail.csv"
PARTITION = ["--agency", "nm_albuquerque", "--dataset", "officer_detail"]


@pytest.fixture(autouse=True)
def shell(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A terminal that finds the test's bucket."""
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "DATA_BUCKET_NAME", "FILE_EVENTS_QUEUE_URL", "FILE_EVENTS_DLQ_URL"):
        monkeypatch.setenv(name, str(getattr(settings, name.lower())))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY_SECRET)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)


def ingest(platform: Platform, version_id: str) -> None:
    version = ObjectVersion(platform.bucket, KEY, version_id)
    platform.intake.ingest(platform.intake.route(version), Trigger(Cause.EVENT))


def versions(aws: Clients, bucket: str) -> list[tuple[Any, ...]]:
    found = aws.s3.list_object_versions(Bucket=bucket)
    return sorted(
        (item["Key"], item["VersionId"], kind) for kind in ("Versions", "DeleteMarkers") for item in found.get(kind, [])
    )


def test_a_replay_from_a_bucket_is_done_once_however_often_it_is_asked_for(
    aws: Clients, provisioned: Provisioned, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    put = aws.s3.put_object(Bucket=provisioned.bucket, Key=KEY, Body=as_csv(officers("A", 6, bad=3)))
    ingest(platform, str(put["VersionId"]))
    mended = b"_line;email\r\n2;a@police.example\r\n3;not given\r\n"
    aws.s3.put_object(Bucket=provisioned.bucket, Key="mended/fix.csv", Body=mended)
    replay = ["replay", *PARTITION, "--corrections", f"s3://{provisioned.bucket}/mended/fix.csv", "--by", "jane"]

    assert main(replay) == 0
    assert "1 good now" in capsys.readouterr().out
    before = versions(aws, provisioned.bucket)
    assert main(replay) == 0
    assert "done before" in capsys.readouterr().out
    assert main(["replay", *PARTITION]) == 0

    assert versions(aws, provisioned.bucket) == before
    names = [name for name, _, _ in before]
    assert len([name for name in names if name.startswith("silver/")]) == 2, "the arrival's and the replay's"
    assert len([name for name in names if name.startswith("quarantine/_corrections/")]) == 1


def test_two_bad_rows_less_and_one_that_stays_are_in_the_history(
    aws: Clients, provisioned: Provisioned, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    for prefix in ("A", "B"):
        put = aws.s3.put_object(Bucket=provisioned.bucket, Key=KEY, Body=as_csv(officers(prefix, 6, bad=3)))
        ingest(platform, str(put["VersionId"]))
    (Path("fix.csv")).write_text("_line,email\n2,a@police.example\n4,b@police.example\n", "utf-8")
    assert main(["replay", *PARTITION, "--corrections", "fix.csv", "--by", "jane"]) == 0
    capsys.readouterr()

    assert main(["history", *PARTITION]) == 0
    title, _, _, replay, newer, older = capsys.readouterr().out.splitlines()
    assert title == f"officer_detail: {KEY}"
    assert "2 good now" in replay
    assert "jane" in replay
    assert newer.endswith("1×")
    assert newer.split()[2] in older.split()[3:], "the older delivery names its successor"


def test_a_replay_has_a_line_in_status_with_its_own_time_above_the_arrival(
    aws: Clients, provisioned: Provisioned, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    put = aws.s3.put_object(Bucket=provisioned.bucket, Key=KEY, Body=as_csv(officers("A", 6, bad=3)))
    ingest(platform, str(put["VersionId"]))
    (Path("fix.csv")).write_text("_line,email\n2,a@police.example\n", "utf-8")
    assert main(["replay", *PARTITION, "--corrections", "fix.csv", "--by", "jane"]) == 0
    capsys.readouterr()

    assert main(["status", "--json"]) == 0
    replay, arrival = map(json.loads, capsys.readouterr().out.splitlines())
    arn, note = replay["attempt"]["by"].split(" ")
    assert (note, arrival["attempt"]["cause"]) == ("(jane)", "event")
    assert arn == caller_arn(platform.settings)
    assert main(["status"]) == 0
    _, _, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(replay["attempt"]["ended_at"][:19].replace("T", " "))
    assert second.startswith(arrival["source"]["last_modified"][:19].replace("T", " "))
    assert ("accepted again" in first, "again" in second) == (True, False)


def test_a_changed_contract_reads_the_outdated_files_of_all_agencies_once(
    aws: Clients,
    provisioned: Provisioned,
    settings: Settings,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    contracts = tmp_path / "contracts"
    shutil.copytree(settings.contracts_dir, contracts)
    monkeypatch.setenv("CONTRACTS_DIR", str(contracts))
    for agency in ("az_sample", "nm_sample"):
        key = f"from_client/{agency}/Officer_Detail.csv"
        put = aws.s3.put_object(Bucket=provisioned.bucket, Key=key, Body=as_csv(officers(agency, 6, bad=3)))
        version = ObjectVersion(platform.bucket, key, str(put["VersionId"]))
        platform.intake.ingest(platform.intake.route(version), Trigger(Cause.EVENT))
    overlay = contracts / "agencies" / "nm_sample" / "officer_detail.yaml"
    overlay.parent.mkdir(parents=True)
    overlay.write_text("columns:\n  email: {nullTokens: [not given]}\n")
    before = versions(aws, provisioned.bucket)
    replay = ["replay", "--dataset", "officer_detail"]

    assert main([*replay, "--dry-run", "--json"]) == 0
    (would,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (would["agency"], would["files"], would["now_good"], would["same_verdict"]) == ("nm_sample", 1, 3, 3)
    assert versions(aws, provisioned.bucket) == before

    assert main([*replay, "--all-agencies", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == would
    after = versions(aws, provisioned.bucket)
    written = {name for name, *_ in set(after) - set(before)}
    assert written
    assert not [name for name in written if "az_sample" in name]
    assert main([*replay, "--all-agencies"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 agencies up to date"
    assert versions(aws, provisioned.bucket) == after
