"""The output of PostgreSQL's COPY as frames: escapes, chunks, invalid text."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.application_db.copy_output import CopyOutput
from etl_platform.engine.errors import PermanentError

if TYPE_CHECKING:
    import polars as pl

# PostgreSQL text may contain every character except NUL; COPY writes null and empty text alike.
TEXTS = (
    st.none()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
    | st.sampled_from(["\t", "\r", "\n", 'a"b', "a,b", "\\N", "\\.", "\\t", " "])
)


def copied(text: str | None) -> bytes:
    """A value as COPY writes it: https://www.postgresql.org/docs/current/sql-copy.html"""
    escapes = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
    return "".join(escapes.get(character, character) for character in text or "").encode()


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=8))
def test_escaped_texts_are_decoded(rows: list[tuple[str | None, str | None]]) -> None:
    frames: list[pl.DataFrame] = []
    output = CopyOutput(("a", "b"), frames.append)
    for row in rows:
        output.write(b"\t".join(map(copied, row)) + b"\n")
    output.flush()
    assert [row for frame in frames for row in frame.rows()] == rows


def test_large_results_are_passed_on_in_several_frames() -> None:
    frames: list[pl.DataFrame] = []
    output = CopyOutput(("a",), frames.append)
    for number in range(3_000):
        output.write(f"{number}{'x' * 5_000}\n".encode())
    output.flush()
    assert sum(frame.height for frame in frames) == 3_000
    assert max(frame.height for frame in frames) < 1_000


def test_invalid_utf8_is_a_permanent_error_that_does_not_quote_it() -> None:
    output = CopyOutput(("a",), lambda _frame: None)
    output.write(b"Pe\xf1a\n")
    with pytest.raises(PermanentError, match="UTF-8") as caught:
        output.flush()
    assert "Pe" not in str(caught.value).replace("PermanentError", "")
    assert caught.value.__cause__ is None
