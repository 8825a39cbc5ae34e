"""Counts of one UTC day, as metrics show them: deliveries, their seconds, runs. No Dagster, no Prometheus."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

SECONDS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0)
"""Upper bounds of the histogram of processing time: a small file takes half a second, a gigabyte about a minute."""


@dataclass(frozen=True)
class CountedDelivery:
    """A delivery as its event shows it. ``seconds`` of processing are None for a duplicate."""

    outcome: str
    dataset: str
    agency: str
    seconds: float | None


@dataclass
class DeliveryCounts:
    """Deliveries by outcome, and their processing time.

    Attributes:
        counts: by outcome, dataset and agency.
        buckets: deliveries between one bound of SECONDS and the next; the last one is for longer times.
        seconds: of all deliveries together.
    """

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    seconds: float = 0.0

    def add(self, delivery: CountedDelivery) -> None:
        self.counts[delivery.outcome, delivery.dataset, delivery.agency] += 1
        if delivery.seconds is not None:
            self.buckets[bisect_left(SECONDS, delivery.seconds)] += 1
            self.seconds += delivery.seconds

    def copy(self) -> "DeliveryCounts":
        return DeliveryCounts(Counter(self.counts), list(self.buckets), self.seconds)


@dataclass
class RunCounts:
    """What the runs of one pipeline counted. A run that is killed before its end leaves no counts.

    Attributes:
        s3_errors: failed requests by S3's error code, including those that succeeded after a retry.
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
class DailyCounts:
    """The counts of a UTC day until now.

    Attributes:
        runs: by job and final status.
        run_counts: by job.
    """

    deliveries: DeliveryCounts
    runs: Counter[tuple[str, str]]
    run_counts: dict[str, RunCounts]
