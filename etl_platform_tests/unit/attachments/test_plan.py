"""Attachments: keys, the plan, and what a row says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.application_db.agencies import Agency
from etl_platform.application_db.attachment_file import AttachmentFile
from etl_platform.attachments.plan import (
    Listed,
    Problem,
    Status,
    destination_keys,
    is_same,
    metadata_rows,
    needs_memory,
    plan_copies,
)
from etl_platform.aws.obstore_client import can_name
from etl_platform.object_keys import MAX_KEY_BYTES, attachment_key, attachments_prefix, parse_attachment_key

ANY_NAME = st.text(st.characters(codec=None, categories=None), max_size=400)


def file(number: int, source_key: str = "docs/a.pdf", name: str = "a.pdf", size: int | None = 5) -> AttachmentFile:
    return AttachmentFile(number, source_key, name, "application/pdf", size)


@pytest.mark.parametrize(
    ("name", "kept"),
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
def test_a_file_name_becomes_one_readable_segment(name: str, kept: str) -> None:
    assert attachment_key("nm_albuquerque", 7, name) == f"attachments/agency=nm_albuquerque/7/{kept}"


@given(name=ANY_NAME, number=st.integers(-(2**63), 2**63 - 1))
def test_no_name_leaves_its_folder_and_every_key_is_read_back(name: str, number: int) -> None:
    key = attachment_key("nm", number, name)
    parsed = parse_attachment_key(key)
    assert parsed is not None
    assert (parsed.agency, parsed.attachment_id) == ("nm", number)
    assert key == f"{attachments_prefix('nm')}{number}/{parsed.file_name}"
    assert parsed.file_name not in {"", ".", ".."}
    assert len(key.encode()) <= MAX_KEY_BYTES
    assert can_name(key), "the light lane can write every key"


def test_equal_names_do_not_collide() -> None:
    wanted = destination_keys([file(1), file(2), file(12)], "nm")
    assert len(wanted) == 3


@pytest.mark.parametrize(
    "key", ["attachments/agency=nm/attachments.csv", "attachments/agency=nm/x/a.pdf", "attachments/agency=nm/1/", "x"]
)
def test_other_keys_are_nobodys_attachment(key: str) -> None:
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
def test_what_obstore_would_read_as_another_key_is_not_given_to_it(key: str, nameable: bool) -> None:
    assert can_name(key) is nameable


def test_the_same_is_of_the_same_size_and_checksum_or_the_pair_that_was_recorded() -> None:
    multipart, copy = Listed("aa-3", 9), Listed("bb", 9)
    assert is_same(Listed("cc", 9), Listed("cc", 9), None)
    assert not is_same(Listed("cc", 9), Listed("cc", 8), None)
    assert not is_same(multipart, copy, None)
    assert is_same(multipart, copy, ("aa-3", "bb"))
    assert not is_same(Listed("zz-3", 9), copy, ("aa-3", "bb")), "the source was written again"
    assert not is_same(multipart, Listed("yy", 9), ("aa-3", "bb")), "somebody overwrote the copy"


def test_memory_is_asked_only_where_etags_do_not_tell() -> None:
    wanted = destination_keys([file(1)], "nm")
    (key,) = wanted
    sources = {"docs/a.pdf": Listed("a", 5)}
    assert not needs_memory(wanted, sources, {})
    assert not needs_memory(wanted, sources, {key: Listed("a", 5)})
    assert not needs_memory(wanted, sources, {key: Listed("b", 6)})
    assert needs_memory(wanted, sources, {key: Listed("b", 5)})


def test_a_plan_copies_what_is_new_or_changed_and_names_what_cannot_be() -> None:
    files = [file(1, "same"), file(2, "changed"), file(3, "new"), file(4, "gone"), file(5, "closed")]
    wanted = destination_keys(files, "nm")
    same, changed, new, gone, closed = wanted
    sources = {key: Listed("e", 5) for key in ("same", "changed", "new")} | {
        "closed": Problem(Status.REFUSED, "AccessDenied")
    }
    plan = plan_copies(wanted, sources, {same: Listed("e", 5), changed: Listed("d", 5)}, {})
    assert [copy.destination_key for copy in plan.copies] == [changed, new]
    assert plan.there == {same}
    assert plan.problems == {
        gone: Problem(Status.MISSING, "NoSuchKey"),
        closed: Problem(Status.REFUSED, "AccessDenied"),
    }


def test_a_row_tells_what_is_true_at_the_destination() -> None:
    files = [file(1, "good"), file(2, "good", size=4), file(3, "good", size=None), file(4, "good"), file(5, "gone")]
    wanted = destination_keys(files, "nm")
    one, two, three, four, five = wanted
    targets = {one: Listed("e", 5), two: Listed("e", 5), three: Listed("e", 5), four: Listed("old", 3)}
    rows = metadata_rows(
        Agency(10, "nm", "NM"),
        ("s", "d"),
        wanted,
        sources={"good": Listed("e", 5)},
        targets=targets,
        problems={five: Problem(Status.MISSING, "NoSuchKey")},
    )
    assert [(row.attachment_id, row.status, row.size_bytes, row.error) for row in rows] == [
        (1, "copied", 5, None),
        (2, "size_differs", 5, "the database has 4 bytes"),
        (3, "copied", 5, None),
        (4, "failed", 3, "the source changed while it was copied"),
        (5, "missing", None, "NoSuchKey"),
    ]
