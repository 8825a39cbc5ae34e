"""Counts from Dagster's records as Prometheus metrics. They cover one UTC day and restart from 0 at midnight.

https://prometheus.io/docs/instrumenting/writing_exporters/
"""

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from etl_platform.deliveries.daily_counts import SECONDS, DailyCounts, RunCounts
from etl_platform.queue_work.queues import EMAILS, FILE_EVENTS, QUEUES

_PIPELINES = {queue.job: queue.pipeline for queue in QUEUES}


def daily_metrics(today: DailyCounts) -> Iterable[Metric]:
    yield _deliveries(today)
    yield _seconds(today)
    yield _runs(today)
    by_pipeline = {queue.pipeline: RunCounts() for queue in QUEUES}
    for job, counts in today.run_counts.items():
        by_pipeline[_pipeline(job)].add(counts)
    for name, about, number in (
        ("messages_received", "Messages that runs received; a redelivered message counts again", "received"),
        ("messages_deleted", "Messages that runs deleted because they were done", "deleted"),
    ):
        family = CounterMetricFamily(f"etl_platform_{name}", about, labels=("pipeline",))
        for pipeline, counts in by_pipeline.items():
            family.add_metric((pipeline,), getattr(counts, number))
        yield family
    archived = CounterMetricFamily("etl_platform_emails_archived", "Emails archived", labels=("pipeline",))
    archived.add_metric((EMAILS.pipeline,), by_pipeline[EMAILS.pipeline].archived)
    yield archived
    errors = CounterMetricFamily(
        "etl_platform_s3_errors",
        "S3 requests of runs that were refused or not answered, before any retry",
        labels=("pipeline", "code"),
    )
    for pipeline, counts in by_pipeline.items():
        for code, times in counts.s3_errors.items():
            errors.add_metric((pipeline, code), times)
    yield errors


def _deliveries(today: DailyCounts) -> Metric:
    family = CounterMetricFamily(
        "etl_platform_deliveries",
        "Deliveries by outcome, each counted once",
        labels=("pipeline", "outcome", "dataset", "agency"),
    )
    for labels, times in today.deliveries.counts.items():
        family.add_metric((FILE_EVENTS.pipeline, *labels), times)
    return family


def _seconds(today: DailyCounts) -> Metric:
    family = HistogramMetricFamily(
        "etl_platform_delivery_seconds", "Seconds spent processing a delivery", labels=("pipeline",)
    )
    totals = accumulate(today.deliveries.buckets)
    bounds = [*(str(bound) for bound in SECONDS), "+Inf"]
    family.add_metric((FILE_EVENTS.pipeline,), list(zip(bounds, totals, strict=True)), today.deliveries.seconds)
    return family


def _runs(today: DailyCounts) -> Metric:
    family = CounterMetricFamily(
        "etl_platform_runs", "Finished runs by final status", labels=("pipeline", "job", "status")
    )
    for (job, status), times in today.runs.items():
        family.add_metric((_pipeline(job), job, status), times)
    return family


def _pipeline(job: str) -> str:
    """Jobs without a queue of their own count for the file pipeline."""
    return _PIPELINES.get(job, FILE_EVENTS.pipeline)
