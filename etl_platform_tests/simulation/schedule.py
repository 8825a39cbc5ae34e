"""Run seeds, hold each against the plain order, and say what was exercised. No tests."""

import logging
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

import dagster as dg

from etl_platform_tests.simulation.plan import draw
from etl_platform_tests.simulation.truth import in_order, judge, records, silver
from etl_platform_tests.simulation.world import World, checks_made_once, identity_of

MUST_BE_MET = (
    "several records",
    "several records, one malformed",
    "delayed",
    "dropped, then told again",
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
    "runs told to stop",
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
    "ticks failed",
    "outcome: accepted",
    "outcome: rejected",
    "outcome: superseded",
    "told: duplicate",
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


def simulate(seeds: Iterable[int], processes: int) -> Tally:
    """Run a schedule for each seed. The same seeds make the same schedules, however many processes share them."""
    numbers = list(seeds)
    # Spawned, because Polars' threads do not survive a fork.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        tally = Tally()
        for part in pool.map(_run_each, [numbers[start::processes] for start in range(processes)]):
            tally.add(part)
    return tally


def _run_each(seeds: list[int]) -> Tally:
    # What the product warns of in a storm fills no page here.
    logging.disable(logging.CRITICAL)
    tally = Tally()
    for seed in seeds:
        try:
            run_schedule(str(seed), tally)
        except BaseException as error:  # noqa: BLE001 - kept with its seed
            tally.failures[str(seed)] = f"{type(error).__name__}: {error}"[:500]
    return tally


def run_schedule(seed: str, tally: Tally) -> World:
    """Raise AssertionError, or whatever escaped a process, where the schedule does not end as it must."""
    tally.schedules += 1
    plan = draw(seed)
    world = World(plan)
    with checks_made_once():
        world.run()
        plain = in_order(plan)
    judge(world.store, plain, world.truth.poisoned)
    _judge_dead_letters(world)
    _judge_events(world)
    tally.seen.update(plan.drawn)
    tally.seen.update(world.faults.seen)
    tally.seen["schedules with two sensors"] += plan.sensors > 1
    tally.seen["poison files buried"] += any("reason" not in m.attributes for m in world.dead_letters.messages.values())
    tally.seen["files"] += len(plan.puts)
    tally.seen["messages"] += len(plan.told)
    tally.seen.update(f"outcome: {record['outcome']}" for record in records(world.store).values())
    tally.places.update(world.faults.places)
    return world


def trace(seed: str) -> list[str]:
    """Every step of a schedule with its time, for a person who looks for the cause; fails as the schedule does."""
    steps: list[str] = []
    world = World(draw(seed), steps.append)
    with checks_made_once():
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
        numbers = {world.truth.number_of(event) for event, _, _ in world.truth.deliveries_of(stored.body)}
        assert numbers & world.plan.poisoned, f"given up after {stored.receive_count} receives: {stored.body}"
        buried |= numbers
    left = world.truth.poisoned - records(world.store).keys()
    assert {world.truth.rank[identity] for identity in left} <= buried, "a file that kills its run is gone"


def _judge_events(world: World) -> None:
    """What the bucket holds, Dagster shows: every delivery, and last of each key what silver holds.

    The last is not asked of schedules in which processes stand still: who wakes up without its lease tells an older
    file once more, and should it die before it tells the newer one again, no message brings that to anybody's mind.
    """
    ledger, latest = records(world.store), dict[str, str]()
    told = [
        ("/".join(event.asset_key.path), identity_of(event))
        for event in world.events
        if isinstance(event, dg.AssetMaterialization)
    ]
    for about, identity in told:
        if about.startswith("silver/"):
            latest[ledger[identity]["written"]["silver_key"]] = identity
    for identity, record in ledger.items():
        assert (f"bronze/{record['dataset']}", identity) in told, f"bronze of {identity} was never told"
    held = {key: identity for key, (identity, _) in silver(world.store).items()}
    assert latest == held or (world.plan.freezes and latest.keys() == held.keys()), "told last, and held"
