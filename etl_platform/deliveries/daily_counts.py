"""What the records of one day add up to, for whoever shows it as metrics. No Dagster, no Prometheus."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

SECONDS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0)
"""Upper bounds of the histogram of processing seconds: a small file takes half a second, a gigabyte a minute."""


@dataclass(frozen=True)
class Told:
    """What one event says of one delivery; ``seconds`` of work are None where nothing was worked on."""

    outcome: str
    dataset: str
    agency: str
    seconds: float | None


@dataclass
class Deliveries:
    """Deliveries by outcome, and how long they took.

    Attributes:
        counts: by outcome, dataset and agency.
        buckets: how many took no longer than each of SECONDS and longer than the one before; the last is the rest.
    """

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    seconds: float = 0.0

    def add(self, told: Told) -> None:
        self.counts[told.outcome, told.dataset, told.agency] += 1
        if told.seconds is not None:
            self.buckets[bisect_left(SECONDS, told.seconds)] += 1
            self.seconds += told.seconds

    def copy(self) -> "Deliveries":
        return Deliveries(Counter(self.counts), list(self.buckets), self.seconds)


@dataclass
class RunCounts:
    """What runs of one pipeline counted. Those of a run that was killed before its end are not known.

    Attributes:
        s3_errors: refused or unanswered requests by S3's code, those that a retry mended included.
    """

    received: int = 0
    deleted: int = 0
    archived: int = 0
    s3_errors: Counter[str] = field(default_factory=Counter)

    def add(self, other: "RunCounts") -> None:
        self.received += other.received
        self.deleted += other.deleted
        self.archived += other.archived
        self.s3_errors += other.s3_errors


@dataclass(frozen=True)
class Figures:
    """One UTC day until now. Runs are counted by job and the status that they ended with, ``counts`` by job."""

    deliveries: Deliveries
    runs: Counter[tuple[str, str]]
    counts: dict[str, RunCounts]
