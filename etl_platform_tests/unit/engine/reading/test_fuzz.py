"""Some files of ``benchmarks.fuzz`` and ``pollution``, and all of ``reading``: each has an allowed result."""

import random
from pathlib import Path

import pytest

from benchmarks import pollution
from benchmarks.awkward import Awkward, corpus
from benchmarks.examine import examine
from benchmarks.mutate import make_case
from benchmarks.pollute import KINDS, UNDECIDABLE
from benchmarks.reading import WRONG, engine, judge
from etl_platform.engine.columns import LINE
from etl_platform.engine.reading.delimited import parse_rows, text_table
from etl_platform_tests.unit.making import cells_of, contract_of, read_back, text


def test_damaged_files_are_accepted_or_rejected_and_their_rows_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", text_table.CHUNK_BYTES)
    found = [examine(make_case(3, number), number, tmp_path) for number in range(300)]
    assert {outcome for outcome, _ in found} >= {"accepted", "archive_damaged", "no_good_rows", "no_header_match"}
    assert sum(compared for _, compared in found) > 30


@pytest.mark.parametrize("case", corpus(), ids=lambda case: case.name)
def test_no_awkward_file_is_misread_without_a_reason(tmp_path: Path, case: Awkward) -> None:
    path = tmp_path / "delivery"
    path.write_bytes(case.content)
    verdict, why = judge(engine, path, case)
    assert verdict != WRONG, why


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - UNDECIDABLE.keys()))
def test_silver_of_a_polluted_file_has_only_rows_of_the_clean_table(kind: str) -> None:
    found = [pollution.judge(5, number, kind) for number in range(4)]
    assert [item for item in found if item.verdict == pollution.WRONG] == []


def test_many_damaged_rows_are_read_in_several_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse_rows, "MAX_SLOW_ROWS", 7)
    dice = random.Random(1)
    rows = [(str(n), *(("a", "Peña")[dice.randrange(2)],) * dice.randrange(3)) for n in range(100)]
    path = tmp_path / "delivery"
    path.write_bytes(b"".join((",".join(row) + "\n").encode("cp1252") for row in [("ident", "label", "remark"), *rows]))
    _, frame = read_back(path, contract_of([text("ident"), text("label"), text("remark")]))
    assert cells_of(frame) == [(*row, "", "")[:3] for row in rows]
    assert frame[LINE].to_list() == list(range(2, 102))
