"""What the last file of a series says about renamed columns: likeness of contents, pairs that it adds or excludes."""

import csv
import io
import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.drift.summary import ColumnSummary, FileSummary
from etl_platform.engine.renames.last_file import last_seen, likeness
from etl_platform_tests.unit.engine.renames.agency_files import SAMPLES, agency_file
from etl_platform_tests.unit.engine.renames.generated_renames import RenamedFile, renamed_file
from etl_platform_tests.unit.engine.renames.test_suggest import suggested, written
from etl_platform_tests.unit.making import contract_of, text, typed

OPEN = {"classification": "internal"}
STOPS = contract_of(
    [text("stop_id"), text("outcome", **OPEN), text("purpose", **OPEN), typed("minutes", "integer", **OPEN)]
)
ROWS = [f"S{n},{'ACW'[n % 3]},{'SLX'[n % 3]},{n % 50}" for n in range(90)]


def summary(path: Path, contract: Contract) -> FileSummary:
    check = check_file(path, contract, path.parent, as_of=date(2026, 11, 1))
    assert check.errors == ()
    return FileSummary.of(check, "last", datetime(2026, 10, 1, tzinfo=UTC), contract.keys, path.name)


def last_stops(tmp_path: Path, header: str = "stop_id,outcome,purpose,minutes") -> FileSummary:
    return summary(written(tmp_path / "last.csv", header, *ROWS), STOPS)


def pairs(path: Path, *files: FileSummary) -> list[tuple[str, str]]:
    return [(rename.header, rename.column) for rename in suggested(path, STOPS, *files)]


def test_a_column_with_the_codes_of_the_missing_one_is_it_whatever_its_name(tmp_path: Path) -> None:
    now = written(tmp_path / "now.csv", "stop_id,f7,purpose,minutes", *ROWS)
    assert pairs(now) == []
    assert pairs(now, last_stops(tmp_path)) == [("f7", "outcome")]


def test_other_codes_and_numbers_that_chance_gives_are_no_evidence(tmp_path: Path) -> None:
    rows = [f"S{n},{'XYZ'[n % 3]},{'SLX'[n % 3]},{n % 50}" for n in range(90)]
    now = written(tmp_path / "now.csv", "stop_id,f7,purpose,f8", *rows)
    assert pairs(now, last_stops(tmp_path)) == []


def test_two_columns_with_the_same_codes_are_not_told_apart(tmp_path: Path) -> None:
    rows = [f"S{n},{'ACW'[n % 3]},{'ACW'[n % 3]}" for n in range(90)]
    assert pairs(written(tmp_path / "now.csv", "stop_id,f7,f8", *rows), last_stops(tmp_path)) == []


def test_a_column_that_was_there_beside_the_missing_one_is_not_it(tmp_path: Path) -> None:
    rows = [f"{row},{'ACW'[n % 3]}" for n, row in enumerate(ROWS)]
    last = summary(written(tmp_path / "last.csv", "stop_id,outcome,purpose,minutes,Outcome Cd", *rows), STOPS)
    now = written(tmp_path / "now.csv", "stop_id,OUTCOME_CD,purpose,minutes", *ROWS)
    assert pairs(now) == [("OUTCOME_CD", "outcome")]
    assert pairs(now, last) == []


def test_the_newest_file_that_had_the_column_counts(tmp_path: Path) -> None:
    without = summary(written(tmp_path / "b.csv", "stop_id,f7,purpose,minutes", *ROWS), STOPS)
    assert last_seen([last_stops(tmp_path), without])["outcome"].beside == frozenset()
    now = written(tmp_path / "now.csv", "stop_id,f7,purpose,minutes", *ROWS)
    assert pairs(now, last_stops(tmp_path), without) == [("f7", "outcome")]


_SHARES = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 9), min_size=1).map(
    lambda rows: {value: times / sum(rows.values()) for value, times in rows.items()}
)
_DECILES = st.lists(st.floats(-1e6, 1e6), min_size=11, max_size=11).map(lambda values: tuple(sorted(values)))
_COLUMNS = st.one_of(
    st.builds(lambda values: ColumnSummary(0.0, len(values), values=values), _SHARES),
    st.builds(lambda deciles, are_days: ColumnSummary(0.0, 99, deciles, are_days), _DECILES, st.booleans()),
    st.builds(lambda forms: ColumnSummary(0.0, 99, forms=forms, sampled=99), _SHARES),
)


@given(_COLUMNS, _COLUMNS)
def test_a_column_is_wholly_like_itself_and_likeness_is_a_share(one: ColumnSummary, other: ColumnSummary) -> None:
    itself, both = likeness(one, one), likeness(one, other)
    assert itself is not None
    assert itself.share == pytest.approx(1)
    assert both is None or -1e-9 <= both.share <= 1 + 1e-9


def last_file(file: RenamedFile, seed: int, folder: Path) -> FileSummary:
    """Another file of the same dataset under the names of the contract."""
    rows = SAMPLES[file.contract.dataset](random.Random(seed + 1_000_000))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path = folder / "last.csv"
    path.write_text(out.getvalue(), "utf-8")
    return summary(path, file.contract)


@pytest.mark.parametrize("generate", [renamed_file, agency_file])
def test_with_the_last_file_more_renames_are_found_and_no_other_pairs(
    tmp_path: Path, generate: Callable[[int], RenamedFile]
) -> None:
    expected, alone, right, wrong = 0, 0, 0, []
    for seed in range(30):
        file = generate(seed)
        path = tmp_path / "file.csv"
        path.write_bytes(file.content)
        last = last_file(file, seed, tmp_path)
        alone += sum(file.renamed.get(rename.header) == rename.column for rename in suggested(path, file.contract))
        for rename in suggested(path, file.contract, last):
            if file.renamed.get(rename.header) == rename.column:
                right += 1
            else:
                wrong.append(rename)
        expected += len(file.renamed)
    assert alone < right
    assert right >= 0.95 * expected
    assert wrong == []
