"""Harm at a few calls of each scenario, drawn by a seed; ``make faults`` does every harm to every call.

``make test`` plays the scenarios that make every kind of call between them, ``make test-all`` plays all.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etl_platform.object_keys import WAITING_REPORTS
from etl_platform_tests.faults.bench import Bench
from etl_platform_tests.faults.end_state import EndState
from etl_platform_tests.faults.proxy import TRANSIENT, Harm
from etl_platform_tests.faults.scenarios import SCENARIOS
from etl_platform_tests.faults.trials import play_undisturbed, strikes, try_harm

SEED = 4
_EVERY_KIND_OF_CALL = {"accepted", "attachments", "email", "tick"}
_slow = pytest.mark.slow(reason="three plays of a scenario, each with several processes")
pytestmark = pytest.mark.filterwarnings("ignore::dagster._utils.warnings.PreviewWarning")


@pytest.fixture(scope="module")
def bench(endpoint_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("faults"), endpoint_url, "crashes") as bench:
        yield bench


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in _EVERY_KIND_OF_CALL else _slow) for name in SCENARIOS]
)
def test_nothing_is_lost_and_nothing_done_twice_whatever_breaks(bench: Bench, name: str) -> None:
    scenario = SCENARIOS[name]
    undisturbed = play_undisturbed(bench, scenario)
    draw = random.Random(f"{SEED} {name}")
    drawn = [draw.choice(strikes(undisturbed, [Harm.KILL])), draw.choice(strikes(undisturbed, TRANSIENT))]

    trials = [try_harm(bench, scenario, undisturbed, strike) for strike in drawn]

    assert all(trial.survived for trial in trials), "\n".join(map(str, trials))
    assert undisturbed.end.queues["waiting"] == 0
    records = [key for key in undisturbed.end.objects if key.startswith(("reports/", "emails/", "attachments/"))]
    assert len(records) >= max(1, len(scenario.files))


def test_a_kill_around_the_record_of_a_failed_delivery_loses_nothing(bench: Bench) -> None:
    scenario = SCENARIOS["retried"]
    undisturbed = play_undisturbed(bench, scenario)
    around = [strike for strike in strikes(undisturbed, [Harm.KILL]) if strike[0].key.startswith(WAITING_REPORTS)]
    assert {strike[0].operation for strike in around} == {"PutObject", "HeadObject", "DeleteObject"}
    chosen = [strike for strike in around if strike[0].operation != "HeadObject"]

    trials = [try_harm(bench, scenario, undisturbed, strike) for strike in chosen]

    assert all(trial.survived for trial in trials), "\n".join(map(str, trials))
    assert not any(key.startswith(WAITING_REPORTS) for key in undisturbed.end.objects)


@_slow
def test_a_kill_during_a_call_of_obstore_loses_nothing(endpoint_url: str, tmp_path: Path) -> None:
    """It makes first attempts only where there may be a second one, which would hide any other harm."""
    with Bench(tmp_path, endpoint_url, "obstore", settings={"AWS_MAX_ATTEMPTS": "2"}) as bench:
        undisturbed = play_undisturbed(bench, SCENARIOS["accepted"])
        small = {"HeadObject", "GetObject", "PutObject"}
        kills = [strike for strike in strikes(undisturbed, [Harm.KILL]) if strike[0].operation in small]

        trials = [try_harm(bench, SCENARIOS["accepted"], undisturbed, strike) for strike in kills[:: len(kills) // 3]]

    assert all(trial.survived for trial in trials), "\n".join(map(str, trials))


def test_a_loss_is_seen() -> None:
    """The comparison itself: what is missing, too much or different is named."""
    nothing: dict[str, object] = {}
    objects = {"silver/a": b"1", "reports/a": {"rows": 1}}
    whole = EndState(objects, nothing, nothing, nothing, nothing, nothing, {"waiting": 0})

    assert whole.differences(whole) == []
    assert replace(whole, objects={"silver/a": b"1"}).differences(whole) == [
        "objects > reports/a: missing, expected {'rows': 1}"
    ]
    assert replace(whole, queues={"waiting": 1}).differences(whole) == ["queues > waiting: 1 instead of 0"]
    assert replace(whole, latest={"x": 1}).differences(whole) == ["latest > x: unexpected 1"]
