"""Files that agencies drop, and the contracts that they are checked by. No tests."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from random import Random

from etl_platform.engine.contract.model import Contract
from etl_platform_tests.simulation.features import EQUAL_SEQUENCERS, FAILING_SENDER, KILLER, SHARED_SHORT_KEYS
from etl_platform_tests.simulation.timeline import EPOCH
from etl_platform_tests.unit.making import contract_of, text, typed

BUCKET, PREFIX = "bucket", "from_client/"
POISON = b"ident,size\nthis file kills who reads it,1\n"
AGENCIES = ("agency_a", "agency_b", "agency_c", "agency_d")
FAILING_AGENCY = "agency_that_only_fails"
"""S3 answers for its files only when the schedule is calm."""
# Silver keys of release 0.2 had 32 bits of a digest, which these two share.
_SHARED_SHORT_KEYS = tuple(f"{PREFIX}agency_a/{folder}/Things.csv" for folder in ("45399", "54746"))


@cache
def contracts(version: int = 0) -> dict[str, Contract]:
    """By dataset. Some rows and some files that one version accepts are refused by the other."""
    size = [typed("size", "integer"), text("size", logicalTypeOptions={"maxLength": 1})][version]
    columns = [text("ident", required=True, unique=True), size, text("note")]
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

    @property
    def agency(self) -> str:
        return self.key.split("/")[1]

    @property
    def dataset(self) -> str:
        return "gadgets" if "Gadgets" in self.key else "things"


def draw_puts(random: Random, features: Collection[str]) -> Iterator[Put]:
    names = [f"{PREFIX}{agency}/{name}.csv" for agency in AGENCIES for name in ("Things", "Gadgets", "more/Things")]
    keys = random.sample(names, random.randint(1, 4))
    if SHARED_SHORT_KEYS in features:
        keys += _SHARED_SHORT_KEYS
    # Few different bodies, so that a sender goes back to what silver held before.
    bodies = random.sample(contents(), random.randint(2, 8))
    at, counter, sequencer = EPOCH, random.randrange(1 << 40), ""
    poison = random.randrange(12) if random.random() < 0.08 and FAILING_SENDER not in features else None
    if KILLER in features:
        poison = random.randrange(3)
    if FAILING_SENDER in features:
        for number in range(random.randint(6, 20)):
            at += random.expovariate(0.5)
            yield Put(at, f"{PREFIX}{FAILING_AGENCY}/{number}/Things.csv", random.choice(bodies), f"0054{number:012X}")
    # An emulator may give all versions the same sequencer.
    equal = random.choice((0.5, 1.0)) if EQUAL_SEQUENCERS in features else 0.0
    for number in range(random.randint(3, 12)):
        at += random.choice((0.1, 0.3, 2.0, 30.0, random.uniform(60, 900)) if KILLER not in features else (0.1, 0.3))
        if not sequencer or not equal or random.random() >= equal:
            # Of various lengths and cases, as S3 may: only right-padded and case-folded do they compare as they came.
            counter += random.choice((1, 16, 256, 4_096))
            sequencer = f"{0x0055 << 48 | counter:016X}".rstrip("0")
            sequencer = sequencer.lower() if random.random() < 0.3 else sequencer
        key, body = (random.choice(keys), random.choice(bodies)) if number != poison else (keys[0], POISON)
        yield Put(at, key, body, sequencer)
