"""The order of a source key's deliveries, their successors and their replays."""

from datetime import timedelta
from itertools import permutations

from etl_platform.deliveries.delivery import Cause
from etl_platform.deliveries.history import histories
from etl_platform.deliveries.report import Amendment, Report
from etl_platform_tests.unit.making_reports import KEY, MORNING, report_of, superseded


def order(reports: list[Report], amendments: list[Amendment]) -> list[str]:
    (deliveries,) = histories(reports, amendments).values()
    return [one.arrival.delivery_id for one in deliveries]


def test_deliveries_of_one_second_are_in_the_order_in_which_they_superseded_each_other() -> None:
    late = report_of("d", last_modified=MORNING + timedelta(seconds=1))
    same = [report_of("c"), report_of("b", superseded_by="c"), report_of("a")]
    for reports in permutations([*same, late]):
        assert order(list(reports), [superseded("a", "b"), superseded("c", "d")]) == ["d", "c", "b", "a"]


def test_the_sequencer_decides_before_the_successors_do() -> None:
    older, newer = report_of("a", sequencer="01"), report_of("b", sequencer="02")
    for reports in ([older, newer], [newer, older]):
        assert order(reports, [superseded("b", "a")]) == ["b", "a"]


def test_deliveries_that_superseded_each_other_in_a_circle_are_all_listed() -> None:
    amendments = [superseded("a", "b"), superseded("b", "a")]
    assert sorted(order([report_of("a"), report_of("b")], amendments)) == ["a", "b"]


def test_replays_are_listed_with_their_delivery_newest_first() -> None:
    first, second = (
        report_of("a", cause=Cause.REPROCESS, attempt_id=f"{minute}", ended_at=MORNING + timedelta(minutes=minute))
        for minute in (1, 2)
    )
    (deliveries,) = histories([first, report_of("a"), second], []).values()
    assert deliveries[0].replays == (second, first)


def test_the_history_of_a_delivery_as_json_is_its_report_with_successor_and_replays() -> None:
    replay = report_of("a", cause=Cause.REPROCESS, attempt_id="1")
    found = histories([report_of("a"), replay], [superseded("a", "b")])["officer_detail", KEY][0].to_json()
    assert (found["superseded_by"], found["replays"]) == ("b", [replay.to_json()])
    assert found.keys() - {"replays"} == replay.to_json().keys()
