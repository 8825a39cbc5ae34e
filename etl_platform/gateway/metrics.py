"""The /metrics page: counts of this process, and the state of queues, breaker and runs at the time of the scrape.

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

from etl_platform.aws.clients import error_type
from etl_platform.deliveries.circuit_breaker import BreakerStatus
from etl_platform.deliveries.daily_counts import DailyCounts
from etl_platform.gateway.bounded_calls import CachedCall, call_within
from etl_platform.gateway.daily_metrics import daily_metrics
from etl_platform.gateway.webhook import OUTCOMES, PostResult
from etl_platform.queue_work.queues import FILE_EVENTS

log = logging.getLogger(__name__)


class Depth(NamedTuple):
    """Messages of a queue: visible ones, and those in flight."""

    waiting: int
    held: int


class DagsterReading(NamedTuple):
    """What one read of Dagster's records returned."""

    breaker: BreakerStatus
    today: DailyCounts


OldestMessages: TypeAlias = dict[str, float]
"""Age of a queue's oldest message in seconds, by pipeline."""
Source: TypeAlias = tuple[str, str]
"""A pipeline, and ``queue``, ``dead_letters``, ``dagster`` or ``cloudwatch``."""
ReadSource: TypeAlias = Callable[[], Depth] | CachedCall[DagsterReading] | CachedCall[OldestMessages]
_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)
_CHECK_BUCKETS_S = (0.5, 1, 2, 5, 10, 20, 40, 65, 130)
_SOURCE_TIMEOUT_S = 5.0
"""Half of Prometheus' own timeout for a scrape."""
_PIPELINE = FILE_EVENTS.pipeline


class GatewayMetrics:
    """Counts of the posts that this process answered.

    Args:
        checks: whether it checks posted files.
    """

    def __init__(self, *, checks: bool = True) -> None:
        self._registry = CollectorRegistry()
        self._posts = Counter(
            "etl_platform_gateway_posts",
            "Posts from SNS by outcome",
            ("pipeline", "outcome", "reason"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "etl_platform_gateway_post_seconds",
            "Seconds from the complete body of a post to its response",
            ("pipeline",),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        # rate() misses the first event if the counter's series starts with it.
        for outcome in OUTCOMES:
            self._posts.labels(_PIPELINE, outcome, "")
        self._add_checks(self._registry if checks else CollectorRegistry())

    def _add_checks(self, registry: CollectorRegistry) -> None:
        self._checks = Counter(
            "etl_platform_gateway_checks",
            "Files posted to /check by outcome",
            ("outcome", "reason"),
            registry=registry,
        )
        self._check_seconds = Histogram(
            "etl_platform_gateway_check_seconds",
            "Seconds from the complete file to its verdict",
            buckets=_CHECK_BUCKETS_S,
            registry=registry,
        )
        for outcome in ("accepted", "rejected", "not_checked"):
            self._checks.labels(outcome, "")

    def count_check(self, outcome: str, reason: str, seconds: float) -> None:
        """A posted file: its verdict, or why it has none. ``seconds`` of its check."""
        self._checks.labels(outcome, reason).inc()
        if seconds:
            self._check_seconds.observe(seconds)

    def count(self, result: PostResult, seconds: float) -> None:
        self._posts.labels(_PIPELINE, result.outcome, result.reason or "").inc()
        self._seconds.labels(_PIPELINE).observe(seconds)

    def text(self, readings: "Readings") -> bytes:
        scraped = CollectorRegistry()
        scraped.register(readings)
        return generate_latest(self._registry) + generate_latest(scraped)


@dataclass(eq=False)
class Readings:
    """What one scrape read, by source. A source that did not answer keeps its last cached answer, if it has one."""

    depths: dict[Source, Depth] = field(default_factory=dict)
    dagster: DagsterReading | None = None
    oldest_s: OldestMessages = field(default_factory=dict)
    is_up: dict[Source, bool] = field(default_factory=dict)
    ages_s: dict[Source, float] = field(default_factory=dict)

    def collect(self) -> Iterable[Metric]:
        """Called by prometheus_client."""
        yield from self._queues()
        up = GaugeMetricFamily(
            "etl_platform_source_up", "1 if a source of these metrics answered", labels=("pipeline", "source")
        )
        for labels, answered in self.is_up.items():
            up.add_metric(labels, float(answered))
        yield up
        ages = GaugeMetricFamily(
            "etl_platform_readings_age_seconds",
            "Age of the values of a source that is cached between scrapes",
            labels=("pipeline", "source"),
        )
        for labels, age_s in self.ages_s.items():
            ages.add_metric(labels, age_s)
        yield ages
        if self.dagster is not None:
            yield from _breaker_metrics(self.dagster.breaker)
            yield from daily_metrics(self.dagster.today)

    def _queues(self) -> Iterable[Metric]:
        messages = GaugeMetricFamily(
            "etl_platform_queue_messages",
            "Messages in the queue, approximate: waiting, or held by a consumer",
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
        oldest = GaugeMetricFamily(
            "etl_platform_oldest_message_age_seconds",
            "Age of the oldest message in the queue, from CloudWatch",
            labels=("pipeline",),
        )
        for pipeline, seconds in self.oldest_s.items():
            oldest.add_metric((pipeline,), seconds)
        return messages, dead, oldest


def _breaker_metrics(status: BreakerStatus) -> Iterable[GaugeMetricFamily]:
    for name, about, value in (
        ("active", "1 while the circuit breaker is open or half-open", status.active),
        ("consecutive_failures", "Failed intake runs in a row", status.consecutive_failures),
        ("cooldown_seconds", "Seconds until one run may probe the systems again", status.cooldown_remaining),
    ):
        gauge = GaugeMetricFamily(f"etl_platform_breaker_{name}", about, labels=("pipeline",))
        gauge.add_metric((_PIPELINE,), float(value))
        yield gauge


async def read_sources(sources: Mapping[Source, ReadSource], threads: anyio.CapacityLimiter) -> Readings:
    """Read all sources at once, each for five seconds at most. An error of one source does not affect the others.

    With little CPU, importing Dagster takes longer than the timeout. The call then continues, and the next scrape shows
    its result.
    """
    readings = Readings()

    async def read(source: Source, read_source: ReadSource) -> None:
        answer: Depth | DagsterReading | OldestMessages | None = None
        try:
            answer = await call_within(read_source, _SOURCE_TIMEOUT_S, threads)
            readings.is_up[source] = True
        except Exception as error:  # noqa: BLE001 - the edge of a scrape: the source is shown as down
            log.warning("no metrics", extra={"source": " ".join(source), "error_type": error_type(error)})
            readings.is_up[source] = False
        if isinstance(read_source, CachedCall):
            answer = read_source.latest
            if read_source.age_s is not None:
                readings.ages_s[source] = read_source.age_s
        if isinstance(answer, DagsterReading):
            readings.dagster = answer
        elif isinstance(answer, Depth):
            readings.depths[source] = answer
        elif answer is not None:
            readings.oldest_s = answer

    async with anyio.create_task_group() as group:
        for source, read_source in sources.items():
            group.start_soon(read, source, read_source)
    return readings
