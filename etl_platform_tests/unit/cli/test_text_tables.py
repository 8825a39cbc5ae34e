"""Texts of tables that several commands print."""

from etl_platform.cli.text_tables import row_changes_text
from etl_platform.engine.corrections import ChangedRow, RowChanges


def test_rows_that_are_bad_now_have_the_rules_that_they_break() -> None:
    lines = (
        ChangedRow(None, 2, None, "distance.range"),
        ChangedRow(None, 3, None, "distance.range;code.allowed"),
        ChangedRow(None, 4, "day.type", "code.pattern"),
        ChangedRow(None, 5, "day.type", None),
    )
    shown = row_changes_text(RowChanges(1, 2, 1, lines))
    assert shown == "1 good now, 2 bad now (code.allowed, distance.range), 1 bad for other reasons"


def test_of_many_rules_the_first_are_named() -> None:
    lines = (ChangedRow(None, 2, None, "d;c;b;a"),)
    assert row_changes_text(RowChanges(0, 1, 0, lines)) == "1 bad now (a, b, c, …)"
    assert row_changes_text(RowChanges(0, 0, 0)) == "no row changed"
