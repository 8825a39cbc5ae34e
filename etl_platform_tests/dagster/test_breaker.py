"""The breaker over real run records: what counts, what the sensor does with it, and the reset."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType

from etl_platform.cli.main import main
from etl_platform.definitions import build_defs
from etl_platform.defs.intake.breaker_state import breaker_status, held_agencies, reset_breaker
from etl_platform.defs.intake.intake_runs import unfinished_runs
from etl_platform.deliveries.circuit_breaker import Phase
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform_tests.dagster.run_history import CANCELED, FAILURE, LIMITS, PROGRESS, SENSOR, SUCCESS, History
from etl_platform_tests.dagster.ticks import CountedQueue, tick
from etl_platform_tests.dagster.workshop import JOB, Workshop
from etl_platform_tests.integration.deliveries import as_csv, officers


def test_five_failed_runs_of_the_sensor_open_it_until_the_cooldown_is_over(history: History) -> None:
    for second in range(5):
        history.run(100 + second)
    assert history.phase(now=110) is Phase.OPEN
    assert history.phase(now=164) is Phase.HALF_OPEN


@pytest.mark.parametrize(
    "aside",
    [
        {"tags": {}},
        {"tags": {"dagster/partition": "nm_albuquerque"}},
        {"parent": "00000000-0000-0000-0000-000000000001"},
        {"status": CANCELED},
        {"tags": SENSOR | {"dagster/failure_reason": "UNEXPECTED_TERMINATION"}},
        {"job": "email_archive_job"},
        {"end": None},
    ],
    ids=[
        "by hand",
        "a partition",
        "started again from the UI",
        "cancelled",
        "pod went away",
        "other job",
        "unfinished",
    ],
)
def test_what_says_nothing_about_the_intakes_systems_does_not_count(history: History, aside: dict[str, Any]) -> None:
    for second in range(4):
        history.run(100 + second)
    for second in range(5):
        history.run(**{"end": 110 + second} | aside)
    assert history.phase(now=120) is Phase.CLOSED
    assert history.failures(now=120) == 4


TOMORROW = 90_000


def test_failures_of_a_clock_that_was_ahead_do_not_hold_it_open(history: History) -> None:
    for second in range(5):
        history.run(TOMORROW + second)
    assert history.phase(now=200) is Phase.HALF_OPEN
    history.run(201, SUCCESS, tags=SENSOR | PROGRESS)
    assert history.phase(now=202) is Phase.CLOSED
    assert history.phase(now=TOMORROW + 10) is Phase.CLOSED, "when their time has come"


@pytest.mark.parametrize("ahead", [TOMORROW, 230], ids=["a day", "seconds"])
def test_a_reset_ends_failures_of_a_clock_that_was_ahead(history: History, ahead: int) -> None:
    for second in range(5):
        history.run(ahead + second)
    history.run(210, SUCCESS, job="breaker_reset_job", tags={})
    assert history.phase(now=235) is Phase.CLOSED


@pytest.mark.parametrize("closed_by", [{"job": "breaker_reset_job", "tags": {}}, {"tags": SENSOR | PROGRESS}])
def test_a_closing_of_a_clock_that_was_ahead_does_not_keep_it_closed(
    history: History, closed_by: dict[str, Any]
) -> None:
    history.run(TOMORROW, SUCCESS, **closed_by)
    for second in range(5):
        history.run(200 + second)
    assert history.phase(now=210) is Phase.OPEN
    history.run(300, SUCCESS, tags=SENSOR | PROGRESS)
    assert history.phase(now=301) is Phase.CLOSED


@pytest.mark.parametrize("ends", [(115, 120), (115, 90)], ids=["later", "earlier, by a clock that is behind"])
def test_a_failure_that_is_noticed_late_does_not_count_after_a_success_that_was_requested_later(
    history: History, ends: tuple[int, int]
) -> None:
    """A run whose process died, which Dagster finds out minutes later."""
    late = history.run(None)
    for second in range(4):
        history.run(100 + second)
    assert history.failures(now=120) == 4
    event = DagsterEvent(DagsterEventType.PIPELINE_FAILURE.value, JOB)
    history.instance.run_storage.handle_run_event(late, event, datetime.fromtimestamp(ends[0], UTC))
    assert history.phase(now=120) is Phase.OPEN
    history.run(ends[1], SUCCESS, tags=SENSOR | PROGRESS)
    assert history.phase(now=120) is Phase.CLOSED
    assert history.failures(now=120) == 0


@pytest.mark.parametrize("status", [SUCCESS, FAILURE])
def test_a_run_that_finished_a_delivery_starts_the_count_again(history: History, status: dg.DagsterRunStatus) -> None:
    for second in range(4):
        history.run(100 + second)
    history.run(110, status, tags=SENSOR | PROGRESS)
    for second in range(4):
        history.run(120 + second)
    assert history.phase(now=130) is Phase.CLOSED
    assert history.failures(now=130) == 4


def test_a_success_that_touched_nothing_proves_nothing(history: History) -> None:
    """All its messages belonged to somebody else by then."""
    for second in range(5):
        history.run(100 + second)
    history.run(110, SUCCESS)
    assert history.phase(now=120) is Phase.OPEN


def test_one_file_that_kills_every_run_counts_once(history: History) -> None:
    for second in range(20):
        history.run(100 + second, tags=SENSOR | {"etl_platform/only_delivery": "poison"})
    assert history.failures(now=130) == 1


@pytest.mark.parametrize("value", ["40", "1767600000.5"], ids=["its number", "its time, as in release 0.2"])
def test_a_failed_probe_opens_it_again_however_old_the_failures_before_it_are(history: History, value: str) -> None:
    history.run(100, tags=SENSOR | {"etl_platform/probe_of": value, "etl_platform/only_delivery": "d"})
    assert history.phase(now=110) is Phase.OPEN


def test_a_backfill_hides_no_failures_and_no_successes(history: History) -> None:
    history.run(90, SUCCESS, tags=SENSOR | PROGRESS)
    for second in range(5):
        history.run(100 + second)
    for number in range(130):
        history.run(106 + number / 100, (SUCCESS, FAILURE)[number % 2], tags={"dagster/backfill": "b"})
    assert history.phase(now=120) is Phase.OPEN


def test_reading_costs_the_same_however_long_the_history_is(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    inner = history.instance.get_run_records

    def counted(*args: Any, **named: Any) -> Sequence[dg.RunRecord]:
        found = inner(*args, **named)
        read.append(len(found))
        return found

    monkeypatch.setattr(history.instance, "get_run_records", counted)
    costs = []
    for end in (100.0, 1_000.0):
        for number in range(200):
            history.run(end + number, (SUCCESS, FAILURE)[number % 5 == 0], tags=SENSOR | PROGRESS)
        read.clear()
        history.phase(now=end + 500)
        costs.append(list(read))
    assert costs[0] == costs[1]
    assert sum(costs[0]) < 20


def test_the_reset_job_closes_it_and_its_run_says_who_did(history: History) -> None:
    began = time.time()
    for second in range(5):
        history.run(began - 10 + second)
    assert history.phase(now=time.time()) is Phase.OPEN

    assert reset_breaker(history.instance, Settings(), by="a.person")

    assert history.phase(now=time.time()) is Phase.CLOSED
    (run,) = history.instance.get_runs(dg.RunsFilter(job_name="breaker_reset_job"))
    assert run.tags["etl_platform/by"] == "a.person"
    logged = [record.message for record in history.instance.all_logs(run.run_id)]
    assert any("open after 5 failed runs in a row" in message for message in logged)
    history.run(time.time() + 1)
    assert history.failures(now=time.time() + 2) == 1, "failures after the reset count"


def of_agency(agency: str, number: int) -> dict[str, str]:
    return SENSOR | {"etl_platform/only_agency": agency, "etl_platform/only_delivery": f"{agency}-{number}"}


def test_an_agency_that_only_fails_is_held_back_alone(history: History) -> None:
    now = time.time()
    for number in range(20):
        history.run(now - 30 + number, tags=of_agency("aa", number))
    assert history.phase(now) is Phase.CLOSED
    queue = CountedQueue("aa", "bb", "cc", receives=2)
    hidden: dict[str, int] = {}
    queue.change_visibility = lambda handles, delay_s: [hidden.update(dict.fromkeys(handles, delay_s))][1:]  # type: ignore[method-assign,func-returns-value]

    (request,) = tick(history.instance, queue).run_requests

    deliveries = request.run_config["ops"]["ingest"]["config"]["deliveries"]
    assert [delivery["message_id"] for delivery in deliveries] == ["m-bb", "m-cc"]
    assert hidden == {"h-aa": 60}


@pytest.mark.parametrize(("in_flight", "may_start"), [(False, 1), (True, 0)])
def test_after_the_cooldown_one_of_its_messages_may_start(history: History, in_flight: bool, may_start: int) -> None:
    now = time.time()
    for number in range(20):
        history.run(now - 90 + number, tags=of_agency("aa", number))
    if in_flight:
        history.run(None, tags=of_agency("aa", 0))
    runs = [record.dagster_run for record in unfinished_runs(history.instance)]
    assert held_agencies(history.instance, LIMITS, now, runs) == {"aa": may_start}
    assert held_agencies(history.instance, LIMITS, now - 30, runs) == {"aa": 0}


def test_an_agency_is_free_again_as_soon_as_a_run_of_its_own_finished_a_delivery(history: History) -> None:
    now = time.time()
    for number in range(20):
        history.run(now - 90 + number, tags=of_agency("aa", number))
    history.run(now - 20, SUCCESS, tags=of_agency("bb", 0) | PROGRESS)
    assert held_agencies(history.instance, LIMITS, now, []) == {"aa": 1}
    assert breaker_status(history.instance, Settings()).held_agencies == ("aa",)
    history.run(now - 10, SUCCESS, tags=of_agency("aa", 0) | PROGRESS)
    assert held_agencies(history.instance, LIMITS, now, []) == {}
    assert breaker_status(history.instance, Settings()).held_agencies == ()


def test_while_it_is_open_a_tick_receives_nothing_and_says_why_and_for_how_long(history: History) -> None:
    now = time.time()
    for second in range(5):
        history.run(now - 10 + second)
    queue = CountedQueue("aa", "bb")

    found = tick(history.instance, queue)

    assert queue.receives == 0
    assert found.run_requests == []
    assert "open after 5 failed runs in a row" in found.skip_message
    seconds = int(found.skip_message.rpartition("in ")[2].removesuffix(" s"))
    assert 0 < seconds <= 54


def test_half_open_lets_one_run_with_one_message_through_and_waits_for_its_end(history: History) -> None:
    for second in range(5):
        history.run(100 + second)
    queue = CountedQueue("aa", "bb", "cc")

    (probe,) = tick(history.instance, queue).run_requests
    assert probe.tags["etl_platform/probe_of"] == "5"
    assert len(probe.run_config["ops"]["ingest"]["config"]["deliveries"]) == 1
    assert [message.message_id for message in queue.waiting] == ["m-bb", "m-cc"]

    history.run(None, tags=SENSOR | probe.tags)
    before = queue.receives
    waiting = tick(history.instance, queue)
    assert queue.receives == before
    assert "half-open" in waiting.skip_message


def test_the_settings_decide_when_it_opens(history: History) -> None:
    for second in range(2):
        history.run(time.time() - 5 + second)
    queue = CountedQueue("aa")

    found = tick(history.instance, queue, circuit_breaker_max_failures=2, circuit_breaker_cooldown_seconds=3_600)

    assert queue.receives == 0
    seconds = int(found.skip_message.rpartition("in ")[2].removesuffix(" s"))
    assert 60 < seconds <= 3_596


def test_a_closed_breaker_asks_for_all_its_runs_and_marks_the_one_that_travels_alone(history: History) -> None:
    (alone,) = tick(history.instance, CountedQueue("aa")).run_requests
    (together,) = tick(history.instance, CountedQueue("aa", "bb")).run_requests
    assert alone.tags["etl_platform/only_delivery"]
    assert "etl_platform/only_delivery" not in together.tags
    assert "etl_platform/probe_of" not in alone.tags | together.tags


def test_of_two_probes_that_were_asked_for_at_once_the_second_gives_its_messages_back(workshop: Workshop) -> None:
    """Two daemons, as in the middle of a deployment."""
    history = History(workshop.instance)
    probe_of = SENSOR | {"etl_platform/probe_of": "104"}
    history.run(None, tags=probe_of)
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 4)))
    queue = CountedQueue()

    result = execute_held(workshop, queue, key, probe_of)

    assert result.success
    assert queue.given_back == ["handle"]
    assert workshop.outcomes == []
    assert workshop.written("reports") == []


def test_a_probe_after_one_that_ended_without_a_verdict_does_its_work(workshop: Workshop) -> None:
    history = History(workshop.instance)
    probe_of = SENSOR | {"etl_platform/probe_of": "104"}
    history.run(110, CANCELED, tags=probe_of)
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 4)))

    assert execute_held(workshop, CountedQueue(), key, probe_of).success
    assert workshop.outcomes == ["accepted"]


def test_a_run_whose_message_another_run_has_received_says_why_it_did_nothing(workshop: Workshop) -> None:
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 4)))
    queue = CountedQueue()
    queue.change_visibility = lambda handles, timeout_s: list(handles)  # type: ignore[method-assign]

    result = execute_held(workshop, queue, key, {})

    assert result.success
    lines = [entry.user_message for entry in workshop.instance.all_logs(result.run_id)]
    assert any("1 delivery not processed: another run has received their messages" in line for line in lines)


def execute_held(workshop: Workshop, queue: CountedQueue, key: str, tags: dict[str, str]) -> dg.ExecuteInProcessResult:
    """A run over one message that came from ``queue``."""
    platform = Platform(workshop.settings)
    queue.delete = lambda receipt_handles: []  # type: ignore[attr-defined]
    platform.queue = lambda _work_queue: queue  # type: ignore[assignment]
    workshop.platforms.append(platform)
    delivery = {"bucket": "local", "key": key, "message_id": "m", "receipt_handle": "handle"}
    return (
        build_defs(workshop.settings, platform=platform)
        .resolve_job_def(JOB)
        .execute_in_process(
            instance=workshop.instance,
            run_config={"ops": {"ingest": {"config": {"deliveries": [delivery]}}}},
            tags=tags,
            raise_on_error=False,
        )
    )


def test_a_run_notes_its_progress_as_soon_as_a_delivery_is_done(workshop: Workshop) -> None:
    done = workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 4))))
    nothing = workshop.ingest()

    def tags(result: dg.ExecuteInProcessResult) -> Any:
        run = workshop.instance.get_run_by_id(result.run_id)
        assert run is not None
        return run.tags

    assert tags(done)["etl_platform/progress"] == "true"
    assert "etl_platform/progress" not in tags(nothing)


def test_the_commands_show_and_reset_it(
    history: History,
    dagster_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for second in range(5):
        history.run(time.time() - 10 + second)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))

    assert main(["breaker", "status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status.keys() == {"active", "state", "consecutive_failures", "last_failure_time", "cooldown_remaining"} | {
        "held_agencies"
    }
    assert (status["active"], status["consecutive_failures"]) == (True, 5)
    assert 0 < status["cooldown_remaining"] <= 54
    assert datetime.fromisoformat(status["last_failure_time"]).tzinfo is not None

    assert main(["breaker", "reset"]) == 0
    assert capsys.readouterr().out.startswith("The circuit breaker is closed (0 failed runs in a row)")
    assert history.phase(time.time()) is Phase.CLOSED


@pytest.mark.parametrize("home", ["", "/nowhere"])
def test_without_a_dagster_home_the_commands_say_what_to_set(
    home: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", home)
    assert main(["breaker", "status"]) == 2
    assert "DAGSTER_HOME" in capsys.readouterr().err
