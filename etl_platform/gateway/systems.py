"""The external systems that the gateway calls: queues, bucket, database, CloudWatch and Dagster's run records."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from etl_platform import object_keys
from etl_platform.aws.queue import Queue
from etl_platform.aws.queue_age import QueueAges
from etl_platform.doctor import ExternalSystems
from etl_platform.errors import SettingsError
from etl_platform.gateway.bounded_calls import CachedCall
from etl_platform.gateway.metrics import DagsterReading, Depth, OldestMessages, ReadSource, Source
from etl_platform.gateway.overview_page import StoredPage
from etl_platform.queue_work.queues import FILE_EVENTS, QUEUES
from etl_platform.settings import Settings
from etl_platform.storage.object_store import ObjectStore

if TYPE_CHECKING:
    from etl_platform.defs.operations.daily_counts import DailyCountsReader
    from etl_platform.deliveries.circuit_breaker import BreakerStatus

_CLOUDWATCH_EVERY_S = 60.0
"""CloudWatch has a new value each minute, and each request is billed."""
_QUEUE_CHECK = f"{FILE_EVENTS.check_prefix}queue"
_READINESS_CHECKS = {_QUEUE_CHECK, f"{FILE_EVENTS.check_prefix}bucket", "database"}


class Part(StrEnum):
    """What one process serves: the posts of SNS, metrics and the circuit breaker, or the check of files."""

    WEBHOOK = "webhook"
    METRICS = "metrics"
    CHECK = "check"


class GatewaySystems:
    """Clients, each created on first use. ``clock`` gives the time; metrics count its UTC day.

    ``only`` leaves out what the other part serves, so that a process needs the permissions of one part.

    Raises:
        SettingsError: a setting that the gateway needs is missing, or two contradict each other.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime], only: Part | None = None) -> None:
        self.only = only
        if only is Part.CHECK:
            settings.require("gateway_check_tokens_file")
        else:
            settings.require(FILE_EVENTS.url_setting, FILE_EVENTS.bucket_setting, "gateway_allowed_topic_arns")
        if settings.gateway_dev_mode and settings.aws_endpoint_url is None:
            raise SettingsError(
                "GATEWAY_DEV_MODE=true needs AWS_ENDPOINT_URL: it is for an emulator only; unset it to use AWS"
            )
        self._external, self._clock = ExternalSystems(settings), clock
        # SNS waits 15 seconds for the response to a post, so the gateway's own calls have short timeouts.
        self.settings = self._external.settings

    @property
    def parts(self) -> list[Part]:
        """What this process serves. Without tokens no file is checked."""
        if self.only:
            return [self.only]
        return [part for part in Part if part is not Part.CHECK or self.settings.gateway_check_tokens_file]

    @cached_property
    def queue(self) -> Queue:
        url = FILE_EVENTS.url(self.settings)
        assert url
        return self._external.queue(url)

    def readiness_checks(self) -> dict[str, Callable[[], object]]:
        """Calls by name; one raises if its system is not reachable. No call for a database that is not set."""
        if self.only is Part.CHECK:
            return {}
        names = {_QUEUE_CHECK} if self.only else _READINESS_CHECKS
        return {check.name: check.call for check in self._external.checks() if check.call and check.name in names}

    def metric_sources(self) -> dict[Source, ReadSource]:
        """What a scrape reads: every queue that is set, CloudWatch, and Dagster's records if DAGSTER_HOME is set.

        Nothing in the parts that the internet reaches.
        """
        if self.only in {Part.WEBHOOK, Part.CHECK}:
            return {}
        queues = {queue.pipeline: url for queue in QUEUES if (url := queue.url(self.settings))}
        dead_letters = {queue.pipeline: url for queue in QUEUES if (url := queue.dlq_url(self.settings))}
        sources: dict[Source, ReadSource] = {
            (pipeline, kind): partial(self._depth, url)
            for kind, urls in (("queue", queues), ("dead_letters", dead_letters))
            for pipeline, url in urls.items()
        }
        sources[FILE_EVENTS.pipeline, "cloudwatch"] = CachedCall(
            partial(self._oldest_messages, queues), _CLOUDWATCH_EVERY_S
        )
        if self.settings.dagster_home:
            sources[FILE_EVENTS.pipeline, "dagster"] = CachedCall(self._dagster)
        return sources

    def _depth(self, url: str) -> Depth:
        return Depth(*self._external.queue(url).depth())

    def _oldest_messages(self, queues: Mapping[str, str]) -> OldestMessages:
        return self._queue_ages.read(queues, self._clock())

    @cached_property
    def _queue_ages(self) -> QueueAges:
        return QueueAges(self.settings)

    @cached_property
    def _today(self) -> "DailyCountsReader":
        from etl_platform.defs.operations.daily_counts import DailyCountsReader

        return DailyCountsReader()

    @cached_property
    def _instance(self) -> Any:
        """Dagster's instance. One for all scrapes: a new one each time would leave 30 MiB of garbage."""
        # Dagster costs seconds of CPU and most of the memory, and a gateway that only forwards does not need it.
        from etl_platform.defs.open_instance import open_instance

        return open_instance(self.settings)

    def _dagster(self) -> DagsterReading:
        today = self._today.read(self._instance, self._clock())
        return DagsterReading(self.breaker(), today)

    def overview_page(self) -> StoredPage:
        """The page that overview_page_job wrote last. This process may read no other object."""
        assert self.settings.data_bucket_name
        bucket, key = self.settings.data_bucket_name, object_keys.OVERVIEW_PAGE
        written_at = self._store.head(bucket, key).last_modified
        return StoredPage(self._store.read(bucket, key), written_at)

    @cached_property
    def _store(self) -> ObjectStore:
        from etl_platform.storage.s3_store import S3Store

        return S3Store(self.settings)

    def breaker(self) -> "BreakerStatus":
        from etl_platform.defs.intake.breaker_state import breaker_status

        return breaker_status(self._instance, self.settings)

    def reset_breaker(self) -> "BreakerStatus | None":
        """The breaker's status after the reset; None if the reset failed."""
        from etl_platform.defs.intake.breaker_state import reset_breaker

        return self.breaker() if reset_breaker(self._instance, self.settings, by="gateway") else None
