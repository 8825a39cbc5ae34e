"""What happens in one schedule, drawn from its seed: files, their messages, noise, faults. No tests."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any
from urllib.parse import quote_plus

from etl_platform.engine.contract.model import Contract
from etl_platform_tests.simulation.timeline import EPOCH
from etl_platform_tests.unit.making import contract_of, text, typed

BUCKET, PREFIX = "bucket", "from_client/"
POISON = b"ident,size\nthis file kills who reads it,1\n"
MALFORMED = ("not JSON", '{"hello": 1}', '{"Records": [{"eventVersion": "3.0"}]}')
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


@cache
def contracts() -> dict[str, Contract]:
    columns = [text("ident", required=True, unique=True), typed("size", "integer"), text("note")]
    return {name: contract_of(columns, dataset=name) for name in ("things", "gadgets")}


@cache
def contents() -> tuple[bytes, ...]:
    """Files of every fate: good, with bad rows, rejected; the first two differ in one value only."""
    good = [b"ident,size\n" + b"".join(b"%c%d,%d\n" % (97 + n, i, i * n) for i in range(n + 1)) for n in range(8)]
    mixed = [body + b",7\nx,many\n" for body in good[:4]] + [good[4] + b"e0,9\n"]
    rejected = [b"", b"size,note\n1,x\n", b"ident,size\n", b"ident,size\na,x\n", b"%PDF-1.7\n"]
    return (*good, *mixed, *rejected)


@dataclass(frozen=True)
class Put:
    """A file that an agency drops."""

    at: float
    key: str
    body: bytes
    sequencer: str


@dataclass(frozen=True)
class Announcement:
    """One message that reaches the queue: the numbers of the puts that it announces, and what else it contains."""

    at: float
    puts: tuple[int, ...] = ()
    form: str = "sqs"
    sequenced: bool = True
    body: str | None = None
    broken_record: bool = False


@dataclass(frozen=True)
class Outage:
    """Calls whose name starts with ``what`` fail from ``start`` to ``end``."""

    what: str
    start: float
    end: float


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
    drawn: dict[str, int] = field(default_factory=dict)

    @property
    def poisoned(self) -> frozenset[int]:
        return frozenset(n for n, put in enumerate(self.puts) if put.body == POISON)


def draw(seed: str) -> Plan:
    random = Random(seed)
    puts = tuple(_puts(random))
    announcements: list[Announcement] = []
    drawn: dict[str, int] = {}

    def add(what: str, message: Announcement) -> None:
        drawn[what] = drawn.get(what, 0) + 1
        announcements.append(message)

    _announce(random, puts, add)
    _make_noise(random, puts, add)
    last = max(put.at for put in puts)
    stormy = random.random() < 0.85
    outages = tuple(_outages(random, last)) if random.random() < 0.25 else ()
    later_keys = [put.key for n, put in enumerate(puts) if put.key in {other.key for other in puts[:n]}]
    drawn["overwrites"] = len(later_keys)
    drawn["outages"] = len(outages)
    drawn["poison files"] = sum(put.body == POISON for put in puts)
    partitions = sorted({(_dataset(put.key), put.key.split("/")[1]) for put in puts})
    reprocesses = tuple(
        (EPOCH + random.uniform(0, HOUR), *random.choice(partitions)) for _ in range(random.choice((0, 0, 0, 1)))
    )
    drawn["reprocessed partitions"] = len(reprocesses)
    return Plan(
        seed=seed,
        puts=puts,
        announcements=tuple(sorted(announcements, key=lambda message: message.at)),
        outages=outages,
        calm_at=max(last + HOUR, *(outage.end for outage in outages), EPOCH),
        sensors=random.choice((1, 1, 2)),
        workers=random.choice((1, 2, 3)),
        runs_at_once=random.choice((1, 2, 3, 5)),
        kills=random.choice((0, 1, 2, 4)) if stormy else 0,
        errors=random.choice((0, 2, 5, 10)) if stormy else 0,
        freezes=random.choice((0, 0, 1, 2)) if stormy else 0,
        stops=stormy and random.random() < 0.3,
        slow_runs=random.choice((0.0, 0.1, 0.3)),
        reprocesses=reprocesses,
        drawn=drawn,
    )


def _puts(random: Random) -> Iterator[Put]:
    names = [f"{PREFIX}agency_{a}/{name}.csv" for a in "ab" for name in ("Things", "Gadgets", "more/Things")]
    keys = random.sample(names, random.randint(1, 4))
    # Few different bodies, so that a sender goes back to what silver held before.
    bodies = random.sample(contents(), random.randint(2, 8))
    at, counter = EPOCH, random.randrange(1 << 40)
    poison = random.randrange(12) if random.random() < 0.08 else None
    for number in range(random.randint(3, 12)):
        at += random.choice((0.1, 0.3, 2.0, 30.0, random.uniform(60, 900)))
        # Of various lengths and cases, as S3 may: only right-padded and case-folded do they compare as they came.
        counter += random.choice((1, 16, 256, 4_096))
        sequencer = f"{0x0055 << 48 | counter:016X}".rstrip("0")
        sequencer = sequencer.lower() if random.random() < 0.3 else sequencer
        key, body = (random.choice(keys), random.choice(bodies)) if number != poison else (keys[0], POISON)
        yield Put(at, key, body, sequencer)


def _announce(random: Random, puts: tuple[Put, ...], add: Any) -> None:
    """Each put at least once: at once, late, twice, or first lost and announced again days later."""
    reordered, unsequenced = random.random() < 0.7, random.random() < 0.25
    packed: list[int] = []
    for number, put in enumerate(puts):
        sequenced = not (unsequenced and random.random() < 0.5)
        form = random.choice(("sqs", "sqs", "sns", "eventbridge"))
        at = put.at + random.uniform(0.1, 3)
        fate = random.random() if reordered else 1.0
        if fate < 0.06:
            add(
                "dropped, then announced again",
                Announcement(put.at + random.uniform(1, 14) * DAY, (number,), form, sequenced),
            )
            continue
        if fate < 0.35:
            add("delayed", Announcement(at + random.uniform(5, 40 * MINUTE), (number,), form, sequenced))
        elif fate < 0.5 and put.body != POISON:
            packed.append(number)
        else:
            add("on time", Announcement(at, (number,), form, sequenced))
        if random.random() < 0.3:
            late = random.choice((0.0, 5.0, 10 * MINUTE, HOUR, 14 * DAY))
            add("duplicates", Announcement(at + late, (number,), random.choice(("sqs", "sns")), sequenced))
        if not sequenced:
            add("without sequencer", Announcement(at + 1, (number,), form, sequenced=False))
    if packed:
        broken = random.random() < 0.2
        what = "several records, one malformed" if broken else "several records"
        add(what, Announcement(puts[packed[-1]].at + 5, tuple(packed), broken_record=broken))


def _make_noise(random: Random, puts: tuple[Put, ...], add: Any) -> None:
    for _ in range(random.choice((0, 0, 1, 2))):
        at = random.choice(puts).at
        what = random.choice(("malformed", "test event", "folder marker", "no contract"))
        body = {
            "malformed": random.choice(MALFORMED),
            "test event": '{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"bucket"}',
            "folder marker": _records([_record(f"{PREFIX}agency_a/new/", "v1", 0, "00A", at)]),
            "no contract": _records([_record(f"{PREFIX}agency_a/unknown.csv", "v1", 3, "00A", at)]),
        }[what]
        add(what, Announcement(at, body=body))


def _outages(random: Random, last: float) -> Iterator[Outage]:
    for what in random.sample(("store.", "queue.", "log."), random.choice((1, 1, 2))):
        start = random.uniform(EPOCH, last + MINUTE)
        yield Outage(what, start, start + random.choice((MINUTE, 10 * MINUTE, HOUR)))


def body_of(announcement: Announcement, plan: Plan, versions: dict[int, tuple[str, str]]) -> str:
    """The message as S3, SNS or EventBridge writes it; ``versions`` has the id and eTag of each put."""
    if announcement.body is not None:
        return announcement.body
    if announcement.form == "eventbridge":
        (number,) = announcement.puts
        put, (version_id, etag) = plan.puts[number], versions[number]
        entry = {"key": put.key, "size": len(put.body), "etag": etag, "version-id": version_id}
        if announcement.sequenced:
            entry["sequencer"] = put.sequencer
        detail = {"bucket": {"name": BUCKET}, "object": entry}
        return json.dumps({"detail-type": "Object Created", "time": _time(put.at), "detail": detail})
    records = []
    for number in announcement.puts:
        put, (version_id, etag) = plan.puts[number], versions[number]
        sequencer = put.sequencer if announcement.sequenced else None
        records.append(_record(put.key, version_id, len(put.body), sequencer, put.at, etag))
    if announcement.broken_record:
        records.append({"s3": {"bucket": {"name": BUCKET}}})
    body = _records(records)
    return json.dumps({"Type": "Notification", "Message": body}) if announcement.form == "sns" else body


def _record(
    key: str, version_id: str, size: int, sequencer: str | None, at: float, etag: str | None = None
) -> dict[str, Any]:
    entry: dict[str, Any] = {"key": quote_plus(key), "size": size, "versionId": version_id}
    entry |= {"eTag": etag} if etag else {}
    entry |= {"sequencer": sequencer} if sequencer else {}
    return {
        "eventVersion": "2.1",
        "eventName": "ObjectCreated:Put",
        "eventTime": _time(at),
        "s3": {"bucket": {"name": BUCKET}, "object": entry},
    }


def _records(records: list[dict[str, Any]]) -> str:
    return json.dumps({"Records": records})


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _dataset(key: str) -> str:
    return "gadgets" if "Gadgets" in key else "things"
