"""Reconciliation of real buckets: what no event announced is found and taken in, once."""

import json
from datetime import timedelta

import dagster as dg
import pytest

from etl_platform import object_keys
from etl_platform.cli.main import main
from etl_platform.deliveries.delivery import Cause, ObjectVersion
from etl_platform.deliveries.report import Trigger
from etl_platform.local.provision import Clients
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform_tests.integration.deliveries import as_csv, officers
from etl_platform_tests.integration.file_events import ROSTER

AGENCY = "nm_albuquerque"


def reconcile(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["reconcile", "--grace", "0m", *arguments])
    return code, capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    _, out = reconcile(capsys, "--json", *arguments)
    found: dict[str, object] = json.loads(out)
    return found


def put(aws: Clients, bucket: str, content: bytes, key: str = ROSTER) -> str:
    return aws.s3.put_object(Bucket=bucket, Key=key, Body=content).get("VersionId", "")


def ingest(platform: Platform, version_id: str | None, key: str = ROSTER, **more: str) -> str:
    event = ObjectVersion(platform.bucket, key, version_id, **more)  # type: ignore[arg-type]
    return str(platform.intake.ingest(platform.intake.route(event), Trigger(Cause.EVENT)).outcome)


def stored(platform: Platform) -> dict[str, str]:
    """The eTag of each object, but for what a reconciliation keeps for the next one."""
    listed = platform.store.list(platform.bucket, "")
    return {head.key: head.etag for head in listed if head.key != object_keys.INSPECTED_KEYS}


def test_files_that_no_event_announced_are_found_and_taken_in(
    aws: Clients, platform: Platform, terminal: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    first = put(aws, platform.bucket, as_csv(officers("A", 4)))
    assert ingest(platform, first, sequencer="00AA") == "accepted"
    put(aws, platform.bucket, as_csv(officers("B", 6, bad=1)))
    put(aws, platform.bucket, b"", "from_client/nc_durham/Training.csv")
    put(aws, platform.bucket, b"x", "from_client/nc_durham/Vehicle_Fleet.csv")

    code, out = reconcile(capsys)
    assert code == 1
    assert out.count("missing  ") == 3
    assert "4 file versions of 2 agencies: 3 missing, 0 failed, 0 stale, 0 orphaned" in out

    code, out = reconcile(capsys, "--agency", AGENCY, "--repair")
    assert (code, out.splitlines()[-1]) == (0, "repaired: 1 accepted")
    code, out = reconcile(capsys, "--repair")
    assert (code, out.splitlines()[-1]) == (0, "repaired: 1 ignored, 1 rejected")

    before = stored(platform)
    code, out = reconcile(capsys, "--repair")
    assert (code, out.splitlines()[-1]) == (
        0,
        "4 file versions of 2 agencies: 0 missing, 0 failed, 0 stale, 0 orphaned; 0 in flight, 1 with ignored names",
    )
    assert stored(platform) == before
    with terminal as instance:
        (record,) = instance.fetch_materializations(dg.AssetKey(["silver", "officer_detail"]), limit=9).records
        assert record.partition_key == AGENCY
        assert record.asset_materialization
        assert record.asset_materialization.metadata["dagster/partition_row_count"].value == 5


def test_the_event_that_comes_after_a_repair_is_a_duplicate(
    aws: Clients, platform: Platform, terminal: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    version = put(aws, platform.bucket, as_csv(officers("A", 4)))
    assert reconcile(capsys, "--repair")[0] == 0

    assert ingest(platform, version, sequencer="00AA", etag="whatever it says") == "duplicate"


def test_silver_of_another_version_than_the_newest_accepted_one_is_stale(
    aws: Clients, platform: Platform, terminal: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ingest(platform, put(aws, platform.bucket, as_csv(officers("A", 4))), sequencer="00AA") == "accepted"
    (silver,) = platform.store.list(platform.bucket, "silver/")
    older = platform.store.head(platform.bucket, silver.key)
    assert ingest(platform, put(aws, platform.bucket, as_csv(officers("B", 4))), sequencer="00AB") == "accepted"

    source = {"Bucket": platform.bucket, "Key": silver.key, "VersionId": str(older.version_id)}
    aws.s3.copy_object(Bucket=platform.bucket, Key=silver.key, CopySource=source)  # type: ignore[arg-type]

    found = document(capsys)
    assert [(f["kind"], f["key"]) for f in found["findings"]] == [("stale", ROSTER)]  # type: ignore[attr-defined]
    assert reconcile(capsys, "--repair")[0] == 1, "what is stale is not missing: it takes a person"
    list(platform.intake.reprocess("officer_detail", AGENCY, Trigger(Cause.REPROCESS)))
    assert reconcile(capsys)[0] == 0
    assert ingest(platform, put(aws, platform.bucket, b""), sequencer="00AC") == "rejected"
    assert reconcile(capsys)[0] == 0, "the newest version was rejected, so silver holds the one before"


def test_without_versions_records_are_known_by_key_and_etag(
    aws: Clients, platform: Platform, terminal: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    """An event names such an object by its sequencer, which no listing knows."""
    plain = f"plain-{platform.bucket}"[:60]
    aws.s3.create_bucket(Bucket=plain)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATA_BUCKET_NAME", plain)
        unversioned = Platform(Settings(aws_endpoint_url=platform.settings.aws_endpoint_url, data_bucket_name=plain))
        put(aws, plain, as_csv(officers("A", 4)))
        put(aws, plain, b"no contract", "from_client/nm_albuquerque/Vehicle_Fleet.csv")
        assert ingest(unversioned, None, sequencer="00AA") == "accepted"
        assert ingest(unversioned, None, "from_client/nm_albuquerque/Vehicle_Fleet.csv", sequencer="00AB") == "ignored"
        assert document(capsys)["findings"] == []

        put(aws, plain, as_csv(officers("B", 4)))
        found = document(capsys)
        assert [f["kind"] for f in found["findings"]] == ["missing"]  # type: ignore[attr-defined]
        assert reconcile(capsys, "--repair")[0] == 0
        assert document(capsys)["findings"] == []


def test_a_file_that_has_just_come_is_in_flight(
    aws: Clients, platform: Platform, terminal: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    put(aws, platform.bucket, as_csv(officers("A", 4)))
    assert main(["reconcile"]) == 0
    assert "0 missing, 0 failed, 0 stale, 0 orphaned; 1 in flight" in capsys.readouterr().out
    assert timedelta(seconds=6 * platform.settings.visibility_timeout_seconds) > timedelta(minutes=10)
