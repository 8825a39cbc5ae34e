"""What Prometheus is shown: counts of this process, and what queues, breaker and Dagster's records say at a scrape.

https://prometheus.io/docs/practices/naming/
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import anyio
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from etl_platform.aws.clients import nameless
from etl_platform.deliveries.circuit_breaker import BreakerStatus
from etl_platform.deliveries.daily_counts import DailyCounts
from etl_platform.gateway.bounded_calls import CachedCall, call_within
from etl_platform.gateway.daily_metrics import FILES, families_of
from etl_platform.gateway.webhook import OUTCOMES, Answer

log = logging.getLogger(__name__)


class Depth(NamedTuple):
    """Messages of a queue."""

    waiting: int
    held: int


class Records(NamedTuple):
    """What one look at Dagster's records gave."""

    breaker: BreakerStatus
    figures: DailyCounts


Ages: TypeAlias = dict[str, float]
"""Seconds that the oldest message has waited, by pipeline."""
Source: TypeAlias = tuple[str, str]
"""A pipeline, and what of it was asked: ``queue``, ``dead_letters``, ``dagster`` or ``cloudwatch``."""
Question: TypeAlias = Callable[[], Depth] | CachedCall[Records] | CachedCall[Ages]
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)
_ASKING_S = 5.0
"""Half of Prometheus' own limit for a scrape."""


class GatewayMetrics:
    """Counts of the posts that this process answered."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._posts = Counter(
            "etl_platform_gateway_posts",
            "Posts of SNS by what was answered",
            ("pipeline", "outcome", "reason"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "etl_platform_gateway_post_seconds",
            "Seconds from the whole body of a post to its answer",
            ("pipeline",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        # A counter that appears with its first event hides that event from rate().
        for outcome in OUTCOMES:
            self._posts.labels(FILES, outcome, "")

    def count(self, answer: Answer, seconds: float) -> None:
        self._posts.labels(FILES, answer.outcome, answer.reason or "").inc()
        self._seconds.labels(FILES).observe(seconds)

    def text(self, readings: "Readings") -> bytes:
        found = CollectorRegistry()
        found.register(readings)
        return generate_latest(self._registry) + generate_latest(found)


@dataclass(eq=False)
class Readings:
    """Answers of one scrape, by what was asked. Of a source that did not answer there is the answer before, or none."""

    depths: dict[Source, Depth] = field(default_factory=dict)
    records: Records | None = None
    oldest_s: Ages = field(default_factory=dict)
    sources: dict[Source, bool] = field(default_factory=dict)
    ages_s: dict[Source, float] = field(default_factory=dict)

    def collect(self) -> Iterable[Metric]:
        """Called by prometheus_client."""
        messages = GaugeMetricFamily(
            "etl_platform_queue_messages",
            "Messages in the queue, approximate: waiting, or held by somebody who works on them",
            labels=("pipeline", "state"),
        )
        dead = GaugeMetricFamily(
            "etl_platform_dead_letters", "Messages in the dead-letter queue, approximate", labels=("pipeline",)
        )
        for (pipeline, kind), (waiting, held) in self.depths.items():
            if kind == "queue":
                messages.add_metric((pipeline, "waiting"), waiting)
                messages.add_metric((pipeline, "held"), held)
            else:
                dead.add_metric((pipeline,), waiting + held)
        answered = GaugeMetricFamily(
            "etl_platform_source_up", "1 if a source of these metrics answered", labels=("pipeline", "source")
        )
        for labels, up in self.sources.items():
            answered.add_metric(labels, float(up))
        ages = GaugeMetricFamily(
            "etl_platform_readings_age_seconds",
            "Age of what is shown of a source that is not asked, or may not have answered, at each scrape",
            labels=("pipeline", "source"),
        )
        for labels, age_s in self.ages_s.items():
            ages.add_metric(labels, age_s)
        oldest = GaugeMetricFamily(
            "etl_platform_oldest_message_age_seconds",
            "Seconds that the queue's oldest message has waited, as CloudWatch knows it",
            labels=("pipeline",),
        )
        for pipeline, seconds in self.oldest_s.items():
            oldest.add_metric((pipeline,), seconds)
        yield from (messages, dead, answered, ages, oldest)
        if self.records is not None:
            yield from _of_breaker(self.records.breaker)
            yield from families_of(self.records.figures)


def _of_breaker(status: BreakerStatus) -> Iterable[GaugeMetricFamily]:
    for name, about, value in (
        ("active", "1 while the circuit breaker is open or half-open", status.active),
        ("consecutive_failures", "Failed intake runs in a row", status.consecutive_failures),
        ("cooldown_seconds", "Seconds until one run tries again", status.cooldown_remaining),
    ):
        gauge = GaugeMetricFamily(f"etl_platform_breaker_{name}", about, labels=("pipeline",))
        gauge.add_metric((FILES,), float(value))
        yield gauge


async def read_sources(questions: Mapping[Source, Question], threads: anyio.CapacityLimiter) -> Readings:
    """Ask all at once, each for five seconds at most. What one of them raises hides none of the others.

    Dagster's import alone takes longer where CPU is scarce: the next scrape shows what this one has asked for.
    """
    readings = Readings()

    async def read(source: Source, question: Question) -> None:
        answer: Depth | Records | Ages | None = None
        try:
            answer = await call_within(question, _ASKING_S, threads)
            readings.sources[source] = True
        except Exception as error:  # noqa: BLE001 - the edge of a scrape: the source is shown as down
            log.warning("no metrics", extra={"source": " ".join(source), "error_type": nameless(error)})
            readings.sources[source] = False
        if isinstance(question, CachedCall):
            answer = question.latest
            if question.age_s is not None:
                readings.ages_s[source] = question.age_s
        if isinstance(answer, Records):
            readings.records = answer
        elif isinstance(answer, Depth):
            readings.depths[source] = answer
        elif answer is not None:
            readings.oldest_s = answer

    async with anyio.create_task_group() as group:
        for source, question in questions.items():
            group.start_soon(read, source, question)
    return readings
