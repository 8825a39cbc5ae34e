"""A text alone is cleaned as a cell with it."""

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from etl_platform.engine.columns import DAMAGE, LINE
from etl_platform.engine.reading.characters.cell_characters import clean_cells
from etl_platform.engine.reading.characters.character_notes import CharacterNotes
from etl_platform.engine.reading.characters.unusual_characters import clean_text, has_lost

UNUSUAL = st.sampled_from("\u00ad\u200b\ufeff\u00a0\u2003\v\u0301\u0300e\u0007\ufffd\x85\u00c3\u00b1\u00a9\u2019")


@given(st.text(UNUSUAL | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12))
@example("Pe\u00c3\u00b1asco")
@example("e\u0301\u200b\u00a0x")
def test_a_text_is_cleaned_as_a_cell_with_it(text: str) -> None:
    frame = pl.DataFrame(
        {"0": [text], LINE: [2], DAMAGE: [None]}, schema={"0": pl.String, LINE: pl.UInt32, DAMAGE: pl.String}
    )
    cleaned = clean_cells(frame, ["name"], frozenset({0}), CharacterNotes())
    assert clean_text(text) == (cleaned["0"].item() or "")
    assert has_lost(clean_text(text)) is (cleaned[DAMAGE].item() is not None)
