"""The systems that the gateway asks: queues, bucket, database, and the breaker in Dagster's records."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from etl_platform.adapters.database import ApplicationDatabase
from etl_platform.adapters.s3 import S3Store
from etl_platform.adapters.sqs import Queue
from etl_platform.core.errors import SettingsError
from etl_platform.gateway.metrics import PIPELINE, Question, Source
from etl_platform.settings import Settings

if TYPE_CHECKING:
    from etl_platform.core.breaker import BreakerStatus

_CONNECT_S, _READ_S, _ATTEMPTS = 2, 4, 2
"""At most 13 seconds: SNS itself waits 15 for an answer to its post."""


class Systems:
    """Each made once. Nothing connects before it is asked.

    Raises:
        SettingsError: a setting that the gateway cannot do without is missing, or two that do not go together.
    """

    def __init__(self, settings: Settings) -> None:
        settings.require("file_events_queue_url", "data_bucket_name", "gateway_allowed_topic_arns")
        if settings.gateway_dev_mode and settings.aws_endpoint_url is None:
            raise SettingsError("GATEWAY_DEV_MODE=true: takes AWS_ENDPOINT_URL as well; it is for an emulator only")
        self.settings = replace(
            settings,
            aws_connect_timeout_seconds=min(_CONNECT_S, settings.aws_connect_timeout_seconds),
            aws_read_timeout_seconds=min(_READ_S, settings.aws_read_timeout_seconds),
            aws_max_attempts=min(_ATTEMPTS, settings.aws_max_attempts),
        )
        assert settings.file_events_queue_url
        self.queue = Queue(self.settings, settings.file_events_queue_url)
        self._others: dict[str, Queue] = {}

    @cached_property
    def _store(self) -> S3Store:
        return S3Store(self.settings)

    def readiness_checks(self) -> dict[str, Callable[[], object]]:
        """A call by name that raises where the system is not to be reached. A database that is not set is left out."""
        bucket, database = self.settings.data_bucket_name, self.settings.database_url
        assert bucket
        checks: dict[str, Callable[[], object]] = {
            "queue": self.queue.depth,
            "bucket": lambda: self._store.check_bucket(bucket),
        }
        if database:
            checks["database"] = ApplicationDatabase(database).check
        return checks

    def metric_sources(self) -> dict[Source, Question]:
        """What a scrape asks: the depths of the queues that are set, and the breaker where its Dagster is known."""
        urls = {
            (PIPELINE, "dead_letters"): self.settings.file_events_dlq_url,
            ("email_archive", "queue"): self.settings.email_queue_url,
            ("email_archive", "dead_letters"): self.settings.email_dlq_url,
        }
        sources: dict[Source, Question] = {(PIPELINE, "queue"): self.queue.depth}
        sources |= {name: partial(self._depth, url) for name, url in urls.items() if url}
        if self.settings.dagster_home:
            sources[PIPELINE, "breaker"] = self.breaker
        return sources

    def _depth(self, url: str) -> tuple[int, int]:
        # A client costs a third of a second of CPU, which the start of a small pod need not wait for.
        queue = self._others.get(url) or self._others.setdefault(url, Queue(self.settings, url))
        return queue.depth()

    def breaker(self) -> "BreakerStatus":
        # Dagster costs seconds of CPU and most of the memory; a gateway that only forwards need not load it.
        from etl_platform.pipelines.breaker import breaker_status  # noqa: PLC0415
        from etl_platform.pipelines.instance import open_instance  # noqa: PLC0415

        with open_instance(self.settings) as instance:
            return breaker_status(instance, self.settings)

    def reset_breaker(self) -> "BreakerStatus | None":
        """The breaker after its reset; None where the reset failed."""
        from etl_platform.pipelines.breaker import breaker_status, reset_breaker  # noqa: PLC0415
        from etl_platform.pipelines.instance import open_instance  # noqa: PLC0415

        with open_instance(self.settings) as instance:
            done = reset_breaker(instance, self.settings, by="gateway")
            return breaker_status(instance, self.settings) if done else None
