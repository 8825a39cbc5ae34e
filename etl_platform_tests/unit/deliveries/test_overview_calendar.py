"""What the overview says of each agency and period, by the reports and the cadence of the contract."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform import object_keys
from etl_platform.deliveries.agency_register import AgencyRegister
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.last_deliveries import LastDeliveries
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.overview.calendar import Arrived
from etl_platform.deliveries.overview.facts import OverviewFacts
from etl_platform.deliveries.overview.summaries import DeliverySummaries
from etl_platform.deliveries.overview.trends import trend
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.tombstone import Tombstone
from etl_platform.engine.contract.cadence import Cadence
from etl_platform.engine.result import CheckResult
from etl_platform_tests.unit.deliveries.overview_ledger import (
    BUCKET,
    DAY,
    MONTHLY,
    NOW,
    WEEKLY,
    OverviewLedger,
    many_agencies,
)


def at(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 8, tzinfo=UTC)


def states(facts: OverviewFacts, agency: str = "a") -> list[str]:
    """The states of an agency by period, the oldest first."""
    (calendar,) = facts.calendars
    (row,) = [row for row in calendar.rows if row.agency == agency]
    return [str(cell.state) for cell in row.cells]


def test_a_period_shows_whether_its_file_came_in_time_late_refused_or_in_part() -> None:
    ledger = OverviewLedger()
    for month in (8, 9, 10, 11):
        ledger.put("came", at(month, 5), file=f"{month}.csv")
        ledger.put("late", at(month, 15 if month == 11 else 5), file=f"{month}.csv")
        ledger.put("refused", at(month, 5), file=f"{month}.csv", code="empty_file" if month == 11 else "")
        ledger.put("partly", at(month, 5), file=f"{month}.csv", quarantined=2 if month == 11 else 0)
    facts = ledger.facts()
    assert states(facts, "came") == ["came"] * 3
    assert states(facts, "late") == ["came", "came", "late"]
    assert states(facts, "refused") == ["came", "came", "refused"]
    assert states(facts, "partly") == ["came", "came", "partly refused"]
    (calendar,) = facts.calendars
    assert [row.agency for row in calendar.rows] == ["refused", "partly", "late", "came"]
    assert next(row for row in calendar.rows if row.agency == "late").cells[-1].days_late == 10


def test_a_period_in_which_a_file_was_expected_in_vain_is_missing_and_the_current_one_overdue() -> None:
    ledger = OverviewLedger()
    ledger.put("a", at(8, 5), file="8.csv")
    ledger.put("a", at(10, 6), file="10.csv")
    ledger.put("b", at(7, 1), file="7.csv")
    assert states(ledger.facts(), "a") == ["missing", "came", "overdue"]
    assert states(ledger.facts(), "b") == ["missing", "missing", "overdue"]


def test_an_agency_whose_last_file_is_older_than_the_calendar_is_in_it() -> None:
    ledger = OverviewLedger()
    ledger.put("a", datetime(2024, 1, 5, tzinfo=UTC))
    assert states(ledger.facts()) == ["missing", "missing", "overdue"]
    assert states(ledger.facts(cadence=None)) == ["nothing"] * 3


def test_a_refused_file_that_was_sent_again_or_read_again_is_no_longer_refused() -> None:
    ledger = OverviewLedger()
    ledger.put("sent", at(11, 5), code="empty_file")
    ledger.put("sent", at(11, 6))
    refused = ledger.put("read", at(11, 5), code="empty_file")
    ledger.put("read", at(11, 5), again=refused, ended_at=at(11, 20))
    still = ledger.put("still", at(11, 5), code="empty_file")
    facts = ledger.facts()
    assert states(facts, "sent")[-1] == states(facts, "read")[-1] == "came"
    assert [one.summary.delivery_id for one in facts.refused] == [still.delivery_id]
    assert facts.refused[0].file == "Things.csv"
    assert facts.refused[0].why.startswith("empty_file: ")


def test_one_refused_file_of_several_is_shown() -> None:
    ledger = OverviewLedger()
    ledger.put("a", at(11, 5), file="1.csv")
    ledger.put("a", at(11, 5), file="2.csv", code="empty_file")
    assert states(ledger.facts())[-1] == "partly refused"


def test_a_refused_file_is_listed_however_old_it_is() -> None:
    ledger = OverviewLedger()
    old = ledger.put("a", datetime(2025, 1, 5, tzinfo=UTC), code="empty_file")
    assert [one.summary.delivery_id for one in ledger.facts().refused] == [old.delivery_id]


def test_a_retired_agency_is_left_out_and_one_agency_can_be_chosen() -> None:
    ledger = OverviewLedger()
    ledger.put("a", at(11, 5))
    ledger.put("b", at(11, 5), code="empty_file")
    facts = ledger.facts(agency="b")
    assert [row.agency for row in facts.calendars[0].rows] == ["b"]
    AgencyRegister(ledger.store, BUCKET).change(lambda agencies: agencies.with_retired("b", "me", NOW))
    facts = ledger.facts()
    assert [row.agency for row in facts.calendars[0].rows] == ["a"]
    assert not facts.refused


def test_an_erased_delivery_is_shown_as_such() -> None:
    ledger = OverviewLedger()
    report = ledger.put("a", at(11, 5), code="empty_file")
    assert states(ledger.facts())[-1] == "refused"
    bury(ledger, report)
    assert states(ledger.facts())[-1] == "erased"


def bury(ledger: OverviewLedger, report: Report) -> None:
    tombstone = Tombstone("me", NOW, "asked", None, str(report.outcome))
    erased = replace(report, outcome=Outcome.ERASED, check=CheckResult(), tombstone=tombstone)
    Ledger(ledger.store, BUCKET).bury(erased)
    DeliverySummaries(ledger.store, BUCKET).forget([report])


MOMENTS = st.lists(st.integers(0, 120 * 24), min_size=1, max_size=12, unique=True)


@settings(deadline=None, max_examples=50)
@given(hours=MOMENTS, cadence=st.sampled_from([MONTHLY, WEEKLY, Cadence(DAY, DAY / 10)]))
def test_every_file_is_in_one_cell_and_overdue_is_what_the_contract_says(hours: list[int], cadence: Cadence) -> None:
    ledger = OverviewLedger()
    for hour in hours:
        ledger.put("a", NOW - timedelta(hours=hour), file=f"{hour}.csv")
    facts = ledger.facts(days=400, cadence=cadence)
    (calendar,) = facts.calendars
    cells = calendar.rows[0].cells
    shown = [one for cell in cells for one in cell.files]
    first = calendar.periods[0]
    assert len(shown) == sum((NOW - timedelta(hours=hour)).date() >= first for hour in hours)
    newest = NOW - timedelta(hours=min(hours))
    is_overdue = newest + cadence.every + cadence.grace < NOW
    assert (cells[-1].state is Arrived.OVERDUE) == (
        is_overdue and calendar.unit.start(newest.date()) < calendar.periods[-1]
    )
    assert sum(period.files for period in trend(calendar).periods) == len(shown)


def test_the_trend_compares_the_younger_half_of_the_full_periods_with_the_older() -> None:
    ledger = OverviewLedger()
    for month, quarantined in ((8, 0), (9, 1), (10, 5), (11, 9)):
        ledger.put("a", at(month, 5), file=f"{month}.csv", quarantined=quarantined)
    (calendar,) = ledger.facts(days=110).calendars
    assert trend(calendar).words == (
        "In the last full month: 50 % of the rows and 0 % of the files refused. In the month before: 10 % and 0 %."
    )


def test_what_was_read_once_is_not_read_again() -> None:
    ledger = many_agencies(40)
    LastDeliveries(ledger.store, BUCKET, NOW).complete_index()
    first = ledger.facts()
    ledger.store.counted()
    again = ledger.facts()
    assert again == first
    reads = ledger.store.counted()["GET"]
    # The days that have reports, the index's mark and object, the register, and the refused files.
    assert reads < 60
    ledger.put("agency_000", NOW - timedelta(hours=1), file="new.csv")
    assert ledger.facts().arrived == {"accepted": 1}


def test_lost_or_damaged_summaries_change_nothing() -> None:
    ledger = many_agencies(20)
    first = ledger.facts()
    keys = [head.key for head in ledger.store.list(BUCKET, f"{object_keys.INDEX}summaries/")]
    assert keys
    for key in keys:
        ledger.store.write(BUCKET, key, b"damaged")
    assert ledger.facts() == first
    for key in keys:
        ledger.store.delete(BUCKET, key)
    assert ledger.facts() == first


def test_a_report_that_cannot_be_read_is_named_and_hides_no_other() -> None:
    ledger = OverviewLedger()
    broken = ledger.put("a", at(11, 5))
    ledger.put("a", at(11, 9), file="other.csv")
    LastDeliveries(ledger.store, BUCKET, NOW).complete_index()
    ledger.facts()
    key = object_keys.report_key("things", "a", broken.delivery_id)
    ledger.store.write(BUCKET, key, b"{}")
    ledger.store.delete(BUCKET, object_keys.summaries_key(at(11, 5).date()))
    facts = ledger.facts()
    assert [key in str(error) for error in facts.unreadable] == [True]
    assert states(facts)[-1] == "came"


@pytest.mark.parametrize("accepted_first", [True, False])
def test_of_two_versions_of_one_second_the_one_processed_last_decides_whether_the_file_is_refused(
    accepted_first: bool,
) -> None:
    ledger, at = OverviewLedger(), NOW - DAY
    for later, code in enumerate(["", "missing_column"] if accepted_first else ["missing_column", ""]):
        ledger.put("a", at, code=code, ended_at=at + timedelta(seconds=later))
    assert len(ledger.facts().refused) == accepted_first
