"""What is unusual about a file: each kind of fault is found and named, and a month like the last one is not."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.contract.drift_limits import DriftLimits
from etl_platform.engine.drift.compare import compare
from etl_platform.engine.drift.comparison import DriftComparison
from etl_platform.engine.drift.finding import Change
from etl_platform.engine.drift.seen_column import MIN_ROWS
from etl_platform.engine.drift.summary import ColumnSummary, FileSummary
from etl_platform.engine.result import DECILES
from etl_platform_tests.unit.making import contract_of, custom, text, typed

CONTRACT = contract_of(
    [
        typed("number", "integer", required=True, unique=True),
        text("precinct", enum=[{"value": name} for name in ("north", "south", "east")]),
        text("status"),
        typed("day", "date"),
        typed("hours", "number"),
        text("secret", classification="restricted"),
    ]
)
Row = dict[str, object]


def month(number: int, rows: int = 400, *, change: Callable[[Row], Row] = lambda row: row) -> list[Row]:
    """A month of generated rows; the same number gives the same rows."""
    draw, first = random.Random(number), datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=30 * number)
    return [
        change(
            {
                "number": number * 10_000 + place,
                "precinct": draw.choice(("north", "south", "east")),
                "status": draw.choice(("open", "closed", "closed")),
                "day": (first + timedelta(days=draw.randrange(30))).date().isoformat(),
                "hours": round(draw.uniform(1, 12), 1),
                "secret": f"S{draw.randrange(10**6)}",
            }
        )
        for place in range(rows)
    ]


def summary(folder: Path, rows: Sequence[Row], number: int) -> FileSummary:
    at = datetime(2025, 2, 5, tzinfo=UTC) + timedelta(days=30 * number)
    lines = [",".join(rows[0]), *(",".join(str(cell) for cell in row.values()) for row in rows)]
    (path := folder / "Things.csv").write_text("\n".join(lines) + "\n", "utf-8")
    result = check_file(path, CONTRACT, folder, as_of=at.date())
    assert not result.errors
    return FileSummary.of(result, f"delivery {number}", at)


def without(*names: str) -> Callable[[Row], Row]:
    return lambda row: {name: cell for name, cell in row.items() if name not in names}


def with_cell(name: str, cell: Callable[[Row], object]) -> Callable[[Row], Row]:
    return lambda row: row | {name: cell(row)}


FAULTS: dict[str, tuple[Callable[[], list[Row]], Change, str | None]] = {
    "an optional column is gone": (lambda: month(2, change=without("status")), Change.COLUMN_GONE, "status"),
    "an optional column is empty": (lambda: month(2, change=with_cell("hours", lambda _: "")), Change.NULLS, "hours"),
    "half of the rows are missing": (lambda: month(2, 200), Change.ROWS, None),
    "all rows are there twice": (lambda: month(2, 800), Change.ROWS, None),
    "a precinct is missing": (
        lambda: [row for row in month(2, 600) if row["precinct"] != "east"],
        Change.VALUES_GONE,
        "precinct",
    ),
    "codes are written in another way": (
        lambda: month(2, change=with_cell("status", lambda row: str(row["status"]).title())),
        Change.VALUES_NEW,
        "status",
    ),
    "hours are minutes": (
        lambda: month(2, change=with_cell("hours", lambda row: float(str(row["hours"])) * 60)),
        Change.DISTRIBUTION,
        "hours",
    ),
    "dates are a century ago": (
        lambda: month(2, change=with_cell("day", lambda row: f"19{str(row['day'])[2:]}")),
        Change.DISTRIBUTION,
        "day",
    ),
    "a code breaks a rule": (
        lambda: month(2, change=with_cell("precinct", lambda row: str(row["precinct"]).replace("north", "N"))),
        Change.BROKEN_RULE,
        None,
    ),
    "the values of a masked column are all the same": (
        lambda: month(2, change=with_cell("secret", lambda _: "S1")),
        Change.DISTINCT,
        "secret",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_beside_a_single_previous_file(tmp_path: Path, fault: str) -> None:
    make, change, column = FAULTS[fault]
    findings = compare(summary(tmp_path, make(), 2), [summary(tmp_path, month(1), 1)], DriftLimits())
    assert (change, column) in {(one.change, one.column) for one in findings}
    assert all("S1" not in one.message for one in findings), "the value of a masked column is shown"


@pytest.mark.parametrize("previous", [1, 3])
def test_a_month_like_the_last_ones_is_not_unusual(tmp_path: Path, previous: int) -> None:
    before = [summary(tmp_path, month(number), number) for number in range(previous)]
    for rows in (300, 400, 500):
        assert compare(summary(tmp_path, month(previous, rows), previous), before, DriftLimits()) == ()


def test_the_first_file_is_not_unusual(tmp_path: Path) -> None:
    assert DriftComparison.of(summary(tmp_path, month(1), 1), [], DriftLimits()) == DriftComparison(0, None)


def test_a_renamed_column_is_named_beside_its_new_name(tmp_path: Path) -> None:
    renamed = [{("state" if name == "status" else name): cell for name, cell in row.items()} for row in month(2)]
    gone, new = compare(summary(tmp_path, renamed, 2), [summary(tmp_path, month(1), 1)], DriftLimits())
    assert (gone.change, gone.column, new.change, new.column) == (
        Change.COLUMN_GONE,
        "status",
        Change.COLUMN_NEW,
        "state",
    )
    assert "if 'state' is its new name, `etl-platform contract suggest --apply` adds it as a synonym" in gone.message


def test_an_old_file_that_is_sent_again_has_no_newer_dates(tmp_path: Path) -> None:
    before = [summary(tmp_path, month(number), number) for number in (1, 2)]
    again = summary(tmp_path, month(2), 3)
    assert [(one.change, one.column) for one in compare(again, before, DriftLimits())] == [(Change.NOT_NEWER, "day")]


def test_dates_of_long_ago_need_not_become_newer(tmp_path: Path) -> None:
    def hired(number: int) -> Callable[[Row], Row]:
        return with_cell("day", lambda row: f"20{10 + int(str(row['number'])) % 4}-01-{number:02}")

    files = [summary(tmp_path, month(number, change=hired(min(number, 4))), number) for number in range(1, 6)]
    for number in range(1, len(files)):
        assert compare(files[number], files[:number], DriftLimits()) == ()


def test_a_year_of_which_the_last_day_is_that_of_the_year_before_has_no_newer_dates(tmp_path: Path) -> None:
    def day(year: int, row: Row) -> str:
        first, place = datetime(year, 1, 1, tzinfo=UTC), int(str(row["number"])) % 365
        return (first + timedelta(days=place)).date().isoformat()

    files = []
    for number, year in enumerate((2021, 2022, 2023, 2023)):
        file = summary(tmp_path, month(number, change=with_cell("day", lambda row, y=year: day(y, row))), number)
        name = f"Things_{2021 + number}.csv"
        files.append(named(file, f"{2022 + number}-02-01", name))
    assert compare(files[2], files[:2], DriftLimits()) == ()
    changes = {one.change for one in compare(files[3], files[:3], DriftLimits())}
    assert Change.NOT_NEWER in changes


def test_a_season_that_was_seen_once_is_usual(tmp_path: Path) -> None:
    low, high = summary(tmp_path, month(1, 100), 1), summary(tmp_path, month(2, 400), 2)
    again = summary(tmp_path, month(3, 100), 3)
    assert [one.change for one in compare(again, [high], DriftLimits())] == [Change.ROWS]
    assert compare(again, [low, high], DriftLimits()) == ()


def test_of_a_small_file_only_columns_and_rows_are_compared(tmp_path: Path) -> None:
    before = summary(tmp_path, month(1), 1)
    small = summary(tmp_path, month(2, MIN_ROWS - 1, change=without("status")), 2)
    assert [one.change for one in compare(small, [before], DriftLimits())] == [Change.COLUMN_GONE, Change.ROWS]


def test_a_small_file_among_the_previous_ones_hides_nothing(tmp_path: Path) -> None:
    before = [summary(tmp_path, month(1), 1), summary(tmp_path, month(2, MIN_ROWS - 1), 2)]
    minutes = summary(tmp_path, month(3, change=with_cell("hours", lambda row: float(str(row["hours"])) * 60)), 3)
    assert [(one.change, one.column) for one in compare(minutes, before, DriftLimits())] == [
        (Change.DISTRIBUTION, "hours")
    ]


def test_a_column_that_is_gone_stays_unusual_until_it_is_back_and_is_usual_then(tmp_path: Path) -> None:
    files = [
        summary(tmp_path, month(number, change=without("status") if number in {2, 3, 5} else dict), number)
        for number in range(1, 6)
    ]
    gone = [[one.change for one in compare(files[n], files[:n], DriftLimits())] for n in range(1, 5)]
    assert gone == [[Change.COLUMN_GONE], [Change.COLUMN_GONE], [], []]
    (finding,) = compare(files[2], files[:2], DriftLimits())
    assert finding.usual == f"filled in 100 % of the rows of the file of {files[0].day}"


def test_half_a_file_is_unusual_although_the_first_file_was_as_small(tmp_path: Path) -> None:
    files = [
        summary(tmp_path, month(number, rows), number) for number, rows in enumerate((300, 380, 480, 600, 760, 380))
    ]
    assert [one.change for one in compare(files[-1], files[:-1], DriftLimits())] == [Change.ROWS]


def test_cells_that_were_empty_and_have_a_default_value_are_unusual(tmp_path: Path) -> None:
    def some_empty(row: Row) -> Row:
        return row | {"status": row["status"] if int(str(row["number"])) % 2 else ""}

    filled = summary(tmp_path, month(2, change=lambda row: row | {"status": some_empty(row)["status"] or "open"}), 2)
    findings = compare(filled, [summary(tmp_path, month(1, change=some_empty), 1)], DriftLimits())
    assert (Change.NULLS, "status") in {(one.change, one.column) for one in findings}


@pytest.mark.parametrize(
    "cell",
    [lambda _: "SMITH", lambda row: f"{row['secret']} jr", lambda row: str(row["secret"])[1:], lambda _: "1980-01-02"],
)
def test_values_of_a_masked_column_of_another_form_are_unusual_and_not_shown(
    tmp_path: Path, cell: Callable[[Row], object]
) -> None:
    changed = summary(tmp_path, month(2, change=with_cell("secret", cell)), 2)
    findings = compare(changed, [summary(tmp_path, month(1), 1)], DriftLimits())
    assert {one.column for one in findings} == {"secret"}
    assert not any(text in str(findings) for text in ("SMITH", "S1", "jr", "1980"))


def test_a_column_that_holds_the_year_is_usual_in_january(tmp_path: Path) -> None:
    files = []
    for number in (10, 11, 12, 13):
        year = with_cell("status", lambda row: str(row["day"])[:4])
        files.append(replace(summary(tmp_path, month(number, change=year), number), name=""))
    assert {one.day.year for one in files} == {2025, 2026}
    for number in (1, 2, 3):
        assert compare(files[number], files[:number], DriftLimits()) == ()


def test_a_column_that_names_the_part_of_each_file_is_usual(tmp_path: Path) -> None:
    files = [
        summary(tmp_path, month(number, change=with_cell("status", lambda _, n=number: f"post {n}")), number)
        for number in (1, 2, 3)
    ]
    assert compare(files[1], files[:1], DriftLimits()) == ()
    assert compare(files[2], files[:2], DriftLimits()) == ()


def named(file: FileSummary, day: str, name: str) -> FileSummary:
    return replace(file, at=datetime.fromisoformat(f"{day}T00:00:00+00:00"), name=name)


def test_a_late_file_and_files_of_a_year_on_one_day_are_usual_by_their_names(tmp_path: Path) -> None:
    files = [summary(tmp_path, month(number), number) for number in range(5)]
    names = [f"Things_2025-{number + 1:02}.csv" for number in range(5)]
    late = [named(files[n], day, names[n]) for n, day in ((0, "2025-02-05"), (2, "2025-04-05"), (1, "2025-04-20"))]
    at_once = [named(file, "2025-07-01", name) for file, name in zip(files, names, strict=True)]
    for sent in (late, at_once):
        for number in range(1, len(sent)):
            assert compare(sent[number], sent[:number], DriftLimits()) == ()
    again = named(files[2], "2025-05-05", "Things_2025-04.csv")
    assert [one.change for one in compare(again, [*late[:2]], DriftLimits())] == [Change.NOT_NEWER]


def test_limits_of_the_contract_are_applied(tmp_path: Path) -> None:
    before, half = summary(tmp_path, month(1), 1), summary(tmp_path, month(2, 200), 2)
    assert compare(half, [before], DriftLimits(rows_percent=150)) == ()
    gone = summary(tmp_path, month(2, change=without("status")), 2)
    assert compare(gone, [before], DriftLimits(ignore=frozenset({"status"}))) == ()


def test_the_contract_sets_limits_and_turns_the_comparison_off() -> None:
    columns = [text("ident")]
    limits = {"rowsPercent": 60, "severity": "error", "ignore": ["ident"]}
    read = contract_of(columns, customs=custom(likeLastTime=limits)).drift_limits
    assert (read.rows_percent, read.severity, read.ignore) == (60.0, "error", frozenset({"ident"}))
    assert contract_of(columns).drift_limits == DriftLimits()
    for off in ("off", False):
        assert contract_of(columns, customs=custom(likeLastTime={"severity": off})).drift_limits.severity is None


counts = st.integers(0, 10**9)
columns = st.builds(
    ColumnSummary,
    st.floats(0, 1),
    counts,
    st.none() | st.lists(st.floats(-1e9, 1e9), min_size=len(DECILES), max_size=len(DECILES)).map(sorted).map(tuple),
    st.booleans(),
    st.none() | st.dictionaries(st.text(), st.floats(0, 1), max_size=4),
    st.none() | st.dictionaries(st.text(), st.floats(0, 1), min_size=1, max_size=4),
    st.integers(0, 256),
)
files = st.builds(
    FileSummary,
    st.text(),
    st.integers(0, 40_000).map(lambda days: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(days=days)),
    st.integers(1, 10**9),
    st.floats(0, 1),
    st.dictionaries(st.text(), st.floats(0, 1), max_size=3),
    st.dictionaries(st.sampled_from("abcd"), columns, max_size=4),
    st.lists(st.text(), max_size=3).map(tuple),
    st.text("Stops_20263-. "),
)


@given(files, st.lists(files, max_size=4))
def test_any_two_files_can_be_compared_and_read_back(file: FileSummary, previous: list[FileSummary]) -> None:
    assert FileSummary.from_json(file.to_json()) == file
    compared = DriftComparison.of(file, previous, DriftLimits())
    assert DriftComparison.from_json(compared.to_json()) == compared


@given(files)
def test_a_file_is_not_unlike_itself(file: FileSummary) -> None:
    earlier = replace(file, at=file.at - timedelta(days=30))
    assert [one for one in compare(file, [earlier], DriftLimits()) if one.change is not Change.DISTRIBUTION] == []
