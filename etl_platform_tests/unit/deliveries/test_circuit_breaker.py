"""The breaker's state machine, beside a model that looks at the whole history at once."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.deliveries.circuit_breaker import (
    Breaker,
    Limits,
    Phase,
    Progressed,
    Reset,
    RunEvent,
    RunFailed,
    at_time,
    fold,
    only_delivery,
    only_failing_agencies,
    status_of,
    step,
)
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.plan_runs import QueuedFile

LIMITS = Limits(max_failures=5, cooldown_s=60)
History = list[RunEvent]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Runs that end in the order of their requests; a probe names a run before it."""
    history: History = []
    at = 1_000.0
    for number in range(1, draw(st.integers(0, 30)) + 1):
        at += draw(st.sampled_from([1.0, 10.0, 59.0, 60.0, 61.0]))
        kind = draw(st.sampled_from(["failed", "failed", "failed", "failed", "single", "probe", "done", "reset"]))
        if kind == "done":
            history.append(RunEvent(number, at, Progressed()))
        elif kind == "reset":
            history.append(RunEvent(number, at, Reset()))
        else:
            single = f"d{draw(st.integers(0, 2))}" if kind == "single" or draw(st.booleans()) else None
            probe_of = draw(st.integers(1, number - 1)) if kind == "probe" and number > 1 else None
            agency = draw(st.sampled_from([None, None, "a", "b"]))
            history.append(RunEvent(number, at, RunFailed(f"run-{number}", single, probe_of, agency)))
    return history


limits = st.builds(Limits, st.integers(1, 6), st.sampled_from([1.0, 60.0, 300.0]))
clocks = st.one_of(st.floats(0, 2_000), st.floats(-1e6, 1e6))


def model(history: History, now: float, limits: Limits) -> tuple[Phase, int]:
    """Phase and failures in a row, worked out from the whole history by the words of the specification."""
    half = (limits.max_failures + 1) // 2
    closings = [index for index, run in enumerate(history) if not isinstance(run.event, RunFailed)]
    since = closings[-1] + 1 if closings else 0
    closed_by = history[since - 1].number if since else 0
    opened_at = None
    counted: set[tuple[str, str | None]] = set()
    for run in history[since:]:
        event = run.event
        assert isinstance(event, RunFailed)
        counted.add((event.only_delivery or event.run_id, event.agency))
        weight = sum(agency is None for _, agency in counted)
        weight += sum(min(half, sum(agency == one for _, agency in counted)) for one in ("a", "b"))
        failed_probe = event.probe_of is not None and event.probe_of > closed_by
        if failed_probe or (opened_at is None and weight >= limits.max_failures):
            opened_at = run.at
    if opened_at is None:
        return Phase.CLOSED, len(counted)
    return Phase.HALF_OPEN if now - opened_at >= limits.cooldown_s else Phase.OPEN, len(counted)


@given(histories(), limits, st.floats(0, 500))
def test_the_machine_agrees_with_the_model(history: History, limits: Limits, later: float) -> None:
    now = (history[-1].at if history else 1_000.0) + later
    found = fold(history, now, limits)
    assert (found.phase, len(found.failures)) == model(history, now, limits)


@given(histories(), limits, st.randoms())
def test_the_order_in_which_records_are_read_does_not_matter(history: History, limits: Limits, random: Random) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)
    assert fold(shuffled, 9_999, limits) == fold(history, 9_999, limits)


@given(histories(), limits)
def test_what_lies_before_the_latest_success_or_reset_has_no_say(history: History, limits: Limits) -> None:
    closings = [index for index, run in enumerate(history) if not isinstance(run.event, RunFailed)]
    recent = history[closings[-1] :] if closings else history
    assert fold(recent, 9_999, limits) == fold(history, 9_999, limits)


@given(histories(), limits, st.data())
def test_whatever_the_clocks_show_the_same_failures_open_it(
    history: History, limits: Limits, data: st.DataObject
) -> None:
    """Clocks of machines that are wrong, and that jump between two runs."""
    times = data.draw(st.lists(clocks, min_size=len(history), max_size=len(history)))
    jumped = [replace(run, at=at) for run, at in zip(history, times, strict=True)]
    found, expected = fold(jumped, data.draw(clocks), limits), fold(history, 1_000, limits)

    assert (found.phase is Phase.CLOSED) == (expected.phase is Phase.CLOSED)
    assert (found.failures, found.opened_by, found.closed_by) == (
        expected.failures,
        expected.opened_by,
        expected.closed_by,
    )
    assert only_failing_agencies(jumped, limits).keys() == only_failing_agencies(history, limits).keys()


@given(clocks, clocks, limits)
def test_within_two_cooldowns_after_any_jump_of_the_clock_a_probe_may_start(
    at: float, now: float, limits: Limits
) -> None:
    opened = [RunEvent(n, at, RunFailed(f"run-{n}")) for n in range(1, limits.max_failures + 1)]

    phases = [fold(opened, now + cooldowns * limits.cooldown_s, limits).phase for cooldowns in (0, 1, 2)]
    assert Phase.HALF_OPEN in phases, "it stays open longer than two cooldowns"


@given(histories(), limits, st.floats(-1e6, 1e6))
def test_the_cooldown_that_remains_is_never_negative_and_never_longer_than_it_is(
    history: History, limits: Limits, now: float
) -> None:
    found = fold(history, 1_000, limits)
    assert 0 <= found.cooldown_remaining_s(now, limits) <= limits.cooldown_s


@given(st.lists(st.floats(1, 4_000), min_size=1, max_size=40), st.integers(2, 6))
def test_one_poison_file_alone_never_opens_it(gaps: list[float], max_failures: int) -> None:
    """It comes back up to 20 times, and its run fails each time."""
    state, at, limits = Breaker(), 0.0, Limits(max_failures, 60)
    for number, gap in enumerate(gaps):
        at += gap
        state = step(state, RunEvent(number, at, RunFailed(f"run-{number}", only_delivery="poison")), limits)
        assert state.phase is Phase.CLOSED
    assert len(state.failures) == 1


@given(st.lists(st.tuples(st.floats(0.1, 200), st.sampled_from(["start", "succeed", "fail"])), max_size=80))
def test_driven_by_a_sensor_nothing_starts_in_the_cooldown_and_one_run_at_a_time_after_it(
    moves: list[tuple[float, str]],
) -> None:
    at = 0.0
    in_flight: list[tuple[int, RunFailed]] = []
    ended: History = []
    for number, (gap, move) in enumerate(moves, start=1):
        at += gap
        state = fold(ended, at, LIMITS)
        probes = sum(state.is_probe(run.probe_of) for _, run in in_flight)
        room = state.room(probes)
        assert (room is None) == (state.phase is Phase.CLOSED)
        assert not (state.phase is Phase.OPEN and room), "a run in the cooldown"
        assert probes + (room or 0) <= 1 or room is None, "two probes of one opening"
        if move == "start" and room != 0:
            in_flight.append((number, RunFailed(f"run-{number}", probe_of=None if room is None else state.opened_by)))
        elif in_flight and move != "start":
            requested, run = in_flight.pop(0)
            ended.append(RunEvent(requested, at, run if move == "fail" else Progressed()))


@given(st.integers(1, 60), st.integers(2, 9))
def test_one_agency_alone_never_opens_it(failures: int, max_failures: int) -> None:
    limits = Limits(max_failures, 60)
    runs = [RunEvent(n, n, RunFailed(f"run-{n}", f"d{n}", agency="a")) for n in range(failures)]
    assert fold(runs, 100, limits).phase is Phase.CLOSED
    held = only_failing_agencies(runs, limits)
    assert held == ({"a": failures - 1.0} if failures >= max_failures else {})


def test_an_outage_opens_it_though_only_two_agencies_send() -> None:
    runs = [RunEvent(n, n, RunFailed(f"run-{n}", f"d{n}", agency="ab"[n % 2])) for n in range(5)]
    assert fold(runs, 10, LIMITS).phase is Phase.OPEN


def test_an_agency_that_finished_a_delivery_or_was_reset_is_not_held_back() -> None:
    failed = [RunEvent(n, n, RunFailed(f"run-{n}", f"d{n}", agency="ab"[n % 2])) for n in range(12)]
    assert only_failing_agencies(failed, LIMITS) == {"a": 10.0, "b": 11.0}
    assert only_failing_agencies([*failed, RunEvent(12, 12, Progressed("a"))], LIMITS) == {"b": 11.0}
    assert only_failing_agencies([*failed, RunEvent(12, 12, Progressed())], LIMITS) == {"a": 10.0, "b": 11.0}
    assert only_failing_agencies([*failed, RunEvent(12, 12, Reset())], LIMITS) == {}


def failed_runs(count: int, state: Breaker | None = None) -> Breaker:
    """After runs 100, 101 and so on, each of which ended at the second of its number."""
    state = state or Breaker()
    for number in range(100, 100 + count):
        state = step(state, RunEvent(number, number, RunFailed(f"run-{number}")), LIMITS)
    return state


def test_the_fifth_failed_run_in_a_row_opens_it() -> None:
    assert failed_runs(4).phase is Phase.CLOSED
    opened = failed_runs(5)
    assert opened.phase is Phase.OPEN
    assert opened.room(0) == 0
    assert status_of(opened, 114.2, LIMITS).cooldown_remaining == 50


def test_after_the_cooldown_one_run_may_start_and_no_second() -> None:
    half_open = at_time(failed_runs(5), 164, LIMITS)
    assert half_open.phase is Phase.HALF_OPEN
    assert (half_open.room(0), half_open.room(1)) == (1, 0)


def test_a_probe_that_gets_something_done_closes_it() -> None:
    assert step(failed_runs(5), RunEvent(105, 180, Progressed()), LIMITS) == Breaker(closed_by=105)


def test_a_probe_that_fails_begins_the_cooldown_again() -> None:
    again = step(failed_runs(5), RunEvent(105, 200, RunFailed("probe", probe_of=104)), LIMITS)
    assert again.phase is Phase.OPEN
    assert again.cooldown_remaining_s(210, LIMITS) == 50


def test_runs_that_are_no_probes_do_not_prolong_the_cooldown() -> None:
    late = step(failed_runs(5), RunEvent(105, 130, RunFailed("straggler")), LIMITS)
    assert (late.opened_by, late.opened_at) == (104, 104)
    assert late.last_failure_at == 130
    later = step(late, RunEvent(106, 170, RunFailed("straggler 2")), LIMITS)
    assert at_time(later, 170, LIMITS).phase is Phase.HALF_OPEN, "nor spoil the probe's turn"


def test_a_success_in_between_starts_the_count_again() -> None:
    state = step(failed_runs(4), RunEvent(104, 150, Progressed()), LIMITS)
    assert failed_runs(4, state).phase is Phase.CLOSED


def test_a_probe_that_was_requested_before_a_reset_does_not_open_it() -> None:
    reset = RunEvent(106, 170, Reset())
    probe = RunEvent(105, 180, RunFailed("probe", probe_of=104))
    failed = [RunEvent(n, n, RunFailed(f"run-{n}")) for n in range(100, 105)]
    assert fold([*failed, probe, reset], 190, LIMITS) == Breaker(closed_by=106)


def test_a_probe_of_an_opening_that_was_closed_is_a_run_like_any_other() -> None:
    closed = step(failed_runs(5), RunEvent(105, 170, Progressed()), LIMITS)
    state = step(closed, RunEvent(106, 180, RunFailed("probe", probe_of=104)), LIMITS)
    assert (state.phase, len(state.failures)) == (Phase.CLOSED, 1)


def test_the_status_has_the_names_that_monitors_know() -> None:
    status = status_of(failed_runs(5), 110, LIMITS)
    assert (status.active, status.state, status.consecutive_failures) == (True, "open", 5)
    assert status.last_failure_time == "1970-01-01T00:01:44+00:00"
    assert "one run tries again in 54 s" in str(status)
    closed = status_of(Breaker(), 110, LIMITS)
    assert (closed.active, closed.last_failure_time, closed.cooldown_remaining) == (False, None, 0)


@pytest.mark.parametrize(
    ("files", "alone"),
    [
        ([("m1", "a")], True),
        ([("m1", "a"), ("m1", "b")], True),
        ([("m1", "a"), ("m2", "a")], True),
        ([("m1", "a"), ("m2", "b")], False),
    ],
    ids=["one file", "two files of one message", "one file announced twice", "two files"],
)
def test_a_run_travels_alone_when_it_cannot_be_split(files: list[tuple[str, str]], alone: bool) -> None:
    queued = [
        QueuedFile(ObjectVersion("b", key, version_id="v"), "nc_durham", "training", message, f"h-{message}", 1)
        for message, key in files
    ]
    assert (only_delivery(queued) is not None) == alone
    assert only_delivery(queued) == only_delivery(queued[::-1])
