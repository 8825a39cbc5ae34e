"""get_s3_files_job on a real PostgreSQL and the emulator: copies, what cannot be copied, and metadata."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import psycopg2
import pytest

from etl_platform.adapters.object_copies import ObjectCopies
from etl_platform.attachments import AttachmentCopies, Copied
from etl_platform.cli import main
from etl_platform.core.agencies import Agency
from etl_platform.core.attachments import AttachmentFile, Copy, Problem, Status
from etl_platform.core.errors import PermanentError
from etl_platform.definitions import build_defs
from etl_platform.local.application_database import create_application_database, seeded_rows
from etl_platform.local.postgres import postgres_server
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.pipelines.resources import Platform
from etl_platform.settings import Settings
from etl_platform_tests.faults.proxy import Fault, FaultProxy, Harm

AGENCY = Agency(10, "nm_albuquerque", "Albuquerque Police Department")
JOB = "get_s3_files_job"
PARQUET = "attachments/agency=nm_albuquerque/attachments.parquet"
CSV = "attachments/agency=nm_albuquerque/attachments.csv"
pytestmark = pytest.mark.filterwarnings("ignore::dagster._utils.warnings.PreviewWarning")


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    with postgres_server() as server:
        create_application_database(server.get_uri(), seeded_rows(officers_per_agency=1))
        yield server.get_uri()


@dataclass
class Place:
    """A pair of buckets, both with versions, and settings that name them."""

    aws: Clients
    settings: Settings

    @property
    def source(self) -> str:
        return str(self.settings.attachments_source_bucket)

    @property
    def destination(self) -> str:
        return str(self.settings.attachments_destination_bucket)

    def put(self, key: str, body: bytes = b"12345", **how: Any) -> None:
        self.aws.s3.put_object(Bucket=self.source, Key=key, Body=body, **how)

    def files(self, *keys: str, size: int | None = 5) -> list[AttachmentFile]:
        """An attachment for each key, numbered from 1, all of one name."""
        return [AttachmentFile(number, key, "a b.pdf", None, size) for number, key in enumerate(keys, start=1)]

    def copies(self, settings: Settings | None = None, **sizes: int) -> AttachmentCopies:
        used = settings or self.settings
        return AttachmentCopies(ObjectCopies(used, self.source, self.destination, **sizes), Platform(used).store)

    def run(self, files: Sequence[AttachmentFile], settings: Settings | None = None, **sizes: int) -> Copied:
        return self.copies(settings, **sizes).run(AGENCY, files, lambda _settled, _all: None)

    def read(self, key: str) -> bytes:
        return self.aws.s3.get_object(Bucket=self.destination, Key=key)["Body"].read()

    def versions(self) -> list[tuple[str, str, str]]:
        """Every version of every object at the destination: nothing was written if it stays."""
        pages = self.aws.s3.get_paginator("list_object_versions").paginate(Bucket=self.destination)
        return [(item["Key"], item["VersionId"], item["ETag"]) for page in pages for item in page.get("Versions", [])]

    def objects(self) -> dict[str, bytes]:
        return {key: self.read(key) for key, _, _ in self.versions()}


@pytest.fixture
def place(aws: Clients, settings: Settings, provisioned: Provisioned, database_url: str) -> Place:
    names = f"s{provisioned.bucket[1:]}", f"t{provisioned.bucket[1:]}"
    for name in names:
        aws.s3.create_bucket(Bucket=name)
        aws.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    chosen = replace(
        settings,
        attachments_source_bucket=names[0],
        attachments_destination_bucket=names[1],
        database_url=database_url,
        copies_at_once=8,
    )
    return Place(aws, chosen)


@pytest.fixture
def seeded(place: Place) -> Place:
    """With the files of the seeded database."""
    from etl_platform.local.application_database import attachment_content

    for number, _, key, *_ in seeded_rows(officers_per_agency=1).attachments:
        place.put(key, attachment_content(number))
    return place


@pytest.fixture
def command(seeded: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """``etl-platform run get_s3_files_job --`` with these arguments, in the environment of the seeded place."""
    settings = seeded.settings
    for name in ("aws_endpoint_url", "attachments_source_bucket", "attachments_destination_bucket", "database_url"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return lambda *arguments: main(["run", JOB, "--", *arguments])


def test_every_file_lies_under_its_own_id_and_the_second_run_writes_nothing(
    seeded: Place, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--agency-id", "10") == 0
    assert capsys.readouterr().out == (f"{JOB}: nm_albuquerque: 12 copied, 0 there already of 12 attachments\n")
    first = seeded.versions()
    assert len(first) == 12 + 2
    for number, agency, key, name, *_ in seeded_rows(officers_per_agency=1).attachments:
        if agency == 10:
            copy = seeded.read(f"attachments/agency=nm_albuquerque/{number}/{name}")
            assert copy == seeded.aws.s3.get_object(Bucket=seeded.source, Key=key)["Body"].read()

    assert command("--agency-id", "10") == 0
    assert capsys.readouterr().out == (f"{JOB}: nm_albuquerque: 0 copied, 12 there already of 12 attachments\n")
    assert seeded.versions() == first


def test_metadata_has_a_row_for_each_attachment_in_both_forms(seeded: Place, command: Callable[..., int]) -> None:
    seeded.aws.s3.delete_object(Bucket=seeded.source, Key="documents/10/1001/Photo.jpg")
    assert command("--agency-id", "10") == 1
    table = pl.read_parquet(io.BytesIO(seeded.read(PARQUET)))
    text = seeded.read(CSV)
    assert text.startswith(b"\xef\xbb\xbf")
    assert text.count(b"\r\n") == 13
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert [{name: str(v) if v is not None else "" for name, v in row.items()} for row in table.to_dicts()] == rows
    assert rows[0] == {
        "attachment_id": "100001",
        "agency_id": "10",
        "agency": "nm_albuquerque",
        "source_bucket": seeded.source,
        "source_key": "documents/10/1001/Photo.jpg",
        "destination_bucket": seeded.destination,
        "destination_key": "attachments/agency=nm_albuquerque/100001/Photo.jpg",
        "file_name": "Photo.jpg",
        "content_type": "image/jpeg",
        "recorded_size_bytes": "36",
        "size_bytes": "",
        "source_etag": "",
        "destination_etag": "",
        "status": "missing",
        "error": "NoSuchKey",
    }
    assert {row["status"] for row in rows[1:]} == {"copied"}
    assert all(row["size_bytes"] == row["recorded_size_bytes"] for row in rows[1:])


def test_a_dry_run_says_what_would_be_copied_and_writes_nothing(
    seeded: Place, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--agency-id", "11", "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "documents/11/1001/Photo.jpg" in printed
    assert "attachments/agency=la_new_orleans/110001/Photo.jpg" in printed
    assert "12 to copy" in printed
    assert seeded.versions() == []
    assert command("--agency-id", "11") == 0
    capsys.readouterr()
    assert command("--agency-id", "11", "--dry-run") == 0
    assert "0 to copy (0 bytes), 12 there already" in capsys.readouterr().out


def test_an_unknown_agency_is_a_usage_error_that_lists_those_there_are(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--agency-id", "99") == 2
    assert "it has 10 nm_albuquerque, 11 la_new_orleans, 12 nc_durham" in capsys.readouterr().err


def test_a_missing_bucket_setting_is_named_before_anything_starts(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATTACHMENTS_DESTINATION_BUCKET", "")
    assert command("--agency-id", "10") == 2
    assert "ATTACHMENTS_DESTINATION_BUCKET not set" in capsys.readouterr().err


def test_a_bucket_that_is_not_there_fails_the_run_for_good(place: Place) -> None:
    place.put("docs/a.pdf")
    settings = place.settings
    for pair in ((place.source, "no-such-bucket"), ("no-such-bucket", place.destination)):
        copies = AttachmentCopies(ObjectCopies(settings, *pair), Platform(settings).store)
        with pytest.raises(PermanentError, match="no bucket no-such-bucket"):
            copies.run(AGENCY, place.files("docs/a.pdf"), lambda _settled, _all: None)


@pytest.mark.parametrize("bucket", ["s3://documents", "documents/10", "", "my documents"])
def test_what_is_no_name_of_a_bucket_is_a_usage_error(bucket: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", JOB, "--", "--agency-id", "10", "--source-bucket", bucket])
    assert caught.value.code == 2


def test_the_last_line_says_why_a_run_failed(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--agency-id", "10", "--source-bucket", "no-such-bucket") == 1
    assert capsys.readouterr().out == f"{JOB}: failed: PermanentError: there is no bucket no-such-bucket\n"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert command("--agency-id", "10") == 1
    assert capsys.readouterr().out.startswith(f"{JOB}: failed: TransientError: s3://")


def test_a_bug_is_told_by_name_and_place_without_the_value_that_it_quotes(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stumble(*_: Any) -> None:
        raise KeyError(" ".join(["Jane", "Roe"]))

    monkeypatch.setattr(AttachmentCopies, "run", stumble)
    assert command("--agency-id", "10") == 1
    told = capsys.readouterr()
    assert told.out.startswith(f'{JOB}: failed: a bug of the platform: KeyError at File "{__file__}", line ')
    assert told.out.count("\n") == 1
    assert "Jane Roe" not in told.out + told.err


def test_an_agency_without_attachments_is_a_no_op(
    seeded: Place, command: Callable[..., int], database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO agencies VALUES (13, 'tx_el_paso', 'El Paso') ON CONFLICT DO NOTHING")
    connection.close()
    assert command("--agency-id", "13") == 0
    assert capsys.readouterr().out == f"{JOB}: tx_el_paso: no attachments in the database, nothing to do\n"
    assert seeded.versions() == []


def test_a_run_of_the_partition_shows_counts_and_a_red_check(seeded: Place) -> None:
    seeded.aws.s3.delete_object(Bucket=seeded.source, Key="documents/10/1002/Statement.txt")
    seeded.put("documents/10/1003/Report.pdf", b"another size")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("agencies", [AGENCY.partition])
        job = build_defs(seeded.settings, platform=Platform(seeded.settings)).resolve_job_def(JOB)
        result = job.execute_in_process(instance=instance, partition_key=AGENCY.partition)
        (check,) = result.get_asset_check_evaluations()
        (made,) = instance.fetch_materializations(dg.AssetKey("attachments"), limit=5).records
    materialization = made.asset_materialization
    assert materialization
    assert materialization.partition == check.partition == AGENCY.partition
    values = {name: value.value for name, value in materialization.metadata.items()}
    assert values["summary"] == (
        "nm_albuquerque: 11 copied, 0 there already, 1 size_differs, 1 missing of 12 attachments"
    )
    assert (values["copied"], values["size_differs"], values["missing"]) == (10, 1, 1)
    assert "documents/10/1002/Statement.txt" in repr(values["not_copied"])
    assert not check.passed
    assert {name: value.value for name, value in check.metadata.items()} == {"in_database": 12, "at_destination": 10}


def test_a_partition_that_the_database_does_not_know_fails_for_good(seeded: Place) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("agencies", ["zz_nowhere"])
        job = build_defs(seeded.settings, platform=Platform(seeded.settings)).resolve_job_def(JOB)
        result = job.execute_in_process(instance=instance, partition_key="zz_nowhere", raise_on_error=False)
    (event,) = result.filter_events(lambda item: item.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    assert failure
    assert "zz_nowhere" in (failure.description or "")


AWKWARD = [
    "docs/a b/c+d.pdf",
    "docs/é/报告 😀.pdf",
    "docs/100%.pdf",
    "docs/a%20b.pdf",
    "docs/q?x=1&y#z",
    "docs/back\\slash",
    "docs/quote'\"<&>",
    "docs//two",
    "docs/../up",
    "docs/./here",
    "docs/new\nline",
    "docs/folder/",
    "/leading",
    "docs/" + "n" * 1000,
]


def test_every_key_that_s3_takes_is_copied_whatever_lane_it_needs(place: Place) -> None:
    for number, key in enumerate(AWKWARD):
        place.put(key, b"%05d" % number)
    # What obstore would make of a key that it cannot name.
    place.put("leading", b"wrong")
    copied = place.run(place.files(*AWKWARD))
    assert [(row.source_key, row.status) for row in copied.rows] == [(key, "copied") for key in AWKWARD]
    for number, row in enumerate(copied.rows):
        assert place.read(row.destination_key) == b"%05d" % number
    versions = place.versions()
    assert place.run(place.files(*AWKWARD)).tried == 0
    assert place.versions() == versions


def test_a_folder_marker_is_told_from_the_object_beside_it(place: Place) -> None:
    """obstore strips slashes at the end, so it shows both under one key."""
    place.put("docs/folder", b"12345")
    place.put("docs/folder/", b"")
    (marker,) = place.run([AttachmentFile(1, "docs/folder/", "marker", None, 0)]).rows
    (object_,) = place.run([AttachmentFile(2, "docs/folder", "object", None, 5)]).rows
    assert (marker.status, marker.size_bytes) == ("copied", 0)
    assert (object_.status, object_.size_bytes) == ("copied", 5)
    assert place.run([AttachmentFile(3, "docs/folder/", "marker", None, 0)]).rows[0].status == "copied"


def test_keys_that_no_object_can_have_are_missing(place: Place) -> None:
    copied = place.run(place.files("", "x" * 1025, "docs/none"))
    assert [row.status for row in copied.rows] == ["missing"] * 3


def test_metadata_type_and_tags_come_along(place: Place) -> None:
    place.put("docs/a.pdf", ContentType="application/pdf", Metadata={"case": "7"}, Tagging="keep=yes&by=a%20b")
    (row,) = place.run(place.files("docs/a.pdf")).rows
    assert_carried(place, row.destination_key, "application/pdf")
    tags = place.aws.s3.get_object_tagging(Bucket=place.destination, Key=row.destination_key)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"keep": "yes", "by": "a b"}


def assert_carried(place: Place, key: str, content_type: str) -> None:
    head = place.aws.s3.head_object(Bucket=place.destination, Key=key)
    assert (head["ContentType"], head["Metadata"]) == (content_type, {"case": "7"})


def test_an_object_that_is_too_large_is_copied_in_parts_with_all_that_belongs_to_it(place: Place) -> None:
    """5 GB scaled down; S3 takes no part below 5 MiB but the last."""
    body = bytes(range(256)) * (12 << 12)
    place.put("docs/film.mp4", body, ContentType="video/mp4", Metadata={"case": "7"}, Tagging="keep=yes&by=a%20b")
    copies = ObjectCopies(
        place.settings, place.source, place.destination, largest_single_copy=6 << 20, part_bytes=5 << 20
    )
    sent: list[dict[str, Any]] = []
    copies._s3.meta.events.register(
        "before-call.s3.CreateMultipartUpload", lambda params, **_rest: sent.append(params["headers"])
    )
    files = place.files("docs/film.mp4", size=len(body))
    job = AttachmentCopies(copies, Platform(place.settings).store)

    (row,) = job.run(AGENCY, files, lambda _settled, _all: None).rows

    assert row.status == "copied"
    assert row.destination_etag is not None
    assert row.destination_etag.endswith("-3")
    assert place.read(row.destination_key) == body
    assert_carried(place, row.destination_key, "video/mp4")
    # The emulator loses a multipart object's tags; S3 is told them.
    assert [headers["x-amz-tagging"] for headers in sent] == ["keep=yes&by=a+b"]
    versions = place.versions()
    assert row.source_etag != row.destination_etag
    assert place.run(files).tried == 0, "the pair of eTags is remembered"
    assert place.versions() == versions


def test_kms_encryption_is_kept_where_the_destination_has_none_of_its_own(place: Place) -> None:
    key_id = "arn:aws:kms:us-east-1:000000000000:key/of-the-source"
    by_default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_id}}
    place.aws.s3.put_bucket_encryption(
        Bucket=place.source,
        ServerSideEncryptionConfiguration={"Rules": [by_default]},  # type: ignore[list-item]
    )
    place.put("docs/kms.pdf", Tagging="keep=yes")
    place.put("docs/plain.pdf", ServerSideEncryption="AES256")
    rows = place.run(place.files("docs/kms.pdf", "docs/plain.pdf")).rows
    kms, plain = (place.aws.s3.head_object(Bucket=place.destination, Key=row.destination_key) for row in rows)
    assert (kms["ServerSideEncryption"], kms["SSEKMSKeyId"]) == ("aws:kms", key_id)
    assert plain.get("ServerSideEncryption") != "aws:kms"
    tags = place.aws.s3.get_object_tagging(Bucket=place.destination, Key=rows[0].destination_key)["TagSet"]
    assert tags == [{"Key": "keep", "Value": "yes"}]


def test_a_changed_source_is_copied_again_and_the_others_are_not(place: Place) -> None:
    keys = ["docs/a.pdf", "docs/b.pdf"]
    for key in keys:
        place.put(key)
    first = place.run(place.files(*keys))
    place.put("docs/b.pdf", b"54321")
    second = place.run(place.files(*keys))
    assert (first.tried, second.tried, second.wrote_metadata) == (2, 1, True)
    assert place.read(second.rows[1].destination_key) == b"54321"


def test_a_copy_that_somebody_overwrote_is_made_again(place: Place) -> None:
    place.put("docs/a.pdf")
    (row,) = place.run(place.files("docs/a.pdf")).rows
    place.aws.s3.put_object(Bucket=place.destination, Key=row.destination_key, Body=b"other")
    assert place.run(place.files("docs/a.pdf")).tried == 1
    assert place.read(row.destination_key) == b"12345"


@pytest.mark.parametrize(("count", "apart"), [(1_200, 0), (40, 30)])
def test_keys_are_looked_up_by_listing_where_they_lie_together(place: Place, count: int, apart: int) -> None:
    """``apart``: objects that nobody asked for between two that somebody did."""
    names = [f"docs/{number:06}/{other:02}" for number in range(count) for other in range(apart + 1)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(place.put, names))
    wanted = names[:: apart + 1]
    with FaultProxy(str(place.settings.aws_endpoint_url)) as proxy:
        copies = ObjectCopies(replace(place.settings, aws_endpoint_url=proxy.url), place.source, place.destination)
        with proxy.watch():
            found = copies.find_sources([*wanted, "docs/none", "docs/000001/none", "aaa", "zzz"])
    assert sorted(found) == wanted
    assert proxy.count("ListObjects") <= 1 + -(-len(names) // 1_000)
    assert proxy.count("HeadObject") < count // 2


def test_keys_far_apart_are_asked_for_one_by_one(place: Place) -> None:
    """A flat bucket with a few wanted keys in it."""
    names = [f"docs/{number:05}" for number in range(1_300)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(place.put, names))
    wanted = names[::300]
    with FaultProxy(str(place.settings.aws_endpoint_url)) as proxy:
        copies = ObjectCopies(replace(place.settings, aws_endpoint_url=proxy.url), place.source, place.destination)
        with proxy.watch():
            assert sorted(copies.find_sources(wanted)) == wanted
    assert proxy.count("ListObjects") == 1
    assert proxy.count("HeadObject") <= len(wanted)


def test_two_runs_at_once_leave_what_one_leaves(place: Place) -> None:
    keys = [f"docs/{number}.pdf" for number in range(60)]
    for key in keys:
        place.put(key)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(place.run, place.files(*keys, "docs/none")) for _ in range(2)]
        rows = [run.result().rows for run in both]
    assert rows[0] == rows[1]
    assert len(place.objects()) == 60 + 2
    hashes = {
        place.aws.s3.head_object(Bucket=place.destination, Key=key)["Metadata"]["rows-sha256"] for key in (CSV, PARQUET)
    }
    assert len(hashes) == 1
    versions = place.versions()
    place.run(place.files(*keys, "docs/none"))
    assert place.versions() == versions


def proxied(place: Place, proxy: FaultProxy, attempts: int = 1) -> Settings:
    return replace(place.settings, aws_endpoint_url=proxy.url, aws_max_attempts=attempts, aws_read_timeout_seconds=2)


def copies_of(name: str, harm: Harm) -> Callable[[Any], Fault | None]:
    return lambda call: Fault(harm) if call.operation == "CopyObject" and f"/{name}/" in call.key else None


def test_a_denied_object_is_its_own_result_and_stops_nobody(place: Place) -> None:
    keys = ["docs/a.pdf", "docs/b.pdf", "docs/c.pdf"]
    for key in keys:
        place.put(key)
    with FaultProxy(str(place.settings.aws_endpoint_url)) as proxy, proxy.watch(copies_of("2", Harm.DENIED)):
        copied = place.run(place.files(*keys), proxied(place, proxy))
    assert [(row.status, row.error) for row in copied.rows] == [
        ("copied", None),
        ("refused", "AccessDenied"),
        ("copied", None),
    ]


def test_throttling_is_waited_out(place: Place) -> None:
    place.put("docs/a.pdf")
    slow: list[Any] = []

    def plan(call: Any) -> Fault | None:
        if call.operation != "CopyObject" or len(slow) == 2:
            return None
        slow.append(call)
        return Fault(Harm.SLOW_DOWN)

    with FaultProxy(str(place.settings.aws_endpoint_url)) as proxy, proxy.watch(plan):
        copied = place.run(place.files("docs/a.pdf"), proxied(place, proxy, attempts=3))
    assert len(slow) == 2
    assert [row.status for row in copied.rows] == ["copied"]


@pytest.mark.parametrize("harm", [Harm.SLOW_DOWN, Harm.ERROR, Harm.RESET, Harm.TIMEOUT])
def test_infrastructure_that_stays_broken_fails_the_run_after_the_metadata_is_written(
    seeded: Place, harm: Harm
) -> None:
    with FaultProxy(str(seeded.settings.aws_endpoint_url)) as proxy, proxy.watch(copies_of("100002", harm)):
        settings = proxied(seeded, proxy)
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("agencies", [AGENCY.partition])
            job = build_defs(settings, platform=Platform(settings)).resolve_job_def(JOB)
            result = job.execute_in_process(instance=instance, partition_key=AGENCY.partition, raise_on_error=False)
    (event,) = result.filter_events(lambda item: item.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    assert failure
    assert "TransientError: 1 of 12 attachments were not copied" in (failure.description or "")
    statuses = pl.read_parquet(io.BytesIO(seeded.read(PARQUET)))["status"].to_list()
    assert statuses.count("failed") == 1
    assert statuses.count("copied") == 11


def test_an_outage_is_not_sat_out_for_every_file(place: Place) -> None:
    keys = [f"docs/{number:03}.pdf" for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(place.put, keys))

    def outage(call: Any) -> Fault | None:
        return Fault(Harm.ERROR) if call.operation == "CopyObject" else None

    with FaultProxy(str(place.settings.aws_endpoint_url)) as proxy, proxy.watch(outage):
        copied = place.run(place.files(*keys), proxied(place, proxy))
        assert proxy.count("CopyObject") < 60
    assert copied.statuses == {"failed": 200}
    assert place.run(place.files(*keys)).statuses == {"copied": 200}


def test_a_copy_that_lost_its_source_is_told_by_the_careful_lane(place: Place) -> None:
    """Between listing and copying the source may go or change."""
    place.put("docs/a.pdf")
    copies = ObjectCopies(place.settings, place.source, place.destination)
    gone = Copy("docs/gone.pdf", "attachments/agency=x/1/a", "e", 5)
    fine = Copy("docs/a.pdf", "attachments/agency=x/2/a", "e", 5)
    problems = copies.copy([gone, fine], lambda: None)
    assert problems == {gone.destination_key: Problem(Status.MISSING, "NoSuchKey")}


def test_ids_that_repeat_are_refused_as_a_whole(place: Place) -> None:
    files = place.files("docs/a.pdf")
    with pytest.raises(PermanentError, match="stand for several files: 1"):
        place.run([*files, replace(files[0], source_key="docs/b.pdf")])


def test_metadata_that_is_no_parquet_is_forgotten_and_written_anew(place: Place) -> None:
    place.put("docs/a.pdf")
    place.run(place.files("docs/a.pdf"))
    place.aws.s3.put_object(Bucket=place.destination, Key=PARQUET, Body=b"not Parquet")
    place.aws.s3.put_object(Bucket=place.destination, Key="attachments/agency=nm_albuquerque/1/a_b.pdf", Body=b"other")
    assert [row.status for row in place.run(place.files("docs/a.pdf")).rows] == ["copied"]
    assert pl.read_parquet(io.BytesIO(place.read(PARQUET))).height == 1


def test_a_cell_that_a_spreadsheet_would_run_is_neutralised_in_the_csv(place: Place, tmp_path: Path) -> None:
    file = AttachmentFile(1, "=cmd|' /C calc'!A0", "=HYPERLINK(1)", "@x", 5)
    place.put(file.source_key)
    place.run([file])
    (row,) = csv.DictReader(io.StringIO(place.read(CSV).decode("utf-8-sig")))
    assert (row["source_key"], row["file_name"], row["content_type"]) == (
        "'=cmd|' /C calc'!A0",
        "'=HYPERLINK(1)",
        "'@x",
    )
    assert pl.read_parquet(io.BytesIO(place.read(PARQUET)))["file_name"].to_list() == ["=HYPERLINK(1)"]
