"""Corrected rows: what a corrections file may contain, how a spreadsheet saves it, and how a table changes."""

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine import corrections
from etl_platform.engine.check import check_file
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.corrections import (
    ChangedRow,
    Corrections,
    GivenRow,
    Quarantined,
    RowChanges,
    by_delivery,
    read_given,
    resolve,
)
from etl_platform.engine.errors import UsageError
from etl_platform.engine.output import quarantine_files
from etl_platform.engine.output.quarantine_files import export_csv, quarantined_rows, read_corrections, row_changes
from etl_platform.engine.result import CheckOutcome, CheckResult
from etl_platform.engine.split import QUARANTINE, SILVER
from etl_platform_tests.unit.making import contract_of, custom, text, typed

CELLS = st.text(st.sampled_from("ab19 =+-@'\t\r\n\",;é"), max_size=8)


def check(folder: Path, content: bytes, contract: Contract, rows: dict[Any, Any]) -> CheckResult:
    (folder / "file").write_bytes(content)
    return check_file(folder / "file", contract, folder, corrections=Corrections(rows))


def things(**more: Any) -> Contract:
    return contract_of([text("ident", required=True, **more), typed("size", "integer"), text("note")])


def quarantined(**rows: str) -> Quarantined:
    """Rows ``line_4="a,1"`` of a file with the columns ident and size."""
    known = {}
    for line, cells in rows.items():
        ident, size = cells.split(",")
        known[None, int(line.removeprefix("line_"))] = (
            {"ident": ident or None, "size": size or None},
            "ident.required",
        )
    return Quarantined("d1", ["ident", "size"], known, Corrections())


def row(line: int, **cells: str | None) -> GivenRow:
    return GivenRow(line, None, (None, line), cells)


@settings(max_examples=60)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_an_exported_quarantine_comes_back_cell_by_cell(tmp_path_factory: pytest.TempPathFactory, rows: Any) -> None:
    folder = tmp_path_factory.mktemp("round")
    cells = {"ident": [a or None for a, _ in rows], "=note": [b or None for _, b in rows]}
    frame = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    frame = frame.with_columns(
        _line=pl.int_range(2, len(rows) + 2, dtype=pl.UInt32),
        _overflow=pl.lit(None, pl.String),
        reasons=pl.lit("ident.required"),
    )
    frame.write_parquet(folder / "q")
    assert export_csv({"d1": folder / "q"}, folder / "q.csv") == len(rows)
    back = read_corrections(folder / "q.csv")
    assert [(r.delivery_id, r.place, r.cells) for r in back] == [
        ("d1", (None, number), {"ident": a or None, "=note": b or None}) for number, (a, b) in enumerate(rows, start=2)
    ]


@pytest.mark.parametrize("rows_at_once", [1, 2, 3, 100])
def test_an_export_has_the_same_rows_in_groups_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    monkeypatch.setattr(quarantine_files, "row_group_rows", lambda _columns: rows_at_once)
    parts: dict[str, Path] = {}
    for name, lines in {"d1": [2, 3, 5], "d2": [4]}.items():
        parts[name] = tmp_path / name
        cells = {"ident": [f"=i{line}" for line in lines], "_line": lines, "_overflow": [None] * len(lines)}
        frame = pl.DataFrame(cells | {"reasons": "ident.pattern"}, schema_overrides={"_overflow": pl.String})
        frame.write_parquet(parts[name])
    assert export_csv(parts, tmp_path / "q.csv") == 4
    assert (tmp_path / "q.csv").read_bytes().decode() == (
        "\ufeff_delivery_id,_line,ident,_overflow,reasons\n"
        "d1,2,'=i2,,ident.pattern\nd1,3,'=i3,,ident.pattern\nd1,5,'=i5,,ident.pattern\nd2,4,'=i4,,ident.pattern\n"
    )


def test_no_cell_of_an_export_runs_as_a_formula(tmp_path: Path) -> None:
    pl.DataFrame(
        {"ident": ["=1+1", "-3", "'@x", "plain"], "_line": [2, 3, 4, 5], "_overflow": [None] * 4, "reasons": ["r"] * 4},
        schema_overrides={"_line": pl.UInt32, "_overflow": pl.String},
    ).write_parquet(tmp_path / "q")
    export_csv({"": tmp_path / "q"}, tmp_path / "q.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "q.csv").read_text("utf-8-sig"))))
    assert [found["ident"] for found in rows] == ["'=1+1", "'-3", "''@x", "plain"]
    assert list(rows[0]) == ["_line", "ident", "_overflow", "reasons"]


@pytest.mark.parametrize(
    "content",
    [
        "_line,ident\n4,x\n",
        "_line;ident\r\n4;x\r\n",
        "\ufeff_line\tident\r\n4\tx\r\n",
        "ident,_line,reasons\nx,4,old\n",
    ],
    ids=["comma", "semicolon", "tab with a mark", "other order"],
)
def test_a_file_is_read_as_spreadsheets_save_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.csv").write_text(content, "utf-8")
    assert [(r.place, dict(r.cells)) for r in read_corrections(tmp_path / "c.csv")] == [((None, 4), {"ident": "x"})]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("ident,size\na,1\n", "have no column _line"),
        ("_line,ident,ident\n4,a,b\n", "the column 'ident' twice"),
        ("_line,ident\nfour,a\n", "line 2 of the corrections: _line is not a line number"),
        ("_line,ident\n4,a\n-5,b\n", "line 3 of the corrections: _line is not a line number"),
        ("_line,ident,size\n4,a,1\n5,b\n", "line 3 of the corrections cannot be split into cells .row.too_few_fields"),
        ("_line,ident\n", "have no rows"),
        ("", "cannot be read: empty_file"),
    ],
)
def test_a_file_that_is_not_a_corrections_file_is_refused_with_the_line(
    tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "c.csv").write_text(content, "utf-8")
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        read_corrections(tmp_path / "c.csv")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(9, ident="x")], "line 9: not in quarantine"),
        ([row(4, ident="x"), row(4, ident="y")], "line 4: twice in the corrections"),
        ([row(4, idnt="x")], "no column 'idnt'; it has ident, size"),
        ([row(n, ident="x") for n in range(100, 130)], "109 and 20 more: not in quarantine"),
    ],
)
def test_rows_that_do_not_match_are_refused_with_their_lines(rows: list[GivenRow], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        resolve(rows, quarantined(line_4=",1"))


def test_only_cells_that_differ_count_as_changed() -> None:
    found = resolve([row(4, ident="x", size="1"), row(5, ident=None, size="2")], quarantined(line_4=",1", line_5=",2"))
    assert (found.changed, found.untouched) == ({"ident": 1}, 1)
    assert set(found.corrections.rows) == {(None, 4), (None, 5)}


def test_unchanged_rows_change_nothing() -> None:
    found = resolve([row(4, ident=None, size="1")], quarantined(line_4=",1"))
    assert (bool(found.corrections), found.untouched) == (False, 1)


def test_repeated_corrections_change_nothing_after_their_rows_became_good() -> None:
    rows = [row(4, ident="x", size="1"), row(5, ident=None, size="2")]
    first = resolve(rows, quarantined(line_4=",1", line_5=",2"))
    again = resolve(rows, Quarantined("d1", ["ident", "size"], {}, first.corrections))
    assert (bool(again.corrections), again.untouched) == (False, 2)


def test_a_damaged_row_needs_every_column_and_stays_damaged_without_a_change() -> None:
    of = Quarantined(
        "d1", ["ident", "size"], {(None, 4): ({"ident": "a", "size": None}, "row.too_few_fields")}, Corrections()
    )
    assert not resolve([row(4, ident="a", size=None)], of).corrections
    with pytest.raises(UsageError, match=r"line 4 is damaged .* needs every column; add size"):
        resolve([row(4, ident="b")], of)
    assert resolve([row(4, ident="a", size="1")], of).corrections


def test_a_file_with_too_many_corrections_is_read_no_further_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def rows() -> Iterator[tuple[int, list[str | None]]]:
        for at in range(2, 1_000):
            read.append(at)
            yield at, [str(at), "a"]

    for name, limit, last in (("MAX_ROWS", 10, 12), ("MAX_CELLS", 40, 22)):
        read.clear()
        with monkeypatch.context() as patched:
            patched.setattr(corrections, name, limit)
            with pytest.raises(UsageError, match=f"the file has more than .*{limit}.* keep only the columns and rows"):
                read_given(["_line", "ident"], rows())
        assert read[-1] == last


def test_corrections_in_effect_count_against_the_limit_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "MAX_ROWS", 2)
    before = quarantined(line_2="a,x", line_3="b,y", line_4="c,z")
    found = replace(before, in_effect=Corrections({(None, 2): {"size": "1"}, (None, 3): {"size": "2"}}))
    assert resolve([row(2, size="7"), row(3, size="8")], found).changed == {"size": 2}
    with pytest.raises(UsageError, match="with those in effect there are more than 2 rows"):
        resolve([row(4, size="9")], found)
    more = replace(found, in_effect=Corrections({(None, line): {"size": "1"} for line in (2, 3, 4)}))
    assert not resolve([row(2, size="1")], more).corrections


def test_a_later_correction_wins_cell_by_cell() -> None:
    one, two = Corrections({(None, 4): {"ident": "a", "size": "1"}}), Corrections({(None, 4): {"size": "2"}})
    assert one.merged(two).rows == {(None, 4): {"ident": "a", "size": "2"}}
    assert Corrections.from_json(one.merged(two).to_json()) == one.merged(two)
    assert one.sha256 != one.merged(two).sha256 == two.merged(Corrections({(None, 4): {"ident": "a"}})).sha256


def test_rows_belong_to_the_delivery_that_they_name_or_to_the_only_one() -> None:
    named, unnamed = GivenRow(2, "d1", (None, 4), {}), GivenRow(3, None, (None, 5), {})
    assert by_delivery([named, unnamed], "d1", []) == {"d1": [named, unnamed]}
    assert by_delivery([unnamed], None, ["d2"]) == {"d2": [unnamed]}
    with pytest.raises(UsageError, match="line 2 of the corrections belongs to delivery d1, not to d9"):
        by_delivery([named], "d9", [])
    with pytest.raises(UsageError, match="names no delivery, and 2 have quarantined rows"):
        by_delivery([unnamed], None, ["d1", "d2"])
    assert read_given(["_line", "_delivery_id"], [(2, ["4", "d1"])])[0].delivery_id == "d1"


def test_a_corrected_row_is_checked_by_every_rule(tmp_path: Path) -> None:
    content = b"ident,size\na,1\n,2\nc,many\n"
    found = check(tmp_path, content, things(), {(None, 3): {"ident": "b"}, (None, 4): {"size": "lots"}})
    assert (found.outcome, found.reasons) == (CheckOutcome.ACCEPTED, {"size.type": 1})
    assert pl.read_parquet(tmp_path / SILVER)["ident"].to_list() == ["a", "b"]
    assert pl.read_parquet(tmp_path / QUARANTINE)["size"].to_list() == ["lots"]
    assert found.dialect.corrected_rows == 2


def test_a_corrected_key_takes_part_in_the_search_for_repeated_keys(tmp_path: Path) -> None:
    content = b"ident,size\na,1\nb,2\nb,3\nd,4\n"
    apart = check(tmp_path, content, things(unique=True), {(None, 4): {"ident": "c"}})
    assert (apart.accepted_rows, apart.reasons) == (4, {})
    onto_a_good_row = check(tmp_path, content, things(unique=True), {(None, 4): {"ident": "a"}})
    assert pl.read_parquet(tmp_path / QUARANTINE)["_line"].to_list() == [2, 4]
    assert onto_a_good_row.reasons == {"ident.unique": 2}


def test_a_corrected_row_is_not_damaged_any_longer(tmp_path: Path) -> None:
    content = b'ident,size\na,1\nb,2,3\n"c"x,4\n'
    before = check(tmp_path, content, things(), {})
    assert before.quarantined_rows == 2
    rows = {(None, 3): {"ident": "b", "size": "2"}, (None, 4): {"ident": "c", "size": "4"}}
    after = check(tmp_path, content, things(), rows)
    assert (after.accepted_rows, after.quarantined_rows, after.reasons) == (3, 0, {})


@pytest.mark.parametrize("rows", [{(None, 99): {"ident": "x"}}, {(None, 3): {"idnt": "x"}}])
def test_corrections_without_their_line_in_the_file_reject_it(tmp_path: Path, rows: Any) -> None:
    found = check(tmp_path, b"ident,size\na,1\n,2\n", things(), rows)
    assert [error.code for error in found.errors] == ["corrections_misplaced"]
    assert not (tmp_path / SILVER).exists()


def test_lines_of_a_zip_are_corrected_in_their_own_member(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "packed", "w") as archive:
        archive.writestr("things_1.csv", "ident,size\na,1\n,2\n")
        archive.writestr("things_2.csv", "ident,size\nb,3\n,4\n")
    contract = contract_of(
        [text("ident", required=True), typed("size", "integer")], customs=custom(filePatterns=["things*"])
    )
    content = (tmp_path / "packed").read_bytes()
    found = check(tmp_path, content, contract, {("things_2.csv", 3): {"ident": "c"}})
    assert pl.read_parquet(tmp_path / SILVER)["ident"].to_list() == ["a", "b", "c"]
    assert found.reasons == {"ident.required": 1}
    assert list(quarantined_rows(tmp_path / QUARANTINE, [("things_1.csv", 3), ("things_2.csv", 3)])) == [
        ("things_1.csv", 3)
    ]


def test_row_changes_have_lines_and_reasons_and_no_values(tmp_path: Path) -> None:
    content = b"ident,size\na,1\nb,2\nb,3\nd,x\n"
    check(tmp_path, content, things(unique=True), {})
    (tmp_path / QUARANTINE).rename(tmp_path / "before")
    rows = {(None, 4): {"ident": "a"}, (None, 5): {"ident": "a"}}
    check(tmp_path, content, things(unique=True), rows)
    assert row_changes(tmp_path / "before", tmp_path / QUARANTINE) == RowChanges(
        now_good=1,
        now_bad=1,
        other_reasons=1,
        lines=(
            ChangedRow(None, 2, None, "ident.unique"),
            ChangedRow(None, 3, "ident.unique", None),
            ChangedRow(None, 5, "size.type", "ident.unique;size.type"),
        ),
    )
    assert row_changes(None, None) == RowChanges(0, 0, 0)


def test_quarantined_rows_are_found_by_their_place(tmp_path: Path) -> None:
    check(tmp_path, b"ident,size\na,1\n,2\n,3\n", things(), {})
    found = quarantined_rows(tmp_path / QUARANTINE, [(None, 4), (None, 2)])
    assert found == {(None, 4): ({"ident": None, "size": "3"}, "ident.required")}
