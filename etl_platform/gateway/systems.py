"""The systems that the gateway asks: queues, bucket, database, and the breaker in Dagster's records."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from etl_platform.aws.queue_age import QueueAges
from etl_platform.doctor import OutsideSystems
from etl_platform.errors import SettingsError
from etl_platform.gateway.bounded_calls import CachedCall
from etl_platform.gateway.daily_metrics import EMAILS, FILES
from etl_platform.gateway.metrics import Ages, Depth, Question, Records, Source
from etl_platform.settings import Settings

if TYPE_CHECKING:
    from etl_platform.defs.daily_counts import DailyCountsReader
    from etl_platform.deliveries.circuit_breaker import BreakerStatus

_CLOUDWATCH_EVERY_S = 60.0
"""It has a new value each minute, and every question is paid for."""
_READY_NEEDS = {"queue", "bucket", "database"}


class Systems:
    """Each made once. Nothing connects before it is asked. ``clock`` tells the time, whose UTC day is counted.

    Raises:
        SettingsError: a setting that the gateway cannot do without is missing, or two that do not go together.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        settings.require("file_events_queue_url", "data_bucket_name", "gateway_allowed_topic_arns")
        if settings.gateway_dev_mode and settings.aws_endpoint_url is None:
            raise SettingsError("GATEWAY_DEV_MODE=true: takes AWS_ENDPOINT_URL as well; it is for an emulator only")
        self._outside, self._clock = OutsideSystems(settings), clock
        # SNS itself waits 15 seconds for an answer to its post, so the gateway's calls are hurried.
        self.settings = self._outside.settings
        assert settings.file_events_queue_url
        self.queue = self._outside.queue(settings.file_events_queue_url)

    def readiness_checks(self) -> dict[str, Callable[[], object]]:
        """A call by name that raises where the system is not to be reached. A database that is not set is left out."""
        return {check.name: check.ask for check in self._outside.checks() if check.ask and check.name in _READY_NEEDS}

    def metric_sources(self) -> dict[Source, Question]:
        """What a scrape asks: the queues that are set, CloudWatch, and Dagster's records where they are known."""
        settings = self.settings
        assert settings.file_events_queue_url
        queues = {FILES: settings.file_events_queue_url}
        if settings.email_queue_url:
            queues[EMAILS] = settings.email_queue_url
        urls: dict[Source, str | None] = {(pipeline, "queue"): url for pipeline, url in queues.items()}
        urls |= {
            (FILES, "dead_letters"): settings.file_events_dlq_url,
            (EMAILS, "dead_letters"): settings.email_dlq_url,
        }
        sources: dict[Source, Question] = {name: partial(self._depth, url) for name, url in urls.items() if url}
        sources[FILES, "cloudwatch"] = CachedCall(partial(self._ages, queues), _CLOUDWATCH_EVERY_S)
        if settings.dagster_home:
            sources[FILES, "dagster"] = CachedCall(self._records)
        return sources

    def _depth(self, url: str) -> Depth:
        return Depth(*self._outside.queue(url).depth())

    def _ages(self, queues: Mapping[str, str]) -> Ages:
        return self._queue_ages.read(queues, self._clock())

    @cached_property
    def _queue_ages(self) -> QueueAges:
        return QueueAges(self.settings)

    @cached_property
    def _today(self) -> "DailyCountsReader":
        from etl_platform.defs.daily_counts import DailyCountsReader

        return DailyCountsReader()

    @cached_property
    def _instance(self) -> Any:
        """Dagster's. Kept, since one for each scrape leaves 30 MiB to the garbage collector; it pools no connection."""
        # Dagster costs seconds of CPU and most of the memory; a gateway that only forwards need not load it.
        from etl_platform.defs.open_instance import open_instance

        return open_instance(self.settings)

    def _records(self) -> Records:
        figures = self._today.read(self._instance, self._clock())
        return Records(self.breaker(), figures)

    def breaker(self) -> "BreakerStatus":
        from etl_platform.defs.breaker_state import breaker_status

        return breaker_status(self._instance, self.settings)

    def reset_breaker(self) -> "BreakerStatus | None":
        """The breaker after its reset; None where the reset failed."""
        from etl_platform.defs.breaker_state import reset_breaker

        return self.breaker() if reset_breaker(self._instance, self.settings, by="gateway") else None
