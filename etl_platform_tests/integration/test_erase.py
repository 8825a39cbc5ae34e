"""``etl-platform erase`` on real buckets: every version is gone, and nothing that people or S3 do brings it back."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from etl_platform.cli.main import main
from etl_platform.deliveries.delivery import Cause, ObjectVersion
from etl_platform.deliveries.report import Trigger
from etl_platform.local.provision import KEY_ID, KEY_SECRET, Clients
from etl_platform.platform import Platform
from etl_platform_tests.integration.deliveries import as_csv, officers
from etl_platform_tests.integration.file_events import ROSTER

AGENCY = "nm_albuquerque"
PARTITION = ("--agency", AGENCY, "--dataset", "officer_detail")
SECRET = "SECRET"


@pytest.fixture(autouse=True)
def credentials(terminal: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY_SECRET)


def stored(aws: Clients, bucket: str) -> list[tuple[str, str, str]]:
    """Kind, key and version id of everything that the bucket stores, delete markers too."""
    pages = aws.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    return sorted(
        (kind, item["Key"], item["VersionId"])
        for page in pages
        for kind in ("Versions", "DeleteMarkers")
        for item in page.get(kind, [])  # type: ignore[attr-defined]
    )


def keys_with(aws: Clients, bucket: str, text: str) -> list[str]:
    """The keys of all stored versions whose content has a text."""
    found = []
    for kind, key, version_id in stored(aws, bucket):
        if kind == "Versions":
            body = aws.s3.get_object(Bucket=bucket, Key=key, VersionId=version_id)["Body"].read()
            found += [key] if text in as_text(body) else []
    return sorted(found)


def as_text(body: bytes) -> str:
    if body.startswith(b"PAR1"):
        return str(pl.read_parquet(io.BytesIO(body)).to_dicts())
    return (gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body).decode("latin-1")


def put(aws: Clients, bucket: str, content: bytes, key: str = ROSTER) -> str:
    return str(aws.s3.put_object(Bucket=bucket, Key=key, Body=content)["VersionId"])


def ingest(platform: Platform, version_id: str, *, receive_count: int = 1, key: str = ROSTER) -> str:
    event = ObjectVersion(platform.bucket, key, version_id)
    trigger = Trigger(Cause.EVENT, receive_count=receive_count)
    return str(platform.intake.ingest(platform.intake.route(event), trigger).outcome)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(list(arguments))
    return code, capsys.readouterr().out


def two_versions_and_a_replay(
    aws: Clients, platform: Platform, capsys: pytest.CaptureFixture[str], folder: Path
) -> list[str]:
    """The version ids of two files of one key; the second is corrected and replayed."""
    found = []
    for number in (1, 2):
        found.append(put(aws, platform.bucket, as_csv(officers(f"{SECRET}{number}", 6, bad=3))))
        assert ingest(platform, found[-1]) == "accepted"
    (folder / "fix.csv").write_text(f"_line,email\n2,{SECRET}@police.example\n", "utf-8")
    corrections = ("--corrections", str(folder / "fix.csv"))
    assert run(capsys, "replay", *PARTITION, *corrections, "--by", "jane")[0] == 0
    return found


def test_nothing_of_an_erased_file_is_left_and_nothing_brings_it_back(
    aws: Clients, platform: Platform, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    versions = two_versions_and_a_replay(aws, platform, capsys, tmp_path)
    other = put(aws, platform.bucket, as_csv(officers("OPEN", 4)), "from_client/nc_durham/Officer_Detail.csv")
    assert ingest(platform, other, key="from_client/nc_durham/Officer_Detail.csv") == "accepted"
    before = stored(aws, platform.bucket)
    layers = {key.split("/")[0] for key in keys_with(aws, platform.bucket, SECRET)}
    assert layers >= {"from_client", "bronze", "silver", "quarantine"}
    erase = ("erase", "--agency", AGENCY, "--key", ROSTER, "--by", "jane", "--reason", "court order 12")

    code, out = run(capsys, *erase)
    assert code == 0
    assert "dry run: nothing was erased" in out
    assert "would erase 2 deliveries" in out
    assert stored(aws, platform.bucket) == before

    code, out = run(capsys, *erase, "--execute")
    assert code == 0
    assert "erased 2 deliveries" in out
    assert "backups" in out
    after = stored(aws, platform.bucket)
    assert keys_with(aws, platform.bucket, SECRET) == []
    left = [key for _, key, _ in after if AGENCY in key]
    assert all(key.startswith(("reports/officer_detail/", "reports/_index/")) for key in left), left
    assert len([key for key in left if key.startswith("reports/officer_detail/")]) == 2
    assert {entry for entry in before if "nc_durham" in entry[1]} <= set(after)

    for receive_count in (1, 2, 7):
        for version in versions:
            assert ingest(platform, version, receive_count=receive_count) == "duplicate"
    code, out = run(capsys, "reconcile", "--grace", "0m", "--repair")
    assert (code, "0 missing, 0 failed, 0 stale, 0 orphaned" in out) == (0, True), out
    code, out = run(capsys, "replay", *PARTITION, "--by", "jane")
    assert "has not delivered" in out
    assert stored(aws, platform.bucket) == after

    restored = put(aws, platform.bucket, as_csv(officers(f"{SECRET}1", 6, bad=3)))
    assert ingest(platform, restored) == "rejected"
    assert set(keys_with(aws, platform.bucket, SECRET)) == {ROSTER}
    code, out = run(capsys, "status", "--agency", AGENCY)
    assert "erased: the same file was erased before" in out
    assert run(capsys, *erase, "--execute")[0] == 0
    assert keys_with(aws, platform.bucket, SECRET) == []

    corrected = put(aws, platform.bucket, as_csv(officers("OTHER", 6)))
    assert ingest(platform, corrected) == "accepted"
    assert run(capsys, "reconcile", "--grace", "0m")[0] == 0


def test_a_second_erasure_finds_nothing_and_changes_nothing(
    aws: Clients, platform: Platform, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    two_versions_and_a_replay(aws, platform, capsys, tmp_path)
    assert run(capsys, "erase", *PARTITION, "--by", "jane", "--execute")[0] == 0
    after = stored(aws, platform.bucket)

    code, out = run(capsys, "erase", *PARTITION, "--by", "jane", "--execute", "--json")

    found: dict[str, Any] = json.loads(out)
    assert (code, found["objects"]) == (0, [])
    assert all(one["erased_before"] for one in found["deliveries"])
    assert stored(aws, platform.bucket) == after


def test_versions_under_an_object_lock_are_erased_with_the_bypass_only(
    aws: Clients, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    days: Any = {"Mode": "GOVERNANCE", "Days": 30}
    lock: Any = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": days}}
    aws.s3.put_object_lock_configuration(Bucket=platform.bucket, ObjectLockConfiguration=lock)
    version = put(aws, platform.bucket, as_csv(officers(SECRET, 4)))
    assert ingest(platform, version) == "accepted"

    assert main(["erase", "--agency", AGENCY, "--by", "jane", "--execute"]) != 0
    said = capsys.readouterr().err
    assert "versions were not deleted, such as s3://" in said
    assert keys_with(aws, platform.bucket, SECRET) != []

    assert run(capsys, "erase", "--agency", AGENCY, "--by", "jane", "--execute", "--bypass-lock")[0] == 0
    assert keys_with(aws, platform.bucket, SECRET) == []


def test_a_deleted_source_file_is_erased_with_its_delete_marker(
    aws: Clients, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    version = put(aws, platform.bucket, as_csv(officers(SECRET, 4)))
    assert ingest(platform, version) == "accepted"
    aws.s3.delete_object(Bucket=platform.bucket, Key=ROSTER)

    assert run(capsys, "erase", "--agency", AGENCY, "--by", "jane", "--execute")[0] == 0

    assert keys_with(aws, platform.bucket, SECRET) == []
    assert not [entry for entry in stored(aws, platform.bucket) if entry[1] == ROSTER]


def test_a_name_without_files_is_told_apart_from_one_that_is_erased(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "erase", "--agency", "nm_albukerke", "--by", "jane")[1].startswith("nothing is stored of this")


def test_a_key_of_another_agency_is_refused(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["erase", "--agency", "nc_durham", "--key", ROSTER, "--by", "jane"]) == 2
    assert f"{ROSTER} is not a file of nc_durham" in capsys.readouterr().err
