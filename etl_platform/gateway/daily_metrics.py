"""Figures of Dagster's records as Prometheus' metric families. They count a UTC day: from 0 at each midnight.

https://prometheus.io/docs/instrumenting/writing_exporters/
"""

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from etl_platform.deliveries.daily_counts import SECONDS, DailyCounts, RunCounts

FILES, EMAILS = "file_processing", "email_archive"
_EMAIL_JOB = "email_archive_job"


def families_of(figures: DailyCounts) -> Iterable[Metric]:
    yield _deliveries(figures)
    yield _seconds(figures)
    yield _runs(figures)
    by_pipeline = {FILES: RunCounts(), EMAILS: RunCounts()}
    for job, counts in figures.run_counts.items():
        by_pipeline[_pipeline(job)].add(counts)
    for name, about, number in (
        ("messages_received", "Messages that runs took up, a message that came again each time", "received"),
        ("messages_deleted", "Messages that runs deleted because they were done", "deleted"),
    ):
        family = CounterMetricFamily(f"etl_platform_{name}", about, labels=("pipeline",))
        for pipeline, counts in by_pipeline.items():
            family.add_metric((pipeline,), getattr(counts, number))
        yield family
    archived = CounterMetricFamily("etl_platform_emails_archived", "Emails archived", labels=("pipeline",))
    archived.add_metric((EMAILS,), by_pipeline[EMAILS].archived)
    yield archived
    errors = CounterMetricFamily(
        "etl_platform_s3_errors",
        "Requests of runs that S3 refused or did not answer, before any retry",
        labels=("pipeline", "code"),
    )
    for pipeline, counts in by_pipeline.items():
        for code, times in counts.s3_errors.items():
            errors.add_metric((pipeline, code), times)
    yield errors


def _deliveries(figures: DailyCounts) -> Metric:
    family = CounterMetricFamily(
        "etl_platform_deliveries",
        "Deliveries by what became of them, each once",
        labels=("pipeline", "outcome", "dataset", "agency"),
    )
    for labels, times in figures.deliveries.counts.items():
        family.add_metric((FILES, *labels), times)
    return family


def _seconds(figures: DailyCounts) -> Metric:
    family = HistogramMetricFamily(
        "etl_platform_delivery_seconds", "Seconds of work on a delivery", labels=("pipeline",)
    )
    totals = accumulate(figures.deliveries.buckets)
    bounds = [*(str(bound) for bound in SECONDS), "+Inf"]
    family.add_metric((FILES,), list(zip(bounds, totals, strict=True)), figures.deliveries.seconds)
    return family


def _runs(figures: DailyCounts) -> Metric:
    family = CounterMetricFamily(
        "etl_platform_runs", "Runs by the status that they ended with", labels=("pipeline", "job", "status")
    )
    for (job, status), times in figures.runs.items():
        family.add_metric((_pipeline(job), job, status), times)
    return family


def _pipeline(job: str) -> str:
    return EMAILS if job == _EMAIL_JOB else FILES
