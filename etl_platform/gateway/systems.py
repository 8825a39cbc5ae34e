"""The systems that the gateway asks: queues, bucket, database, and the breaker in Dagster's records."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from etl_platform.core.errors import SettingsError
from etl_platform.doctor import OutsideSystems
from etl_platform.gateway.metrics import PIPELINE, Question, Source
from etl_platform.settings import Settings

if TYPE_CHECKING:
    from etl_platform.core.breaker import BreakerStatus

_READY_NEEDS = {"queue", "bucket", "database"}


class Systems:
    """Each made once. Nothing connects before it is asked.

    Raises:
        SettingsError: a setting that the gateway cannot do without is missing, or two that do not go together.
    """

    def __init__(self, settings: Settings) -> None:
        settings.require("file_events_queue_url", "data_bucket_name", "gateway_allowed_topic_arns")
        if settings.gateway_dev_mode and settings.aws_endpoint_url is None:
            raise SettingsError("GATEWAY_DEV_MODE=true: takes AWS_ENDPOINT_URL as well; it is for an emulator only")
        self._outside = OutsideSystems(settings)
        # SNS itself waits 15 seconds for an answer to its post, so the gateway's calls are hurried.
        self.settings = self._outside.settings
        assert settings.file_events_queue_url
        self.queue = self._outside.queue(settings.file_events_queue_url)

    def readiness_checks(self) -> dict[str, Callable[[], object]]:
        """A call by name that raises where the system is not to be reached. A database that is not set is left out."""
        return {check.name: check.ask for check in self._outside.checks() if check.ask and check.name in _READY_NEEDS}

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
        return self._outside.queue(url).depth()

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
