"""Runs seeds, compares the end of each with that of the plain order, and counts what was exercised. No tests."""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context

import dagster as dg

from etl_platform.defs.intake.delivery_events import logged_outcome
from etl_platform.deliveries.delivery import Outcome
from etl_platform.object_keys import WAITING_REPORTS
from etl_platform_tests.simulation.checks import checks_made_once
from etl_platform_tests.simulation.features import FEATURES, TWO_CONTRACT_VERSIONS
from etl_platform_tests.simulation.judgement import Judgement
from etl_platform_tests.simulation.plan import draw
from etl_platform_tests.simulation.simulated_dagster import CheckResults, delivery_id_of
from etl_platform_tests.simulation.truth import arrivals, silver
from etl_platform_tests.simulation.world import World

MUST_BE_MET = (
    "several records",
    "several records, one malformed",
    "delayed",
    "dropped, then announced again",
    "duplicates",
    "overwrites",
    "without sequencer",
    "malformed",
    "no contract",
    "folder marker",
    "test event",
    "outages",
    "calls in an outage",
    "calls refused",
    "calls repeated",
    "calls lost",
    "processes frozen",
    "runs killed",
    "runs stopped",
    "sensors killed",
    "reprocess runs killed",
    "poison files",
    "poison files buried",
    "files reprocessed",
    "schedules with two sensors",
    "batches of several messages",
    "runs suppressed by their key",
    "leases lost",
    "ticks with the breaker open",
    "ticks with the breaker half_open",
    "ticks in which files wait for others",
    "ticks failed",
    "resets of the breaker",
    "failed deliveries recorded",
    "their records deleted",
    "outcome: accepted",
    "outcome: rejected",
    "outcome: superseded",
    "observed: duplicate",
    *(name for name, feature in FEATURES.items() if feature.off_because is None),
)


@dataclass
class Tally:
    """What the schedules so far have exercised, and which failed."""

    seen: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)
    schedules: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        self.seen += other.seen
        self.places += other.places
        self.schedules += other.schedules
        self.failures |= other.failures

    def unmet(self) -> list[str]:
        return [what for what in MUST_BE_MET if not self.seen[what]]

    def failures_as_text(self) -> str:
        lines = [f"seed {seed}: {why}" for seed, why in sorted(self.failures.items())]
        again = f"make simulate ARGS='--seed {min(self.failures, default='')}'"
        return "\n".join([*lines[:20], f"{len(lines)} of {self.schedules} schedules failed; again: {again}"])


def simulate(seeds: Iterable[int], processes: int, always: Collection[str] = ()) -> Tally:
    """Run a schedule for each seed. The same seeds make the same schedules, however many processes share them."""
    numbers = list(seeds)
    # Spawned, because Polars' threads do not survive a fork.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        tally = Tally()
        for part in pool.map(
            partial(_run_each, always=always), [numbers[start::processes] for start in range(processes)]
        ):
            tally.add(part)
    return tally


def _run_each(seeds: list[int], always: Collection[str]) -> Tally:
    # What the product warns of in a storm fills no page here.
    logging.disable(logging.CRITICAL)
    tally = Tally()
    for seed in seeds:
        try:
            run_schedule(str(seed), tally, always)
        except BaseException as error:  # noqa: BLE001 - kept with its seed
            tally.failures[str(seed)] = f"{type(error).__name__}: {error}"[:500]
    return tally


def run_schedule(seed: str, tally: Tally, always: Collection[str] = ()) -> World:
    """Raise AssertionError, or whatever escaped a process, where the schedule does not end as it must."""
    tally.schedules += 1
    plan = draw(seed, always)
    world = World(plan)
    with checks_made_once(world.memory):
        world.run()
    with checks_made_once():
        Judgement(world.store, plan, world.truth).judge()
    _judge_dead_letters(world)
    _judge_events(world)
    tally.seen.update(plan.drawn)
    tally.seen.update(world.faults.seen)
    tally.seen["schedules with two sensors"] += plan.sensors > 1
    tally.seen["poison files buried"] += any("reason" not in m.attributes for m in world.dead_letters.messages.values())
    waiting = [v for (_, key), found in world.store.objects.items() if key.startswith(WAITING_REPORTS) for v in found]
    tally.seen["failed deliveries recorded"] += sum(version.body is not None for version in waiting)
    tally.seen["their records deleted"] += sum(version.body is None for version in waiting)
    tally.seen["files"] += len(plan.puts)
    tally.seen["messages"] += len(plan.announcements)
    tally.seen.update(f"outcome: {report.outcome}" for report in arrivals(world.store).values())
    tally.places.update(world.faults.places)
    return world


def trace(seed: str, always: Collection[str] = ()) -> list[str]:
    """Every step of a schedule with its time, for a person who looks for the cause; fails as the schedule does."""
    steps: list[str] = []
    world = World(draw(seed, always), steps.append)
    with checks_made_once(world.memory):
        try:
            world.run()
        except BaseException as error:  # noqa: BLE001 - the last of the steps
            steps.append(f"ended by {error!r}")
    return steps


def _judge_dead_letters(world: World) -> None:
    """Malformed messages, and those that killed their run until SQS took them away. Nothing else, and each of those."""
    buried: set[int | None] = set()
    for stored in world.dead_letters.messages.values():
        if "reason" in stored.attributes:
            assert world.truth.is_malformed(stored.body), f"a good message among the dead letters: {stored.body}"
            continue
        numbers = {world.truth.number_of(file.version) for file in world.truth.routed(stored.body)}
        assert numbers & world.plan.poisoned, f"given up after {stored.receive_count} receives: {stored.body}"
        buried |= numbers
    left = world.truth.poisoned - arrivals(world.store).keys()
    assert {world.truth.rank[identity] for identity in left} <= buried, "a file that kills its run is gone"


def _judge_events(world: World) -> None:
    """Dagster shows what the bucket holds: every delivery, and as the latest event of each key what silver holds.

    The latest event is not compared in schedules with two versions of contracts: a repair logs no event.

    It is not compared in schedules with frozen processes either. A process that resumes without its lease logs
    an older file again. If it then dies before it logs the newer one again, no message is left to repair that.
    """
    reports, latest = arrivals(world.store), dict[str, str]()
    logged = [
        ("/".join(event.asset_key.path), delivery_id_of(event))
        for event in world.records.events
        if isinstance(event, dg.AssetMaterialization)
        or (isinstance(event, dg.AssetObservation) and logged_outcome(event) is Outcome.SUPERSEDED)
    ]
    checked = _checked_deliveries(world)
    for asset, delivery_id in logged:
        if asset.startswith("silver/"):
            latest[str(reports[delivery_id].written.silver_key)] = delivery_id
    for delivery_id, report in reports.items():
        assert (f"bronze/{report.dataset}", delivery_id) in logged, f"no event of bronze for {delivery_id}"
        has_results = report.outcome is Outcome.SUPERSEDED or delivery_id in checked
        assert has_results, f"no results of checks after {delivery_id}, which is {report.outcome}"
    current = silver(world.store)
    if TWO_CONTRACT_VERSIONS in world.plan.features:
        return
    is_same = latest == current or (world.plan.freezes and latest.keys() == current.keys())
    assert is_same, "the latest events are not about what silver holds"


def _checked_deliveries(world: World) -> set[str]:
    """The deliveries after whose event of bronze the checks of their partition were logged."""
    waiting, checked = defaultdict[tuple[str, str], set[str]](set), set[str]()
    for event in world.records.events:
        if isinstance(event, CheckResults):
            checked |= waiting.pop(event.partition, set())
        elif isinstance(event, dg.AssetMaterialization) and event.asset_key.path[0] == "bronze":
            waiting[event.asset_key.path[1], str(event.partition)].add(delivery_id_of(event))
    return checked
