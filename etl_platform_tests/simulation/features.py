"""What schedules can contain beside faults of calls, how often, and what main does not withstand yet. No tests.

A feature is drawn from the seed alone, so that switching one on or off changes no schedule without it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from random import Random

EQUAL_SEQUENCERS = "equal sequencers"
SHARED_SHORT_KEYS = "files that shared a silver key in release 0.2"
TWO_CONTRACT_VERSIONS = "contracts of two versions"
CLOCK_JUMPS = "clock jumps"
FAILING_SENDER = "an agency that only fails"
FLOOD = "a flood of files without a contract"
BACKFILL = "runs that queue behind a backfill"
MUCH_MEMORY = "files that need much memory"
KILLER = "a file that kills its run with others"


@dataclass(frozen=True)
class Feature:
    """How many schedules have it (0 to 1), and why none has, as long as main does not withstand it."""

    share: float
    off_because: str | None = None


FEATURES = {
    EQUAL_SEQUENCERS: Feature(0.15),
    SHARED_SHORT_KEYS: Feature(0.1),
    TWO_CONTRACT_VERSIONS: Feature(0.15),
    CLOCK_JUMPS: Feature(0.1),
    FAILING_SENDER: Feature(0.05),
    FLOOD: Feature(0.02),
    BACKFILL: Feature(0.1),
    MUCH_MEMORY: Feature(0.1),
    KILLER: Feature(0.05),
}


def drawn_features(seed: str, always: Collection[str] = ()) -> frozenset[str]:
    """The features of a schedule; those in ``always`` even if they are switched off."""
    random = Random(f"{seed} features")
    drawn = {name: random.random() < feature.share for name, feature in FEATURES.items()}
    return frozenset(
        name for name, feature in FEATURES.items() if name in always or (drawn[name] and feature.off_because is None)
    )
