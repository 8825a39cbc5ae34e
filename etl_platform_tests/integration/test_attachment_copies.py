"""Copies between two buckets of the emulator: which keys, by which lane, what comes along, what cannot be copied."""

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
from etl_platform_tests.integration.attachment_place import AGENCY, Place, copies_of, database_url, place, proxied

__all__ = ["database_url", "place"]

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
