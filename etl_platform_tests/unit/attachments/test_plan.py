"""Attachments: keys, the plan, and metadata rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.application_db.agencies import Agency
from etl_platform.application_db.attachment_file import AttachmentFile
from etl_platform.attachments.plan import (
    ObjectInfo,
    Problem,
    Status,
    destination_keys,
    is_current_copy,
    metadata_rows,
    needs_recorded_etags,
    plan_copies,
)
from etl_platform.aws.obstore_client import can_name
from etl_platform.object_keys import MAX_KEY_BYTES, attachment_key, attachments_prefix, parse_attachment_key

ANY_NAME = st.text(st.characters(codec=None, categories=None), max_size=400)


def file(number: int, source_key: str = "docs/a.pdf", name: str = "a.pdf", size: int | None = 5) -> AttachmentFile:
    return AttachmentFile(number, source_key, name, "application/pdf", size)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Report.pdf", "Report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("..", "file"),
        ("", "file"),
        ("a b+c?.pdf", "a_b_c_.pdf"),
        ("Résumé / 2024.docx", "_2024.docx"),
        ("Résumé, 2024.docx", "Résumé__2024.docx"),
        ("报告.pdf", "报告.pdf"),
        ("re\u202efdp.exe", "re_fdp.exe"),
        ("x" * 300 + ".tar.gz", "x" * 193 + ".tar.gz"),
        ("é" * 300 + ".pdf", "é" * 98 + ".pdf"),
    ],
)
def test_a_file_name_becomes_one_readable_segment(name: str, expected: str) -> None:
    assert attachment_key("nm_albuquerque", 7, name) == f"attachments/agency=nm_albuquerque/7/{expected}"


@given(name=ANY_NAME, number=st.integers(-(2**63), 2**63 - 1))
def test_every_key_stays_below_its_prefix_and_can_be_parsed(name: str, number: int) -> None:
    key = attachment_key("nm", number, name)
    parsed = parse_attachment_key(key)
    assert parsed is not None
    assert (parsed.agency, parsed.attachment_id) == ("nm", number)
    assert key == f"{attachments_prefix('nm')}{number}/{parsed.file_name}"
    assert parsed.file_name not in {"", ".", ".."}
    assert len(key.encode()) <= MAX_KEY_BYTES
    assert can_name(key), "obstore can write every key"


def test_equal_names_do_not_collide() -> None:
    wanted = destination_keys([file(1), file(2), file(12)], "nm")
    assert len(wanted) == 3


@pytest.mark.parametrize(
    "key", ["attachments/agency=nm/attachments.csv", "attachments/agency=nm/x/a.pdf", "attachments/agency=nm/1/", "x"]
)
def test_other_keys_are_not_parsed(key: str) -> None:
    assert parse_attachment_key(key) is None


@pytest.mark.parametrize(
    ("key", "nameable"),
    [
        ("docs/a b+%20é.pdf", True),
        ("...", True),
        ("a/..b/c..", True),
        ("/docs/a.pdf", False),
        ("docs/", False),
        ("a//b", False),
        ("a/../b", False),
        ("..", False),
        ("a/./b", False),
        ("a\nb", False),
        ("", False),
    ],
)
def test_keys_that_obstore_would_change_are_recognised(key: str, nameable: bool) -> None:
    assert can_name(key) is nameable


def test_a_copy_is_current_if_size_and_etag_are_equal_or_the_recorded_pair() -> None:
    multipart, copy = ObjectInfo("aa-3", 9), ObjectInfo("bb", 9)
    assert is_current_copy(ObjectInfo("cc", 9), ObjectInfo("cc", 9), None)
    assert not is_current_copy(ObjectInfo("cc", 9), ObjectInfo("cc", 8), None)
    assert not is_current_copy(multipart, copy, None)
    assert is_current_copy(multipart, copy, ("aa-3", "bb"))
    assert not is_current_copy(ObjectInfo("zz-3", 9), copy, ("aa-3", "bb")), "the source was written again"
    assert not is_current_copy(multipart, ObjectInfo("yy", 9), ("aa-3", "bb")), "the copy was overwritten"


def test_recorded_etags_are_needed_only_if_sizes_agree_and_etags_differ() -> None:
    wanted = destination_keys([file(1)], "nm")
    (key,) = wanted
    sources = {"docs/a.pdf": ObjectInfo("a", 5)}
    assert not needs_recorded_etags(wanted, sources, {})
    assert not needs_recorded_etags(wanted, sources, {key: ObjectInfo("a", 5)})
    assert not needs_recorded_etags(wanted, sources, {key: ObjectInfo("b", 6)})
    assert needs_recorded_etags(wanted, sources, {key: ObjectInfo("b", 5)})


def test_a_plan_has_new_and_changed_copies_and_problems() -> None:
    files = [file(1, "same"), file(2, "changed"), file(3, "new"), file(4, "gone"), file(5, "closed")]
    wanted = destination_keys(files, "nm")
    same, changed, new, gone, closed = wanted
    sources = {key: ObjectInfo("e", 5) for key in ("same", "changed", "new")} | {
        "closed": Problem(Status.REFUSED, "AccessDenied")
    }
    plan = plan_copies(wanted, sources, {same: ObjectInfo("e", 5), changed: ObjectInfo("d", 5)}, {})
    assert [copy.destination_key for copy in plan.copies] == [changed, new]
    assert plan.already_copied == {same}
    assert plan.problems == {
        gone: Problem(Status.MISSING, "NoSuchKey"),
        closed: Problem(Status.REFUSED, "AccessDenied"),
    }


def test_a_row_has_the_state_at_the_destination() -> None:
    files = [file(1, "good"), file(2, "good", size=4), file(3, "good", size=None), file(4, "good"), file(5, "gone")]
    wanted = destination_keys(files, "nm")
    one, two, three, four, five = wanted
    targets = {one: ObjectInfo("e", 5), two: ObjectInfo("e", 5), three: ObjectInfo("e", 5), four: ObjectInfo("old", 3)}
    rows = metadata_rows(
        Agency(10, "nm", "NM"),
        ("s", "d"),
        wanted,
        sources={"good": ObjectInfo("e", 5)},
        targets=targets,
        problems={five: Problem(Status.MISSING, "NoSuchKey")},
    )
    assert [(row.attachment_id, row.status, row.size_bytes, row.error) for row in rows] == [
        (1, "copied", 5, None),
        (2, "size_differs", 5, "the database records 4 bytes"),
        (3, "copied", 5, None),
        (4, "failed", 3, "the source changed while it was copied"),
        (5, "missing", None, "NoSuchKey"),
    ]
