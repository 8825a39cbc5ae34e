"""Files of a series compared on arrival: which files belong to it, repeats and replays, and what the report says."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.verdict import why
from etl_platform.engine.drift.comparison import KEPT, DriftComparison
from etl_platform.engine.drift.finding import Change
from etl_platform.engine.result import CheckResult
from etl_platform.errors import TransientError
from etl_platform.object_keys import SERIES, series_key
from etl_platform_tests.unit.intake_place import REPROCESS, Place
from etl_platform_tests.unit.making import contract_of, custom, row_rule, text, typed

CONTRACT = contract_of(
    [text("ident", required=True), typed("size", "integer"), text("shift"), text("unit")],
    customs=custom(filePatterns=["things*"]),
    quality=[row_rule("size_small", "size < 1000"), row_rule("unit_known", "unit <> 'u9' OR size > 3")],
)
CODES = contract_of(
    [text("ident", required=True), typed("size", "integer"), text("shift"), text("unit", classification="internal")],
    customs=custom(filePatterns=["things*"]),
)
FOLDER = "from_client/agency_a"
DAY_S = 86_400


def lines(rows: int = 40, header: str = "ident,size,shift,unit") -> bytes:
    """Rows whose optional columns ``shift`` and ``unit`` are filled; some rows have a bad size."""
    made = (f"i{row},{'x' if row % 20 == 0 else row},{'day' if row % 2 else 'night'},u{row % 3}" for row in range(rows))
    return "\n".join([header, *made, ""]).encode()


def ingest(place: Place, content: bytes, day: int, name: str = "Things.csv") -> Report:
    return place.ingest(place.drop(content, f"{FOLDER}/{name}", seconds=1_700_000_000 + day * DAY_S)).report


def drift(report: Report) -> DriftComparison:
    assert report.drift is not None
    return report.drift


def test_two_renamed_optional_columns_are_reported_although_fewer_rows_are_bad(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    first = ingest(place, lines(), 0)
    second = ingest(place, lines(header="ident,length,turn,unit"), 30)
    assert second.outcome is Outcome.ACCEPTED
    assert (first.check.quarantined_rows, second.check.quarantined_rows) == (2, 0)
    gone = {one.column for one in drift(second).findings if one.change is Change.COLUMN_GONE}
    assert gone == {"size", "shift"}
    assert drift(second).last == first.delivery_id
    assert why(second).startswith("size is not in the file; it was filled in 100 % of the rows of the last file")
    assert "; without it, size_small and unit_known cannot find anything; if 'length' or 'turn' is" in why(second)
    assert Report.from_json(second.to_json()) == second


def test_files_whose_names_differ_in_digits_are_compared_and_others_are_not(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    ingest(place, lines(), 0, "Things_2025-09.csv")
    assert drift(ingest(place, lines(), 30, "Things_2025-10.csv")).files == 1
    assert drift(ingest(place, lines(), 31, "Things_north.csv")).files == 0
    assert drift(ingest(place, lines(), 32, "north/Things_2025-10.csv")).files == 0


def test_a_report_has_the_previous_files_and_what_was_unusual_about_each(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    sizes = (40, 41, 90, 42)
    for number, rows in enumerate(sizes):
        ingest(place, lines(rows), 30 * number, f"Things_{number}.csv")
    report = ingest(place, lines(header="ident,size,turn,unit"), 120, "Things_4.csv")
    previous = drift(report).previous
    assert [(one.name, one.rows, one.quarantined, one.unusual) for one in previous] == [
        (f"Things_{number}.csv", rows, pytest.approx(-(-rows // 20) / rows, rel=1e-4), ("rows",) if rows == 90 else ())
        for number, rows in enumerate(sizes)
    ]
    assert previous[-1].delivery_id == drift(report).last
    assert drift(report).unusual == ("column_gone shift", "column_new turn")
    assert Report.from_json(report.to_json()) == report


def test_a_report_without_previous_files_is_still_read(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    ingest(place, lines(), 0)
    report = ingest(place, lines(100), 30)
    document = report.to_json()
    del document["drift"]["previous"]
    assert drift(Report.from_json(document)) == replace(drift(report), previous=())


def test_a_refused_file_is_not_compared_and_leaves_no_trace(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    ingest(place, lines(), 0)
    assert ingest(place, b"size\n1\n", 10).drift is None
    assert drift(ingest(place, lines(), 30)).files == 1


def test_a_replay_is_compared_with_the_files_before_it_and_counts_once(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    ingest(place, lines(), 0, "Things_1.csv")
    version = place.drop(lines(100), f"{FOLDER}/Things_2.csv", seconds=1_700_000_000 + 30 * DAY_S)
    first = place.ingest(version).report
    ingest(place, lines(), 60, "Things_3.csv")
    again = place.ingest(version, REPROCESS).report
    assert drift(again) == drift(first)
    assert drift(again).files == 1
    assert drift(ingest(place, lines(), 90, "Things_4.csv")).files == 3


def test_a_dry_run_compares_and_leaves_no_trace(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    ingest(place, lines(), 0)
    version = place.drop(lines(100), f"{FOLDER}/Things.csv", seconds=1_700_000_000 + DAY_S)
    before = place.written()
    assert drift(place.ingest(version, dry_run=True).report).findings
    assert place.written() == before


def test_the_index_keeps_a_year_of_months(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    reports = [ingest(place, lines(), day, f"Things_{day}.csv") for day in range(KEPT + 3)]
    assert [drift(report).files for report in reports] == [*range(KEPT + 1), KEPT, KEPT]


def test_an_index_that_is_lost_or_damaged_is_written_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = Place(tmp_path, CONTRACT)
    ingest(place, lines(), 0)
    (index,) = (tmp_path / SERIES).rglob("*.jsonl")
    index.write_text('{"rows": 1}\n', "utf-8")
    assert drift(ingest(place, lines(), 1)).files == 0
    assert "the index of a series cannot be read" in caplog.text
    assert drift(ingest(place, lines(), 2)).files == 1


def test_files_of_a_series_in_one_process_read_its_index_once(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    read, keys = place.store.read_with_etag, list[str]()

    def noted(bucket: str, key: str) -> tuple[bytes, str]:
        keys.append(key)
        return read(bucket, key)

    place.store.read_with_etag = noted  # type: ignore[method-assign]
    files = [drift(ingest(place, lines(40 + day), day, f"Things_{day}.csv")).files for day in range(3)]
    assert files == [0, 1, 2]
    assert keys.count(series_key(CONTRACT.dataset, "agency_a", f"{FOLDER}/Things_0.csv")) == 1


def test_an_index_that_another_process_changed_meanwhile_is_read_again(tmp_path: Path) -> None:
    place, other = Place(tmp_path, CONTRACT), Place(tmp_path, CONTRACT)
    for number, process in enumerate((place, other, place, other)):
        assert drift(ingest(process, lines(), 30 * number, f"Things_{number}.csv")).files == number


def test_a_file_whose_index_others_keep_changing_is_compared_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(tmp_path, CONTRACT)
    ingest(place, lines(), 0)
    (index,) = (tmp_path / SERIES).rglob("*.jsonl")
    write, kept = place.store.write, index.read_bytes()

    def write_after_another(bucket: str, key: str, *arguments: Any, **how: Any) -> str:
        if key.endswith(".jsonl"):
            write(bucket, key, kept)
        return write(bucket, key, *arguments, **how)

    place.store.write = write_after_another  # type: ignore[method-assign]
    report = ingest(place, lines(100), 30)
    assert [one.change for one in drift(report).findings] == [Change.ROWS]
    assert index.read_bytes() == kept
    assert "a file is left out of the index of its series" in caplog.text


def test_a_burst_of_files_of_one_series_loses_none_and_costs_the_same_for_each(tmp_path: Path) -> None:
    runs, files = 4, 10
    places = [Place(tmp_path, CONTRACT) for _ in range(runs)]
    calls = Counter[str]()
    lock = Lock()

    def counted(place: Place, name: str) -> Callable[..., Any]:
        method = getattr(place.store, name)

        def call(bucket: str, key: str, *arguments: Any, **how: Any) -> Any:
            if key.startswith(SERIES):
                with lock:
                    calls[name] += 1
            return method(bucket, key, *arguments, **how)

        return call

    for place in places:
        for name in ("read_with_etag", "write"):
            setattr(place.store, name, counted(place, name))
    with ThreadPoolExecutor(runs * 3) as pool:
        numbers = list(range(runs * files))
        list(pool.map(lambda n: ingest(places[n % runs], lines(), n, f"Things_{n}.csv"), numbers))
    assert drift(ingest(places[0], lines(), 100, "Things_100.csv")).files == KEPT
    (index,) = (tmp_path / SERIES).rglob("*.jsonl")
    days = sorted(datetime.fromisoformat(json.loads(line)["at"]) for line in index.read_text("utf-8").splitlines())
    began = datetime.fromtimestamp(1_700_000_000, UTC)
    assert [(day - began).days for day in days] == [*range(runs * files - KEPT, runs * files), 100]
    # The files of a run do not compete with each other, so few tries are lost.
    assert calls["read_with_etag"] <= calls["write"] <= 3 * (runs * files + 1)


def test_a_contract_can_turn_the_comparison_off(tmp_path: Path) -> None:
    columns = [text("ident", required=True), typed("size", "integer")]
    place = Place(tmp_path, contract_of(columns, customs=custom(likeLastTime={"severity": "off"})))
    report = ingest(place, lines(), 0)
    assert report.drift is None
    assert report.check.profile["ident"].forms is None
    assert not list((tmp_path / SERIES).rglob("*.jsonl"))


def test_a_corrected_file_is_not_compared_with_the_one_that_it_replaces(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    ingest(place, lines(100), 0, "Things_2025-01.csv")
    assert drift(ingest(place, lines(40), 30, "Things_2025-02.csv")).findings
    corrected = drift(ingest(place, lines(101), 31, "Things_2025-02.csv"))
    assert (corrected.files, corrected.findings) == (1, ())


def test_a_copy_corrects_the_file_of_its_period_and_belongs_to_a_series_without_periods(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    ingest(place, lines(100), 0, "Things_2025-01.csv")
    ingest(place, lines(40), 30, "Things_2025-02.csv")
    assert drift(ingest(place, lines(101), 31, "Things_2025-02 (1).csv")).findings == ()
    names = ("Things.csv", "Things.csv", "Things (1).csv", "Things.csv")
    files = [drift(ingest(place, lines(), 40 + number, name)).files for number, name in enumerate(names)]
    assert files == [0, 1, 2, 3]


def test_a_column_that_the_contract_no_longer_has_is_neither_gone_nor_new(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    ingest(place, lines(), 0)
    columns = [text("ident", required=True), typed("size", "integer"), text("shift")]
    place.use(contract_of(columns, customs=custom(filePatterns=["things*"])))
    assert drift(ingest(place, lines(), 30)).findings == ()


@given(st.text("ab/_-.", min_size=1), st.integers(0, 10**9), st.integers(0, 10**9))
def test_numbers_do_not_count_in_a_series_and_all_else_does(name: str, one: int, other: int) -> None:
    folders = [series_key("things", "agency_a", f"{FOLDER}/{name}x{number}x.csv") for number in (one, other)]
    assert folders[0] == folders[1]
    assert series_key("things", "agency_a", f"{FOLDER}/{name}c{one}.csv") != folders[0]


def test_a_renamed_column_is_found_by_the_codes_that_it_had_in_the_last_file(tmp_path: Path) -> None:
    place = Place(tmp_path, CODES)
    ingest(place, lines(), 0)
    columns = ingest(place, lines(header="ident,size,shift,x9"), 30).check.columns
    assert columns is not None
    assert [(rename.header, rename.column) for rename in columns.renames] == [("x9", "unit")]
    assert "100% of them are as in the last file that had it" in columns.renames[0].reason


def test_the_refusal_of_a_file_without_a_known_header_says_which_column_may_be_which(tmp_path: Path) -> None:
    place = Place(tmp_path, CODES)
    ingest(place, lines(), 0)
    refused = ingest(place, lines(header="nothing,siz,known,team"), 30).check
    assert [error.code for error in refused.errors] == ["no_header_match"]
    assert refused.errors[0].message.endswith("; on line 1, siz may be size, team may be unit")
    assert CheckResult.from_json(refused.to_json()) == refused


def test_a_series_is_read_before_the_check_only_if_columns_may_be_renamed(tmp_path: Path) -> None:
    place = Place(tmp_path, CODES)
    keys, reading = list[str](), place.store.read_with_etag

    def counted(bucket: str, key: str) -> Any:
        keys.extend([key] if key.startswith(SERIES) else [])
        return reading(bucket, key)

    place.store.read_with_etag = counted  # type: ignore[method-assign]
    for day, header in enumerate(["ident,size,shift,unit", "ident,size,shift,unit", "ident,size,shift,x9"]):
        ingest(place, lines(header=header), day)
    # For the first file, and before the check of the last one. In between, what was written is known.
    assert len(keys) == 2


def test_a_series_that_does_not_answer_leaves_what_the_names_show(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(tmp_path, CODES)
    ingest(place, lines(), 0)
    reading, failures = place.store.read_with_etag, [TransientError("GET")]

    def failing(bucket: str, key: str) -> Any:
        if key.startswith(SERIES) and failures:
            raise failures.pop()
        return reading(bucket, key)

    place.store.read_with_etag = failing  # type: ignore[method-assign]
    report = ingest(place, lines(header="ident,siz,shift,x9"), 30)
    assert report.check.columns is not None
    assert [(rename.header, rename.column) for rename in report.check.columns.renames] == [("siz", "size")]
    assert "renamed columns are found without the last file" in caplog.text
    assert drift(report).files == 1
