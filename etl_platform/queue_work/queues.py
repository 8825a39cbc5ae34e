"""The queue-fed jobs: one entry per SQS queue. Doctor, ``dlq``, metrics and the local stack are derived from it.

Terraform, Helm and the documents cannot be derived: ``etl_platform_tests/dagster/test_queue_fed_jobs.py`` compares them
with this table, and lists what a new entry still lacks.
"""

from collections.abc import Callable
from dataclasses import dataclass

from etl_platform.object_keys import EMAILS as EMAILS_PREFIX
from etl_platform.settings import Settings


@dataclass(frozen=True)
class WorkQueue:
    """An SQS queue with its dead-letter queue, and the job that works on its messages.

    Attributes:
        name: the value of ``etl-platform dlq list --queue``.
        messages: its messages, described for people.
        job: Dagster job; ``sensor`` starts it when messages wait.
        pipeline: label of its metrics. Its key in Terraform's ``local.queues`` is the same with hyphens.
        url_setting: field of ``Settings``, as are ``dlq_url_setting`` and ``bucket_setting``.
        bucket_prefix: key prefix that the job uses in its bucket.
        required_settings: the job does not run without them.
        queue_name: default in Terraform and name in the emulator, as are ``dlq_name`` and ``bucket_name``.
        check_prefix: prefix of its doctor checks ``queue``, ``dead_letters`` and ``bucket``.
        max_receives: SQS moves a message that was received more often to the dead-letter queue.
    """

    name: str
    messages: str
    job: str
    sensor: str
    pipeline: str
    url_setting: str
    dlq_url_setting: str
    bucket_setting: str
    bucket_prefix: Callable[[Settings], str]
    required_settings: tuple[str, ...]
    queue_name: str
    dlq_name: str
    bucket_name: str
    check_prefix: str
    max_receives: int = 20

    def url(self, settings: Settings) -> str | None:
        return _text(settings, self.url_setting)

    def dlq_url(self, settings: Settings) -> str | None:
        return _text(settings, self.dlq_url_setting)


def _text(settings: Settings, name: str) -> str | None:
    value: str | None = getattr(settings, name)
    return value


FILE_EVENTS = WorkQueue(
    name="files",
    messages="S3 events of delivered files",
    job="s3_data_quality_job",
    sensor="file_arrivals_sensor",
    pipeline="file_processing",
    url_setting="file_events_queue_url",
    dlq_url_setting="file_events_dlq_url",
    bucket_setting="data_bucket_name",
    bucket_prefix=lambda settings: settings.source_prefix,
    required_settings=("file_events_queue_url", "file_events_dlq_url"),
    queue_name="file-processing-queue",
    dlq_name="file-processing-dlq",
    bucket_name="etl-file-processing-client-etl",
    check_prefix="",
)

EMAILS = WorkQueue(
    name="email",
    messages="emails from the email validation service",
    job="email_archive_job",
    sensor="email_arrivals_sensor",
    pipeline="email_archive",
    url_setting="email_queue_url",
    dlq_url_setting="email_dlq_url",
    bucket_setting="email_bucket_name",
    bucket_prefix=lambda _settings: EMAILS_PREFIX,
    required_settings=("email_queue_url", "email_bucket_name"),
    queue_name="email-validation-queue",
    dlq_name="email-validation-dlq",
    bucket_name="etl-email-archive",
    check_prefix="email_",
)

QUEUES = (FILE_EVENTS, EMAILS)
