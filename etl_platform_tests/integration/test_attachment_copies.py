"""Copies between two buckets of the emulator: keys, libraries, copied properties, and objects that cannot be copied."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from etl_platform.application_db.attachment_file import AttachmentFile
from etl_platform.attachments.copy_agency import AttachmentCopies
from etl_platform.attachments.object_copies import ObjectCopies
from etl_platform.attachments.plan import Copy, Problem, Status
from etl_platform.platform import Platform
from etl_platform_tests.faults.proxy import Fault, FaultProxy, Harm
from etl_platform_tests.integration.attachment_buckets import (
    AGENCY,
    AttachmentBuckets,
    buckets,
    copies_of,
    database_url,
    proxied,
)

__all__ = ["buckets", "database_url"]

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


def test_every_valid_key_is_copied_even_if_obstore_cannot_name_it(buckets: AttachmentBuckets) -> None:
    for number, key in enumerate(AWKWARD):
        buckets.put(key, b"%05d" % number)
    # obstore would strip the slash and copy this object instead.
    buckets.put("leading", b"wrong")
    copied = buckets.run(buckets.files(*AWKWARD))
    assert [(row.source_key, row.status) for row in copied.rows] == [(key, "copied") for key in AWKWARD]
    for number, row in enumerate(copied.rows):
        assert buckets.read(row.destination_key) == b"%05d" % number
    versions = buckets.versions()
    assert buckets.run(buckets.files(*AWKWARD)).attempted == 0
    assert buckets.versions() == versions


def test_a_folder_marker_and_the_object_of_the_same_name_are_copied_separately(buckets: AttachmentBuckets) -> None:
    """obstore strips the final slash, so it lists both under one key."""
    buckets.put("docs/folder", b"12345")
    buckets.put("docs/folder/", b"")
    (marker,) = buckets.run([AttachmentFile(1, "docs/folder/", "marker", None, 0)]).rows
    (object_,) = buckets.run([AttachmentFile(2, "docs/folder", "object", None, 5)]).rows
    assert (marker.status, marker.size_bytes) == ("copied", 0)
    assert (object_.status, object_.size_bytes) == ("copied", 5)
    assert buckets.run([AttachmentFile(3, "docs/folder/", "marker", None, 0)]).rows[0].status == "copied"


def test_keys_that_no_object_can_have_are_missing(buckets: AttachmentBuckets) -> None:
    copied = buckets.run(buckets.files("", "x" * 1025, "docs/none"))
    assert [row.status for row in copied.rows] == ["missing"] * 3


def test_metadata_content_type_and_tags_are_copied(buckets: AttachmentBuckets) -> None:
    buckets.put("docs/a.pdf", ContentType="application/pdf", Metadata={"case": "7"}, Tagging="keep=yes&by=a%20b")
    (row,) = buckets.run(buckets.files("docs/a.pdf")).rows
    assert_properties_copied(buckets, row.destination_key, "application/pdf")
    tags = buckets.aws.s3.get_object_tagging(Bucket=buckets.destination, Key=row.destination_key)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"keep": "yes", "by": "a b"}


def assert_properties_copied(buckets: AttachmentBuckets, key: str, content_type: str) -> None:
    head = buckets.aws.s3.head_object(Bucket=buckets.destination, Key=key)
    assert (head["ContentType"], head["Metadata"]) == (content_type, {"case": "7"})


def test_an_object_above_the_limit_is_copied_in_parts_with_its_properties(buckets: AttachmentBuckets) -> None:
    """With a small limit in place of 5 GB; S3 requires parts of at least 5 MiB, except the last."""
    body = bytes(range(256)) * (12 << 12)
    buckets.put("docs/film.mp4", body, ContentType="video/mp4", Metadata={"case": "7"}, Tagging="keep=yes&by=a%20b")
    copies = ObjectCopies(
        buckets.settings, buckets.source, buckets.destination, largest_single_copy=6 << 20, part_bytes=5 << 20
    )
    sent: list[dict[str, Any]] = []
    copies._s3.meta.events.register(
        "before-call.s3.CreateMultipartUpload", lambda params, **_rest: sent.append(params["headers"])
    )
    files = buckets.files("docs/film.mp4", size=len(body))
    job = AttachmentCopies(copies, Platform(buckets.settings).store)

    (row,) = job.run(AGENCY, files, lambda _done, _total: None).rows

    assert row.status == "copied"
    assert row.destination_etag is not None
    assert row.destination_etag.endswith("-3")
    assert buckets.read(row.destination_key) == body
    assert_properties_copied(buckets, row.destination_key, "video/mp4")
    # The emulator drops the tags of multipart uploads, so check the request.
    assert [headers["x-amz-tagging"] for headers in sent] == ["keep=yes&by=a+b"]
    versions = buckets.versions()
    assert row.source_etag != row.destination_etag
    assert buckets.run(files).attempted == 0, "the pair of eTags is recorded"
    assert buckets.versions() == versions


def test_kms_encryption_is_kept_if_the_destination_has_no_default_kms_key(buckets: AttachmentBuckets) -> None:
    key_id = "arn:aws:kms:us-east-1:000000000000:key/of-the-source"
    by_default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_id}}
    buckets.aws.s3.put_bucket_encryption(
        Bucket=buckets.source,
        ServerSideEncryptionConfiguration={"Rules": [by_default]},  # type: ignore[list-item]
    )
    buckets.put("docs/kms.pdf", Tagging="keep=yes")
    buckets.put("docs/plain.pdf", ServerSideEncryption="AES256")
    rows = buckets.run(buckets.files("docs/kms.pdf", "docs/plain.pdf")).rows
    kms, plain = (buckets.aws.s3.head_object(Bucket=buckets.destination, Key=row.destination_key) for row in rows)
    assert (kms["ServerSideEncryption"], kms["SSEKMSKeyId"]) == ("aws:kms", key_id)
    assert plain.get("ServerSideEncryption") != "aws:kms"
    tags = buckets.aws.s3.get_object_tagging(Bucket=buckets.destination, Key=rows[0].destination_key)["TagSet"]
    assert tags == [{"Key": "keep", "Value": "yes"}]


def test_a_changed_source_is_copied_again_and_the_others_are_not(buckets: AttachmentBuckets) -> None:
    keys = ["docs/a.pdf", "docs/b.pdf"]
    for key in keys:
        buckets.put(key)
    first = buckets.run(buckets.files(*keys))
    buckets.put("docs/b.pdf", b"54321")
    second = buckets.run(buckets.files(*keys))
    assert (first.attempted, second.attempted, second.wrote_metadata) == (2, 1, True)
    assert buckets.read(second.rows[1].destination_key) == b"54321"


def test_an_overwritten_copy_is_made_again(buckets: AttachmentBuckets) -> None:
    buckets.put("docs/a.pdf")
    (row,) = buckets.run(buckets.files("docs/a.pdf")).rows
    buckets.aws.s3.put_object(Bucket=buckets.destination, Key=row.destination_key, Body=b"other")
    assert buckets.run(buckets.files("docs/a.pdf")).attempted == 1
    assert buckets.read(row.destination_key) == b"12345"


@pytest.mark.parametrize(("count", "between"), [(1_200, 0), (40, 30)])
def test_neighbouring_keys_are_looked_up_by_listing(buckets: AttachmentBuckets, count: int, between: int) -> None:
    """``between``: number of other objects between two wanted ones."""
    names = [f"docs/{number:06}/{other:02}" for number in range(count) for other in range(between + 1)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(buckets.put, names))
    wanted = names[:: between + 1]
    with FaultProxy(str(buckets.settings.aws_endpoint_url)) as proxy:
        copies = ObjectCopies(
            replace(buckets.settings, aws_endpoint_url=proxy.url), buckets.source, buckets.destination
        )
        with proxy.watch():
            found = copies.find_sources([*wanted, "docs/none", "docs/000001/none", "aaa", "zzz"])
    assert sorted(found) == wanted
    assert proxy.count("ListObjects") <= 1 + -(-len(names) // 1_000)
    assert proxy.count("HeadObject") < count // 2


def test_keys_far_apart_are_looked_up_by_head_requests(buckets: AttachmentBuckets) -> None:
    """A flat bucket with a few wanted keys in it."""
    names = [f"docs/{number:05}" for number in range(1_300)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(buckets.put, names))
    wanted = names[::300]
    with FaultProxy(str(buckets.settings.aws_endpoint_url)) as proxy:
        copies = ObjectCopies(
            replace(buckets.settings, aws_endpoint_url=proxy.url), buckets.source, buckets.destination
        )
        with proxy.watch():
            assert sorted(copies.find_sources(wanted)) == wanted
    assert proxy.count("ListObjects") == 1
    assert proxy.count("HeadObject") <= len(wanted)


def test_a_denied_object_is_refused_and_the_others_are_copied(buckets: AttachmentBuckets) -> None:
    keys = ["docs/a.pdf", "docs/b.pdf", "docs/c.pdf"]
    for key in keys:
        buckets.put(key)
    with FaultProxy(str(buckets.settings.aws_endpoint_url)) as proxy, proxy.watch(copies_of("2", Harm.DENIED)):
        copied = buckets.run(buckets.files(*keys), proxied(buckets, proxy))
    assert [(row.status, row.error) for row in copied.rows] == [
        ("copied", None),
        ("refused", "AccessDenied"),
        ("copied", None),
    ]


def test_a_throttled_copy_is_retried(buckets: AttachmentBuckets) -> None:
    buckets.put("docs/a.pdf")
    slow: list[Any] = []

    def plan(call: Any) -> Fault | None:
        if call.operation != "CopyObject" or len(slow) == 2:
            return None
        slow.append(call)
        return Fault(Harm.SLOW_DOWN)

    with FaultProxy(str(buckets.settings.aws_endpoint_url)) as proxy, proxy.watch(plan):
        copied = buckets.run(buckets.files("docs/a.pdf"), proxied(buckets, proxy, attempts=3))
    assert len(slow) == 2
    assert [row.status for row in copied.rows] == ["copied"]


def test_an_outage_stops_further_attempts(buckets: AttachmentBuckets) -> None:
    keys = [f"docs/{number:03}.pdf" for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(buckets.put, keys))

    def outage(call: Any) -> Fault | None:
        return Fault(Harm.ERROR) if call.operation == "CopyObject" else None

    with FaultProxy(str(buckets.settings.aws_endpoint_url)) as proxy, proxy.watch(outage):
        copied = buckets.run(buckets.files(*keys), proxied(buckets, proxy))
        assert proxy.count("CopyObject") < 60
    assert copied.statuses == {"failed": 200}
    assert buckets.run(buckets.files(*keys)).statuses == {"copied": 200}


def test_a_source_that_disappeared_before_its_copy_is_missing(buckets: AttachmentBuckets) -> None:
    """The source may be deleted or changed between listing and copying."""
    buckets.put("docs/a.pdf")
    copies = ObjectCopies(buckets.settings, buckets.source, buckets.destination)
    gone = Copy("docs/gone.pdf", "attachments/agency=x/1/a", "e", 5)
    fine = Copy("docs/a.pdf", "attachments/agency=x/2/a", "e", 5)
    problems = copies.copy([gone, fine], lambda: None)
    assert problems == {gone.destination_key: Problem(Status.MISSING, "NoSuchKey")}
