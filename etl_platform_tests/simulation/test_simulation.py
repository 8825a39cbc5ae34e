"""Random schedules end like the plain one; and the simulation itself is repeatable and exact."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etl_platform.engine import check
from etl_platform_tests.simulation.checks import checks_made_once
from etl_platform_tests.simulation.files import contents, contracts
from etl_platform_tests.simulation.schedule import Tally, simulate, trace


def test_a_thousand_schedules_end_as_the_plain_one_and_meet_every_fault() -> None:
    tally = simulate(range(1_000), processes=os.cpu_count() or 1)

    assert not tally.failures, tally.failures_as_text()
    assert tally.schedules == 1_000
    assert tally.unmet() == []


# In the last two, processes die with several greenlets.
@pytest.mark.parametrize("seed", ["7", "155", "211"])
def test_a_seed_takes_the_same_steps_every_time(seed: str) -> None:
    steps = trace(seed)

    assert len(steps) > 100
    assert trace(seed) == steps


@pytest.mark.parametrize("body", contents()[::4])
def test_a_cached_check_has_the_bytes_of_a_new_one(tmp_path: Path, body: bytes) -> None:
    source, contract, day = tmp_path / "delivery", contracts()["things"], datetime(2026, 1, 5, tzinfo=UTC).date()
    source.write_bytes(body)
    made = []
    for delivery_id in ("0123456789abcdef0123", "fedcba9876543210fedc"):
        with checks_made_once():
            once = _check(tmp_path / "once", source, contract, day, delivery_id)
        each_time = _check(tmp_path / "each", source, contract, day, delivery_id)
        assert once == each_time
        made.append(each_time)
    assert made[0]["outcome"] == made[1]["outcome"]


def test_a_failure_names_the_command_that_runs_it_again() -> None:
    tally = Tally(schedules=2, failures={"41": "silver differs"})

    assert "seed 41: silver differs" in tally.failures_as_text()
    assert "make simulate ARGS='--seed 41'" in tally.failures_as_text()


def _check(folder: Path, source: Path, contract: object, day: object, delivery_id: str) -> dict[str, object]:
    folder.mkdir(exist_ok=True)
    result = check.check_file(source, contract, folder, as_of=day, delivery_id=delivery_id)  # type: ignore[arg-type]
    names = (check.SILVER, check.QUARANTINE)
    files = {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}
    for name in names:
        (folder / name).unlink(missing_ok=True)
    return {**result.to_json(), **files}
