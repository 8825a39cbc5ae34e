"""Rounds of notifications: every event goes out, whatever fails, and repeats carry the same id."""

import json
from collections.abc import Collection, Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.report import ReplayChanges
from etl_platform.deliveries.waiting import WaitingRecords
from etl_platform.engine.corrections import RowChanges
from etl_platform.engine.result import CheckResult, FileError
from etl_platform.errors import ReportError, TransientError
from etl_platform.notifications.delivery_event import DeliveryEvent, EventKind
from etl_platform.notifications.find_events import OverdueFile
from etl_platform.notifications.notices import Result
from etl_platform.notifications.outbox import GIVE_UP_AFTER, OutboxObject
from etl_platform.notifications.overdue_list import write_overdue
from etl_platform_tests.unit.deliveries.counted_store import CountedStore
from etl_platform_tests.unit.deliveries.failed_delivery import RECORD
from etl_platform_tests.unit.notifications.scene import (
    BEGAN,
    BUCKET,
    GOOD,
    QUARANTINED,
    REJECTED,
    Killed,
    Life,
    Memory,
    Scene,
)

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
IGNORED = CheckResult(errors=(FileError("no_contract", "no contract matches"),))


def test_an_event_is_sent_once_and_its_notice_says_when() -> None:
    scene = Scene().begin()
    report = scene.report()

    assert scene.round().found == 1
    assert scene.round().found == 0
    assert scene.channel.ids == [f"{report.delivery_id}.rejected"]
    (notice,) = scene.notices()
    assert [(told.channel, told.result, told.at) for told in notice.notified] == [
        ("memory", Result.SENT, BEGAN + MINUTE)
    ]


def test_the_first_round_sends_nothing_of_what_is_there() -> None:
    scene = Scene()
    for _ in range(20):
        scene.report()
    scene.now += timedelta(minutes=2)
    scene.report()
    write_overdue(scene.store, BUCKET, [_overdue(scene)], scene.now)

    assert scene.begin().round().found == 0
    scene.report()
    assert scene.round().found == 1


@pytest.mark.parametrize(
    ("check", "outcome", "kind"),
    [
        (REJECTED, None, "rejected"),
        (QUARANTINED, None, "accepted_with_quarantine"),
        (GOOD, None, None),
        (CheckResult(), Outcome.SUPERSEDED, None),
    ],
)
def test_the_event_follows_from_the_outcome(check: CheckResult, outcome: Outcome | None, kind: str | None) -> None:
    scene = Scene().begin()
    scene.report(check, outcome)
    scene.round()
    assert [str(event.kind) for event in scene.channel.took] == ([kind] if kind else [])


def test_an_ignored_file_is_told_with_the_name_that_was_probably_meant() -> None:
    scene = Scene().begin()
    key = "from_client/nm_albuquerque/officerdetail_2026.csv"
    scene.report(IGNORED, Outcome.IGNORED, key=key, dataset=None)
    scene.report(CheckResult(errors=(FileError("folder_marker", "x"),)), Outcome.IGNORED, key=f"{key}/", dataset=None)
    scene.round()
    (event,) = scene.channel.took
    assert (event.kind, event.details["did_you_mean"]) == (EventKind.IGNORED, "Officer_Detail.csv")


def test_a_good_file_of_the_same_series_is_told_after_a_bad_one_only() -> None:
    scene = Scene().begin()
    folder = "from_client/nm_albuquerque/"
    bad = scene.report(key=f"{folder}Officer_Detail_2026-10.csv")
    scene.round()
    scene.report(GOOD, key=f"{folder}Officers_reserve.csv")
    scene.round()
    good = scene.report(GOOD, key=f"{folder}Officer_Detail_2026-11.csv")
    scene.round()
    scene.report(GOOD, key=f"{folder}Officer_Detail_2026-12.csv")
    scene.round()
    assert scene.channel.ids == [f"{bad.delivery_id}.rejected", f"{good.delivery_id}.recovered"]
    assert scene.channel.took[-1].details["after"] == f"{bad.delivery_id}.rejected"


@pytest.mark.parametrize(
    ("in_silver_before", "check", "told"),
    [
        (True, REJECTED, ["rejected"]),
        (False, REJECTED, []),
        (True, QUARANTINED, []),
        (False, QUARANTINED, ["accepted_with_quarantine"]),
    ],
)
def test_a_replay_is_told_if_silver_gained_or_lost_the_file(
    in_silver_before: bool, check: CheckResult, told: list[str]
) -> None:
    scene = Scene().begin()
    changes = ReplayChanges(in_silver_before, RowChanges(0, 0, 0, ()))
    scene.report(check, cause=Cause.REPROCESS, attempt_id="abc123", changes=changes)
    scene.round()
    assert [str(event.kind) for event in scene.channel.took] == told


def test_a_delivery_that_failed_for_good_is_told_once_and_once_more_after_a_redrive() -> None:
    scene = Scene().begin()
    records, record = WaitingRecords(scene.store, BUCKET), _failed(scene, receives=19)
    records.put(record)
    scene.round()
    assert scene.channel.ids == []
    records.put(record := _failed(scene, receives=20))
    scene.round()
    assert scene.channel.ids == []
    scene.round(timedelta(hours=2))
    scene.round(30 * DAY)
    assert [str(event.kind) for event in scene.channel.took] == ["failed"]
    records.put(_failed(scene, receives=20))
    scene.round(timedelta(hours=2))
    assert len(set(scene.channel.ids)) == 2
    assert record.reason not in json.dumps([event.to_json(BUCKET) for event in scene.channel.took])


def test_an_overdue_file_is_told_once_however_often_it_is_listed_and_then_that_it_arrived() -> None:
    scene = Scene().begin()
    for _ in range(3):
        write_overdue(scene.store, BUCKET, [_overdue(scene)], scene.now)
        scene.round(DAY)
    scene.report(GOOD)
    write_overdue(scene.store, BUCKET, [], scene.now)
    scene.round()
    assert [str(event.kind) for event in scene.channel.took] == ["overdue", "recovered"]


def test_a_report_that_is_written_long_after_its_entry_is_found() -> None:
    scene = Scene().begin()
    report = scene.report()
    key = object_keys.report_key(*report.partition, report.delivery_id)
    body = scene.store.read(BUCKET, key)
    scene.store.delete(BUCKET, key)
    scene.round()
    scene.round(timedelta(hours=5))
    scene.store.write(BUCKET, key, body)
    scene.round()
    assert scene.channel.ids == [f"{report.delivery_id}.rejected"]


def test_after_a_day_without_rounds_everything_of_that_day_is_sent() -> None:
    scene = Scene().begin()
    reports = []
    for _ in range(30):
        scene.now += timedelta(hours=1)
        reports.append(scene.report().delivery_id)
    scene.round()
    assert [event.delivery_id for event in scene.channel.took] == reports


def test_after_a_month_without_rounds_only_the_last_days_are_sent() -> None:
    scene = Scene().begin()
    for _ in range(30):
        scene.now += DAY
        scene.report()
    scene.round()
    assert len(scene.channel.took) == GIVE_UP_AFTER.days + 1


def test_a_dead_channel_holds_up_no_other_and_gets_everything_when_it_is_back() -> None:
    dead, alive = Memory("dead", is_down=True), Memory("alive")
    scene = Scene(dead, alive).begin()
    for _ in range(40):
        scene.report()
        assert scene.round().failed == ["dead"]
    assert len(alive.took) == 40
    # After 1, 2, 4, 8, 16 and 32 minutes: a dead channel is not asked at each round.
    assert dead.calls == 7
    dead.is_down = False
    scene.round(timedelta(hours=1))
    assert sorted(dead.ids) == sorted(alive.ids)
    assert scene.outbox.channel("dead").failing_since is None


def test_channels_that_hang_do_not_make_a_round_long_and_each_has_its_turn() -> None:
    class Hanging(Memory):
        def send(self, events: Sequence[DeliveryEvent]) -> Collection[str]:
            scene.now += timedelta(seconds=15)
            return super().send(events)

    hanging = [Hanging(f"hanging-{number}", is_down=True) for number in range(10)]
    alive = Memory("z-alive")
    scene = Scene(*hanging, alive).begin()
    scene.report()
    rounds = []
    for _ in range(8):
        began = scene.now = scene.now + MINUTE
        scene.notifier().round()
        rounds.append(scene.now - began)
    assert max(rounds) <= timedelta(seconds=30)
    assert [channel.calls > 0 for channel in scene.channels] == [True] * 11
    assert len(alive.took) == 1


def test_what_a_channel_did_not_take_for_days_is_given_up_and_said_so() -> None:
    scene = Scene(Memory(is_down=True)).begin()
    scene.report()
    scene.round()
    scene.round(GIVE_UP_AFTER + MINUTE)
    state = scene.outbox.channel("memory")
    assert (state.given_up, dict(state.waiting)) == (1, {})
    assert [told.result for told in scene.notices()[0].notified] == [Result.GIVEN_UP]
    scene.channel.is_down = False
    scene.round()
    assert scene.channel.took == []


def test_an_event_that_a_channel_refuses_holds_up_no_other() -> None:
    scene = Scene(Memory(batch_size=2)).begin()
    bad = scene.report()
    scene.channel.poison = {f"{bad.delivery_id}.rejected"}
    for _ in range(20):
        scene.report()
        scene.round()
    assert len(scene.channel.took) == 20
    # Its own waits grow, so it does not cost a call in each round.
    assert scene.outbox.channel("memory").waiting.popitem()[1].tries < 8  # type: ignore[attr-defined]


def test_a_second_process_that_sends_too_stops() -> None:
    scene = Scene().begin()
    one = OutboxObject(scene.store, BUCKET)
    outbox = one.load()
    assert outbox is not None
    scene.report()
    scene.round()
    with pytest.raises(TransientError, match="another process sends"):
        one.save(outbox.with_channel("x", outbox.channel("x").after_failure("e", scene.now)))


def test_an_outbox_that_cannot_be_read_is_named_and_nothing_is_sent() -> None:
    scene = Scene().begin()
    scene.report()
    scene.store.write(BUCKET, object_keys.OUTBOX, b"{}")
    with pytest.raises(ReportError, match=r"_outbox.json: not an outbox: .*; restore an earlier version"):
        scene.round()
    assert scene.channel.took == []


def test_the_size_of_the_outbox_does_not_grow_with_history() -> None:
    scene = Scene().begin()
    sizes = []
    for _ in range(200):
        scene.report(GOOD)
        scene.round(timedelta(minutes=10))
        sizes.append(len(scene.store.read(BUCKET, object_keys.OUTBOX)))
    assert max(sizes[100:]) <= max(sizes[:100])


def test_a_round_costs_the_same_after_a_long_history() -> None:
    def cost(history_days: int) -> dict[str, int]:
        scene = Scene()
        store = CountedStore()
        scene.store, scene.ledger = store, type(scene.ledger)(store, BUCKET)
        for day in range(history_days):
            scene.now = BEGAN + day * DAY
            store.now = scene.now.timestamp()
            scene.report()
        scene.now = BEGAN + 400 * DAY
        store.now = scene.now.timestamp()
        scene.begin().report()
        store.counted()
        scene.round()
        return store.counted()

    assert cost(3) == cost(300)


@pytest.mark.parametrize("reports", [3])
def test_killed_at_each_call_every_event_arrives_and_repeats_have_the_same_id(reports: int) -> None:
    def scene_of() -> Scene:
        scene = Scene(Memory("one", batch_size=2), Memory("two")).begin()
        for _ in range(reports):
            scene.report()
        WaitingRecords(scene.store, BUCKET).put(_failed(scene, receives=20, hours_ago=48))
        write_overdue(scene.store, BUCKET, [_overdue(scene)], scene.now)
        scene.now += MINUTE
        return scene

    whole, life = scene_of(), Life()
    whole.notifier(life).round()
    expected = sorted(whole.channels[0].ids)
    assert (len(expected), life.made > 20) == (reports + 2, True)
    repeated = 0
    for calls in range(1, life.made + 1):
        scene = scene_of()
        with pytest.raises(Killed):
            scene.notifier(Life(calls)).round()
        scene.round()
        for channel in scene.channels:
            assert sorted(set(channel.ids)) == expected, f"killed at call {calls}"
            repeated += len(channel.ids) - len(expected)
        assert scene.round().found == 0
    assert repeated > 0, "no kill came between a message and its mark, so nothing was tried"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("rqgkdu"), st.integers(1, 90)), max_size=25))
def test_whatever_happens_each_event_arrives_or_waits(steps: list[tuple[str, int]]) -> None:
    """Rejected, quarantined and good files; processes that die; a channel that goes down and up; in any order."""
    scene = Scene(Memory("one", batch_size=3), Memory("two", batch_size=1)).begin()
    expected: list[str] = []
    for step, number in steps:
        scene.now += timedelta(seconds=number)
        match step:
            case "r" | "q":
                report = scene.report(REJECTED if step == "r" else QUARANTINED)
                expected.append(f"{report.delivery_id}.{'rejected' if step == 'r' else 'accepted_with_quarantine'}")
            case "g":
                scene.report(GOOD)
            case "k":
                try:
                    scene.notifier(Life(number)).round()
                except Killed:
                    continue
            case "d" | "u":
                scene.channel.is_down = step == "d"
                scene.round()
    scene.channel.is_down = False
    scene.round(timedelta(hours=2))
    for channel in scene.channels:
        kinds = [event for event in dict.fromkeys(channel.ids) if not event.endswith(".recovered")]
        assert sorted(kinds) == sorted(expected)
    assert [state.waiting for state in scene.outbox.channels.values()] == [{}, {}]
    assert set(scene.channels[0].ids) == set(scene.channels[1].ids)


def test_an_event_is_read_back_as_it_was_written() -> None:
    scene = Scene().begin()
    scene.report(key="from_client/nm_albuquerque/Nu\u00f1ez \ud800\x07.csv")
    scene.report(QUARANTINED)
    scene.round()
    for event in scene.channel.took:
        document = json.loads(json.dumps(event.to_json(BUCKET)))
        assert DeliveryEvent.from_json(document) == event
        assert (document["specversion"], document["source"]) == ("1.0", "urn:etl-platform:bucket")


def test_texts_of_errors_are_not_in_an_event() -> None:
    scene = Scene().begin()
    scene.report()
    scene.round()
    document = json.dumps(scene.channel.took[0].to_json(BUCKET))
    assert "Zorbex" not in document
    assert "missing_column" in document


def _overdue(scene: Scene) -> OverdueFile:
    return OverdueFile("officer_detail", "nm_albuquerque", "Officer_Detail.csv", BEGAN - 60 * DAY, BEGAN - 29 * DAY)


def _failed(scene: Scene, receives: int, hours_ago: float = 0) -> object:
    from dataclasses import replace

    at = scene.now - timedelta(hours=hours_ago)
    return replace(RECORD, receives=receives, failed_at=at, comes_again_at=at + timedelta(hours=1))
