"""What happens in one schedule, drawn from its seed: files, their messages, noise, faults. No tests."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from etl_platform_tests.simulation.announcements import (
    DAY,
    HOUR,
    MINUTE,
    Announcement,
    announce,
    make_flood,
    make_noise,
)
from etl_platform_tests.simulation.features import (
    BACKFILL,
    CLOCK_JUMPS,
    FAILING_SENDER,
    FLOOD,
    KILLER,
    TWO_CONTRACT_VERSIONS,
    drawn_features,
)
from etl_platform_tests.simulation.files import POISON, Put, draw_puts
from etl_platform_tests.simulation.timeline import EPOCH


@dataclass(frozen=True)
class Outage:
    """Calls whose name starts with ``what`` fail from ``start`` to ``end``."""

    what: str
    start: float
    end: float


@dataclass(frozen=True)
class ClockJump:
    """From ``at`` on, the clock of Dagster's machines is ``wrong_by`` seconds ahead of that of S3 and SQS."""

    at: float
    wrong_by: float


@dataclass(frozen=True)
class Plan:
    """A schedule. Faults are drawn while it runs, from the same seed, until ``calm_at``."""

    seed: str
    puts: tuple[Put, ...]
    announcements: tuple[Announcement, ...]
    outages: tuple[Outage, ...]
    calm_at: float
    sensors: int
    workers: int
    runs_at_once: int
    kills: int
    errors: int
    freezes: int
    stops: bool
    slow_runs: float
    reprocesses: tuple[tuple[float, str, str], ...]
    features: frozenset[str]
    is_bounded: bool
    clock_jumps: tuple[ClockJump, ...]
    resets: tuple[float, ...]
    """When a person resets the breaker."""
    drawn: dict[str, int] = field(default_factory=dict)

    @property
    def is_prompt(self) -> bool:
        """Whether files wait for a flood or a file that kills its run, and for nothing else."""
        return bool({FLOOD, KILLER} & self.features) and CLOCK_JUMPS not in self.features

    @property
    def contract_versions(self) -> tuple[int, ...]:
        return (0, 1) if TWO_CONTRACT_VERSIONS in self.features else (0,)

    def wrong_by(self, now: float) -> float:
        """Seconds by which the clock of Dagster's machines is ahead; ``now`` is in epoch seconds."""
        return next((jump.wrong_by for jump in reversed(self.clock_jumps) if jump.at <= now), 0.0)

    @property
    def poisoned(self) -> frozenset[int]:
        return frozenset(n for n, put in enumerate(self.puts) if put.body == POISON)


def draw(seed: str, always: Collection[str] = ()) -> Plan:
    """Args: always: features that the schedule has even if they are switched off or were not drawn."""
    random, features = Random(seed), drawn_features(seed, always)
    puts = tuple(draw_puts(random, features))
    announcements: list[Announcement] = []
    drawn: dict[str, int] = {}

    def add(what: str, message: Announcement) -> None:
        drawn[what] = drawn.get(what, 0) + 1
        announcements.append(message)

    announce(random, puts, add, at_once=TWO_CONTRACT_VERSIONS in features)
    make_noise(random, puts, add)
    if FLOOD in features:
        make_flood(random, puts, add)
    last = max(put.at for put in puts)
    # How long the others wait is only bounded where nothing else goes wrong.
    is_bounded = bool({FAILING_SENDER, FLOOD, KILLER} & features) or (CLOCK_JUMPS in features and random.random() < 0.3)
    stormy = random.random() < 0.85 and not is_bounded
    outage_share = 0.0 if is_bounded else 0.8 if CLOCK_JUMPS in features else 0.25
    outages = tuple(_outages(random, last)) if random.random() < outage_share else ()
    later_keys = [put.key for n, put in enumerate(puts) if put.key in {other.key for other in puts[:n]}]
    drawn["overwrites"] = len(later_keys)
    drawn["outages"] = len(outages)
    drawn["poison files"] = sum(put.body == POISON for put in puts)
    partitions = sorted({(put.dataset, put.agency) for put in puts})
    reprocesses = tuple(
        (EPOCH + random.uniform(0, HOUR), *random.choice(partitions)) for _ in range(random.choice((0, 0, 0, 1)))
    )
    drawn["reprocessed partitions"] = len(reprocesses)
    drawn |= dict.fromkeys(features, 1)
    jumps = tuple(_clock_jumps(random, last, outages)) if CLOCK_JUMPS in features else ()
    return Plan(
        seed=seed,
        puts=puts,
        announcements=tuple(sorted(announcements, key=lambda message: message.at)),
        outages=outages,
        calm_at=max(last + HOUR, *(outage.end for outage in outages), EPOCH),
        sensors=2 if TWO_CONTRACT_VERSIONS in features else random.choice((1, 1, 2)),
        workers=random.choice((1, 2, 3)),
        runs_at_once=random.choice(_runs_at_once(features)),
        kills=random.choice((0, 1, 2, 4)) if stormy else 0,
        errors=random.choice((0, 2, 5, 10)) if stormy else 0,
        freezes=random.choice((0, 0, 1, 2)) if stormy else 0,
        stops=stormy and random.random() < 0.3,
        slow_runs=_slow_runs(random, features, is_bounded=is_bounded),
        reprocesses=reprocesses,
        features=features,
        is_bounded=is_bounded,
        clock_jumps=jumps,
        resets=tuple(jump.at + random.uniform(0, 5 * MINUTE) for jump in jumps if random.random() < 0.3),
        drawn=drawn,
    )


def _runs_at_once(features: Collection[str]) -> tuple[int, ...]:
    if FLOOD in features:
        # With little room, a tick receives few messages, and a flood of hundreds delays others.
        return 10, 10
    return (3, 5) if KILLER in features else (1, 2, 3, 5)


def _slow_runs(random: Random, features: Collection[str], *, is_bounded: bool) -> float:
    if is_bounded:
        return 0.0
    return 1.0 if BACKFILL in features else random.choice((0.0, 0.1, 0.3))


def _outages(random: Random, last: float) -> Iterator[Outage]:
    for what in random.sample(("store.", "queue.", "log."), random.choice((1, 1, 2))):
        start = random.uniform(EPOCH, last + MINUTE)
        yield Outage(what, start, start + random.choice((MINUTE, 10 * MINUTE, HOUR)))


def _clock_jumps(random: Random, last: float, outages: Sequence[Outage]) -> Iterator[ClockJump]:
    """Often in an outage or just after it, when the breaker is open."""
    spans = [(outage.start, outage.end + 5 * MINUTE) for outage in outages] or [(EPOCH, last + MINUTE)]
    times = sorted(random.uniform(*random.choice(spans)) for _ in range(random.randint(1, 3)))
    for at in times:
        yield ClockJump(at, random.choice((-1, -1, 1)) * random.choice((MINUTE, HOUR, 3 * DAY)))
