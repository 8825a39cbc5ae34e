"""Posted forms: in any pieces the same file, and what is refused of them."""

import io
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.web_check.file_form import FileForm, RefusedPostError, plain_name
from etl_platform_tests.unit.engine.web_check.forms import BOUNDARY, CONTENT_TYPE, form

MOST = 1_000
PIECES = st.lists(
    st.sampled_from([b"\r\n", b"--", BOUNDARY.encode(), b"\r\n--" + BOUNDARY.encode()[:9], b"a,b", b"\0"])
)


def read(body: bytes, cuts: list[int] | None = None, content_type: str = CONTENT_TYPE) -> tuple[FileForm, bytes]:
    file = io.BytesIO()
    found = FileForm(content_type, lambda _: file, MOST, "1 kB")
    places = sorted({min(cut, len(body)) for cut in cuts or ()} | {0, len(body)})
    for start, end in pairwise(places):
        found.feed(body[start:end])
    found.finish()
    return found, file.getvalue()


def refusal(body: bytes, content_type: str = CONTENT_TYPE) -> tuple[int, str]:
    with pytest.raises(RefusedPostError) as refused:
        read(body, content_type=content_type)
    return refused.value.status, refused.value.code


@given(
    content=PIECES.map(b"".join).filter(lambda one: b"--" + BOUNDARY.encode() not in one),
    cuts=st.lists(st.integers(1, 900), max_size=30),
)
def test_in_any_pieces_the_file_arrives_as_it_was_sent(content: bytes, cuts: list[int]) -> None:
    content = content[:MOST]
    body = form("a.csv", content, fields=[("dataset", "training"), ("agency", "Ünit")])
    # A parser that looks for the first boundary refuses a first piece without it.
    found, written = read(body, [cut + len(BOUNDARY) + 4 for cut in cuts])
    assert (found.file_name, written) == ("a.csv", content)
    assert found.fields == {"dataset": "training", "agency": "Ünit"}


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(RefusedPostError):
        read(body)


def test_the_fields_before_the_file_are_known_when_it_begins_and_may_refuse_it() -> None:
    seen: list[dict[str, str]] = []

    def refuse(fields: Mapping[str, str]) -> BinaryIO:
        seen.append(dict(fields))
        raise RefusedPostError(401, "unauthorized", "no")

    refused = FileForm(CONTENT_TYPE, refuse, MOST, "1 kB")
    with pytest.raises(RefusedPostError, match="unauthorized"):
        refused.feed(form("a.csv", b"x", fields=[("token", "t"), ("unknown", "u")]))
    assert seen == [{"token": "t"}]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (form(None, b""), (400, "no_file")),
        (form("", b""), (400, "no_file")),
        (form("a.csv", b"x" * (MOST + 1)), (413, "too_large")),
        (form("a.csv", b"x")[:-5], (400, "cut_off")),
        (form("a.csv", b"x", fields=[("agency", "a" * 2_000)]), (400, "malformed")),
        (form("a.csv", b"x", fields=[("agency", "a")] * 20), (400, "malformed")),
        (form("a.csv", b"x", boundary="other"), (400, "malformed")),
        (form("a.csv", b"x").replace(b"text/csv", b"t" * 5_000), (400, "malformed")),
        (b"", (400, "cut_off")),
    ],
)
def test_what_is_no_form_with_one_file_is_refused(body: bytes, expected: tuple[int, str]) -> None:
    assert refusal(body) == expected


def test_a_second_file_is_refused() -> None:
    one = form("a.csv", b"x")
    both = one[: -len(f"--{BOUNDARY}--\r\n")] + one
    assert refusal(both) == (400, "several_files")


@pytest.mark.parametrize(
    "content_type",
    ["", "text/csv", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=a"],
)
def test_another_content_type_is_refused(content_type: str) -> None:
    assert refusal(form("a.csv", b"x"), content_type) == (415, "wrong_type")


@pytest.mark.parametrize(
    ("sent", "plain"),
    [
        ("a.csv", "a.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a b.csv", "a b.csv"),
        ("/", ""),
        ("..", ".."),
        ("a\x00\r\n\x1b[2J\u202eb.csv", "a[2Jb.csv"),
        ("x" * 300 + ".csv", "x" * 196 + ".csv"),
    ],
)
def test_a_name_has_no_folder_and_no_control_character(sent: str, plain: str) -> None:
    assert plain_name(sent) == plain
